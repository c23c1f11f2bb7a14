package transcode

import (
	"net/url"
	"path"
	"strings"
	"testing"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

func TestTemplate(t *testing.T) {
	tests := []struct{ in, want, wantErr string }{
		{"/personas", "/personas", ""},
		{"/workspaces/{id}/members/{user_id}", "/workspaces/{}/members/{}", ""},
		{"personas", "", `path "personas" does not start with '/'`},
		{"", "", `path "" does not start with '/'`},
		{"/", "", `path "/": segment "" is no literal`},
		{"/personas/", "", `path "/personas/": segment "" is no literal`},
		{"/a b", "", `path "/a b": segment "a b" is no literal`},
		{"/a/{id", "", `path "/a/{id": segment "{id" is no variable of one segment`},
		{"/a/{}", "", `path "/a/{}": segment "{}" is no variable of one segment`},
		{"/a/{name=x/*}", "", `path "/a/{name=x/*}": segment "{name=x" is no variable of one segment`},
		{"/a/{id}:run", "", `path "/a/{id}:run": segment "{id}:run" is no variable of one segment`},
		{"/a/*", "", `path "/a/*": segment "*" is no literal`},
	}
	for _, tt := range tests {
		got, err := parseTemplate(tt.in)
		gotErr := ""
		if err != nil {
			gotErr = err.Error()
		}
		if gotErr != tt.wantErr || err == nil && got.route() != tt.want {
			t.Errorf("%q: got %q, %q, want %q, %q", tt.in, got.route(), gotErr, tt.want, tt.wantErr)
		}
	}
}

func TestPath(t *testing.T) {
	tests := []struct{ id, want, wantErr string }{
		{"clx1abc", "/personas/clx1abc", ""},
		{"a b", "/personas/a%20b", ""},
		{"é😀", "/personas/%C3%A9%F0%9F%98%80", ""},
		{"100%", "/personas/100%25", ""},
		{"%zz", "/personas/%25zz", ""},
		{"%41", "/personas/%2541", ""}, // stays what it is: the server sees %41
		{"a?b#c&d=e+f", "/personas/a%3Fb%23c&d=e+f", ""},
		{"...", "/personas/...", ""},
		{".a", "/personas/.a", ""},
		{"a;b", "/personas/a%3Bb", ""},
		{"a:b@c", "/personas/a:b@c", ""},
		{"", "", "must not be empty"},
		{"/", "", "must not hold a slash, a backslash or their escaped forms"},
		{"a/b", "", "must not hold a slash, a backslash or their escaped forms"},
		{`a\b`, "", "must not hold a slash, a backslash or their escaped forms"},
		{"a%2Fb", "", "must not hold a slash, a backslash or their escaped forms"},
		{"a%2fb", "", "must not hold a slash, a backslash or their escaped forms"},
		{"a%252Fb", "", "must not hold a slash, a backslash or their escaped forms"},
		{"a%25252Fb", "", "must not hold a slash, a backslash or their escaped forms"},
		{"a%2%35%32Fb", "", "must not hold a slash, a backslash or their escaped forms"}, // escaped digits of an escape
		{"%5c", "", "must not hold a slash, a backslash or their escaped forms"},
		{".", "", `must not be "." or ".."`},
		{"..", "", `must not be "." or ".."`},
		{"%2e%2E", "", `must not be "." or ".."`},
		{".%252e", "", `must not be "." or ".."`},
		{"..;x", "", `must not be "." or ".."`}, // a path parameter, cut off by some servers
		{"..%3Bx", "", `must not be "." or ".."`},
		{"a\nb", "", "must not hold control characters"},
		{"a%00", "", "must not hold control characters"},
		{"a%250d", "", "must not hold control characters"},
		{"a\u0085b", "", "must not hold control characters"},
		{"%C0%AF", "", "must be valid UTF-8 when unescaped"}, // a slash to lax decoders
	}
	for _, tt := range tests {
		in := &maverav1.GetPersonaRequest{Id: tt.id}
		if tt.wantErr != "" {
			checkRefused(t, "GetPersona", in, Violation{"id", tt.wantErr})
			continue
		}
		r, err := planOf(t, "GetPersona").Request(in)
		if err != nil || r.Target != tt.want {
			t.Errorf("%q: got %v, %v, want %s", tt.id, r, err, tt.want)
		}
	}
}

// TestUnescapeIsLinear: ids come from callers, and each level of escaping must
// not cost another pass.
func TestUnescapeIsLinear(t *testing.T) {
	id := "%" + strings.Repeat("25", 1<<16) + "2F"
	if got := unescapeAll(id); got != "/" {
		t.Errorf("got %.20q", got)
	}
}

func TestResource(t *testing.T) {
	tests := []struct{ rpc, in, wantType, wantName string }{
		{"GetPersona", `id:"p"`, "personas", "p"},
		{"ChatVideoAnalysis", `id:"v"`, "video-analyses", "v"},
		{"UpdateWorkspaceMember", `id:"w" user_id:"u"`, "workspaces/members", "u"},
		{"RunMeetingSchema", `id:"m" schema_id:"s"`, "meetings/schemas", "s"},
		{"ListPersonas", ``, "personas", ""},
		{"GetUsage", ``, "usage", ""},
	}
	for _, tt := range tests {
		p := planOf(t, tt.rpc)
		r, err := p.Request(input(t, p, tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.rpc, err)
		} else if r.Resource.Type != tt.wantType || r.Resource.Name != tt.wantName {
			t.Errorf("%s: got %+v, want %s, %s", tt.rpc, r.Resource, tt.wantType, tt.wantName)
		}
	}
}

// FuzzPath lets no id leave its route, however often the path is unescaped
// before it is normalised.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"clx1", "..", "%2e%2e", "a%252Fb", "é b", "..;", "%", "a?b#c", `\`, "\x00"} {
		f.Add(seed)
	}
	p := planOf(f, "ToggleFileFavorite")
	f.Fuzz(func(t *testing.T, id string) {
		r, err := p.Request(&maverav1.ToggleFileFavoriteRequest{Id: id})
		if err != nil {
			return
		}
		u, err := url.Parse("https://host/api/v1" + r.Target)
		if err != nil || u.Path != "/api/v1/files/"+id+"/favorite" || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q became %s, %v, %v", id, r.Target, u, err)
		}
		for at := r.Target; ; {
			clean := path.Clean(at)
			if clean != at || strings.Count(at, "/") != 3 || !strings.HasPrefix(at, "/files/") || !strings.HasSuffix(at, "/favorite") {
				t.Fatalf("%q became %q, which is %q", id, at, clean)
			}
			plain := unescapeAll(at)
			if once, err := url.PathUnescape(at); err == nil {
				plain = once
			}
			if plain == at {
				return
			}
			at = plain
		}
	})
}
