package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// ErrHelp is returned by [Parse] when the arguments ask for help.
var ErrHelp = errors.New("help is asked for")

// Error lists everything that is wrong with a configuration.
type Error struct {
	Problems []Problem
}

// Error returns the problems, one a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Problem is one thing that is wrong.
type Problem struct {
	// Setting is the name of the setting, or what was taken for one.
	Setting string
	// Value is the value as it was given; empty for a secret or where the value
	// is not at fault.
	Value string
	// Source says where the value was found, such as "flag --share",
	// "environment GATEWAY_SHARE" or "gateway.yaml:7".
	Source string
	// Reason says what is wrong and what is wanted.
	Reason string
}

// String returns the problem as one line:
//
//	share = "2" (flag --share): want a number above 0 and at most 1
func (p Problem) String() string {
	var line strings.Builder
	line.WriteString(oneLine(p.Setting))
	if p.Value != "" {
		fmt.Fprintf(&line, " = %q", p.Value)
	}
	if p.Source != "" {
		fmt.Fprintf(&line, " (%s)", oneLine(p.Source))
	}
	fmt.Fprintf(&line, ": %s", oneLine(p.Reason))
	return line.String()
}

// oneLine quotes a text that would not print as part of one line.
func oneLine(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// longName is the length, in bytes, from which a name with two slips is still the same.
const longName = 8

// unknown returns the reason for a name that is none of the known ones.
func unknown(what, name string, known []string) string {
	best, least := "", 3 // up to two slips,
	if len(name) < longName {
		least = 2 // one where two would turn it into another word
	}
	for _, candidate := range known {
		if distance := editDistance(name, candidate); candidate != "" && distance < least {
			best, least = candidate, distance
		}
	}
	if best == "" {
		return "unknown " + what
	}
	return "unknown " + what + "; did you mean " + best + "?"
}

// editDistance counts the bytes to insert, delete or replace to turn a into b
// (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
