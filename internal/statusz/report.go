package statusz

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// A Report is all that the page shows. Durations are seconds unless their names say
// otherwise; times are UTC.
type Report struct {
	Version  string    `json:"version"`
	Now      time.Time `json:"now"`
	Started  time.Time `json:"started"`
	UptimeS  int64     `json:"uptime_s"`
	Ready    bool      `json:"ready"`
	Upstream string    `json:"upstream"`
	Key      string    `json:"key"`
	// LogLevel is the present one, which may not be that of the configuration.
	LogLevel string `json:"log_level"`

	// Window is the rate limit window of the gateway's own key.
	Window Window `json:"window"`
	// Queued are the calls that wait for it, by class.
	Queued map[string]int `json:"queued"`
	// RetryBudget is how many retries could be spent at once.
	RetryBudget int      `json:"retry_budget"`
	Families    []Family `json:"families"`

	// Recent are the last failures, the newest first.
	Recent []Failure `json:"recent"`
	// History are the last ten minutes, the oldest first, in steps of Interval.
	History       []Point `json:"history"`
	Configuration string  `json:"configuration"`
}

// A Window is the rate limit window; see [resilience.WindowUsage].
type Window struct {
	Limit        int    `json:"limit"`
	Places       int    `json:"places"`
	Own          int    `json:"own"`
	Foreign      int    `json:"foreign"`
	ForeignTotal uint64 `json:"foreign_total"`
	Confirmed    bool   `json:"confirmed"`
	// ClosedS is for how long a closed window stays closed.
	ClosedS float64 `json:"closed_s"`
}

// A Family is a group of endpoints that share a breaker and slots. Counts are of all
// keys since the start, watches of all keys; breaker and slots are those of the
// gateway's own key.
type Family struct {
	Name     string         `json:"name"`
	Breaker  string         `json:"breaker"`
	Slots    *Slots         `json:"slots,omitempty"`
	Watches  *Watches       `json:"watches,omitempty"`
	Calls    int            `json:"calls"`
	Failures int            `json:"failures"`
	Refusals int            `json:"refusals"`
	Attempts int            `json:"attempts"`
	Credits  float64        `json:"credits"`
	Codes    map[string]int `json:"codes"`
}

// Slots are the calls or jobs that may run at a time.
type Slots struct {
	Slots   int `json:"slots"`
	Taken   int `json:"taken"`
	Jobs    int `json:"jobs"`
	Waiting int `json:"waiting"`
}

// Watches are the watches of jobs that are open, and the jobs: each is polled once for
// all its watches.
type Watches struct {
	Open int `json:"open"`
	Jobs int `json:"jobs"`
}

// A Failure is a call that failed; see [Call].
type Failure struct {
	At           time.Time `json:"at"`
	RequestID    string    `json:"request_id"`
	TraceID      string    `json:"trace_id,omitempty"`
	RPC          string    `json:"rpc"`
	Route        string    `json:"route"`
	Family       string    `json:"family"`
	Caller       string    `json:"caller,omitempty"`
	Code         string    `json:"code"`
	Reason       string    `json:"reason"`
	Message      string    `json:"message"`
	HTTPStatus   int       `json:"http_status,omitempty"`
	UpstreamCode string    `json:"upstream_code,omitempty"`
	UpstreamType string    `json:"upstream_type,omitempty"`
	// StorageStatus is set where the storage refused an upload.
	StorageStatus int   `json:"storage_status,omitempty"`
	Attempts      int   `json:"attempts"`
	WaitedMS      int64 `json:"waited_ms"`
	DurationMS    int64 `json:"duration_ms"`
}

// A Point is what happened in one [Interval], and how things stood at its end.
type Point struct {
	At       time.Time `json:"at"`
	Calls    int       `json:"calls"`
	Failures int       `json:"failures"`
	Refusals int       `json:"refusals"`
	Own      int       `json:"own"`
	Foreign  int       `json:"foreign"`
	Places   int       `json:"places"`
	Queued   int       `json:"queued"`
}

// Report tells how things are.
func (b *Board) Report() Report {
	now := time.Now().UTC()
	state := b.options.State()
	r := Report{
		Version: b.options.Version, Now: now, Started: b.started.UTC(), UptimeS: int64(now.Sub(b.started).Seconds()),
		Ready: b.options.Ready(), Upstream: b.options.Upstream, Key: b.options.Key(),
		LogLevel: strings.ToLower(b.options.Level.Level().String()),
		Window: Window{
			Limit: state.Window.Limit, Places: state.Window.Places, Own: state.Window.Own, Foreign: state.Window.Foreign,
			ForeignTotal: state.Window.ForeignTotal, Confirmed: state.Window.Confirmed,
			ClosedS: max(state.Window.ClosedUntil.Sub(now).Seconds(), 0),
		},
		Queued: make(map[string]int), RetryBudget: state.RetryBudget, Configuration: b.options.Configuration,
	}
	for class, waiting := range state.Queued {
		r.Queued[resilience.Class(class).String()] = waiting
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r.Families = b.byFamily(&state)
	r.Recent = make([]Failure, 0, len(b.recent.values))
	for c := range b.recent.all() {
		r.Recent = append(r.Recent, failureOf(&c))
	}
	slices.Reverse(r.Recent)
	r.History = slices.AppendSeq(make([]Point, 0, len(b.history.values)), b.history.all())
	return r
}

// byFamily lists the families in the order of their names; called under mu.
func (b *Board) byFamily(state *resilience.Snapshot) []Family {
	families := make([]Family, 0, len(state.Breakers))
	for _, name := range slices.Sorted(maps.Keys(state.Breakers)) {
		f := Family{Name: name, Breaker: state.Breakers[name].String(), Codes: map[string]int{}}
		if usage, ok := state.Slots[name]; ok {
			f.Slots = &Slots{Slots: usage.Slots, Taken: usage.Taken, Jobs: usage.Jobs, Waiting: usage.Waiting}
		}
		if open, ok := state.Watches[name]; ok {
			f.Watches = &Watches{Open: open, Jobs: state.WatchedJobs[name]}
		}
		if t := b.families[name]; t != nil {
			f.Calls, f.Failures, f.Refusals, f.Attempts, f.Credits = t.calls, t.failures, t.refusals, t.attempts, t.credits
			for code, n := range t.codes {
				f.Codes[code.String()] = n
			}
		}
		families = append(families, f)
	}
	return families
}

func failureOf(c *Call) Failure {
	return Failure{
		At: c.At.UTC(), RequestID: c.RequestID, TraceID: c.TraceID, RPC: c.RPC, Route: c.Route, Family: c.Family, Caller: c.Caller,
		Code: c.Code.String(), Reason: cmp.Or(c.Reason, c.Code.String()), Message: c.Message,
		HTTPStatus: c.HTTPStatus, UpstreamCode: c.UpstreamCode, UpstreamType: c.UpstreamType,
		StorageStatus: c.StorageStatus, Attempts: c.Attempts, WaitedMS: c.Waited.Milliseconds(), DurationMS: c.Duration.Milliseconds(),
	}
}
