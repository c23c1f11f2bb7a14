# The build of mavera-gateway. Plain `make` lists the targets. CI runs nothing that
# is not here.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory

# Tools live outside the tree at pinned versions; tools/install puts them there.
# bin/ comes first, so that tests and people run what was just built.
export PATH := $(CURDIR)/bin:$(shell tools/install --path):$(PATH)

# Flags for every `go test`, as in make test GOTESTFLAGS='-v -run Paging'.
GOTESTFLAGS ?=
# Benchmarks to run and how long each: make bench BENCH=Decode BENCHTIME=3s.
BENCH ?= .
BENCHTIME ?= 1s
# Flags of make bench-gateway, as in BENCHFLAGS='-quick -rows gateway'.
BENCHFLAGS ?=
# How long each fuzz target runs.
export FUZZTIME ?= 10s
# The commit whose protos must stay compatible; tools/breaking chooses by default.
export BREAKING_AGAINST ?=

# The race detector needs a C compiler (cgo); nothing else here does.
CC_FOUND := $(shell command -v "$$(go env CC | cut -d' ' -f1)" || true)
RACE := $(if $(CC_FOUND),-race)
# Order must not matter, so it changes from run to run; a failure prints its seed.
GOTEST := CGO_ENABLED=$(if $(CC_FOUND),1,0) go test $(RACE) -shuffle=on

# The version of a binary is the tag or commit it was built from, which the go
# command records. Outside a usable repository there is none.
BUILDVCS := $(shell git rev-parse --verify HEAD >/dev/null 2>&1 && echo true || echo false)

GO_FILES = $(shell find . -name '*.go' -not -path './gen/*' -not -path '*/node_modules/*')
# Packages with golden files define an -update flag.
GOLDEN_PACKAGES = $(sort $(dir $(shell grep -rlE --include='*_test.go' 'flag[.]Bool."update"' . || true)))
BENCH_PACKAGES = $(sort $(dir $(shell grep -rlE --include='*_test.go' '^func Benchmark' . || true)))

# The Node clients of the end-to-end tests, once per change of their lock file.
NODE_MODULES := $(if $(wildcard e2e/node/package.json),e2e/node/node_modules/.package-lock.json)

.PHONY: help
help: ## Lists the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS=$$'\t' read -r target text; do printf '  %-16s %s\n' "$$target" "$$text"; done

.PHONY: all
all: generate lint test build ## Generates, lints, tests and builds: run it before a pull request

.PHONY: build
build: ## Builds static binaries into bin/
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(BUILDVCS) -ldflags '-s -w' -o bin/ ./cmd/...

.PHONY: run
run: ## Runs the gateway with the embedded simulator: no key, no network, Go alone
	go run ./cmd/mavera-gateway serve --simulator

.PHONY: simulator
simulator: ## Runs the Mavera simulator by itself
	go run ./cmd/mavera-simulator

.PHONY: test
test: check-race check-node check-generate unit e2e ## Runs every test, installing what is missing; fails if gen/ is stale

.PHONY: unit
unit: check-race ## Runs the tests beside the code, seeds of the fuzz targets included
	$(GOTEST) -timeout 5m $(GOTESTFLAGS) ./...
	@# The race detector allocates too, so allocations are counted without it.
	$(if $(RACE),go test -run '^TestAllocations' ./internal/transcode ./resilience ./server)
	cd tools && go test ./...

.PHONY: e2e
e2e: check-race check-node $(NODE_MODULES) ## Runs the end-to-end tests: real binaries, ports and clients
	@tools/install chromium grpcurl grpc-health-probe helm jaeger nginx prometheus promtool
	@if [[ -d e2e ]]; then set -x; \
		$(GOTEST) -timeout 10m -tags e2e $(GOTESTFLAGS) ./e2e/...; fi

.PHONY: golden
golden: ## Rewrites the golden files; read the diff before you commit it
	$(if $(GOLDEN_PACKAGES),go test $(GOLDEN_PACKAGES) -update,@echo 'there are no golden files')

.PHONY: bench
bench: build ## Runs the benchmarks (BENCH=<regexp> BENCHTIME=1s), then whole calls against a floor
	$(if $(BENCH_PACKAGES),go test -tags e2e -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem $(BENCH_PACKAGES),@echo 'there are no benchmarks')
	go run ./bench/gateway -parts closed -rows protojson,gateway -rounds 15

