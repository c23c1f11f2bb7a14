package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const (
	liveKey    = "mvra_live_abcdefghijklmnopqrstuv"
	liveHidden = "mvra_live_abcd..."
)

func mustParse(t *testing.T, text string) Key {
	t.Helper()
	key, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestParseKey(t *testing.T) {
	tests := []struct{ name, in, want, wantErr string }{
		{"plain", liveKey, liveKey, ""},
		{"white space around", "\r\n " + liveKey + " \t\n", liveKey, ""},
		{"another form is not refused", "sk-1", "sk-1", ""},
		{"empty", " \n", "", "the key is empty"},
		{"two lines", liveKey + "\n" + liveKey, "", "character 33 of the key is not visible ASCII"},
		{"not ASCII", "mvra_é", "", "character 6 of the key is not visible ASCII"},
		{"a whole file", strings.Repeat("a", 4097), "", "the key has 4097 bytes, more than 4096"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key, err := ParseKey(test.in)
			if got := fmt.Sprint(err); test.wantErr != "" && got != test.wantErr || test.wantErr == "" && err != nil {
				t.Errorf("error %q, want %q", got, test.wantErr)
			}
			if key.Reveal() != test.want {
				t.Errorf("key %q, want %q", key.Reveal(), test.want)
			}
		})
	}
}

func TestKeyIsComparable(t *testing.T) {
	calls := map[Key]int{mustParse(t, liveKey): 1}
	calls[mustParse(t, " "+liveKey)]++
	if len(calls) != 1 || calls[mustParse(t, liveKey)] != 2 {
		t.Errorf("equal keys are two map keys: %v", calls)
	}
	if !(Key{}).IsZero() || mustParse(t, liveKey).IsZero() {
		t.Error("IsZero is wrong")
	}
}

// TestKeyNeverPrints prints a key in every way Go has, also as an unexported
// field, whose methods fmt does not call.
func TestKeyNeverPrints(t *testing.T) {
	key := mustParse(t, liveKey)
	type nested struct{ key Key }
	type exported struct{ Key Key }
	var printed strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%40s"} {
		for _, value := range []any{key, &key, nested{key}, &nested{key}, exported{key}, []Key{key}, map[Key]Key{key: key}} {
			fmt.Fprintf(&printed, verb+"\n", value)
		}
	}
	text, err := json.Marshal(map[string]any{"key": key, "in": exported{key}})
	if err != nil {
		t.Fatal(err)
	}
	printed.Write(text)
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("m", "key", key, "in", exported{key})
	slog.New(slog.NewTextHandler(&printed, nil)).Info("m", "key", key, "in", exported{key})
	if strings.Contains(printed.String(), "abcde") {
		t.Errorf("the key is printed:\n%s", printed.String())
	}
	if strings.Contains(printed.String(), fmt.Sprintf("%x", "abcde")) {
		t.Errorf("the key is printed in hexadecimal:\n%s", printed.String())
	}
}

func TestKeyString(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"documented form", liveKey, liveHidden},
		{"short", "mvra_live_abcdefgh", "mvra_live_..."},
		{"other mvra_ form", "mvra_test_abcdefghijklmnop", "mvra_..."},
		{"other prefix", "sk_live_abcdefghijklmnop", "[redacted]"},
		{"a character that ends keys in text", `mvra_live_abcdefghijklmnop"qrst`, liveHidden},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key := mustParse(t, test.in)
			marshalled, err := key.MarshalText()
			got := []string{key.String(), key.GoString(), key.LogValue().String(), string(marshalled), fmt.Sprintf("%d", key)}
			for _, form := range got {
				if form != test.want || err != nil {
					t.Errorf("forms %q (error %v), want %q", got, err, test.want)
				}
			}
		})
	}
	if got := (Key{}).String(); got != "" {
		t.Errorf("no key prints as %q", got)
	}
}
