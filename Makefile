# `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
STAMP := $(VENV)/.installed
# The first interpreter of these that is there and in the range; PYTHON=/path/to/python overrides it.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$name && break; done)

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help setup run test test-all test-fast coverage check format docs lock screenshots clean
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with the locked packages; does nothing when it is up to date.

$(STAMP): requirements.lock pyproject.toml
	@command -v git >/dev/null || { echo "facesent needs git. Received: no git on PATH. Install it and run make again." >&2; exit 1; }
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || \
		{ echo "facesent needs Python 3.11, 3.12 or 3.13. Received: $$($(or $(PYTHON),python3) --version 2>&1 | head -n 1). Try: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "facesent needs Python's venv module. Received: $(PYTHON) without it. On Debian: apt install $(PYTHON)-venv" >&2; exit 1; }
	@echo "Installing the locked packages into $(VENV) (a few minutes, about 3.5 GB)"
	@$(PYTHON) -m venv $(VENV)
	@python -m pip install --quiet --disable-pip-version-check --use-pep517 --no-deps --require-hashes --no-compile \
		-r requirements.lock
	@# On all cores; pip takes one. What is no valid Python, as templates of packages, is passed over.
	@python -m compileall -q -q -j 0 $(VENV)/lib || true
	@python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: setup ## Images to a promoted model: data if there are none, then the flow facesent-pipeline.
	@python -m flows.pipeline --draw

# Three on two cores: many tests wait for a server. In their own order: a long file must not come last.
test: setup ## All tests but the long ones; about ten minutes on two cores.
	@pytest -n 3 --no-loadscope-reorder -m "not long"

test-all: setup ## All tests, each night too.
	@pytest -n 3 --no-loadscope-reorder

test-fast: setup ## The tests that take no server, no training and under a minute in all.
	@pytest -n 2 -m "not slow and not long"

coverage: setup ## All tests, and which branches of the code all of them take.
	@pytest -n 3 --no-loadscope-reorder --cov --cov-report=term

check: setup ## Format, lint, types, which way imports go, and what is declared.
	@ruff format --check --quiet . && ruff check --quiet . && mypy
	@lint-imports --no-logo --no-cache
	@deptry --no-ansi .

format: setup ## Put the code into the form that check wants.
	@ruff check --quiet --fix . ; ruff format --quiet .

docs: setup ## The pages of docs/ as a site, site/index.html; links are checked.
	@python -m tools.structure && NO_MKDOCS_2_WARNING=1 mkdocs build --strict

lock: ## Resolve requirements.lock anew; needs uv.
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock

screenshots: setup ## The pictures of docs/ anew; needs pip install -e '.[screenshots]' and a Chromium.
	@python -m tools.screenshots

clean: ## Remove what tests and tools leave; data, outputs and MLflow's runs stay.
	@rm -rf .mypy_cache .ruff_cache .pytest_cache site
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
