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
		fmt.Fprintf(&b, "| %s/%s | `%s %s` | %s | %s | %s | %s, %s |\n",
			strings.TrimPrefix(p.Service, "mavera.v1."), p.RPC, p.HTTPMethod, p.Route, p.Family, p.Idempotency, billed, p.AttemptTimeout, p.TotalTimeout)
	}
	return b.String()
}
