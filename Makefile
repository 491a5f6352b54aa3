# Everything runs from .venv, which `make` creates: Python 3.11 or newer and make are all that is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
DEV := $(VENV)/.dev
PORT ?= 3000
MLFLOW_PORT ?= 5000

.DEFAULT_GOAL := help
.PHONY: help demo ui run test test-unit check format bench clean

help: ## what there is to do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(CORE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the core from constraints.txt …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(DEV): $(CORE)
	@echo "installing the development tools …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,cassandra,postgres]'
	@touch $@

demo: $(CORE) ## simulate a bank and bring the whole graph up to date
	@$(BIN)/ml-platform simulate
	@$(BIN)/ml-platform run

run: $(CORE) ## bring everything that is stale up to date
	@$(BIN)/ml-platform run

ui: $(CORE) ## open Dagster with its daemon, and MLflow; PORT=… and MLFLOW_PORT=… if 3000 and 5000 are taken
	@$(BIN)/ml-platform ui --port $(PORT) --mlflow-port $(MLFLOW_PORT)

test: $(DEV) ## every tier that this machine can run; says what it skipped and why
	@$(BIN)/python -m pytest -n auto --cov --cov-report= tests/unit
	@$(BIN)/python -m pytest --cov --cov-append tests/contract tests/graph tests/integration tests/e2e

test-unit: $(DEV) ## the unit tier alone, under a minute
	@$(BIN)/python -m pytest -n auto tests/unit

check: $(DEV) ## lint, format, types, import direction
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(DEV) ## format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

bench: $(DEV) ## print the benchmarks; installs what they compare with in an environment of its own
	@FEAST_PYTHON="$${FEAST_PYTHON:-$$(PYTHON=$(BIN)/python benchmarks/peers.sh || true)}" $(BIN)/python -m benchmarks

clean: ## delete the environment and all local state
	rm -rf $(VENV) .ml_platform dbt_project/target dbt_project/logs
