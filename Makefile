# Weir needs nothing but Go. "make help" lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
GO ?= go
FUZZTIME ?= 60s
SEEDS ?= 200
REGRESS_RUNS ?= 20
KAFKA_RUNS ?= 10
STRESS_COUNT ?= 20
STRESS_PACKAGES ?= ./...

# Packages that run goroutines: the operating-system backend and what is
# driven through it. The race detector sees nothing inside coroutines, so the
# simulated side is left out.
RACE_PACKAGES := ./env/... ./broker/... ./workloads/client/... ./workloads/program/... ./workloads/calibrate/... ./workloads/experiment/... \
	./workloads/target/local/... ./linearizability/... ./reports/...

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: ## build bin/weir
	$(GO) build -o bin/weir ./cmd/weir

.PHONY: test
test: vet ## vet, weirlint and all tests
	$(GO) test -timeout 9m ./...

# Package by package, so that what fails says where, and on the machine that
# "make test" has to pass on: quiet first, then beside a busy loop per core.
.PHONY: test-stress
test-stress: ## every test STRESS_COUNT (20) times at -cpu 1,2,4, in quiet and beside busy loops; hours
	stress() { for pkg in $$($(GO) list $(STRESS_PACKAGES)); do \
		$(GO) test -count=$(STRESS_COUNT) -cpu 1,2,4 -timeout 10h $$pkg || bad="$$bad $$pkg($$1)"; done; }; \
	bad=; stress quiet; \
	busy=; trap 'kill $$busy 2>/dev/null' EXIT; \
	for core in $$(seq $$(getconf _NPROCESSORS_ONLN)); do (while :; do :; done) & busy="$$busy $$!"; done; \
	stress loaded; \
	if [ -n "$$bad" ]; then echo "failed:$$bad"; exit 1; fi

.PHONY: outside
outside: ## build and test docs/examples/outside, a module of somebody else that uses simtest and brokertest
	cd docs/examples/outside && $(GO) vet ./... && $(GO) test -count=1 -timeout 5m ./...

.PHONY: vet
vet: ## go vet and weirlint, the analyzer that keeps simulated code deterministic
	$(GO) vet ./...
	$(GO) run ./cmd/weirlint ./...

.PHONY: race
race: ## the race detector on everything that runs on the operating system
	$(GO) test -race -short -timeout 20m $(RACE_PACKAGES)

.PHONY: determinism
determinism: ## the same traces in programs for amd64 v1 and v3, 386 and WebAssembly
	$(GO) test ./workloads/tracehash -v -count=1 -timeout 20m -args -everywhere

# Every fuzz target there is: what is added is found.
.PHONY: fuzz
fuzz: ## the fuzz targets, FUZZTIME (60s) each
	grep -roE '^func Fuzz[A-Za-z0-9]+' --include='*_test.go' . | sed -E 's|/[^/]*:func | |' | sort | \
	while read -r dir target; do \
		echo "$$dir $$target"; \
		$(GO) test "$$dir" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) </dev/null; \
	done

.PHONY: hostile
hostile: ## hostile input against a running broker, as much of it as docs/operations.md speaks of
	$(GO) test ./cmd/weir -run '^TestABrokerOutlives' -v -count=1 -timeout 20m -args -hostile

.PHONY: apache-kafka
apache-kafka: build ## brokers of Apache Kafka (Maven, JDK) killed and held KAFKA_RUNS (10) times: nothing may be lost; then with acks=1: each loss excused
	for seed in $$(seq $(KAFKA_RUNS)); do \
		bin/weir run signals --seed $$seed --target apache-kafka; \
		bin/weir run signals-lossy --seed $$seed --target apache-kafka; \
	done

# Their tests have Java or Kafka in their names, and import apachekafka.
.PHONY: java
java: ## Apache Kafka's clients, tools and brokers (Maven, JDK) against Weir; minutes
	WEIR_JAVA=1 $(GO) test -v -count=1 -p 1 -timeout 20m -run 'Java|Kafka' \
		$$(grep -rl 'brokertest/apachekafka' --include='*_test.go' . | xargs -n 1 dirname | sort -u)

.PHONY: bench
bench: ## simulation speed
	$(GO) test -run '^$$' -bench . -benchtime 3s ./sim ./workloads

# The failpoint rewriter hands rewritten sources to the compiler behind the
# build cache's back: with a shared cache, rewritten and plain packages would
# mix. Hence a cache of its own, and one such build at a time.
.PHONY: faultbuild
faultbuild: ## build bin/weir-faults, which has the planted bugs in it
	mkdir -p bin
	toolexec=$$($(GO) tool -n failpoint-toolexec) && \
	exec 9>bin/.faultbuild.lock && flock 9 && \
	GOMODCACHE=$$($(GO) env GOMODCACHE) GOCACHE=$$($(GO) env GOCACHE)/weir-faults \
		$(GO) build -toolexec="$$toolexec" -o bin/weir-faults ./cmd/weir

# With counters of which functions ran. Counters are only written by a program
# whose main package counts too.
.PHONY: coverbuild
coverbuild: ## build bin/weir-cover, which counts what of the broker a campaign reaches
	$(GO) build -cover -covermode=atomic -coverpkg=./broker/...,./cmd/weir -o bin/weir-cover ./cmd/weir

.PHONY: planted
planted: faultbuild ## planted bugs are found where they were found before, and named for what they are
	bin/weir-faults mutants --known
	WEIR_FAULTS=$(CURDIR)/bin/weir-faults $(GO) test ./cmd/weir -run '^TestPlantedBugs' -v -count=1 -timeout 20m

.PHONY: mutants
mutants: faultbuild ## the score: SEEDS (200) seeds against every planted bug, into RESULTS.md, and plans of new finds; hours
	bin/weir-faults mutants --seeds $(SEEDS) --cpu 30m --save-known workloads/mutants/known
	bin/weir-faults results --only '' --add mutants=weir-out/mutants/mutants.json

.PHONY: regress-proof
regress-proof: build faultbuild ## weir regress on equal builds and on a planted slowdown, REGRESS_RUNS (20) times each
	bin/weir regress-proof --runs $(REGRESS_RUNS)

.PHONY: campaign
campaign: build ## SEEDS (200) seeds of the quickstart scenario
	bin/weir campaign --seeds $(SEEDS)

.PHONY: results
results: build ## measure everything again and write RESULTS.md; leave the machine alone meanwhile
	$(GO) test -run '^$$' -bench 'Events|IdleCluster|AckedProduce|OpenLoop' -benchtime 3s ./sim ./workloads | tee bin/bench.txt
	for part in measured judged; do \
		$(GO) test -run '^$$' -bench "SaturatedI3en/$$part" -benchtime 1x ./workloads | tee -a bin/bench.txt; \
	done
	bin/weir results --bench bin/bench.txt $(addprefix --add regress=,$(wildcard weir-out/regress/proof.json))

.PHONY: lint
lint: ## golangci-lint (see .ci/run for the version)
	golangci-lint run ./...

.PHONY: clean
clean: ## remove what was built and measured
	rm -rf bin weir-out
