package transcode

import (
	"fmt"
	"strings"
)

// RouteTable shows the plans as a Markdown table.
func RouteTable(plans []*Plan) string {
	var b strings.Builder
	b.WriteString("| RPC | Route | Family | Repeat | Billed | Attempt, total |\n|---|---|---|---|---|---|\n")
	for _, p := range plans {
		billed := ""
		if p.Billed {
			billed = "yes"
		}
		fmt.Fprintf(&b, "| %s/%s | `%s %s`%s | %s | %s | %s | %s, %s |\n",
			strings.TrimPrefix(p.Service, "mavera.v1."), p.RPC, p.HTTPMethod, p.Route, streamed(p.Kind), p.Family, p.Idempotency, billed,
			p.AttemptTimeout, p.Total())
	}
	return b.String()
}

// streamed says what of an RPC streams.
func streamed(kind Kind) string {
	if kind == Unary {
		return ""
	}
	return ", " + kind.String()
}

// Total is the total timeout in words: "none" for a stream.
func (p *Plan) Total() string {
	if p.Kind != Unary {
		return "none"
	}
	return p.TotalTimeout.String()
}
