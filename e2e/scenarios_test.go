//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// statusChaos are answers that are failures.
func statusChaos() []scenario {
	return []scenario{
		{name: "503 once, idempotent", faults: []object{on(getRoute, 1, answer(503))}, do: get, want: "OK 2", upstream: "503 200"},
		{name: "503 once, not idempotent", faults: []object{on(createRoute, 1, answer(503))}, do: create, want: "OK 2", upstream: "503 201"},
		{name: "503 twice", faults: []object{on(getRoute, 2, answer(503))}, do: get, want: "OK 3", upstream: "503×2 200"},
		{name: "503 three times", faults: []object{on(createRoute, 3, answer(503))}, do: create, want: "OK 4", upstream: "503×3 201"},
		{name: "503 for ever", faults: []object{on(getRoute, -1, answer(503))}, do: get, want: "Unavailable HTTP_503 4", upstream: "503×4"},
		{name: "500 twice, not idempotent", faults: []object{on(createRoute, 2, answer(500))}, do: create, want: "OK 3", upstream: "500×2 201"},
		{name: "500 for ever, not idempotent", faults: []object{on(createRoute, -1, answer(500))}, do: create, want: "Internal HTTP_500 4", upstream: "500×4"},
		{name: "502 once, idempotent", faults: []object{on(getRoute, 1, answer(502))}, do: get, want: "OK 2", upstream: "502 200"},
		{name: "502 once, not idempotent", faults: []object{on(createRoute, 1, answer(502))}, do: create, want: "Unknown OUTCOME_UNKNOWN 1", upstream: "502"},
		{name: "504 for ever, idempotent", faults: []object{on(getRoute, -1, answer(504))}, do: get, want: "Unavailable HTTP_504 4", upstream: "504×4"},
		{
			name: "504 once, not idempotent, repeated by policy", flags: []string{"--repeat-unknown-outcome"}, faults: []object{on(createRoute, 1, answer(504))},
			do: create, want: "OK 2", upstream: "504 201",
		},
		{name: "408 once, idempotent", faults: []object{on(getRoute, 1, answer(408))}, do: get, want: "OK 2", upstream: "408 200"},
		{name: "400", faults: []object{on(getRoute, -1, answer(400))}, do: get, want: "InvalidArgument HTTP_400 1", upstream: "400"},
		{name: "503, 429, 500, then success", flags: []string{"--retry-after-max=1m"}, faults: []object{
			on(getRoute, 1, answer(503)), on(getRoute, 1, answer(429, "Retry-After", "0")), on(getRoute, 1, answer(500)),
		}, do: get, want: "OK 4", upstream: "503 429 500 200"},
		{name: "HTML once, idempotent", faults: []object{on(getRoute, 1, object{"status": 200, "body": "<html>"})}, do: get, want: "OK 2", upstream: "200×2"},
		{name: "HTML once, not idempotent", faults: []object{on(createRoute, 1, object{"status": 200, "body": "<html>"})}, do: create, want: "Internal MALFORMED_RESPONSE 1", upstream: "200"},
		{name: "no retries by policy", flags: []string{"--retry-attempts=1"}, faults: []object{on(getRoute, -1, answer(503))}, do: get, want: "Unavailable HTTP_503 1", upstream: "503"},
		{
			name: "a 503 storm opens the breaker, and it closes again", flags: []string{"--breaker-failures=3", "--breaker-cooldown=2s"},
			faults: []object{on(getRoute, 3, answer(503))},
			do: func(c *chaos) string {
				got := c.get() + ", " + c.get() + ", " + c.mave()
				eventually(c.t, "the probe", func() bool { return c.get() == "OK 1" })
				return got + ", then " + c.get()
			},
			want: "Unavailable HTTP_503 3, Unavailable CIRCUIT_OPEN 0, OK 1, then OK 1", upstream: "503×3 200×3",
		},
		{
			name: "a probe that fails opens the breaker again", flags: []string{"--breaker-failures=1", "--breaker-cooldown=1s"},
			faults: []object{on(getRoute, 2, answer(503))},
			do: func(c *chaos) string {
				got := c.get() + ", " + c.get()
				probe := ""
				eventually(c.t, "the probe", func() bool { probe = c.get(); return probe != "Unavailable CIRCUIT_OPEN 0" })
				return got + ", probe " + probe + ", " + c.get()
			},
			want:     "Unavailable HTTP_503 1, Unavailable CIRCUIT_OPEN 0, probe Unavailable HTTP_503 1, Unavailable CIRCUIT_OPEN 0",
			upstream: "503×2",
		},
		{
			name: "the retry budget is spent", flags: []string{"--retry-budget-stock=2", "--retry-budget-ratio=0"},
			faults: []object{on(getRoute, -1, answer(503))}, do: twice(get), want: "Unavailable HTTP_503 3, Unavailable HTTP_503 1", upstream: "503×4",
		},
		{
			name: "retries of a mesh draw from the budget", flags: []string{"--retry-budget-stock=1", "--retry-budget-ratio=0"},
			do: func(c *chaos) string {
				return c.get(saying("x-envoy-attempt-count", "1")) + ", " + c.get(saying("x-envoy-attempt-count", "2")) + ", " + c.get(saying("x-envoy-attempt-count", "2"))
			},
			want: "OK 1, OK 1, ResourceExhausted RATE_LIMITED_LOCALLY 0", upstream: "200×2",
		},
		{
			name: "retries of a client draw from the budget", flags: []string{"--retry-budget-stock=0", "--retry-budget-ratio=0"},
			do:   func(c *chaos) string { return c.get() + ", " + c.get(saying("grpc-previous-rpc-attempts", "1")) },
			want: "OK 1, ResourceExhausted RATE_LIMITED_LOCALLY 0", upstream: "200",
		},
	}
}

