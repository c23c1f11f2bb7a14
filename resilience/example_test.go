package resilience_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func ExampleBackoff() {
	backoff := resilience.DefaultPolicy().Backoff
	for retry := range 4 {
		fmt.Println(backoff.Delay(retry, 0.5)) // rand.Float64() in earnest
	}
	fmt.Println(backoff.DelayAfter(30*time.Second, 0, 0.5))
	// Output:
	// 250ms
	// 500ms
	// 1s
	// 2s
	// 30.25s
}

func ExampleBudget() {
	budget := resilience.NewBudget(resilience.DefaultPolicy().Budget)
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	for range 20 {
		budget.Call(now)
	}
	fmt.Println(budget.Level(now), "retries: a fifth of 20 calls and the stock of 10")
	retries := 0
	for budget.Spend(now, 60) {
		retries++
	}
	fmt.Println(retries, "spent;", budget.Level(now.Add(30*time.Second)), "regained in 30 s at 60 requests a minute")
	// Output:
	// 14 retries: a fifth of 20 calls and the stock of 10
	// 14 spent; 3 regained in 30 s at 60 requests a minute
}

func ExampleBreaker() {
	breaker := resilience.NewBreaker(resilience.BreakerPolicy{Failures: 1, Cooldown: 30 * time.Second, MaxCooldown: 5 * time.Minute})
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	ticket, _, _ := breaker.Ask(now)
	change := breaker.Done(now, ticket, resilience.Failure)
	fmt.Println(change.From, "to", change.To, "for", change.Cooldown)

	_, retryAt, ok := breaker.Ask(now)
	fmt.Println("let through:", ok, "- retry in", retryAt.Sub(now))

	ticket, _, ok = breaker.Ask(retryAt)
	fmt.Println("let through:", ok, "- as a probe:", ticket.Probe)
	change = breaker.Done(retryAt, ticket, resilience.Success)
	fmt.Println(change.From, "to", change.To)
	// Output:
	// closed to open for 30s
	// let through: false - retry in 30s
	// let through: true - as a probe: true
	// half-open to closed
}

func ExampleBulkhead() {
	caps := resilience.Caps{Slots: 1, Jobs: true, MaxAge: time.Hour}
	bulkhead := resilience.NewBulkhead(caps, resilience.NewLocalSlots())
	create := func(ctx context.Context) error {
		lease, _, err := bulkhead.Acquire(ctx, "caller")
		if err != nil {
			return err
		}
		defer lease.Release() // unless it is kept
		lease.Keep("the id of the job that the call started")
		return nil
	}
	fmt.Println(create(context.Background()))

	fmt.Printf("%+v\n", bulkhead.Usage())
	bulkhead.Free("the id of the job that the call started")
	fmt.Println(bulkhead.Idle())
	// Output:
	// <nil>
	// {Slots:1 Taken:1 Jobs:1 Waiting:0 MedianHold:0s}
	// true
}

func ExampleRegistry() {
	type scope struct{ key, family string }
	policy := resilience.DefaultPolicy().Breaker
	breakers := resilience.NewRegistry(1024, func(scope) resilience.BreakerStore { return resilience.NewLocalBreaker(policy) }, nil)

	breaker := breakers.Use(scope{key: "3f9a", family: "mave"})
	defer breaker.Release()
	ticket, _, ok := breaker.Value.Ask(time.Now())
	defer breaker.Value.Done(time.Now(), ticket, resilience.Success)
	fmt.Println(ok)
	// Output: true
}
