package secret

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// pollInterval is how often [KeyFile.Watch] reads the file. A key file is a
// hundred bytes or so; reading it costs less than being told of changes, and
// unlike a comparison of times and sizes it misses none: neither a rewrite in
// the same instant nor the swap of symbolic links by which Kubernetes updates
// a mounted secret.
const pollInterval = 2 * time.Second

// KeyFile is a key that is kept in a file, such as a mounted Kubernetes
// secret. Its methods may be called from several goroutines.
type KeyFile struct {
	path    string
	logger  *slog.Logger
	current atomic.Pointer[Key]
	// failing says that the last read failed, so that a fault is logged once
	// and not every two seconds. Only Watch uses it.
	failing bool
}

// OpenKeyFile reads the key in the file at path. White space around the key is
// ignored. It fails when the file can't be read or holds no usable key; the
// error never quotes the content.
func OpenKeyFile(path string, logger *slog.Logger) (*KeyFile, error) {
	key, err := readKey(path)
	if err != nil {
		return nil, err
	}
	file := &KeyFile{path: path, logger: logger}
	file.current.Store(&key)
	return file, nil
}

// Current returns the key that was last read successfully. It never blocks.
func (f *KeyFile) Current() Key {
	return *f.current.Load()
}

// Watch reads the file every 2 s until ctx ends. A file that is missing,
// empty or unusable leaves the last good key in force and is logged once; the
// end of the fault and every change of the key are logged as well, the key in
// its redacted form.
func (f *KeyFile) Watch(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.poll(ctx)
		}
	}
}

func (f *KeyFile) poll(ctx context.Context) {
	key, err := readKey(f.path)
	if err != nil {
		if !f.failing {
			f.logger.WarnContext(ctx, "the key file can't be used; the last good key stays in force", "file", f.path, "error", err)
		}
		f.failing = true
		return
	}
	if f.failing {
		f.failing = false
		f.logger.InfoContext(ctx, "the key file can be used again", "file", f.path)
	}
	if key != f.Current() {
		f.current.Store(&key)
		f.logger.InfoContext(ctx, "the key file has a new key", "file", f.path, "key", key)
	}
}

// readKey reads at most a little more than a key may be long. It refuses what
// is not a regular file, because opening a pipe would wait for a writer.
func readKey(path string) (Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Key{}, fmt.Errorf("read key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Key{}, fmt.Errorf("read key file: %s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("read key file: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 2*maxKeyLength))
	if err != nil {
		return Key{}, fmt.Errorf("read key file: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return Key{}, fmt.Errorf("read key file %s: %w", path, err)
	}
	return key, nil
}
