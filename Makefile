# Set-up, tests and the demonstration. Each target says what it does; only Python 3.11, git and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
STAMP := $(VENV)/.installed

.PHONY: env demo test fast slow lint tools tools-if-root bench lock clean

env: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed")'
	@echo "make env: creating $(VENV) (torch first, alone; then the lock file), about 2 minutes"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@touch $(STAMP)

demo: env
	$(BIN)/circuitgraph demo -o runs/demo

test: env tools-if-root
	$(THREADS) $(BIN)/python -m pytest -n 2 --dist loadfile
	$(THREADS) $(BIN)/python -m pytest -q -p no:cacheprovider --doctest-modules circuitgraph encoders tasks
	$(BIN)/ruff check .
	$(BIN)/mypy

fast: env
	$(THREADS) $(BIN)/python -m pytest -n 2 --dist loadfile -m "not tool and not data" tests/contracts tests/circuitgraph

slow: env
	$(THREADS) $(BIN)/python -m pytest -m slow

lint: env
	$(BIN)/ruff check .
	$(BIN)/mypy

# External programs, Debian and Ubuntu packages: iverilog (pyverilog needs it), opensta (oracle of the tests).
tools:
	@for program in iverilog sta; do command -v $$program > /dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ]; then \
	  sudo= ; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	  echo "make tools: installing iverilog and opensta"; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends iverilog opensta > /dev/null; \
	fi

tools-if-root:
	@if [ "$$(id -u)" = 0 ] || sudo -n true 2> /dev/null; then $(MAKE) --no-print-directory tools; \
	else echo "make tools: no root and no sudo; tests that need iverilog or opensta will say so"; fi

bench: env
	$(BIN)/python benchmarks/verilog_speed.py
	$(BIN)/python benchmarks/aiger_speed.py
	$(BIN)/python benchmarks/sta_speed.py
	$(BIN)/python benchmarks/timing_speed.py --millions 0.1 1
	$(BIN)/python benchmarks/kernel_speed.py
	$(BIN)/python benchmarks/training_speed.py
	$(BIN)/python benchmarks/embedding_speed.py --no-hyp

lock:
	$(BIN)/python .ci/lock.py

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache
