// Package config is the configuration of mavera-gateway serve: what an
// operator can set, where it comes from, and what is refused.
//
// Every setting is one row of the table in settings.go. A row has a name and,
// derived from it, a flag, an environment variable and a key of the YAML file:
// grpc_addr is --grpc-addr and GATEWAY_GRPC_ADDR. A flag wins over the
// environment, the environment over the file, the file over the default. An
// empty value counts as not given, wherever it stands. From the same rows come
// --help, the table in the README and --print-config.
//
// Nothing is guessed and nothing is ignored: an unknown flag, variable or key
// and every value that can't be used, even one that another source overrides,
// stops the start, and all of them are reported at once. The API key is read
// from the environment or a file, never from a flag, because every user of a
// machine can read the flags of its processes.
package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/caller"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

// Config is a valid configuration. The table in settings.go says what each
// field means, its unit and its default.
type Config struct {
	// File is the path of the YAML file, empty when there is none.
	File string

	GRPCAddr   string
	AdminAddr  string
	AdminDebug bool

	// TLSCertFile and TLSKeyFile are both set or neither; TLSClientCAFile only with
	// them.
	TLSCertFile     string
	TLSKeyFile      string
	TLSClientCAFile string
	TLSClientAuth   string // ClientAuthRequire or ClientAuthIfGiven
	TrustedProxies  caller.Proxies
	AllowCallers    caller.AllowList

	// Either APIKey or APIKeyFile is set. With Simulator neither need be, and
	// neither is to be used: the simulator has keys of its own.
	APIKey                secret.Key
	APIKeyFile            string
	AllowCallerKeys       bool
	BaseURL               *url.URL // without a slash at the end; with Simulator the server replaces it
	AllowInsecureUpstream bool
	AllowPrivateStorage   bool
	Simulator             bool

	MaxRequestBytes         ByteSize
	MaxAnswerBytes          ByteSize
	MaxEventBytes           ByteSize
	StreamIdleTimeout       time.Duration
	UpstreamIdleConnections int
	UpstreamIdleTimeout     time.Duration
	KeepaliveTime           time.Duration
	MaxConnectionAge        time.Duration // 0: connections are not closed for their age
	UploadIdleTimeout       time.Duration
	DrainNotice             time.Duration
	DrainTimeout            time.Duration

	Share           float64
	RateLimitStart  int // requests per minute
	RateUnconfirmed int
	BatchShare      float64
	QueueFactor     int
	// Slots are before Share is applied.
	MaveSlots          int
	FocusGroupSlots    int
	VideoAnalysisSlots int
	FollowJobs         bool
	// How far apart the polls of a running job are.
	FocusGroupPoll    time.Duration
	VideoAnalysisPoll time.Duration // twice as far apart once it is older
	BrandVoicePoll    time.Duration
	MeetingPoll       time.Duration

	RetryAttempts        int // 1: no retries
	RetryBase            time.Duration
	RetryCap             time.Duration
	RetryAfterMax        time.Duration
	RepeatUnknownOutcome bool
	RecoverCreates       bool
	RetryBudgetRatio     float64
	RetryBudgetStock     int

	BreakerFailures     int
	BreakerCooldown     time.Duration
	BreakerMaxCooldown  time.Duration
	BreakerSlowDeadline time.Duration
	MaveSlowDeadline    time.Duration

	Reflection bool
	Health     bool
	Channelz   bool
	Metrics    bool
	LogLevel   slog.Level

	PropagateTraceUpstream bool

	// PrintConfig asks for WriteYAML in place of a start, PrintPolicy for the table of
	// policies. Only one of them is set.
	PrintConfig bool
	PrintPolicy bool

	// sources says where each setting came from, by name.
	sources map[string]string
}

