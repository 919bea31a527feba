# One entrance. Each target creates what it needs in .venv from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TESTS ?= tests

.PHONY: demo test check fix bench docs clean lint types contracts
.DEFAULT_GOAL := demo

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/.made
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/.made
	$(PIP) -e '.[dev,training]'
	touch $@ $(VENV)/.installed

demo: $(VENV)/.installed  ## Install, then find the cheapest good setting of the embedded model on bundled prompts.
	$(BIN)/aldente demo

test: $(VENV)/.installed-dev  ## Install what the tests need and run them.
	$(BIN)/python -m pytest $(TESTS) -n 2 --cov --cov-report=term:skip-covered --cov-report=json:.coverage.json -q
	$(BIN)/python tests/check_coverage.py .coverage.json

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

contracts: $(VENV)/.installed-dev
	$(BIN)/lint-imports

check: lint types contracts docs test  ## Everything that must hold before a change lands.

fix: $(VENV)/.installed-dev  ## Let ruff mend what it can.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev  ## Write the reference pages from the code and check the links.
	$(BIN)/python docs/build.py

bench: $(VENV)/.installed-dev  ## Ratios measured side by side on this machine.
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage* site
