# Needs Python >= 3.11, git and make. Uses uv when there is one, else venv and pip.
PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
DIST ?= dist
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
# Two for each of two processors: many tests wait, for processes to start, leases to end, connections to be cut.
TEST_WORKERS ?= 4
# The service's project, and that of what users' jobs import.
PROJECTS := pyproject.toml apphub_jobs/pyproject.toml
SOURCES := api apphub_jobs benchmarks catalog cli domain eventlog migrations projections runtime tests worker
MINUTES ?= 5
SIZES ?= 10000,1000000,5000000

.DEFAULT_GOAL := help
.PHONY: help demo play up test test-slow test-failed race crash pressure chaos bombs model starts interrupts stream ticks asof-check rebuild-check growth capacity memory dashboard pictures rolling record-log record-release bench bench-check docs check web check-javascript format setup lock clean

help: ## Show what there is to do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(VENV)/.runtime ## Show everything at work, from nothing, on this very repository
	$(BIN)/apphub-jobs demo .

play: $(VENV)/.runtime ## Run a service in which something has happened, and say what to try with it
	$(BIN)/apphub-jobs demo --play

up: $(VENV)/.runtime ## Run database, API and worker until Ctrl-C
	$(BIN)/apphub-jobs up

test: $(VENV)/.compiled $(if $(shell command -v npm),node_modules/.package-lock.json) ## Run the tests, on a real PostgreSQL and real processes, in ten to thirteen minutes on two cores
	$(call pytest,not slow)

test-slow: $(VENV)/.compiled ## Run the rest of them: those that kill again and again, simulate a cluster, or make much data
	$(call pytest,slow)

test-failed: $(VENV)/.dev ## Run the tests that failed last once more, one after the other, until one fails again
	$(BIN)/python -m pytest -n 0 --last-failed --last-failed-no-failures none --exitfirst -rA

race: $(VENV)/.dev ## Race launchers, claimers and cancelers for three minutes
	APPHUB_RACE_S=180 $(BIN)/python -m pytest tests/integration/claims/test_races.py --timeout 600

crash: $(VENV)/.dev ## Kill -9 everything at random moments, forty times
	APPHUB_CRASH_ROUNDS=40 APPHUB_ARCHIVE_KILLS=20 $(BIN)/python -m pytest tests/e2e/failures/test_crash.py \
		tests/integration/seal/test_sealer.py tests/integration/archive/test_archive_command.py \
		-k "crash or kill_9 or killed_at_random" --timeout 1200

ticks: $(VENV)/.dev ## Kill -9 those who decide ticks of schedules, twenty times in a thousand ticks
	APPHUB_TICK_KILLS=20 APPHUB_TICKS_A_LIFE=50 $(BIN)/python -m pytest \
		tests/integration/schedules/test_killed_tickers.py --timeout 1800

starts: $(VENV)/.dev ## Start ten together twenty times; take the database away during eighty starts
	APPHUB_STARTS_TOGETHER=20 APPHUB_START_CUTS=40 APPHUB_START_KILLS=20 $(BIN)/python -m pytest --timeout 3000 \
		tests/e2e/failures/test_starts_together.py tests/integration/database/test_patient_starts.py

interrupts: $(VENV)/.dev ## Interrupt dev and up at forty moments each
	APPHUB_INTERRUPTS=40 $(BIN)/python -m pytest tests/e2e/commands/test_interrupts.py

stream: $(VENV)/.dev ## Cut off clients of the stream at random during a hundred thousand events
	APPHUB_STREAM_EVENTS=100000 $(BIN)/python -m pytest tests/integration/stream/test_stream_property.py

chaos: $(VENV)/.dev ## Hurt real processes in every way for minutes, and count: make chaos SEED=1 MINUTES=5
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --minutes $(MINUTES)

pressure: MINUTES = 10
pressure: $(VENV)/.dev ## Work at full load with somebody in the way, and compare: make pressure MINUTES=10
	$(BIN)/python -m benchmarks.pressure --minutes $(MINUTES)

bombs: $(VENV)/.dev ## Try to exhaust the API in every known way, and ask for answers within 200 ms meanwhile
	APPHUB_STRICT_BOMBS=1 $(BIN)/python -m pytest tests/e2e/failures/test_bombs.py

model: $(VENV)/.dev ## Hold the service against its model for longer than the tests do
	APPHUB_MODEL_EXAMPLES=300 $(BIN)/python -m pytest tests/model --timeout 7200

