package server

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// handshakes are TLS credentials that log what grpc-go drops in silence: why a caller
// could not connect. Each fault of a peer is logged once.
type handshakes struct {
	credentials.TransportCredentials

	logger *slog.Logger
	logged *onceLog
}

func newHandshakes(config *tls.Config, logger *slog.Logger) handshakes {
	return handshakes{TransportCredentials: credentials.NewTLS(config), logger: logger, logged: &onceLog{}}
}

// ServerHandshake makes a handshake. A peer that leaves before its end says nothing of
// itself; probes that only connect do so every few seconds.
func (h handshakes) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := h.TransportCredentials.ServerHandshake(raw)
	if err == nil || errors.Is(err, io.EOF) {
		return conn, info, err
	}
	if from := host(&peer.Peer{Addr: raw.RemoteAddr()}); h.logged.first(from + " " + err.Error()) {
		h.logger.Warn("a TLS handshake failed", slog.String("peer", from), slog.Any("error", err))
	}
	return conn, info, err
}

// Clone returns a copy, which grpc-go asks for.
func (h handshakes) Clone() credentials.TransportCredentials {
	h.TransportCredentials = h.TransportCredentials.Clone()
	return h
}
