package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/caller"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

const key = "mvra_live_abcdefghijklmnopqrstuv"

// files is a readFile for tests.
type files map[string]string

func (f files) read(path string) ([]byte, error) {
	text, found := f[path]
	if !found {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

// byDefault returns the documented defaults, written out.
func byDefault(t *testing.T) Config {
	t.Helper()
	return Config{
		GRPCAddr:                ":50051",
		AdminAddr:               "127.0.0.1:9090",
		TLSClientAuth:           ClientAuthRequire,
		BaseURL:                 &url.URL{Scheme: "https", Host: "app.mavera.io", Path: "/api/v1"},
		MaxRequestBytes:         16 * mib,
		MaxAnswerBytes:          32 * mib,
		MaxEventBytes:           4 * mib,
		StreamIdleTimeout:       2 * time.Minute,
		UpstreamIdleConnections: 64,
		UpstreamIdleTimeout:     90 * time.Second,
		KeepaliveTime:           time.Minute,
		UploadIdleTimeout:       60 * time.Second,
		DrainTimeout:            200 * time.Second,
		Share:                   1,
		RateLimitStart:          60,
		RateUnconfirmed:         10,
		BatchShare:              0.1,
		QueueFactor:             10,
		MaveSlots:               10,
		FocusGroupSlots:         5,
		VideoAnalysisSlots:      3,
		FollowJobs:              true,
		FocusGroupPoll:          5 * time.Second,
		VideoAnalysisPoll:       15 * time.Second,
		BrandVoicePoll:          5 * time.Second,
		MeetingPoll:             30 * time.Second,
		RetryAttempts:           4,
		RetryBase:               500 * time.Millisecond,
		RetryCap:                30 * time.Second,
		RetryAfterMax:           120 * time.Second,
		RecoverCreates:          true,
		RetryBudgetRatio:        0.2,
		RetryBudgetStock:        10,
		BreakerFailures:         5,
		BreakerCooldown:         30 * time.Second,
		BreakerMaxCooldown:      5 * time.Minute,
		BreakerSlowDeadline:     10 * time.Second,
		MaveSlowDeadline:        90 * time.Second,
		Reflection:              true,
		Health:                  true,
		Channelz:                true,
		Metrics:                 true,
		LogLevel:                slog.LevelInfo,
	}
}

func parsedKey(t *testing.T) secret.Key {
	t.Helper()
	parsed, err := secret.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func proxies(t *testing.T, text string) caller.Proxies {
	t.Helper()
	parsed, err := caller.ParseProxies(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func allowed(t *testing.T, text string) caller.AllowList {
	t.Helper()
	parsed, err := caller.ParseAllowList(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestParse(t *testing.T) {
	tests := []struct {
		name    string
		args    []string
		environ []string
		files   files
		want    func(*Config)
	}{
		{
			name: "simulator alone", args: []string{"--simulator"},
			want: func(c *Config) { c.Simulator = true },
		},
		{
			name: "key alone", environ: []string{"MAVERA_API_KEY=" + key + "\n"},
			want: func(c *Config) { c.APIKey = parsedKey(t) },
		},
		{
			name: "key file by flag", args: []string{"--api-key-file", "/run/key"},
			want: func(c *Config) { c.APIKeyFile = "/run/key" },
		},
		{
			name: "printing needs no key", args: []string{"--print-config"},
			want: func(c *Config) { c.PrintConfig = true },
		},
		{
			name: "printing the policy needs no key", args: []string{"--print-policy"},
			want: func(c *Config) { c.PrintPolicy = true },
		},
		{
			name: "the smallest share for ten slots, in spite of binary fractions", args: []string{"--simulator", "--share=0.1", "--focus-group-slots=10", "--video-analysis-slots=10"},
			want: func(c *Config) {
				c.Simulator, c.Share, c.FocusGroupSlots, c.VideoAnalysisSlots = true, 0.1, 10, 10
			},
		},
		{
			name:    "a flag wins over the environment, that over the file",
			args:    []string{"--config=a.yaml", "--grpc-addr", ":1"},
			environ: []string{"GATEWAY_CONFIG=b.yaml", "GATEWAY_GRPC_ADDR=:2", "GATEWAY_SHARE=0.5", "MAVERA_API_KEY=" + key},
			files:   files{"a.yaml": "grpc_addr: :3\nshare: 0.3\ndrain_timeout: 3s\n"},
			want: func(c *Config) {
				c.File, c.GRPCAddr, c.Share, c.DrainTimeout, c.APIKey = "a.yaml", ":1", 0.5, 3*time.Second, parsedKey(t)
			},
		},
		{
			name:    "an empty value counts as not given",
			args:    []string{"--simulator", "--log-level="},
			environ: []string{"GATEWAY_CONFIG=a.yaml", "GATEWAY_LOG_LEVEL=", "MAVERA_API_KEY=", "MAVERA_API_KEY_FILE="},
			files:   files{"a.yaml": "log_level: debug\nshare:\nadmin_addr: ''\nbase_url: ~\n"},
			want:    func(c *Config) { c.File, c.Simulator, c.LogLevel = "a.yaml", true, slog.LevelDebug },
		},
		{
			name:  "every setting in the file",
			args:  []string{"--config", "a.yaml"},
			files: files{"a.yaml": everything},
			want: func(c *Config) {
				*c = Config{
					File: "a.yaml", GRPCAddr: "[::1]:0", AdminAddr: "admin.local:8080", AdminDebug: true,
					TLSCertFile: "/tls/tls.crt", TLSKeyFile: "/tls/tls.key", TLSClientCAFile: "/tls/ca.crt", TLSClientAuth: ClientAuthIfGiven,
					TrustedProxies: proxies(t, "spiffe://example.org/edge,127.0.0.0/8"),
					AllowCallers:   allowed(t, "mavera.v1.PersonasService=spiffe://example.org/ns/shop/*,dns:cart.example;*=spiffe://example.org/ops"),
					APIKey:         parsedKey(t), AllowCallerKeys: true,
					BaseURL:               &url.URL{Scheme: "http", Host: "10.0.0.1:8080", Path: "/mavera"},
					AllowInsecureUpstream: true, AllowPrivateStorage: true, Share: 0.25,
					MaxRequestBytes: kib, MaxAnswerBytes: gib, MaxEventBytes: gib, StreamIdleTimeout: time.Second, UpstreamIdleConnections: 0,
					UpstreamIdleTimeout: time.Second, KeepaliveTime: 10 * time.Second, MaxConnectionAge: 90 * time.Minute,
					RateLimitStart: 600, RateUnconfirmed: 1, BatchShare: 0.5, QueueFactor: 1000,
					MaveSlots: 4, FocusGroupSlots: 1000, VideoAnalysisSlots: 6,
					FocusGroupPoll: 10 * time.Millisecond, VideoAnalysisPoll: time.Hour, BrandVoicePoll: time.Minute, MeetingPoll: time.Second,
					RetryAttempts: 1, RetryBase: time.Millisecond, RetryCap: time.Millisecond, RetryAfterMax: 0,
					RepeatUnknownOutcome: true, RetryBudgetRatio: 1, RetryBudgetStock: 0,
					BreakerFailures: 1, BreakerCooldown: 100 * time.Millisecond, BreakerMaxCooldown: 24 * time.Hour,
					BreakerSlowDeadline: time.Second, MaveSlowDeadline: time.Hour,
					UploadIdleTimeout: time.Hour, DrainNotice: 10 * time.Minute, DrainTimeout: 0, LogLevel: slog.LevelError, PropagateTraceUpstream: true,
				}
			},
		},
		{
			name: "lists by flag", args: []string{"--simulator", "--trusted-proxies=10.0.0.1, 10.1.0.0/16", "--allow-callers=mavera.v1.UsageService=dns:a , dns:b;*=*"},
			want: func(c *Config) {
				c.Simulator, c.TrustedProxies = true, proxies(t, "10.0.0.1,10.1.0.0/16")
				c.AllowCallers = allowed(t, "mavera.v1.UsageService=dns:a,dns:b;*=*")
			},
		},
		{
			name:  "file without settings",
			args:  []string{"--config", "a.yaml", "--simulator"},
			files: files{"a.yaml": "# nothing yet\n"},
			want:  func(c *Config) { c.File, c.Simulator = "a.yaml", true },
		},
		{
			name: "the last of two flags counts, one dash will do, a bool can be turned off",
			args: []string{"-simulator=true", "--share=0.1", "--share", "0.5", "--reflection=false"},
			want: func(c *Config) { c.Simulator, c.Share, c.Reflection = true, 0.5, false },
		},
		{
			name:    "variables that Kubernetes sets for services, and others' variables",
			args:    []string{"--simulator"},
			environ: append(kubernetes(), "OTEL_SDK_DISABLED=true", "PATH=/bin", "GATEWAYS=1"),
			want:    func(c *Config) { c.Simulator = true },
		},
		{
			name: "plain http on this machine", args: []string{"--base-url", "http://localhost:4010/"},
			environ: []string{"MAVERA_API_KEY=" + key},
			want: func(c *Config) {
				c.APIKey, c.BaseURL = parsedKey(t), &url.URL{Scheme: "http", Host: "localhost:4010"}
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := byDefault(t)
			test.want(&want)
			got, err := Parse(test.args, test.environ, test.files.read)
			if err != nil {
				t.Fatal(err)
			}
			got.sources = nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

// everything sets each setting of the file to something that is not its
// default.
const everything = `---
grpc_addr: "[::1]:0"
admin_addr: admin.local:8080
admin_debug: true
tls_cert_file: /tls/tls.crt
tls_key_file: /tls/tls.key
tls_client_ca_file: /tls/ca.crt
tls_client_auth: verify-if-given
trusted_proxies: [spiffe://example.org/edge, 127.0.0.0/8]
allow_callers:
  mavera.v1.PersonasService: [spiffe://example.org/ns/shop/*, "dns:cart.example"]
  "*": spiffe://example.org/ops
api_key: mvra_live_abcdefghijklmnopqrstuv
api_key_file: ""
allow_caller_keys: &on true
base_url: http://10.0.0.1:8080/mavera/
allow_insecure_upstream: *on
allow_private_storage: *on
simulator: false
share: 0.25
max_request_bytes: 1024
max_answer_bytes: 1GiB
max_event_bytes: 1GiB
stream_idle_timeout: 1s
upstream_idle_connections: 0
upstream_idle_timeout: 1s
keepalive_time: 10s
max_connection_age: 1h30m
upload_idle_timeout: 1h
drain_notice: 10m
drain_timeout: 0s
rate_limit_start: 600
rate_unconfirmed: 1
batch_share: 0.5
queue_factor: 1000
mave_slots: 4
focus_group_slots: 1000
video_analysis_slots: 6
follow_jobs: false
focus_group_poll: 10ms
video_analysis_poll: 1h
brand_voice_poll: 1m
meeting_poll: 1s
retry_attempts: 1
retry_base: 1ms
retry_cap: 1ms
retry_after_max: 0s
repeat_unknown_outcome: true
recover_creates: false
retry_budget_ratio: 1
retry_budget_stock: 0
breaker_failures: 1
breaker_cooldown: 100ms
breaker_max_cooldown: 24h
breaker_slow_deadline: 1s
mave_slow_deadline: 1h
reflection: false
health: false
channelz: false
metrics: false
log_level: error
propagate_trace_upstream: true
`

// kubernetes returns the variables that a pod gets for the services gateway
// and mavera-gateway.
func kubernetes() []string {
	var environ []string
	for _, service := range []string{"GATEWAY", "MAVERA_GATEWAY"} {
		for _, variable := range []string{
			"_SERVICE_HOST=10.96.0.7", "_SERVICE_PORT=50051", "_SERVICE_PORT_GRPC=50051", "_PORT=tcp://10.96.0.7:50051",
			"_PORT_50051_TCP=tcp://10.96.0.7:50051", "_PORT_50051_TCP_PROTO=tcp", "_PORT_50051_TCP_PORT=50051", "_PORT_50051_TCP_ADDR=10.96.0.7",
		} {
			environ = append(environ, service+variable)
		}
	}
	return environ
}

func TestParseHelp(t *testing.T) {
	for _, arg := range []string{"-h", "--help", "-help"} {
		if _, err := Parse([]string{"--share=wrong", arg}, nil, nil); !errors.Is(err, ErrHelp) {
			t.Errorf("%s: error %v, want ErrHelp", arg, err)
		}
	}
}

// FuzzParse looks for panics, and for a key or a line break in an error.
func FuzzParse(f *testing.F) {
	f.Add("--share=2", "GATEWAY_SHARE=2", everything)
	f.Add("--base-url=http://a@b", "MAVERA_API_KEY="+key, "a: *b\n? - x\n: y\n")
	f.Fuzz(func(t *testing.T, arg, variable, file string) {
		read := files{"a.yaml": file + "\napi_key: 'mvra_live_0000000000000000 '\n"}.read
		_, err := Parse([]string{"--config=a.yaml", arg}, []string{variable}, read)
		var refused *Error
		if !errors.As(err, &refused) {
			return
		}
		for _, problem := range refused.Problems {
			line := problem.String()
			if strings.Contains(line, "\n") {
				t.Errorf("%q has several lines", line)
			}
			if strings.Contains(line, "0000000000000000") && !strings.Contains(arg+variable+file, "0000000") {
				t.Errorf("%q shows the key", line)
			}
		}
	})
}
