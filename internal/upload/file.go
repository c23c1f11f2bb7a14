package upload

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// The largest files that Mavera takes, in bytes (/features/files: 10 MB, 2 GB for
// video). The page does not say which of the two megabytes it means; the larger one is
// taken, so that nothing is refused here that Mavera would take.
const (
	MaxSize      = 10 << 20
	MaxVideoSize = 2 << 30
)

// Limit is the largest size, in bytes, of a file of this MIME type.
func Limit(mimeType string) int64 {
	const video = "video/"
	if len(mimeType) >= len(video) && strings.EqualFold(mimeType[:len(video)], video) { // RFC 9110 section 8.3.1
		return MaxVideoSize
	}
	return MaxSize
}

// A Checksum is the SHA-256 of a file.
type Checksum [sha256.Size]byte

var errChecksum = errors.New("must be a SHA-256: 44 characters of base64, or 64 hexadecimal digits")

// ParseChecksum reads a checksum: in base64 with padding, the form of the header
// x-amz-checksum-sha256 that Mavera returns, or as hexadecimal digits, the form that
// sha256sum prints.
func ParseChecksum(text string) (Checksum, error) {
	raw, err := hex.DecodeString(text)
	if len(text) == base64.StdEncoding.EncodedLen(sha256.Size) { // which the decoder, that skips line ends, does not see to
		raw, err = base64.StdEncoding.Strict().DecodeString(text)
	}
	if err != nil || len(raw) != sha256.Size {
		return Checksum{}, errChecksum
	}
	return Checksum(raw), nil
}

// String is the checksum in base64.
func (c Checksum) String() string { return base64.StdEncoding.EncodeToString(c[:]) }

// A File is what was announced of a file.
type File struct {
	// Size is its length in bytes, at least 1.
	Size int64
	// Checksum is its SHA-256; nil when it is not known.
	Checksum *Checksum
}
