package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A bucket is a storage that remembers what came.
type bucket struct {
	*httptest.Server
	requests chan arrival
}

// An arrival is one request, read to its end or break.
type arrival struct {
	Method, Target, Host string
	Length               int64
	Header               http.Header
	Body                 int  // bytes that came
	Whole                bool // the body ended properly
}

// startBucket answers as the function says, after or without reading.
func startBucket(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *bucket {
	t.Helper()
	b := &bucket{requests: make(chan arrival, 10)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := arrival{Method: r.Method, Target: r.RequestURI, Host: r.Host, Length: r.ContentLength, Header: r.Header.Clone()}
		counted := r.WithContext(r.Context()) // in place of r's own, it would be read to its end
		counted.Body = &counter{ReadCloser: r.Body, to: &a}
		defer func() { b.requests <- a }()
		answer(w, counted)
	}))
	t.Cleanup(b.Close)
	return b
}

// counter counts what is read.
type counter struct {
	io.ReadCloser
	to *arrival
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.to.Body += n
	c.to.Whole = errors.Is(err, io.EOF)
	return n, err
}

// takes reads all and answers 200.
func takes(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// refuses answers without reading.
func refuses(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// put sends a file to a bucket.
func put(t *testing.T, b *bucket, source io.Reader, file File) error {
	t.Helper()
	transport := NewTransport(Rules{AllowPrivate: true})
	defer transport.CloseIdleConnections()
	body := newBody(t, source, file)
	return NewStorage(Rules{AllowHTTP: true, AllowPrivate: true}, transport).Put(t.Context(), Ticket{
		Address: b.URL + "/ws/key%20one?token=secret",
		Header:  map[string]string{"Content-Type": "video/mp4", "x-amz-checksum-sha256": "sum"},
	}, body)
}

// TestPutRequest shows all that the storage sees.
func TestPutRequest(t *testing.T) {
	b := startBucket(t, takes)
	if err := put(t, b, strings.NewReader("hello"), File{Size: 5}); err != nil {
		t.Fatal(err)
	}
	want := arrival{
		Method: "PUT", Target: "/ws/key%20one?token=secret", Host: b.Listener.Addr().String(), Length: 5, Body: 5, Whole: true,
		Header: http.Header{"Content-Type": {"video/mp4"}, "X-Amz-Checksum-Sha256": {"sum"}, "Content-Length": {"5"}, "Expect": {"100-continue"}},
	}
	if diff := cmp.Diff(want, <-b.requests); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPutBreaksOff has bodies that turn out wrong: the storage must see the request
// break off, without the whole.
func TestPutBreaksOff(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 1<<20)
	for _, tt := range []struct {
		name   string
		source io.Reader
		file   File
		want   string
	}{
		{"too short", bytes.NewReader(content[1:]), File{Size: 1 << 20}, "file_size: 1048576 bytes were announced, and 1048575 came"},
		{"too long", io.MultiReader(bytes.NewReader(content), strings.NewReader("y")), File{Size: 1 << 20}, "file_size: 1048576 bytes were announced, and more came"},
		{"other content", bytes.NewReader(content), File{1 << 20, sumOf(nil)}, "checksum: the SHA-256 of the bytes that came is another"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := startBucket(t, takes)
			err := put(t, b, tt.source, tt.file)
			mismatch := (*MismatchError)(nil)
			if !errors.As(err, &mismatch) || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if got := <-b.requests; got.Whole || got.Body == 0 || got.Body >= 1<<20 {
				t.Errorf("the storage got %d bytes, whole %t", got.Body, got.Whole)
			}
		})
	}
}

// TestPutRefused has the ways in which a storage fails, and what they say of another
// attempt.
func TestPutRefused(t *testing.T) {
	type told struct {
		Text                   string
		Sent, Stale, Temporary bool
	}
	elsewhere := startBucket(t, takes)
	denied := `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message><StringToSign>secret</StringToSign></Error>`
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		want   told
	}{
		{"expired", refuses(403, denied), told{"put the file: the storage answered 403 AccessDenied", false, true, true}},
		{"expired, as Google says", refuses(400, "<Error><Code>ExpiredToken</Code></Error>"), told{"put the file: the storage answered 400 ExpiredToken", false, true, true}},
		{"bad request", refuses(400, "<Error><Code>Not a word</Code></Error>"), told{"put the file: the storage answered 400", false, false, false}},
		{"unavailable", refuses(503, "<html>"), told{"put the file: the storage answered 503", false, false, true}},
		{"too many requests", refuses(429, ""), told{"put the file: the storage answered 429", false, false, true}},
		{"done before anything came", refuses(200, ""), told{"put the file: the storage answered 200: it did so before it had the whole file", false, false, false}},
		{"redirected", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, told{"put the file: the storage answered 307", false, false, false}},
		{"refused at the end", func(w http.ResponseWriter, r *http.Request) {
			takes(w, r)
			refuses(400, "<Error><Code>BadDigest</Code></Error>")(w, r)
		}, told{"put the file: the storage answered 400 BadDigest", true, false, false}},
		{"expired at the end", func(w http.ResponseWriter, r *http.Request) {
			takes(w, r)
			refuses(403, denied)(w, r)
		}, told{"put the file: the storage answered 403 AccessDenied", true, true, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := startBucket(t, tt.answer)
			err := put(t, b, bytes.NewReader(make([]byte, 1<<20)), File{Size: 1 << 20})
			refusal := (*PutError)(nil)
			if !errors.As(err, &refusal) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tt.want, told{err.Error(), refusal.Sent, refusal.Stale(), refusal.Temporary()}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if len(elsewhere.requests) > 0 {
		t.Error("a redirect was followed")
	}
}

// TestPutConnection has storages that do not answer.
func TestPutConnection(t *testing.T) {
	closed := startBucket(t, takes)
	closed.Close()
	cut := startBucket(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 100))
		panic(http.ErrAbortHandler)
	})
	for _, tt := range []struct {
		name   string
		bucket *bucket
		sent   bool
	}{{"refused", closed, false}, {"cut", cut, true}} {
		t.Run(tt.name, func(t *testing.T) {
			err := put(t, tt.bucket, bytes.NewReader(make([]byte, 1<<20)), File{Size: 1 << 20})
			refusal := (*PutError)(nil)
			if !errors.As(err, &refusal) || refusal.Status != 0 || refusal.Sent != tt.sent || !refusal.Temporary() {
				t.Errorf("got %v, %+v", err, refusal)
			}
			if strings.Contains(err.Error(), "token") {
				t.Errorf("the error has the address: %v", err)
			}
		})
	}
}

// TestPutTicket has an address that is not accepted.
func TestPutTicket(t *testing.T) {
	err := NewStorage(Rules{}, nil).Put(t.Context(), Ticket{Address: "http://storage.example.com/?token=secret"}, newBody(t, nil, File{Size: 1}))
	refusal := (*TicketError)(nil)
	if !errors.As(err, &refusal) || err.Error() != "the upload address does not start with https://" {
		t.Errorf("got %v", err)
	}
}

// TestPutAgain sends a body anew after a refusal that came before its first byte.
func TestPutAgain(t *testing.T) {
	first := true
	b := startBucket(t, func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			refuses(403, "")(w, r)
			return
		}
		takes(w, r)
	})
	transport := NewTransport(Rules{AllowPrivate: true})
	defer transport.CloseIdleConnections()
	storage := NewStorage(Rules{AllowHTTP: true, AllowPrivate: true}, transport)
	content := make([]byte, 1<<20)
	body := newBody(t, bytes.NewReader(content), File{1 << 20, sumOf(content)})
	if err := body.Prime(); err != nil {
		t.Fatal(err)
	}
	ticket := Ticket{Address: b.URL}
	refusal := (*PutError)(nil)
	if err := storage.Put(t.Context(), ticket, body); !errors.As(err, &refusal) || refusal.Sent || !refusal.Stale() {
		t.Fatalf("first: %v", err)
	}
	if err := storage.Put(t.Context(), ticket, body); err != nil {
		t.Fatalf("second: %v", err)
	}
	if one, two := <-b.requests, <-b.requests; one.Body != 0 || two.Body != 1<<20 || !two.Whole {
		t.Errorf("the storage got %d, then %d bytes", one.Body, two.Body)
	}
}

