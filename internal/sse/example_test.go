package sse_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mavera-gateway/mavera-gateway/internal/sse"
)

func ExampleReader() {
	const stream = `: connected

event: content
data: {"content":"French buyers"}

event: done
data: {}

data: [DONE]

`
	events := sse.NewReader(strings.NewReader(stream), sse.Limits{Event: 1 << 20})
	for {
		event, err := events.Next()
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			fmt.Println("cut:", err)
			return
		case event.Done():
			fmt.Println("done")
		default:
			fmt.Printf("%s %s\n", event.Name, event.Data)
		}
	}
	// Output:
	// content {"content":"French buyers"}
	// done {}
	// done
}
