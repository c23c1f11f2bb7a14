package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Tree is a process and all that descend from it. Those that have no parent any more
// are not found.
func Tree(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i])) // the pattern is right
		for _, list := range lists {
			text, err := os.ReadFile(list)
			if err != nil {
				continue // the thread has ended, and so have its children
			}
			for field := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids
}

// UsageOfTree is what a process and its descendants have used.
func UsageOfTree(pid int) (Usage, error) {
	var sum Usage
	for _, p := range Tree(pid) {
		u, err := UsageOf(p)
		if err != nil {
			return Usage{}, err
		}
		sum.CPU += u.CPU
		sum.User += u.User
		sum.System += u.System
	}
	return sum, nil
}

// PeakOfTree is the sum of the peaks of resident memory of a process and its
// descendants, in bytes: what they share counts for each.
func PeakOfTree(pid int) (int64, error) {
	var sum int64
	for _, p := range Tree(pid) {
		_, peak, err := Memory(p)
		if err != nil {
			return 0, err
		}
		sum += peak
	}
	return sum, nil
}

// ForgetPeak makes what is resident now the peak, for a process and its descendants
// (proc_pid_clear_refs(5)).
func ForgetPeak(pid int) error {
	for _, p := range Tree(pid) {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p), []byte("5"), 0); err != nil {
			return fmt.Errorf("forget peak of memory: %w", err)
		}
	}
	return nil
}
