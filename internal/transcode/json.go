package transcode

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
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
	for i < len(s) {
		if i+8 <= len(s) {
			n := specialByte(binary.LittleEndian.Uint64(s[i:]))
			if i += n; n == 8 {
				continue
			}
		}
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			return i
		}
		i++
		for i < len(s) && s[i] >= utf8.RuneSelf {
			i++
		}
	}
	return i
}

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
