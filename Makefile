# `make demo`: install, make out/demo.mp4 from the bundled portrait and speech, open the app.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests of one file stay together, for what they share, and files keep their order, the longest first (see
# tests/conftest.py); each process takes up to 2 GB.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
SYSTEM_LIBRARIES := libEGL.so.1 libGL.so.1 libGLESv2.so.2 libgthread-2.0.so.0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export GRADIO_ANALYTICS_ENABLED := False
# Tests start the package some fifty times: what is compiled once is kept.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all quick every coverage lint style types format install install-dev system models wheel lock clean

help:
	@echo "make demo      install, make out/demo.mp4, open the app"
	@echo "make test      lint, types and the quick tests"
	@echo "make test-all  the same with the slow tests"
	@echo "make coverage  how much of the package outside training the quick tests run"
	@echo "make lint      ruff and pyright only"
	@echo "make lock      requirements.lock anew, with hashes, after a change of requirements.txt"
	@echo "make wheel     out/vasa_core-VERSION-py3-none-any.whl, weights included"

demo: install models
	@mkdir -p out
	$(BIN)/python -m vasa_core generate assets/portrait.jpg assets/speech.wav out/demo.mp4
	$(BIN)/python app.py

# Pyright, which takes one core, works beside the tests, which wait for others' processes now and then.
test: install-dev models style
	@$(MAKE) --no-print-directory -j 2 types quick

test-all: install-dev models style
	@$(MAKE) --no-print-directory -j 2 types every

quick: install-dev
	$(PYTEST) -m "not slow"

every: install-dev
	$(PYTEST)

# Apart from `test`, whose time it would double. Types of arguments are checked there.
coverage: install-dev models
	$(PYTEST) -m "not slow" -o addopts=--strict-markers --ignore tests/training --cov

lint: style types

style: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install-dev
	$(BIN)/pyright --pythonpath $(BIN)/python

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: install
	@$(BIN)/python -m vasa_core fetch-models

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(BIN)/python system
	$(BIN)/python -m pip install -qq -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-train.txt requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install -qq -r requirements.txt -r requirements-train.txt -r requirements-dev.txt
	@touch $@

# OpenCV and MediaPipe need a few system libraries that a bare Debian or Ubuntu lacks.
system:
	@if command -v apt-get >/dev/null && command -v ldconfig >/dev/null; then \
		for library in $(SYSTEM_LIBRARIES); do \
			ldconfig -p | grep -q "$$library" && continue; \
			sudo=$$(command -v sudo || true); [ "$$(id -u)" = 0 ] && sudo=; \
			$$sudo apt-get update -qq && $$sudo apt-get install -qq -y --no-install-recommends $$(cat packages.txt); \
			break; \
		done; \
	fi

wheel: install-dev
	$(BIN)/python -m pip wheel -qq --no-deps --no-build-isolation --wheel-dir out .

# backports-strenum: its later releases are for Python below 3.11, which uv overlooks.
lock: install
	@mkdir -p out
	$(BIN)/python -m pip install -qq uv
	echo "backports-strenum<1.3" >out/held.txt
	head -2 requirements.lock >out/requirements.lock
	$(BIN)/uv pip compile requirements.txt -c out/held.txt --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url -q >>out/requirements.lock
	mv out/requirements.lock requirements.lock

clean:
	rm -rf $(VENV) out .pytest_cache .ruff_cache .coverage*
