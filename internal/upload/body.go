package upload

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"
)

// Fields of what was announced, as a [MismatchError] names them.
const (
	SizeField     = "file_size"
	ChecksumField = "checksum"
)

// A MismatchError says that the bytes that came are not those that were announced.
type MismatchError struct {
	// Field is SizeField or ChecksumField.
	Field string
	// Text is for developers.
	Text string
}

func (e *MismatchError) Error() string { return e.Field + ": " + e.Text }

// firstPiece is how much of a file is read before anything is asked of Mavera, in bytes.
const firstPiece = 32 << 10

// A Body is the content of one file on its way. It holds the bytes that come against
// what was announced, and lets the last of them go only when the source has ended and
// all agree. It is read by one goroutine at a time; the methods other than Read and
// Prime may be called meanwhile.
type Body struct {
	file   File
	source io.Reader
	watch  *Watch
	hash   hash.Hash // nil without a checksum
	held   []byte    // read already, not yet handed out
	whole  bool      // all was read, and agrees

	read   atomic.Int64
	handed atomic.Bool
	failed atomic.Pointer[error]
}

// NewBody returns the body of a file. The source ends with io.EOF after its last byte,
// and must end with another error when the context of the watch does.
func NewBody(source io.Reader, file File, watch *Watch) *Body {
	b := &Body{file: file, source: source, watch: watch}
	if file.Checksum != nil {
		b.hash = sha256.New()
	}
	return b
}

// Prime waits for the first bytes, so that no address grows old while the source is
// silent. A file of one piece is verified by then.
func (b *Body) Prime() error {
	buffer := make([]byte, firstPiece)
	n, err := b.next(buffer)
	b.watch.Pause()
	b.held = buffer[:n]
	return err
}

// Read hands out verified or verifiable bytes: whatever comes before the end of the file,
// and its end once the whole agrees. It ends with io.EOF, a [*MismatchError] or the error
// of the source.
func (b *Body) Read(p []byte) (int, error) {
	if failed := b.Err(); failed != nil {
		return 0, failed
	}
	b.watch.Storage() // it has taken what it was given before
	n := copy(p, b.held)
	b.held = b.held[n:]
	var err error
	switch {
	case n > 0 || len(p) == 0:
	case b.whole:
		return 0, io.EOF
	default:
		n, err = b.next(p)
	}
	if b.whole && len(b.held) == 0 {
		b.handed.Store(true)
	}
	return n, err
}

// Count is how many bytes have come from the source.
func (b *Body) Count() int64 { return b.read.Load() }

// Handed reports whether all bytes were handed out, verified.
func (b *Body) Handed() bool { return b.handed.Load() }

// Err is why the body ended early, nil as long as it has not.
func (b *Body) Err() error {
	if failed := b.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// next reads from the source, and to its end once the announced size is reached.
func (b *Body) next(p []byte) (int, error) {
	n, err := b.pull(p)
	if err == nil && b.read.Load() == b.file.Size {
		var rest [1]byte
		for more := 0; err == nil && more == 0; {
			more, err = b.pull(rest[:])
		}
	}
	switch got := b.read.Load(); {
	case got > b.file.Size:
		return 0, b.fail(&MismatchError{SizeField, fmt.Sprintf("%d bytes were announced, and more came", b.file.Size)})
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return 0, b.fail(err)
	case got < b.file.Size:
		return 0, b.fail(&MismatchError{SizeField, fmt.Sprintf("%d bytes were announced, and %d came", b.file.Size, got)})
	case b.hash != nil && Checksum(b.hash.Sum(nil)) != *b.file.Checksum:
		return 0, b.fail(&MismatchError{ChecksumField, "the SHA-256 of the bytes that came is another"})
	}
	b.whole = true
	return n, nil
}

// pull is one read from the source, noted.
func (b *Body) pull(p []byte) (int, error) {
	b.watch.Source()
	n, err := b.source.Read(p)
	b.watch.Storage()
	b.read.Add(int64(n))
	if b.hash != nil {
		b.hash.Write(p[:n])
	}
	return n, err //nolint:wrapcheck // it is the source's error, and the caller's to know
}

func (b *Body) fail(err error) error {
	b.failed.Store(&err)
	return err
}
