package main

import (
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// A question is what a call asks of the upstream: an answer of a size, after a delay.
// The caller chooses the delay, so that all systems are asked the same questions. A
// question with a policy asks for the list of its family, with its key and at once.
type question struct {
	size   size
	delay  time.Duration
	policy *policy
}

// String is the question as it travels, in the search of a list of personas: "1KB" or
// "1KB,50ms".
func (q question) String() string {
	if q.delay == 0 {
		return q.size.name
	}
	return q.size.name + "," + q.delay.String()
}

func parseQuestion(text string) (name string, delay time.Duration, err error) {
	name, after, found := strings.Cut(text, ",")
	if found {
		delay, err = time.ParseDuration(after)
	}
	return name, delay, err
}

// call is the question as a gRPC call. The answer is to be read into the last message.
func (q question) call() (method string, request, answer proto.Message) {
	if q.policy != nil {
		return q.policy.family.method, new(emptypb.Empty), q.policy.family.answer() // a request with nothing set is empty
	}
	return maverav1.PersonasService_ListPersonas_FullMethodName, q.request(), new(maverav1.ListPersonasResponse)
}

func (q question) request() *maverav1.ListPersonasRequest {
	text := q.String()
	return &maverav1.ListPersonasRequest{Search: &text}
}

// A delay is how long the upstream takes to answer.
type delay string

// The delays. The tail has the form of Mavera's, scaled down so that a turn takes a
// second: lognormal with a median of 50 ms and σ = 1, which takes one call in a hundred
// beyond 500 ms, capped at 1.5 s.
const (
	atOnce    delay = "0 ms"
	fixed     delay = "50 ms"
	tailed    delay = "tail"
	tailCap         = 1500 * time.Millisecond
	delayed         = 50 * time.Millisecond
	delaySeed       = 6
)

// of is the delay of a turn's call number i, the same in every turn.
func (d delay) of(i int) time.Duration {
	switch d {
	case fixed:
		return delayed
	case tailed:
		normal := rand.New(rand.NewPCG(delaySeed, uint64(i))).NormFloat64() //nolint:gosec // it is to be the same every time
		return min(time.Duration(float64(delayed)*math.Exp(normal)), tailCap).Round(time.Microsecond)
	default:
		return 0
	}
}
