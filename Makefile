# Every target installs what it needs itself and works again the second time.
# Variables of the command line, such as PACKAGES, are in the environment of
# the scripts: make exports those.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VERSION ?= $(patsubst v%,%,$(shell git describe --tags --match 'v[0-9]*' --always --dirty 2>/dev/null || echo dev))
COMMIT ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## run everything on this machine: Postgres, traffic, the bridge (ARGS="--for 20s")
	@scripts/prepare go postgres
	@go build -ldflags '$(LDFLAGS)' -o bin/bridge ./cmd/bridge
	@exec bin/bridge demo $(ARGS)

.PHONY: build
build: ## build bin/bridge
	@scripts/prepare go
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/bridge ./cmd/bridge

.PHONY: test
test: ## run all tests with the race detector (PACKAGES=./demo for some)
	@scripts/prepare go gcc postgres node chromium nginx haproxy caddy pgbouncer prometheus redis systemd python-socketio
	@scripts/test

.PHONY: bare
bare: ## run both commands on a minimal Debian in a chroot (as root; FRESH=1 anew)
	@scripts/prepare go debootstrap
	@scripts/bare

.PHONY: release
release: ## build packages, archives, bill of materials and checksums in dist/ (TARGETS=linux/amd64 VERSION=0.1.0)
	@scripts/prepare go
	@scripts/release

.PHONY: chart
chart: ## check the Helm chart and the manifests made from it, and print what it makes with everything turned on
	@scripts/prepare go
	@scripts/chart

.PHONY: lint
lint: ## gofumpt, vet, staticcheck
	@scripts/prepare go
	@scripts/lint

.PHONY: fmt
fmt: ## format all Go code
	go tool gofumpt -l -w .

.PHONY: bench
bench: ## measure: benchmarks, fan-out and the scenes of a CRM beside Node and gorilla, the whole path beside Node, reading beside pg_recvlogical (BEFORE=revision, LONG=1)
	@scripts/prepare go postgres node
	@scripts/bench

.PHONY: bench-compare
bench-compare: ## Go benchmarks of this revision beside the one before, by benchstat (BEFORE=HEAD~1 PACKAGES=./a,./b ROUNDS=10)
	@scripts/prepare go
	go run ./bench/compare -before $(or $(BEFORE),HEAD~1) -rounds $(or $(ROUNDS),10) $(if $(PACKAGES),-packages '$(PACKAGES)')

.PHONY: pgo
pgo: ## a profile for the compiler from the benchmarks, and whether it makes the bridge faster
	@scripts/prepare go
	@scripts/pgo

.PHONY: failover
failover: ## every failure at full length, with 50 real clients; prints the table of docs/failover.md
	@scripts/prepare go postgres node nginx haproxy caddy
	FAILOVER=full go test -count=1 -timeout 60m -v ./internal/failover

.PHONY: model
model: ## run random programs against the Hub (SEEDS=1000000 for a night, FIRST=1); prints the shortest that fails
	@scripts/prepare go
	go test -count=1 -timeout 24h -run '^TestModel$$' ./bridge/hub -model.seeds=$(or $(SEEDS),20000) -model.first=$(or $(FIRST),1)

.PHONY: cluster
cluster: cluster-model cluster-faults ## both of the next: a night is SEEDS=1000000 ROUNDS=10

.PHONY: cluster-model
cluster-model: ## run random faults against a simulated cluster of bridges (SEEDS=100000, FIRST=1)
	@scripts/prepare go
	GOGC=400 go test -count=1 -timeout 24h -run '^TestModel$$' ./bridge/cluster -cluster.seeds=$(or $(SEEDS),4000) -cluster.first=$(or $(FIRST),1)

.PHONY: cluster-faults
cluster-faults: ## every fault of a cluster, with 60 real clients, each ROUNDS (10) times, PARALLEL (2) clusters at a time; writes the table of docs/cluster.md (ONLY=regexp for some of its rows); goes on where it was broken off, by bench-results/cluster-faults
	@scripts/prepare go gcc postgres node redis
	CLUSTER=full CLUSTER_ROUNDS=$(or $(ROUNDS),10) CLUSTER_PARALLEL=$(or $(PARALLEL),2) \
		CLUSTER_RECORD=$(CURDIR)/bench-results/cluster-faults CLUSTER_DOC=$(CURDIR)/docs/cluster.md \
		go test -count=1 -timeout 12h -v -run '^TestClusterFaults$$$(if $(ONLY),/$(ONLY))' ./internal/failover

.PHONY: cluster-figures
cluster-figures: ## what a cluster costs beside a single bridge, in ROUNDS (4) rounds; writes the other table of docs/cluster.md
	@scripts/prepare go postgres redis
	CLUSTER=figures CLUSTER_ROUNDS=$(or $(ROUNDS),4) CLUSTER_DOC=$(CURDIR)/docs/cluster.md \
		go test -count=1 -timeout 3h -v -run '^TestClusterFigures$$' ./internal/failover

.PHONY: mutants
mutants: ## break the code in one place after the other; a test must notice each (ONLY=regexp)
	@scripts/prepare go postgres
	@go run ./internal/mutants/mutate -doc docs/mutants.md $(if $(ONLY),-only '$(ONLY)')

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@scripts/prepare go
	@scripts/fuzz $(or $(FUZZTIME),30s)

.PHONY: clean
clean: ## remove what building and testing left in this folder
	rm -rf bin bench-results dist
	find . -name node_modules -type d -prune -exec rm -rf {} +