.PHONY: bench-gateway
bench-gateway: build ## Prints what the gateway adds to calls and events beside floors, proxies and Portkey; writes bin/bench-gateway.json and .svg
	@for peer in haproxy nginx portkey; do tools/install $$peer || true; done
	go run ./bench/gateway -json bin/bench-gateway.json -svg bin/bench-gateway.svg $(BENCHFLAGS)

.PHONY: bench-resilience
bench-resilience: ## Prints the figures of pacing, retries and breakers; fails if a target is missed
	go test -count=1 -run '^TestFigures$$' -v ./bench/resilience

.PHONY: bench-streams
bench-streams: build ## Prints what streams cost against a bare relay; fails if a target is missed
	go run ./bench/streams

.PHONY: fuzz
fuzz: ## Fuzzes every target for FUZZTIME (10s)
	tools/fuzz

.PHONY: generate
generate: ## Generates gen/mavera from proto/
	@tools/install buf protoc-gen-go protoc-gen-go-grpc
	buf generate

.PHONY: check-generate
check-generate: ## Fails if gen/mavera or proto/third_party is stale
	@tools/install buf protoc-gen-go protoc-gen-go-grpc
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	buf generate -o "$$fresh"; \
	diff -r gen/mavera "$$fresh/gen/mavera" >&2 || \
		{ echo "gen/mavera is stale: run 'make generate' and commit the result" >&2; exit 1; }; \
	(cd tools && go run ./thirdparty "$$fresh/third_party"); \
	buf format -w "$$fresh/third_party"; \
	diff -r proto/third_party "$$fresh/third_party" >&2 || \
		{ echo "proto/third_party is stale: run 'make third-party' and commit the result" >&2; exit 1; }

.PHONY: third-party
third-party: ## Prints proto/third_party from the Go modules pinned in tools/go.mod
	@tools/install buf
	rm -rf proto/third_party
	cd tools && go run ./thirdparty ../proto/third_party
	buf format -w proto

.PHONY: manifests
manifests: ## Renders deploy/kubernetes from the Helm chart
	@tools/install helm
	tools/manifests

.PHONY: lint
lint: lint-proto lint-go lint-deploy ## Runs all linters

.PHONY: lint-proto
lint-proto: ## Lints the protos, their format and their compatibility
	@tools/install buf
	buf lint
	@buf format -d --exit-code || { echo "run 'make fmt'" >&2; exit 1; }
	tools/breaking

.PHONY: lint-go
lint-go: ## Lints the Go code, its format and its dependencies
	@tools/install gofumpt golangci-lint
	@unformatted=$$(gofumpt -l $(GO_FILES)); [[ -z $$unformatted ]] || \
		{ printf '%s\n' "not formatted, run 'make fmt':" "$$unformatted" >&2; exit 1; }
	@! grep -rnE --include='*.go' --include='*.proto' 'TODO' . | grep -vE 'TODO\(#[0-9]+\)' >&2 || \
		{ echo "a TODO names its issue: TODO(#12)" >&2; exit 1; }
	go mod tidy -diff
	cd tools && go mod tidy -diff
	go vet -tags e2e ./...
	golangci-lint run ./...
	cd tools && golangci-lint run --config ../.golangci.yml ./...

.PHONY: lint-deploy
lint-deploy: ## Checks deploy/: the chart, manifests, examples, alerts, Dockerfile
	tools/lint-deploy

.PHONY: fmt
fmt: ## Formats the Go code and the protos
	@tools/install buf gofumpt
	gofumpt -w $(GO_FILES)
	buf format -w

.PHONY: tools
tools: ## Installs all tools at the versions pinned in tools/versions
	@tools/install

.PHONY: clean
clean: ## Removes what was built; the tool cache stays
	rm -rf bin dist e2e/node/node_modules

.PHONY: check-race
check-race:
ifeq ($(RACE),)
	@echo "there is no C compiler, which the race detector needs: testing without it" >&2
	@[[ -z $${CI:-} ]] || { echo "CI must not test without it: install gcc or clang" >&2; exit 1; }
endif

.PHONY: check-node
check-node:
	@command -v node >/dev/null && command -v npm >/dev/null || \
		{ echo "the end-to-end tests have clients written for Node: install Node 20 or later, with npm" >&2; exit 1; }

e2e/node/node_modules/.package-lock.json: e2e/node/package.json e2e/node/package-lock.json
	cd e2e/node && npm ci --no-audit --no-fund --loglevel error
	@touch $@
