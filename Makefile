# One-word tasks. A virtual environment in .venv is made and kept up to date as needed; nothing else is touched.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps

.PHONY: help demo test lint format docs install clean

help:
	@echo "make demo    install, then build, learn, compare, export and re-simulate on a short section (about 8 minutes)"
	@echo "make test    install with the developer tools, run the tests"
	@echo "make lint    style and types"
	@echo "make format  put the code into shape"
	@echo "make docs    write the command-line reference and the scenarios' pages anew"
	@echo "make install only install"

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("greenband needs Python 3.11 or newer, not " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(STAMPS)/install: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/install

install: $(STAMPS)/install

demo: $(STAMPS)/install
	$(BIN)/greenband demo

test: $(STAMPS)/dev
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

lint: $(STAMPS)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMPS)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMPS)/dev
	$(BIN)/python -m typer greenband.cli.app utils docs --name greenband --output docs/cli.md
	$(BIN)/python scripts/document_scenarios.py
	$(BIN)/python scripts/document_plans.py

clean:
	rm -rf $(VENV)
