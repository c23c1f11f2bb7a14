//go:build e2e

package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// A gateway is a running gateway and a connection to it.
type gateway struct {
	*process
	addr, admin string // host:port of gRPC and of the admin pages
	conn        *grpc.ClientConn
	clients
}

// startGateway starts a gateway with the simulator's key, in front of an upstream.
func startGateway(t *testing.T, upstream *url.URL, args ...string) *gateway {
	t.Helper()
	return launch(t, []string{"MAVERA_API_KEY=" + simulator.DemoKey, "MAVERA_BASE_URL=" + upstream.String()}, args...)
}

// brisk are settings under which no test waits long, and which flags override: retries
// come at once, and neither the budget nor a breaker nor the window ends them, and
// nothing is sent but for calls.
func brisk() []string {
	return []string{
		"GATEWAY_RETRY_BASE=1ms", "GATEWAY_RETRY_CAP=1ms", "GATEWAY_RETRY_BUDGET_STOCK=10000", "GATEWAY_BREAKER_FAILURES=1000",
		"GATEWAY_RATE_LIMIT_START=100000", "GATEWAY_RATE_UNCONFIRMED=10000", "GATEWAY_RETRY_AFTER_MAX=0s",
		// Their listings would be among the requests that tests count.
		"GATEWAY_FOLLOW_JOBS=false", "GATEWAY_RECOVER_CREATES=false",
	}
}

// launch starts a gateway on free ports with a configuration of the test's.
func launch(t *testing.T, environ []string, args ...string) *gateway {
	t.Helper()
	return launchProgram(t, "mavera-gateway", environ, args...)
}

// launchProgram is launch for another build of the gateway.
func launchProgram(t *testing.T, program string, environ []string, args ...string) *gateway {
	t.Helper()
	p := start(t, program, append(brisk(), environ...), append([]string{"serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"}, args...)...)
	serving := p.awaitMessage("serving")
	g := &gateway{process: p, addr: serving.text("grpc_addr"), admin: serving.text("admin_addr")}
	conn, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	g.conn, g.clients = conn, clientsOf(conn)
	t.Cleanup(func() {
		_ = conn.Close()
		g.stop()
		if strings.Contains(g.log()+g.stdout.String(), strings.TrimPrefix(simulator.DemoKey, "mvra_live_")) {
			t.Error("the gateway wrote its key")
		}
	})
	return g
}

// pair starts a simulator and a gateway in front of it.
func pair(t *testing.T, args ...string) (*mavera, *gateway) {
	t.Helper()
	m := startMavera(t)
	return m, startGateway(t, m.base, args...)
}

// clients are the typed clients of all services.
type clients struct {
	responses   maverav1.ResponsesServiceClient
	chat        maverav1.ChatServiceClient //nolint:staticcheck // deprecated upstream, and served as long as it is
	mave        maverav1.MaveServiceClient
	news        maverav1.NewsServiceClient
	personas    maverav1.PersonasServiceClient
	voices      maverav1.BrandVoicesServiceClient
	groups      maverav1.FocusGroupsServiceClient
	videos      maverav1.VideoAnalysesServiceClient
	files       maverav1.FilesServiceClient
	folders     maverav1.FoldersServiceClient
	workspaces  maverav1.WorkspacesServiceClient
	projects    maverav1.ProjectsServiceClient
	generations maverav1.GenerationsServiceClient
	meetings    maverav1.MeetingsServiceClient
	usage       maverav1.UsageServiceClient
	health      grpc_health_v1.HealthClient
}

func clientsOf(conn grpc.ClientConnInterface) clients {
	return clients{
		responses: maverav1.NewResponsesServiceClient(conn),
		chat:      maverav1.NewChatServiceClient(conn), //nolint:staticcheck // see clients
		mave:      maverav1.NewMaveServiceClient(conn), news: maverav1.NewNewsServiceClient(conn),
		personas: maverav1.NewPersonasServiceClient(conn), voices: maverav1.NewBrandVoicesServiceClient(conn),
		groups: maverav1.NewFocusGroupsServiceClient(conn), videos: maverav1.NewVideoAnalysesServiceClient(conn),
		files: maverav1.NewFilesServiceClient(conn), folders: maverav1.NewFoldersServiceClient(conn),
		workspaces: maverav1.NewWorkspacesServiceClient(conn), projects: maverav1.NewProjectsServiceClient(conn),
		generations: maverav1.NewGenerationsServiceClient(conn), meetings: maverav1.NewMeetingsServiceClient(conn),
		usage: maverav1.NewUsageServiceClient(conn), health: grpc_health_v1.NewHealthClient(conn),
	}
}

// page reads an admin page.
func (g *gateway) page(path string) (status int, text string) {
	g.t.Helper()
	response, err := http.Get("http://" + g.admin + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// within is the context of a call that must not outlast the test's patience.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("in vain waited for %s", what)
		}
	}
}

// tomorrow is a time that has not come when the test ends.
func tomorrow() *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(24 * time.Hour)) }

// millisecond is short for the rows of tables.
const millisecond = time.Millisecond

func statusOf(err error) codes.Code { return status.Code(err) }

// freePort is an address at which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// sample is the value of the metric whose line has all parts, "" when there is none.
func sample(metrics string, parts ...string) string {
lines:
	for line := range strings.Lines(metrics) {
		if line[0] == '#' {
			continue
		}
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue lines
			}
		}
		fields := strings.Fields(line)
		return fields[len(fields)-1]
	}
	return ""
}
