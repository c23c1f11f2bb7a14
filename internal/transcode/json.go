package transcode

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// appendString appends s, which is valid UTF-8, as a JSON string (RFC 8259
// section 7). Only what must be escaped is.
func appendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for {
		n := plainLen(s)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		switch c := s[n]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		s = s[n+1:]
	}
}

// plainLen returns how many bytes s begins with that need no escape.
func plainLen(s []byte) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if mask := escapes(binary.LittleEndian.Uint64(s[i:])); mask != 0 {
			return i + bits.TrailingZeros64(mask)/8
		}
	}
	if len(s) >= 8 { // the last eight bytes, some of them a second time
		i = len(s) - 8
		return i + bits.TrailingZeros64(escapes(binary.LittleEndian.Uint64(s[i:])))/8
	}
	for i < len(s) && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// escapes marks the bytes of w, lowest first, that a JSON string must escape:
// quotes, backslashes and control characters. The lowest mark is exact; above it
// there may be false ones (Hacker's Delight, section 6-1).
func escapes(w uint64) uint64 {
	const ones = 0x0101010101010101
	quote := w ^ (ones * '"')
	slash := w ^ (ones * '\\')
	return ((w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highBits
}

// highBits are those that ASCII does not have.
const highBits = 0x8080808080808080

// appendDouble appends a finite number in the shortest form that reads back the
// same, integers without a fraction (ECMA-262 Number::toString).
func appendDouble(dst []byte, x float64) []byte {
	if math.Abs(x) < 1<<53 && x == math.Trunc(x) {
		return strconv.AppendInt(dst, int64(x), 10)
	}
	if abs := math.Abs(x); abs < 1e-6 || abs >= 1e21 {
		return strconv.AppendFloat(dst, x, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, x, 'f', -1, 64)
}
