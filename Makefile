# Needs make and Python 3.11 or later; everything else goes into $(VENV).

PYTHON ?=
VENV ?= .venv
# The address of PyTorch's CPU wheel index (see pytorch.org, "Get started"). On Linux, set it to
# keep some gigabytes of CUDA libraries off the disk: make setup TORCH_INDEX=ADDRESS
TORCH_INDEX ?=
# Further arguments: make run ARGS="model=logreg", make test ARGS="-k schema".
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
       $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt
# Inside the environment, so that they go when it goes.
CORE := $(VENV)/.installed-core
DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help setup run deploy-demo demo-loop test test-all lint format screenshots bench bench-score bench-deploy bench-serve clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(CORE) ## install Fed Credit into .venv (again only when its requirements change)

run: $(CORE) ## run the main job with its defaults; ARGS="..." for overrides
	@$(BIN)/fed-credit simulate $(ARGS)

deploy-demo: $(CORE) ## try a deployment on this machine: a SuperLink, three banks, a run
	@$(BIN)/fed-credit deploy demo $(ARGS)

demo-loop: $(CORE) ## go once around: train, serve, score, drift, alert, retrain, promote
	@$(BIN)/fed-credit lifecycle demo $(ARGS)

# A file's tests stay together, since they share what is slow to make.
PYTEST := $(BIN)/python -m pytest -q -n auto --maxprocesses=4 --dist loadfile

test: $(DEV) ## run the tests but the slow ones, on all processors (up to four)
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: $(DEV) ## run all tests
	@$(PYTEST) $(ARGS)

lint: $(DEV) ## check style, format, types and the direction of imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

format: $(DEV) ## put the code into the common format
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

screenshots: $(DEV) ## photograph the web pages anew for the docs; needs chromium
	@FED_CREDIT_PAGES_LOANS=30000 FED_CREDIT_SCREENSHOTS=docs/images \
	  $(BIN)/python -m pytest -q tests/fed_credit/serving/pages/test_pages_screenshots.py $(ARGS)

bench: $(DEV) ## measure how fast runs and boosted trees are
	@$(BIN)/python -m benchmarks.runtime $(ARGS)
	@$(BIN)/python -m benchmarks.trees

bench-score: $(DEV) ## measure how fast tables are scored, Parquet to Parquet
	@$(BIN)/python -m benchmarks.scoring $(ARGS)

bench-serve: $(DEV) ## measure decisions a second, against a bare handler behind the same server
	@$(BIN)/python -m benchmarks.serving $(ARGS)

bench-deploy: $(DEV) ## measure where the time of an exchange over real banks goes
	@$(BIN)/python -m benchmarks.deployment $(ARGS)

clean: ## remove what tools and builds left; runs and .venv stay
	@rm -rf build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	@find . -path ./$(VENV) -prune -o -type d -name __pycache__ -print | xargs rm -rf

$(BIN)/python:
	@python="$(PYTHON)"; \
	for name in $${python:-python3 python3.14 python3.13 python3.12 python3.11 python}; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$("$$name" --version)"; \
	    exec "$$name" -m venv $(VENV); \
	  fi; \
	done; \
	echo "Error: Fed Credit needs Python 3.11 or later; name one: make setup PYTHON=/path/to/python3" >&2; \
	exit 1

# The environment's python is older than what it builds on, so it must not count by its time.
$(CORE): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Fed Credit into $(VENV): a minute or two the first time"
	@$(PIP) -e .
	@touch $@
	@echo "Ready: $(BIN)/fed-credit --help"

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Fed Credit and its test tools into $(VENV): some minutes the first time"
	@$(PIP) -e '.[dev,simulation,sweeps,tracking,trees,explanations,export]'
	@touch $(CORE) $@
