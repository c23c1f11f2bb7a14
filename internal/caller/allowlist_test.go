package caller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAllowList(t *testing.T) {
	const id = "want spiffe://<trust domain>/<path> or dns:<name>"
	for _, row := range []struct{ in, want, wantErr string }{
		{in: "b.S=spiffe://example.org/a/*,dns:Cart ; a.S=* ;*=spiffe://example.org/a", want: "*=spiffe://example.org/a;a.S=*;b.S=spiffe://example.org/a/*,dns:cart"},
		{in: "spiffe://example.org/a", wantErr: "want entries service=caller,caller separated by semicolons"},
		{in: "a.S=*;", wantErr: "want entries service=caller,caller separated by semicolons"},
		{in: "=*", wantErr: "want entries service=caller,caller separated by semicolons"},
		{in: "a.S=*;a.S=*", wantErr: "a.S has two entries"},
		{in: "a.S=", wantErr: `a.S: "": ` + id},
		{in: "a.S=cart", wantErr: `a.S: "cart": ` + id},
		{in: "a.S=dns:cart/*", wantErr: `a.S: "dns:cart/*": /* stands at the end of a SPIFFE ID only`},
	} {
		got, err := ParseAllowList(row.in)
		if text := errText(err); got.String() != row.want || text != row.wantErr || got.IsZero() != (err != nil) {
			t.Errorf("%s:\n got %s, %s\nwant %s, %s", row.in, got, text, row.want, row.wantErr)
		}
	}
}

func TestPermits(t *testing.T) {
	list, err := ParseAllowList("a.S=spiffe://example.org/ns/shop/*;open.S=*;*=" + string(edge))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.S", "open.S"}, list.Services()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	closed, err := ParseAllowList("a.S=" + string(cart))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name    string
		list    AllowList
		service string
		id      ID
		want    bool
	}{
		{"no list", AllowList{}, "a.S", Nobody, true},
		{"on the list", list, "a.S", cart, true},
		{"nobody", list, "a.S", Nobody, false},
		{"not on the list", list, "a.S", edge, false},
		{"an entry of its own takes the place of *", list, "b.S", edge, true},
		{"by *", list, "b.S", cart, false},
		{"open", list, "open.S", Nobody, true},
		{"a service without an entry, and no *", closed, "b.S", cart, false},
	} {
		if got := row.list.Permits(row.service, row.id); got != row.want {
			t.Errorf("%s: got %v", row.name, got)
		}
	}
	if !(AllowList{}).Open() || !list.Open() || closed.Open() {
		t.Error("Open is wrong")
	}
}
