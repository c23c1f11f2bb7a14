package main

import (
	"slices"
	"strings"
	"testing"
)

const builder = "FROM golang:1.26 AS build\nRUN CGO_ENABLED=0 go build -o /out/mavera-gateway ./cmd/mavera-gateway\n"

func TestComplaints(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{
			name: "nothing wrong, image by argument",
			text: "ARG IMAGE=golang:1.26\nFROM ${IMAGE} AS build\nRUN go build -o /out/mavera-gateway .\nFROM scratch\nCOPY --from=build /out/mavera-gateway /\nUSER 65532:65532\nENTRYPOINT [\"/mavera-gateway\"]\n",
		},
		{
			name: "everything wrong", text: "FROM golang AS build\nADD . .\nFROM debian:latest\nCOPY --from=built /a /b\nUSER nobody\nHEALTHCHECK CMD true\nENTRYPOINT serve\n",
			want: []string{
				"FROM golang: the image has neither a version nor a digest",
				"ADD .: COPY does what it says",
				"FROM debian:latest: the image has neither a version nor a digest",
				"COPY --from=built: there is no such stage before",
				"HEALTHCHECK: Kubernetes ignores it, and the image has no program for it",
				"the image is not made from scratch",
				`USER "nobody": want the number of a user who is not root`,
				"ENTRYPOINT: want the JSON form, the image has no shell",
				"there is no RUN with go build",
			},
		},
		{
			name: "root by number", text: builder + "FROM scratch\nUSER 0\nENTRYPOINT [\"/a\"]\n",
			want: []string{`USER "0": want the number of a user who is not root`},
		},
		{
			name: "what BuildKit warns of", text: builder + "FROM scratch\nUSER 1\nMAINTAINER me\nENTRYPOINT [\"/a\"]\n",
			want: []string{"MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			file, err := parse(strings.NewReader(row.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := file.complaints(); !slices.Equal(got, row.want) {
				t.Errorf("\n got %q\nwant %q", got, row.want)
			}
		})
	}
}

func TestBuildLine(t *testing.T) {
	file, err := parse(strings.NewReader(builder))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := file.buildLine(), "CGO_ENABLED=0 go build -o /out/mavera-gateway ./cmd/mavera-gateway"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