// pacingChaos are limits of Mavera's: of rate, and of calls under way.
func pacingChaos() []scenario {
	wait := "--retry-after-max=1m"
	// after tells whether a call had to wait for what is 1 s away or further.
	after := func(do func() string) string {
		begin := time.Now()
		got := do()
		if time.Since(begin) < 900*time.Millisecond {
			return got + " at once"
		}
		return got + " later"
	}
	return []scenario{
		{
			name: "429 with seconds", flags: []string{wait}, faults: []object{on(getRoute, 1, answer(429, "Retry-After", "1"))},
			do: func(c *chaos) string { return after(func() string { return c.get() }) }, want: "OK 2 later", upstream: "429 200",
		},
		{
			name: "429 with a date", flags: []string{wait},
			do: func(c *chaos) string {
				c.m.control("POST", "faults", on(getRoute, 1, answer(429, "Retry-After", time.Now().Add(3*time.Second).UTC().Format(http.TimeFormat))), nil)
				return after(func() string { return c.get() })
			},
			want: "OK 2 later", upstream: "429 200",
		},
		{
			name: "429 closes the key for every family", faults: []object{on(getRoute, 1, answer(429, "Retry-After", "2"))},
			do: func(c *chaos) string {
				return c.get() + ", " + c.mave(deadline(time.Second)) + ", " + after(func() string { return c.mave() })
			},
			want: "ResourceExhausted HTTP_429 1, ResourceExhausted RATE_LIMITED_LOCALLY 0, OK 1 later", upstream: "429 200",
		},
		{
			name:   "429 with Remaining above 0 holds the family alone",
			faults: []object{on(getRoute, 1, answer(429, "Retry-After", "2", "X-RateLimit-Limit", "60", "X-RateLimit-Remaining", "40"))},
			do: func(c *chaos) string {
				return c.get() + ", " + after(func() string { return c.mave() }) + ", " + c.get(deadline(time.Second)) + ", " + after(func() string { return c.get() })
			},
			want: "ResourceExhausted HTTP_429 1, OK 1 at once, ResourceExhausted RATE_LIMITED_LOCALLY 0, OK 1 later", upstream: "429 200×2",
		},
		{
			name: "429 for longer than anybody waits", flags: []string{wait}, faults: []object{on(getRoute, 1, answer(429, "Retry-After", "3600"))},
			do: twice(get), want: "ResourceExhausted HTTP_429 1, ResourceExhausted RATE_LIMITED_LOCALLY 0", upstream: "429",
		},
		{
			name: "70 calls at once, 60 a minute", flags: []string{"--rate-limit-start=60", "--rate-unconfirmed=10"},
			do: func(c *chaos) string {
				c.m.control("PATCH", "settings", object{"limit": 60}, nil)
				return many(70, func() string { return c.get(deadline(10 * time.Second)) })
			},
			want: "OK 1 ×60, ResourceExhausted RATE_LIMITED_LOCALLY 0 ×10", upstream: "200×60",
		},
		{
			name: "somebody else uses the key", flags: []string{"--rate-limit-start=60", "--rate-unconfirmed=10"},
			do: func(c *chaos) string {
				c.m.control("PATCH", "settings", object{"limit": 60}, nil)
				c.m.control("POST", "window", object{"requests": 50}, nil)
				for range 9 {
					if got := c.get(); got != "OK 1" {
						return got
					}
				}
				return c.get() + ", " + c.get(deadline(5*time.Second))
			},
			want: "OK 1, ResourceExhausted RATE_LIMITED_LOCALLY 0", upstream: "200×10",
		},
		{
			name: "interactive calls do not wait for batch calls", flags: []string{"--rate-limit-start=60"},
			do: func(c *chaos) string {
				var batch sync.WaitGroup
				batch.Go(func() { many(3, func() string { return c.get(saying("x-priority", "batch")) }) })
				c.m.awaitRequest("getPersona")
				eventually(c.t, "the batch calls in the queue", func() bool {
					_, metrics := c.page("/metrics")
					return strings.Contains(metrics, `class="batch"`)
				})
				got := many(10, func() string { return c.mave(deadline(10 * time.Second)) })
				order := ""
				batch.Wait()
				for _, r := range c.m.requests() {
					order += map[bool]string{true: "b", false: "i"}[r.OperationID == "getPersona"]
				}
				return got + ", " + order
			},
			want: "OK 1 ×10, biiiiiiiiiibb", upstream: "200×13",
		},
		{
			name: "12 slow Mave calls, 10 slots",
			do: func(c *chaos) string {
				c.m.control("PATCH", "settings", object{"latency": object{"mave": "6s"}}, nil)
				var first string
				var all sync.WaitGroup
				all.Go(func() { first = many(10, func() string { return c.mave() }) })
				eventually(c.t, "ten calls", func() bool { return len(c.m.requests()) == 10 })
				short := c.mave(deadline(crowded))
				long := c.mave()
				all.Wait()
				return first + ", " + short + ", " + long
			},
			want: "OK 1 ×10, ResourceExhausted CONCURRENCY_LIMITED 0, OK 1", upstream: "200×11",
		},
	}
}

// networkChaos is what lies between.
func networkChaos() []scenario {
	answers := func(kind string, attributes object) []toxic { return []toxic{{kind, "downstream", attributes}} }
	requests := func(kind string, attributes object) []toxic { return []toxic{{kind, "upstream", attributes}} }
	list := func(c *chaos) string {
		return c.ask(func(ctx context.Context) outcome {
			_, o := call(ctx, c.personas.ListPersonas, &maverav1.ListPersonasRequest{})
			return o
		}, nil)
	}
	return []scenario{
		{name: "requests reset, idempotent", toxics: requests("reset_peer", nil), do: get, want: "Unavailable CONNECTION_LOST 4"},
		{name: "requests reset, not idempotent", toxics: requests("reset_peer", nil), do: create, want: "Unknown OUTCOME_UNKNOWN 1"},
		{name: "answers reset, idempotent", toxics: answers("reset_peer", nil), do: get, want: "Unavailable CONNECTION_LOST 4", upstream: "200×4"},
		{name: "answers reset, not idempotent", toxics: answers("reset_peer", nil), do: create, want: "Unknown OUTCOME_UNKNOWN 1", upstream: "201"},
		{name: "answers swallowed", toxics: answers("timeout", object{"timeout": 100}), do: get, want: "Unavailable CONNECTION_LOST 4", upstream: "200×4"},
		{
			name: "answers swallowed for ever", toxics: answers("timeout", object{"timeout": 0}),
			do: func(c *chaos) string { return c.get(deadline(500 * time.Millisecond)) }, want: "DeadlineExceeded 1", upstream: "200",
		},
		{
			name: "requests swallowed for ever", toxics: requests("timeout", object{"timeout": 0}),
			do: func(c *chaos) string { return c.create(deadline(500 * time.Millisecond)) }, want: "DeadlineExceeded 1 unknown",
		},
		{name: "latency and jitter", toxics: answers("latency", object{"latency": 50, "jitter": 40}), do: twice(get), want: "OK 1, OK 1", upstream: "200×2"},
		{
			name: "latency over the deadline", toxics: answers("latency", object{"latency": 1500}),
			do: func(c *chaos) string { return c.get(deadline(500 * time.Millisecond)) }, want: "DeadlineExceeded 1", upstream: "200",
		},
		{name: "small slices", toxics: answers("slicer", object{"average_size": 16, "size_variation": 8, "delay": 200}), do: list, want: "OK 1", upstream: "200"},
		{name: "little bandwidth", toxics: answers("bandwidth", object{"rate": 20}), do: list, want: "OK 1", upstream: "200"},
		{name: "answers end early, idempotent", toxics: answers("limit_data", object{"bytes": 100}), do: get, want: "Unavailable CONNECTION_LOST 4", upstream: "200×4"},
		{name: "a body cut once, idempotent", faults: []object{on(getRoute, 1, object{"cut_after_bytes": 20})}, do: get, want: "OK 2", upstream: "200×2"},
		{name: "a body cut once, not idempotent", faults: []object{on(createRoute, 1, object{"cut_after_bytes": 20})}, do: create, want: "Unknown OUTCOME_UNKNOWN 1", upstream: "201"},
		{name: "a connection closed once, idempotent", faults: []object{on(getRoute, 1, object{"close_before": true})}, do: get, want: "OK 2", upstream: "0 200"},
		{name: "a connection closed once, not idempotent", faults: []object{on(createRoute, 1, object{"close_before": true})}, do: create, want: "Unknown OUTCOME_UNKNOWN 1", upstream: "0"},
		{
			name: "nobody listens, idempotent or not",
			do:   func(c *chaos) string { c.network.down(); return c.get() + ", " + c.create() },
			want: "Unavailable CONNECTION_FAILED 4, Unavailable CONNECTION_FAILED 4",
		},
		{
			name: "down, and up again while a call is repeated", flags: []string{"--retry-attempts=10", "--retry-base=500ms", "--retry-cap=500ms"},
			do: func(c *chaos) string {
				c.network.down()
				done := make(chan string)
				go func() { done <- c.create() }()
				c.awaitMessage("retry")
				c.network.up()
				return strings.TrimRight(<-done, "0123456789") + "after some"
			},
			want: "OK after some", upstream: "201",
		},
		{
			name: "down, and up again between calls", flags: []string{"--retry-attempts=1"},
			do: func(c *chaos) string {
				got := c.get()
				c.network.down()
				got += ", " + c.get(deadline(5 * time.Second))[:len("Unavailable")]
				c.network.up()
				return got + ", " + c.get()
			},
			want: "OK 1, Unavailable, OK 1", upstream: "200×2",
		},
		{
			name: "a DELETE whose answer is lost", faults: []object{on("DELETE /folders/{id}", 1, object{"cut_after_bytes": 1})},
			do: func(c *chaos) string {
				folder, err := c.folders.CreateFolder(within(c.t), &maverav1.CreateFolderRequest{Name: "Summer", WorkspaceId: workspaceID})
				if err != nil {
					return err.Error()
				}
				return c.ask(func(ctx context.Context) outcome {
					_, o := call(ctx, c.folders.DeleteFolder, &maverav1.DeleteFolderRequest{Id: folder.GetId()})
					return o
				}, nil)
			},
			want: "OK 2", upstream: "201 200 404",
		},
	}
}

