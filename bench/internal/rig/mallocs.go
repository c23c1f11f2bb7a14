package rig

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Mallocs is how many objects a Go program that serves its profiles at an admin
// address has allocated since its start. Reading it costs some thousand.
func Mallocs(ctx context.Context, admin string) (int64, error) {
	page, err := Page(ctx, "http://"+admin+"/debug/pprof/allocs?debug=1")
	if err != nil {
		return 0, err
	}
	defer page.Close()
	n, err := mallocs(page)
	if err != nil {
		return 0, fmt.Errorf("read allocations of %s: %w", admin, err)
	}
	return n, nil
}

// mallocs finds the count at the end of a profile's text form, among the
// runtime.MemStats.
func mallocs(profile io.Reader) (int64, error) {
	lines := bufio.NewScanner(profile)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if text, found := strings.CutPrefix(lines.Text(), "# Mallocs = "); found {
			return strconv.ParseInt(text, 10, 64)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, io.ErrUnexpectedEOF
}
