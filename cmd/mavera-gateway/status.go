package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/mavera-gateway/mavera-gateway/internal/config"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/statusz"
	"github.com/mavera-gateway/mavera-gateway/resilience"
	"github.com/mavera-gateway/mavera-gateway/server"
)

// statusBoard makes the board that /statusz shows. ended is what tells it of calls;
// watch connects it with the server, once there is one, and keeps its charts until life
// ends.
func statusBoard(cfg *config.Config, key func() secret.Key) (board *statusz.Board, watch func(context.Context, *server.Server), err error) {
	var configuration strings.Builder
	if err := cfg.WriteYAML(&configuration); err != nil {
		return nil, nil, fmt.Errorf("print configuration: %w", err)
	}
	var gateway *server.Server
	board = statusz.New(statusz.Options{
		Version: version(), Upstream: cfg.BaseURL.String(), Configuration: configuration.String(),
		Key:   func() string { return key().String() },
		State: func() resilience.Snapshot { return gateway.Snapshot() },
		Ready: func() bool { return gateway.Ready() },
	})
	watch = func(life context.Context, s *server.Server) {
		gateway = s
		go board.Run(life)
	}
	return board, watch, nil
}
