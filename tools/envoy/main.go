// Command envoy holds a bootstrap of Envoy against Envoy's own protos and their
// constraints, and against what the gateway asks of a proxy: no retries and no ejection
// of pods.
//
//	go run ./envoy FILE
package main

import (
	"fmt"
	"os"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3" // named by typed_config
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3" // named by typed_config
	"google.golang.org/protobuf/encoding/protojson"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: envoy FILE")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = check(text)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// check returns the first fault of a bootstrap in YAML.
func check(text []byte) error {
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return fmt.Errorf("read YAML: %w", err)
	}
	var bootstrap bootstrapv3.Bootstrap
	if err := protojson.Unmarshal(asJSON, &bootstrap); err != nil {
		return fmt.Errorf("read bootstrap: %w", err)
	}
	if err := bootstrap.ValidateAll(); err != nil {
		return fmt.Errorf("validate bootstrap: %w", err)
	}
	for _, cluster := range bootstrap.GetStaticResources().GetClusters() {
		if cluster.GetOutlierDetection() != nil {
			return fmt.Errorf("cluster %s: outlier_detection ejects pods for what Mavera does", cluster.GetName())
		}
	}
	for _, listener := range bootstrap.GetStaticResources().GetListeners() {
		for _, chain := range listener.GetFilterChains() {
			for _, filter := range chain.GetFilters() {
				var manager hcmv3.HttpConnectionManager
				if err := filter.GetTypedConfig().UnmarshalTo(&manager); err != nil {
					return fmt.Errorf("filter %s: %w", filter.GetName(), err)
				}
				if err := checkManager(&manager); err != nil {
					return fmt.Errorf("filter %s: %w", filter.GetName(), err)
				}
			}
		}
	}
	return nil
}

func checkManager(manager *hcmv3.HttpConnectionManager) error {
	if err := manager.ValidateAll(); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	for _, host := range manager.GetRouteConfig().GetVirtualHosts() {
		if host.GetRetryPolicy() != nil {
			return fmt.Errorf("virtual host %s has a retry_policy", host.GetName())
		}
		for i, route := range host.GetRoutes() {
			if err := checkRoute(route.GetRoute()); err != nil {
				return fmt.Errorf("route %d of %s: %w", i, host.GetName(), err)
			}
		}
	}
	return nil
}

func checkRoute(route *routev3.RouteAction) error {
	const longest = 300 // seconds: the longest total of an RPC
	if route.GetRetryPolicy() != nil {
		return fmt.Errorf("it has a retry_policy")
	}
	if timeout := route.GetTimeout(); timeout == nil || timeout.GetSeconds() != 0 && timeout.GetSeconds() <= longest {
		return fmt.Errorf("its timeout must be 0s or above %d s, Envoy's default is 15 s", longest)
	}
	return nil
}
