package transcode

import (
	"math"
	"strconv"
)

// anyStruct writes the content of a Struct, whose keys come sorted.
func (e *encoder) anyStruct(w wire) {
	separator := byte('{')
	if len(w) == 0 {
		e.out = append(e.out, separator)
	}
	for len(w) > 0 {
		var entry wire
		entry, w = w[1:].bytes()
		key, value := entry.entry()
		e.out = append(appendString(append(e.out, separator), key), ':')
		e.enter(string(key), keyStep)
		e.anyValue(value.message())
		e.leave()
		separator = ','
	}
	e.out = append(e.out, '}')
}

// anyValue writes the content of a Value. One without a kind is null, as it is
// everywhere else.
func (e *encoder) anyValue(w wire) {
	if len(w) == 0 {
		e.out = append(e.out, "null"...)
		return
	}
	tag, w := w.varint()
	switch byte(tag) { // all are below 128
	case numberTag:
		bits, _ := w.fixed64()
		e.double(math.Float64frombits(bits))
	case stringTag:
		content, _ := w.bytes()
		e.out = appendString(e.out, content)
	case boolTag:
		n, _ := w.varint()
		e.out = strconv.AppendBool(e.out, n != 0)
	case structTag:
		content, _ := w.bytes()
		e.anyStruct(content)
	case listTag:
		content, _ := w.bytes()
		e.anyList(content)
	default:
		e.out = append(e.out, "null"...)
	}
}

func (e *encoder) anyList(w wire) {
	e.enter("", 0)
	e.out = append(e.out, '[')
	for i := 0; len(w) > 0; i++ {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.path[len(e.path)-1].index = i
		var item wire
		item, w = w[1:].bytes()
		e.anyValue(item)
	}
	e.out = append(e.out, ']')
	e.leave()
}
