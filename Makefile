# Contender's commands. `make help` lists them; hooks and CI only call these.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := $(CURDIR):$(CURDIR)/plugins:$(CURDIR)/dags
export OMP_WAIT_POLICY ?= PASSIVE
export ORT_DISABLE_TELEMETRY ?= 1
MODEL ?= flight_delay
# What deletes is said on make's command line, and not by a variable that happens to be in somebody's environment.
SAID_YES = $(if $(and $(findstring command,$(origin YES)),$(filter 1,$(YES))),--yes)
# The newest month of the flights, which a model without an interval is trained on, needs the whole year read first.
INTERVAL ?= $(if $(filter flight_delay,$(MODEL)),2013-06)

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements-dev.txt
	@$(MAKE) -s python
	@command -v gcc >/dev/null || { echo "gcc is missing: some packages compile; install it (Debian: apt-get install gcc)" >&2; exit 1; }
	@echo "Installing the locked environment into $(VENV) (about 2 GB; minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements-bootstrap.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync -q --require-hashes requirements-dev.txt
	@touch $@

install: $(VENV)/.installed ## Create .venv from the lock

extras: install ## Install LightGBM, XGBoost and their ONNX converters on top of the lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install -q --require-hashes -r requirements-extras.txt

# The champion of MODEL where no release is named; quoted, as a path may have spaces.
RELEASE_ASKED = '$(subst ','\'',$(or $(RELEASE),$(MODEL)))'
# Each on make's command line alone: FROM and KEEP are common names.
SAID = $(if $(findstring command,$(origin $(1))),$(2) '$(subst ','\'',$($(1)))')
REPRODUCE = $(call SAID,FROM,--from) $(call SAID,KEEP,--keep) $(RELEASE_ASKED)
# Of all models where MODEL is nobody's wish but the default above.
PRUNE = $(if $(filter file,$(origin MODEL)),,'$(subst ','\'',$(MODEL))') $(SAID_YES)
DEMO = demo --model $(MODEL) $(if $(INTERVAL),--interval $(INTERVAL))
ifeq ($(STACK),)
demo: install ## Start the platform, train MODEL (default flight_delay) on INTERVAL (default the newest of its data), show the result; STACK=compose: in the stack
	@$(BIN)/python -m contender.embedded $(DEMO)

airflow: install ## Run Airflow's command line: make airflow ARGS="dags list"; STACK=compose: in the stack
	@$(BIN)/python -m contender.embedded airflow $(ARGS)

verify-decisions: install ## Check the hash chain of the decision logs; STACK=compose: of the stack's
	@$(BIN)/python -m contender.core.decisions

verify: install ## Check every part of a RELEASE, from its signature back to its data: flight_delay/1, flight_delay (its champion) or a path; STACK=compose: in the stack
	@$(BIN)/python -m contender.embedded verify $(RELEASE_ASKED)

reproduce: install ## Train a release again and prove the same model, or say which input differs: RELEASE=path/of/release.json, <model>/<version> or <model> (default: MODEL's champion) [FROM=tables|source] [KEEP=folder]
	@$(BIN)/python -m contender.release.reproduce $(REPRODUCE)

prune: install ## Say which images of MODEL (default: of all) would be removed and which stay, and why; YES=1: remove them; STACK=compose: of the stack's
	@$(BIN)/python -m contender.retention $(PRUNE)
else ifeq ($(STACK),compose)
demo: python
	@$(LAUNCH_STACK) $(DEMO)

airflow: python
	@$(LAUNCH_STACK) airflow $(ARGS)

verify-decisions: python
	@$(LAUNCH_STACK) decisions

verify: python
	@$(LAUNCH_STACK) verify $(RELEASE_ASKED)

prune: python
	@$(LAUNCH_STACK) prune $(PRUNE)

reproduce:
	@echo "the stack's releases are made again outside of it; next: docker compose cp airflow-scheduler:/opt/contender/.contender/releases/<model>/<version>/release.json . && make reproduce RELEASE=release.json (from its source, read anew)" >&2; exit 1
else
demo airflow verify-decisions verify reproduce prune:
	@echo "there is no stack '$(STACK)'; expected: compose, or nothing; next: say make $@ STACK=compose" >&2; exit 1
endif

signing-key: install ## Make a pair of Ed25519 keys to sign releases with: signing.pem and <id>.pub in KEYS (default: keys in the home)
	@$(BIN)/python -m contender.release key $(if $(KEYS),--folder '$(subst ','\'',$(KEYS))')

stop: ## Stop the platform of this checkout
	@test -x $(BIN)/python || { echo "Nothing to stop: there is no $(VENV)"; exit 0; }; $(BIN)/python -m contender.embedded stop

# The stack needs no .venv: its launcher runs on the bare interpreter, its tools in the images.
LAUNCH_STACK = $(PYTHON) -m contender.stack

