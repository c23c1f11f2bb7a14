//go:build e2e

package e2e

import (
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// TestMaxConnectionAge has the gateway close a connection for its age, and no call notice.
func TestMaxConnectionAge(t *testing.T) {
	_, g := pair(t, "--max-connection-age=300ms")
	from := func() string {
		var p peer.Peer
		if _, err := g.personas.GetPersona(within(t), &maverav1.GetPersonaRequest{Id: personaID}, grpc.Peer(&p)); err != nil {
			t.Fatal(err)
		}
		return p.LocalAddr.String()
	}
	used := map[string]bool{}
	eventually(t, "a third connection", func() bool {
		used[from()] = true
		return len(used) == 3
	})
}

// TestKeepaliveEnforcement pings more often than the gateway allows.
func TestKeepaliveEnforcement(t *testing.T) {
	_, g := pair(t)
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	answered := 0
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("after %d answers: %v", answered, err)
		}
		ping := false
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			ping = frame.IsAck() // the connection stands
		case *http2.PingFrame:
			ping = frame.IsAck()
			answered++
		case *http2.GoAwayFrame:
			// The first ping comes too soon after none, and two more are forgiven.
			if frame.ErrCode != http2.ErrCodeEnhanceYourCalm || string(frame.DebugData()) != "too_many_pings" || answered != 4 {
				t.Errorf("%v %q after %d answers, want ENHANCE_YOUR_CALM after 4", frame.ErrCode, frame.DebugData(), answered)
			}
			return
		}
		if ping {
			if err := framer.WritePing(false, [8]byte{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestMessageSizes sends the largest request that is accepted, and one beyond it.
func TestMessageSizes(t *testing.T) {
	_, g := pair(t, "--max-request-bytes=64KiB")
	create := func(size int) error {
		_, err := g.responses.CreateResponse(within(t), &maverav1.CreateResponseRequest{
			Model: "mavera-1", PersonaId: new(personaID),
			Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: strings.Repeat("a", size)}},
		})
		return err
	}
	if err := create(63 << 10); err != nil {
		t.Errorf("63 KiB: %v", err)
	}
	err := create(64 << 10)
	if st := status.Convert(err); st.Code() != codes.ResourceExhausted || !strings.HasPrefix(st.Message(), "grpc: received message larger than max (") {
		t.Errorf("above 64 KiB: %v", err)
	}
}

// TestRuntimeSettings leaves Go's own variables to the operator.
func TestRuntimeSettings(t *testing.T) {
	for _, row := range []struct {
		environ              []string
		percent, bytes, cpus string
	}{
		{nil, "200", "9.223372036854776e+18", ""},
		{[]string{"GOGC=50", "GOMEMLIMIT=123MiB", "GOMAXPROCS=7"}, "50", "1.28974848e+08", "7"},
		{[]string{"GOGC=100", "GOMAXPROCS=1"}, "100", "9.223372036854776e+18", "1"}, // although it is Go's default
	} {
		g := launch(t, row.environ, "--simulator")
		_, metrics := g.page("/metrics")
		for name, want := range map[string]string{
			"go_gc_gogc_percent ": row.percent, "go_gc_gomemlimit_bytes ": row.bytes, "go_sched_gomaxprocs_threads ": row.cpus,
		} {
			if got := sample(metrics, name); want != "" && got != want {
				t.Errorf("%q: %s is %s, want %s", row.environ, name, got, want)
			}
		}
	}
}
