// Command mavera-gateway serves the Mavera REST API over gRPC.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/mavera-gateway/mavera-gateway/internal/config"
)

const usage = `mavera-gateway serves the Mavera REST API over gRPC.

Usage:

  mavera-gateway serve [flags]    start the gateway; serve --help lists the settings
  mavera-gateway routes           print every RPC with its route, limits and timeouts
  mavera-gateway version          print the version

Without a key: mavera-gateway serve --simulator
`

// Exit codes: 0 after an orderly stop, 1 when serving failed, 2 when the command
// line or a setting is wrong.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its process.
func run(ctx context.Context, args, environ []string, out, errOut io.Writer) int {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if (command == "routes" || command == "version") && len(args) > 0 {
		fmt.Fprintf(errOut, "%s takes no arguments, %q is one too many\n\n%s", command, args[0], usage)
		return exitUsage
	}
	var err error
	switch command {
	case "serve":
		err = serve(ctx, args, environ, out, errOut)
	case "routes":
		err = routes(out)
	case "version":
		_, err = fmt.Fprintln(out, "mavera-gateway", version())
	case "help", "-h", "--help":
		_, err = io.WriteString(out, usage)
	default:
		if command != "" {
			fmt.Fprintf(errOut, "unknown command %q\n\n", command)
		}
		fmt.Fprint(errOut, usage)
		return exitUsage
	}
	wrong := (*config.Error)(nil)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, config.ErrHelp):
		if err := config.Usage(out); err != nil {
			return exitFailed
		}
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(errOut, "%v\nmavera-gateway serve --help explains all settings.\n", wrong)
		return exitUsage
	default:
		fmt.Fprintln(errOut, "mavera-gateway:", err)
		return exitFailed
	}
}