python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: expected '$(PYTHON)' on PATH; install it or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: expected Python 3.11 or newer; say make PYTHON=/path/to/python3.11" >&2; exit 1; }

up: python ## Start the stack with Docker Compose: checks first, writes .env once; PROFILE=celery [WORKERS=2]: tasks on workers
	@$(LAUNCH_STACK) up $(if $(PROFILE),--profile $(PROFILE)) $(if $(WORKERS),--workers $(WORKERS))

down: python ## Stop the stack, keep its data; VOLUMES=1: delete them after asking (YES=1: without)
	@$(LAUNCH_STACK) down $(if $(VOLUMES),--volumes) $(SAID_YES)

logs: python ## Follow the logs of the stack, or of one SERVICE
	@$(LAUNCH_STACK) logs $(if $(SERVICE),--service $(SERVICE))

serve: install ## Serve MODEL's champion on PORT (default: a free one), without Docker
	@$(BIN)/python -m contender.embedded serve --model $(MODEL) $(if $(PORT),--port $(PORT))

# Handed on by the environment, for they may hold spaces, quotes and dollar signs; taken from make's command line alone,
# for names as common as these may stand in anybody's environment.
NEW_MODEL_ARGUMENTS := NAME FROM DATA LABEL TIME ENTITY QUERY CONNECTION DROP KEEP CLASSES LABEL_DELAY TITLE OWNER
$(foreach name,$(NEW_MODEL_ARGUMENTS),$(eval export NEW_MODEL_$(name) = $$(if $$(findstring command,$$(origin $(name))),$$(value $(name)))))
new-model: install ## Make a model: NAME=churn FROM=classification DATA=path-or-url LABEL=churned [TIME= ENTITY= …]; asks for what is missing
	@$(BIN)/python -m contender.scaffold

# MODEL has a default, which is nobody's wish to remove.
remove-model: install ## Say which files of MODEL would be removed and what stays; YES=1: remove them
	@$(BIN)/python -m contender.scaffold.remove '$(if $(findstring command,$(origin MODEL)),$(subst ','\'',$(MODEL)))' $(SAID_YES)

upgrade-check: install ## Say what another version of the platform would ask of the specs: TO=git-ref-or-path (default: the one here), FORK=path (default: this checkout); changes nothing
	@$(BIN)/python -m contender.upgrade $(if $(TO),--to '$(subst ','\'',$(TO))') $(if $(FORK),--root '$(subst ','\'',$(FORK))')

test-model: install ## Run the tests of one MODEL
	@compgen -G 'tests/models/test_$(MODEL)_*.py' >/dev/null || { echo "there are no tests of a model '$(MODEL)'; expected: one of $$(cd tests/models && ls test_*_model.py | sed 's/^test_//; s/_model.py$$//' | xargs); next: say make test-model MODEL=<name>" >&2; exit 1; }
	@echo "Running the tests of $(MODEL)"; $(BIN)/python -m pytest tests/models/test_$(MODEL)_*.py

# Processes of the tests: one for each core, four at most, for each trains a model of its own.
PYTEST = $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

test: install ## Run the tests that need no services (under 10 minutes)
	@$(PYTEST) -m "not slow" tests

test-slow: install ## Run the other tests but the longest: live platform, browser, Docker engine
	@$(PYTEST) -m "slow and not long" tests

test-long: install ## Run those that .ci/run leaves out: late labels, many models, DAGs from Git, a backfill, each template's demo
	@$(PYTEST) -m long tests

test-extras: extras ## Run the tests of models by LightGBM and XGBoost, which it installs
	@$(BIN)/python -m pytest tests/unit/test_extras.py

test-all: install ## Run every test: also the live platform, the browser and the Docker engine
	@$(PYTEST) tests

check: install ## Lint, format check, types, import directions
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: install ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

bench: install ## Run every benchmark, or bench-NAME one or a family (bench-gate); writes docs/benchmarks.json and .md
	@$(BIN)/python -m contender.bench

bench-%: install
	@$(BIN)/python -m contender.bench --only $*

RESOLVE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

lock: install ## Resolve requirements.in and requirements-dev.in anew into the locks
	@rm -f requirements-dev.txt && $(RESOLVE) requirements-dev.in -o requirements-dev.txt
	@# The platform's lock is the part of the whole that the platform needs: uv keeps the versions it finds there.
	@cp requirements-dev.txt requirements.txt && $(RESOLVE) requirements.in -o requirements.txt
	@$(RESOLVE) requirements-extras.in -o requirements-extras.txt

.PHONY: help install extras demo stop up down logs serve new-model remove-model prune upgrade-check test-model test test-slow test-long test-extras test-all check format bench airflow verify verify-decisions reproduce signing-key lock
.PHONY: python
