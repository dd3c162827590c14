# Every target makes the virtual environment first; a second call finds it ready.
PYTHON ?= python3
# without Detectron2: an environment of its own, so that both can be had side by side
WITHOUT := $(filter-out 0,$(SEPC_WITHOUT_DETECTRON2))
VENV ?= .venv$(if $(WITHOUT),-without-detectron2)
ARGS ?=

READY := $(VENV)/.ready
RUN := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help env detectron2 quickstart compare ablation norms test test-oldest lint bench clean

help:  ## this list
	@echo "make TARGET [ARGS='...'] [PYTHON=python3] [VENV=$(VENV)] [SEPC_WITHOUT_DETECTRON2=1]"
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## */  \1\t/' | expand -t 14
	@echo "ARGS goes to the tool or to pytest. SEPC_WITHOUT_DETECTRON2=1 leaves Detectron2 out,"
	@echo "in an environment of its own: what works without it can be tried on any machine."

env: $(READY)  ## the virtual environment: packages as in constraints.txt, and Detectron2 if found

$(READY): pyproject.toml constraints.txt dev/setup_env.py
	@$(PYTHON) dev/setup_env.py --venv $(VENV)
	@touch $@

detectron2:  ## look for Detectron2 once more
	@$(PYTHON) dev/setup_env.py --venv $(VENV)
	@touch $(READY)

quickstart: env  ## generate data, train a small detector, evaluate, draw and export it, report
	@$(RUN) -m quickstart $(ARGS)

compare: env  ## the quick start's detector against the same one with the plain head
	@$(RUN) -m quickstart --compare $(ARGS)

ablation: env  ## every detector with every head, several seeds: hours, goes on where it was
	@$(RUN) -m studies.ablation $(ARGS)

norms: env  ## every norm over the pyramid at every batch size, several seeds: hours, goes on
	@$(RUN) -m studies.norms $(ARGS)

test: env  ## lint, then all tests; says what it left out where Detectron2 is missing
	@$(RUN) dev/setup_env.py --report
	@$(MAKE) --no-print-directory lint
	@$(RUN) -m pytest $(ARGS); status=$$?; $(RUN) dev/setup_env.py --report; exit $$status

test-oldest:  ## tests on the lowest versions that pyproject.toml names, in .venv-oldest (10 GB)
	@$(PYTHON) -m dev.oldest $(ARGS)

lint: env  ## ruff (rules and format) and mypy
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

bench: env  ## time the trunks
	@$(RUN) -m benchmarks.trunk $(ARGS)

clean:  ## remove .venv* and the caches; datasets/ and output/ stay
	rm -rf .venv .venv-without-detectron2 .venv-oldest build dist .pytest_cache .ruff_cache .mypy_cache projects/SEPC/*.egg-info
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
