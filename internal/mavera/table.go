package mavera

import (
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
)

// A Cause is what ended a call that got no HTTP status to decide by.
type Cause string

// The causes. Those up to StreamFailed lie between the gateway and Mavera, the others
// are the gateway's own.
const (
	AttemptTimedOut Cause = "the attempt's timeout"
	NotSent         Cause = "connection refused, or lost before the request was sent"
	Lost            Cause = "connection lost after sending or inside the answer"
	Malformed       Cause = "a body that is not the expected JSON"
	TooLarge        Cause = "an answer over the size limit"

	StreamCut     Cause = "a stream cut after its first event"
	StreamStalled Cause = "a stream silent for too long after its first event"
	StreamFailed  Cause = "an event that says that the stream failed"

	CallerDeadline Cause = "the caller's deadline"
	CallerLeft     Cause = "the caller left"
	TotalTimedOut  Cause = "the gateway's own total timeout"
	InvalidRequest Cause = "a bad request message"
	CircuitOpen    Cause = "the breaker is open"
	RateLimited    Cause = "a known wait does not fit the deadline"
	SlotsFull      Cause = "no slot in time"
	QueueFull      Cause = "the queue is full"
	UploadDiffers  Cause = "upload: size or checksum is not as announced"
	UploadStalled  Cause = "upload: the caller sends nothing"
	UploadAddress  Cause = "upload: an address that is not accepted"
	StorageFailed  Cause = "upload: the storage failed"
	ShuttingDown   Cause = "draining"
	NotAllowed     Cause = "the caller is not allowed"
	Panicked       Cause = "a panic"
)

// The domains of google.rpc.ErrorInfo.
const (
	UpstreamDomain = "mavera.io"
	GatewayDomain  = "gateway.mavera.io"
)

const (
	// defaultDelay is how long a caller is told to wait before a repeat where Mavera
	// does not say: the mean of the first backoffs that its guide asks for.
	defaultDelay = time.Second
	// rateLimitDelay is the same after a 429 (/guides/rate-limits: 30 s when there
	// is no Retry-After).
	rateLimitDelay = 30 * time.Second
)

// A retryRule says when the gateway may repeat a call.
type retryRule int

const (
	never      retryRule = iota
	always               // Mavera's own rule, whatever the method (/guides/errors)
	idempotent           // only where a repeat does nothing twice
	byCaller             // not here, but the caller may, after a delay that is known when it fails
)

// detail names the further details of a row; several may be set.
type detail int

const (
	badRequest detail = 1 << iota
	preconditionFailure
	resourceInfo
	quotaFailure
)

// A row is one line of the contract between the gateway and its callers.
type row struct {
	low, high int   // HTTP statuses, when they decide
	cause     Cause // when it decides; a row may have both

	code   codes.Code
	reason string // empty: the upstream's code in upper case, else HTTP_<status>
	// Where a repeat could do it twice, an unknown outcome has another code and
	// another reason.
	unknownOutcome bool

	details detail
	retry   retryRule
	delay   time.Duration // before a repeat where Mavera names none; 0 is defaultDelay
	local   bool          // the gateway's own doing, in its domain
	help    string        // documentation page, below docs.mavera.io
	// text is for developers, where no text of Mavera's may be used.
	text string
	// user is for end users.
	user string
}

const (
	userFix      = "The request could not be processed. Please check the input."
	userSupport  = "The service is not set up correctly. Please contact support."
	userLater    = "The service is temporarily unavailable. Please try again later."
	userBusy     = "Too many requests at the moment. Please try again shortly."
	userUnknown  = "It is not certain that the request was carried out. Please check before trying again."
	userTooSlow  = "The request took too long. Please try again later."
	userGeneric  = "Something went wrong. Please try again later."
	guideErrors  = "/guides/errors"
	guideAuth    = "/guides/authentication"
	guideCredits = "/guides/credits"
	guideLimits  = "/guides/rate-limits"
	guideFiles   = "/features/files"
	guideStreams = "/guides/streaming"
	userPart     = "The answer broke off before its end. It may be asked for again, which can cost again."
)

