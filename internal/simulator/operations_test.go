package simulator

import (
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/contract/contracttest"
)

func TestOperationsAreThoseOfTheContract(t *testing.T) {
	v, err := contracttest.Load()
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ ID, Route, Family string }
	var got, want []row
	for _, op := range operations() {
		got = append(got, row{op.id, op.String(), op.family})
	}
	for _, op := range v.Operations() {
		want = append(want, row{op.ID, op.String(), op.Family()})
		mine, _, refusal := newRouter(operations()).find(op.Method, BasePath+op.Path)
		if refusal != nil {
			t.Errorf("%s: %v", op, refusal)
		} else if !op.Declares(mine.status) {
			t.Errorf("%s: status %d is not in the contract", op, mine.status)
		}
	}
	sort.Slice(got, func(i, j int) bool { return got[i].ID < got[j].ID })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table of operations (-contract +simulator):\n%s", diff)
	}
}
