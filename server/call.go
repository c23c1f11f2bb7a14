package server

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// Metadata of requests and trailers of answers.
const (
	requestIDKey = "x-request-id"
	attemptsKey  = "x-mavera-attempts"
	creditsKey   = "x-mavera-credits-used"
	recoveredKey = "x-mavera-recovered"
	pushbackKey  = "grpc-retry-pushback-ms" // gRFC A6
	callerKey    = "x-caller-id"
	priorityKey  = "x-priority"
	apiKeyKey    = "x-mavera-api-key" //nolint:gosec // the name of a header, not a key
)

// maxRequestID is how long a caller's request id may be, in characters.
const maxRequestID = 128

// A call is what the interceptors and the handler learn of one RPC as it goes
// through them. It belongs to the call's goroutine.
type call struct {
	plan      *transcode.Plan // nil for services that are not Mavera's
	rpc       string          // "GetPersona", or the full method without a plan
	requestID string
	caller    string
	start     time.Time
	request   *transcode.Request // once validated
	class     resilience.Class
	key       secret.Key
	ownKey    bool // the key is the caller's
	resent    bool // it is itself a retry, of a client or a proxy
	origin    origin
	life      life
	loop      *resilience.Call

	trail     *tracing.Trail // notes for the trace
	notes     *tracing.Exchange
	model     string    // that the caller asks for, where something is generated
	generated generated // what the answer says of it

	report     mavera.Report // of the last attempt
	outcome    string        // of the last attempt; see outcomeOf
	attempts   int
	events     int // messages that went to the caller of a stream
	waited     time.Duration
	httpStatus int
	// Of an upload: what came from the caller, and the last refusal of the storage, 0
	// for none.
	bytes         int64
	storageStatus int
	credits       float64
	hasCredits    bool
	recovered     bool // the answer was found by a look-up
}

// An origin says who asked for an exchange.
type origin int

const (
	fromCaller   origin = iota
	fromFollower        // of jobs that hold slots
	fromWatch           // the poller of a job that is watched
)

// callKey finds the call in a context.
type callKey struct{}

func callOf(ctx context.Context) *call {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return nobody()
	}
	return c
}

// nobody is the call of what is done outside the chain: what is noted is for nobody. It
// is not inlined, or the frame of everybody who asks for a call would have room for one.
//
//go:noinline
func nobody() *call { return new(call) }

// record makes the call's record: who asks for what, under which id.
type record struct{ plans map[string]*transcode.Plan }

func (r record) begin(ctx context.Context, method string) context.Context {
	c := &call{plan: r.plans[method], rpc: method, start: time.Now()}
	if c.plan != nil {
		c.rpc = c.plan.RPC
	}
	c.requestID = requestID(ctx)
	return context.WithValue(ctx, callKey{}, c)
}

// requestID takes the caller's id, when it is short and printable, so that it can
// travel in trailers and logs; else it makes one.
func requestID(ctx context.Context) string {
	if id, ok := sent(ctx, requestIDKey); ok && visible(id, maxRequestID) {
		return id
	}
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], rand.Uint64())  //nolint:gosec // ids need to differ, not to be secret
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // the same
	var text [2 * len(id)]byte
	return string(hex.AppendEncode(text[:0], id[:]))
}

// sent is the first value that the caller sent under a key of its metadata.
func sent(ctx context.Context, key string) (value string, ok bool) {
	values := metadata.ValueFromIncomingContext(ctx, key)
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// visible reports whether s has one to limit characters, all visible ASCII.
func visible(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// exchange is the call as it goes to Mavera.
func (c *call) exchange() mavera.Call {
	return mavera.Call{Plan: c.plan, Request: c.request, Key: c.key, CallerKey: c.ownKey}
}

// began notes what an attempt sent and what the head of its answer says.
func (c *call) began(report mavera.Report) {
	c.report = report
	c.attempts += max(report.Sends, 1)
	c.httpStatus = report.Status
}

// facts are what a status says of the call.
func (c *call) facts() mavera.Facts {
	facts := mavera.Facts{
		RPC: c.rpc, RequestID: c.requestID, Attempts: c.attempts, Events: c.events, Waited: c.waited,
		Spread: rand.Float64(), //nolint:gosec // spreads callers, guards nothing
	}
	if c.plan != nil {
		facts.Family = c.plan.Family
	}
	return facts
}

// attrs appends what a log line says of the call.
func (c *call) attrs(attrs []slog.Attr) []slog.Attr {
	attrs = append(attrs, slog.String("request_id", c.requestID), slog.String("rpc", c.rpc))
	if c.plan != nil {
		attrs = append(attrs, slog.String("family", c.plan.Family))
	}
	if c.caller != "" {
		attrs = append(attrs, slog.String("caller", c.caller))
	}
	attrs = append(attrs, slog.Int("attempts", c.attempts), slog.Int64("waited_ms", c.waited.Milliseconds()))
	if c.plan != nil && (c.plan.Kind == transcode.Events || c.plan.Kind == transcode.Watch) {
		attrs = append(attrs, slog.Int("events", c.events))
	}
	if c.plan != nil && c.plan.Kind == transcode.Upload {
		attrs = append(attrs, slog.Int64("bytes", c.bytes))
	}
	if c.storageStatus != 0 {
		attrs = append(attrs, slog.Int("storage_status", c.storageStatus))
	}
	if c.httpStatus != 0 {
		attrs = append(attrs, slog.Int("http_status", c.httpStatus))
	}
	if c.hasCredits {
		attrs = append(attrs, slog.Float64("credits", c.credits))
	}
	if c.recovered {
		attrs = append(attrs, slog.Bool("recovered", true))
	}
	return attrs
}
