# The two commands: `make report` and `make test`. Everything else is listed by `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REFERENCE_DATA ?=
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install install-test report demo lab test check lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

report: install data/demo/crm.yml ## make the demo company and the report of its last covered quarter
	@$(BIN)/crm-analysis report --config data/demo/crm.yml

demo: install ## make the demo company anew in data/demo
	@$(BIN)/crm-analysis demo data/demo

lab: install data/demo/crm.yml ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir=notebooks

test: install-test ## install what tests need, Chromium included, and run everything
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/pytest -n 2 --dist loadgroup $(if $(REFERENCE_DATA),--reference-data="$(REFERENCE_DATA)") $(PYTEST_ARGS)

check: ## lint and types alone
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

install: $(VENV)/.installed

install-test: install
	@sh .ci/install-chromium

lock: install ## write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --universal --generate-hashes -p 3.11 --extra test --no-header -q \
		pyproject.toml -o requirements.lock

clean: ## remove the environment, the demo, caches and reports
	rm -rf $(VENV) data/demo .cache reports/2* reports/FY* reports/.building reports/.previous reports/index.html

data/demo/crm.yml: | $(VENV)/.installed
	@$(BIN)/crm-analysis demo data/demo

$(VENV)/.installed: requirements.lock pyproject.toml .ci/install-python
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh .ci/install-python
	@touch $@
