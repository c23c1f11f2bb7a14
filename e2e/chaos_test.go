//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// A chaos is a gateway in front of a network in front of a simulator.
type chaos struct {
	*gateway
	m       *mavera
	network *network
	calls   atomic.Int64
}

// A scenario is one way in which things go wrong.
type scenario struct {
	name   string
	flags  []string // of the gateway, besides brisk
	faults []object // of the simulator
	toxics []toxic
	do     func(*chaos) string
	want   string // what callers get
	// upstream are the statuses of the requests that reached the simulator, in their
	// order; 0 is one that got no answer; * where do has looked at them.
	upstream string
}

const (
	getRoute    = "GET /personas/{id}"
	createRoute = "POST /personas"
)

// on is a fault of a route, every times calls; -1 is for ever.
func on(route string, times int, script object) object {
	script["route"], script["times"] = route, times
	return script
}

func answer(status int, headers ...string) object {
	h := object{}
	for i := 0; i < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	return object{"status": status, "headers": h, "body": ""}
}

// TestChaos plays every scenario against programs of its own.
func TestChaos(t *testing.T) {
	for _, row := range slices.Concat(statusChaos(), pacingChaos(), networkChaos(), callerChaos(), lookUpChaos(), streamChaos()) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			m := startMavera(t)
			for _, f := range row.faults {
				m.control("POST", "faults", f, nil)
			}
			n := startNetwork(t, m.base, row.toxics...)
			c := &chaos{gateway: startGateway(t, n.base, row.flags...), m: m, network: n}
			if got := row.do(c); got != row.want {
				t.Errorf("callers got %s\nwant        %s", got, row.want)
			}
			var got string
			settled := func() bool { got = c.statuses(); return got == row.upstream || row.upstream == "*" }
			for limit := time.Now().Add(2 * time.Second); !settled() && time.Now().Before(limit); {
				time.Sleep(10 * time.Millisecond) // the journal notes an answer after it was sent
			}
			if !settled() {
				t.Errorf("the simulator answered %q, want %q", got, row.upstream)
			}
		})
	}
}

// statuses are those of the journal, runs of one written as 200×3.
func (c *chaos) statuses() string {
	var out []string
	requests := c.m.requests()
	for i := 0; i < len(requests); {
		n := i
		for n < len(requests) && requests[n].Status == requests[i].Status {
			n++
		}
		text := strconv.Itoa(requests[i].Status)
		if n-i > 1 {
			text += "×" + strconv.Itoa(n-i)
		}
		out = append(out, text)
		i = n
	}
	return strings.Join(out, " ")
}

// result is code, reason and attempts of a call. At a deadline the caller's clock and
// the gateway's may each be the first, so that what comes of a call whose caller has no
// more time, or left, is taken from the log.
func (c *chaos) result(o outcome, id string) string {
	if o.err == nil {
		return "OK " + one(o.trailer, "x-mavera-attempts") + map[string]string{"true": " recovered"}[one(o.trailer, "x-mavera-recovered")]
	}
	code := statusOf(o.err)
	text := code.String()
	if code != codes.DeadlineExceeded && code != codes.Canceled {
		for _, detail := range status.Convert(o.err).Details() {
			if d, ok := detail.(*errdetails.ErrorInfo); ok {
				return text + " " + d.GetReason() + " " + d.GetMetadata()["attempts"]
			}
		}
		return o.err.Error()
	}
	line := c.await("the call "+id, func(l logLine) bool { return l.text("msg") == "call" && l.text("request_id") == id })
	text += " " + fmt.Sprint(line["attempts"])
	if strings.Contains(line.text("error"), "may have been carried out") {
		text += " unknown"
	}
	return text
}

// An asker edits the context of a call.
type asker func(context.Context) (context.Context, context.CancelFunc)

// crowded is a deadline for calls that are refused in the last 5 % before it: that is
// 200 ms, in which the refusal gets through however busy the machine is.
const crowded = 4 * time.Second

func deadline(d time.Duration) asker {
	return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
}

func saying(pairs ...string) asker {
	return func(ctx context.Context) (context.Context, context.CancelFunc) { return with(ctx, pairs...), func() {} }
}

func (c *chaos) ask(rpc func(context.Context) outcome, askers []asker) string {
	id := fmt.Sprint("call-", c.calls.Add(1))
	return c.result(asked(with(within(c.t), "x-request-id", id), rpc, askers), id)
}

// asked calls with a context that all askers have edited, the first one first.
func asked(ctx context.Context, rpc func(context.Context) outcome, askers []asker) outcome {
	if len(askers) == 0 {
		return rpc(ctx)
	}
	ctx, cancel := askers[0](ctx)
	defer cancel()
	return asked(ctx, rpc, askers[1:])
}

// get is an idempotent call, create one that is not, mave one of another family.
func (c *chaos) get(askers ...asker) string {
	return c.ask(func(ctx context.Context) outcome { return c.getPersona(ctx, personaID) }, askers)
}

func (c *chaos) create(askers ...asker) string { return c.ask(c.createPersona, askers) }

func (c *chaos) mave(askers ...asker) string {
	return c.ask(func(ctx context.Context) outcome {
		_, o := call(ctx, c.clients.mave.SendMaveMessage, &maverav1.SendMaveMessageRequest{Message: "Why?"})
		return o
	}, askers)
}

func get(c *chaos) string    { return c.get() }
func create(c *chaos) string { return c.create() }

// twice is what two calls get, one after the other.
func twice(do func(*chaos) string) func(*chaos) string {
	return func(c *chaos) string { return do(c) + ", " + do(c) }
}

// many makes calls at the same time and counts what they get.
func many(n int, do func() string) string {
	var all sync.WaitGroup
	results := make([]string, n)
	for i := range n {
		all.Go(func() { results[i] = do() })
	}
	all.Wait()
	counts := map[string]int{}
	for _, r := range results {
		counts[r]++
	}
	var out []string
	for r, count := range counts {
		out = append(out, fmt.Sprintf("%s ×%d", r, count))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
