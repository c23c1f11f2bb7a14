package mavera

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// maxStatus bounds status, details and trailers together, in bytes as they
	// travel: some peers and proxies stop at 8 KiB of headers.
	maxStatus = 6 << 10
	// trailerReserve is what the other trailers take of it at most: a request id of
	// 128 bytes, three short ones and their names.
	trailerReserve = 512
	// maxViolations is how many faults of a request are listed; the rest is counted.
	maxViolations = 20
	docs          = "https://docs.mavera.io"
)

// Facts are what the status of a call says besides its failure.
type Facts struct {
	RPC, Family string
	RequestID   string
	// Attempts counts what was sent to Mavera.
	Attempts int
	// Events counts what went to the caller of a stream.
	Events int
	// Waited is the time spent waiting for permission to send.
	Waited time.Duration
	// Spread is a random number in [0,1): it moves the delay of each caller a
	// little, so that they do not all come back at once.
	Spread float64
}

// spreadShare is by how much of itself a delay is moved at most.
const spreadShare = 0.2

// Pushback is the value of the trailer grpc-retry-pushback-ms (gRFC A6), in
// milliseconds: how long the client must wait before a repeat, -1 for no repeat.
// It is never below the delay, save that 24 days is the most it can say.
func (f *Failure) Pushback(facts Facts) int32 {
	if !f.Retryable {
		return -1
	}
	ms := float64(f.Delay) / float64(time.Millisecond) * (1 + spreadShare*facts.Spread)
	return int32(min(math.Ceil(ms), math.MaxInt32))
}

// Status is the public half as a gRPC status with details (AIP-193).
func (f *Failure) Status(facts Facts) *status.Status {
	message := facts.RPC + ": " + f.message()
	shown := min(len(f.Violations), maxViolations)
	for {
		st := f.withDetails(status.New(f.Code, line(message, 2*maxText)), facts, shown)
		if shown == 0 || size(st) <= maxStatus-trailerReserve {
			return st
		}
		shown--
	}
}

func (f *Failure) message() string {
	switch {
	case f.HTTPStatus == 0 && len(f.Violations) > 0:
		text := fmt.Sprintf("%s: %s: %s", f.Text, f.Violations[0].Field, f.Violations[0].Description)
		if more := len(f.Violations) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more, see the details)", more)
		}
		return text
	case f.HTTPStatus == 0:
		return f.Text
	case f.UpstreamCode == "":
		return fmt.Sprintf("%s (HTTP %d)", f.Text, f.HTTPStatus)
	default:
		return fmt.Sprintf("%s (HTTP %d %s)", f.Text, f.HTTPStatus, f.UpstreamCode)
	}
}

// size is how many bytes a status takes in the trailers: the message
// percent-encoded and the whole once more in base64.
func size(st *status.Status) int {
	n := len("grpc-status") + len("grpc-message") + len("grpc-status-details-bin") + 3*32 // RFC 9113 6.5.2
	for _, c := range []byte(st.Message()) {
		n++
		if c < ' ' || c > '~' || c == '%' {
			n += 2
		}
	}
	return n + base64.RawStdEncoding.EncodedLen(proto.Size(st.Proto()))
}

// withDetails adds the details; each type occurs at most once. Only the first
// shown violations are listed.
func (f *Failure) withDetails(st *status.Status, facts Facts, shown int) *status.Status {
	details := []protoadapt.MessageV1{
		&errdetails.ErrorInfo{Reason: f.Reason, Domain: f.Domain, Metadata: f.metadata(facts)},
		&errdetails.RequestInfo{RequestId: facts.RequestID},
		&errdetails.LocalizedMessage{Locale: "en", Message: f.User},
	}
	if f.Retryable {
		wait := time.Duration(f.Pushback(facts)) * time.Millisecond
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(max(wait, f.Delay))})
	}
	if f.details&badRequest != 0 && len(f.Violations) > 0 {
		details = append(details, f.badRequest(shown))
	}
	if f.details&preconditionFailure != 0 {
		details = append(details, f.preconditionFailure())
	}
	if f.details&resourceInfo != 0 {
		details = append(details, &errdetails.ResourceInfo{
			ResourceType: f.ResourceType, ResourceName: line(f.ResourceName, 256), Description: f.Text,
		})
	}
	if f.details&quotaFailure != 0 {
		details = append(details, &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{
			Subject: "api_key:" + f.credential(), Description: "a rate or concurrency limit of the Mavera key is reached",
		}}})
	}
	if f.Help != "" {
		description := "What the error means and how to handle it."
		if f.OutcomeUnknown {
			description = "How errors are to be handled. To find out what became of this call, look for its result with the Get or List call of its service."
		}
		details = append(details, &errdetails.Help{Links: []*errdetails.Help_Link{{Description: description, Url: docs + f.Help}}})
	}
	full, err := st.WithDetails(details...)
	if err != nil { // only for an OK status or messages that cannot be marshalled
		return st
	}
	return full
}

func (f *Failure) metadata(facts Facts) map[string]string {
	m := map[string]string{
		"rpc":       facts.RPC,
		"attempts":  strconv.Itoa(facts.Attempts),
		"waited_ms": strconv.FormatInt(facts.Waited.Milliseconds(), 10),
		"retryable": strconv.FormatBool(f.Retryable),
	}
	for key, value := range map[string]string{
		"family": facts.Family, "upstream_code": f.UpstreamCode, "upstream_type": f.UpstreamType, "param": f.Param,
	} {
		if value != "" {
			m[key] = value
		}
	}
	if facts.Events > 0 {
		m["events_delivered"] = strconv.Itoa(facts.Events)
	}
	if f.HTTPStatus != 0 {
		m["http_status"] = strconv.Itoa(f.HTTPStatus)
	}
	if f.Code == codes.Unauthenticated {
		m["credential"] = f.credential()
	}
	if f.OutcomeUnknown {
		m["outcome"] = "unknown"
	}
	return m
}

// credential says whose key it was.
func (f *Failure) credential() string {
	if f.CallerKey {
		return "caller"
	}
	return "gateway"
}

func (f *Failure) badRequest(shown int) *errdetails.BadRequest {
	const maxField, maxDescription = 128, 256
	out := &errdetails.BadRequest{}
	for _, v := range f.Violations[:shown] {
		out.FieldViolations = append(out.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: line(v.Field, maxField), Description: line(v.Description, maxDescription),
		})
	}
	if more := len(f.Violations) - shown; more > 0 {
		out.FieldViolations = append(out.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Description: fmt.Sprintf("%d more", more),
		})
	}
	return out
}

func (f *Failure) preconditionFailure() *errdetails.PreconditionFailure {
	v := &errdetails.PreconditionFailure_Violation{
		Type: "CREDITS", Subject: "account", Description: "no credits are left in this billing period, or the subscription has lapsed",
	}
	if f.UpstreamCode == "budget_exceeded" {
		v = &errdetails.PreconditionFailure_Violation{
			Type: "BUDGET", Subject: "workspace or project", Description: "the usage limit of the workspace or project is reached",
		}
	}
	return &errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{v}}
}
