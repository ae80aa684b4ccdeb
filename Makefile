# Start here: `make demo` shows what charnn does, and `make test` checks it.

PYTHON ?= python3
BIN    := .venv/bin

.PHONY: demo demo-tasks test test-long parity ranks page bench gpu behaviour scale exact
.PHONY: torture fuzz docs picture clean

# Train on the play in data/, then sample the model at a low temperature and at 1.
demo: runs/demo/best.npz
	@echo
	@echo "The model started from random numbers and read most of the play ten times, character"
	@echo "by character. Nobody told it what a word, a line or a speaker is. At a low temperature"
	@echo "it writes what it is surest of: names in capitals, speeches, [stage directions], and"
	@echo "mostly words that exist, though they make no sense yet."
	@echo
	$(BIN)/charnn sample runs/demo --len 400 --temperature 0.5 --seed 7
	@echo
	@echo
	@echo "At temperature 1 it takes more risks: other words, and more spelling mistakes. This text"
	@echo "continues a given beginning, the name of the fool."
	@echo
	$(BIN)/charnn sample runs/demo --len 400 --temperature 1 --seed 7 --prime "PIPKIN:"
	@echo

runs/demo/best.npz: configs/demo.yaml data/the-tide-clock.txt | .venv/installed
	$(BIN)/charnn train data/the-tide-clock.txt --config configs/demo.yaml --out runs/demo --force

# Train a small model of each other task on the data in data/, and ask it something.
demo-tasks: | .venv/installed
	@echo "1. Classes: which country is a place in? (The countries do not exist.)"
	$(BIN)/charnn train data/places/*.txt --task classify --out runs/demo-classify --force --quiet
	printf 'Skarnholm\nTiolevaa\nCorvela\n' | $(BIN)/charnn predict runs/demo-classify --top 2
	@echo
	@echo "2. Tags: onset, nucleus or coda of a syllable, for each letter."
	$(BIN)/charnn train data/syllables.tsv --task tag --out runs/demo-tag --force --quiet
	printf 'trekgrusga\nalvemi\n' | $(BIN)/charnn predict runs/demo-tag
	@echo
	@echo "3. Sequence to sequence: the plural of a noun, and what each of its letters looked at."
	$(BIN)/charnn train data/plurals.tsv --task transduce --out runs/demo-transduce --force --quiet
	printf 'habazut\nseken\n' | $(BIN)/charnn predict runs/demo-transduce --attention
	@echo
	@echo "4. Lines of a class: new places in two of the countries."
	$(BIN)/charnn train data/places/*.txt --task generate --out runs/demo-generate --force --quiet
	$(BIN)/charnn sample runs/demo-generate --label Skarvia --num 5 --temperature 0.7 --seed 1
	$(BIN)/charnn sample runs/demo-generate --label Tioreva --num 5 --temperature 0.7 --seed 1

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Run the tests that take longest: all commands and examples of the documentation, reports, and a few
# trials of each kind of damage.
test-long: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/examples tests/report tests/torture

# Compare charnn with PyTorch (a large download) on the same weights and data.
parity: .venv/installed-parity
	$(BIN)/python -m pytest tests/parity

# Train on several ranks that torchrun starts, kill them, stop them, and compare: a quarter of an hour
# on two cores. TRIALS is how often a rank is killed; less than 10 leave out whole nodes.
TRIALS ?= 50
ranks: .venv/installed-parity
	TRIALS=$(TRIALS) $(BIN)/python -m pytest tests/ranks

# Open the page of `charnn export -o model.html` in Chromium, which must be installed, and examine it
# with axe-core, which npm fetches.
page: .venv/installed-page
	@test -f .page/node_modules/axe-core/axe.min.js || \
		npm install --silent --no-audit --no-fund --prefix .page axe-core@4 || \
		echo "axe-core could not be fetched; the tests that need it will fail."
	$(BIN)/python -m pytest tests/page

# Measure the speed of this machine, and of charnn and PyTorch on it.
bench: .venv/installed-parity
	$(BIN)/charnn bench --peer torch

# Check and measure the engine on PyTorch on a CUDA GPU: half an hour or so.
gpu: .venv/installed-parity
	$(BIN)/python tests/gpu.py

# Measure what each task learns: half an hour or more (docs/behaviour.md says which data it reads).
behaviour: .venv/installed
	$(BIN)/python tests/behaviour.py

# Measure memory and speed on a text of 4 GB (needs 9 GB of free disk space), and of the search for
# copied text in 100 MB.
scale: .venv/installed
	$(BIN)/python tests/scale.py
	$(BIN)/python tests/scale_novelty.py

# Compare the codes of one text over OpenBLAS's kernels, NumPy's and threads: a minute or two.
exact: .venv/installed
	$(BIN)/python tests/exactness.py

# Kill runs, damage files, fill disks, and test each property with a thousand examples. This takes
# ten minutes or more.
torture: .venv/installed-test
	$(BIN)/python tests/torture/run.py
	$(BIN)/python -m pytest tests/properties --hypothesis-profile=full -q

# Fuzz each reader of files for ten minutes, guided by coverage. Linux only, as atheris is.
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
	rm -rf .venv .page runs build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

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

.venv/installed-page: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,page]"
	@touch .venv/installed .venv/installed-test $@

.venv/installed-parity: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,parity]"
	@touch .venv/installed .venv/installed-test $@
