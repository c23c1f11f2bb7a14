package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes.
type ByteSize int64

const (
	kib ByteSize = 1 << 10
	mib ByteSize = 1 << 20
	gib ByteSize = 1 << 30
)

type sizeUnit struct {
	suffix string
	bytes  ByteSize
}

// sizeUnits returns the units, the largest first.
func sizeUnits() []sizeUnit {
	return []sizeUnit{{"GiB", gib}, {"MiB", mib}, {"KiB", kib}, {"B", 1}, {"", 1}}
}

// String returns the size in the largest unit that divides it: 32MiB.
func (s ByteSize) String() string {
	for _, unit := range sizeUnits() {
		if s != 0 && s%unit.bytes == 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.suffix
		}
	}
	return "0B"
}

// parseSize accepts whole numbers of B, KiB, MiB and GiB, and of bytes without
// a unit, from 1KiB to 1GiB: below, no message fits, and above, gRPC can't
// carry one.
func parseSize(text string) (ByteSize, error) {
	digits := strings.TrimRight(text, "BKMGi")
	for _, unit := range sizeUnits() {
		if text[len(digits):] != unit.suffix {
			continue
		}
		number, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || number < 0 {
			break
		}
		// Compared before multiplying, which could overflow.
		if ByteSize(number) > gib/unit.bytes || ByteSize(number)*unit.bytes < kib {
			return 0, fmt.Errorf("want a size from %s to %s", kib, gib)
		}
		return ByteSize(number) * unit.bytes, nil
	}
	return 0, errors.New("want a size such as 512KiB, 32MiB or 1048576")
}
