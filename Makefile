# Each target sets up all that it needs, on a machine that has Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint lock clean

# Pinned and hash-checked first; then ftcore itself, which finds everything there (where torch is a CUDA build,
# pip adds the CUDA packages that this very build names).
$(BIN)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

demo: $(BIN)/.installed  ## fine-tune, evaluate and export the embedded sentiment task, then ask the bundle
	$(BIN)/ftcore run tasks/sentiment.yaml

test: $(BIN)/.installed  ## the whole suite but the slow campaigns
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not slow'

lint: $(BIN)/.installed  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: $(BIN)/.installed  ## pin the newest versions that fit; torch's hashes are kept up by hand: see CONTRIBUTING.md
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --extra dev --generate-hashes --allow-unsafe --strip-extras --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	sed -i '/^ftcore @ /d; /^# /d' requirements.lock

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache
