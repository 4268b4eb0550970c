# sqlbridge: build, try, test. `make help` lists the targets.

SHELL := /bin/bash
CARGO ?= cargo
# Debian's Python: its sqlite3 can load extensions, that of pyenv cannot.
PYTHON ?= /usr/bin/python3
VENV ?= .venv
NODE_MODULES ?= sql-tests/hosts/node/node_modules
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# Where tests find what was built and installed.
export SQLBRIDGE_EXTENSION ?= $(abspath $(TARGET_DIR))/release/libsqlbridge
export SQLBRIDGE_S3GATE ?= $(abspath $(TARGET_DIR))/release/s3gate
export SQLBRIDGE_NODE_MODULES = $(abspath $(NODE_MODULES))
export SQLBRIDGE_JDBC = $(abspath $(VENV))/java
export SQLBRIDGE_PROCEDURES ?= $(abspath build/procedures)
export SQLBRIDGE_GUESTS ?= $(abspath build/guests)
export SQLBRIDGE_PG_FRONTEND ?= $(abspath $(TARGET_DIR))/release/pg-frontend

export SQLBRIDGE_TEST_S3GATE = $(SQLBRIDGE_S3GATE)
export SQLBRIDGE_TEST_PYTHON = $(abspath $(VENV))/bin/python
export SQLBRIDGE_TEST_AZURITE = $(SQLBRIDGE_NODE_MODULES)/.bin/azurite-blob
export LITESTREAM = $(abspath $(VENV))/bin/litestream

# The hosts of the matrix and the tools of the tests, as Debian calls them.
APT_PACKAGES := gcc g++ make git python3-venv sqlite3 sqlite3-tools libsqlite3-dev strace tcl libsqlite3-tcl \
                php-cli php-sqlite3 libdbd-sqlite3-perl ruby ruby-sqlite3 \
                clang lld wasi-libc libclang-rt-14-dev-wasm32 \
                postgresql-15 postgresql-client-15 libpostgresql-jdbc-java prometheus
JDBC_VERSION := 3.46.1.3
DEMO_PACKAGES := gcc python3-venv sqlite3

# All targets at once: tests and the library are made of the same build of each dependency.
BUILD = $(CARGO) build --release --workspace --all-targets
PYTEST = $(VENV)/bin/python -m pytest sql-tests
SOAK_SECONDS ?= 600
SIM_SEEDS ?= 2000
FUZZ_SECONDS ?= 60

# The kits for guests, each with a Makefile of its own: all, test, lint.
KITS := c go rust schemascript
KIT = $(MAKE) --no-print-directory -C guests/$(1) OUT=$(SQLBRIDGE_GUESTS) $(2)

.PHONY: all help procedures guests demo test test-rust test-kits test-sql soak fuzz bench lint test-deps demo-deps venv node-modules wasm-target java-driver clean

all: ## the library: target/release/libsqlbridge.so
	$(CARGO) build --release -p sqlbridge

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

procedures: ## the examples of stored procedures, in each language whose toolchain is here: build/procedures
	@$(MAKE) --no-print-directory -C guests/procedures OUT=$(SQLBRIDGE_PROCEDURES) CARGO_TARGET_DIR=$(abspath $(TARGET_DIR)) \
	    ASC=$(SQLBRIDGE_NODE_MODULES)/.bin/asc

guests: ## the example guests, in each language whose toolchain is here: build/guests
	@set -e; for kit in $(KITS); do $(call KIT,$$kit,all); done

demo: demo-deps all procedures ## a tour on a local directory, step by step, with the real litestream at its end
	$(VENV)/bin/python demo/tour.py

test: test-deps test-rust test-kits test-sql ## all tests, the long ones short

test-rust: ## unit, property and conformance tests
	$(BUILD)
	$(CARGO) test --release --workspace
	cd guests/procedures && CARGO_TARGET_DIR=$(abspath $(TARGET_DIR)) $(CARGO) test --release -p sqlbridge-procedure

