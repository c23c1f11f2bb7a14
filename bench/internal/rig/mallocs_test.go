package rig

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestMallocs(t *testing.T) {
	const profile = "heap profile: 1: 32 [2: 64] @ heap/1048576\n\n# runtime.MemStats\n# Alloc = 7\n# Mallocs = 1234\n# Frees = 9\n"
	if n, err := mallocs(strings.NewReader(profile)); err != nil || n != 1234 {
		t.Errorf("mallocs = %d, %v, want 1234", n, err)
	}
	if _, err := mallocs(strings.NewReader("# Alloc = 7\n")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without a count: %v, want %v", err, io.ErrUnexpectedEOF)
	}
}
