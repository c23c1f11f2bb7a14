package transcode

import (
	"bytes"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Tags of google.protobuf.Value, ListValue and Struct (struct.proto).
const (
	nullTag   = 1<<3 | byte(protowire.VarintType)
	numberTag = 2<<3 | byte(protowire.Fixed64Type)
	stringTag = 3<<3 | byte(protowire.BytesType)
	boolTag   = 4<<3 | byte(protowire.VarintType)
	structTag = 5<<3 | byte(protowire.BytesType)
	listTag   = 6<<3 | byte(protowire.BytesType)
	entryTag  = 1<<3 | byte(protowire.BytesType) // Struct.fields and ListValue.values
	valueTag  = 2<<3 | byte(protowire.BytesType) // value of a map entry
)

// anyStruct reads the object that comes next as the content of a Struct.
func (d *decoder) anyStruct() {
	for ok := d.open('}'); ok; ok = d.more('}') {
		d.entry(d.key())
	}
}

// entry writes a map entry of a Struct; its value comes next.
func (d *decoder) entry(key text) {
	start := d.begin(entryTag)
	d.text(keyTag, key)
	value := d.begin(valueTag)
	d.anyValue()
	d.closeMessage(value)
	d.closeMessage(start)
}

// begin is openMessage for a tag of one byte.
func (d *decoder) begin(tag byte) int {
	d.out = append(d.out, tag, 0)
	return len(d.out)
}

// anyValue reads whatever comes next as the content of a Value.
func (d *decoder) anyValue() {
	switch c := d.peek(); c {
	case '{':
		start := d.begin(structTag)
		d.anyStruct()
		d.closeMessage(start)
	case '[':
		start := d.begin(listTag)
		for ok := d.open(']'); ok; ok = d.more(']') {
			value := d.begin(entryTag)
			d.anyValue()
			d.closeMessage(value)
		}
		d.closeMessage(start)
	case '"':
		d.text(stringTag, d.str())
	case 't':
		d.literal("true")
		d.out = append(d.out, boolTag, 1)
	case 'f':
		d.literal("false")
		d.out = append(d.out, boolTag, 0)
	case 'n':
		d.literal("null")
		d.out = append(d.out, nullTag, 0)
	case 0:
		d.fail("a value")
	default:
		d.anyNumber()
	}
}

// anyNumber writes a number as the double nearest to it. Rounding is reported;
// a number beyond all doubles is kept as text.
func (d *decoder) anyNumber() {
	digits, integer := d.number()
	x, err := strconv.ParseFloat(string(digits), 64)
	if err != nil {
		if d.err == nil {
			d.lose(InexactNumber, "")
			d.text(stringTag, text{raw: digits})
		}
		return
	}
	// 15 significant digits always survive, 17 never more.
	if len(digits) > 15 && !exact(digits, integer, x) {
		d.lose(InexactNumber, "")
	}
	d.out = append(d.out, numberTag)
	d.out = protowire.AppendFixed64(d.out, math.Float64bits(x))
}

// exact reports whether the shortest text of x is the same decimal number.
func exact(digits []byte, integer bool, x float64) bool {
	if integer && math.Abs(x) < 1<<53 {
		return true
	}
	m1, e1 := decimal(digits)
	m2, e2 := decimal(strconv.AppendFloat(nil, x, 'e', -1, 64))
	return bytes.Equal(m1, m2) && e1 == e2
}

// decimal splits a number into its significant digits and the exponent of the
// last one.
func decimal(number []byte) (mantissa []byte, exponent int) {
	for i, c := range number {
		if c == 'e' || c == 'E' {
			exponent, _ = strconv.Atoi(string(number[i+1:]))
			number = number[:i]
			break
		}
	}
	point := false
	for _, c := range number {
		switch {
		case c == '.':
			point = true
		case '0' <= c && c <= '9':
			mantissa = append(mantissa, c)
			if point {
				exponent--
			}
		}
	}
	mantissa = bytes.TrimLeft(mantissa, "0")
	n := len(mantissa)
	mantissa = bytes.TrimRight(mantissa, "0")
	return mantissa, exponent + n - len(mantissa)
}
