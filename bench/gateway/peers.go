package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// benchmarkKey is what peers are given, who hand it on.
const benchmarkKey = "mvra_live_benchmark0000000000000000"

// nginxConfig is the shortest that proxies with connections kept open, which nginx does
// not by itself, and that passes streams on as they come. It logs every call, as it does by
// default and the gateway too.
const nginxConfig = `
worker_processes auto;
daemon off;
pid %dir/nginx.pid;
error_log stderr;
events { worker_connections 8192; }
http {
	access_log %dir/nginx.log;
	client_body_temp_path %dir; proxy_temp_path %dir; fastcgi_temp_path %dir; uwsgi_temp_path %dir; scgi_temp_path %dir;
	upstream mavera { server %upstream; keepalive 64; }
	server {
		listen %address reuseport;
		keepalive_requests 1000000;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		location / {
			proxy_pass http://mavera;
		}
		location = %replies {
			proxy_pass http://mavera;
			proxy_buffering off;
		}
	}
}
`

// haproxyConfig keeps connections open, as HAProxy does by default. It logs nothing: its
// logs go to syslog, which need not be here.
const haproxyConfig = `
global
	maxconn 8192
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
	http-reuse always
listen mavera
	bind %address
	server upstream %upstream
`

func startNginx(ctx context.Context, b *bench) (*system, error) {
	return b.startProxy(ctx, nginxName, nginxConfig, []string{"-v"}, func(file string) []string {
		return []string{"-c", file, "-p", b.dir, "-e", "stderr"}
	})
}

func startHAProxy(ctx context.Context, b *bench) (*system, error) {
	return b.startProxy(ctx, haproxyName, haproxyConfig, []string{"-v"}, func(file string) []string {
		return []string{"-db", "-q", "-f", file}
	})
}

// startProxy starts a proxy with a configuration.
func (b *bench) startProxy(ctx context.Context, name, config string, version []string, args func(file string) []string) (*system, error) {
	program, err := exec.LookPath(name)
	if err != nil {
		return nil, notInstalled(name)
	}
	said, err := exec.CommandContext(ctx, program, version...).CombinedOutput() //nolint:gosec // a program of the table of rows
	if err != nil {
		return nil, &absentError{fmt.Sprintf("%s does not run: %v", program, err)}
	}
	address, err := rig.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("%dir", b.dir, "%address", address, "%upstream", b.upstream.Address, "%replies", basePath+rig.ReplyPath).Replace(config)
	file := filepath.Join(b.dir, name+".conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	p, err := rig.Start(ctx, address, os.Environ(), os.Stderr, program, args(file)...)
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	base := "http://" + address + basePath
	return b.answering(ctx, p, first, base, get(base, benchmarkKey))
}

// startPortkey starts Portkey's gateway, which is told of its upstream by headers and
// trusts this machine's address without being told.
func startPortkey(ctx context.Context, b *bench) (*system, error) {
	program, err := exec.LookPath(portkeyName)
	if err != nil {
		return nil, notInstalled(portkeyName)
	}
	node, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return nil, &absentError{"it needs Node, which is not on PATH"}
	}
	address, err := rig.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(address, ":")
	p, err := rig.Start(ctx, address, append(os.Environ(), "NODE_ENV=production"), io.Discard, program, "--headless", "--port="+port)
	if err != nil {
		return nil, err
	}
	version := fmt.Sprintf("Portkey gateway %s on Node %s", portkeyVersion(program), strings.TrimSpace(string(node)))
	return b.answering(ctx, p, version, "", chat(address, b.base, benchmarkKey))
}

// portkeyVersion is what the package says of itself, beside the program that starts it.
func portkeyVersion(program string) string {
	var manifest struct {
		Version string `json:"version"`
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(program), portkeyName+".d", "node_modules", "@portkey-ai", "gateway", "package.json"))
	if err != nil || json.Unmarshal(text, &manifest) != nil {
		return "of unknown version"
	}
	return manifest.Version
}

func notInstalled(name string) error {
	return &absentError{"it is not on PATH (tools/install " + name + ")"}
}
