package secret

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"no key", "a plain text, 100 %", "a plain text, 100 %"},
		{"empty", "", ""},
		{"key alone", "mvra_live_abcdefghijklmnopqrstuv", "mvra_live_abcd..."},
		{"least length that shows four", "mvra_live_abcd34567890", "mvra_live_abcd..."},
		{"one character shorter", "mvra_live_abcd3456789", "mvra_live_..."},
		{"dots do not make a key longer", "mvra_live_abcdefgh......", "mvra_live_..."},
		{"nothing after the prefix", "mvra_live_", "mvra_live_..."},
		{"another kind of key", "mvra_test_abcdefghijklmnopqrstuv", "mvra_..."},
		{"cut inside the prefix", "mvra_liv", "mvra_..."},
		{"bare prefix", "the prefix is mvra_ as documented", "the prefix is mvra_... as documented"},
		{"separator among the first four", "mvra_live_ab-defghijklmnopqrstuv", "mvra_live_..."},
		{"redacted form stays", "key mvra_live_abcd... was used", "key mvra_live_abcd... was used"},
		{"header", "Authorization: Bearer mvra_live_abcdefghijklmnopqrstuv\r\nAccept: */*", "Authorization: Bearer mvra_live_abcd...\r\nAccept: */*"},
		{"URL", "https://x/?key=mvra_live_abcdefghijklmnopqrstuv&page=2", "https://x/?key=mvra_live_abcd...&page=2"},
		{"JSON", `{"key":"mvra_live_abcdefghijklmnopqrstuv","n":1}`, `{"key":"mvra_live_abcd...","n":1}`},
		{"JSON inside JSON", `{\"key\":\"mvra_live_abcdefghijklmnopqrstuv\"}`, `{\"key\":\"mvra_live_abcd...\"}`},
		{"two keys", "mvra_live_abcdefghijklmnopqrstuv,mvra_live_zyxwvutsrqponmlkjihgfe", "mvra_live_abcd...,mvra_live_zyxw..."},
		{"key glued to a key", "mvra_mvra_live_abcdefghijklmnopqrstuv", "mvra_..."},
		{"glued to a word", "tokenmvra_live_abcdefghijklmnopqrstuv", "tokenmvra_live_abcd..."},
		{"odd characters belong to the key", "mvra_live_abcdefghijkl+/=.~%2F:@#$!?é€ end", "mvra_live_abcd... end"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Redact(test.in); got != test.want {
				t.Errorf("Redact(%q)\n got %q\nwant %q", test.in, got, test.want)
			}
		})
	}
}

// FuzzRedact builds a text around a key and looks for what must not be left of
// the key: anything after its first four characters.
func FuzzRedact(f *testing.F) {
	f.Add("Bearer ", "live_", "abcdefghijklmnopqrstuv", "\r\n")
	f.Add(`{"key":"`, "live_", "abcd", `"}`)
	f.Add("mvra_", "", "0123456789", " mvra_live_x")
	f.Add("mvra_live_abcd...", "test_", "abcd....efgh", "")
	f.Fuzz(func(t *testing.T, before, kind, tail, after string) {
		// A digit that occurs nowhere else stands for each secret character.
		clean := strings.NewReplacer("0", "", "1", "", "2", "", "3", "")
		before, kind, after = clean.Replace(before), clean.Replace(kind), clean.Replace(after)
		var key strings.Builder
		for i := range len(tail) {
			key.WriteByte("0123"[tail[i]%4])
		}
		for i := range len(kind) {
			if endsKey(kind[i]) {
				t.Skip("the kind ends the key")
			}
		}
		got := Redact(before + prefix + kind + key.String() + after)
		left := 0
		for _, digit := range "0123" {
			left += strings.Count(got, string(digit))
		}
		if left > shownLength || left > 0 && key.Len() < shownLength {
			t.Errorf("%d characters of the key are left in %q", left, got)
		}
		if again := Redact(got); again != got {
			t.Errorf("not stable:\nonce  %q\ntwice %q", got, again)
		}
	})
}
