package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/upload"
)

// An upshot is what became of an upload: what the caller learns, and what the depot saw.
type upshot struct {
	Status, Message string
	Violations      []string
	Events          []string
}

// upshotOf reads an error. Of a status without one the answer's id is the message.
func upshotOf(t *testing.T, file *maverav1.File, err error, trailer metadata.MD, d *depot) upshot {
	t.Helper()
	if err == nil {
		return upshot{Status: "OK attempts=" + strings.Join(trailer.Get(attemptsKey), ","), Message: file.GetId(), Events: d.noted()}
	}
	out := upshot{Status: brief(t, err, trailer), Message: status.Convert(err).Message(), Events: d.noted()}
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				out.Violations = append(out.Violations, v.GetField()+": "+v.GetDescription())
			}
		}
	}
	if strings.Contains(fmt.Sprint(status.Convert(err).Proto()), "secret") {
		t.Errorf("the status has the address: %v", status.Convert(err).Proto())
	}
	return out
}

const (
	badMessage = "InvalidArgument INVALID_REQUEST gateway.mavera.io attempts=0 waited_ms=0 retryable=false pushback=-1"
	differing  = "InvalidArgument UPLOAD_MISMATCH gateway.mavera.io attempts=%d waited_ms=0 retryable=false pushback=-1"
	// notStored is how the storage's failures look; the pushback is one second and some.
	notStored = "Unavailable STORAGE_FAILED mavera.io attempts=%d waited_ms=0 retryable=true wait=1s"
)

