# Each rule is what a person would type. PYTHON chooses the interpreter: make demo PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --no-compile -c constraints.txt
# on all cores, where pip would take one; it fails at files that packages carry for other Pythons
COMPILE = $(BIN)/python -m compileall -qq -j 0 .venv/lib || true

.PHONY: demo lab test test-fast benches check results screenshots site clean

demo: .venv/ready  ## grade a small class, from submissions to feedback
	$(BIN)/autograder demo

lab: .venv/ready-lab  ## open the notebooks in JupyterLab
	$(BIN)/autograder lab

test: .venv/ready-test check  ## all tests but what CI alone runs: for that, make test TESTS=--everything
	$(BIN)/pytest -n 2 --dist worksteal $(TESTS)

test-fast: .venv/ready-test  ## what takes no more than a few seconds
	$(BIN)/pytest -n 2 -m "not slow"

benches: .venv/ready-test  ## every known answer gets its mark and message: the table
	$(BIN)/autograder benches

results: .venv/ready-test  ## docs/results.md: three methods, two rules, one small model; an hour on 2 cores
	$(BIN)/python benchmarks/demonstration.py

screenshots: .venv/ready-test demo  ## the pictures in this README, with Debian's chromium
	$(BIN)/python tests/support/screenshots.py

site: .venv/ready  ## the exercises and the documents as pages with a search, in site/
	$(INSTALL) -e ".[site]"
	$(BIN)/python docs/site/build.py

check: .venv/ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/autograder release --check

# What grades, what students need, and all. Whoever has more has made the stamps of less, too.
.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) -e ".[grade,torch]"
	$(COMPILE)
	touch .venv/ready-lab $@

.venv/ready-lab: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) -e ".[lab,torch]"
	$(COMPILE)
	touch $@

.venv/ready-test: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) -e ".[test]"
	$(COMPILE)
	touch .venv/ready .venv/ready-lab $@

clean:
	rm -rf .venv classroom
