# Two commands: `make demo` shows what charnn does, `make test` checks that it does it.

PYTHON ?= python3
BIN    := .venv/bin

.PHONY: demo test parity bench scale torture fuzz docs picture clean

demo: runs/demo/best.npz
	@echo
	$(BIN)/charnn sample runs/demo --len 500 --temperature 0.8 --seed 7
	@echo

runs/demo/best.npz: | .venv/installed
	$(BIN)/charnn train data/the-tide-clock.txt --config configs/demo.yaml --out runs/demo --force

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# The suite against PyTorch, which is a large download.
parity: .venv/installed-parity
	$(BIN)/python -m pytest tests/parity

# The speed of this machine, and of charnn and PyTorch on it.
bench: .venv/installed-parity
	$(BIN)/charnn bench --peer torch

# Memory and encoding speed on a text of 4 GB (it needs 9 GB of disk for a while).
scale: .venv/installed
	$(BIN)/python tests/scale.py

# What may happen to a run and its files, in full, and a thousand examples of each property: ten
# minutes or more.
torture: .venv/installed-test
	$(BIN)/python tests/torture/run.py
	$(BIN)/python -m pytest tests/properties --hypothesis-profile=full -q

# Each reader fuzzed for ten minutes, guided by coverage. Linux only: atheris has no other wheels.
fuzz: .venv/installed-fuzz
	$(BIN)/python tests/torture/fuzz.py

# Generate the reference of the commands.
docs: .venv/installed
	$(BIN)/python -m charnn.cli.reference docs/commands.md

# Draw the README's picture of a training run again, on an idle machine: it shows the speed.
picture: .venv/installed
	mkdir -p runs
	$(BIN)/charnn fetch tinyshakespeare --out runs/tinyshakespeare.txt --force
	$(BIN)/python -m charnn.cli.picture docs/training.svg runs/tinyshakespeare.txt

clean:
	rm -rf .venv runs build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-test: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch .venv/installed $@

.venv/installed-fuzz: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[fuzz]"
	@touch .venv/installed $@

.venv/installed-parity: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,parity]"
	@touch .venv/installed .venv/installed-test $@
