package simulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// storagePath is where uploads go; storageRoute is its name in faults.
const (
	storagePath  = "/_storage/"
	storageRoute = "/_storage/{key}"
)

// keepBody is the largest file whose bytes are kept; of a larger one only size
// and checksum are, so that memory stays flat.
const keepBody = 64 << 10

// uploadLife is how long an upload URL works (/features/files).
const uploadLife = 3600 * time.Second

// upload is one presigned URL and what came to it.
type upload struct {
	token    string
	expires  time.Time
	size     int64
	mime     string
	checksum string // SHA-256 in base64, "" when none was announced.

	stored bool
	sum    string // SHA-256 in base64.
	body   []byte // nil when the file is larger than keepBody.
}

// storageError is a refusal in the form of S3.
type storageError struct {
	XMLName xml.Name `xml:"Error"`
	Status  int      `xml:"-"`
	Code    string
	Message string
}

// Error implements error.
func (e *storageError) Error() string { return e.Code + ": " + e.Message }

// serveStorage takes presigned uploads and gives files back. It is no part of
// the API: it takes no key, has no rate limit, and speaks S3's errors.
func (s *Simulator) serveStorage(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, request: r, start: s.now()}
	rec := &recorder{ResponseWriter: w}
	entry := s.open(c)
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		entry.Status = rec.status
	}()
	var out http.ResponseWriter = rec
	f := s.takeFault(r.Method + " " + storageRoute)
	if f != nil {
		if r.Method == http.MethodPut && f.Hang {
			_, _ = io.Copy(io.Discard, r.Body) // Only then net/http notices that the client leaves.
		}
		if s.applyFault(rec, r, f) {
			return
		}
		out = f.wrap(rec)
	}
	key, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), storagePath))
	if err == nil {
		switch r.Method {
		case http.MethodPut:
			err = s.store(key, r, f)
		case http.MethodGet, http.MethodHead:
			err = s.give(out, key)
			if err == nil {
				return
			}
		default:
			err = &storageError{Status: 405, Code: "MethodNotAllowed", Message: "The method is not allowed."}
		}
	}
	if refusal := (*storageError)(nil); errors.As(err, &refusal) {
		text, _ := xml.Marshal(refusal) // Plain strings always encode.
		out.Header().Set("Content-Type", "application/xml")
		out.Header().Set("Connection", "close") // The rest of the body is not read.
		out.WriteHeader(refusal.Status)
		_, _ = out.Write(text)
		return
	}
	if err != nil {
		return // The client left while it was sending.
	}
	out.Header().Set("ETag", `"`+hex.EncodeToString([]byte(key))+`"`)
	out.WriteHeader(http.StatusOK)
}

// store takes the bytes of one PUT. f is its fault, nil for none.
func (s *Simulator) store(key string, r *http.Request, f *Fault) error {
	u, err := s.ticket(key, r, f != nil && f.Expired)
	if err != nil {
		return err
	}
	sum, content := sha256.New(), io.Reader(r.Body)
	if f != nil && f.BytesPerSecond > 0 {
		content = &slowReader{Reader: r.Body, ctx: r.Context(), rate: f.BytesPerSecond}
	}
	body, n, err := consume(content, sum, u.size)
	if err != nil {
		return err
	}
	got := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	switch {
	case n != u.size:
		return &storageError{Status: 400, Code: "EntitySizeMismatch", Message: "The body has not the size the URL was made for."}
	case u.checksum != "" && got != u.checksum:
		return &storageError{Status: 400, Code: "BadDigest", Message: "The SHA-256 of the body is not the one that was announced."}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u.stored, u.sum, u.body = true, got, body
	return nil
}

// ticket finds the upload of a PUT and checks everything but the body. expired says
// that its time is over, whatever the clock says.
func (s *Simulator) ticket(key string, r *http.Request, expired bool) (*upload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.state.uploads[key]
	switch {
	case r.Header.Get("Authorization") != "":
		return nil, &storageError{Status: 400, Code: "InvalidArgument", Message: "Only one way to authenticate is allowed, and the URL is signed: send no Authorization."}
	case u == nil || r.URL.Query().Get("token") != u.token:
		return nil, &storageError{Status: 403, Code: "AccessDenied", Message: "The URL is not signed by this storage."}
	case expired || !s.now().Before(u.expires):
		return nil, &storageError{Status: 403, Code: "AccessDenied", Message: "Request has expired."}
	case r.Header.Get("Content-Type") != u.mime || r.Header.Get("X-Amz-Checksum-Sha256") != u.checksum:
		return nil, &storageError{Status: 403, Code: "SignatureDoesNotMatch", Message: "The headers are not those the URL was signed for."}
	case r.ContentLength < 0:
		return nil, &storageError{Status: 411, Code: "MissingContentLength", Message: "You must provide the Content-Length HTTP header."}
	case r.ContentLength != u.size:
		return nil, &storageError{Status: 400, Code: "EntitySizeMismatch", Message: "The body has not the size the URL was made for."}
	}
	return u, nil
}

// consume reads a body into a hash and keeps it when it is small.
func consume(r io.Reader, sum hash.Hash, size int64) ([]byte, int64, error) {
	if size > keepBody {
		n, err := io.Copy(sum, r)
		return nil, n, err
	}
	var b bytes.Buffer
	n, err := io.Copy(io.MultiWriter(sum, &b), r)
	return b.Bytes(), n, err
}

// slowReader reads at most rate bytes in a second, a tenth of them at a time.
type slowReader struct {
	io.Reader
	ctx  context.Context //nolint:containedctx // That of the request being read.
	rate int64
}

// Read implements io.Reader.
func (r *slowReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(int64(len(p)), max(r.rate/10, 1))])
	if !sleep(r.ctx, time.Duration(n)*time.Second/time.Duration(r.rate)) {
		return n, r.ctx.Err()
	}
	return n, err //nolint:wrapcheck // io.EOF must stay what it is.
}

// give answers a GET of a public URL: the file, or for one whose bytes were not
// kept its size and checksum as JSON.
func (s *Simulator) give(w http.ResponseWriter, key string) error {
	s.mu.Lock()
	var u upload
	if found := s.state.uploads[key]; found != nil {
		u = *found
	}
	s.mu.Unlock()
	if !u.stored {
		return &storageError{Status: 404, Code: "NoSuchKey", Message: "The specified key does not exist."}
	}
	mime, body := u.mime, u.body
	if body == nil {
		text, err := encode(object{"size": u.size, "sha256": u.sum})
		if err != nil {
			return err
		}
		mime, body = "application/json", text
		w.Header().Set("X-Simulator-Body", "not kept")
	}
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
	return nil
}

// digest brings a SHA-256 into base64, the form of S3: hex (64 digits) is
// converted, base64 of 32 bytes is taken as it is.
func digest(text string) (string, bool) {
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == sha256.Size {
		return base64.StdEncoding.EncodeToString(raw), true
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	return text, err == nil && len(raw) == sha256.Size
}
