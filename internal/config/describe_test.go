package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; go test -update writes it\n%s", path, got)
	}
}

func TestUsage(t *testing.T) {
	var text strings.Builder
	if err := Usage(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "usage", text.String())
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "      ") && len(line) > helpWidth+1 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

func TestMarkdownTable(t *testing.T) {
	golden(t, "table", MarkdownTable())
}

func TestWriteYAML(t *testing.T) {
	config, err := Parse([]string{"--config=dir/a.yaml", "--share=0.5"}, []string{"GATEWAY_LOG_LEVEL=warn"}, files{"dir/a.yaml": everything}.read)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := config.WriteYAML(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "effective", text.String())
}

// TestWriteYAMLReadsBack prints a configuration without a key and reads it as
// a file: nothing may change.
func TestWriteYAMLReadsBack(t *testing.T) {
	file := strings.ReplaceAll(everything, "api_key: "+key, "") + "\n"
	file = strings.ReplaceAll(file, `api_key_file: ""`, `api_key_file: "/run/a \"key\"\t\x01é"`)
	first, err := Parse([]string{"--config=a.yaml"}, nil, files{"a.yaml": file}.read)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := first.WriteYAML(&text); err != nil {
		t.Fatal(err)
	}
	second, err := Parse([]string{"--config=a.yaml"}, nil, files{"a.yaml": text.String()}.read)
	if err != nil {
		t.Fatal(err)
	}
	first.sources, second.sources = nil, nil
	if !reflect.DeepEqual(first, second) {
		t.Errorf("\nwritten %+v\n   read %+v", first, second)
	}
}

// TestSettings holds every row to the rules of the table.
func TestSettings(t *testing.T) {
	seen := map[string]string{}
	for _, setting := range Settings() {
		for _, name := range []string{setting.Name, setting.Flag, setting.Env} {
			if name != "" && seen[name] != "" {
				t.Errorf("%s is used by %s and %s", name, seen[name], setting.Name)
			}
			seen[name] = setting.Name
		}
		if setting.Env != "" && fromKubernetes(setting.Env, "tcp://10.0.0.1:1") {
			t.Errorf("%s could be set by Kubernetes", setting.Env)
		}
		if !strings.HasSuffix(setting.Help, ".") || setting.Type == "" || strings.Contains(setting.Help, "|") {
			t.Errorf("%s: help %q, type %q", setting.Name, setting.Help, setting.Type)
		}
		var config Config
		if err := setting.set(&config, setting.Default); err != nil {
			t.Errorf("%s: default %q: %v", setting.Name, setting.Default, err)
		}
		if setting.Secret && (setting.Flag != "" || setting.shown("any") != "") {
			t.Errorf("%s is a secret with a flag or shown", setting.Name)
		}
	}
}
