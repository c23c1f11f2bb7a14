package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The values of OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER and
// OTEL_EXPORTER_OTLP_PROTOCOL that are understood.
const (
	exporterOTLP       = "otlp"
	exporterConsole    = "console"
	exporterPrometheus = "prometheus"
	exporterNone       = "none"

	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
)

// grpcPort is the port registered for OTLP over gRPC (OTLP specification,
// default port); OTLP over HTTP has 4318.
const grpcPort = "4317"

// environment returns a variable of OpenTelemetry's environment. An empty one
// is an unset one (specification, environment variables).
func environment(name string) string {
	return strings.TrimSpace(os.Getenv(name))
}

// sdkDisabled reports whether OTEL_SDK_DISABLED turns export off.
func sdkDisabled() bool {
	return strings.EqualFold(environment("OTEL_SDK_DISABLED"), "true")
}

// exporters returns the names that OTEL_<signal>_EXPORTER lists, each once and
// without none. When the variable is not set, that is otlp if an endpoint is
// set, else nothing: the specification's default, otlp to localhost, would
// fill the log of everyone who runs no collector.
func exporters(signal string, known ...string) ([]string, error) {
	variable := "OTEL_" + signal + "_EXPORTER"
	list := environment(variable)
	if list == "" {
		if _, endpoint := otlpEndpoint(signal); endpoint == "" {
			return nil, nil
		}
		list = exporterOTLP
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		switch {
		case !slices.Contains(known, name) && name != exporterNone:
			return nil, fmt.Errorf("%s: unknown exporter %q; want %s or %s", variable, name, strings.Join(known, ", "), exporterNone)
		case name != exporterNone && !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	return names, nil
}

// otlpEndpoint returns the endpoint that applies to a signal and its variable.
func otlpEndpoint(signal string) (variable, endpoint string) {
	variable = "OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT"
	if endpoint = environment(variable); endpoint != "" {
		return variable, endpoint
	}
	variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
	return variable, environment(variable)
}

// otlpProtocol returns the protocol for a signal. When it is not set, it is
// http/protobuf, as the specification recommends, except for an endpoint with
// the port of OTLP over gRPC, where nothing else would work.
//
// The endpoint is checked here because the exporters take one without a scheme
// for something else in silence.
func otlpProtocol(signal string) (string, error) {
	port := ""
	if variable, text := otlpEndpoint(signal); text != "" {
		endpoint, err := url.Parse(text)
		if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
			return "", errors.New(variable + ": want a URL such as http://localhost:4317")
		}
		port = endpoint.Port()
	}
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch protocol := environment(variable); protocol {
		case "":
		case protocolGRPC, protocolHTTP:
			return protocol, nil
		default:
			return "", fmt.Errorf("%s: unknown protocol %q; want %s or %s", variable, protocol, protocolGRPC, protocolHTTP)
		}
	}
	if port == grpcPort {
		return protocolGRPC, nil
	}
	return protocolHTTP, nil
}

// spanExporters makes the exporters for traces. None of them connects yet.
func spanExporters(ctx context.Context) ([]sdktrace.SpanExporter, error) {
	names, err := exporters("TRACES", exporterOTLP, exporterConsole)
	if err != nil {
		return nil, err
	}
	var made []sdktrace.SpanExporter
	for _, name := range names {
		var exporter sdktrace.SpanExporter
		if name == exporterConsole {
			exporter, err = stdouttrace.New()
		} else {
			exporter, err = otlpSpanExporter(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("make trace exporter: %w", err)
		}
		made = append(made, exporter)
	}
	return made, nil
}

func otlpSpanExporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	protocol, err := otlpProtocol("TRACES")
	if err != nil {
		return nil, err
	}
	if protocol == protocolGRPC {
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}

// metricExporters makes the exporters for metrics, beside /metrics, which is
// always there; for that reason prometheus is accepted and adds nothing.
func metricExporters(ctx context.Context) ([]sdkmetric.Exporter, error) {
	names, err := exporters("METRICS", exporterOTLP, exporterConsole, exporterPrometheus)
	if err != nil {
		return nil, err
	}
	var made []sdkmetric.Exporter
	for _, name := range names {
		var exporter sdkmetric.Exporter
		switch name {
		case exporterPrometheus:
			continue
		case exporterConsole:
			exporter, err = stdoutmetric.New()
		default:
			exporter, err = otlpMetricExporter(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("make metric exporter: %w", err)
		}
		made = append(made, exporter)
	}
	return made, nil
}

func otlpMetricExporter(ctx context.Context) (sdkmetric.Exporter, error) {
	protocol, err := otlpProtocol("METRICS")
	if err != nil {
		return nil, err
	}
	if protocol == protocolGRPC {
		return otlpmetricgrpc.New(ctx)
	}
	return otlpmetrichttp.New(ctx)
}

// propagator returns what OTEL_PROPAGATORS lists, by default the W3C trace
// context and baggage.
func propagator() (propagation.TextMapPropagator, error) {
	list := environment("OTEL_PROPAGATORS")
	if list == "" {
		list = "tracecontext,baggage"
	}
	names := strings.Split(list, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	made, err := autoprop.TextMapPropagator(names...)
	if err != nil {
		return nil, fmt.Errorf("OTEL_PROPAGATORS: %w", err)
	}
	return made, nil
}
