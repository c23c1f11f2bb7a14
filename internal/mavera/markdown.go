package mavera

import (
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
)

// MarkdownTable is the table of failures as the README shows it, one line for each
// row, in the order in which the rows are tried. ErrorInfo, RequestInfo and
// LocalizedMessage, which every status has, are not listed.
func MarkdownTable() string {
	var out strings.Builder
	out.WriteString("| Mavera or cause | gRPC code | reason | details | retried by the gateway |\n")
	out.WriteString("|---|---|---|---|---|\n")
	rows := table()
	for i, r := range rows {
		status, reason := codeName(r.code), "upstream code"
		if r.reason != "" {
			reason = "`" + r.reason + "`"
		}
		if r.unknownOutcome {
			status = "idempotent: " + status + "; else " + codeName(codes.Unknown)
			reason = "idempotent: " + reason + "; else `OUTCOME_UNKNOWN`"
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n",
			r.matches(rows[:i]), status, reason, strings.Join(r.detailNames(), ", "), r.retry)
	}
	return out.String()
}

// codeName is the name of a code as google.rpc.Code spells it.
func codeName(c codes.Code) string {
	return "`" + code.Code(c).String() + "`"
}

// matches says what the row is for, after the rows before it.
func (r *row) matches(before []*row) string {
	var causes []string
	switch {
	case r.low == 0:
	case r.low == r.high:
		causes = append(causes, fmt.Sprint(r.low))
	default:
		other := ""
		for _, b := range before {
			if r.low <= b.low && b.high <= r.high {
				other = "other "
			}
		}
		causes = append(causes, fmt.Sprintf("any %sfrom %d to %d", other, r.low, r.high))
	}
	if r.cause != "" {
		causes = append(causes, string(r.cause))
	}
	return strings.Join(causes, "; ")
}

// detailNames names what the row adds to every status.
func (r *row) detailNames() []string {
	var names []string
	for _, d := range []struct {
		has  bool
		name string
	}{
		{r.code == codes.Unauthenticated, "metadata `credential`"},
		{r.details&badRequest != 0, "BadRequest"},
		{r.details&preconditionFailure != 0, "PreconditionFailure"},
		{r.details&resourceInfo != 0, "ResourceInfo"},
		{r.details&quotaFailure != 0, "QuotaFailure"},
		{r.retry != never, "RetryInfo"},
		{r.help != "", "Help"},
	} {
		if d.has {
			names = append(names, d.name)
		}
	}
	return names
}

func (r retryRule) String() string {
	return [...]string{never: "no", always: "yes", idempotent: "idempotent only", byCaller: "no, the caller may after the delay of RetryInfo"}[r]
}
