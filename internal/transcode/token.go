package transcode

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math/bits"
)

// tokenVersion is the first byte of every page token.
const tokenVersion = 1

var (
	// errToken is what a page_token is refused with.
	errToken = errors.New("is not a token that this RPC gave for these filters")
	// errCursorRepeats says that following the list would not end.
	errCursorRepeats = errors.New("the list repeats a cursor")
)

// A position is a place in an upstream list. It is all that a page token holds,
// so the gateway remembers nothing between pages.
//
// steps and mark find lists that run in a circle (Brent's algorithm): mark is
// the cursor met at the last step that is a power of two. A circle of n pages is
// found within 3n steps.
type position struct {
	byOffset bool
	offset   int64
	cursor   string
	steps    uint64
	mark     uint64 // hash of a cursor
}

// after returns the position of the next cursor; false when that was met before.
func (p position) after(cursor string) (position, bool) {
	hash := hashOf(cursor)
	if p.steps > 0 && (cursor == p.cursor || hash == p.mark) {
		return position{}, false
	}
	next := position{cursor: cursor, steps: p.steps + 1, mark: p.mark}
	if bits.OnesCount64(next.steps) == 1 {
		next.mark = hash
	}
	return next, true
}

// token spells the position as an opaque string that holds for one RPC and one
// set of filters: those that bind stands for.
func (p position) token(bind uint64) string {
	b := make([]byte, 0, 40+len(p.cursor))
	b = append(b, tokenVersion)
	if p.byOffset {
		b = append(b, 1)
		b = binary.AppendUvarint(b, uint64(p.offset))
	} else {
		b = append(b, 0)
		b = binary.AppendUvarint(b, p.steps)
		b = binary.BigEndian.AppendUint64(b, p.mark)
		b = append(b, p.cursor...)
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, hashOf(string(b))^bind))
}

func parseToken(token string, bind uint64) (position, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 10 || b[0] != tokenVersion {
		return position{}, errToken
	}
	b, sum := b[:len(b)-8], binary.BigEndian.Uint64(b[len(b)-8:])
	if hashOf(string(b))^bind != sum {
		return position{}, errToken
	}
	n, size := binary.Uvarint(b[2:])
	rest := b[2+max(size, 0):]
	switch {
	case size <= 0:
		return position{}, errToken
	case b[1] == 1 && len(rest) == 0 && n < 1<<62:
		return position{byOffset: true, offset: int64(n)}, nil
	case b[1] == 0 && len(rest) > 8:
		return position{steps: n, mark: binary.BigEndian.Uint64(rest), cursor: string(rest[8:])}, nil
	}
	return position{}, errToken
}

func hashOf(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
