package main

import (
	"debug/buildinfo"
)

// build is the commit that a Go program was built from, as the go command recorded it.
func build(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "of an unknown build"
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", changed"
		}
	}
	if commit == "" {
		return info.Main.Version
	}
	return commit[:min(len(commit), 12)] + changed
}
