package statusz

import "time"

// A Bundle is what Mavera's support needs to find calls in its own logs: who asked
// (the key in its redacted form), when, for what, and what came back. It holds only
// calls that reached Mavera, and no prompt, answer or key; who called the gateway is none
// of Mavera's business.
type Bundle struct {
	Gateway   string    `json:"gateway"`
	Made      time.Time `json:"made"`
	Upstream  string    `json:"upstream"`
	Key       string    `json:"key"`
	RateLimit int       `json:"rate_limit_per_minute"`
	Failures  []Failure `json:"failures"`
}

// Bundle returns the failures that Mavera had a part in, the newest first; with a
// request id only those of that call.
func (b *Board) Bundle(requestID string) Bundle {
	r := b.Report()
	bundle := Bundle{
		Gateway: "mavera-gateway/" + r.Version, Made: r.Now, Upstream: r.Upstream, Key: r.Key,
		RateLimit: r.Window.Limit, Failures: []Failure{},
	}
	for i := range r.Recent {
		if f := &r.Recent[i]; f.Attempts > 0 && (requestID == "" || f.RequestID == requestID) {
			f.Caller = ""
			bundle.Failures = append(bundle.Failures, *f)
		}
	}
	return bundle
}
