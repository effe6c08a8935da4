PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The lock names all that is needed, with extras, so nothing is resolved: neither pip's age nor a newer release counts.
LOCKED := $(PIP) install --require-hashes --no-deps --requirement
RESOLVE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-header --no-annotate pyproject.toml

# Where it is set, each process of the tests reads all of them anew, which takes as long as a quick run.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
FUZZ_SEED ?= 0

SOAK_SEED ?= 0
SOAK_FILES ?= 10000
PYTEST ?=

.PHONY: help run test quick check bench chaos chaos-quick soak fuzz postman format clean requirements

help: ## Print these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## Start everything on this machine (PORT, EPISODES_HOME and SEED=0 change how)
	@$(BIN)/python -m ops.stack

test: $(VENV)/.dev ## Run the tests against real PostgreSQL, Redis and S3 (PYTEST=--cov measures coverage, at least 90 %)
	@$(BIN)/python -m pytest -n logical --dist worksteal $(PYTEST)

quick: $(VENV)/.dev ## Run the tests that start no service and no program
	@$(BIN)/python -m pytest -m quick -n logical --dist worksteal $(PYTEST)

check: $(VENV)/.dev ## Format, lint, strict types, direction of imports, declared packages, the lock, the Postman collection
	@$(PIP) check
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@$(BIN)/deptry . --exclude '\.venv' --extend-exclude build --ignore DEP002,DEP004  # the tests' imports as well
	@$(BIN)/python -m ops.postman --check

bench: $(VENV)/.dev ## Measure against the peers, in one run
	@$(BIN)/python -m ops.bench

chaos: $(VENV)/.dev ## Deal every fault to real processes, check the ledger, print the table (CHAOS_BROKER=rabbitmq: on RabbitMQ)
	@$(BIN)/python -m pytest tests/chaos tests/api/middleware/test_stream_limits.py tests/pipeline/test_recovery.py tests/pipeline/test_dispatcher.py -m ""

chaos-quick: $(VENV)/.dev ## Deal the faults that take a few seconds
	@$(BIN)/python -m pytest tests/chaos -m "chaos(quick=True) or not chaos" $(PYTEST)

soak: $(VENV)/.dev ## Send 10,000 files while faults are dealt; the report is kept in ops/docs/soak.md (SOAK_FILES, SOAK_SEED)
	@$(BIN)/python -m tests.soak --files $(SOAK_FILES) --seed $(SOAK_SEED) --report ops/docs/soak.md

postman: $(VENV)/.dev ## Write the Postman collection anew from the OpenAPI document
	@$(BIN)/python -m ops.postman

fuzz: $(VENV)/.dev ## Send 20,000 requests made from the OpenAPI document, as each role (FUZZ_SEED=… repeats a run)
	@$(BIN)/python -m ops.fuzz --seed $(FUZZ_SEED)

format: $(VENV)/.dev ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format

clean: ## Remove what was installed or generated; data under EPISODES_HOME stay
	@rm -rf $(VENV) build *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

requirements: $(VENV)/.dev ## Resolve the pinned requirements anew, for every Python and platform
	@$(RESOLVE) --upgrade --output-file requirements.txt
	@$(RESOLVE) --upgrade --extra dev --constraint requirements.txt --output-file requirements-dev.txt

# What is installed, as two stamps: nothing is installed again until the requirements change.
$(VENV)/.runtime: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Episodes needs Python 3.11 or newer; $(PYTHON) is older or missing (make PYTHON=python3.12 …)"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what Episodes needs into $(VENV) (once) …"
	@$(LOCKED) requirements.txt
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what its tests need …"
	@$(LOCKED) requirements-dev.txt
	@touch $@
