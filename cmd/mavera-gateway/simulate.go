package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// simulate starts the embedded simulator on a free loopback port, until life ends.
// Its limit is that of the largest tier and its jobs run ten times as fast, so
// that trying things out meets neither.
func simulate(life context.Context, logger *slog.Logger) (*url.URL, secret.Key, error) {
	sim, err := simulator.New(simulator.Options{Settings: simulator.Settings{Limit: 600, Speed: 10}})
	if err != nil {
		return nil, secret.Key{}, fmt.Errorf("make simulator: %w", err)
	}
	var network net.ListenConfig
	listener, err := network.Listen(life, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, secret.Key{}, fmt.Errorf("start simulator: %w", err)
	}
	pages := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := pages.Serve(listener); err != nil && life.Err() == nil {
			logger.Error("the simulator stopped", slog.Any("error", err))
		}
	}()
	context.AfterFunc(life, func() { _ = pages.Close() })
	key, err := secret.ParseKey(simulator.DemoKey)
	if err != nil {
		return nil, secret.Key{}, fmt.Errorf("demo key: %w", err)
	}
	return &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/api/v1"}, key, nil
}

// greet prints lines to paste into another terminal.
func greet(out io.Writer, grpcAddr string) error {
	host, port, err := net.SplitHostPort(grpcAddr)
	if err != nil {
		return fmt.Errorf("gRPC address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	_, err = fmt.Fprintf(out, greeting, net.JoinHostPort(host, port))
	return err //nolint:wrapcheck // writing to stderr needs no more words
}

const greeting = `
mavera-gateway runs against its embedded simulator: no key, no network, no cost.
Paste into another terminal (grpcurl: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4):

  grpcurl -plaintext %[1]s list
  grpcurl -plaintext -d '{"page_size": 2}' %[1]s mavera.v1.PersonasService/ListPersonas
  grpcurl -plaintext -d '{"model": "mavera-1", "persona_id": "clx1abc2d0001abcdef123456", "input": {"text": "Which label do you trust?"}}' %[1]s mavera.v1.ResponsesService/CreateResponse
  grpcurl -plaintext -d '{"model": "mavera-1", "persona_id": "clx1abc2d0001abcdef123456", "input": {"text": "Which label do you trust?"}}' %[1]s mavera.v1.ResponsesService/StreamResponse
  grpcurl -plaintext -d '{"id": "no-such-persona"}' %[1]s mavera.v1.PersonasService/GetPersona

`
