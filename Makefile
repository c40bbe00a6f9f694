# One word each. Needs Python 3.11 or newer, and nothing else: the virtual environment is made here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4
SHARE ?= 1
TURN ?= 0
# Bytecode is kept, whatever the environment says: pytest would rewrite its plugins at the start of every worker.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run install test lint unit mutants soak crash fuzz cluster bench check-all docs screenshots clean

run: $(VENV)/run.stamp            ## the shop on http://127.0.0.1:8000, the simulator on :8900
	$(BIN)/python cli.py run

install: $(VENV)/run.stamp        ## the virtual environment with what the server needs

test: $(VENV)/dev.stamp lint      ## every check: lint, types, floors, tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/dev.stamp           ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/dev.stamp           ## the tests that need no process: seconds
	$(BIN)/python -m pytest tests/unit tests/adapters

mutants: $(VENV)/dev.stamp        ## plants faults in codecs and funnel; every one must turn a test red
	$(BIN)/python tools/mutants.py --share $(SHARE) --turn $(TURN)

soak: $(VENV)/dev.stamp           ## random histories: 50,000 or HISTORIES, from a random SEED, in PROCESSES
	$(BIN)/python -m tests.faults.soak

crash: $(VENV)/dev.stamp          ## kill -9 at every step ten times and at random, the database killed, its replies cut
	ROUNDS=$(or $(ROUNDS),10) $(BIN)/python -m pytest tests/crash -s

fuzz: $(VENV)/dev.stamp           ## 100,000 or EXAMPLES requests over every route, from SEED: no 5xx, nobody else's data
	EXAMPLES=$(or $(EXAMPLES),100000) $(BIN)/python -m pytest tests/fuzz -s

cluster: $(VENV)/dev.stamp        ## three servers on a Galera cluster; a node killed, a node cut off
	$(BIN)/python -m pytest tests/cluster -s

bench: $(VENV)/dev.stamp var/peer/stamp  ## twenty-five minutes with nothing else running; ROUNDS, SECONDS, ONLY='v3 sqlite x1'
	PEER_PYTHON=var/peer/bin/python $(BIN)/python -m benchmarks

check-all: test mutants

docs: $(VENV)/dev.stamp           ## renders what is generated in ARCHITECTURE.md and docs/
	$(BIN)/python -m tools.render_docs

screenshots: $(VENV)/dev.stamp    ## takes docs/images from the running program
	$(BIN)/python tools/screenshots.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/run.stamp

var/peer/stamp: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv var/peer
	var/peer/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements.txt
	@touch $@

clean:                            ## the virtual environment and everything the program wrote
	rm -rf $(VENV) var
