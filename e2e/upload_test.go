//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// storagePut is the route of the simulator's storage.
const storagePut = "PUT /_storage/{key}"

// A content is a file of zeros, in pieces of 64 KiB.
type content struct {
	announced, sent int64
	kind            string
	checksum        *string
}

// zeros is a file of so many bytes, with its checksum.
func zeros(size int64) content {
	sum := sha256.New()
	_, _ = io.CopyN(sum, zero{}, size)
	return content{announced: size, sent: size, kind: "video/mp4", checksum: new(hex.EncodeToString(sum.Sum(nil)))}
}

// zero reads zeros without end.
type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// begin sends what describes a file.
func begin(ctx context.Context, t *testing.T, g *gateway, c content) grpc.ClientStreamingClient[maverav1.UploadFileRequest, maverav1.File] {
	t.Helper()
	stream, err := g.files.UploadFile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&maverav1.UploadFileRequest{Payload: &maverav1.UploadFileRequest_Metadata{Metadata: &maverav1.UploadFileMetadata{
		FileName: "a.mp4", FileType: c.kind, FileSize: c.announced, WorkspaceId: workspaceID, Checksum: c.checksum,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// push sends so many bytes, or as many as are taken.
func push(stream grpc.ClientStreamingClient[maverav1.UploadFileRequest, maverav1.File], size int64) {
	piece := make([]byte, 64<<10)
	for ; size > 0; size -= int64(len(piece)) {
		piece = piece[:min(int64(len(piece)), size)]
		if stream.Send(&maverav1.UploadFileRequest{Payload: &maverav1.UploadFileRequest_Chunk{Chunk: piece}}) != nil {
			return // the call has ended, and its end says why
		}
	}
}

// upload sends a file and waits for the answer.
func (g *gateway) upload(ctx context.Context, t *testing.T, c content) (*maverav1.File, outcome) {
	t.Helper()
	stream := begin(ctx, t, g, c)
	push(stream, c.sent)
	file, err := stream.CloseAndRecv()
	header, _ := stream.Header()
	return file, outcome{header: header, trailer: stream.Trailer(), err: err}
}

// happened is what came to Mavera and its storage since the last forget, in order. A
// request that broke off has the status 0.
func (m *mavera) happened() []string {
	m.t.Helper()
	var out []string
	for _, r := range m.requests() {
		name := r.OperationID
		if name == "" {
			name = r.Method
		}
		out = append(out, fmt.Sprint(name, " ", r.Status))
	}
	return out
}

// TestUpload uploads files of all sizes, and files that are not what was announced, to
// storages in all moods.
func TestUpload(t *testing.T) {
	m, g := pair(t, "--upload-idle-timeout=1s")
	small, ten := zeros(5), zeros(10<<20)
	base64Sum := sha256.Sum256(make([]byte, 5))
	image := func(c content) content { c.kind = "image/png"; return c }
	signed, stored, made := "createFileUploadUrl 200", "PUT 200", "createFile 201"
	mismatch := func(attempts, details string) failure {
		return failure{Code: codes.InvalidArgument, Reason: "UPLOAD_MISMATCH", Domain: local, Retryable: "false", Attempts: attempts, Wait: "-1", Details: details}
	}
	storageFailed := func(status string) failure {
		return failure{Code: codes.Unavailable, Reason: "STORAGE_FAILED", Domain: upstream, HTTPStatus: status, Retryable: "true", Attempts: "1", Wait: "1s", Details: "/features/files"}
	}
	for _, row := range []struct {
		name   string
		file   content
		fault  object
		want   failure // Code OK: the file is there
		events []string
	}{
		{"small", small, nil, failure{}, []string{signed, stored, made}},
		{"small, without a checksum", content{announced: 5, sent: 5, kind: "text/plain"}, nil, failure{}, []string{signed, stored, made}},
		{"checksum in base64", content{announced: 5, sent: 5, kind: "text/plain", checksum: new(base64.StdEncoding.EncodeToString(base64Sum[:]))}, nil, failure{}, []string{signed, stored, made}},
		{"10 MB", image(ten), nil, failure{}, []string{signed, stored, made}},
		{
			"a byte above 10 MB",
			content{announced: 10<<20 + 1, kind: "image/png"},
			nil,
			failure{Code: codes.InvalidArgument, Reason: "INVALID_REQUEST", Domain: local, Retryable: "false", Attempts: "0", Wait: "-1", Details: "bad metadata.file_size: must be at most 10485760 for this file_type"},
			nil,
		},
		{
			"a byte above 2 GB",
			content{announced: 2<<30 + 1, kind: "video/mp4"},
			nil,
			failure{Code: codes.InvalidArgument, Reason: "INVALID_REQUEST", Domain: local, Retryable: "false", Attempts: "0", Wait: "-1", Details: "bad metadata.file_size: must be at most 2147483648 for this file_type"},
			nil,
		},
		{
			"another checksum",
			content{announced: ten.announced, sent: ten.sent, kind: ten.kind, checksum: small.checksum},
			nil,
			mismatch("1", "bad metadata.checksum: the SHA-256 of the bytes that came is another"),
			[]string{signed, "PUT 0"},
		},
		{
			"short",
			content{announced: ten.announced, sent: ten.sent - 1, kind: ten.kind},
			nil,
			mismatch("1", "bad metadata.file_size: 10485760 bytes were announced, and 10485759 came"),
			[]string{signed, "PUT 0"},
		},
		{
			"long",
			content{announced: ten.announced, sent: ten.sent + 1, kind: ten.kind},
			nil,
			mismatch("1", "bad metadata.file_size: 10485760 bytes were announced, and more came"),
			[]string{signed, "PUT 0"},
		},
		{"expired URL", ten, object{"expired": true}, failure{}, []string{signed, "PUT 403", signed, stored, made}},
		{"storage unavailable for a moment", ten, object{"status": 503}, failure{}, []string{signed, "PUT 503", signed, stored, made}},
		{"storage does not like it", ten, object{"status": 400}, storageFailed("400"), []string{signed, "PUT 400"}},
		{"storage is slow, yet moves", content{announced: 1 << 20, sent: 1 << 20, kind: "video/mp4"}, object{"bytes_per_second": 2 << 20}, failure{}, []string{signed, stored, made}},
		{"storage stands still", ten, object{"hang": true}, storageFailed(""), []string{signed, "PUT 0"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			m.heal()
			m.forget()
			if row.fault != nil {
				m.fault(storagePut, row.fault)
			}
			file, o := g.upload(within(t), t, row.file)
			if row.want.Code != codes.OK {
				if diff := cmp.Diff(row.want, o.failure(t)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			} else if o.err != nil || file.GetSize() != row.file.announced || file.GetName() != "a.mp4" {
				t.Errorf("got %v, %v", file, o.err)
			}
			if diff := cmp.Diff(row.events, m.happened()); diff != "" {
				t.Errorf("Mavera and storage, -want +got:\n%s", diff)
			}
			if text := g.log() + fmt.Sprint(o.err); strings.Contains(text, "token=") || strings.Contains(text, "_storage") {
				t.Error("an address was told")
			}
		})
	}
}

// TestUploadContract holds what the gateway asks of Mavera against the contract.
func TestUploadContract(t *testing.T) {
	m := startMavera(t)
	g := startGateway(t, startProxy(t, m.base).base)
	file, o := g.upload(within(t), t, zeros(100))
	if o.err != nil || file.GetSize() != 100 {
		t.Errorf("got %v, %v", file, o.err)
	}
	_, metrics := g.page("/metrics")
	if lost := sample(metrics, "mavera_gateway_unmodelled_fields_total"); lost != "" {
		t.Errorf("%s fields are lost", lost)
	}
}

// TestUploadCancel leaves in the middle: the request to the storage ends at once, and
// nothing is registered.
func TestUploadCancel(t *testing.T) {
	started, broken := make(chan struct{}), make(chan error, 1)
	var base string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "POST /api/v1/files/upload-url":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"upload_url": "%s/put", "public_url": "%s/file", "headers": {}}`, base, base)
		case "PUT /put":
			_, _ = io.ReadFull(r.Body, make([]byte, 1<<20))
			close(started)
			_, err := io.Copy(io.Discard, r.Body)
			broken <- err
		default:
			t.Errorf("%s %s came", r.Method, r.URL.Path)
		}
	}))
	t.Cleanup(server.Close)
	base = server.URL
	target, err := url.Parse(base + "/api/v1")
	if err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, target)
	ctx, cancel := context.WithCancel(within(t))
	stream := begin(ctx, t, g, content{announced: 1 << 30, kind: "video/mp4"})
	push(stream, 2<<20)
	<-started
	left := time.Now()
	cancel()
	if err := <-broken; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the storage got %v", err)
	}
	if took := time.Since(left); took > time.Second {
		t.Errorf("it took %s", took)
	}
	line := g.await("the end of the call", func(l logLine) bool { return l.text("msg") == "call" })
	if line.text("code") != "Canceled" || line["bytes"] == nil {
		t.Errorf("logged %v", line)
	}
}

// memory reads a line of /proc/<pid>/status, in bytes.
func (p *process) memory(name string) int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] == name+":" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return kib << 10
		}
	}
	p.t.Fatalf("no %s in %s", name, text)
	return 0
}

// TestUploadMemory uploads as much as can be, and watches what the gateway takes. That
// of the race detector says nothing: the gateway is always one without.
func TestUploadMemory(t *testing.T) {
	m := startMavera(t)
	program, size := "mavera-gateway", int64(2<<30)
	if raceEnabled { // in the test itself, which slows down what it sends
		program, size = "mavera-gateway-plain", 512<<20
		if err := build(program, "../cmd/mavera-gateway"); err != nil {
			t.Fatal(err)
		}
	}
	g := launchProgram(t, program, []string{"MAVERA_API_KEY=" + simulator.DemoKey, "MAVERA_BASE_URL=" + m.base.String()})
	before := g.memory("VmRSS")
	file, o := g.upload(t.Context(), t, content{announced: size, sent: size, kind: "video/mp4"})
	if o.err != nil || file.GetSize() != size {
		t.Fatalf("got %v, %v", file, o.err)
	}
	grown, limit := g.memory("VmHWM")-before, int64(32<<20)
	t.Logf("%d MiB: from %d MiB by %.1f MiB at most", size>>20, before>>20, float64(grown)/(1<<20))
	if grown > limit {
		t.Errorf("it grew by %d MiB, want at most %d", grown>>20, limit>>20)
	}
}

// TestUploadNode uploads with @grpc/grpc-js.
func TestUploadNode(t *testing.T) {
	m, g := pair(t)
	protos, err := filepath.Abs("../proto")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "spot.mp4")
	if err := os.WriteFile(path, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	out := node(t, "upload.mjs", g.addr, protos, path, "video/mp4", workspaceID)
	id, _ := out["id"].(string)
	address, _ := out["url"].(string)
	if id == "" || address == "" {
		t.Errorf("id %q, url %q", id, address)
	}
	if diff := cmp.Diff(object{"id": id, "name": "spot.mp4", "size": float64(5 << 20), "url": address}, out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"createFileUploadUrl 200", "PUT 200", "createFile 201"}, m.happened()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
