# make run / make test on a machine that has a Python of 3.11-3.13 with venv and pip, and make: everything else is installed.
VENV := .venv
PYTHON := $(VENV)/bin/python
ARGS ?= env=carracing algo=sac
# Two processes: a run under test keeps a core busy for itself. Files stay whole (they share runs and algorithms), in
# order: the long ones come before the many short ones.
PYTEST := $(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: run test check slow setup

run: $(VENV)/.installed
	$(PYTHON) run.py $(ARGS)

test: $(VENV)/.installed-dev
	$(PYTEST)

check: $(VENV)/.installed-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/codespell
	$(VENV)/bin/mypy
	$(PYTEST)

slow: $(VENV)/.installed-dev
	$(PYTHON) -m pytest -m "slow or timing" --timeout 1800

setup: $(VENV)/.installed-dev

# The newest Python that fits (ray, box2d and pygame have wheels for 3.11 to 3.13).
$(PYTHON):
	@for python in python3.13 python3.12 python3.11 python3 python; do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
	    echo "Creating $(VENV) with $$($$python --version)"; exec $$python -m venv $(VENV); fi; done; \
	echo "Chicane needs Python 3.11, 3.12 or 3.13 with venv and pip; found: $$(python3 --version 2>&1)." >&2; \
	echo "Install one (Debian: apt install python3 python3-venv, macOS: brew install python@3.13) and try again." >&2; exit 1

$(VENV)/.installed: pyproject.toml | $(PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed
