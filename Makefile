# Every habit of the project as one command. The Python environment lies in .cache/venv and follows requirements/dev.txt.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

VENV := .cache/venv
PYTHON := $(VENV)/bin/python
REQUIREMENTS := requirements/dev.txt
STAMP := $(VENV)/.installed-$(shell sha256sum $(REQUIREMENTS) | cut -c1-16)
CODE := operator tests tools benchmarks
# dev = a development cluster of the project's own; kind; existing = the current kubeconfig, with IMAGE=…
CLUSTER ?= dev
IMAGE ?=
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make requirements"
PYTEST := $(PYTHON) -m pytest
# The same with a cache of its own, in CI with a second look at the few tests that fail: $(call looked-at,name) …
looked-at = $(PYTHON) -m tools.second_look .cache/pytest-$(1)
# Contract tests on a real API server: they come when its programs are built.
ON_A_CLUSTER := $(addprefix tests/contract/test_,cluster.py cluster_reviews.py leadership.py)
ARGS ?=
# What pytest answers when somebody has ended it.
export INTERRUPTED := 2

.PHONY: help
help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(STAMP) ## The whole system on a real Kubernetes, importing real media (CLUSTER=dev|kind|existing, IMAGE=…).
	@$(PYTHON) -m tools.demo up --cluster $(CLUSTER) $(if $(IMAGE),--image $(IMAGE))

.PHONY: demo-down
demo-down: $(STAMP) ## Remove everything that the demo has made.
	@$(PYTHON) -m tools.demo down

.PHONY: test
test: $(STAMP) ## Every test: unit, contract, cluster, container end-to-end (ARGS=… for pytest).
	@$(MAKE) --jobs=2 --output-sync=target check-static test-servers
	@$(MAKE) cluster-image > .cache/cluster-image.log 2>&1 & builds=$$!; status=0; \
		trap "kill $$builds 2> /dev/null || true" EXIT; \
		$(call looked-at,servers) -n auto --dist loadfile tests/test_repository.py tests/unit tests/contract \
			$(addprefix --ignore=,$(ON_A_CLUSTER)) $(ARGS) || status=$$?; \
		(( status != INTERRUPTED )) || exit 1; \
		echo "waiting for what the cluster runs (.cache/cluster-image.log)"; \
		wait $$builds || { cat .cache/cluster-image.log; exit 1; }; \
		env --default-signal=INT $(call looked-at,cluster) $(ON_A_CLUSTER) tests/cluster $(ARGS) > .cache/cluster-tests.log 2>&1 & api=$$!; \
		trap "kill -INT $$api 2> /dev/null && wait $$api || true" EXIT; \
		$(call looked-at,e2e) tests/e2e $(ARGS) || status=$$?; \
		(( status != INTERRUPTED )) || exit 1; \
		echo "waiting for the tests on an API server (.cache/cluster-tests.log)"; \
		wait $$api || status=1; \
		cat .cache/cluster-tests.log; \
		exit $$status

.PHONY: test-servers
test-servers: $(STAMP)
	@$(PYTHON) -m tools.testservers build

.PHONY: check
check: check-static test-unit ## Format, lint, types, imports and unit tests; needs no server, one to two minutes.

.PHONY: check-static
check-static: $(STAMP)
	@$(VENV)/bin/ruff format --check --quiet $(CODE)
	@$(VENV)/bin/ruff check --quiet $(CODE)
	@$(VENV)/bin/mypy $(CODE)
	@PYTHONPATH=operator $(VENV)/bin/lint-imports

.PHONY: test-unit
test-unit: $(STAMP) ## Unit tests only.
	@$(PYTEST) -n auto tests/test_repository.py tests/unit $(ARGS)

.PHONY: test-contract
test-contract: $(STAMP) cluster-programs ## Contract tests only: every implementation of a port, on real servers.
	@$(PYTEST) tests/contract $(ARGS)

.PHONY: test-cluster
test-cluster: $(STAMP) cluster-programs ## Cluster tests only: a real API server, the operator as a process.
	@$(PYTEST) tests/cluster $(ARGS)

.PHONY: test-e2e
test-e2e: $(STAMP) cluster-image ## End-to-end tests only: the image, the chart, real pods.
	@$(PYTEST) tests/e2e $(ARGS)

.PHONY: bench
bench: $(STAMP) ## Every benchmark, each beside its peer.
	@for file in benchmarks/[a-z]*.py; do \
		grep -q '__main__' "$$file" || continue; name="$${file#benchmarks/}"; \
		echo "== $$name"; PYTHONPATH=operator $(PYTHON) -m "benchmarks.$${name%.py}"; done

.PHONY: generate
generate: $(STAMP) ## Write crds/ and the chart's copies of it from the models.
	@PYTHONPATH=operator $(PYTHON) -m videovector_operator crds --out crds
	@PYTHONPATH=operator $(PYTHON) -m videovector_operator crds --out charts/videovector-operator/files/crds

.PHONY: verify
verify: generate ## Fail if generated files differ from what is committed.
	@changed="$$(git status --porcelain -- crds charts/videovector-operator/files)"; \
		if [[ -n "$$changed" ]]; then echo "generated files are not committed:"; echo "$$changed"; exit 1; fi

.PHONY: requirements
requirements: ## Pin the dependencies of pyproject.toml with hashes (needs uv; newer versions: ARGS=--upgrade).
	@command -v uv > /dev/null || { echo "uv is missing; install it with: python3 -m pip install uv"; exit 1; }
	@$(LOCK) $(ARGS) --output-file requirements/runtime.txt pyproject.toml
	@$(LOCK) $(ARGS) --extra dev --output-file requirements/dev.txt pyproject.toml

.PHONY: cluster-programs
cluster-programs: ## Build kubectl, helm and the development cluster's programs into .cache/bin.
	@python3 -m tools.devcluster build

.PHONY: cluster-image
cluster-image: $(STAMP) cluster-programs ## Build the operator's image too, so that no test has to wait for one.
	@$(PYTHON) -m tools.devcluster build-image --tag "$$($(PYTHON) -c 'from tools.demo import image; print(image.name_image())')"

.PHONY: clean
clean: ## Stop every cluster and the demo, then remove all that was built or cached.
	@if [[ -x $(PYTHON) && -d .cache/demo ]]; then $(PYTHON) -m tools.demo down; fi
	@python3 -m tools.devcluster down --all --purge
	@rm -rf .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(REQUIREMENTS)
	@python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
		echo "Python 3.11 or newer with its venv module is needed; install it with"; \
		echo "  apt-get install -y --no-install-recommends python3 python3-venv"; exit 1; }
	@echo "Python environment in $(VENV), from $(REQUIREMENTS)"
	@python3 -m venv $(VENV)
	@$(PYTHON) -m pip install --disable-pip-version-check --require-hashes --requirement $(REQUIREMENTS)
	@rm -f $(VENV)/.installed-*
	@touch $@
