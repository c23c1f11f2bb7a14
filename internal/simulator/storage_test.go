package simulator_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// put uploads a body with exactly the headers of the answer, then changed.
func (a *api) put(made object, body io.Reader, change func(*http.Request)) (int, string) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), "PUT", made["upload_url"].(string), body)
	if err != nil {
		a.t.Fatal(err)
	}
	for name, value := range made["headers"].(object) {
		r.Header.Set(name, value.(string))
	}
	if change != nil {
		change(r)
	}
	res, err := a.server.Client().Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestUpload(t *testing.T) {
	a := start(t, simulator.Options{})
	content := []byte("hello, storage")
	sum := sha256.Sum256(content)
	link := object{"file_name": "notes one.txt", "file_type": "text/plain", "file_size": len(content), "workspace_id": "ws_abc123"}
	hexed := with(link, object{"checksum": hex.EncodeToString(sum[:])})
	for _, tt := range []struct {
		name   string
		link   object
		body   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"without a checksum", link, string(content), nil, 200, ""},
		{"checksum in hexadecimal digits", hexed, string(content), nil, 200, ""},
		{"checksum in base64", with(link, object{"checksum": base64.StdEncoding.EncodeToString(sum[:])}), string(content), nil, 200, ""},
		{"other content", hexed, "HELLO, storage", nil, 400, "BadDigest"},
		{"too short", link, "hello", nil, 400, "EntitySizeMismatch"},
		{"with the key", link, string(content), func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 400, "InvalidArgument"},
		{"other content type", link, string(content), func(r *http.Request) { r.Header.Set("Content-Type", "text/html") }, 403, "SignatureDoesNotMatch"},
		{"checksum left out", hexed, string(content), func(r *http.Request) { r.Header.Del("X-Amz-Checksum-Sha256") }, 403, "SignatureDoesNotMatch"},
		{"checksum not announced", link, string(content), func(r *http.Request) { r.Header.Set("X-Amz-Checksum-Sha256", "x") }, 403, "SignatureDoesNotMatch"},
		{"no length", link, string(content), func(r *http.Request) { r.ContentLength = -1 }, 411, "MissingContentLength"},
		{"other token", link, string(content), func(r *http.Request) { r.URL.RawQuery = "token=x" }, 403, "AccessDenied"},
		{"other method", link, string(content), func(r *http.Request) { r.Method = "POST" }, 405, "MethodNotAllowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &api{t: t, sim: a.sim, server: a.server, key: a.key}
			made := a.ok("POST", "/files/upload-url", tt.link)
			status, text := a.put(made, strings.NewReader(tt.body), tt.change)
			want(t, "status", status, tt.status)
			if !strings.Contains(text, "<Code>"+tt.code+"</Code>") && tt.code != "" {
				t.Errorf("answer %q, want code %s", text, tt.code)
			}
			file := made["next_step"].(object)["body"]
			if tt.status != 200 {
				want(t, "registered too early", a.refused("POST", "/files", file), `[400,"invalid_field","url"]`)
				return
			}
			registered := a.ok("POST", "/files", file)
			want(t, "size", registered["size"], any(float64(len(content))))
			path := strings.TrimPrefix(registered["url"].(string), a.server.URL)
			status, header, got := a.send("GET", path, nil)
			if status != 200 || got != tt.body || header.Get("Content-Type") != "text/plain" {
				t.Errorf("public URL: status %d, %q, %v", status, got, header)
			}
		})
	}
}

func TestLargeUploadKeepsOnlyItsChecksum(t *testing.T) {
	a := start(t, simulator.Options{})
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	sum := sha256.Sum256(content)
	made := a.ok("POST", "/files/upload-url", object{
		"file_name": "a.mp4", "file_type": "video/mp4", "file_size": len(content), "workspace_id": "ws_abc123", "checksum": hex.EncodeToString(sum[:]),
	})
	status, text := a.put(made, bytes.NewReader(content), nil)
	want(t, "status", status, 200)
	want(t, "answer", text, "")
	_, _, got := a.send("GET", strings.TrimPrefix(made["public_url"].(string), a.server.URL), nil)
	want(t, "public URL", got, `{"sha256":"`+base64.StdEncoding.EncodeToString(sum[:])+`","size":1048576}`)
}

func TestStorageFaults(t *testing.T) {
	a := start(t, simulator.Options{})
	made := a.ok("POST", "/files/upload-url", object{"file_name": "a", "file_type": "text/plain", "file_size": 2, "workspace_id": "ws_abc123"})
	a.script(simulator.Fault{Route: "PUT /_storage/{key}", Status: 503, Body: new("slow down")})
	status, text := a.put(made, strings.NewReader("hi"), nil)
	if status != 503 || text != "slow down" {
		t.Errorf("status %d, %q", status, text)
	}
	a.script(simulator.Fault{Route: "*", Status: 500}) // Not for the storage.
	status, _ = a.put(made, strings.NewReader("hi"), nil)
	want(t, "second try", status, 200)
	a.script(simulator.Fault{Route: "PUT /_storage/{key}", Expired: true})
	status, text = a.put(made, strings.NewReader("hi"), nil)
	if status != 403 || !strings.Contains(text, "<Message>Request has expired.</Message>") {
		t.Errorf("expired: status %d, %q", status, text)
	}
	last := a.sim.Requests()[len(a.sim.Requests())-1]
	want(t, "journal", last.Method+" "+last.Body, "PUT ")
	want(t, "status in the journal", last.Status, 403)
}

// TestStorageExpires goes by the clock.
func TestStorageExpires(t *testing.T) {
	now := time.Now()
	a := start(t, simulator.Options{Now: func() time.Time { return now }})
	made := a.ok("POST", "/files/upload-url", object{"file_name": "a", "file_type": "text/plain", "file_size": 2, "workspace_id": "ws_abc123"})
	now = now.Add(3600*time.Second - 1)
	status, _ := a.put(made, strings.NewReader("hi"), nil)
	want(t, "at the last moment", status, 200)
	now = now.Add(1)
	status, text := a.put(made, strings.NewReader("hi"), nil)
	if status != 403 || !strings.Contains(text, "<Message>Request has expired.</Message>") {
		t.Errorf("afterwards: status %d, %q", status, text)
	}
}

// TestSlowStorage takes an upload in a hundredth of a second that would take nothing.
func TestSlowStorage(t *testing.T) {
	a := start(t, simulator.Options{})
	made := a.ok("POST", "/files/upload-url", object{"file_name": "a", "file_type": "text/plain", "file_size": 20, "workspace_id": "ws_abc123"})
	a.script(simulator.Fault{Route: "PUT /_storage/{key}", BytesPerSecond: 2000})
	begin := time.Now()
	status, _ := a.put(made, strings.NewReader("twenty bytes, slowly"), nil)
	want(t, "status", status, 200)
	if took := time.Since(begin); took < 10*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}
