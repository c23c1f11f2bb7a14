package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// Fetch writes what a page holds, such as a profile, into a file.
func Fetch(ctx context.Context, page, name string) error {
	body, err := Page(ctx, page)
	if err != nil {
		return err
	}
	defer body.Close()
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := io.Copy(file, body); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), file.Close())
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Page opens a page, which the caller closes.
func Page(ctx context.Context, page string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", page, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", page, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("fetch %s: %s", page, response.Status), response.Body.Close())
	}
	return response.Body, nil
}
