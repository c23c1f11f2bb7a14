package config

import (
	"strings"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

// parseFlags reads --name=value, --name value and, for a bool, --name alone;
// one dash will do. It is not the flag package because that one stops at the
// first mistake and repeats the value of it. The error is ErrHelp or nil.
func parseFlags(settings []*Setting, args []string) ([]given, []Problem, error) {
	var values []given
	var problems []Problem
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, text, hasText := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		dashes := len(arg) - len(strings.TrimLeft(arg, "-"))
		if dashes == 0 || dashes > 2 || name == "" {
			problems = append(problems, Problem{Setting: secret.Redact(arg), Source: "command line", Reason: "unexpected argument"})
			continue
		}
		if name == "h" || name == "help" {
			return nil, nil, ErrHelp
		}
		name = "--" + name
		setting, found := lookUp(settings, func(s *Setting) string { return s.Flag }, name)
		source := "flag " + name
		switch {
		case !found:
			problems = append(problems, Problem{Setting: secret.Redact(name), Source: "command line", Reason: unknownFlag(settings, name)})
			if !hasText && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				args = args[1:] // what is taken for its value
			}
			continue
		case hasText:
		case setting.Type == typeBool:
			text = on
		case len(args) == 0:
			problems = append(problems, Problem{Setting: setting.Name, Source: source, Reason: "the flag needs a value"})
			continue
		default:
			text, args = args[0], args[1:]
		}
		values = append(values, given{setting: setting, text: text, source: source})
	}
	return values, problems, nil
}

func unknownFlag(settings []*Setting, name string) string {
	var flags []string
	for _, setting := range settings {
		if setting.noFlag && name == "--"+strings.ReplaceAll(setting.Name, "_", "-") {
			return "there is no such flag, because flags can be read by every user of the machine; use " + setting.Env
		}
		flags = append(flags, setting.Flag)
	}
	return unknown("flag", name, flags)
}

// lookUp finds the setting whose name of one kind is the given one.
func lookUp(settings []*Setting, kind func(*Setting) string, name string) (*Setting, bool) {
	for _, setting := range settings {
		if name != "" && kind(setting) == name {
			return setting, true
		}
	}
	return nil, false
}
