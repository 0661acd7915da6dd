SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.current

##@ Start here

.PHONY: up
up: setup ## Start everything on this machine and print curl lines to try
	$(BIN)/tollkeeper up

.PHONY: test
test: setup ## Run every test against real Redis, PostgreSQL and Envoy
	$(BIN)/python -m pytest -n auto --dist loadgroup

.PHONY: setup
setup: $(STAMP) ## Make .venv with all that is needed (does nothing when it is current)

$(STAMP): pyproject.toml requirements/dev.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

##@ While you work

.PHONY: check
check: setup ## Format, lint, types, import contracts: seconds, no server started
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: setup ## Format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: generate
generate: setup ## Generate tollkeeper/api from proto/
	$(BIN)/python proto/generate.py

.PHONY: render
render: setup ## Render envoy/ from typed messages
	$(BIN)/tollkeeper envoy render --out envoy

.PHONY: lock
lock: setup ## Pin all dependencies anew, with hashes and without an index's address
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url \
		--no-emit-find-links --no-emit-trusted-host --no-header --extra stack \
		--extra dev --output-file requirements/dev.txt pyproject.toml

##@ Measure

.PHONY: bench
bench: setup ## Measure what a check costs on this machine; minutes
	$(BIN)/python -m bench

.PHONY: bench-quick
bench-quick: setup ## The same figures in at most 45 seconds
	$(BIN)/python -m bench --quick

##@ Before you push

.PHONY: ci
ci: check test ## What .ci/run calls: all checks, then all tests

.PHONY: clean
clean: ## Remove the environment, caches and the local stack's data
	@if [ -x $(BIN)/tollkeeper ]; then $(BIN)/tollkeeper down; fi
	rm -rf $(VENV) .tollkeeper .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info

.PHONY: help
help:
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  \033[36mmake %-11s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