asof-check: $(VENV)/.dev ## Ask about the past of a million runs, compare with the log, show plans' times
	APPHUB_ASOF_RUNS=1000000 $(BIN)/python -m pytest tests/integration/history/test_plans_of_the_past.py -s
	APPHUB_ASOF_POSITIONS=200 APPHUB_ARCHIVE_STEPS=1600 $(BIN)/python -m pytest --timeout 900 \
		tests/integration/history/test_past.py tests/integration/archive/test_archive_answers.py

rebuild-check: $(VENV)/.dev ## Rebuild from a million events during 200 launches a second; kill rebuilds twenty times
	APPHUB_REBUILD_RUNS=500000 APPHUB_REBUILD_SPOILED=2000 APPHUB_REBUILD_LAUNCHES=200 APPHUB_REBUILD_HOLD_MS=50 \
		APPHUB_REBUILD_KILLS=20 APPHUB_ARCHIVE_HOLD_MS=1000 $(BIN)/python -m pytest -s --timeout 1800 \
		tests/integration/rebuild/test_rebuild.py \
		tests/integration/archive/test_archive_command.py::test_launches_go_on_meanwhile

record-release: $(VENV)/.dev ## Record a release for later ones to be run beside: make record-release VERSION=0.1.0 COMMIT=a-commit
	$(BIN)/python -m tests.recorded_releases.record $(VERSION) $(COMMIT)

bench-check: $(VENV)/.dev ## Run every benchmark once, at sizes whose figures say nothing
	APPHUB_ALL_BENCHMARKS=1 $(BIN)/python -m pytest tests/integration/benchmarks

bench: ## Measure everything beside its peers, and write the README's table (ARGS=--quick: one short round)
	@command -v wrk >/dev/null || echo "wrk is not installed (Debian: apt-get install wrk): a client in Python makes the load"
	$(MAKE) VENV=$(BENCH_VENV) $(BENCH_VENV)/.bench
	$(call compile,$(BENCH_VENV))
	$(BENCH_VENV)/bin/python -m benchmarks $(ARGS)

growth: $(VENV)/.dev ## Measure everything at 10 000, a million and five million runs; keep figures and plans in docs/
	$(BIN)/python -m benchmarks.growth --sizes $(SIZES) --json docs/benchmarks/growth.json --plans docs/plans

capacity: $(VENV)/.dev ## Measure what a run costs, and how API processes share one log; docs/capacity.md reckons with it
	$(BIN)/python -m benchmarks.capacity

dashboard: $(VENV)/.dev ## Measure the dashboard in a browser, with a million runs
	$(BIN)/python -m benchmarks.dashboard

pictures: $(VENV)/.dev ## Take the pictures of the dashboard anew, for docs/
	APPHUB_PICTURES=docs/pictures $(BIN)/python -m pytest tests/e2e/dashboard/test_screens.py
	rm -r docs/pictures/other-*

memory: $(VENV)/.dev ## Measure the memory of API and worker while a million events stream past
	$(BIN)/python -m benchmarks.memory --json docs/benchmarks/memory.json

rolling: ROUNDS = 10
rolling: $(VENV)/.dev ## Replace an older release on a busy log, while workers of both die: make rolling ROUNDS=10 OLD=a-commit
	APPHUB_ROLLING_ROUNDS=$(ROUNDS) $(if $(OLD),APPHUB_ROLLING_OLD=$(OLD)) $(if $(OLD_PYTHON),APPHUB_ROLLING_OLD_PYTHON=$(OLD_PYTHON)) \
		$(BIN)/python -m pytest tests/e2e/upgrade -s

record-log: $(VENV)/.dev ## Record a log of this version for all later ones to read: make record-log VERSION=0.1.0
	$(BIN)/python -m tests.recorded_logs.record log $(VERSION)

docs: $(VENV)/.dev ## Build the documentation as a site to be read from the disk: site/index.html
	@# Not quietly: then it would not count its warnings.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --clean

