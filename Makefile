# make demo   make an environment, install, super-resolve a photograph
# make test   make an environment, install, run all tests but the slow ones
# make docs   make an environment, build the manual into site/
# make help   the rest
#
# Nothing is written outside this folder: the environment is .venv, results of
# the demo are in demo/, the manual is in site/.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
# The tests compare with PyTorch and skip where it is absent. `make test TORCH=`
# leaves it out; an exact version, because it may come as a build for CPUs.
TORCH ?= torch==2.13.0

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NATIVE := $(wildcard zoo/plugins/native/*.[ch] zoo/plugins/native/*.px[di] zoo/plugins/native/*.pyx)
BUILD := setup.cfg setup.py pyproject.toml zoo/images/_unfilter.pyx $(filter-out %/_native.c,$(NATIVE))

# Install what extras of setup.cfg ask for, without building zoo again.
define extras
	@$(BIN)/python -c 'import sys, configparser; c = configparser.RawConfigParser(); \
	    c.read("setup.cfg"); e = c["options.extras_require"]; \
	    print(*(e[name].strip() for name in sys.argv[1:]), sep="\n")' $(1) \
	    > $(VENV)/requirements.txt
	$(PIP) --requirement $(VENV)/requirements.txt
endef

.PHONY: help demo test test-slow browser lint format docs layers clean

help:
	@echo "make demo       install into $(VENV), super-resolve a photograph into demo/"
	@echo "make test       install into $(VENV), run the tests (ARGS='-k edsr' selects)"
	@echo "make test-slow  run the tests that take long"
	@echo "make browser    as root: install Chromium, without which tests of pages skip"
	@echo "make sanitizers run the native tests under ThreadSanitizer and AddressSanitizer"
	@echo "make lint       check style and types"
	@echo "make format     format the code"
	@echo "make docs       build the manual into site/, warnings being errors"
	@echo "make layers     write docs/layers.md anew"
	@echo "make clean      remove $(VENV), demo/ and everything that was built"

demo: $(VENV)/.zoo-demo
	$(BIN)/python examples/demo.py

test: $(VENV)/.zoo-test
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-slow: $(VENV)/.zoo-test
	$(BIN)/python -m pytest -n $(JOBS) -m slow $(ARGS)

browser:
	command -v chromium || { apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium; }

sanitizers: $(VENV)/.zoo-test
	PYTHON=$(BIN)/python ARGS="$(ARGS)" tests/check_sanitizers.sh

lint: $(VENV)/.zoo-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.zoo-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.zoo-docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going \
	    --doctree-dir build/doctrees docs site
	@echo "site/index.html"

layers: $(VENV)/.zoo-demo
	$(BIN)/zoo layers --markdown > docs/layers.md.new
	mv docs/layers.md.new docs/layers.md

clean:
	rm -rf $(VENV) demo site build dist *.egg-info
	rm -f zoo/plugins/native/_native.c zoo/images/_unfilter.c
	rm -f zoo/plugins/native/*.so zoo/images/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache

# -- the environment ---------------------------------------------------------

$(VENV)/.zoo-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "zoo needs Python 3.10 or newer; try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# Only this target compiles; the others add packages to it.
$(VENV)/.zoo-install: $(VENV)/.zoo-python $(BUILD)
	$(PIP) --editable .
	touch $@

$(VENV)/.zoo-demo: $(VENV)/.zoo-install
	$(call extras,demo)
	touch $@

$(VENV)/.zoo-test: $(VENV)/.zoo-install
	-test -z "$(TORCH)" || $(PIP) $(TORCH)
	$(call extras,test)
	-$(PIP) --no-deps --force-reinstall "opencv-contrib-python-headless==$$( \
	    $(BIN)/python -c 'from importlib.metadata import version; \
	    print(version("opencv-python-headless"))')"
	touch $@

$(VENV)/.zoo-docs: $(VENV)/.zoo-install
	$(call extras,docs)
	touch $@

$(VENV)/.zoo-lint: $(VENV)/.zoo-install
	$(call extras,lint)
	touch $@
