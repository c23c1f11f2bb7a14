package config

import (
	"regexp"
	"strings"
)

// parseEnviron reads the variables that start with GATEWAY_ or MAVERA_. All
// others, OTEL_* among them, belong to someone else.
func parseEnviron(settings []*Setting, environ []string) ([]given, []Problem) {
	var values []given
	var problems []Problem
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "GATEWAY_") && !strings.HasPrefix(name, "MAVERA_") {
			continue
		}
		setting, found := lookUp(settings, func(s *Setting) string { return s.Env }, name)
		switch {
		case found:
			values = append(values, given{setting: setting, text: text, source: "environment " + name})
		case fromKubernetes(name, text):
		default:
			var known []string
			for _, setting := range settings {
				known = append(known, setting.Env)
			}
			problems = append(problems, Problem{Setting: name, Source: "environment", Reason: unknown("variable", name, known)})
		}
	}
	return values, problems
}

// fromKubernetes reports whether a variable is one of those that Kubernetes
// sets in every container for each service of the namespace
// (kubernetes.io/docs/concepts/services-networking/service, environment
// variables). For a service called gateway or mavera-gateway they start like
// ours. The value is looked at as well, so that GATEWAY_PORT=8080, which an
// operator may have meant for us, is not taken for one.
func fromKubernetes(name, value string) bool {
	switch {
	case strings.HasSuffix(name, "_SERVICE_HOST"):
		return true
	case regexp.MustCompile(`_SERVICE_PORT(_[A-Z0-9_]+)?$`).MatchString(name),
		regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)$`).MatchString(name):
		return true
	case regexp.MustCompile(`_PORT(_[0-9]+_(TCP|UDP|SCTP))?$`).MatchString(name):
		return strings.Contains(value, "://")
	default:
		return false
	}
}
