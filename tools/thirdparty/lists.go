package main

import "strings"

// spreadLists writes every list of messages in option values as repeated fields:
//
//	cel: [ { id: "a" }, { id: "b" } ]
//	cel: { id: "a" } cel: { id: "b" }
//
// Both mean the same to protoc and buf, but protobuf.js, and with it every Node
// client that loads the protos (@grpc/proto-loader), reads only the second.
func spreadLists(text string) string {
	var out strings.Builder
	var open []string // what is open: "{", "[", or the name of the field of a list of messages
	written := 0      // text up to here is in out
	for i := 0; i < len(text); i++ {
		inside := len(open) > 0 && open[len(open)-1] != "{" && open[len(open)-1] != "["
		switch c := text[i]; c {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '/':
			if strings.HasPrefix(text[i:], "//") {
				i += strings.IndexByte(text[i:], '\n')
			}
		case '{':
			open = append(open, "{")
		case '[':
			before := strings.TrimRight(text[:i], " \n")
			if !strings.HasSuffix(before, ":") || !strings.HasPrefix(strings.TrimLeft(text[i+1:], " \n"), "{") {
				open = append(open, "[")
				continue
			}
			out.WriteString(text[written:i]) // "name: "
			written = i + 1
			before = strings.TrimSuffix(before, ":")
			open = append(open, before[strings.LastIndexAny(before, " \n")+1:])
		case ',':
			if inside {
				out.WriteString(text[written:i] + "\n" + open[len(open)-1] + ": ")
				written = i + 1
			}
		case '}', ']':
			if inside && c == ']' {
				out.WriteString(text[written:i])
				written = i + 1
			}
			open = open[:len(open)-1]
		}
	}
	out.WriteString(text[written:])
	return out.String()
}
