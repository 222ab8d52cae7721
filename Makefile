# Each target makes its own environment under .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := setup.py pyproject.toml $(wildcard fastmlp/*.py fastmlp/*.pyx fastmlp/*.pxi fastmlp/*.pxd fastmlp/*.pyi fastmlp/kernels/*)

.PHONY: demo test test-all test-neon sanitize bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/demo.py

test: $(VENV)/test.stamp
	$(BIN)/pytest -m "not slow"

test-all: $(VENV)/test.stamp
	$(BIN)/pytest

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# the package installed, not the checkout, is what is run
$(VENV)/%.stamp: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info fastmlp/_core.c fastmlp/*.so
