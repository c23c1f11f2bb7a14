package transcode

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math"
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
	cursor string
	offset int64  // rows passed, after the cursor if there is one
	steps  uint64 // cursors followed
	mark   uint64 // hash of a cursor
}

// after returns the position of the next cursor, none when that was met before.
func (p position) after(cursor string) position {
	hash := hashOf(cursor)
	if p.steps > 0 && (cursor == p.cursor || hash == p.mark) {
		return position{}
	}
	next := position{cursor: cursor, steps: p.steps + 1, mark: p.mark}
	if bits.OnesCount64(next.steps) == 1 {
		next.mark = hash
	}
	return next
}

// token spells the position as an opaque string that holds for one RPC and one
// set of filters: those that bind stands for.
func (p position) token(bind uint64) string {
	b := make([]byte, 0, 40+len(p.cursor))
	b = append(b, tokenVersion)
	b = binary.AppendUvarint(b, uint64(p.offset))
	b = binary.AppendUvarint(b, p.steps)
	b = binary.BigEndian.AppendUint64(b, p.mark)
	b = append(b, p.cursor...)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, hashOf(string(b))^bind))
}

func parseToken(token string, bind uint64) (position, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 9 || b[0] != tokenVersion {
		return position{}, errToken
	}
	b, sum := b[:len(b)-8], binary.BigEndian.Uint64(b[len(b)-8:])
	if hashOf(string(b))^bind != sum {
		return position{}, errToken
	}
	offset, n := binary.Uvarint(b[1:])
	if n <= 0 || offset > math.MaxInt64/2 {
		return position{}, errToken
	}
	b = b[1+n:]
	steps, n := binary.Uvarint(b)
	if n <= 0 || len(b) < n+8 {
		return position{}, errToken
	}
	p := position{offset: int64(offset), steps: steps, mark: binary.BigEndian.Uint64(b[n:]), cursor: string(b[n+8:])}
	if (p.cursor == "") != (p.steps == 0) || p == (position{}) {
		return position{}, errToken
	}
	return p, nil
}

func hashOf(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
