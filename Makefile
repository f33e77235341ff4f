# A convenience over two pip lines that the README also gives; everything below works without make.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
DEMO ?= merc-demo
LOWEST ?= .venv-lowest
TESTS ?= tests
WORKERS ?= 2

.PHONY: demo serve-demo test test-lowest check bench bench-paper bench-systems docs install clean

demo: install
	$(BIN)/merc weights get
	$(BIN)/merc demo --out $(DEMO)

# A server on http://127.0.0.1:8000 that may read the bundled sample, which is queued as soon as it answers.
serve-demo: install
	$(BIN)/merc weights get
	( until curl -sf -H 'Content-Type: application/json' -d '{"path": "conversation.mp4", "speakers": 2}' \
	    http://127.0.0.1:8000/v1/analyses; do sleep 1; done ) & \
	$(BIN)/merc serve --purpose "Trying merc on its bundled sample" --data $(DEMO)/serve --root src/merc/sample; kill $$! 2>/dev/null || true

# One torch thread per worker: two workers with two threads each starve each other on two cores.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# The suite with the lowest version of each package that pyproject.toml allows, in an environment of its own. Name an
# interpreter for which these versions have wheels: make test-lowest PYTHON=python3.11. Tools are the newest that fit, but
# for pyarrow, which does not say that its newest need NumPy 2. uv resolves them in seconds; pip fetches every candidate.
test-lowest:
	test -d $(LOWEST) || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet packaging uv
	$(LOWEST)/bin/python tools/lowest.py --extra all --tool pyarrow > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --editable '.[dev]' --constraint $(LOWEST)/lowest.txt
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n $(WORKERS) --dist loadfile $(TESTS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python tools/words.py

bench: install
	$(BIN)/python bench/decode.py
	$(BIN)/python bench/diarisation.py
	$(BIN)/python bench/faces.py
	$(BIN)/python bench/who_speaks.py
	$(BIN)/python bench/analyze.py
	$(BIN)/python bench/text.py --threads 1 2 4
	$(BIN)/python bench/scan.py --tuned
	$(BIN)/python bench/epoch.py
	$(BIN)/python bench/memory.py
	$(BIN)/python bench/rows.py
	$(BIN)/python bench/runtime.py
	$(BIN)/python bench/check.py
	$(BIN)/python bench/planted.py
	$(BIN)/python bench/planted_systems.py
	$(BIN)/python bench/fuzz.py

bench-paper: install
	$(BIN)/merc bench paper

bench-systems: install
	$(BIN)/merc bench systems

# Warnings are errors: a link or a name that does not resolve fails the build.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -n -q -j auto -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

install: $(VENV)/.installed

# A torch that is already there is kept; without one, the version below is installed first, because the newest build
# that an unpinned request takes brings several gigabytes of CUDA on Linux.
$(VENV)/.installed: pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) $(DEMO) docs/_build
