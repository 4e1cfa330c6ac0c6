# Everything that is done to this repository. `make` lists it. Needs make, Python 3.11, 3.12 or 3.13, and nothing else.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# The interpreter that .venv is made with: the first of these that really runs and fits, or the one given: make PYTHON=...
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
EXAMPLE := examples/digits/training-job.yaml
BIN := .venv/bin
# Most tests wait more than they compute; a folder's tests stay in one process with --dist loadfile.
IN_PARALLEL := --numprocesses $(or $(PYTEST_PROCESSES),2) --dist loadfile --no-loadscope-reorder
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: .venv/.run ## Set up, then train, compress and publish the digits example
	$(BIN)/steelyard run $(EXAMPLE)

.PHONY: setup
setup: .venv/.dev ## Set up .venv with everything that developing needs

.PHONY: test
test: .venv/.dev ## Set up, then run the unit tests and the tests with real TensorFlow processes
	$(BIN)/python -m pytest $(IN_PARALLEL) tests/unit tests/local

.PHONY: test-unit
test-unit: .venv/.dev ## The fast tests only
	$(BIN)/python -m pytest $(IN_PARALLEL) tests/unit

.PHONY: test-statistics
test-statistics: .venv/.dev ## The statistical and fuzz tests with all their seeds: minutes
	STEELYARD_SEEDS=all $(BIN)/python -m pytest $(IN_PARALLEL) tests/statistics

.PHONY: test-statistics-small
test-statistics-small: .venv/.dev ## The same with few seeds
	$(BIN)/python -m pytest $(IN_PARALLEL) tests/statistics

.PHONY: test-controlplane
test-controlplane: .venv/.dev cluster-build ## The tests on a real API server with simulated nodes
	$(BIN)/python -m pytest $(IN_PARALLEL) tests/controlplane

.PHONY: test-e2e
test-e2e: .venv/.dev $(if $(filter existing,$(STEELYARD_TEST_CLUSTER)),,cluster-build) ## The tests with real nodes and containers; as root on Debian, or on a cluster of yours
	$(BIN)/python -m pytest tests/e2e

.PHONY: cluster-build
cluster-build: .venv/.dev ## Build Kubernetes for the tests from Go modules, each version once: tests/cluster/README.md
	$(CLUSTER) build

.PHONY: cluster-up
cluster-up: .venv/.dev ## Start a cluster to try things on: KIND=simulated (nodes without containers) or KIND=real
	$(CLUSTER) up $(or $(KIND),simulated)

.PHONY: cluster-down
cluster-down: .venv/.dev ## End what cluster-up started
	$(CLUSTER) down

CLUSTER = PYTHONPATH=tests $(BIN)/python -m cluster

.PHONY: images
images: ## Build the operator's and the trainer's image; prints where their archives are: images/build
	images/build

.PHONY: kind-up
kind-up: ## Make a kind cluster with the images and the chart in it; needs kind, kubectl, helm, and docker or podman
	tests/kind/up

.PHONY: kind-test
kind-test: ## Train the digits example there, and show the model
	tests/kind/test

.PHONY: kind-down
kind-down: ## Delete that cluster
	tests/kind/down

.PHONY: lint
lint: .venv/.dev ## Format check, linter, types and the layers' import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports

.PHONY: format
format: .venv/.dev ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: .venv/.dev cluster-build ## Every benchmark at full size: about three hours, with 8 GiB of disk
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/prepare.py --gigabytes 2
	$(BIN)/python benchmarks/grid_search.py
	$(BIN)/python benchmarks/neighbors.py
	$(BIN)/python benchmarks/packed_networks.py
	$(MAKE) bench-compression
	$(MAKE) bench-tables
	$(BIN)/python benchmarks/operator_load.py
	$(BIN)/python benchmarks/operator_beside_old.py
	$(BIN)/python benchmarks/tuning_load.py
	$(BIN)/python benchmarks/packed_trials.py

.PHONY: bench-tables
bench-tables: .venv/.dev ## init and run on real tables beside scikit-learn; puts the packages that ship them into .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-bench.lock
	$(BIN)/python benchmarks/tables.py

.PHONY: bench-compression
bench-compression: .venv/.dev ## How small models become, and whether what is called proved is true: hours; goes on where it was stopped
	$(BIN)/python benchmarks/bounds.py
	$(BIN)/python benchmarks/promise.py
	$(BIN)/python benchmarks/four_bits.py
	$(BIN)/python benchmarks/compression.py

.PHONY: bench-restart
bench-restart: .venv/.dev cluster-build ## A restart of the operator with 5,000 finished jobs: its memory, Lease and /healthz
	$(BIN)/python benchmarks/operator_load.py --only restart

.PHONY: bench-small
bench-small: .venv/.dev ## The benchmarks that need no cluster at a size that takes seconds: shows that they run, measures nothing
	$(BIN)/python benchmarks/training.py --small
	$(BIN)/python benchmarks/prepare.py --rows 20000 --rounds 1
	$(BIN)/python benchmarks/grid_search.py --small
	$(BIN)/python benchmarks/neighbors.py --small
	$(BIN)/python benchmarks/packed_networks.py --small

.PHONY: bench-operator-small
bench-operator-small: .venv/.dev cluster-build ## The operator's benchmarks with few jobs and trials: hold it to its writes and its restart
	@# Each has a control plane of its own, and waits most of the time.
	$(MAKE) --jobs 3 --output-sync .bench-stages-small .bench-restart-small .bench-search-small

.PHONY: .bench-stages-small .bench-restart-small .bench-search-small
.bench-stages-small:
	$(BIN)/python benchmarks/operator_load.py --small --only all-stages
.bench-restart-small:
	$(BIN)/python benchmarks/operator_load.py --small --only restart
.bench-search-small:
	$(BIN)/python benchmarks/tuning_load.py --small

.PHONY: docs
docs: .venv/.dev ## Write docs/manifest.md and docs/tuning-job.md from the API models
	$(BIN)/python -m steelyard.schema.reference docs

.PHONY: generate
generate: .venv/.dev ## Write crds/ and the chart's copy from the API models
	$(BIN)/python -m steelyard.schema.crd crds charts/steelyard/files/crds

.PHONY: lock
lock: ## Write the lock files from pyproject.toml; make lock UPGRADE=--upgrade takes the newest versions
	@# Not by way of .venv/.dev, as what is locked now may be what can't be installed.
	@[ -x $(BIN)/uv ] || $(MAKE) setup
	$(COMPILE) --extra operator --group dev --output-file requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock
	$(COMPILE) --extra operator --group dev --group bench --constraint requirements-dev.lock --output-file requirements-bench.lock
	set -e; for lock in $(IMAGE_LOCKS); do $(COMPILE_ANY) images/$$lock.in --constraint requirements-dev.lock --output-file images/$$lock.lock; done

IMAGE_LOCKS = operator/requirements trainer/requirements-cpu trainer/requirements-gpu
COMPILE = $(COMPILE_ANY) pyproject.toml --extra trainer --extra tuning --no-emit-package steelyard
COMPILE_ANY = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(UPGRADE)

.PHONY: clean
clean: ## Remove .venv, caches and what the examples made
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf operator/*.egg-info images/trainer/*.egg-info *.egg-info examples/*/.steelyard examples/*/claims examples/*/models
	find operator images tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2> /dev/null || true

# A stamp says that its step is complete. `.installing` lies there only while packages are put in: where it is found at
# the beginning, that was interrupted, and the environment is made anew.
.venv/.dev: requirements-dev.lock pyproject.toml
	@$(call install,requirements-dev.lock)
	@touch .venv/.run $@

.venv/.run: requirements.lock pyproject.toml
	@$(call install,requirements.lock)
	@touch $@

define install
set -eu; \
if [ ! -e .venv/.made ] || [ -e .venv/.installing ] || ! $(BIN)/python -c '' 2> /dev/null; then \
    for candidate in $(PYTHONS); do \
        if "$$candidate" -c '$(FITS)' > /dev/null 2>&1; then python="$$candidate"; break; fi; \
    done; \
    if [ -z "$${python:-}" ]; then \
        echo "Python 3.11, 3.12 or 3.13 with its venv module is needed, but none of these is one: $(PYTHONS); install it, or name it: make PYTHON=/path/to/python3" >&2; \
        exit 1; \
    fi; \
    echo "Making .venv with $$("$$python" --version) ($$python)"; \
    "$$python" -m venv --clear .venv; \
    touch .venv/.made; \
fi; \
echo "Installing TensorFlow and the other packages of $(1) into .venv: about 0.9 GB to download, 2.2 GB on disk, minutes"; \
touch .venv/.installing; \
$(BIN)/python -m pip install --require-hashes --requirement $(1); \
$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
rm .venv/.installing
endef

FITS = import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