check: $(VENV)/.dev ## Format, lint, types, layers, links, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 -p apphub_jobs
	$(BIN)/lint-imports
	$(BIN)/python docs/check_links.py
	@# What is of KEDA, KubeRay and Kustomize is not among Kubernetes' schemas, and passed over.
	for version in 1.33 1.37; do $(BIN)/kubernetes-validate --strict --quiet --no-warn -k $$version deploy/kubernetes/*.yaml || exit 1; done
	@# APPHUB_TEST_PROMETHEUS=required where it must not be left out.
	if command -v promtool >/dev/null || [ "$$APPHUB_TEST_PROMETHEUS" = required ]; then \
		promtool check config --syntax-only deploy/prometheus/prometheus.yml && \
		promtool check rules deploy/prometheus/alerts.yml && promtool test rules deploy/prometheus/alerts_test.yml; \
	fi
	@# APPHUB_TEST_BROWSER=required where it must not be left out.
	if command -v npm >/dev/null || [ "$$APPHUB_TEST_BROWSER" = required ]; then $(MAKE) check-javascript; fi
	$(MAKE) docs

web: node_modules/.package-lock.json ## Build what browsers get of the dashboard's sources (needs npm)
	node api/dashboard/build.mjs

check-javascript: $(VENV)/.dev node_modules/.package-lock.json ## Lint JavaScript, check the dashboard's types, and that it is built (needs npm)
	node_modules/.bin/eslint .
	node api/dashboard/build.mjs --check
	$(BIN)/python -m docs.dashboard_types
	node_modules/.bin/tsc

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(VENV)/.dev ## Make the environment for developing

# The other project, which the service depends on, is installed from here.
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-package apphub-jobs

lock: ## Pin all dependencies anew, with hashes (needs uv)
	$(LOCK) \
		pyproject.toml --group build -o requirements/runtime.txt
	$(LOCK) \
		pyproject.toml --group build --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) \
		pyproject.toml --group build --group bench -c requirements/runtime.txt -o requirements/bench.txt

.PHONY: dist
dist: $(VENV)/.dev ## Build what an index offers: wheels and source distributions of both projects, in dist/
	rm -rf $(DIST)
	cd apphub_jobs && $(abspath $(BIN))/python -m hatchling build -d $(abspath $(DIST))
	$(BIN)/python -m hatchling build -d $(abspath $(DIST))

.PHONY: installed
installed: dist ## Install the wheels into empty environments, and run the README's tests with them
	VENV=$(VENV) PYTHON=$(PYTHON) .ci/installed

# Docker, where its daemon answers; else Buildah, whose own format has no health checks.
IMAGE_BUILD ?= $(if $(shell docker version 2>/dev/null),docker build,buildah build --format docker)
.PHONY: image
image: dist ## Build the image of the service, and that of deploy/worker as an example of workers with your jobs
	$(IMAGE_BUILD) -t apphub-jobs-server .
	$(IMAGE_BUILD) -f deploy/worker.Dockerfile -t apphub-jobs-worker deploy/worker

clean: ## Remove the environment and caches
	rm -rf $(VENV) $(BENCH_VENV) $(DIST) site node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Where no process may keep what it compiles, each start of one would compile all of it again.
# $(1): the environment.
compile = $(1)/bin/python -m compileall -q -j 0 $(1)/lib $(SOURCES)

$(VENV)/.compiled: $(VENV)/.dev
	$(call compile,$(VENV))
	@touch $@

# $(1): which of the tests, by their mark. Each worker reads all tests: it need not compile them each time as well.
define pytest
	$(BIN)/python -m compileall -q -j 0 $(SOURCES)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal -m "$(1)" $(ARGS)
endef

# $(1): the file of pinned packages. The projects themselves come last, built by the pinned backend, without the network.
ifdef UV
define install
	test -x $(BIN)/python || uv venv -q --python $(PYTHON) $(VENV)
	uv pip install -q --python $(BIN)/python --require-hashes -r $(1)
	uv pip install -q --python $(BIN)/python --no-build-isolation --no-deps -e apphub_jobs -e .
	test -z "$$PYTHONDONTWRITEBYTECODE" || $(call compile,$(VENV))
endef
else
define install
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1)
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e apphub_jobs -e .
	test -z "$$PYTHONDONTWRITEBYTECODE" || $(call compile,$(VENV))
endef
endif

$(VENV)/.runtime: requirements/runtime.txt $(PROJECTS)
	$(call install,requirements/runtime.txt)
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(PROJECTS)
	$(call install,requirements/dev.txt)
	@touch $@ $(VENV)/.runtime

# npm writes this file last.
node_modules/.package-lock.json: package-lock.json
	npm ci --no-audit --no-fund --loglevel=error

$(VENV)/.bench: requirements/bench.txt $(PROJECTS)
	$(call install,requirements/bench.txt)
	@touch $@
