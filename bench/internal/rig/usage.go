package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// errNoProc says that there is nothing to measure with.
var errNoProc = errors.New("CPU time is read from /proc, which only Linux has, with CONFIG_SCHED_INFO")

// A Usage is what a process has used since its start.
type Usage struct {
	// CPU is the time its threads ran. The kernel keeps it in nanoseconds
	// (/proc/<pid>/task/*/schedstat, proc_pid_schedstat(5)). Threads that have
	// ended are missing; Go ends none of its own accord.
	CPU time.Duration
	// User and System are the kernel's own division of that time, in clock ticks
	// of 10 ms (/proc/<pid>/stat): good for a share over many calls, too coarse
	// for a turn.
	User, System int64
}

// UsageOf reads what a process has used.
func UsageOf(pid int) (Usage, error) {
	var u Usage
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return u, errNoProc
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			return u, fmt.Errorf("read CPU time: %w", err)
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return u, fmt.Errorf("%s: %w", thread, err)
		}
		u.CPU += time.Duration(ns)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fmt.Errorf("read CPU time: %w", err)
	}
	u.User, u.System, err = ticks(string(stat))
	return u, err
}

// ticks reads utime and stime, fields 14 and 15 of /proc/<pid>/stat
// (proc_pid_stat(5)). Field 2 is the program's name and may hold anything, so
// counting starts behind its parenthesis.
func ticks(stat string) (user, system int64, err error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return 0, 0, fmt.Errorf("/proc/<pid>/stat is %q", stat)
	}
	user, err = strconv.ParseInt(fields[utime], 10, 64)
	if err == nil {
		system, err = strconv.ParseInt(fields[stime], 10, 64)
	}
	return user, system, err
}

// Memory reads resident memory, now and at its peak, in bytes.
func Memory(pid int) (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // VmRSS: 1234 kB
		if len(fields) != 3 {
			continue
		}
		var into *int64
		switch fields[0] {
		case "VmRSS:":
			into = &now
		case "VmHWM:":
			into = &peak
		default:
			continue
		}
		if *into, err = strconv.ParseInt(fields[1], 10, 64); err != nil {
			return 0, 0, fmt.Errorf("/proc/<pid>/status: %w", err)
		}
		*into <<= 10
	}
	return now, peak, nil
}
