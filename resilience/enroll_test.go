package resilience

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEnroll ends calls from outside, at whatever they are.
func TestEnroll(t *testing.T) {
	errStop := errors.New("stop")
	const attempt = time.Minute // its timeout
	hangs := reply{after: time.Hour, outcome: well}
	for _, row := range []struct {
		name     string
		script   []reply
		at       time.Duration
		want     error
		attempts []string
		enrolled []string
	}{
		{"before the end", []reply{{time.Second, well}}, 2 * time.Second, nil, []string{"0s"}, []string{"0s"}},
		{"in an attempt", []reply{hangs}, time.Second, errStop, []string{"0s"}, []string{"0s"}},
		{"between two", []reply{{0, unavailable}}, 100 * time.Millisecond, errStop, []string{"0s"}, []string{"0s"}},
		{"in the second", []reply{{0, unavailable}, hangs}, time.Second, errStop, []string{"0s", "250ms"}, []string{"0s"}},
		{"after a timeout", []reply{hangs}, attempt + 100*time.Millisecond, errStop, []string{"0s"}, []string{"0s", "1m0s"}},
		{
			"in the attempt after a timeout",
			[]reply{hangs, hangs},
			attempt + time.Second, errStop,
			[]string{"0s", "1m0.25s"},
			[]string{"0s", "1m0s"},
		},
		{
			"two timeouts",
			[]reply{hangs, hangs},
			time.Hour, nil,
			[]string{"0s", "1m0.25s", "2m0.75s"},
			[]string{"0s", "1m0s", "2m0.25s"},
		},
		{"answered just in time", []reply{{attempt - 1, well}}, time.Hour, nil, []string{"0s"}, []string{"0s"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(p *Policy) { p.RepeatUnknown = true }, row.script...)
				var enrolled []string
				var end context.CancelCauseFunc // guarded by s.mu
				stop := time.AfterFunc(row.at, func() {
					s.mu.Lock()
					defer s.mu.Unlock()
					end(errStop)
				})
				defer stop.Stop()
				var last *Call
				_, err := s.call(t.Context(), func(c *Call) {
					last = c
					c.Enroll = func(e context.CancelCauseFunc) {
						s.mu.Lock()
						defer s.mu.Unlock()
						enrolled, end = append(enrolled, s.at()), e
					}
				})
				if !errors.Is(err, row.want) {
					t.Errorf("ended with %v, want %v", err, row.want)
				}
				if row.want != nil && !errors.Is(context.Cause(last.Context()), row.want) {
					t.Errorf("its context ended because of %v", context.Cause(last.Context()))
				}
				if diff := cmp.Diff([][]string{row.attempts, row.enrolled}, [][]string{s.attempts, enrolled}); diff != "" {
					t.Errorf("attempts and enrollments, -want +got:\n%s", diff)
				}
				if last.Context().Err() == nil {
					t.Error("its context goes on")
				}
			})
		})
	}
}
