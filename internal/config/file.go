package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

// parseFile reads the YAML file: one mapping from names to single values. It
// works on nodes and not on a struct, because a node knows its line and keeps
// the text of the value, which is then parsed as a flag's would be.
func parseFile(settings []*Setting, path string, readFile func(string) ([]byte, error)) ([]given, []Problem) {
	if path == "" {
		return nil, nil
	}
	refuse := func(err error) []Problem {
		// A syntax error may quote the line that holds the key.
		reason := strings.ReplaceAll(secret.Redact(err.Error()), "\n", "; ")
		return []Problem{{Setting: fileSetting, Value: path, Reason: reason}}
	}
	text, err := readFile(path)
	if err != nil {
		return nil, refuse(err)
	}
	root, err := rootMapping(text)
	if err != nil {
		return nil, refuse(err)
	}

	var values []given
	var problems []Problem
	var keys []string
	for _, setting := range settings {
		keys = append(keys, setting.Key)
	}
	lines := make(map[string]int, len(root)/2)
	for i := 0; i+1 < len(root); i += 2 {
		key, value := root[i], root[i+1]
		source := fmt.Sprintf("%s:%d", filepath.Base(path), key.Line)
		wrong := func(reason string) {
			problem := Problem{Setting: secret.Redact(key.Value), Source: source, Reason: reason}
			if key.Value == "" {
				problem.Setting = fileSetting
			}
			problems = append(problems, problem)
		}
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		setting, found := lookUp(settings, func(s *Setting) string { return s.Key }, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode:
			wrong("a key has to be the name of a setting")
		case !found:
			wrong(unknown("setting", key.Value, keys))
		case lines[key.Value] != 0:
			wrong(fmt.Sprintf("already set in line %d", lines[key.Value]))
		case setting.Type == typeList && value.Kind != yaml.ScalarNode:
			lines[key.Value] = key.Line
			text, err := listText(value)
			if err != nil {
				wrong(err.Error())
				continue
			}
			values = append(values, given{setting: setting, text: text, source: source})
		case value.Kind != yaml.ScalarNode:
			wrong("want a single value")
		case value.Tag == "!!null":
			lines[key.Value] = key.Line // given, but empty
		default:
			lines[key.Value] = key.Line
			values = append(values, given{setting: setting, text: value.Value, source: source})
		}
	}
	return values, problems
}

// rootMapping returns the keys and values of the only document of a YAML text,
// in turn. An empty text has none.
func rootMapping(text []byte) ([]*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one YAML document")
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	root := document.Content[0]
	switch {
	case root.Kind == yaml.MappingNode:
		return root.Content, nil
	case root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		return nil, nil
	default:
		return nil, fmt.Errorf("line %d: want settings in the form name: value", root.Line)
	}
}

// listText returns a YAML list, or a mapping of lists, in the form that flags have:
// a,b or x=a,b;y=c.
func listText(value *yaml.Node) (string, error) {
	if len(value.Content) == 0 {
		return "", errors.New("the list is empty, which would not mean nobody; leave the setting out")
	}
	if value.Kind == yaml.SequenceNode {
		return joined(value.Content)
	}
	entries := make([]string, 0, len(value.Content)/2)
	for i := 0; i+1 < len(value.Content); i += 2 {
		name, err := joined(value.Content[i : i+1])
		if err != nil {
			return "", err
		}
		members := value.Content[i+1 : i+2]
		if members[0].Kind == yaml.SequenceNode {
			members = members[0].Content
		}
		text, err := joined(members)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		entries = append(entries, name+"="+text)
	}
	return strings.Join(entries, ";"), nil
}

// joined returns single values, separated by commas.
func joined(values []*yaml.Node) (string, error) {
	texts := make([]string, len(values))
	for i, value := range values {
		if value.Kind != yaml.ScalarNode || value.Tag == "!!null" || strings.ContainsAny(value.Value, ",;=") {
			return "", errors.New("want lists of single values without commas, semicolons and equals signs")
		}
		texts[i] = value.Value
	}
	return strings.Join(texts, ","), nil
}
