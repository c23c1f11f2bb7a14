//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait; what is waited for takes milliseconds.
const patience = 15 * time.Second

// A process is a program under test and what it wrote to stderr, line by line.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stdout strings.Builder
	done   chan struct{} // closed when the process has ended and its output is read
	code   int           // of the exit, once done

	mu      sync.Mutex
	lines   []string      // Guarded by mu.
	written chan struct{} // Closed, and replaced, with every line. Guarded by mu.
}

// start runs a program, one of ours or one with its path, with nothing but the given
// environment.
func start(t *testing.T, name string, environ []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, done: make(chan struct{}), written: make(chan struct{})}
	if !filepath.IsAbs(name) {
		name = filepath.Join(programs, name)
	}
	p.cmd = exec.Command(name, args...)
	// A data race that is found shows in the exit code; without being told, a program
	// with the race detector sleeps for a second at its end.
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GORACE=exitcode=66 atexit_sleep_ms=0"}, environ...)
	p.cmd.Stdout = &p.stdout
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(stderr)
	t.Cleanup(func() {
		p.stop()
		if p.code != 0 {
			t.Errorf("%s ended with exit code %d", name, p.code)
		}
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, p.log())
		}
	})
	return p
}

// follow collects the lines until the process ends.
func (p *process) follow(stderr io.Reader) {
	defer close(p.done)
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.written)
		p.written = make(chan struct{})
		p.mu.Unlock()
	}
	_ = p.cmd.Wait() // the exit code says it
	p.code = p.cmd.ProcessState.ExitCode()
}

// signalStop asks the process to end.
func (p *process) signalStop() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

// stop asks the process to end and waits until it has.
func (p *process) stop() {
	p.signalStop()
	p.wait()
}

// wait waits until the process has ended, and kills one that will not.
func (p *process) wait() {
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("%s does not end", p.name)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// log is everything written to stderr so far.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// A logLine is a JSON log line.
type logLine map[string]any

// text is a member of the line as text, "" when it is absent or no text.
func (l logLine) text(name string) string {
	s, _ := l[name].(string)
	return s
}

// records are the JSON lines written so far, and a channel that is closed with
// the next line.
func (p *process) records() ([]logLine, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []logLine
	for _, text := range p.lines {
		var line logLine
		if json.Unmarshal([]byte(text), &line) == nil {
			out = append(out, line)
		}
	}
	return out, p.written
}

// await returns the first JSON line that fits, waiting for it.
func (p *process) await(what string, fits func(logLine) bool) logLine {
	p.t.Helper()
	limit := time.After(patience)
	for ended := false; ; {
		lines, written := p.records()
		for _, line := range lines {
			if fits(line) {
				return line
			}
		}
		if ended {
			p.t.Fatalf("%s ended with code %d and without a log line: %s\n%s", p.name, p.code, what, p.log())
		}
		select {
		case <-written:
		case <-p.done:
			ended = true // look once more
		case <-limit:
			p.t.Fatalf("%s wrote no log line: %s", p.name, what)
		}
	}
}

// awaitMessage is await for a message.
func (p *process) awaitMessage(message string) logLine {
	p.t.Helper()
	return p.await(message, func(l logLine) bool { return l.text("msg") == message })
}
