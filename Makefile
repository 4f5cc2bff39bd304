# The developer's loop. Each target is a small script in scripts/; read that for the how.
SHELL := /bin/bash
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo dev fix check test test-heavy bench chaos fuzz dist lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: ## .venv/bin/underpass ready, with the web UI built
	@scripts/system_packages.sh setup
	@scripts/venv.sh dev
	@scripts/web.sh build

demo: ## everything on this machine: hub, session, model, chat in the browser
	@scripts/system_packages.sh setup
	@scripts/venv.sh hub
	@scripts/web.sh build
	@exec $(BIN)/underpass demo $(ARGS)

dev: setup ## hub, demo session and the web UI's dev server, reloading
	@scripts/dev.sh

fix: setup ## format, fix what can be fixed, write generated files anew
	@scripts/fix.sh

check: setup ## formats, lint, types and the fast tests: what to run before a commit
	@scripts/check.sh
	@$(BIN)/pytest -q -n 2 --ignore tests/e2e

test: ## the whole suite, with all of its own set-up (README's test command)
	@scripts/system_packages.sh test
	@scripts/venv.sh dev
	@scripts/web.sh build
	@scripts/llama_server.sh >/dev/null
	@scripts/check.sh; checked=$$?; $(BIN)/pytest -n 2 $(ARGS) && exit $$checked

test-heavy: setup ## what is too large for every day: `transformers serve` behind its template
	@UNDERPASS_HEAVY=$$(scripts/heavy.sh) $(BIN)/pytest -q tests/heavy $(ARGS)

bench: setup ## direct, ssh -R and Underpass side by side, and AI Chat: the tables of docs/performance.md
	@scripts/system_packages.sh test
	@$(BIN)/python -m benchmarks $(ARGS)

chaos: setup ## breaks everything while streams run, and compares bytes: one table
	@scripts/system_packages.sh test
	@$(BIN)/python -m chaos $(ARGS)

fuzz: setup ## ten minutes of damaged bytes for both ends of the tunnel
	@$(BIN)/python -m chaos.fuzz $(ARGS)

dist: setup ## a wheel (with the web UI) and a source package in dist/
	@scripts/dist.sh

lock: ## compile requirements/*.lock anew from pyproject.toml
	@scripts/venv.sh dev
	@scripts/lock.sh $(ARGS)

clean: ## remove what was built here (caches outside the tree stay)
	rm -rf .venv dist build web/node_modules src/underpass/hub/static .mypy_cache .ruff_cache .pytest_cache .stamps
