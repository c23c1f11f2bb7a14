package simulator

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// DemoKey is the API key that works when Options names none. It has the form of
// a real key and is none.
const DemoKey = "mvra_live_simulator_demo_key_not_a_real_key"

// The families of jobs, as Options.JobDuration and JobScript name them.
const (
	FocusGroups   = "focus_groups"
	VideoAnalyses = "video_analyses"
	BrandVoices   = "brand_voices"
	Meetings      = "meetings"
)

// KeyState is what the simulator thinks of an API key.
type KeyState string

// The states of a key. A key that is not listed is answered 401 invalid_api_key.
const (
	KeyValid   KeyState = "valid"
	KeyRevoked KeyState = "revoked" // 401 revoked_api_key.
	KeyExpired KeyState = "expired" // 401 expired_api_key.
	KeyLapsed  KeyState = "lapsed"  // The subscription lapsed: 402 credits_exhausted.
)

// Reading is a way to read "the window resets" of the documentation.
type Reading string

// The two readings of X-RateLimit-Reset; Retry-After follows it. The window
// itself slides in both: a place is free as soon as a request is 60 s old.
const (
	// OldestLeaves: the second in which the oldest counted request leaves.
	OldestLeaves Reading = "oldest"
	// WindowEmpties: the second in which the last counted request leaves.
	WindowEmpties Reading = "empty"
)

// Envelope selects the list form of Mave threads and generations.
type Envelope string

// The list forms.
const (
	CursorEnvelope Envelope = "cursor" // Today's documentation.
	OffsetEnvelope Envelope = "offset" // The older copies of the same pages.
)

// Options configures New. The zero value works and gives a fast, roomy simulator.
type Options struct {
	// Settings are the values that a running simulator can change.
	Settings Settings
	// Keys are the API keys and their states. Default: DemoKey, valid.
	Keys map[string]KeyState
	// Seed makes ids repeat from run to run. 0 takes a random one.
	Seed uint64
	// Now is the clock. Default time.Now, which a testing/synctest bubble replaces.
	Now func() time.Time
	// PublicURL is the base of upload URLs, for instance http://sim.local:8787.
	// Default: taken from the Host header of each request.
	PublicURL string
}

// Settings are the values that can change while the simulator runs.
type Settings struct {
	// Limit is the number of requests a key may send in 60 s. Default 60
	// (Starter tier); negative: no limit and no rate-limit headers.
	Limit int
	// Reset is the reading of X-RateLimit-Reset. Default OldestLeaves.
	Reset Reading
	// Credits is what the billing period includes. Default 5000 (Professional
	// tier); negative: none.
	Credits float64
	// Speed divides the duration of jobs. Default 1.
	Speed float64
	// JobDuration is how long a job of a family runs. Defaults: focus_groups 75 s
	// (documented 60-90 s), video_analyses 4 min (documented 2-10 min),
	// brand_voices 60 s and meetings 2 min (not documented).
	JobDuration map[string]time.Duration
	// Latency is how long calls of a family (as x-gateway names it) take before
	// they are answered. Default none. A waiting Mave call holds its place.
	Latency map[string]time.Duration
	// TokenDelay is the pause between two events of a stream. Default none.
	TokenDelay time.Duration
	// Envelope is the list form of Mave threads and generations. Default CursorEnvelope.
	Envelope Envelope
	// ClockSkew is how far the clock of the server is ahead of the true time; it
	// shows in Date, X-RateLimit-Reset and every timestamp.
	ClockSkew time.Duration
	// UniquePersonas answers 422 to a second persona of one name (one integration
	// page says so, the guide of errors does not). Default off.
	UniquePersonas bool
}

func (s Settings) clone() Settings {
	s.JobDuration, s.Latency = maps.Clone(s.JobDuration), maps.Clone(s.Latency)
	return s
}

// withDefaults fills in what is zero and checks what is not.
func (s Settings) withDefaults() (Settings, error) {
	s = s.clone()
	if s.Limit == 0 {
		s.Limit = 60
	}
	if s.Reset == "" {
		s.Reset = OldestLeaves
	}
	if s.Credits == 0 {
		s.Credits = 5000
	}
	if s.Speed == 0 {
		s.Speed = 1
	}
	if s.Envelope == "" {
		s.Envelope = CursorEnvelope
	}
	durations := map[string]time.Duration{
		FocusGroups: 75 * time.Second, VideoAnalyses: 4 * time.Minute, BrandVoices: time.Minute, Meetings: 2 * time.Minute,
	}
	for family, d := range s.JobDuration {
		if _, ok := durations[family]; !ok {
			return s, fmt.Errorf("job duration: %q is not a family of jobs", family)
		}
		if d < 0 {
			return s, fmt.Errorf("job duration of %s: %s is negative", family, d)
		}
		durations[family] = d
	}
	s.JobDuration = durations
	known := map[string]bool{}
	for _, op := range operations() {
		known[op.family] = true
	}
	for family, d := range s.Latency {
		if !known[family] {
			return s, fmt.Errorf("latency: %q is not a family of operations", family)
		}
		if d < 0 {
			return s, fmt.Errorf("latency of %s: %s is negative", family, d)
		}
	}
	switch {
	case s.Reset != OldestLeaves && s.Reset != WindowEmpties:
		return s, fmt.Errorf("reset: %q is neither %q nor %q", s.Reset, OldestLeaves, WindowEmpties)
	case s.Envelope != CursorEnvelope && s.Envelope != OffsetEnvelope:
		return s, fmt.Errorf("envelope: %q is neither %q nor %q", s.Envelope, CursorEnvelope, OffsetEnvelope)
	case s.Speed < 0:
		return s, fmt.Errorf("speed: %g is negative", s.Speed)
	case s.TokenDelay < 0:
		return s, fmt.Errorf("token delay: %s is negative", s.TokenDelay)
	}
	return s, nil
}

func (o Options) withDefaults() (Options, error) {
	var err error
	if o.Settings, err = o.Settings.withDefaults(); err != nil {
		return o, fmt.Errorf("simulator: %w", err)
	}
	if len(o.Keys) == 0 {
		o.Keys = map[string]KeyState{DemoKey: KeyValid}
	}
	for key, state := range o.Keys {
		switch state {
		case KeyValid, KeyRevoked, KeyExpired, KeyLapsed:
		default:
			return o, fmt.Errorf("simulator: keys: %s has the unknown state %q", redact(key), state)
		}
	}
	o.Keys = maps.Clone(o.Keys)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// redact keeps the prefix of a key and four characters, the documented form for logs.
func redact(key string) string {
	const prefix = "mvra_live_"
	if rest, ok := strings.CutPrefix(key, prefix); ok && len(rest) > 4 {
		return prefix + rest[:4] + "..."
	}
	return "..."
}
