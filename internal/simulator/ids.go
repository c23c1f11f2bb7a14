package simulator

import (
	"math/rand/v2"
	"strings"
)

// ids makes identifiers; the same seed gives the same ones in the same order.
type ids struct{ random *rand.Rand }

func newIDs(seed uint64) *ids {
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // Not a secret.
	}
	return &ids{rand.New(rand.NewPCG(seed, 0x6d6176657261))} //nolint:gosec // Not a secret.
}

// next returns prefix and n characters of a-z and 0-9.
func (i *ids) next(prefix string, n int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	var b strings.Builder
	b.WriteString(prefix)
	for range n {
		b.WriteByte(alphabet[i.random.IntN(len(alphabet))])
	}
	return b.String()
}

// id returns an identifier of the usual length, for instance file_k3j9x0qwe81m.
func (c *call) id(prefix string) string { return c.s.state.ids.next(prefix, 12) }

// cuid returns an identifier of the form that personas and analyses have.
func (c *call) cuid() string { return c.s.state.ids.next("cl", 23) }
