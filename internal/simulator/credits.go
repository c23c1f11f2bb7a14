package simulator

import "encoding/json"

// ledger holds what was spent in the billing period.
type ledger struct {
	used       float64
	workspaces map[string]float64
	projects   map[string]float64
	requests   int
	failures   int
	tokens     [2]int // Input and output.
	latencyMS  float64
	minutes    float64 // Of transcription.
}

// The fixed prices (/guides/credits).
const (
	personaPrice    = 300
	brandVoicePrice = 50
)

// charge takes credits from the balance and from the budgets of a workspace and
// a project ("" for none), or refuses with 402 and takes nothing.
func (c *call) charge(amount float64, workspace, project string) error {
	st := c.s.state
	if workspace == "" {
		workspace = defaultWorkspace
	}
	if st.ledger.used+amount > c.s.settings.Credits {
		return unpaid("credits_exhausted", "No credits are left in this billing period.")
	}
	if over(st.workspaces.byID[workspace], st.ledger.workspaces[workspace]+amount) {
		return unpaid("budget_exceeded", "The budget of the workspace is spent.")
	}
	if over(st.projects.byID[project], st.ledger.projects[project]+amount) {
		return unpaid("budget_exceeded", "The budget of the project is spent.")
	}
	st.ledger.used += amount
	st.ledger.workspaces[workspace] += amount
	if project != "" {
		st.ledger.projects[project] += amount
	}
	return nil
}

// over reports whether spending goes beyond the usage_limit of a record.
func over(r *record, spent float64) bool {
	if r == nil {
		return false
	}
	limit, ok := r.doc["usage_limit"].(json.Number)
	if !ok {
		return false
	}
	ceiling, err := limit.Float64()
	return err == nil && spent > ceiling
}

// count notes tokens for the usage report and returns the price of a text
// answer: 1 to 5 credits by tokens.
func (c *call) priceTokens(input, output int) float64 {
	c.tokens = [2]int{input, output}
	return float64(min(1+(input+output)/400, 5))
}

// estimate is the number of tokens of a text, at least 1.
func estimate(s string) int { return max((len(s)+3)/4, 1) }
