# The two commands are `make demo` and `make test`; both make .venv first. What each writes: README.
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup setup-dev demo test test-unit test-real test-monitoring coverage lint lock preview pictures pictures-terminal docs clean help

help:
	@echo "make demo    engine quoting against a local exchange, on the screen"
	@echo "make test    every test (MM_REQUIRE=all: none may be skipped)"
	@echo "make test-monitoring  what shows the engine, against the real programs (part of make test)"
	@echo "make coverage  how much of all lines the tests run (part of make test)"
	@echo "make lint    ruff, mypy --strict, import-linter"
	@echo "make preview  the script of the dashboards' preview, from its sources (needs node and npm)"
	@echo "make pictures the pictures of the dashboards in the documents (needs prometheus and chromium)"
	@echo "make lock    resolve pyproject.toml into the two hashed lock files"

setup: $(VENV)/.installed

setup-dev: $(VENV)/.installed-dev

$(VENV)/.installed: requirements.lock pyproject.toml scripts/bootstrap.sh
	@PYTHON=$(PYTHON) sh scripts/bootstrap.sh $(VENV) requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@PYTHON=$(PYTHON) sh scripts/bootstrap.sh $(VENV) requirements-dev.lock
	@touch $@

# State, compiled kernels and scratch files of the demo lie in .run, whatever the user's own folders are.
demo: setup
	@mkdir -p .run/tmp
	@MMCTL_STATE="$${MMCTL_STATE:-$(CURDIR)/.run/state}" XDG_CACHE_HOME="$(CURDIR)/.run/cache" TMPDIR="$(CURDIR)/.run/tmp" \
		$(BIN)/mmctl demo

# What runs, and what may run side by side: .ci/plan.toml; LINT=1 with the linters. `make test-unit ARGS="-k lease"` is one part, on the screen.
test: setup-dev
	@$(BIN)/python scripts/run_tests.py .ci/plan.toml $(if $(LINT),,--without lint) $(ARGS)

test-unit: setup-dev
	@$(BIN)/python -m pytest tests/unit tests/property -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-real: setup-dev
	@$(BIN)/python -m pytest tests/hosts tests/sandbox tests/services tests/monitoring tests/ui -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

# Dashboards, rules, routes and reports against the real programs: Prometheus, Alertmanager, Chromium.
test-monitoring: setup-dev
	@$(BIN)/python -m pytest tests/monitoring tests/services/test_metrics_scrape.py tests/ui -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# Counted in the same run that tests: the whole, and orders and risk with every branch. Where they fail: scripts/count_coverage.py.
coverage: setup-dev
	@$(BIN)/python scripts/run_tests.py .ci/plan.toml --only unit --only real --only plain --only coverage

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Resolved for every supported Python at once; the runtime file takes its versions from the larger one.
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml
lock:
	$(LOCK) --all-extras -o requirements-dev.lock
	$(LOCK) -c requirements-dev.lock -o requirements.lock

# Built where nothing is committed; what is kept is the one file that every installation can read.
preview: setup-dev
	@$(BIN)/python -m scripts.build_preview $(ARGS)

pictures: setup-dev
	@$(BIN)/python -m scripts.take_pictures $(ARGS)

# The terminal's: an engine trades on the local exchange meanwhile.
pictures-terminal: setup-dev
	@$(BIN)/python -m scripts.terminal_pictures $(ARGS)

clean:
	rm -rf $(VENV) build dist .run
