# The entrances to this repository. Everything is installed into .venv, pinned and hashed (packaging/bootstrap).
# A host that keeps Python >= 3.11 elsewhere names it: make PYTHON=/path/to/python3 run

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?=
PROFILE ?= demo
export PYTHON
BIN := .venv/bin/python

.PHONY: help run test bench lint lock clean venv-run venv-dev

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv-run:
	@packaging/bootstrap run

venv-dev:
	@packaging/bootstrap dev

run: venv-run  ## the canary ladder on the demo profile: recorded market, built-in exchange, verdict, bundle
	@$(BIN) -m ztb canary run --profile $(PROFILE)

# Compiled files are kept whatever the shell says: the tests start some hundred processes, and many are waiting.
test: venv-dev  ## every test, linters and house rules included (TESTS="tests/core -k money" for some)
	@PYTHONDONTWRITEBYTECODE= $(BIN) -m pytest -n 4 --dist worksteal $(TESTS)

bench: venv-dev  ## measure, as ratios against bare Python in the same run
	@$(BIN) -m tests.bench

lint: venv-dev  ## ruff, formatting, types
	@$(BIN) -m ruff check .
	@$(BIN) -m ruff format --check .
	@$(BIN) -m mypy

lock:  ## resolve requirements/*.in again into *.lock, with hashes
	@packaging/lock

clean:  ## remove what these targets made
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
