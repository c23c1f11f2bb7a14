package mavera

import (
	"cmp"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/sse"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// defaultIdle is how long a stream may be silent between two events: longer than the
// 30 to 90 s that Mave takes for a whole answer (/quickstart-mave).
const defaultIdle = 120 * time.Second

// afterEnd is how long the end of a stream is waited for once the answer is whole.
// [DONE] is optional, and a connection that was read to its end is used again.
const afterEnd = time.Second

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// errSilent is the cause by which a stream ends that was silent for too long.
var errSilent = errors.New("the stream was silent for too long")

// errEarlyEnd is why a stream is cut that ended like a whole one.
var errEarlyEnd = errors.New("it ended before its last event")

// A Stream is an answer that comes event by event. It reads when [Stream.Next] is
// called and holds nothing but the event at hand: who takes events slowly slows
// Mavera. It is for one goroutine, and is to be closed.
type Stream struct {
	client  *Client
	call    Call
	status  int
	body    io.ReadCloser
	reader  *sse.Reader
	decoder *transcode.EventDecoder

	ctx    context.Context //nolint:containedctx // it is the exchange's, which lives as long as the stream
	cancel context.CancelCauseFunc
	timer  *time.Timer // ends ctx while an event is waited for
	begun  atomic.Bool // an event was there: from now on the timer measures silence

	whole  *transcode.Answer // an answer that came as JSON, until it is given
	ending transcode.Ending
	err    error // what Next gives after the event at hand
}

// Open makes one exchange with an RPC that answers in events, up to the head of the
// answer. The attempt's timeout of the plan runs from here to the first event. An
// error is always a [*Failure].
func (c *Client) Open(ctx context.Context, call Call) (*Stream, Report, error) {
	s := &Stream{client: c, call: call, decoder: call.Plan.EventDecoder()}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.timer = time.AfterFunc(call.Plan.AttemptTimeout, s.expire)
	response, sends, err := c.send(s.ctx, call) //nolint:bodyclose,contextcheck // Close closes it; s.ctx is ctx, with an end of its own
	report := Report{Sends: sends}
	if err != nil {
		failure := call.lost(s.ctx, err, report.Sends > 0) //nolint:contextcheck // the same
		s.release()
		return nil, report, failure
	}
	report.Status, report.Header, report.Date = response.StatusCode, response.Header, c.dates.of(response.Header)
	s.body, s.status = response.Body, response.StatusCode
	if failure := s.begin(response); failure != nil {
		failure.HTTPStatus = report.Status
		s.Close()
		return nil, report, failure
	}
	return s, report, nil
}

// begin looks at the head of an answer. JSON where a stream was asked for is taken as
// the answer it is: it has been paid for.
func (s *Stream) begin(response *http.Response) *Failure {
	kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	if kind != eventStream { // as it is nearly always spelled
		kind, _, _ = mime.ParseMediaType(response.Header.Get("Content-Type"))
	}
	switch {
	case response.StatusCode/100 != 2:
		return s.client.refusal(s.call, response)
	case kind == eventStream, kind == "" && response.ContentLength != 0:
		s.reader = sse.NewReader(response.Body, sse.Limits{Line: s.client.maxEvent, Event: s.client.maxEvent})
		return nil
	}
	body, failure := s.client.whole(s.ctx, s.call, response)
	if failure != nil {
		return failure
	}
	defer s.client.release(body)
	var err error
	if s.whole, err = s.decoder.Whole(s.call.Request, body.Bytes()); err != nil {
		return s.call.malformed(response, body.Len(), err)
	}
	return nil
}

// expire ends the exchange when its timer has run out.
func (s *Stream) expire() {
	if s.begun.Load() {
		s.cancel(errSilent)
		return
	}
	s.cancel(ErrAttemptTimeout)
}

// release gives back what a stream holds besides its body.
func (s *Stream) release() {
	s.timer.Stop()
	s.cancel(nil)
}

// Close ends the exchange, if it has not ended, and frees its connection.
func (s *Stream) Close() {
	s.release()
	_ = s.body.Close() // what was not read is lost on purpose
}

// Next returns the next event as soon as it is there. It is valid until the next call,
// but for its Wire. After the last event the error is io.EOF if the answer came whole,
// and else a [*Failure], and stays.
func (s *Stream) Next() (*transcode.Answer, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.reader == nil {
		s.err = io.EOF
		return s.whole, nil
	}
	if s.begun.Load() {
		s.timer.Reset(s.patience())
	}
	for {
		event, err := s.reader.Next()
		switch {
		case err != nil:
			s.err = s.ended(err)
			return nil, s.err
		case event.Done():
			s.ending = max(s.ending, transcode.Complete)
			s.timer.Reset(afterEnd)
			continue
		}
		s.timer.Stop()
		s.begun.Store(true)
		answer, ending := s.decoder.Event(event.Name, event.Data)
		s.ending = max(s.ending, ending)
		if ending == transcode.Failed {
			s.err = s.failed(event.Data)
		}
		return answer, nil
	}
}

// patience is how long the next event may take.
func (s *Stream) patience() time.Duration {
	if s.ending == transcode.Complete {
		return afterEnd
	}
	return s.client.idle
}

// ended says what the end of the stream means: nothing, once the answer is whole.
func (s *Stream) ended(err error) error {
	begun, cause := s.begun.Load(), context.Cause(s.ctx)
	if errors.Is(err, io.EOF) {
		err = errEarlyEnd // io.EOF is what a whole answer ends with
	}
	switch {
	case s.ending == transcode.Complete:
		return io.EOF
	case errors.As(err, new(*sse.LimitError)):
		return s.failure(TooLarge, err)
	case begun && (errors.Is(cause, errSilent) || errors.Is(cause, ErrAttemptTimeout)): // the latter just as the first event came
		return s.failure(StreamStalled, err)
	case begun && s.ctx.Err() == nil:
		return s.failure(StreamCut, err)
	default:
		f := s.call.lost(s.ctx, err, true)
		f.HTTPStatus = s.status
		return f
	}
}

func (s *Stream) failure(cause Cause, err error) *Failure {
	f := s.call.fail(cause, err)
	f.HTTPStatus = s.status
	return f
}

// failed is the failure that an event tells of.
func (s *Stream) failed(data []byte) *Failure {
	upstream := s.client.screen.event(data)
	f := s.failure(StreamFailed, upstream.cause())
	f.UpstreamCode, f.UpstreamType, f.Param = upstream.Code, upstream.Type, upstream.Param
	f.Reason = cmp.Or(spelled(upstream.Code), f.Reason)
	return f
}
