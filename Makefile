# make demo and make test need nothing but Python: each makes its own virtual environment and installs what it needs.
# The environment is made again when pyproject.toml changes; a second run starts at once.

PYTHON ?= python3
DEMO_VENV ?= .venv-demo
TEST_VENV ?= .venv-test
BENCH_VENV ?= .venv-bench
PYTEST_ARGS ?=
BENCH_ARGS ?=

PIP_INSTALL = -m pip --disable-pip-version-check --no-input install --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test lint format pytest bench clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    find the face in a photograph, and draw it"
	@echo "make test    lint, type check and test"
	@echo "make lint    ruff and the type checker only"
	@echo "make format  let ruff rewrite the sources"
	@echo "make bench   measure against NumPy and Numba"
	@echo "make clean   remove everything that the others made"
	@echo "PYTHON=...   the Python to make environments with (now $(PYTHON))"

demo: $(DEMO_VENV)/.ready
	$(DEMO_VENV)/bin/python examples/face_detection.py

test: lint pytest

lint: $(TEST_VENV)/.ready
	$(TEST_VENV)/bin/python -m ruff check .
	$(TEST_VENV)/bin/python -m ruff format --check .
	$(TEST_VENV)/bin/python -m tests.project.typecheck

format: $(TEST_VENV)/.ready
	$(TEST_VENV)/bin/python -m ruff check --fix .
	$(TEST_VENV)/bin/python -m ruff format .

pytest: $(TEST_VENV)/.ready
	$(TEST_VENV)/bin/python -m pytest $(PYTEST_ARGS)

bench: $(BENCH_VENV)/.ready
	$(BENCH_VENV)/bin/python -m benchmarks $(BENCH_ARGS)

$(DEMO_VENV)/.ready: EXTRAS = examples
$(TEST_VENV)/.ready: EXTRAS = dev,examples
$(BENCH_VENV)/.ready: EXTRAS = bench

$(DEMO_VENV)/.ready $(TEST_VENV)/.ready $(BENCH_VENV)/.ready: pyproject.toml
	@echo "== making $(@D): pydsl with [$(EXTRAS)], from $$($(PYTHON) --version)"
	$(PYTHON) -c 'import sys; sys.exit("pydsl needs Python 3.10 or later" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python $(PIP_INSTALL) --upgrade pip "setuptools>=77" wheel
	$(@D)/bin/python $(PIP_INSTALL) --editable ".[$(EXTRAS)]"
	@touch $@

clean:
	rm -rf .venv-demo .venv-test .venv-bench build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
