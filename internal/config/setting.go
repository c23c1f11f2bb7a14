package config

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

// Names of types and values that stand in several places.
const (
	typeBool     = "bool"
	typeDuration = "duration"
	typeInteger  = "integer"
	typeList     = "list"
	typeNumber   = "number"

	on  = "true"
	off = "false"
)

// Setting is one row of the table: all that is known about one setting.
type Setting struct {
	// Name is the key of the YAML file, such as grpc_addr.
	Name string
	// Flag is the flag with its dashes, such as --grpc-addr; empty when the
	// setting has none.
	Flag string
	// Env is the environment variable, such as GATEWAY_GRPC_ADDR; empty when
	// the setting has none.
	Env string
	// Key is Name again, or empty when the setting can't be in the YAML file.
	Key string
	// Type names the form of a value: bool, duration, host:port, integer, key,
	// list, number, path, size, URL or the words that are accepted.
	Type string
	// Unit says which values are accepted, where the type does not.
	Unit string
	// Default is the default in the form of a given value; empty for none.
	Default string
	// Help is for operators: whole sentences.
	Help string
	// Secret marks a value that is never shown.
	Secret bool

	noFlag, noEnv, noKey bool

	set    func(*Config, string) error
	format func(*Config) string
	hide   func(string) string
}

// row completes a setting: names that are not given are derived from its name,
// and parse and the field it fills become set and format.
func row[T any](setting Setting, field func(*Config) *T, parse func(string) (T, error)) *Setting {
	if !setting.noFlag {
		setting.Flag = "--" + strings.ReplaceAll(setting.Name, "_", "-")
	}
	if !setting.noEnv && setting.Env == "" {
		setting.Env = "GATEWAY_" + strings.ToUpper(setting.Name)
	}
	if !setting.noKey {
		setting.Key = setting.Name
	}
	setting.set = func(config *Config, text string) error {
		if text == "" {
			return nil // no default
		}
		value, err := parse(text)
		if err != nil {
			return err
		}
		*field(config) = value
		return nil
	}
	setting.format = func(config *Config) string {
		switch value := any(*field(config)).(type) {
		case slog.Level:
			return strings.ToLower(value.String())
		case time.Duration:
			return shortDuration(value)
		case interface{ IsZero() bool }:
			if value.IsZero() {
				return ""
			}
		}
		return fmt.Sprint(*field(config))
	}
	return &setting
}

// maxShown is how much of a wrong value, in bytes, an error repeats.
const maxShown = 200

// shown returns the part of a given value that may be printed.
func (s *Setting) shown(text string) string {
	if s.Secret {
		return ""
	}
	if s.hide != nil {
		text = s.hide(text)
	}
	text = secret.Redact(text)
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "..."
	}
	return text
}
