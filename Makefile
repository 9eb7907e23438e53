# `make` lists the targets. Everything that is made lies in .venv/ and build/.

VENV := .venv
BIN := $(VENV)/bin
STUBS := $(VENV)/stubs
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
APT := -o Dir::State::lists=./lists -o Dir::Cache=./cache -o APT::Sandbox::User=
TRACES ?=
TESTS ?= tests
ARGS ?=

# The first Python that is new enough; `make PYTHON=...` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint types layers format bench mutants nightly firmware wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | column -t -s @ 2>/dev/null \
		|| sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1: \2/p' $(MAKEFILE_LIST)

setup: $(VENV)/.ready build/.vm ## make .venv/, bring the MicroPython VM; at no cost the second time

demo: setup ## three virtual boards, one collector, half a minute
	@$(BIN)/motekit demo $(ARGS)

# Tests of boards on real clocks mostly wait: two processes for each processor of a small machine.
test: JOBS ?= 4
nightly mutants: JOBS ?= 2

test: setup ## run all tests (TESTS=tests/test_x.py for some, JOBS=n processes, ARGS=... for pytest)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(TESTS) $(ARGS)

check: lint types layers ## lint, types and layers: what must hold before every commit

lint: $(VENV)/.ready ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready ## pyright: strict on the host, basic on the firmware against the ESP32's stubs
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/pyright -p firmware/pyrightconfig.json

layers: $(VENV)/.ready ## who may import whom
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_house.py

format: $(VENV)/.ready ## let ruff lay the code out
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## measure packets, encoders, decoder and store (TRACES=folder of CSV files for your own data)
	$(BIN)/python -m tests.bench $(if $(TRACES),--traces "$(TRACES)") $(ARGS)

nightly: setup ## ride 1,000 random schedules of faults of two simulated hours, four of 30 days; a day at 200 Hz
	$(BIN)/python -m tests.nightly --jobs $(JOBS) $(ARGS)

mutants: setup ## plant bugs one by one in a scratch copy: our tests must notice each (JOBS=n, ARGS=--only=uplink)
	$(BIN)/python -m tests.mutants --jobs $(JOBS) $(ARGS)

firmware: setup ## compile every module for xtensawin, rv32imc and the host, into build/firmware/
	$(BIN)/motekit firmware build --out build/firmware

wheel: $(VENV)/.ready ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean: ## remove all that was made, the VMs too
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- how .venv/ is made -------------------------------------------------------------------------

$(VENV)/.ready: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[arrow,bench,dev]'
	$(PIP) install --upgrade --target $(STUBS) 'micropython-esp32-stubs>=1.25,<1.30'
	@touch $@

# Debian and Ubuntu keep ensurepip in a package of its own, python3-venv. Where that is missing, pip
# comes from the system's pip, or out of the system's package python3-pip-whl, unpacked without root.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 found; install one (apt install python3," \
		"brew install python) or say make PYTHON=/path/to/python" >&2; exit 1; }
	@rm -rf $(VENV); $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 && exit 0; \
	echo "make: $(PYTHON) comes without ensurepip; bringing pip another way" >&2; \
	rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) || exit 1; \
	$(PYTHON) -m pip --python $(BIN)/python install --quiet pip 2>/dev/null && exit 0; \
	mkdir -p build/pip/lists/partial build/pip/cache/archives/partial && ( cd build/pip && apt-get -qq $(APT) update && apt-get -qq $(APT) download \
		python3-pip-whl && dpkg-deb -x python3-pip-whl_*.deb . ) >/dev/null 2>&1 \
		&& PYTHONPATH="$$(echo build/pip/usr/share/python-wheels/pip-*.whl)" \
		$(BIN)/python -m pip install --quiet pip && exit 0; \
	rm -rf $(VENV); echo "make: cannot bring pip; as root: apt install python3-venv" >&2; exit 1

# In build/, with the VMs: `motekit setup` finds or brings a unix MicroPython and says which.
build/.vm: $(VENV)/.ready
	@mkdir -p build
	$(BIN)/motekit setup
	@touch $@
