package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// helpWidth is the width of the help in columns, which fits a terminal of 80.
const helpWidth = 79

// Usage writes the help of the serve command.
func Usage(w io.Writer) error {
	var text strings.Builder
	text.WriteString("Usage: mavera-gateway serve [flags]\n\n")
	wrap(&text, "", "Serves the Mavera API over gRPC. Every setting can be given as a flag, in the environment or in the YAML file "+
		"that --config names; a flag wins over the environment, the environment over the file. An empty value counts as not given. "+
		"Unknown flags, keys and GATEWAY_* and MAVERA_* variables are refused, except the variables that Kubernetes sets for its services.")
	text.WriteByte('\n')
	wrap(&text, "", "Telemetry is configured with OpenTelemetry's own OTEL_* variables. Traces and OTLP metrics are exported only when an exporter or an endpoint is set there.")
	text.WriteString("\nSettings, each with its flag, its variable and its key in the file:\n")
	for _, setting := range Settings() {
		names := []string{}
		for _, name := range []string{setting.Flag, setting.Env, setting.Key} {
			if name != "" {
				names = append(names, name)
			}
		}
		fmt.Fprintf(&text, "\n  %s\n", strings.Join(names, "  "))
		wrap(&text, "      ", setting.Help+" "+setting.form("default "+setting.Default))
	}
	text.WriteString("\n  --help\n      Print this help.\n")
	_, err := io.WriteString(w, text.String())
	return err
}

// form says which values are accepted and what holds without one.
func (s *Setting) form(byDefault string) string {
	form := s.Type
	if s.Unit != "" {
		form += ", " + s.Unit
	}
	if s.Default != "" {
		form += "; " + byDefault
	}
	return "(" + form + ")"
}

// wrap writes words to lines of at most helpWidth columns.
func wrap(out *strings.Builder, indent, words string) {
	line := indent
	for word := range strings.FieldsSeq(words) {
		if len(line)+1+len(word) > helpWidth {
			out.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	out.WriteString(line + "\n")
}

// MarkdownTable returns the settings as the table that the README shows.
func MarkdownTable() string {
	var table strings.Builder
	table.WriteString("| Setting | Flag | Environment | Value | Default | Meaning |\n|---|---|---|---|---|---|\n")
	for _, setting := range Settings() {
		value := setting.Type
		if setting.Unit != "" {
			value += ", " + setting.Unit
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s |\n",
			code(setting.Key), code(setting.Flag), code(setting.Env), value, code(setting.Default), setting.Help)
	}
	return table.String()
}

// code is a Markdown code span, or a dash for nothing.
func code(text string) string {
	if text == "" {
		return "–"
	}
	return "`" + text + "`"
}

// WriteYAML writes the effective configuration in the form of the YAML file,
// with the source of each value as a comment. A key is in its redacted form.
func (c Config) WriteYAML(w io.Writer) error {
	var text strings.Builder
	for _, setting := range Settings() {
		if setting.Key == "" {
			continue
		}
		value := setting.format(&c)
		switch setting.Type {
		case typeBool, typeDuration, typeInteger, typeNumber, "size":
		default:
			// Go's escapes are also YAML's (YAML 1.2, 5.7).
			value = strconv.Quote(value)
		}
		fmt.Fprintf(&text, "%s: %s # %s\n", setting.Key, value, c.Source(setting.Name))
	}
	_, err := io.WriteString(w, text.String())
	return err
}