// callerChaos are callers who have no time, or leave.
func callerChaos() []scenario {
	hang := func(route string) []object { return []object{on(route, -1, object{"hang": true})} }
	leaving := func(do func(*chaos, ...asker) string, when func(*chaos)) func(*chaos) string {
		return func(c *chaos) string {
			var cancel context.CancelFunc
			ready, done := make(chan struct{}), make(chan string)
			go func() {
				done <- do(c, func(ctx context.Context) (context.Context, context.CancelFunc) {
					ctx, cancel = context.WithCancel(ctx)
					close(ready)
					return ctx, cancel
				})
			}()
			<-ready
			when(c)
			cancel()
			return <-done
		}
	}
	inPause := func(c *chaos) { c.awaitMessage("retry") }
	return []scenario{
		{
			name: "no answer until the deadline, idempotent", faults: hang(getRoute),
			do: func(c *chaos) string { return c.get(deadline(500 * time.Millisecond)) }, want: "DeadlineExceeded 1", upstream: "0",
		},
		{
			name: "no answer until the deadline, not idempotent", faults: hang(createRoute),
			do: func(c *chaos) string { return c.create(deadline(500 * time.Millisecond)) }, want: "DeadlineExceeded 1 unknown", upstream: "0",
		},
		{
			name: "the second attempt has no answer until the deadline", faults: append([]object{on(getRoute, 1, answer(503))}, hang(getRoute)...),
			do: func(c *chaos) string { return c.get(deadline(500 * time.Millisecond)) }, want: "DeadlineExceeded 2", upstream: "503 0",
		},
		{
			name: "a deadline that is too short for the pause", flags: []string{"--retry-after-max=1m"}, faults: []object{on(getRoute, -1, answer(503, "Retry-After", "5"))},
			do: func(c *chaos) string { return c.get(deadline(4 * time.Second)) }, want: "Unavailable HTTP_503 1", upstream: "503",
		},
		{
			name: "a caller who leaves in the pause, idempotent", flags: []string{"--retry-after-max=1m"}, faults: []object{on(getRoute, -1, answer(503, "Retry-After", "5"))},
			do: leaving((*chaos).get, inPause), want: "Canceled 1", upstream: "503",
		},
		{
			name: "a caller who leaves in the pause, not idempotent", flags: []string{"--retry-after-max=1m"}, faults: []object{on(createRoute, -1, answer(503, "Retry-After", "5"))},
			do: leaving((*chaos).create, inPause), want: "Canceled 1 unknown", upstream: "503",
		},
		{
			name: "a caller who leaves in the attempt", faults: hang(createRoute),
			do: leaving((*chaos).create, func(c *chaos) { c.m.awaitRequest("createPersona") }), want: "Canceled 1 unknown", upstream: "0",
		},
		{
			name: "callers who leave do not open the breaker", flags: []string{"--breaker-failures=1"}, faults: []object{on(getRoute, 3, object{"hang": true})},
			do: func(c *chaos) string {
				short := deadline(300 * time.Millisecond)
				return c.get(short) + ", " + c.get(short) + ", " + c.get(short) + ", " + c.get()
			},
			want: "DeadlineExceeded 1, DeadlineExceeded 1, DeadlineExceeded 1, OK 1", upstream: "0×3 200",
		},
	}
}
