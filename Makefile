# Everything runs from here: `make demo` and `make test` on a fresh clone need nothing but Python 3.11+, git and make.
PYTHON ?= python3
BIN := .venv/bin
# Older versions of PyTorch are installed with a graphics driver's libraries, several gigabytes of them. Of this one pip takes
# a build without them where it is set up to find one; uv would take the lowest build.
LOWEST_TORCH := torch==2.13.0
PACKAGES := configs evalkit evalkit_worker model_adapters reports step_audio_2 tasks
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: demo test browser test-lowest test-python check docs mutation performance clean

demo: .venv/installed-demo ## run small models on the embedded speech, fill every table, draw and compare
	$(BIN)/evalkit run suite=demo model=whisper_tiny_en
	$(BIN)/evalkit run suite=demo_asr model=pocketsphinx name=pocketsphinx-demo
	$(BIN)/evalkit run suite=demo model=echo
	$(BIN)/evalkit report runs/whisper_tiny_en-demo runs/pocketsphinx-demo runs/echo-demo --output runs/demo-report \
		--published "GPT-4o Transcribe" "Kimi-Audio" "Step-Audio 2" "Step-Audio 2 mini"
	$(BIN)/evalkit compare runs/pocketsphinx-demo runs/whisper_tiny_en-demo --markdown runs/demo-report/comparison.md
	@echo
	@echo "Open these:"
	@echo "  runs/demo-report/index.html        the tables, the chart, every sample to hear and read"
	@echo "  runs/demo-report/asr.md            the speech recognition table alone; also .html .tex .csv"
	@echo "  runs/demo-report/*_demo.md         the other tables, each on a few samples of our own"
	@echo "  runs/demo-report/radar.png         the chart; also .svg"
	@echo "  runs/demo-report/comparison.md     is Whisper tiny.en better than PocketSphinx?"
	@echo "  runs/whisper_tiny_en-demo/metrics.json"

test: .venv/installed-dev browser ## the fast tests and the examples of docstrings, then the slow tests
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"
	$(BIN)/python -m pytest --doctest-modules $(PACKAGES)
	$(BIN)/python -m pytest -n auto --dist loadfile --max-worker-restart 0 -m slow

browser: ## Debian's browser, in which the pages of reports are tested; without one, these tests are skipped
	@command -v chromium > /dev/null || command -v google-chrome > /dev/null || (test "$$(id -u)" = 0 && command -v apt-get > /dev/null \
		&& apt-get update -qq && apt-get install -y -qq chromium) > /dev/null 2>&1 \
		|| echo "no browser could be installed: the tests of the pages are skipped"

test-lowest: .venv/bin/python ## the fast tests on the lowest versions that pyproject.toml allows
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-lowest
	$(BIN)/python -m pip --python .venv-lowest install --quiet --disable-pip-version-check --no-deps $(LOWEST_TORCH)
	$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct --editable ".[dev]" $(LOWEST_TORCH)
	.venv-lowest/bin/python -m pytest -n auto -m "not slow"

test-python: ## the fast tests on another Python: make test-python PYTHON=python3.13
	$(PYTHON) -m venv .venv-python
	.venv-python/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	.venv-python/bin/python -m pytest -n auto -m "not slow"

docs: .venv/installed-dev ## build the documentation into site/; a warning is an error
	$(BIN)/mkdocs build --clean

check: .venv/installed-dev ## lint, format, types and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mutation: .venv/installed-dev ## change the code at random places and see whether the tests notice; an hour
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "mutmut>=3.8,<4"
	$(BIN)/python scripts/sample_mutants.py 300 evalkit/inference evalkit/metrics evalkit/results evalkit/text reports

performance: .venv/installed-dev ## measure speed; prints ratios, judges nothing
	for script in tests/performance/*.py; do $(BIN)/python -m tests.performance.$$(basename $$script .py); done

clean:
	rm -rf .venv .venv-lowest .venv-python runs dist site mutants

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| (echo "evalkit needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11 ..." && false)
	$(PYTHON) -m venv .venv

.venv/installed-demo: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) ".[demo]"
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) ".[dev]"
	touch $@ .venv/installed-demo
