//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	channelzv1 "google.golang.org/grpc/channelz/grpc_channelz_v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// reflected are the names of the services that reflection lists.
func reflected(ctx context.Context, g *gateway) ([]string, error) {
	stream, err := grpc_reflection_v1.NewServerReflectionClient(g.conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	answer, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, service := range answer.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	return names, stream.CloseSend()
}

// TestServices asks the services beside Mavera's, turned on and turned off.
func TestServices(t *testing.T) {
	_, g := pair(t)
	names, err := reflected(within(t), g)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"grpc.channelz.v1.Channelz", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
	for _, service := range transcode.Services() {
		want = append(want, string(service.FullName()))
		answer, err := g.health.Check(within(t), &grpc_health_v1.HealthCheckRequest{Service: string(service.FullName())})
		if err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("health of %s: %v, %v", service.FullName(), answer, err)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if answer, err := g.health.Check(within(t), &grpc_health_v1.HealthCheckRequest{}); err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", answer, err)
	}
	if _, err := g.health.Check(within(t), &grpc_health_v1.HealthCheckRequest{Service: "none"}); statusOf(err) != codes.NotFound {
		t.Errorf("health of none: %v", err)
	}
	servers, err := channelzv1.NewChannelzClient(g.conn).GetServers(within(t), &channelzv1.GetServersRequest{})
	if err != nil || len(servers.GetServer()) != 1 || servers.GetServer()[0].GetData().GetCallsStarted() < 17 {
		t.Errorf("channelz: %v, %v", servers, err)
	}

	g = launch(t, nil, "--simulator", "--reflection=false", "--health=false", "--channelz=false")
	if _, err := reflected(within(t), g); statusOf(err) != codes.Unimplemented {
		t.Errorf("reflection turned off: %v", err)
	}
	if _, err := g.health.Check(within(t), &grpc_health_v1.HealthCheckRequest{}); statusOf(err) != codes.Unimplemented {
		t.Errorf("health turned off: %v", err)
	}
	if _, err := channelzv1.NewChannelzClient(g.conn).GetServers(within(t), &channelzv1.GetServersRequest{}); statusOf(err) != codes.Unimplemented {
		t.Errorf("channelz turned off: %v", err)
	}
	if o := g.getPersona(within(t), personaID); o.err != nil {
		t.Errorf("a call of the embedded simulator: %v", o.err)
	}
}

// TestAdminPages reads the admin port, on loopback and elsewhere.
func TestAdminPages(t *testing.T) {
	m, g := pair(t)
	for path, want := range map[string]int{
		"/livez": 200, "/readyz": 200, "/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/cmdline": 200, "/": 404, "/debug/": 404,
	} {
		if status, _ := g.page(path); status != want {
			t.Errorf("%s on loopback: %d, want %d", path, status, want)
		}
	}
	for _, row := range []struct {
		args  []string
		pprof int
	}{
		{[]string{"--admin-addr=0.0.0.0:0"}, 404},
		{[]string{"--admin-addr=0.0.0.0:0", "--admin-debug"}, 200},
	} {
		g := startGateway(t, m.base, row.args...)
		_, port, err := net.SplitHostPort(g.admin)
		if err != nil {
			t.Fatal(err)
		}
		g.admin = net.JoinHostPort("127.0.0.1", port)
		if status, _ := g.page("/debug/pprof/"); status != row.pprof {
			t.Errorf("%v: /debug/pprof/ is %d, want %d", row.args, status, row.pprof)
		}
		if status, _ := g.page("/metrics"); status != 200 {
			t.Errorf("%v: /metrics is %d", row.args, status)
		}
	}
}

// TestTrailersOnly looks at the frames of an error: one HEADERS frame that has
// the status, which is what proxies look at.
func TestTrailersOnly(t *testing.T) {
	_, g := pair(t)
	exchange := func(id string) (header, trailer http.Header) {
		t.Helper()
		message, err := proto.Marshal(&maverav1.GetPersonaRequest{Id: id})
		if err != nil {
			t.Fatal(err)
		}
		frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
		request, err := http.NewRequestWithContext(within(t), "POST", "http://"+g.addr+"/mavera.v1.PersonasService/GetPersona", bytes.NewReader(append(frame, message...)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("TE", "trailers")
		transport := &http.Transport{Protocols: &http.Protocols{}}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		return response.Header, response.Trailer
	}
	for _, id := range []string{"no-such-persona", ""} {
		header, trailer := exchange(id)
		if header.Get("Grpc-Status") == "" || header.Get("Grpc-Status-Details-Bin") == "" || len(trailer) > 0 {
			t.Errorf("id %q: headers %v, trailers %v", id, header, trailer)
		}
		size := 0
		for name, values := range header {
			for _, value := range values {
				size += len(name) + len(value) + 32
			}
		}
		if size > 6<<10 {
			t.Errorf("id %q: the trailers have %d bytes", id, size)
		}
	}
	header, trailer := exchange(personaID)
	if header.Get("Grpc-Status") != "" || trailer.Get("Grpc-Status") != "0" || header.Get("X-Request-ID") != "" || trailer.Get("X-Request-ID") == "" {
		t.Errorf("an answer: headers %v, trailers %v", header, trailer)
	}
	if header.Get("Content-Type") != "application/grpc" {
		t.Errorf("content type %q", header.Get("Content-Type"))
	}
}
