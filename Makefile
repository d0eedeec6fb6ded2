# make run    set everything up and show a live cell      make test   the tests      make lint   the checks
# make setup  only set up                                 make clean  remove what was built
# make format-c  formats the C code                      make fuzz   random input, SECONDS=60 for each fuzzer
# make races     threads against each other, likewise     make coverage   tests without whole cells, measured
# make coverage-c  which lines of the C code tests run
# make generate  writes what is generated from the code
#
# PYTHON chooses the interpreter (3.11 or newer), UP hands options to `fieldstack up`: make run UP="--for 30s"

PYTHON ?= python3
VENV ?= .venv
UP ?=
TESTS ?=
BIN := $(VENV)/bin

NATIVE := $(wildcard rt/fieldstack_rt/native/*.c rt/fieldstack_rt/native/*.h rt/fieldstack_rt/native/*.py) \
          $(wildcard ethercat/fieldstack_ethercat/segment/native/*.c \
                     ethercat/fieldstack_ethercat/segment/native/*.h \
                     ethercat/fieldstack_ethercat/segment/native/*.py)
GENERATED := %/_native.c
PACKAGING := pyproject.toml setup.py MANIFEST.in

.PHONY: run setup test coverage lint generate clean prerequisites
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	@$(BIN)/fieldstack up $(UP)

setup: $(VENV)/.installed

# All tests in two parts: whole cells are not measured. TESTS chooses some, or anything else that pytest takes.
test: $(VENV)/.installed-dev
ifeq ($(strip $(TESTS)),)
	@$(MAKE) --no-print-directory coverage; parts=$$?; $(BIN)/python -m pytest -m system && exit $$parts
else
	@$(BIN)/python -m pytest $(TESTS)
endif

# Whole cells are not measured: tracing would disturb the RT process. The floor stands in pyproject.toml.
coverage: $(VENV)/.installed-dev
	@mkdir -p build/coverage
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m coverage run -m pytest -m "not system" $(TESTS); tests=$$?; \
	    $(BIN)/python -m coverage combine -q && $(BIN)/python -m coverage report && exit $$tests

lint: $(VENV)/.installed-dev lint-c
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@PATH="$(BIN):$$PATH" $(BIN)/lint-imports

generate: $(VENV)/.installed
	@$(BIN)/python tools/generate.py

clean:
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find fieldstack base rt ethercat tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@find rt ethercat \( -name '_native*.so' -o -name '_native.c' -o -name '_native.o' \) -delete

include tools/c.mk

prerequisites:
	@PYTHON=$(PYTHON) sh tools/prerequisites.sh

$(VENV)/bin/python:
	@PYTHON=$(PYTHON) sh tools/prerequisites.sh
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Both kinds of installation build the native modules in place; the stamps make a second run quick.
$(VENV)/.installed: $(VENV)/bin/python $(PACKAGING) $(filter-out $(GENERATED),$(NATIVE))
	@echo "installing Fieldstack and building its native modules (a minute or so the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python $(PACKAGING) $(filter-out $(GENERATED),$(NATIVE))
	@echo "installing Fieldstack with what its tests and checks need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed
