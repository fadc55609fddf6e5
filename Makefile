# Every target sets the project up by itself: `.venv` in this folder, packages from requirements.lock.
# Paths are relative, so a folder with a space in its name works.

.DEFAULT_GOAL := conform
.PHONY: conform test quick prove bench docs lint setup clean

ICSPEC := .venv/bin/python -m spec.tooling.command_line
WORKERS ?= auto

conform: .venv/ready
	@$(ICSPEC) conform

test: lint
	@.venv/bin/python -m pytest -q -n $(WORKERS) --dist worksteal

# What tells soonest: the specification, the reference implementation and the pages, each by itself.
quick: lint
	@.venv/bin/python -m pytest -q -n $(WORKERS) spec reference_impl docs

lint: .venv/ready
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports --no-cache > .venv/imports.log || { cat .venv/imports.log; exit 1; }
	@.venv/bin/python -m spec.tooling.lint

prove: .venv/ready
	@$(ICSPEC) prove

bench: .venv/ready
	@.venv/bin/python -m properties.bench

docs: .venv/ready
	@.venv/bin/python -m docs.render
	@.venv/bin/python -m conformance.protocol.page

setup: .venv/ready

.venv/ready: pyproject.toml requirements.lock
	@sh .ci/setup

clean:
	rm -rf .venv
