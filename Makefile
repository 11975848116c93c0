# The commands of a checkout. `make help` lists them; what they do is written in launch/.

ifndef PATH
export PATH := /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
endif
ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
	if command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then echo $$p; break; fi; done 2>/dev/null)
endif
ifeq ($(PYTHON),)
$(error Seatline needs Python 3.11 or newer; name one with PYTHON=/path/to/python)
endif
VENV := .venv/bin
INSTALL := $(PYTHON) -m launch.install
LAUNCH := $(VENV)/python -m launch

# uv trusts only its own list of authorities otherwise, and fails where pip works
export UV_SYSTEM_CERTS := 1
# make up PORT=9000 moves every port; SEATLINE_PORT_PAGES and its siblings move one.
# Only from the command line: some shells have a PORT of their own.
ifeq ($(origin PORT),command line)
export SEATLINE_PORT := $(PORT)
endif
# checks use parts of their own, whatever the person's shell points at
SEALED := env -u DATABASE_URL -u REDIS_URL -u SWITCH_URL -u STRIPE_API_KEY -u MAIL_URL
PYTEST := $(SEALED) $(VENV)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup up down doctor call campaign test test-quick deep bench drill lint lint-types lint-style lint-floors lock

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## install everything into this folder; nothing is installed on the machine
	@$(INSTALL)

up: setup  ## run the product; Ctrl-C ends it (PORT=8600 moves its ports, DETACH=1 returns when it is ready)
	@exec $(LAUNCH) up $(if $(DETACH),--detach)

down:  ## end what `make up` started
	@$(INSTALL) --packages-only
	@exec $(LAUNCH) down

doctor:  ## say what runs, what is missing and what is misconfigured
	@$(INSTALL) --packages-only
	@exec $(LAUNCH) doctor

call:  ## place one real call through a running `make up` and read it back as JSON
	@$(INSTALL) --checks --browser >&2
	@exec $(VENV)/python -m bench.call

campaign:  ## run a campaign of twenty leads through a running `make up` and read it back as JSON
	@$(INSTALL) --checks --browser >&2
	@exec $(VENV)/python -m bench.campaign

# the reading checks, two at a time, each one's words kept together
lint:
	@$(MAKE) --no-print-directory -j2 -O -k lint-types lint-style lint-floors
lint-types:
	@$(SEALED) $(VENV)/mypy .
lint-style:
	@$(SEALED) $(VENV)/ruff check .
	@$(SEALED) $(VENV)/ruff format --check .
lint-floors:
	@$(SEALED) $(VENV)/lint-imports

test:  ## every check: ruff, mypy, import-linter, pytest with real parts, switch and browser
	@$(SEALED) $(INSTALL) --checks --browser
	@$(MAKE) --no-print-directory lint
	@$(PYTEST) -n 2 -m "not deep and not switch and not browser"
	@$(PYTEST) -m "(switch or browser) and not deep"

test-quick:  ## the checks that need neither switch nor browser and wait for nothing
	@$(SEALED) $(INSTALL) --checks
	@$(MAKE) --no-print-directory lint
	@$(PYTEST) -n 2 -m "not slow and not deep and not switch and not browser"

deep:  ## what takes long: soaks, thousands of kills
	@$(SEALED) $(INSTALL) --checks --browser
	@$(PYTEST) -m deep

bench:  ## measure, and write docs/benchmarks.md
	@$(SEALED) $(INSTALL) --checks --browser
	@$(SEALED) $(VENV)/python -m bench

drill:  ## back up, change and restore made-up companies beside what `make up` runs; says how long it takes
	@$(INSTALL) --packages-only
	@$(VENV)/seatline drill

# The same versions again unless UPGRADE=1. No address of an index or a mirror reaches the locks.
COMPILE := $(VENV)/uv pip compile -q --no-config --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header $(if $(UPGRADE),--upgrade)
lock:  ## write the locks from requirements*.in (UPGRADE=1 takes newer versions)
	@$(INSTALL) --packages-only
	@$(COMPILE) requirements-uv.in -o requirements-uv.lock
	@$(COMPILE) requirements.in -o requirements.lock
	@$(COMPILE) requirements-dev.in -c requirements.lock -o requirements-dev.lock
