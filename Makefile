# Every target makes the virtual environment first; a second call finds it ready.
PYTHON ?= python3
# without Detectron2: an environment of its own, so that both can be had side by side
WITHOUT := $(filter-out 0,$(SEPC_WITHOUT_DETECTRON2))
VENV ?= .venv$(if $(WITHOUT),-without-detectron2)
ARGS ?=

READY := $(VENV)/.ready
RUN := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help env detectron2 quickstart compare ablation norms test test-all test-cpus test-oldest lint bench clean

help:  ## this list
	@echo "make TARGET [ARGS='...'] [PYTHON=python3] [VENV=$(VENV)] [SEPC_WITHOUT_DETECTRON2=1]"
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## */  \1\t/' | expand -t 14
	@echo "ARGS goes to the tool or to pytest. SEPC_WITHOUT_DETECTRON2=1 leaves Detectron2 out,"
	@echo "in an environment of its own: what works without it can be tried on any machine."

env: $(READY)  ## the virtual environment: packages as in constraints.txt, and Detectron2 if found

$(READY): pyproject.toml constraints.txt dev/setup_env.py dev/redistribution.py
	@$(PYTHON) -m dev.setup_env --venv $(VENV)
	@touch $@

detectron2:  ## look for Detectron2 once more
	@$(PYTHON) -m dev.setup_env --venv $(VENV)
	@touch $(READY)

quickstart: env  ## generate data, train a small detector, evaluate, draw and export it, report
	@$(RUN) -m quickstart $(ARGS)

compare: env  ## the quick start's detector against the same one with the plain head
	@$(RUN) -m quickstart --compare $(ARGS)

ablation: env  ## every detector with every head, several seeds: hours, goes on where it was
	@$(RUN) -m studies.ablation $(ARGS)

norms: env  ## every norm over the pyramid at every batch size, several seeds: hours, goes on
	@$(RUN) -m studies.norms $(ARGS)

test: env  ## lint, then the tests but for slow ones; says what it left out without Detectron2
test-all: env  ## as test, with the slow tests; what CI runs

test: CHOICE := -m "not slow"
test test-all:
	@$(RUN) -m dev.setup_env --report
	@$(MAKE) --no-print-directory lint
	@$(RUN) -m pytest -n auto --dist worksteal $(CHOICE) $(ARGS); \
		status=$$?; $(RUN) -m dev.setup_env --report; exit $$status

# instructions of oneDNN : those of PyTorch's own kernels : threads
CPUS := AVX2:avx2:1 AVX2:avx2:2 AVX512_CORE:avx512:1 AVX512_CORE_BF16:default:2
NUMERIC := tests/golden tests/layers tests/methods tests/tv $(wildcard tests/test_golden*.py tests/test_inf*.py)

test-cpus: env  ## the tests of numbers as older processors compute them, with one thread and two
	@for cpu in $(CPUS); do echo "== $$cpu"; \
		(IFS=:; set -- $$cpu; export ONEDNN_MAX_CPU_ISA=$$1 ATEN_CPU_CAPABILITY=$$2 OMP_NUM_THREADS=$$3; \
		unset IFS; $(RUN) -m pytest -q $(NUMERIC) $(ARGS)) || exit 1; done

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
