package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/upload"
)

// A depot is a Mavera with a storage behind it, as far as uploads need one, and notes
// what happens there, in order.
type depot struct {
	sign, put, register http.HandlerFunc // in place of what goes well

	mu     sync.Mutex
	events []string // Guarded by mu.
	asked  []string // Bodies of the requests to Mavera. Guarded by mu.
}

func (d *depot) note(event string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, event)
}

func (d *depot) noted() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.events)
}

// signs gives an address with a signature that nobody may see.
func signs(w http.ResponseWriter, r *http.Request) {
	answers(http.StatusOK, `{"upload_url": "http://storage.test/ws/a.mp4?signature=secret", "public_url": "https://files.test/ws/a.mp4", "method": "PUT", "headers": {"Content-Type": "video/mp4"}}`)(w, r)
}

func registers(w http.ResponseWriter, r *http.Request) {
	answers(http.StatusCreated, `{"id": "file-1", "size": 5}`)(w, r)
}

func stores(http.ResponseWriter, *http.Request) {}

func (d *depot) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.asked = append(d.asked, string(body))
	d.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/upload-url") {
		d.note("sign")
		d.sign(w, r)
		return
	}
	d.note("register")
	d.register(w, r)
}

// serveStorage notes a request when it has come to its end, whichever. Any header but
// those signed is an event of its own.
func (d *depot) serveStorage(w http.ResponseWriter, r *http.Request) {
	for name, values := range r.Header {
		if want := map[string]string{"Content-Type": "video/mp4", "Expect": "100-continue", "Content-Length": fmt.Sprint(r.ContentLength)}[name]; want != values[0] {
			d.note(name + ": " + values[0])
		}
	}
	answer := &answered{ResponseWriter: w}
	d.put(answer, r)
	if answer.code != 0 {
		d.note(fmt.Sprint("put ", answer.code))
		return
	}
	if n, err := io.Copy(io.Discard, r.Body); err != nil {
		d.note("put, broken off")
	} else {
		d.note(fmt.Sprint("put ", n))
	}
}

// answered knows whether an answer was given.
type answered struct {
	http.ResponseWriter

	code int
}

func (a *answered) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

// newDepot starts a gateway before a depot.
func newDepot(t *testing.T, d *depot, change ...func(*Options)) (*harness, maverav1.FilesServiceClient) {
	t.Helper()
	for _, h := range []struct {
		of   *http.HandlerFunc
		good http.HandlerFunc
	}{{&d.sign, signs}, {&d.put, stores}, {&d.register, registers}} {
		if *h.of == nil {
			*h.of = h.good
		}
	}
	storage := &http.Server{Handler: http.HandlerFunc(d.serveStorage)}
	pipes := newPipes()
	go func() { _ = storage.Serve(pipes) }()
	transport := &http.Transport{DialContext: pipes.dial, ExpectContinueTimeout: time.Second, DisableCompression: true}
	h := newHarness(t, d.serveAPI, append([]func(*Options){func(o *Options) {
		o.Storage = upload.NewStorage(upload.Rules{AllowHTTP: true}, transport)
	}}, change...)...)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = storage.Close()
		if strings.Contains(h.log.text(), "signature") {
			t.Errorf("the log has an address:\n%s", h.log.text())
		}
	})
	return h, maverav1.NewFilesServiceClient(h.conn)
}

// describes is the first message for a file of so many bytes.
func describes(size int64, change ...func(*maverav1.UploadFileMetadata)) *maverav1.UploadFileRequest {
	m := &maverav1.UploadFileMetadata{FileName: "a.mp4", FileType: "video/mp4", FileSize: size, WorkspaceId: "ws"}
	for _, c := range change {
		c(m)
	}
	return &maverav1.UploadFileRequest{Payload: &maverav1.UploadFileRequest_Metadata{Metadata: m}}
}

func chunk(content []byte) *maverav1.UploadFileRequest {
	return &maverav1.UploadFileRequest{Payload: &maverav1.UploadFileRequest_Chunk{Chunk: content}}
}

// hello is a small file of 5 bytes.
func hello(change ...func(*maverav1.UploadFileMetadata)) []*maverav1.UploadFileRequest {
	return []*maverav1.UploadFileRequest{describes(5, change...), chunk([]byte("hel")), chunk([]byte("lo"))}
}

// big is a file of 1 MiB in four pieces.
func big(change ...func(*maverav1.UploadFileMetadata)) []*maverav1.UploadFileRequest {
	piece := bytes.Repeat([]byte("x"), 256<<10)
	return []*maverav1.UploadFileRequest{describes(1<<20, change...), chunk(piece), chunk(piece), chunk(piece), chunk(piece)}
}

func withChecksum(text string) func(*maverav1.UploadFileMetadata) {
	return func(m *maverav1.UploadFileMetadata) { m.Checksum = &text }
}

// sendParts sends all messages that are taken.
func sendParts(stream grpc.ClientStreamingClient[maverav1.UploadFileRequest, maverav1.File], messages []*maverav1.UploadFileRequest) {
	for _, m := range messages {
		if stream.Send(m) != nil {
			return // the call has ended, and Recv says why
		}
	}
}
