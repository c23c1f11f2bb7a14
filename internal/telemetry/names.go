package telemetry

import "go.opentelemetry.io/otel/attribute"

// ScopeName is the instrumentation scope of the gateway's own instruments and
// spans.
const ScopeName = "github.com/mavera-gateway/mavera-gateway"

// The gateway's own instruments, all of them. On /metrics the dots are underscores,
// and the unit and _total follow where Prometheus wants them. Gauges and the two
// counters of the window show the gateway's own key: the keys of callers are paced
// each by its own window, but neither become attributes nor are mixed in.
const (
	// What answers bring.
	unmodelledFields = "mavera.gateway.unmodelled_fields" // Counter of fields; rpc, field, kind.
	creditsUsed      = "mavera.gateway.credits_used"      // Counter of credits; family, caller.

	// Attempts and their repeats.
	upstreamAttempts = "mavera.gateway.upstream_attempts"     // Counter; family, outcome.
	retries          = "mavera.gateway.retries"               // Counter; family, reason.
	budgetRefusals   = "mavera.gateway.retry_budget_refusals" // Counter of retries; family.
	budgetLevel      = "mavera.gateway.retry_budget"          // Gauge of retries.
	lookUps          = "mavera.gateway.create_lookups"        // Counter; family, result.

	// The breakers.
	breakerState       = "mavera.gateway.breaker_state"       // Gauge: 0 closed, 1 half-open, 2 open; family.
	breakerTransitions = "mavera.gateway.breaker_transitions" // Counter; family, from, to.

	// The window of the rate limit and the queue before it.
	wait                  = "mavera.gateway.wait"                    // Histogram of seconds; family, class.
	queueLength           = "mavera.gateway.queue_length"            // Gauge of calls; class.
	windowLimit           = "mavera.gateway.window_limit"            // Gauge of requests.
	windowPlaces          = "mavera.gateway.window_places"           // Gauge of requests.
	windowUsed            = "mavera.gateway.window_used"             // Gauge of requests.
	windowForeign         = "mavera.gateway.window_foreign"          // Gauge of requests.
	windowForeignRequests = "mavera.gateway.window_foreign_requests" // Counter of requests.
	windowIgnoredHeaders  = "mavera.gateway.window_ignored_headers"  // Counter of answers.

	// What calls end with.
	refusals = "mavera.gateway.refusals" // Counter of calls; family, reason.
	panics   = "mavera.gateway.panics"   // Counter, there from the start.

	// Callers.
	ignoredReports = "mavera.gateway.ignored_caller_reports" // Counter of calls; reason.

	// The slots of capped families.
	slots        = "mavera.gateway.slots"         // Gauge of slots; family.
	slotsInUse   = "mavera.gateway.slots_in_use"  // Gauge of slots; family.
	slotsWaiting = "mavera.gateway.slots_waiting" // Gauge of calls; family.

	// The jobs that held slots.
	jobDuration = "mavera.gateway.job_duration" // Histogram of seconds; family.

	// The jobs that are watched, of all keys.
	watches     = "mavera.gateway.watches"      // Gauge of streams; family.
	watchedJobs = "mavera.gateway.watched_jobs" // Gauge of jobs; family.
	watchPolls  = "mavera.gateway.watch_polls"  // Counter; family, result.

	// Traces, where they are exported.
	droppedSpans = "mavera.gateway.dropped_spans" // Counter of spans; reason.
)

// Attributes of the gateway's instruments. Every one has a bounded set of
// values; a prompt, an id or a key never becomes one.
const (
	// RPCKey is the full method, such as mavera.v1.PersonasService/GetPersona:
	// one value per RPC of the API.
	RPCKey = attribute.Key("rpc")
	// FieldKey is the path of a field in the upstream's answer, without list
	// indexes, such as data.tags. The upstream decides how many there are; see
	// cardinalityLimit.
	FieldKey = attribute.Key("field")
	// KindKey says what about a field is not modelled: one value per kind that
	// the transcoder knows.
	KindKey = attribute.Key("kind")
	// FamilyKey is the family of calls that share limits, such as responses or
	// mave: one value per family of the API.
	FamilyKey = attribute.Key("family")
	// OutcomeKey is what came of an attempt: ok, http_<status> for the statuses that
	// Mavera or proxies are known to answer with, or the name of what went wrong.
	OutcomeKey = attribute.Key("outcome")
	// ReasonKey is why an attempt was repeated, one of the values of OutcomeKey, or why
	// a span was dropped. With ignored reports of callers it is untrusted_peer, malformed
	// or unnamed, with refusals the reason of the status, such as CIRCUIT_OPEN.
	ReasonKey = attribute.Key("reason")
	// ResultKey is what a look-up of a billed create came to (found, none, several or
	// failed), or what a poll of a watched job brought (changed, unchanged or failed).
	ResultKey = attribute.Key("result")
	// ClassKey is the priority of a call: interactive, batch or poll.
	ClassKey = attribute.Key("class")
	// CallerKey is who calls: the names of the first hundred callers, _OTHER for those
	// that come later.
	CallerKey = attribute.Key("caller")
	// FromKey and ToKey are states of a breaker: closed, half-open or open.
	FromKey = attribute.Key("from")
	ToKey   = attribute.Key("to")
)

// cardinalityLimit is how many sets of attributes one instrument keeps. Those
// beyond are counted together under otel_metric_overflow="true", so that an
// upstream that invents field names can't fill the memory. It is the default
// of the OpenTelemetry specification (metrics SDK, cardinality limits).
const cardinalityLimit = 2000
