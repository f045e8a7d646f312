# The front door. `make help` lists the targets; CI calls the same ones.

PYTHON ?= python3
PYTEST_ARGS ?=
PROCESSES ?= 6
LOCK_ARGS ?=
BENCH_ARGS ?=
CHAOS_ARGS ?=
MINUTES ?= 2
# Where `make certs` writes, and the server's names and addresses beside localhost.
CERTS ?= .certs
HOSTS ?= server hashfinder hashfinder-headless

# Kept, whatever the environment says: a test run starts hundreds of processes, and collects in each of PROCESSES.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := proto services/hashfinder clients/python clients/cli clients/web
COVERED := services/hashfinder/src/hashfinder clients/python/src/hashfinder_client clients/cli/src/hashfinder_cli clients/web/src/hashfinder_web proto/src/hashfinder_process proto/src/hashfinder_rules
TYPED := services/hashfinder/src clients/python/src clients/cli/src clients/web/src proto/generate.py proto/src/hashfinder_process proto/src/hashfinder_rules examples $(wildcard docs/*.py) $(wildcard deploy/*.py) tests

# Tools that are no Python packages: each in a folder named by its version.
BUF_VERSION := 1.75.0
BUF := .cache/buf-$(BUF_VERSION)/node_modules/.bin/buf
GRPCURL_VERSION := 1.9.4
GRPCURL := .cache/grpcurl-$(GRPCURL_VERSION)/grpcurl
# What `kubectl kustomize` runs, for a machine that has no kubectl.
KUSTOMIZE_VERSION := 5.5.0
KUSTOMIZE := .cache/kustomize-$(KUSTOMIZE_VERSION)/kustomize
# The official clients of the Connect protocol, and what `make test-web` uses with them. No lock: npm's has addresses.
CONNECT_VERSION := 2.2.0
NODE_MODULES := .cache/connect-$(CONNECT_VERSION)/node_modules
NODE_PACKAGES := @connectrpc/connect@$(CONNECT_VERSION) @connectrpc/connect-web@$(CONNECT_VERSION) @connectrpc/connect-node@$(CONNECT_VERSION) \
	@bufbuild/protobuf@2.17.0 axe-core@4.14.1 esbuild@0.28.2

# What the extra `tracing` needs, beside the environment: most tests run without it.
TRACING := .cache/tracing
# What leads `make fuzz` by coverage, likewise.
FUZZER := .cache/atheris
FUZZ_SECONDS ?= 60
# Where distributions are built: nothing of the development environment is there.
BUILDER := .cache/venv-build
# Where `make recording` has its terminal.
RECORDER := .cache/venv-recording
# Where the plots of `make bench` are drawn.
PLOTTER := .cache/venv-bench
# What `make test-network` puts in front of the server.
NETWORK := .cache/venv-network
# What `make bench-vanity` compares with.
LUCKY_COMMIT_VERSION := 2.2.5
LUCKY_COMMIT := .cache/lucky-commit-$(LUCKY_COMMIT_VERSION)/bin/lucky_commit

# The image, its labels, and the stack on it.
IMAGE ?= hashfinder:dev
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' services/hashfinder/pyproject.toml)
REVISION ?= $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)
SOURCE ?= unknown
COMPOSE = HASHFINDER_IMAGE='$(IMAGE)' HASHFINDER_CERTS='$(abspath $(CERTS))' HASHFINDER_USER="$$(id -u):$$(id -g)" \
	docker compose --file deploy/docker-compose.yml $(if $(TLS),--file deploy/docker-compose.tls.yml)

# Set-up runs again when a stamp is older than any of its sources.
REQUIREMENTS_STAMP := $(VENV)/.requirements
PACKAGES_STAMP := $(VENV)/.packages
BROWSER_STAMP := $(VENV)/.web-tests
QUALITY_STAMP := $(VENV)/.quality
PACKAGE_SOURCES := $(DISTRIBUTIONS:%=%/pyproject.toml) services/hashfinder/setup.py \
	$(wildcard services/hashfinder/csrc/*)
# The C compiler that Python builds its extensions with, and the folder of its headers.
COMPILER := 'import os, sysconfig; v = sysconfig.get_config_var; print(os.getenv("CC", v("CC")), "-I" + v("INCLUDEPY"))'
BUILT_KERNEL := services/hashfinder/src/hashfinder/kernel/_native*.so

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo web test test-tools test-web test-tracing test-container test-k8s test-kernel test-network test-netns test-security test-dist test-python coverage mutants fuzz bench bench-page bench-attacks bench-kernel bench-stops bench-small bench-security bench-scale bench-hops bench-tracing bench-vanity chaos soak \
	lint format types certs image up down logs k8s-demo dist version sbom proto proto-check rules docs docs-check recording lock tools clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Set up and run ---

setup: $(PACKAGES_STAMP) ## Make .venv: the locked requirements, the kernel, the distributions

demo: setup ## Start a server on free ports and run each kind of search: finds, streams, cancels, budgets, metrics
	@$(BIN)/python deploy/demo.py

web: setup ## Open the page in a browser, on a gateway and a server of its own; Ctrl-C ends both
	@$(BIN)/python deploy/web.py

certs: setup ## Make a CA for tests, and certificates of a server and a client, in CERTS=.certs (HOSTS="more names")
	@$(BIN)/python deploy/certs.py '$(CERTS)' $(HOSTS)

# --- Test and check ---

# Most tests wait for a server rather than for the CPU: more processes than cores. Two cores took 187 s with 4, 170 with 6
# and 165 with 8, each of which uses 2 CPU seconds to collect the tests.
test: setup ## Run the tests that need only `make setup` (PYTEST_ARGS="-k name", PROCESSES=6)
	$(BIN)/pytest --numprocesses $(PROCESSES) --dist worksteal $(PYTEST_ARGS)

test-tools: setup tools ## Run the tests that need the programs of `make tools`, and hashcash
	PATH="$(CURDIR)/$(dir $(GRPCURL)):$$PATH" $(BIN)/pytest -m tools $(PYTEST_ARGS)

test-web: setup $(BROWSER_STAMP) $(NODE_MODULES) ## Drive the page with Chromium, and the gateway with the official Connect clients (needs chromium and npm)
	NODE_PATH="$(CURDIR)/$(NODE_MODULES)" $(BIN)/pytest -m web tests/web -o timeout=180 -o faulthandler_timeout=170 $(PYTEST_ARGS)
	@echo 'Screenshots: .cache/screenshots'

test-tracing: setup $(TRACING)/.requirements ## Follow a trace from the client to the server, to a receiver of OTLP (installs the extra aside)
	PYTHONPATH='$(CURDIR)/$(TRACING)' $(BIN)/pytest -m tracing $(PYTEST_ARGS)

test-container: setup $(GRPCURL) ## Build the image, run the stack and test both (needs Docker with compose)
	PATH="$(CURDIR)/$(dir $(GRPCURL)):$$PATH" $(BIN)/pytest -m container -o faulthandler_timeout=840 $(PYTEST_ARGS)

test-k8s: setup $(if $(shell command -v kubectl),,$(KUSTOMIZE)) ## Test the manifests, a sharded search as its Job would run it, and a rollout under load (needs kubectl or Go)
	PATH="$$PATH:$(CURDIR)/$(dir $(KUSTOMIZE))" $(BIN)/pytest -m k8s -o faulthandler_timeout=230 $(PYTEST_ARGS)

test-security: setup ## Run the tests of TLS and the admin listener: certificates that rotate, break and expire, silent handshakes
	$(BIN)/pytest -m security $(PYTEST_ARGS)

# Fewer where the CPU is the limit: under measurement, and for bounds on time.
coverage test-network: PROCESSES := 4

test-network: setup $(NETWORK)/.requirements ## Break the network, and put nginx and Envoy in front, in namespaces (needs root, iproute2, iptables and nginx)
	@if [ "$$(id -u)" = 0 ]; then PATH="$$PATH:$(CURDIR)/$(NETWORK)/bin" \
	  $(BIN)/pytest -m netns --numprocesses $(PROCESSES) -o timeout=240 -o faulthandler_timeout=230 $(PYTEST_ARGS); \
	  else echo 'SKIPPED, NOT TESTED: make test-network needs root, to make network namespaces' >&2; fi

test-netns: test-network

test-dist: setup dist ## Install what `make dist` builds into new environments, and use it (needs an index of packages)
	$(BIN)/pytest -m dist -o faulthandler_timeout=500 $(PYTEST_ARGS)

test-python: ## Run the tests on the Python of the image, in a container (needs Docker)
	docker build --quiet --tag hashfinder-tests --file tests/Dockerfile requirements
	git archive HEAD | docker run --rm --interactive --env PYTEST_ARGS --env PROCESSES hashfinder-tests

test-kernel: setup ## Hold the kernel in C to a reference, also under sanitizers and valgrind (needs gcc, clang, valgrind, qemu-user)
	$(BIN)/pytest -m kernel -o faulthandler_timeout=840 $(PYTEST_ARGS)

fuzz: setup ## Give thousands of random requests, files, answers and arguments to what takes them (FUZZ_EXAMPLES=5000 each); then FUZZ_SECONDS=60 each by coverage, where Atheris installs
	$(BIN)/pytest tests/fuzz --hypothesis-profile=fuzz -o timeout=1800 -o faulthandler_timeout=1790 --hypothesis-show-statistics $(PYTEST_ARGS)
	@if $(MAKE) --silent $(FUZZER)/.requirements; then for target in request files answers; do \
	  PYTHONPATH='$(CURDIR)/$(FUZZER)' $(BIN)/python -m tests.fuzz.guided $$target $(FUZZ_SECONDS) || exit; done; \
	  else echo 'LEFT OUT: inputs by coverage, since Atheris does not install here' >&2; fi

coverage: setup $(QUALITY_STAMP) ## Run the tests of `make test`; report which lines and branches of each package they reach
	rm -rf .cache/coverage && mkdir -p .cache/coverage
	$(BIN)/coverage run -m pytest --numprocesses $(PROCESSES) --dist worksteal -o timeout=180 -o faulthandler_timeout=170 $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	@for package in $(COVERED); do \
	  printf '%-46s %6s %%\n' $$package "$$($(BIN)/coverage report --format=total --include="$$package/*")"; done

mutants: setup $(QUALITY_STAMP) ## Change the search, the scheduler, the rules and the client's state machine at random; show which changes no unit test notices (MUTANT_ARGS="--seed 1 --count 200")
	nice -n 19 $(BIN)/python -m tests.mutants $(MUTANT_ARGS)

# Neither a part that fails nor a program to compare with that cannot be installed keeps the others from the page.
bench: setup $(if $(shell command -v chromium),$(BROWSER_STAMP)) ## Run all benches, some 20 minutes; say what became worse; make docs/benchmarks.md (BENCH_ARGS="--only hops")
	@$(if $(shell command -v cargo),$(MAKE) --silent $(LUCKY_COMMIT) || true)
	@code=0; $(BENCH)_all $(BENCH_ARGS) || code=$$?; $(MAKE) --silent bench-page && exit $$code
BENCH = PATH="$(CURDIR)/$(dir $(LUCKY_COMMIT)):$$PATH" GRPC_VERBOSITY=NONE $(BIN)/python -m tests.bench.bench

bench-page: setup $(PLOTTER)/.requirements ## Draw the plots of the last run of `make bench`, and make docs/benchmarks.md
	@$(PLOTTER)/bin/python -m tests.bench.plots
	@$(COG) -r $(PAGES)

bench-kernel: setup ## Measure the kernel, beside OpenSSL and hashcat (BENCH_ARGS)
bench-stops: setup ## Measure cancels and fair shares against two usual designs (BENCH_ARGS=--quick)
bench-small: setup ## Measure small searches beside a bare grpc.aio server, memory, start and idle CPU (BENCH_ARGS=--quick)
bench-security: setup ## Measure what TLS and identities cost, and how exact weights are (BENCH_ARGS=--quick)
bench-hops: setup $(if $(shell command -v chromium),$(BROWSER_STAMP)) ## Measure how soon a search ends behind a gateway whose client left, beside gRPC and a plain route (BENCH_ARGS)
bench-scale: setup ## Measure one search over 1, 2, 4 and 8 servers, and simulate it over thousands (BENCH_ARGS)
bench-vanity: setup $(if $(shell command -v cargo),$(LUCKY_COMMIT)) ## Measure vanity commits, beside lucky-commit (needs cargo for it)
bench-tracing: setup $(TRACING)/.requirements ## Measure what tracing costs a server, off and on (BENCH_ARGS)
bench-tracing: export PYTHONPATH = $(CURDIR)/$(TRACING)
bench-attacks: setup ## Measure what each hostile peer does to a server and those beside it (BENCH_ARGS)
bench-attacks bench-kernel bench-stops bench-small bench-security bench-hops bench-scale bench-tracing bench-vanity:
	@$(BENCH)$(@:bench-%=_%) $(BENCH_ARGS)

chaos: setup ## Break servers, network, files and clocks at random for MINUTES=2 under resuming clients, then check every result and counter (whole only as root)
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(CHAOS_ARGS)

soak: setup ## Stop searches in every way at random for MINUTES=2, then check that nothing leaked
	$(BIN)/python -m tests.bench.soak --minutes $(MINUTES)

lint: setup ## Check style, format and the import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: setup ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: setup ## Check the types
	$(BIN)/mypy $(TYPED)

# --- Image and stack ---

image: ## Build the image (IMAGE=name:tag)
	docker build --tag '$(IMAGE)' $(foreach a,VERSION REVISION SOURCE,--build-arg $(a)='$($(a))') .

up: image ## Start server, gateway and Prometheus, and run each kind of search once (PROFILE=grafana adds dashboards, TLS=yes the files of `make certs`)
	$(COMPOSE) up --detach --wait server web prometheus $(PROFILE)
	$(COMPOSE) run --rm client

down: ## Stop the stack and remove it, with the data of Prometheus
	$(COMPOSE) --profile grafana down --volumes --remove-orphans

logs: ## Follow the logs of the stack
	$(COMPOSE) --profile grafana logs --follow

k8s-demo: ## Apply the demo to the cluster of kubectl, and wait for its tour (needs the image on the nodes)
	kubectl -n hashfinder delete job hashfinder-tour --ignore-not-found
	kubectl apply -k deploy/k8s/overlays/demo
	kubectl -n hashfinder wait --for=jsonpath='{.status.conditions}' --timeout=10m job/hashfinder-tour
	kubectl -n hashfinder logs job/hashfinder-tour
	kubectl -n hashfinder wait --for=condition=complete --timeout=30s job/hashfinder-tour

dist: $(BUILDER)/.requirements ## Build the sdist and the wheel of each distribution into dist/, with the locked build requirements alone
	rm -rf dist
	for distribution in $(DISTRIBUTIONS); do \
	  $(BUILDER)/bin/python -m build -qq --no-isolation --outdir dist $$distribution || exit; done
	@if [ "$$(uname)" = Linux ]; then \
	  PATH="$(CURDIR)/$(BUILDER)/bin:$$PATH" auditwheel repair --wheel-dir dist dist/*-linux_*.whl && rm dist/*-linux_*.whl; fi
	@ls dist

version: ## Set the version everywhere (VERSION=0.2.0)
	sed -i 's/^version = ".*"/version = "$(VERSION)"/; s/\(hashfinder-[a-z]*==\)[0-9.]*/\1$(VERSION)/' $(DISTRIBUTIONS:%=%/pyproject.toml)
	sed -i 's/^version: .*/version: $(VERSION)/' CITATION.cff
	sed -i 's|\(newTag:\) .*|\1 $(VERSION)|; s|\(app.kubernetes.io/version:\) .*|\1 $(VERSION)|' deploy/k8s/overlays/production/kustomization.yaml

sbom: ## Print the image's software bill of materials (CycloneDX)
	@$(PYTHON) deploy/sbom.py '$(IMAGE)'

# --- Generate and maintain ---

proto: setup ## Generate hashfinder_proto from proto/hash_name.proto
	$(BIN)/python proto/generate.py

proto-check: setup $(BUF) ## Check that hashfinder_proto is up to date, and lint the contract
	$(BIN)/python proto/generate.py --check
	$(BUF) lint proto

rules: ## Update the production overlay's PrometheusRule from deploy/prometheus
	$(PYTHON) deploy/prometheus_rule.py >deploy/k8s/overlays/production/prometheus-rule.yaml

docs: setup ## Update what the docs contain of the code: tables and snippets
	$(COG) -r $(PAGES)

docs-check: setup ## Check that these are up to date, and that no link is broken
	@$(COG) --check --diff $(PAGES)
	@$(BIN)/python -m docs.links
PAGES = README.md $(wildcard docs/*.md docs/reference/*.md docs/pictures/*.svg)
COG = PYTHONPATH='$(CURDIR)' $(BIN)/cog -p 'from docs.generated import *'

recording: setup $(RECORDER)/.requirements ## Record the command line at work for the README, on a quiet machine
	PATH="$(CURDIR)/$(BIN):$$PATH" $(RECORDER)/bin/python docs/recording.py docs/pictures/find.svg

# The first lock has all that runs or is tested; the others use its versions. Existing pins stay if they fit; LOCK_ARGS=--upgrade renews all.
lock: $(REQUIREMENTS_STAMP) ## Lock the requirements, with hashes (LOCK_ARGS=--upgrade renews all)
	$(UV_LOCK) requirements/dev.txt requirements/dev.in requirements/build.in $(DISTRIBUTIONS:%=%/pyproject.toml)
	$(UV_LOCK) requirements/build.txt requirements/build.in --constraint requirements/dev.txt
	$(UV_LOCK) requirements/bench.txt requirements/bench.in --constraint requirements/dev.txt
	$(UV_LOCK) requirements/network.txt requirements/network.in --constraint requirements/dev.txt
	$(UV_LOCK) requirements/server.txt services/hashfinder/pyproject.toml proto/pyproject.toml --constraint requirements/dev.txt
	$(UV_LOCK) requirements/cli.txt clients/cli/pyproject.toml clients/python/pyproject.toml proto/pyproject.toml --constraint requirements/dev.txt
	$(UV_LOCK) requirements/web.txt clients/web/pyproject.toml clients/python/pyproject.toml proto/pyproject.toml --constraint requirements/dev.txt
	$(UV_LOCK) requirements/recording.txt requirements/recording.in --constraint requirements/dev.txt
	$(UV_LOCK) requirements/web-tests.txt requirements/web-tests.in --constraint requirements/dev.txt
	$(UV_LOCK) requirements/tracing.txt requirements/tracing.in --constraint requirements/dev.txt
	$(UV_LOCK) requirements/fuzz.txt requirements/fuzz.in
	$(UV_LOCK) requirements/quality.txt requirements/quality.in --constraint requirements/dev.txt
UV_LOCK = $(BIN)/uv pip compile --quiet $(LOCK_ARGS) --output-file

tools: $(BUF) $(GRPCURL) ## Install buf (needs npm) and grpcurl (needs Go) into .cache

clean: ## Remove everything that make has created
	rm -rf $(VENV) .cache .certs dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf $(foreach d,$(DISTRIBUTIONS),$(d)/build $(d)/src/*.egg-info) $(BUILT_KERNEL)
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- Files ---

$(REQUIREMENTS_STAMP): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'HashFinder needs Python 3.11 or newer; "$(PYTHON)" is older. Name another: make setup PYTHON=python3.13' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '"$(PYTHON)" cannot make virtual environments. On Debian: apt install python3-venv' >&2; exit 1; }
	@echo 'Installing the locked requirements into $(VENV)'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

$(BROWSER_STAMP): requirements/web-tests.txt $(REQUIREMENTS_STAMP)
$(QUALITY_STAMP): requirements/quality.txt $(REQUIREMENTS_STAMP)
$(BROWSER_STAMP) $(QUALITY_STAMP):
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.cache/venv-%/.requirements: requirements/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

$(FUZZER)/.requirements: requirements/fuzz.txt | $(REQUIREMENTS_STAMP)
	rm -rf $(FUZZER)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --target $(FUZZER) --requirement $<
	touch $@

$(TRACING)/.requirements: requirements/tracing.txt | $(REQUIREMENTS_STAMP)
	rm -rf $(TRACING)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --target $(TRACING) --requirement $<
	@touch $@

$(PACKAGES_STAMP): $(REQUIREMENTS_STAMP) $(PACKAGE_SOURCES)
	@echo 'Building the kernel and installing the distributions into $(VENV)'
	@[ '$(HASHFINDER_BUILD_KERNEL)' = python ] || echo '#include <Python.h>' | $$($(BIN)/python -c $(COMPILER)) -fsyntax-only -x c - 2>/dev/null || { \
	  echo "The kernel needs a C compiler, the C library's headers and Python's. On Debian: apt install gcc libc6-dev python3-dev" >&2; \
	  echo 'Or do without it, and search some thousand times slower: make setup HASHFINDER_BUILD_KERNEL=python' >&2; exit 1; }
	@rm -f $(BUILT_KERNEL)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(DISTRIBUTIONS:%=--editable %)
	@$(BIN)/pip check
	@echo '$(HASHFINDER_BUILD_KERNEL)' >$@

# Another kernel asked for than the one that was built, as in `make setup HASHFINDER_BUILD_KERNEL=native`.
ifdef HASHFINDER_BUILD_KERNEL
ifneq ($(HASHFINDER_BUILD_KERNEL),$(shell cat $(PACKAGES_STAMP) 2>/dev/null))
$(PACKAGES_STAMP): FORCE
endif
endif
FORCE:

$(BUF):
	npm install --prefix .cache/buf-$(BUF_VERSION) --no-save --no-package-lock --ignore-scripts --no-audit --no-fund @bufbuild/buf@$(BUF_VERSION)

$(NODE_MODULES):
	npm install --prefix $(dir $@) --no-save --no-package-lock --ignore-scripts --no-audit --no-fund $(NODE_PACKAGES)

$(GRPCURL):
	GOBIN="$(CURDIR)/$(dir $@)" go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v$(GRPCURL_VERSION)

$(LUCKY_COMMIT):
	cargo install --quiet --locked --no-default-features --version $(LUCKY_COMMIT_VERSION) --root .cache/lucky-commit-$(LUCKY_COMMIT_VERSION) lucky_commit

$(KUSTOMIZE):
	GOBIN="$(CURDIR)/$(dir $@)" go install sigs.k8s.io/kustomize/kustomize/v5@v$(KUSTOMIZE_VERSION)
