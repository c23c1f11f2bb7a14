package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/mavera-gateway/mavera-gateway/internal/config"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/statusz"
	"github.com/mavera-gateway/mavera-gateway/resilience"
	"github.com/mavera-gateway/mavera-gateway/server"
)

// statusBoard makes the board that /statusz shows. gateway is first called when the
// board is looked at: it is there before the server, which tells it of calls.
func statusBoard(cfg *config.Config, key func() secret.Key, level slog.Leveler, gateway func() *server.Server) (*statusz.Board, error) {
	var configuration strings.Builder
	if err := cfg.WriteYAML(&configuration); err != nil {
		return nil, fmt.Errorf("print configuration: %w", err)
	}
	return statusz.New(statusz.Options{
		Version: version(), Upstream: cfg.BaseURL.String(), Configuration: configuration.String(), Level: level,
		Key:   func() string { return key().String() },
		State: func() resilience.Snapshot { return gateway().Snapshot() },
		Ready: func() bool { return gateway().Ready() },
	}), nil
}