// TestUpload goes through all that can become of an upload. The first attempt is told
// from the others by the events of the depot.
func TestUpload(t *testing.T) {
	sum := sha256.Sum256([]byte("hello"))
	bigSum := sha256.Sum256(bytes.Repeat([]byte("x"), 1<<20))
	refusal := answering(http.StatusForbidden)
	once := func(first, then http.HandlerFunc) http.HandlerFunc {
		var calls sync.Once
		return func(w http.ResponseWriter, r *http.Request) {
			handle := then
			calls.Do(func() { handle = first })
			handle(w, r)
		}
	}
	const (
		mismatch = "UploadFile: what came is not the file that was announced; nothing was registered: "
		notTaken = "UploadFile: the storage behind Mavera did not take the file; nothing was registered"
		address  = "UploadFile: Mavera named an address for the upload that the gateway does not accept; nothing was sent there, and nothing registered"
		request  = "UploadFile: the request message is invalid: "
	)
	for _, row := range []struct {
		name  string
		sends []*maverav1.UploadFileRequest
		depot *depot
		want  upshot
	}{
		{"small", hello(), &depot{}, upshot{"OK attempts=2", "file-1", nil, []string{"sign", "put 5", "register"}}},
		{"small, checksum in hexadecimal digits", hello(withChecksum(hex.EncodeToString(sum[:]))), &depot{}, upshot{"OK attempts=2", "file-1", nil, []string{"sign", "put 5", "register"}}},
		{"large, checksum in base64", big(withChecksum(upload.Checksum(bigSum).String())), &depot{}, upshot{"OK attempts=2", "file-1", nil, []string{"sign", "put 1048576", "register"}}},
		{"empty chunks mean nothing", append(hello(), chunk(nil)), &depot{}, upshot{"OK attempts=2", "file-1", nil, []string{"sign", "put 5", "register"}}},

		{"all faults of the description", []*maverav1.UploadFileRequest{describes(0, withChecksum("x"), func(m *maverav1.UploadFileMetadata) { m.WorkspaceId = "" })}, &depot{}, upshot{
			badMessage, request + "metadata.file_size: value is required (and 2 more, see the details)",
			[]string{"metadata.file_size: value is required", "metadata.workspace_id: value is required", "metadata.checksum: must be a SHA-256: 44 characters of base64, or 64 hexadecimal digits"},
			nil,
		}},
		{"larger than 2 GB", []*maverav1.UploadFileRequest{describes(2<<30 + 1)}, &depot{}, upshot{
			badMessage, request + "metadata.file_size: must be at most 2147483648 for this file_type", []string{"metadata.file_size: must be at most 2147483648 for this file_type"}, nil,
		}},
		{"larger than 10 MB, and no video", []*maverav1.UploadFileRequest{describes(10<<20+1, func(m *maverav1.UploadFileMetadata) { m.FileType = "image/png" })}, &depot{}, upshot{
			badMessage, request + "metadata.file_size: must be at most 10485760 for this file_type", []string{"metadata.file_size: must be at most 10485760 for this file_type"}, nil,
		}},
		{"nothing at all", nil, &depot{}, upshot{
			badMessage, request + "metadata: must be in the first message of the stream", []string{"metadata: must be in the first message of the stream"}, nil,
		}},
		{"no description", hello()[1:], &depot{}, upshot{
			badMessage, request + "metadata: must be in the first message of the stream", []string{"metadata: must be in the first message of the stream"}, nil,
		}},
		{"two descriptions", append(hello()[:2], describes(5)), &depot{}, upshot{
			"InvalidArgument INVALID_REQUEST gateway.mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1",
			request + "metadata: must be in the first message of the stream only",
			[]string{"metadata: must be in the first message of the stream only"},
			[]string{"sign", "put, broken off"},
		}},
		{"an empty message", append(hello()[:1], &maverav1.UploadFileRequest{}), &depot{}, upshot{
			badMessage, request + "payload: must be set in every message of the stream", []string{"payload: must be set in every message of the stream"}, nil,
		}},

		{"too short to have begun", hello()[:1], &depot{}, upshot{
			fmt.Sprintf(differing, 0), mismatch + "metadata.file_size: 5 bytes were announced, and 0 came", []string{"metadata.file_size: 5 bytes were announced, and 0 came"}, nil,
		}},
		{"too short", big()[:4], &depot{}, upshot{
			fmt.Sprintf(differing, 1), mismatch + "metadata.file_size: 1048576 bytes were announced, and 786432 came", []string{"metadata.file_size: 1048576 bytes were announced, and 786432 came"}, []string{"sign", "put, broken off"},
		}},
		{"too long", append(big(), chunk([]byte("y"))), &depot{}, upshot{
			fmt.Sprintf(differing, 1), mismatch + "metadata.file_size: 1048576 bytes were announced, and more came", []string{"metadata.file_size: 1048576 bytes were announced, and more came"}, []string{"sign", "put, broken off"},
		}},
		{"another checksum", big(withChecksum(hex.EncodeToString(sum[:]))), &depot{}, upshot{
			fmt.Sprintf(differing, 1), mismatch + "metadata.checksum: the SHA-256 of the bytes that came is another", []string{"metadata.checksum: the SHA-256 of the bytes that came is another"}, []string{"sign", "put, broken off"},
		}},
		{"another checksum of what comes in one piece", []*maverav1.UploadFileRequest{describes(5, withChecksum(hex.EncodeToString(bigSum[:]))), chunk([]byte("hello"))}, &depot{}, upshot{
			fmt.Sprintf(differing, 0), mismatch + "metadata.checksum: the SHA-256 of the bytes that came is another", []string{"metadata.checksum: the SHA-256 of the bytes that came is another"}, nil,
		}},

		{"expired address", hello(), &depot{put: once(refusal, stores)}, upshot{"OK attempts=3", "file-1", nil, []string{"sign", "put 403", "sign", "put 5", "register"}}},
		{"storage was unavailable", big(), &depot{put: once(answering(503), stores)}, upshot{"OK attempts=3", "file-1", nil, []string{"sign", "put 503", "sign", "put 1048576", "register"}}},
		{"storage says when", hello(), &depot{put: once(answering(429, "Retry-After", "7"), stores)}, upshot{"OK attempts=3", "file-1", nil, []string{"sign", "put 429", "sign", "put 5", "register"}}},
		{"every address is refused", hello(), &depot{put: refusal}, upshot{
			fmt.Sprintf(notStored, 4), notTaken + " (HTTP 403)", nil, []string{"sign", "put 403", "sign", "put 403", "sign", "put 403", "sign", "put 403"},
		}},
		{"bad request, which is not repeated", hello(), &depot{put: answering(400)}, upshot{fmt.Sprintf(notStored, 1), notTaken + " (HTTP 400)", nil, []string{"sign", "put 400"}}},
		{"a redirection, which is not followed", hello(), &depot{put: answering(307, "Location", "http://storage.test/b")}, upshot{fmt.Sprintf(notStored, 1), notTaken + " (HTTP 307)", nil, []string{"sign", "put 307"}}},
		{"done before the file was there", big(), &depot{put: answering(200)}, upshot{fmt.Sprintf(notStored, 1), notTaken + " (HTTP 200)", nil, []string{"sign", "put 200"}}},
		{"refused in the middle", big(), &depot{put: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 100))
			w.WriteHeader(http.StatusServiceUnavailable)
		}}, upshot{fmt.Sprintf(notStored, 1), notTaken + " (HTTP 503)", nil, []string{"sign", "put 503"}}},
		{"refused at the end", big(), &depot{put: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusForbidden)
		}}, upshot{fmt.Sprintf(notStored, 1), notTaken + " (HTTP 403)", nil, []string{"sign", "put 403"}}},
		{"cut in the middle", big(), &depot{put: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 100))
			cutting(w, r)
		}}, upshot{fmt.Sprintf(notStored, 1), notTaken, nil, []string{"sign"}}},

		{"not signed, for a reason in the description", hello(), &depot{sign: answers(400, `{"error": {"message": "No such folder.", "code": "invalid_field", "param": "folder_id"}}`)}, upshot{
			"InvalidArgument INVALID_FIELD mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1", "UploadFile: No such folder. (HTTP 400 invalid_field)",
			[]string{"metadata.folder_id: No such folder."},
			[]string{"sign"},
		}},
		{"signed after a repeat", hello(), &depot{sign: once(answering(503), signs)}, upshot{"OK attempts=3", "file-1", nil, []string{"sign", "sign", "put 5", "register"}}},
		{"an address that is not accepted", hello(), &depot{sign: answers(200, `{"upload_url": "http://10.0.0.1/?signature=secret", "public_url": "https://files.test/a"}`)}, upshot{
			"Internal UPLOAD_ADDRESS_REFUSED mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1", address, nil, []string{"sign"},
		}},
		{"no address", hello(), &depot{sign: answers(200, `{"object": "upload_url"}`)}, upshot{
			"Internal UPLOAD_ADDRESS_REFUSED mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1", address, nil, []string{"sign"},
		}},
		{"another method", hello(), &depot{sign: answers(200, `{"upload_url": "http://storage.test/", "public_url": "https://files.test/a", "method": "POST"}`)}, upshot{
			"Internal UPLOAD_ADDRESS_REFUSED mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1", address, nil, []string{"sign"},
		}},

		{"not registered, for a reason in the description", hello(), &depot{register: answers(400, `{"error": {"message": "Bad name.", "code": "invalid_field", "param": "name"}}`)}, upshot{
			"InvalidArgument INVALID_FIELD mavera.io attempts=2 waited_ms=0 retryable=false pushback=-1", "UploadFile: Bad name. (HTTP 400 invalid_field)",
			[]string{"metadata.file_name: Bad name."},
			[]string{"sign", "put 5", "register"},
		}},
		{"registered, maybe", hello(), &depot{register: answering(502)}, upshot{
			"Unknown OUTCOME_UNKNOWN mavera.io attempts=2 waited_ms=0 retryable=false outcome=unknown pushback=-1",
			"UploadFile: a server between the gateway and Mavera failed; the call may have been carried out: look for its result before you repeat it (HTTP 502)",
			nil,
			[]string{"sign", "put 5", "register"},
		}},
		{"registered after a repeat", hello(), &depot{register: once(answering(503), registers)}, upshot{"OK attempts=3", "file-1", nil, []string{"sign", "put 5", "register", "register"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, files := newDepot(t, row.depot)
				stream, err := files.UploadFile(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				sendParts(stream, row.sends)
				file, err := stream.CloseAndRecv()
				trailer := stream.Trailer()
				_ = h.conn.Close() // whatever is under way ends
				synctest.Wait()
				got := upshotOf(t, file, err, trailer, row.depot)
				got.Status = near(got.Status, time.Second)
				if diff := cmp.Diff(row.want, got); diff != "" {
					t.Errorf("-want +got:\n%s\n%s", diff, h.log.text())
				}
			})
		})
	}
}

