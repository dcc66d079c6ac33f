# `make demo` and `make test` each set everything up first: system packages, virtual environment, pinned dependencies.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo_output
BIN := $(VENV)/bin

.PHONY: demo test soak lint setup setup-dev lock samples clean

demo: setup
	rm -rf $(OUT)
	$(BIN)/elmtex-batch convert sample_inputs --out $(OUT)
	$(BIN)/python jobs/show.py $(OUT)

test: setup-dev
	$(BIN)/python -m pytest

# Long attacks: a thousand faults, fifty kills, twenty thousand broken files, ten thousand documents. Takes an hour.
# HOSTILE=FOLDER adds a collection of broken files of your own.
soak: setup-dev
	$(BIN)/python -m pytest -m soak -s

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(VENV)/.run
setup-dev: $(VENV)/.dev

$(VENV)/.run: requirements/run.txt requirements/bases.txt pyproject.toml
	requirements/system.sh $(PYTHON)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: -r requirements/bases.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt requirements/cluster.txt requirements/s3.txt
	-requirements/system.sh $(PYTHON) browser
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt -r requirements/cluster.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/s3.txt
	touch $@

# The pins: whole dependency trees, without the address of any index.
lock: setup-dev
	$(BIN)/pip-compile --quiet --strip-extras --no-header --constraint requirements/constraints.in --output-file requirements/run.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-header --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt pyproject.toml
	sed -i '/^--/d; s/+cpu$$//' requirements/run.txt requirements/dev.txt

samples: setup-dev
	$(BIN)/python tests/samples/make_samples.py

clean:
	rm -rf $(VENV) $(OUT) .mypy_cache .ruff_cache .pytest_cache
