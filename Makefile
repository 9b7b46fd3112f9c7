# make test is the one command; the others are parts of it.
SHELL := /bin/bash
.DEFAULT_GOAL := build

GO ?= $(shell command -v go || echo /usr/local/go/bin/go)
export PATH := $(PATH):/usr/local/go/bin
export GOFLAGS := -buildvcs=false

BINARY := build/gowsgi

# Tested without the race detector, which needs cgo:
#   ./jail          its tests re-execute the test binary as the child half of a jail, and that changes credentials on every thread with
#                   syscall.AllThreadsSyscall, which answers ENOTSUP in a cgo program;
#   ./worker/python its tests drive Python processes and have no concurrency of their own worth a tenfold slowdown.
NORACE := ./jail ./worker/python/...

PYTHON_FILES = $(shell find worker integration demo -name '*.py' -not -path '*/testdata/*' 2>/dev/null)

.PHONY: build test lint fmt fuzz chaos differential bench bench-jail demo setup clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BINARY) ./cmd/gowsgi

setup:
	@integration/setup.sh

test: setup build
	@$(GO) run ./integration/runtests -norace "$(NORACE)"

lint: setup
	@echo "lint: gofmt, go vet, staticcheck"
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$bad" ]; then echo "not gofmt'ed: $$bad"; exit 1; fi
	@$(GO) vet ./...
	@$(GO) tool staticcheck ./...
	@echo "lint: budgets, words, import table"
	@$(GO) run ./integration/lint
	@echo "lint: python"
	@for f in $(PYTHON_FILES); do /usr/bin/python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' $$f || exit 1; done
	@/usr/bin/python3 -m pyflakes $(PYTHON_FILES)
	@/usr/bin/python3 -m pycodestyle --max-line-length=120 --ignore=E203,W503,W504 $(PYTHON_FILES)

fmt:
	gofmt -w $$(git ls-files -co --exclude-standard '*.go')

# Kills and reloads at random under load; make test does it for half a minute. CHAOS_SEED repeats a run's choices.
CHAOS_SECONDS ?= 600
chaos: setup build
	@CGO_ENABLED=0 CHAOS_SECONDS=$(CHAOS_SECONDS) $(GO) test -v -count 1 -timeout $$(( $(CHAOS_SECONDS) + 300 ))s ./integration/chaos

# Signals, fifo letters and log lines beside those of the real uWSGI; make test compares ours with what came of it.
differential: setup build
	@CGO_ENABLED=0 DIFFERENTIAL=1 $(GO) test -v -count 1 -timeout 20m -run '^TestSame' ./integration

# Each fuzz target for FUZZTIME; go test takes one target at a time.
FUZZTIME ?= 10s
fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "fuzz: $$pkg $$target"; CGO_ENABLED=0 $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

# Comparison with Debian's uWSGI; BENCH_ROUNDS, BENCH_REQUESTS, BENCH_CLIENTS change its size.
bench: setup build
	@CGO_ENABLED=0 $(GO) test -run '^$$' -bench . -benchtime 1x -count 1 -timeout 30m ./integration/bench

# The jail alone, and the time to its first byte, beside bubblewrap, unshare, crun, runc and uWSGI.
bench-jail: setup build
	@CGO_ENABLED=0 $(GO) test -run '^$$' -bench '^BenchmarkJail' -benchtime 1x -count 1 -timeout 30m ./integration/bench

# Root gives the app an ordinary user; an ordinary user needs nothing, the jail gets a user namespace.
demo: build
	@echo "http://127.0.0.1:8080 (metrics: http://127.0.0.1:9191/metrics), Ctrl-C ends it"
	@exec $(BINARY) --ini demo/demo.ini $$([ "$$(id -u)" = 0 ] && echo --uid nobody --gid nogroup)

clean:
	rm -rf build
