# A convenience over two pip lines that the README also gives; everything below works without make.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
DEMO ?= merc-demo

.PHONY: demo test check bench bench-paper bench-systems docs install clean

demo: install
	$(BIN)/merc weights get
	$(BIN)/merc demo --out $(DEMO)

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: install
	$(BIN)/python bench/decode.py
	$(BIN)/python bench/diarisation.py
	$(BIN)/python bench/faces.py
	$(BIN)/python bench/analyze.py
	$(BIN)/python bench/scan.py --tuned
	$(BIN)/python bench/epoch.py
	$(BIN)/python bench/memory.py
	$(BIN)/python bench/check.py
	$(BIN)/python bench/planted.py
	$(BIN)/python bench/fuzz.py

bench-paper: install
	$(BIN)/merc bench paper

bench-systems: install
	$(BIN)/merc bench systems

install: $(VENV)/.installed

# A torch that is already there is kept; without one, the version below is asked for first, because the newest build
# that an unpinned request takes brings several gigabytes of CUDA on Linux.
$(VENV)/.installed: pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(DEMO)
