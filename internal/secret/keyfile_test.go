package secret

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const otherKey = "mvra_live_zyxwvutsrqponmlkjihgfe"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenKeyFileRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	write(t, empty, "\n")
	tests := []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "none"), "read key file: stat " + filepath.Join(dir, "none") + ": no such file or directory"},
		{"directory", dir, "read key file: " + dir + " is not a regular file"},
		{"empty", empty, "read key file " + empty + ": the key is empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := OpenKeyFile(test.path, slog.New(slog.DiscardHandler)); err == nil || err.Error() != test.want {
				t.Errorf("error %v\nwant %s", err, test.want)
			}
		})
	}
}

// TestKeyFileWatch walks a file through a rotation and two faults. Each step
// changes the file, lets the watcher look at it twice and says which key is
// then in force and what was logged.
func TestKeyFileWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, liveKey+"\n")
		var log bytes.Buffer
		file, err := OpenKeyFile(path, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { file.Watch(ctx); close(done) }()

		steps := []struct {
			name    string
			change  func()
			want    string
			wantLog []string
		}{
			{"nothing happens", func() {}, liveKey, nil},
			{"a new key in place", func() { write(t, path, otherKey) }, otherKey, []string{`msg="the key file has a new key"`}},
			{"the file is emptied: the last good key stays, one warning", func() { write(t, path, "") }, otherKey, []string{`msg="the key file can't be used; the last good key stays in force"`}},
			{"it is gone as well: no second warning", func() { _ = os.Remove(path) }, otherKey, nil},
			{"the same key is back", func() { write(t, path, otherKey) }, otherKey, []string{`msg="the key file can be used again"`}},
			{"fault and new key between two looks", func() { write(t, path, ""); write(t, path, liveKey) }, liveKey, []string{`msg="the key file has a new key"`}},
		}
		for _, step := range steps {
			log.Reset()
			step.change()
			time.Sleep(2*pollInterval + time.Millisecond)
			synctest.Wait()
			if got := file.Current().Reveal(); got != step.want {
				t.Errorf("%s: key %s, want %s", step.name, got, step.want)
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if log.Len() == 0 {
				lines = nil
			}
			if len(lines) != len(step.wantLog) {
				t.Errorf("%s: logged %q, want %q", step.name, lines, step.wantLog)
				continue
			}
			for i, want := range step.wantLog {
				if !strings.Contains(lines[i], want) || strings.Contains(lines[i], "abcde") || strings.Contains(lines[i], "zyxwv") {
					t.Errorf("%s: logged %s, want %s and no key", step.name, lines[i], want)
				}
			}
		}
		stop()
		<-done
	})
}

// TestKeyFileFollowsKubernetesSwap replaces the directory behind ..data, which
// is how a mounted secret is updated: the file that is opened stays a link to
// ..data/key all the time.
func TestKeyFileFollowsKubernetesSwap(t *testing.T) {
	dir := t.TempDir()
	release := func(name, key string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "key"), key)
		if err := os.Symlink(name, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	release("..v1", liveKey)
	path := filepath.Join(dir, "key")
	if err := os.Symlink(filepath.Join("..data", "key"), path); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		file, err := OpenKeyFile(path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go file.Watch(ctx)
		release("..v2", otherKey)
		time.Sleep(pollInterval + time.Millisecond)
		synctest.Wait()
		if got := file.Current().Reveal(); got != otherKey {
			t.Errorf("key %s after the swap, want %s", got, otherKey)
		}
	})
}
