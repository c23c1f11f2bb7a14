package mavera

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

const liveKey = "mvra_live_abcdSECRETSECRETSECRET00"

// plans are compiled once for all tests.
var plans = sync.OnceValues(func() ([]*transcode.Plan, error) { return transcode.Compile(transcode.Services()...) })

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run with -update to accept)\n got %s\nwant %s", path, got, want)
	}
}

// newCall makes the call that an RPC's request message stands for.
func newCall(t testing.TB, rpc string, in proto.Message) Call {
	t.Helper()
	all, err := plans()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(p *transcode.Plan) bool { return p.RPC == rpc })
	request, err := all[i].Request(in)
	if err != nil {
		t.Fatal(err)
	}
	key, err := secret.ParseKey(liveKey)
	if err != nil {
		t.Fatal(err)
	}
	return Call{Plan: all[i], Request: request, Key: key}
}

// getPersona is an idempotent call.
func getPersona(t testing.TB) Call {
	t.Helper()
	return newCall(t, "GetPersona", &maverav1.GetPersonaRequest{Id: "clx1"})
}

// inviteMember is a call that must not be done twice.
func inviteMember(t testing.TB) Call {
	t.Helper()
	return newCall(t, "InviteWorkspaceMember", &maverav1.InviteWorkspaceMemberRequest{Id: "ws_1", Email: "a@example.com"})
}

// newClient returns a client of its own transport, which the test's end closes.
func newClient(t testing.TB, base string, limit int64) *Client {
	t.Helper()
	address, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	transport := NewTransport(0, 0)
	t.Cleanup(transport.CloseIdleConnections)
	return NewClient(Options{BaseURL: address, MaxAnswerBytes: limit, Transport: transport})
}

// An upstream is a Mavera for one exchange: it starts and gives the client that
// talks to it. It may end the exchange's context.
type upstream func(t *testing.T, end context.CancelCauseFunc) *Client

// handles is an upstream that is an HTTP server.
func handles(handler http.HandlerFunc) upstream {
	return func(t *testing.T, _ context.CancelCauseFunc) *Client {
		t.Helper()
		return newClient(t, serve(t, handler), answerLimit)
	}
}

// serve starts an HTTP server and says where it is.
func serve(t *testing.T, handler http.HandlerFunc) (base string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// answers is an upstream that always gives the same answer. header is a list of
// names and values.
func answers(code int, body string, header ...string) upstream {
	return handles(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	})
}

// ends is an upstream that gets the request whole, ends the context with a cause
// and never answers.
func ends(cause error) upstream {
	return func(t *testing.T, end context.CancelCauseFunc) *Client {
		t.Helper()
		return handles(func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			end(cause)
			<-r.Context().Done()
		})(t, end)
	}
}

// endsInside ends the context when the client has the first part of the answer.
func endsInside(cause error) upstream {
	return func(t *testing.T, end context.CancelCauseFunc) *Client {
		t.Helper()
		client := handles(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, `{"id":`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})(t, end)
		next := client.transport
		client.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			end(cause)
			return response, err
		})
		return client
	}
}

// endsFirst ends the context before anything is sent.
func endsFirst(cause error) upstream {
	return func(t *testing.T, end context.CancelCauseFunc) *Client {
		t.Helper()
		end(cause)
		return newClient(t, "http://127.0.0.1:1", answerLimit)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// refuses is an upstream that nobody listens at.
func refuses() upstream {
	return func(t *testing.T, _ context.CancelCauseFunc) *Client {
		t.Helper()
		listener := listen(t)
		listener.Close()
		return newClient(t, "http://"+listener.Addr().String(), answerLimit)
	}
}

// speaks is an upstream that does with each connection as it likes.
func speaks(scheme string, talk func(*net.TCPConn)) upstream {
	return func(t *testing.T, _ context.CancelCauseFunc) *Client {
		t.Helper()
		return newClient(t, scheme+"://"+accept(t, talk), answerLimit)
	}
}

// accept talks to one connection after the other and says where.
func accept(t *testing.T, talk func(*net.TCPConn)) (address string) {
	t.Helper()
	listener := listen(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			talk(conn.(*net.TCPConn))
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	return listener.Addr().String()
}

// says is an upstream that reads a request and writes the bytes, whatever they
// are, and closes the connection.
func says(text string) upstream {
	return speaks("http", func(conn *net.TCPConn) {
		readRequest(conn)
		io.WriteString(conn, text)
	})
}

func readRequest(conn net.Conn) {
	if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
		io.Copy(io.Discard, r.Body)
	}
}

// reset closes a connection with a RST.
func reset(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func gzipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	io.WriteString(w, text)
	w.Close()
	return out.String()
}

// facts are the same for all goldens, but for the call.
func facts(call Call, report Report) Facts {
	return Facts{RPC: call.Plan.RPC, Family: call.Plan.Family, RequestID: "req-1", Attempts: report.Sends, Waited: 3e6, Spread: 0.5}
}

// An outcome is all that a caller is told.
type outcome struct {
	Sends     int             `json:"sends"`
	Pushback  int32           `json:"grpc_retry_pushback_ms"`
	Retryable bool            `json:"retryable"`
	Status    json.RawMessage `json:"status"`
}

func outcomeOf(t *testing.T, call Call, report Report, err error) outcome {
	t.Helper()
	var failure *Failure
	if !errors.As(err, &failure) {
		t.Fatalf("the error is %v, no *Failure", err)
	}
	f := facts(call, report)
	st := failure.Status(f)
	checkStatus(t, st, failure.Pushback(f))
	return outcome{Sends: report.Sends, Pushback: failure.Pushback(f), Retryable: failure.Retryable, Status: spell(t, st)}
}

// spell writes a status as JSON that is the same in every run.
func spell(t *testing.T, st *status.Status) json.RawMessage {
	t.Helper()
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(st.Proto())
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	value["code"] = codeName(st.Code())[1 : len(codeName(st.Code()))-1]
	return indent(t, value)
}

func indent(t *testing.T, value any) []byte {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
