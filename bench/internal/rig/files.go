package rig

import (
	"fmt"
	"os"
)

// Files is how many files a process has open, its connections among them.
func Files(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, fmt.Errorf("count files: %w", err)
	}
	return len(entries), nil
}
