# The commands of a checkout. `make help` lists them; what they do is written in launch/.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
VENV := .venv/bin
# uv trusts only its own list of authorities otherwise, and fails where pip works
export UV_SYSTEM_CERTS := 1
# make up PORT=9000 moves every port; SEATLINE_PORT_PAGES and its siblings move one
ifdef PORT
export SEATLINE_PORT := $(PORT)
endif
# checks run against parts of their own, whatever the person's shell points at
SEALED := env -u DATABASE_URL -u REDIS_URL -u SWITCH_URL -u STRIPE_API_KEY

.DEFAULT_GOAL := help
.PHONY: help
help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

.PHONY: test
test:  ## every check: ruff, mypy, import-linter, pytest with real parts
	@$(SEALED) $(VENV)/ruff check .
	@$(SEALED) $(VENV)/ruff format --check .
	@$(SEALED) $(VENV)/mypy .
	@$(SEALED) $(VENV)/lint-imports
	@$(SEALED) $(VENV)/python -m pytest -m "not deep"