// TestPutCancelled ends the context in the middle: the storage notices at once.
func TestPutCancelled(t *testing.T) {
	b := startBucket(t, takes)
	transport := NewTransport(Rules{AllowPrivate: true})
	defer transport.CloseIdleConnections()
	ctx, watch := NewWatch(t.Context(), time.Hour)
	defer watch.Close()
	reads := 0
	source := readerFunc(func(p []byte) (int, error) {
		if reads++; reads > 3 {
			watch.Close()
			return 0, context.Cause(ctx)
		}
		return len(p), nil
	})
	body := NewBody(source, File{Size: 1 << 30}, watch)
	err := NewStorage(Rules{AllowHTTP: true, AllowPrivate: true}, transport).Put(ctx, Ticket{Address: b.URL}, body)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := <-b.requests; got.Whole || got.Body >= 1<<20 {
		t.Errorf("the storage got %d bytes, whole %t", got.Body, got.Whole)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type tripFunc func(*http.Request) (*http.Response, error)

func (f tripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestWatch has each side stand still, right up to the limit and beyond.
func TestWatch(t *testing.T) {
	const limit = time.Minute
	ok := &http.Response{StatusCode: 200, Body: http.NoBody}
	for _, tt := range []struct {
		name           string
		source, before time.Duration // pauses of the source before each byte, and of the storage before it reads
		after          time.Duration // of the storage before it answers
		want           error
		took           time.Duration
	}{
		{"slow on all sides", limit - 1, limit - 1, limit - 1, nil, 5*(limit-1) + 4*(limit-1)},
		{"the source stalls", limit + 1, 0, 0, ErrSourceStalled, limit},
		{"the storage stalls", 0, limit + 1, 0, ErrStorageStalled, limit},
		{"the answer does not come", 0, 0, limit + 1, ErrStorageStalled, limit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				ctx, watch := NewWatch(t.Context(), limit)
				defer watch.Close()
				wait := func(d time.Duration) error {
					select {
					case <-time.After(d):
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				}
				left := 4
				source := readerFunc(func(p []byte) (int, error) {
					if err := wait(tt.source); err != nil {
						return 0, err
					}
					if left--; left < 0 {
						return 0, io.EOF
					}
					return 1, nil
				})
				transport := tripFunc(func(r *http.Request) (*http.Response, error) {
					for !errors.Is(r.Context().Err(), context.Canceled) {
						if err := wait(tt.before); err != nil {
							return nil, err
						}
						if _, err := r.Body.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
							return ok, wait(tt.after)
						} else if err != nil {
							return nil, err
						}
					}
					return nil, r.Context().Err()
				})
				body := NewBody(source, File{Size: 4}, watch)
				err := body.Prime()
				if err == nil {
					err = NewStorage(Rules{}, transport).Put(ctx, Ticket{Address: "https://storage.example.com"}, body)
				}
				if cause := context.Cause(ctx); !errors.Is(cause, tt.want) || (err == nil) != (tt.want == nil) {
					t.Errorf("got %v, the cause %v, want %v", err, cause, tt.want)
				}
				if took := time.Since(begin); tt.want != nil && took != tt.took {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// TestPutHTTP2 has the same over HTTP/2, where one connection carries all.
func TestPutHTTP2(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		come   int64
		want   string
		sent   bool
		body   int // bytes that the storage got; -1: some, but not all
		whole  bool
	}{
		{"stored", takes, 1 << 20, "", false, 1 << 20, true},
		{"too short", takes, 1<<20 - 1, "file_size: 1048576 bytes were announced, and 1048575 came", false, -1, false},
		{"refused at once", refuses(403, "<Error><Code>AccessDenied</Code></Error>"), 1 << 20, "put the file: the storage answered 403 AccessDenied", false, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			requests := make(chan arrival, 1)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := arrival{Method: r.Proto}
				counted := r.WithContext(r.Context())
				counted.Body = &counter{ReadCloser: r.Body, to: &a}
				defer func() { requests <- a }()
				tt.answer(w, counted)
			}))
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			transport := NewTransport(Rules{AllowPrivate: true})
			transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			defer transport.CloseIdleConnections()

			body := newBody(t, io.LimitReader(readerFunc(func(p []byte) (int, error) { return len(p), nil }), tt.come), File{Size: 1 << 20})
			err := NewStorage(Rules{AllowPrivate: true}, transport).Put(t.Context(), Ticket{Address: server.URL}, body)
			text := ""
			if err != nil {
				text = err.Error()
			}
			refusal := (*PutError)(nil)
			if text != tt.want || errors.As(err, &refusal) && refusal.Sent != tt.sent {
				t.Errorf("got %q, want %q", text, tt.want)
			}
			got := <-requests
			if got.Method != "HTTP/2.0" || got.Whole != tt.whole || tt.body >= 0 && got.Body != tt.body || tt.body < 0 && got.Body >= 1<<20 {
				t.Errorf("the storage got %d bytes over %s, whole %t", got.Body, got.Method, got.Whole)
			}
		})
	}
}
