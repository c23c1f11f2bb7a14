package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/telemetry"
	"github.com/mavera-gateway/mavera-gateway/server"
)

// A gateway in front of an upstream that knows one persona.
func ExampleNew() {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path, r.Header.Get("Authorization"))
		if r.URL.Path != "/api/v1/personas/p-1" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"id": "p-1", "name": "Gen Z Consumer"}`)
	}))
	defer upstream.Close()
	base, err := url.Parse(upstream.URL + "/api/v1")
	if err != nil {
		panic(err)
	}
	key, err := secret.ParseKey("a-key")
	if err != nil {
		panic(err)
	}
	instruments, err := telemetry.NewInstruments(noop.NewMeterProvider())
	if err != nil {
		panic(err)
	}
	transport := mavera.NewTransport(1, time.Minute)
	defer transport.CloseIdleConnections()
	gateway, err := server.New(server.Options{
		Client:   mavera.NewClient(mavera.Options{BaseURL: base, Transport: transport}),
		Key:      func() secret.Key { return key },
		Logger:   slog.New(slog.DiscardHandler),
		Observer: instruments,
	})
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() { done <- gateway.Serve(listener) }()

	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	personas := maverav1.NewPersonasServiceClient(conn)
	persona, err := personas.GetPersona(context.Background(), &maverav1.GetPersonaRequest{Id: "p-1"})
	fmt.Println(persona.GetName(), err)
	_, err = personas.GetPersona(context.Background(), &maverav1.GetPersonaRequest{Id: "p-2"})
	fmt.Println(status.Code(err))
	_, err = personas.GetPersona(context.Background(), &maverav1.GetPersonaRequest{Id: "../usage"})
	fmt.Println(status.Code(err))

	_ = conn.Close()
	gateway.Stop(time.Second)
	fmt.Println(<-done)
	// Output:
	// GET /api/v1/personas/p-1 Bearer a-key
	// Gen Z Consumer <nil>
	// GET /api/v1/personas/p-2 Bearer a-key
	// NotFound
	// InvalidArgument
	// <nil>
}
