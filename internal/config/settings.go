package config

import (
	"log/slog"
	"slices"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

// fileSetting is the one setting that has to be known before the file is read.
const fileSetting = "config"

// Settings returns the table of all settings, in the order in which they are
// documented.
func Settings() []*Setting {
	return slices.Concat(addressRows(), securityRows(), upstreamRows(), limitRows(), paceRows(), pollRows(), retryRows(), breakerRows(), serviceRows(), commandRows())
}

// addressRows say where the gateway listens.
func addressRows() []*Setting {
	return []*Setting{
		row(Setting{
			Name: fileSetting, Type: "path", noKey: true,
			Help: "YAML file with settings by the names of this table.",
		}, func(c *Config) *string { return &c.File }, parseText),
		row(Setting{
			Name: "grpc_addr", Type: "host:port", Default: ":50051",
			Help: "Address of the gRPC service. Port 0 takes a free one.",
		}, func(c *Config) *string { return &c.GRPCAddr }, parseAddr),
		row(Setting{
			Name: "admin_addr", Type: "host:port", Default: "127.0.0.1:9090",
			Help: "Address of the admin pages, such as /readyz, /metrics and /statusz. They have neither TLS nor passwords.",
		}, func(c *Config) *string { return &c.AdminAddr }, parseAddr),
		row(Setting{
			Name: "admin_debug", Type: typeBool, Default: off,
			Help: "Serve /debug/pprof, and let PUT /loglevel change the level, although the admin address is not a loopback one.",
		}, func(c *Config) *bool { return &c.AdminDebug }, parseBool),
	}
}

// upstreamRows say how Mavera is reached.
func upstreamRows() []*Setting {
	return []*Setting{
		row(Setting{
			Name: "api_key", Env: "MAVERA_API_KEY", Type: "key", Secret: true, noFlag: true,
			Help: "The Mavera key. It has no flag, because flags can be read by every user of the machine. Not needed with simulator.",
		}, func(c *Config) *secret.Key { return &c.APIKey }, secret.ParseKey),
		row(Setting{
			Name: "api_key_file", Env: "MAVERA_API_KEY_FILE", Type: "path",
			Help: "File that holds the Mavera key, in place of api_key. It is read again when it changes.",
		}, func(c *Config) *string { return &c.APIKeyFile }, parseText),
		row(Setting{
			Name: "allow_caller_keys", Type: typeBool, Default: off,
			Help: "Use the key that a caller sends in the metadata x-mavera-api-key for the call. When off, such a call is refused.",
		}, func(c *Config) *bool { return &c.AllowCallerKeys }, parseBool),
		baseURLRow(),
		row(Setting{
			Name: "allow_insecure_upstream", Type: typeBool, Default: off,
			Help: "Allow a base_url with plain http that is not on this machine. The key then travels unencrypted.",
		}, func(c *Config) *bool { return &c.AllowInsecureUpstream }, parseBool),
		row(Setting{
			Name: "allow_private_storage", Type: typeBool, Default: off,
			Help: "Accept upload addresses of Mavera's that lead to this machine or into a private network. On by itself where base_url is there, or is plain http.",
		}, func(c *Config) *bool { return &c.AllowPrivateStorage }, parseBool),
		row(Setting{
			Name: "simulator", Type: typeBool, Default: off,
			Help: "Start the embedded Mavera simulator and use it: no key, no network, no cost.",
		}, func(c *Config) *bool { return &c.Simulator }, parseBool),
	}
}

// limitRows say how much the gateway takes and how long it waits.
func limitRows() []*Setting {
	return []*Setting{
		row(Setting{
			Name: "max_request_bytes", Type: "size", Unit: "1KiB to 1GiB", Default: "16MiB",
			Help: "Largest request message that is accepted from a caller; above it the call ends RESOURCE_EXHAUSTED.",
		}, func(c *Config) *ByteSize { return &c.MaxRequestBytes }, parseSize),
		row(Setting{
			Name: "max_answer_bytes", Type: "size", Unit: "1KiB to 1GiB", Default: "32MiB",
			Help: "Largest answer, after decompression, that is accepted from Mavera; above it the call ends INTERNAL, ANSWER_TOO_LARGE.",
		}, func(c *Config) *ByteSize { return &c.MaxAnswerBytes }, parseSize),
		row(Setting{
			Name: "max_event_bytes", Type: "size", Unit: "1KiB to 1GiB", Default: "4MiB",
			Help: "Largest event, and line, of a stream that is accepted from Mavera; above it the stream ends INTERNAL, ANSWER_TOO_LARGE. gRPC clients take 4 MiB unless told otherwise.",
		}, func(c *Config) *ByteSize { return &c.MaxEventBytes }, parseSize),
		row(Setting{
			Name: "stream_idle_timeout", Type: typeDuration, Unit: "1s to 1h", Default: "120s",
			Help: "How long a stream from Mavera may be silent between two events; then it ends UNAVAILABLE, STREAM_STALLED.",
		}, func(c *Config) *time.Duration { return &c.StreamIdleTimeout }, durationBetween(time.Second, time.Hour)),
		row(Setting{
			Name: "upstream_idle_connections", Type: typeInteger, Unit: "0 to 10000", Default: "64",
			Help: "Idle connections to Mavera that are kept for the next calls. It counts for HTTP/1.1 only; HTTP/2 shares one connection.",
		}, func(c *Config) *int { return &c.UpstreamIdleConnections }, intBetween(0, 10000)),
		row(Setting{
			Name: "upstream_idle_timeout", Type: typeDuration, Unit: "1s to 1h", Default: "90s",
			Help: "How long an idle connection to Mavera is kept. Set it below the limit of a proxy on the way, which would cut it.",
		}, func(c *Config) *time.Duration { return &c.UpstreamIdleTimeout }, durationBetween(time.Second, time.Hour)),
		row(Setting{
			Name: "keepalive_time", Type: typeDuration, Unit: "10s to 24h", Default: "1m",
			Help: "A caller's connection that is silent for this long is asked for a sign of life and closed if there is none within 20 s.",
		}, func(c *Config) *time.Duration { return &c.KeepaliveTime }, durationBetween(10*time.Second, 24*time.Hour)),
		row(Setting{
			Name: "max_connection_age", Type: typeDuration, Unit: "0 (no limit) to 24h", Default: "0s",
			Help: "Age at which a caller's connection is closed once its calls have ended, so that callers find new replicas behind a balancer of connections.",
		}, func(c *Config) *time.Duration { return &c.MaxConnectionAge }, durationBetween(0, 24*time.Hour)),
		row(Setting{
			Name: "upload_idle_timeout", Type: typeDuration, Unit: "1s to 1h", Default: "60s",
			Help: "How long an upload may stand still, be it that the caller sends nothing or that the storage takes nothing. It has no other limit but the caller's deadline.",
		}, func(c *Config) *time.Duration { return &c.UploadIdleTimeout }, durationBetween(time.Second, time.Hour)),
		row(Setting{
			Name: "drain_notice", Type: typeDuration, Unit: "0 to 10m", Default: "0s",
			Help: "How long calls are taken as before after SIGTERM, while health and /readyz already say that the gateway leaves. Set it above the time in which balancers that ask for either notice.",
		}, func(c *Config) *time.Duration { return &c.DrainNotice }, durationBetween(0, 10*time.Minute)),
		row(Setting{
			Name: "drain_timeout", Type: typeDuration, Unit: "0 to 1h", Default: "200s",
			Help: "How long running calls may take after SIGTERM and the notice. The default is above the longest attempt, 180 s.",
		}, func(c *Config) *time.Duration { return &c.DrainTimeout }, durationBetween(0, time.Hour)),
	}
}

// serviceRows say what else is served and logged.
func serviceRows() []*Setting {
	return []*Setting{
		row(Setting{
			Name: "reflection", Type: typeBool, Default: on,
			Help: "Serve gRPC reflection, which tools such as grpcurl need.",
		}, func(c *Config) *bool { return &c.Reflection }, parseBool),
		row(Setting{
			Name: "health", Type: typeBool, Default: on,
			Help: "Serve grpc.health.v1.",
		}, func(c *Config) *bool { return &c.Health }, parseBool),
		row(Setting{
			Name: "channelz", Type: typeBool, Default: on,
			Help: "Serve grpc.channelz.v1, which shows connections and their counters.",
		}, func(c *Config) *bool { return &c.Channelz }, parseBool),
		row(Setting{
			Name: "metrics", Type: typeBool, Default: on,
			Help: "Count and time calls. Off, /metrics and OTLP have the Go runtime and the process alone, and a call costs a few percent less.",
		}, func(c *Config) *bool { return &c.Metrics }, parseBool),
		row(Setting{
			Name: "log_level", Type: "debug, info, warn or error", Default: "info",
			Help: "Least severe level that is logged.",
		}, func(c *Config) *slog.Level { return &c.LogLevel }, parseLevel),
		row(Setting{
			Name: "propagate_trace_upstream", Type: typeBool, Default: off,
			Help: "Send each attempt's trace context to Mavera, in the form that OTEL_PROPAGATORS names; never the callers' baggage. What is traced and where it goes is set by OTEL_*.",
		}, func(c *Config) *bool { return &c.PropagateTraceUpstream }, parseBool),
	}
}

// commandRows say what is asked of the command itself.
func commandRows() []*Setting {
	return []*Setting{
		row(Setting{
			Name: "print_config", Type: typeBool, Default: off, noEnv: true, noKey: true,
			Help: "Print the effective configuration as YAML, with the source of each value and keys redacted, and exit.",
		}, func(c *Config) *bool { return &c.PrintConfig }, parseBool),
		row(Setting{
			Name: "print_policy", Type: typeBool, Default: off, noEnv: true, noKey: true,
			Help: "Print how every RPC is paced, repeated and held back, and exit.",
		}, func(c *Config) *bool { return &c.PrintPolicy }, parseBool),
	}
}
