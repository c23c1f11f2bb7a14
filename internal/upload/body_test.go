package upload

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newBody is a body whose watch has all the time it needs.
func newBody(t *testing.T, source io.Reader, file File) *Body {
	t.Helper()
	_, watch := NewWatch(t.Context(), time.Hour)
	t.Cleanup(watch.Close)
	return NewBody(source, file, watch)
}

func sumOf(content []byte) *Checksum {
	sum := Checksum(sha256.Sum256(content))
	return &sum
}

var errSource = errors.New("the source failed")

// TestBody reads files that are and that are not what was announced, in pieces of every
// kind. What is handed out of the latter is never the whole.
func TestBody(t *testing.T) {
	small, large := []byte("hello, storage"), bytes.Repeat([]byte("0123456789abcdef"), 5<<10)
	const tooMany = "file_size: %d bytes were announced, and more came"
	for _, tt := range []struct {
		name     string
		come     []byte
		announce File
		end      error
		want     string
	}{
		{"one byte", []byte("x"), File{Size: 1}, nil, ""},
		{"small", small, File{Size: 14}, nil, ""},
		{"small, with a checksum", small, File{14, sumOf(small)}, nil, ""},
		{"large", large, File{Size: 80 << 10}, nil, ""},
		{"large, with a checksum", large, File{80 << 10, sumOf(large)}, nil, ""},
		{"as large as what is read first", large[:firstPiece], File{firstPiece, sumOf(large[:firstPiece])}, nil, ""},
		{"nothing", nil, File{Size: 14}, nil, "file_size: 14 bytes were announced, and 0 came"},
		{"a byte short", large[1:], File{Size: 80 << 10}, nil, "file_size: 81920 bytes were announced, and 81919 came"},
		{"a byte long", large, File{Size: 80<<10 - 1}, nil, fmt.Sprintf(tooMany, 80<<10-1)},
		{"a byte long, small", small, File{Size: 13}, nil, fmt.Sprintf(tooMany, 13)},
		{"twice as long", large, File{Size: 40 << 10}, nil, fmt.Sprintf(tooMany, 40<<10)},
		{"another checksum", large, File{80 << 10, sumOf(small)}, nil, "checksum: the SHA-256 of the bytes that came is another"},
		{"short, which tells more than its checksum", small[1:], File{14, sumOf(small)}, nil, "file_size: 14 bytes were announced, and 13 came"},
		{"breaks off", large, File{Size: 100 << 10}, errSource, "the source failed"},
		{"breaks off where the end should be", large, File{Size: 80 << 10}, errSource, "the source failed"},
	} {
		for _, kind := range []struct {
			name string
			of   func(io.Reader) io.Reader
		}{
			{"whole", func(r io.Reader) io.Reader { return r }},
			{"byte by byte", iotest.OneByteReader},
			{"halves", iotest.HalfReader},
			{"end with the last byte", iotest.DataErrReader},
		} {
			t.Run(tt.name+"/"+kind.name, func(t *testing.T) {
				source := io.Reader(bytes.NewReader(tt.come))
				if tt.end != nil {
					source = io.MultiReader(source, iotest.ErrReader(tt.end))
				}
				b := newBody(t, kind.of(source), tt.announce)
				err := b.Prime()
				var got []byte
				if err == nil {
					got, err = io.ReadAll(b)
				}
				text := ""
				if err != nil {
					text = err.Error()
				}
				if text != tt.want {
					t.Errorf("error %q, want %q", text, tt.want)
				}
				if !errors.Is(b.Err(), err) {
					t.Errorf("Err is %v", b.Err())
				}
				if tt.want == "" {
					if !bytes.Equal(got, tt.come) || !b.Handed() || b.Count() != tt.announce.Size {
						t.Errorf("%d bytes, handed %t, count %d", len(got), b.Handed(), b.Count())
					}
				} else if int64(len(got)) >= tt.announce.Size || b.Handed() {
					t.Errorf("%d bytes were handed out of %d: the storage has them all", len(got), tt.announce.Size)
				}
			})
		}
	}
}

func TestParseChecksum(t *testing.T) {
	const b64, digits = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=", "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
	for _, text := range []string{b64, digits, strings.ToUpper(digits)} {
		got, err := ParseChecksum(text)
		if err != nil || got.String() != b64 {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", digits[2:], digits + "00", b64[:43], b64[4:], "sha256:" + digits, b64 + "\n", strings.ReplaceAll(b64, "+", "-")} {
		if got, err := ParseChecksum(text); !errors.Is(err, errChecksum) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

func TestLimit(t *testing.T) {
	got := []int64{Limit("video/mp4"), Limit("VIDEO/quicktime"), Limit("image/png"), Limit("video"), Limit("x-video/mp4"), Limit("")}
	want := []int64{2 << 30, 2 << 30, 10 << 20, 10 << 20, 10 << 20, 10 << 20}
	if !slices.Equal(got, want) {
		t.Errorf("got %d, want %d", got, want)
	}
}