// Parse makes a configuration from the arguments that follow the serve
// command, the environment (os.Environ) and the YAML file that one of them
// names, which it reads with readFile.
//
// The error is [ErrHelp] when the arguments ask for help, else an [*Error]
// that lists everything that is wrong.
func Parse(args, environ []string, readFile func(string) ([]byte, error)) (Config, error) {
	settings := Settings()
	fromFlags, problems, err := parseFlags(settings, args)
	if err != nil {
		return Config{}, err
	}
	fromEnv, wrong := parseEnviron(settings, environ)
	problems = append(problems, wrong...)
	fromFile, wrong := parseFile(settings, configPath(fromFlags, fromEnv), readFile)
	problems = append(problems, wrong...)

	config := Config{sources: make(map[string]string, len(settings))}
	for _, values := range [][]given{defaults(settings), fromFile, fromEnv, fromFlags} {
		for _, value := range values {
			if value.text == "" && value.source != defaultSource {
				continue
			}
			config.sources[value.setting.Name] = value.source
			if err := value.setting.set(&config, value.text); err != nil {
				problems = append(problems, value.problem(err))
			}
		}
	}
	problems = append(problems, config.contradictions(problems)...)
	if len(problems) > 0 {
		return Config{}, &Error{Problems: problems}
	}
	return config, nil
}

// Refuse returns an [*Error] saying that a setting can't be used for a reason
// that only showed later, such as an address in use. It reads like the errors
// of [Parse], with the value and where it came from.
func (c Config) Refuse(name string, reason error) error {
	for _, setting := range Settings() {
		if setting.Name == name {
			value := given{setting: setting, text: setting.format(&c), source: c.Source(name)}
			return &Error{Problems: []Problem{value.problem(reason)}}
		}
	}
	return &Error{Problems: []Problem{{Setting: name, Reason: reason.Error()}}}
}

// Source says where a setting came from: "default", "environment
// GATEWAY_SHARE", "flag --share" or "gateway.yaml:7".
func (c Config) Source(name string) string {
	return c.sources[name]
}

// given is a value as it was found.
type given struct {
	setting *Setting
	text    string
	source  string
}

const defaultSource = "default"

func (g given) problem(reason error) Problem {
	return Problem{Setting: g.setting.Name, Value: g.setting.shown(g.text), Source: g.source, Reason: reason.Error()}
}

func defaults(settings []*Setting) []given {
	values := make([]given, len(settings))
	for i, setting := range settings {
		values[i] = given{setting: setting, text: setting.Default, source: defaultSource}
	}
	return values
}

// configPath returns the path of the YAML file: the last one that is given,
// flags after the environment.
func configPath(fromFlags, fromEnv []given) string {
	path := ""
	for _, values := range [][]given{fromEnv, fromFlags} {
		for _, value := range values {
			if value.setting.Name == fileSetting && value.text != "" {
				path = value.text
			}
		}
	}
	return path
}

// contradictions looks for settings that are well-formed but can't be used
// together. A setting that is wrong by itself is left out.
func (c Config) contradictions(known []Problem) []Problem {
	wrong := make(map[string]bool, len(known))
	for _, problem := range known {
		wrong[problem.Setting] = true
	}
	has := func(name string) bool { return c.sources[name] != defaultSource }

	var problems []Problem
	refuse := func(name, value, format string, args ...any) {
		problems = append(problems, Problem{Setting: name, Value: value, Source: c.Source(name), Reason: fmt.Sprintf(format, args...)})
	}
	if has("api_key") && has("api_key_file") {
		refuse("api_key", "", "api_key_file (%s) is set as well; keep one of the two", c.Source("api_key_file"))
	}
	if c.PrintConfig && c.PrintPolicy {
		refuse("print_policy", "", "print_config is set as well; keep one of the two")
	}
	c.misfits(wrong, refuse)
	c.loopholes(wrong, refuse)
	needsKey := !c.Simulator && !c.PrintConfig && !c.PrintPolicy && !wrong["simulator"] && !wrong[fileSetting]
	if needsKey && !has("api_key") && !has("api_key_file") {
		problems = append(problems, Problem{Setting: "api_key", Reason: "there is no Mavera key; set MAVERA_API_KEY or MAVERA_API_KEY_FILE, or run against the embedded simulator with --simulator"})
	}
	if wrong["base_url"] {
		return problems
	}
	switch {
	case c.Simulator && has("base_url"):
		refuse("base_url", c.BaseURL.String(), "the simulator (%s) sets it; leave out one of the two", c.Source("simulator"))
	case c.BaseURL.Scheme == "http" && !c.AllowInsecureUpstream && !isLoopback(c.BaseURL.Hostname()):
		refuse("base_url", c.BaseURL.String(), "the key would travel unencrypted; use https, or set allow_insecure_upstream")
	}
	return problems
}

// isLoopback reports whether a host never leaves this machine: localhost, a
// name below it (RFC 6761 6.3) or a loopback address.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}
