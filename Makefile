# Every target sets up what it needs first; `make` alone lists them.
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench chaos cluster soak million fuzz fuzz-coverage stack stack-stop docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with the locked dependencies (does nothing if it is up to date)
	@deploy/setup

demo: setup ## start real servers, drain synthetic events through them, show the ledgers, stop everything
	@$(PYTHON) -m deploy.local.demo

test: setup ## run the tests, on a real Kafka and a real MySQL
	@$(PYTHON) -m pytest --numprocesses 4 --durations 15

lint: setup ## check style, format and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy --strict

bench: setup ## measure how fast a topic is drained and reports answer
	@$(PYTHON) -m bench

# 10 minutes is the promise; pytest gets 10 s more to say what it was doing.
chaos: setup ## draw 50 faults by lot, kills included, for at most 10 minutes, and prove that none leaves a trace
	@timeout --signal=INT --kill-after=10 600 $(PYTHON) -m pytest tests/chaos -m chaos

cluster: setup ## three MySQL servers and three brokers, of which one after the other goes away (some 10 minutes)
	@$(PYTHON) -m pytest tests/cluster -m cluster

soak: setup ## everything that can go wrong, by lot: FAULTS=500 or MINUTES=60, SEED=…, RECORDS_A_SECOND=200
	@CHAOS_SEED=$(SEED) $(PYTHON) -m pytest tests/cluster -m soak

million: setup ## a million mixed events, drained twice in different ways, give the same bytes
	@$(PYTHON) -m pytest tests/engine/test_twice.py -m million

fuzz: RECORDS ?= 1_000_000
fuzz: setup ## mutated RECORDS (a million) and schemas through the decoder: no crash, no hang, no memory
	@$(PYTHON) -m tests.fuzz --records $(RECORDS)

# atheris has no wheels for every Python and processor, so it is no dependency of the tests.
fuzz-coverage: SECONDS ?= 60
fuzz-coverage: setup ## for SECONDS (60) records and schemas that reach new lines of the decoder
	@$(PYTHON) -m pip install --quiet --upgrade --target .local/atheris --require-hashes -r tests/atheris.txt
	@PYTHONPATH=.local/atheris $(PYTHON) -m tests.fuzz_coverage -max_total_time=$(SECONDS)

stack: setup ## start Kafka and MySQL in the background and print their settings as export lines
	@$(PYTHON) -m deploy.local start
	@echo 'To use it in this shell: eval "$$(make -s stack)"    To end it: make stack-stop' >&2

stack-stop: setup ## stop what `make stack` started (its data stay in .local/stack)
	@$(PYTHON) -m deploy.local stop

docs: setup ## write the reference pages from the code that they describe
	@$(PYTHON) -m docs.reference

lock: setup ## renew the lock files with the newest versions that pyproject.toml allows
	@deploy/lock

clean: ## stop the stack and remove .venv, .local and all caches of this checkout
	@if [ -x $(PYTHON) ] && [ -d .local ]; then $(PYTHON) -m deploy.local stop; fi
	@rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
