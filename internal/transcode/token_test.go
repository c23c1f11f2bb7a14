package transcode

import (
	"encoding/base64"
	"errors"
	"slices"
	"testing"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

func TestToken(t *testing.T) {
	for _, at := range []position{
		{offset: 1},
		{offset: 1 << 40},
		position{}.after("x"),
		position{}.after("a").after("b").after("\x00 é"),
		{cursor: "x", offset: 20, steps: 7, mark: 9},
	} {
		got, err := parseToken(at.token(42), 42)
		if err != nil || got != at {
			t.Errorf("got %+v, %v, want %+v", got, err, at)
		}
		if _, err := parseToken(at.token(42), 43); !errors.Is(err, errToken) {
			t.Errorf("%+v: holds for another list as well: %v", at, err)
		}
	}
}

func TestGarbageTokens(t *testing.T) {
	good, err := base64.RawURLEncoding.DecodeString(position{}.after("file_042").token(42))
	if err != nil {
		t.Fatal(err)
	}
	tokens := []string{
		"", "x", "!", "AAAA", "AQ", string(good), base64.StdEncoding.EncodeToString(good) + "=",
		position{}.token(42), // the first page needs none
	}
	for i := range good { // of the version as of everything else
		changed := slices.Clone(good)
		changed[i] ^= 1
		tokens = append(tokens, base64.RawURLEncoding.EncodeToString(changed), base64.RawURLEncoding.EncodeToString(good[:i]))
	}
	for _, token := range tokens {
		if at, err := parseToken(token, 42); !errors.Is(err, errToken) {
			t.Errorf("%q: taken as %+v, %v", token, at, err)
		}
	}
}

// TestTokenBinding: a token holds for one RPC and its filters, whatever the size
// of the page.
func TestTokenBinding(t *testing.T) {
	p := planOf(t, "ListFiles")
	first := &maverav1.ListFilesRequest{WorkspaceId: new("w"), PageSize: new(int32(10))}
	r, err := p.Request(first)
	if err != nil {
		t.Fatal(err)
	}
	token := new(position{}.after("x").token(r.page.list.bind()))

	same := &maverav1.ListFilesRequest{WorkspaceId: new("w"), PageSize: new(int32(20)), PageToken: token}
	if r, err := p.Request(same); err != nil || r.Target != "/files?workspace_id=w&limit=20&cursor=x" {
		t.Errorf("another page_size: %+v, %v", r, err)
	}
	want := Violation{"page_token", "is not a token that this RPC gave for these filters"}
	checkRefused(t, "ListFiles", &maverav1.ListFilesRequest{WorkspaceId: new("v"), PageToken: token}, want)
	checkRefused(t, "ListFiles", &maverav1.ListFilesRequest{WorkspaceId: new("w"), Search: new(""), PageToken: token}, want)
	checkRefused(t, "ListProjects", &maverav1.ListProjectsRequest{WorkspaceId: new("w"), PageToken: token}, want)
	folder := &maverav1.GetFolderRequest{Id: "a"}
	if r, err = planOf(t, "GetFolder").Request(folder); err != nil {
		t.Fatal(err)
	}
	checkRefused(t, "GetFolder", &maverav1.GetFolderRequest{Id: "b", PageToken: new(position{}.after("x").token(r.page.list.bind()))}, want)
}

// FuzzToken reads whatever a caller may send: every token that is taken is one
// that the gateway could have given.
func FuzzToken(f *testing.F) {
	f.Add(position{offset: 3}.token(42), uint64(42))
	f.Add(position{}.after("a").after("b").token(7), uint64(7))
	f.Add("AQEAAAAAAAAAAAA", uint64(0))
	f.Fuzz(func(t *testing.T, token string, bind uint64) {
		at, err := parseToken(token, bind)
		if err != nil {
			return
		}
		again, err := parseToken(at.token(bind), bind)
		if err != nil || again != at {
			t.Errorf("%q: %+v, then %+v, %v", token, at, again, err)
		}
		if at.offset < 0 || (at.cursor == "") != (at.steps == 0) {
			t.Errorf("%q: %+v is no position", token, at)
		}
	})
}
