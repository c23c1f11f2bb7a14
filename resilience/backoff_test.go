package resilience_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func TestBackoffDelay(t *testing.T) {
	t.Parallel()
	const almostOne = 1 - 0x1p-53 // the largest value of rand.Float64
	usual := resilience.Backoff{Base: 500 * time.Millisecond, Cap: 30 * time.Second}
	tests := []struct {
		name    string
		backoff resilience.Backoff
		retry   int
		random  float64
		want    time.Duration
	}{
		{name: "first retry, least", backoff: usual, retry: 0, random: 0, want: 0},
		{name: "first retry, middle", backoff: usual, retry: 0, random: 0.5, want: 250 * time.Millisecond},
		{name: "first retry, most", backoff: usual, retry: 0, random: almostOne, want: 500*time.Millisecond - 1},
		{name: "second retry", backoff: usual, retry: 1, random: 0.5, want: 500 * time.Millisecond},
		{name: "third retry", backoff: usual, retry: 2, random: 0.5, want: time.Second},
		{name: "last below the cap", backoff: usual, retry: 5, random: 0.5, want: 8 * time.Second},
		{name: "first at the cap", backoff: usual, retry: 6, random: 0.5, want: 15 * time.Second},
		{name: "so many retries that the product overflows", backoff: usual, retry: 40, random: 0.5, want: 15 * time.Second},
		{name: "more retries than bits", backoff: usual, retry: math.MaxInt, random: 0.5, want: 15 * time.Second},
		{name: "negative retry", backoff: usual, retry: -1, random: 0.5, want: 250 * time.Millisecond},
		{name: "base equals cap", backoff: resilience.Backoff{Base: time.Second, Cap: time.Second}, retry: 3, random: 0.5, want: 500 * time.Millisecond},
		{name: "random above its range", backoff: usual, retry: 0, random: 7, want: 500*time.Millisecond - 1},
		{name: "random below its range", backoff: usual, retry: 0, random: -1, want: 0},
		{name: "random is not a number", backoff: usual, retry: 0, random: math.NaN(), want: 0},
		{name: "random is infinite", backoff: usual, retry: 0, random: math.Inf(1), want: 500*time.Millisecond - 1},
		{name: "zero value does not wait", retry: 3, random: 0.5, want: 0},
		{
			name:    "the largest cap there is, where floats are 1,024 ns apart",
			backoff: resilience.Backoff{Base: 1, Cap: math.MaxInt64}, retry: 63, random: almostOne, want: math.MaxInt64 - 1023,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.backoff.Delay(test.retry, test.random); got != test.want {
				t.Errorf("%+v.Delay(%d, %v) = %v, want %v", test.backoff, test.retry, test.random, got, test.want)
			}
		})
	}
}

func TestBackoffDelayAfter(t *testing.T) {
	t.Parallel()
	usual := resilience.Backoff{Base: 500 * time.Millisecond, Cap: 30 * time.Second}
	tests := []struct {
		name       string
		retryAfter time.Duration
		retry      int
		random     float64
		want       time.Duration
	}{
		{name: "never shortened", retryAfter: 30 * time.Second, retry: 0, random: 0, want: 30 * time.Second},
		{name: "jitter above it", retryAfter: 30 * time.Second, retry: 1, random: 0.5, want: 30*time.Second + 500*time.Millisecond},
		{name: "longer than the cap", retryAfter: time.Hour, retry: 0, random: 0, want: time.Hour},
		{name: "zero, which is a date in the past", retryAfter: 0, retry: 0, random: 0.5, want: 250 * time.Millisecond},
		{name: "negative", retryAfter: -time.Hour, retry: 0, random: 0.5, want: 250 * time.Millisecond},
		{name: "a sum that overflows", retryAfter: math.MaxInt64 - 1, retry: 0, random: 0.5, want: math.MaxInt64},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := usual.DelayAfter(test.retryAfter, test.retry, test.random); got != test.want {
				t.Errorf("DelayAfter(%v, %d, %v) = %v, want %v", test.retryAfter, test.retry, test.random, got, test.want)
			}
		})
	}
}

// Whatever the numbers, a wait lies in its range.
func TestBackoffStaysInRange(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		backoff := resilience.Backoff{Base: 1 + time.Duration(random.Int64N(1<<random.IntN(62)))}
		backoff.Cap = backoff.Base + time.Duration(random.Int64N(1<<random.IntN(62)))
		retry, at := random.IntN(70), random.Float64()
		ceiling := math.Min(float64(backoff.Cap), float64(backoff.Base)*math.Pow(2, float64(retry)))
		if got := backoff.Delay(retry, at); got < 0 || got >= backoff.Cap || float64(got) > ceiling {
			t.Fatalf("%+v.Delay(%d, %v) = %v, want within [0, %v)", backoff, retry, at, got, time.Duration(ceiling))
		}
	}
}

func BenchmarkBackoffDelay(b *testing.B) {
	backoff := resilience.Backoff{Base: 500 * time.Millisecond, Cap: 30 * time.Second}
	b.ReportAllocs()
	for b.Loop() {
		backoff.Delay(3, 0.5)
	}
}
