# One entrance. Each target creates what it needs in .venv from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TESTS ?= tests

# Training pictures and checkpoints are large and stay outside of the repository.
WORK ?= $(HOME)/.cache/aldente-training
TRAIN := $(BIN)/python -m training

.PHONY: demo test check fix bench docs clean lint types contracts docs-check pastina pastina-continue pastina-evaluate
.DEFAULT_GOAL := demo

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/.made
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/.made
	$(PIP) --no-compile -e '.[dev,training,diffusers,export,upscale]'
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

check: lint types contracts docs-check test  ## Everything that must hold before a change lands.

fix: $(VENV)/.installed-dev  ## Let ruff mend what it can.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev  ## Write the reference pages from the code and check the links.
	$(BIN)/python docs/build.py

docs-check: $(VENV)/.installed-dev
	$(BIN)/python docs/build.py --check

bench: $(VENV)/.installed-dev  ## Ratios measured side by side on this machine.
	$(BIN)/python -m benchmarks

pastina: $(VENV)/.installed-dev  ## Train the embedded model from nothing: nine hours on two cores, some twenty minutes on a GPU; resumes.
	$(TRAIN) all --work $(WORK)

pastina-continue: $(VENV)/.installed-dev  ## Train on from the shipped weights and write them back: four hours on two cores.
	$(TRAIN) data --work $(WORK)
	$(TRAIN) vae --work $(WORK) --start shipped
	$(TRAIN) denoiser --work $(WORK) --start shipped
	$(TRAIN) control --work $(WORK) --start shipped
	$(TRAIN) sr --work $(WORK) --start shipped
	$(TRAIN) scorer --work $(WORK) --start shipped
	$(TRAIN) export --work $(WORK)

pastina-evaluate: $(VENV)/.installed-dev  ## Measure the shipped weights: concept retrieval, colours, speed.
	$(TRAIN) data --work $(WORK)
	$(TRAIN) evaluate --work $(WORK)
	$(TRAIN) speed --threads 1

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage* site
