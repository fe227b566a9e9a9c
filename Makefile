# Each target sets up what it needs; the logic lives in the medpatch command.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCHES := align bootstrap deviation disk encoder_pass epoch evaluate extract fusion_step growth load load_media overhead raw synth

.DEFAULT_GOAL := help
.PHONY: help install demo test test-long lint up down status bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): pyproject.toml requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c requirements.lock pip
	$(BIN)/python -m pip install --quiet -c requirements.lock -e '.[dev]' || { \
	echo "not installed: $(VENV) takes 7 GB, free on its disk: $$(df -Ph $(VENV) | awk 'NR == 2 {print $$4}'); pip's own words are above"; exit 1; }
	@touch $(STAMP)

install: $(STAMP)  ## create .venv with the exact versions of requirements.lock

demo: $(STAMP)  ## make a synthetic MIMIC, run the whole pipeline on it for both tasks, print the results
	$(BIN)/medpatch demo

lint: $(STAMP)  ## ruff, sqlfluff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/sqlfluff lint --disable-progress-bar sql
	$(BIN)/lint-imports

test: lint  ## the linters, then the tests
	$(BIN)/pytest -m "not long" --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-long: install  ## the tests of whole runs that take minutes each
	$(BIN)/pytest -m long

up: $(STAMP)  ## start Prefect, MLflow and two workers on 127.0.0.1, deploy everything, print the addresses
	$(BIN)/medpatch up $(if $(PREFECT_PORT),--prefect-port $(PREFECT_PORT)) $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT))

down: $(STAMP)  ## stop what make up started
	$(BIN)/medpatch down

status: $(STAMP)  ## say what of make up runs
	$(BIN)/medpatch status

bench: $(STAMP)  ## the times, sizes and ratios of bench/; the studies of models (hours) start by hand, see each --help
	@failed=; for name in $(BENCHES); do echo "== $$name"; $(BIN)/python bench/$$name.py || failed="$$failed $$name"; done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

clean:  ## remove the outputs (work/) but not the environment
	rm -rf work