// table is the one place where failures become gRPC statuses. The first row that
// fits decides. Sources: Mavera's error guide (/guides/errors) for 400 to 429, 500
// and 503; for the rest AIP-193 and google.rpc.Code, with one rule above them: a
// status that proxies or clients replay by themselves (UNAVAILABLE) is never given
// to a call that may have been carried out and must not be repeated.
func table() []*row {
	return []*row{
		{low: 400, high: 400, code: codes.InvalidArgument, details: badRequest, help: guideErrors, user: userFix},
		{low: 422, high: 422, code: codes.InvalidArgument, details: badRequest, help: guideErrors, user: userFix},
		{low: 401, high: 401, code: codes.Unauthenticated, help: guideAuth, user: userSupport},
		{low: 402, high: 402, code: codes.FailedPrecondition, details: preconditionFailure, help: guideCredits, user: "The available credits or the budget are used up. Please contact the administrator."},
		{low: 403, high: 403, code: codes.PermissionDenied, help: guideErrors, user: "You do not have access to this."},
		{low: 404, high: 404, code: codes.NotFound, details: resourceInfo, help: guideErrors, user: "This does not exist, or no longer."},
		{low: 408, high: 408, cause: AttemptTimedOut, code: codes.Unavailable, reason: "UPSTREAM_TIMEOUT", unknownOutcome: true, retry: idempotent, help: guideErrors, text: "Mavera did not answer in time", user: userLater},
		{low: 409, high: 409, code: codes.Aborted, help: guideErrors, user: "Something else changed at the same time. Please try again."},
		{low: 413, high: 413, code: codes.InvalidArgument, details: badRequest, help: guideErrors, user: "The request is too large."},
		{low: 429, high: 429, code: codes.ResourceExhausted, details: quotaFailure, retry: always, delay: rateLimitDelay, help: guideLimits, user: userBusy},
		{low: 400, high: 499, code: codes.FailedPrecondition, help: guideErrors, user: userFix},
		{low: 500, high: 500, code: codes.Internal, retry: always, help: guideErrors, text: "Mavera failed", user: userGeneric},
		{low: 501, high: 501, code: codes.Unimplemented, help: guideErrors, text: "Mavera does not offer this", user: "This function is not available."},
		{low: 503, high: 503, code: codes.Unavailable, retry: always, help: guideErrors, text: "Mavera is temporarily unavailable", user: userLater},
		{cause: NotSent, code: codes.Unavailable, reason: "CONNECTION_FAILED", retry: always, help: guideErrors, text: "no connection to Mavera could be had, nothing was sent", user: userLater},
		{low: 502, high: 599, code: codes.Unavailable, unknownOutcome: true, retry: idempotent, help: guideErrors, text: "a server between the gateway and Mavera failed", user: userLater},
		{cause: Lost, code: codes.Unavailable, reason: "CONNECTION_LOST", unknownOutcome: true, retry: idempotent, help: guideErrors, text: "the connection to Mavera broke off before the whole answer was there", user: userLater},
		{low: 300, high: 399, code: codes.Internal, reason: "UNEXPECTED_STATUS", help: guideErrors, text: "Mavera answered with a redirection, which the gateway never follows", user: userGeneric},
		{low: 100, high: 999, code: codes.Internal, reason: "UNEXPECTED_STATUS", help: guideErrors, text: "Mavera answered with a status that is not part of its API", user: userGeneric},
		{cause: Malformed, code: codes.Internal, reason: "MALFORMED_RESPONSE", retry: idempotent, help: guideErrors, text: "Mavera's answer is not the expected JSON", user: userGeneric},
		{cause: TooLarge, code: codes.Internal, reason: "ANSWER_TOO_LARGE", help: guideErrors, text: "Mavera's answer is over the gateway's size limit (max_answer_bytes, of an event max_event_bytes)", user: "The result is too large."},
		{cause: StreamCut, code: codes.Unavailable, reason: "STREAM_CUT", help: guideStreams, text: "the stream from Mavera broke off before its last event; what came may have been billed, and a repeat would give another answer", user: userPart},
		{cause: StreamStalled, code: codes.Unavailable, reason: "STREAM_STALLED", help: guideStreams, text: "Mavera sent nothing for longer than stream_idle_timeout; what came may have been billed, and a repeat would give another answer", user: userPart},
		{cause: StreamFailed, code: codes.Internal, reason: "STREAM_FAILED", help: guideStreams, text: "Mavera gave the answer up; its last event says why", user: userPart},
		{cause: CallerDeadline, code: codes.DeadlineExceeded, reason: "DEADLINE_EXCEEDED", text: "the caller's deadline passed", user: userTooSlow},
		{cause: CallerLeft, code: codes.Canceled, reason: "CANCELLED", text: "the caller cancelled the call", user: "The request was cancelled."},
		{cause: TotalTimedOut, code: codes.DeadlineExceeded, reason: "TOTAL_TIMEOUT", local: true, text: "the call took longer than the gateway allows; set a deadline of your own for more", user: userTooSlow},
		{cause: InvalidRequest, code: codes.InvalidArgument, reason: "INVALID_REQUEST", details: badRequest, local: true, text: "the request message is invalid", user: userFix},
		{cause: CircuitOpen, code: codes.Unavailable, reason: "CIRCUIT_OPEN", retry: byCaller, local: true, text: "Mavera failed several times in a row, so it is left alone for a while; nothing was sent", user: userLater},
		{cause: RateLimited, code: codes.ResourceExhausted, reason: "RATE_LIMITED_LOCALLY", details: quotaFailure, retry: byCaller, local: true, text: "the wait for a place in the rate limit window would outlive the deadline; nothing was sent", user: userBusy},
		{cause: SlotsFull, code: codes.ResourceExhausted, reason: "CONCURRENCY_LIMITED", details: quotaFailure, retry: byCaller, local: true, text: "all slots that Mavera grants the family are taken, and none was freed in time; nothing was sent", user: userBusy},
		{cause: QueueFull, code: codes.ResourceExhausted, reason: "QUEUE_FULL", details: quotaFailure, retry: byCaller, local: true, text: "too many calls wait already; nothing was sent", user: userBusy},
		{cause: UploadDiffers, code: codes.InvalidArgument, reason: "UPLOAD_MISMATCH", details: badRequest, local: true, text: "what came is not the file that was announced; nothing was registered", user: "The file did not arrive as it was announced. Please try again."},
		{cause: UploadStalled, code: codes.DeadlineExceeded, reason: "UPLOAD_STALLED", local: true, text: "the caller sent nothing for longer than the gateway waits (upload_idle_timeout); nothing was registered", user: userTooSlow},
		{cause: UploadAddress, code: codes.Internal, reason: "UPLOAD_ADDRESS_REFUSED", help: guideFiles, text: "Mavera named an address for the upload that the gateway does not accept; nothing was sent there, and nothing registered", user: userGeneric},
		{cause: StorageFailed, code: codes.Unavailable, reason: "STORAGE_FAILED", retry: byCaller, delay: defaultDelay, help: guideFiles, text: "the storage behind Mavera did not take the file; nothing was registered", user: userLater},
		{cause: ShuttingDown, code: codes.Unavailable, reason: "SHUTTING_DOWN", retry: byCaller, local: true, text: "this gateway is shutting down; another one will take the call", user: userLater},
		{cause: NotAllowed, code: codes.PermissionDenied, reason: "CALLER_NOT_ALLOWED", local: true, text: "this caller is not among those who may call the service (allow_callers); x-caller-id gives no permission", user: "You do not have access to this."},
		{cause: Panicked, code: codes.Internal, reason: "PANIC", local: true, text: "the gateway failed; the request id leads support to the cause", user: userGeneric},
	}
}

// byStatus finds the row of an HTTP status.
func byStatus(status int) *row {
	for _, r := range table() {
		if r.low != 0 && r.low <= status && status <= r.high {
			return r
		}
	}
	return byStatus(http.StatusContinue) // what is no status at all is unexpected too
}

// byCause finds the row of a cause.
func byCause(cause Cause) *row {
	for _, r := range table() {
		if r.cause == cause {
			return r
		}
	}
	return byCause(Panicked) // a cause without a row is a mistake of ours
}