test-kits: ## the kits for guests, outside of the sandbox
	@set -e; for kit in $(KITS); do $(call KIT,$$kit,test); done

test-sql: procedures guests ## tests as a user writes them: real hosts, servers, kills and faults
	$(BUILD)
	$(PYTEST)

soak: test-deps ## simulated histories from SIM_SEEDS (2000) seeds, then the bank under random kills, SOAK_SECONDS (600) on each store
	$(BUILD)
	SIM_SEEDS=$(SIM_SEEDS) $(CARGO) test --release -p sqlbridge-vfs --test sim
	SQLBRIDGE_SOAK_SECONDS=$(SOAK_SECONDS) $(PYTEST) -m soak -s

fuzz: ## each fuzz target for FUZZ_SECONDS (60); needs cargo-fuzz (cargo install cargo-fuzz), and Go and gcc for the kits' own
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo "make fuzz: cargo-fuzz is not installed: cargo install cargo-fuzz --locked"; exit 1; }
	set -e; for target in $$($(CARGO) fuzz list); do CARGO="$(CARGO)" fuzz/run $$target -max_total_time=$(FUZZ_SECONDS); done
	@set -e; for kit in go schemascript; do $(call KIT,$$kit,fuzz) FUZZ_SECONDS=$(FUZZ_SECONDS); done

bench: venv procedures guests ## the numbers of the README, as ratios and counts: a local directory, an S3 server, PostgreSQL beside ours
	$(BUILD)
	$(VENV)/bin/python sql-tests/with_s3.py $(abspath $(TARGET_DIR))/release/sqlbridge-bench
	$(VENV)/bin/python bench/sessions.py
	$(VENV)/bin/python bench/postgres.py

lint: ## formatting and clippy, warnings are errors
	$(CARGO) fmt --all --check
	cd guests/procedures && $(CARGO) fmt --all --check
	cd sql-tests/clients/rust && $(CARGO) fmt --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	@set -e; for kit in $(KITS); do $(call KIT,$$kit,lint); done

# What tests need ---------------------------------------------------------------

test-deps: venv node-modules wasm-target java-driver
	@tools/apt-install $(APT_PACKAGES)

demo-deps: wasm-target
	@tools/apt-install $(DEMO_PACKAGES)
	@$(MAKE) --no-print-directory venv

venv: $(VENV)/installed

$(VENV)/installed: sql-tests/requirements.txt
	@tools/apt-install python3-venv
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# SQLite's driver for Java; without java and mvn its test says that it is missing.
java-driver: venv
	@if command -v java >/dev/null && command -v mvn >/dev/null && [ ! -e $(SQLBRIDGE_JDBC)/sqlite-jdbc-$(JDBC_VERSION).jar ]; then \
	    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
	        -Dartifact=org.xerial:sqlite-jdbc:$(JDBC_VERSION) -DoutputDirectory=$(SQLBRIDGE_JDBC) || true; \
	fi

# Rust for WebAssembly, procedures and guests; what is left out without it, their Makefiles say.
wasm-target:
	@for target in wasm32-unknown-unknown wasm32-wasip1; do \
	    [ -d "$$(rustc --print sysroot)/lib/rustlib/$$target" ] || rustup target add $$target || true; \
	done

# Node's host and the Azure server; without node their tests say that it is missing.
node-modules:
	@if ! command -v npm >/dev/null; then \
	    echo "npm is not installed: the tests with better-sqlite3 and azurite will be skipped"; \
	elif ! cmp -s sql-tests/hosts/node/package.json $(NODE_MODULES)/installed; then \
	    mkdir -p $(NODE_MODULES)/..; \
	    cmp -s sql-tests/hosts/node/package.json $(NODE_MODULES)/../package.json \
	        || cp sql-tests/hosts/node/package.json $(NODE_MODULES)/../; \
	    (cd $(NODE_MODULES)/.. && npm install --no-audit --no-fund --no-package-lock --loglevel=error) \
	        && cp sql-tests/hosts/node/package.json $(NODE_MODULES)/installed; \
	fi

clean: ## what was built
	$(CARGO) clean