// TestUploadAsks shows what Mavera is asked.
func TestUploadAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &depot{}
		_, files := newDepot(t, d)
		stream, err := files.UploadFile(metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "r-1"))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte("hello"))
		sendParts(stream, hello(withChecksum(hex.EncodeToString(sum[:])), func(m *maverav1.UploadFileMetadata) { m.FolderId = new("f-1") }))
		if _, err := stream.CloseAndRecv(); err != nil {
			t.Fatal(err)
		}
		want := []map[string]any{
			{"file_name": "a.mp4", "file_type": "video/mp4", "file_size": 5.0, "workspace_id": "ws", "folder_id": "f-1", "checksum": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="},
			{"name": "a.mp4", "type": "video/mp4", "file_size": 5.0, "workspace_id": "ws", "folder_id": "f-1", "url": "https://files.test/ws/a.mp4"},
		}
		var got []map[string]any
		for _, text := range d.asked {
			var body map[string]any
			if err := json.Unmarshal([]byte(text), &body); err != nil {
				t.Fatal(err)
			}
			got = append(got, body)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestUploadLog has the line of an upload that failed late.
func TestUploadLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &depot{put: answering(400)}
		h, files := newDepot(t, d)
		stream, err := files.UploadFile(metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "r-1", "x-caller-id", "tester"))
		if err != nil {
			t.Fatal(err)
		}
		sendParts(stream, hello())
		_, _ = stream.CloseAndRecv()
		synctest.Wait()
		want := `{"level":"WARN","msg":"call","request_id":"r-1","rpc":"UploadFile","family":"files","caller":"tester","attempts":1,"waited_ms":0,` +
			`"bytes":3,"storage_status":400,"http_status":200,"code":"Unavailable","duration_ms":0,"reason":"STORAGE_FAILED",` +
			`"error":"Unavailable STORAGE_FAILED: the storage behind Mavera did not take the file; nothing was registered: put the file: the storage answered 400"}` + "\n"
		if diff := cmp.Diff(want, h.log.text()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestUploadEnds ends uploads that stand still, from every side, and says when.
func TestUploadEnds(t *testing.T) {
	const stalled = "DeadlineExceeded UPLOAD_STALLED gateway.mavera.io attempts=%d waited_ms=0 retryable=false pushback=-1"
	swallows := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 100))
		time.Sleep(2 * time.Minute)
	}
	takesAll := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	for _, row := range []struct {
		name     string
		sends    []*maverav1.UploadFileRequest
		closes   bool
		put      http.HandlerFunc
		deadline time.Duration
		stop     bool // the gateway stops, with a limit of 20 s
		cancel   bool
		want     string
		events   []string
		after    time.Duration
	}{
		{"no description comes", nil, false, nil, 0, false, false, fmt.Sprintf(stalled, 0), nil, time.Minute},
		{"no bytes come", hello()[:1], false, nil, 0, false, false, fmt.Sprintf(stalled, 0), nil, time.Minute},
		{"the bytes cease", big()[:3], false, nil, 0, false, false, fmt.Sprintf(stalled, 1), []string{"sign", "put, broken off"}, time.Minute},
		{"the end does not come", big(), false, nil, 0, false, false, fmt.Sprintf(stalled, 1), []string{"sign", "put, broken off"}, time.Minute},
		{"the storage takes nothing more", big(), true, swallows, 0, false, false, fmt.Sprintf(notStored, 1), []string{"sign", "put, broken off"}, time.Minute},
		{"the storage does not answer", big(), true, takesAll, 0, false, false, fmt.Sprintf(notStored, 1), []string{"sign", "put 0"}, time.Minute},
		{
			"the caller's deadline", big()[:3], false, nil, 10 * time.Second, false, false,
			"DeadlineExceeded",
			[]string{"sign", "put, broken off"},
			10 * time.Second,
		},
		{"the caller leaves", big()[:3], false, nil, 0, false, true, "Canceled", []string{"sign", "put, broken off"}, 0},
		{
			"the gateway stops, and the limit passes", big()[:3], false, nil, 0, true, false,
			"Unavailable SHUTTING_DOWN gateway.mavera.io attempts=1 waited_ms=0 retryable=true wait=0",
			[]string{"sign", "put, broken off"},
			20 * time.Second,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &depot{put: row.put}
				h, files := newDepot(t, d)
				begin := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if row.deadline > 0 {
					ctx, cancel = context.WithTimeout(ctx, row.deadline)
					defer cancel()
				}
				stream, err := files.UploadFile(ctx)
				if err != nil {
					t.Fatal(err)
				}
				sendParts(stream, row.sends)
				if row.closes {
					if err := stream.CloseSend(); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				if row.cancel {
					cancel()
				}
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					if row.stop {
						h.server.Stop(20 * time.Second)
					}
				}()
				err = stream.RecvMsg(new(maverav1.File))
				took := time.Since(begin)
				<-stopped
				time.Sleep(5 * time.Minute) // the storage has noticed too
				got := status.Code(err).String()
				if trailer := stream.Trailer(); len(trailer.Get(pushbackKey)) > 0 {
					got = near(brief(t, err, trailer), time.Second)
				}
				if got != row.want || took != row.after {
					t.Errorf("got %s after %s\nwant %s after %s", got, took, row.want, row.after)
				}
				if diff := cmp.Diff(row.events, d.noted()); diff != "" {
					t.Errorf("events, -want +got:\n%s", diff)
				}
			})
		})
	}
}

// TestUploadDrains lets an upload finish after the stop has begun.
func TestUploadDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &depot{}
		h, files := newDepot(t, d)
		stream, err := files.UploadFile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sendParts(stream, big()[:3])
		synctest.Wait()
		stopped := make(chan struct{})
		go func() { defer close(stopped); h.server.Stop(time.Hour) }()
		time.Sleep(30 * time.Second)
		sendParts(stream, big()[3:])
		if file, err := stream.CloseAndRecv(); err != nil || file.GetId() != "file-1" {
			t.Errorf("got %v, %v", file, err)
		}
		<-stopped
	})
}

// TestUploadTooLarge has a message that grpc-go refuses, in its own words.
func TestUploadTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &depot{}
		_, files := newDepot(t, d, func(o *Options) { o.MaxRequestBytes = 1000 })
		stream, err := files.UploadFile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sendParts(stream, big()[:2])
		_, err = stream.CloseAndRecv()
		if got, want := status.Convert(err).String(), "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (262148 vs. 1000)"; err == nil || err.Error() != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if events := d.noted(); len(events) > 0 {
			t.Errorf("events %v", events)
		}
	})
}
