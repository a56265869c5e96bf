# One command for each task. Everything below `help` first brings .venv up to date, which costs nothing when it is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Some machines set it; then each of the hundreds of processes that a stack or a test starts compiles all of our code anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)
PY := .venv/bin/python
# Most tests wait for servers and clocks: more of them than cores keep the cores busy.
JOBS ?= 4
BUF := $(PY) deploy/local/buf.py
ENVIRONMENT := .venv/.installed
PROJECTS := $(wildcard services/*/pyproject.toml services/skills/*/pyproject.toml)
PACKAGES = $(notdir $(wildcard services/*/src/earshot_* services/skills/*/src/earshot_*))

##@ Use

.PHONY: help
help: ## Show this help
	@name= title= plain=; if [ -t 1 ]; then name=$$'\033[36m' title=$$'\033[1m' plain=$$'\033[0m'; fi; \
	awk -v name="$$name" -v title="$$title" -v plain="$$plain" \
		'BEGIN {FS = ":.*## "; print "Usage: make " name "<target>" plain} \
		/^##@ / {print "\n" title substr($$0, 5) plain} \
		/^[a-zA-Z0-9_-]+:.*## / {printf "  %s%-18s%s %s\n", name, $$1, plain, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(ENVIRONMENT) ## Make or update .venv
	@:

.PHONY: run
run: $(ENVIRONMENT) ## Start everything, speak four demo turns, stay up until Ctrl-C (ONCE=1: leave after the demo; CLUSTER=3)
	@exec .venv/bin/earshot demo $(if $(filter-out 0,$(ONCE)),--once) $(if $(CLUSTER),--cluster $(CLUSTER))

.PHONY: up
up: $(ENVIRONMENT) ## Start everything and stay up (SCALE=asr=3,nlu=2 CLUSTER=3)
	@exec .venv/bin/earshot up $(if $(SCALE),--scale $(SCALE)) $(if $(CLUSTER),--cluster $(CLUSTER))

##@ Develop

.PHONY: test
test: $(ENVIRONMENT) ## Run the tests (ARGS="-k name -x", JOBS=1)
	@$(PY) -m pytest -n $(JOBS) $(ARGS)

.PHONY: test-deploy
test-deploy: $(ENVIRONMENT) ## Run the long tests of deployment, and say where their time goes (ARGS="-k name")
	@$(PY) -m pytest tests/deploy_slow --durations=10 --durations-min=1 $(ARGS)

.PHONY: check
check: lint types layers protos-check asyncapi-check licences-check bases-check networkpolicies-check dockerfiles-check ## Run every check: lint, types, layers, contracts, AsyncAPI, network policies

.PHONY: lint
lint: $(ENVIRONMENT) ## Check style and format
	@echo "==> ruff" >&2
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --check --quiet . || { $(PY) -m ruff format --check .; exit 1; }

.PHONY: types
types: $(ENVIRONMENT) ## Check types, strictly
	@echo "==> mypy (a minute without its cache)" >&2
	@$(PY) -m mypy --no-error-summary $(addprefix -p ,$(PACKAGES))
	@$(PY) -m mypy --no-error-summary protos/generate.py protos/speakers.py deploy/local
	@MYPYPATH=deploy $(PY) -m mypy --no-error-summary -p images

.PHONY: layers
layers: $(ENVIRONMENT) ## Check which package imports which
	@echo "==> import-linter" >&2
	@$(PY) deploy/local/layers.py $(if $(VERBOSE),--verbose)

.PHONY: format
format: $(ENVIRONMENT) ## Format the code and mend what ruff can mend
	@$(PY) -m ruff check --quiet --fix . || true
	@$(PY) -m ruff format --quiet .

.PHONY: e2e-kube
e2e-kube: $(ENVIRONMENT) ## The suite on a real cluster (KUBECONFIG=file; its operator, too: E2E_SKILL=id E2E_IMAGE=… E2E_VERSION=…; tests/support/kube/real.py)
	@E2E_KUBECONFIG="$(KUBECONFIG)" E2E_SKILL="$(E2E_SKILL)" E2E_IMAGE="$(E2E_IMAGE)" E2E_VERSION="$(E2E_VERSION)" \
		E2E_IMAGE_NEXT="$(E2E_IMAGE_NEXT)" E2E_VERSION_NEXT="$(E2E_VERSION_NEXT)" \
		E2E_BUS_URL="$(E2E_BUS_URL)" E2E_BUS_CREDENTIALS="$(E2E_BUS_CREDENTIALS)" \
		PYTHONPATH=tests $(PY) -m support.kube.end_to_end $(ARGS)

##@ Contracts

.PHONY: protos
protos: $(ENVIRONMENT) ## Generate services/contracts from protos/, and docs/contracts.md
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PY) protos/generate.py
	@$(PY) protos/speakers.py

.PHONY: protos-check
protos-check: $(ENVIRONMENT) ## Check generated code for drift; buf lint; buf breaking against the last release
	@echo "==> protos: drift, lint, breaking changes" >&2
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PY) protos/generate.py --check
	@$(PY) protos/speakers.py --check
	@$(BUF) lint protos
	@$(BUF) breaking protos --against protos/released.binpb

.PHONY: release-contracts
release-contracts: $(ENVIRONMENT) ## Make today's contracts the release that breaking changes are measured against
	@$(BUF) build protos --as-file-descriptor-set --exclude-source-info -o protos/released.binpb

.PHONY: asyncapi
asyncapi: $(ENVIRONMENT) ## Generate the AsyncAPI document from the running definitions
	@$(PY) -m earshot_topology.asyncapi docs/asyncapi.yaml

.PHONY: asyncapi-check
asyncapi-check: $(ENVIRONMENT) ## Check the AsyncAPI document for drift
	@echo "==> asyncapi: drift" >&2
	@$(PY) -m earshot_topology.asyncapi --check docs/asyncapi.yaml

.PHONY: licences
licences: $(ENVIRONMENT) ## List third-party software with its licences
	@$(PY) deploy/local/licences.py

.PHONY: licences-check
licences-check: $(ENVIRONMENT) ## Check that every dependency's licence is listed
	@$(PY) deploy/local/licences.py --check

.PHONY: manifests
manifests: $(ENVIRONMENT) ## Print what a folder of deploy/ renders to (OVERLAY=dev; or FOLDER=deploy/base/asr)
	@$(PY) deploy/local/render.py $(or $(FOLDER),deploy/overlays/$(or $(OVERLAY),dev))

.PHONY: bases
bases: $(ENVIRONMENT) ## Write deploy/base/kustomization.yaml, the list of its folders
	@$(PY) deploy/local/bases.py

.PHONY: bases-check
bases-check: $(ENVIRONMENT) ## Check that deploy/base/kustomization.yaml lists its folders
	@echo "==> deploy/base: drift" >&2
	@$(PY) deploy/local/bases.py --check

.PHONY: registry
registry: $(ENVIRONMENT) ## Write from where images are pulled into every folder below deploy/ that names one (REGISTRY=host/path TAG=version)
	@$(PY) deploy/local/registry.py $(REGISTRY) $(TAG)

.PHONY: networkpolicies
networkpolicies: $(ENVIRONMENT) ## Write the network policies below deploy/ from the declared flows
	@$(PY) deploy/local/networkpolicies.py

.PHONY: networkpolicies-check
networkpolicies-check: $(ENVIRONMENT) ## Check the network policies for drift
	@echo "==> network policies: drift" >&2
	@$(PY) deploy/local/networkpolicies.py --check

##@ Ship

.PHONY: image
image: $(ENVIRONMENT) ## Build a service's image with buildah (SERVICE=asr EXTRA=sherpa BASE=image|offline STORAGE=folder)
	@test -n "$(SERVICE)" || { echo "earshot: say which: make image SERVICE=asr" >&2; exit 2; }
	@PYTHONPATH=deploy $(PY) -m images.build $(SERVICE) $(if $(EXTRA),--extra $(EXTRA)) $(if $(BASE),--base $(BASE)) $(if $(STORAGE),--storage $(STORAGE))

.PHONY: images
images: $(ENVIRONMENT) ## Build the image of every service and skill (BASE=… STORAGE=…)
	@PYTHONPATH=deploy $(PY) -m images.build $(if $(BASE),--base $(BASE)) $(if $(STORAGE),--storage $(STORAGE))

.PHONY: dockerfiles
dockerfiles: $(ENVIRONMENT) ## Write each service's Dockerfile and its pinned requirements from pyproject.toml
	@PYTHONPATH=deploy $(PY) -m images.dockerfiles

.PHONY: dockerfiles-check
dockerfiles-check: $(ENVIRONMENT) ## Check the Dockerfiles and their requirements for drift
	@echo "==> dockerfiles: drift" >&2
	@PYTHONPATH=deploy $(PY) -m images.dockerfiles --check

.PHONY: test-images
test-images: $(ENVIRONMENT) ## Build three images (ALL=1: the stack's), run them read-only, and answer a turn through them (root, buildah)
	@PYTHONPATH=deploy $(PY) -m pytest -s tests/deploy_images/check_images.py $(ARGS)

.PHONY: test-chart
test-chart: $(ENVIRONMENT) ## Render the official NATS chart with our values, and check what comes of it (CHART=folder; helm or helm-python-sdk)
	@test -n "$(CHART)" || { echo "earshot: say where the chart is: helm pull nats/nats --untar; make test-chart CHART=nats" >&2; exit 2; }
	@EARSHOT_NATS_CHART="$(abspath $(CHART))" $(PY) -m pytest tests/deploy_slow/test_chart.py $(ARGS)

##@ Break

.PHONY: chaos
chaos: $(ENVIRONMENT) ## Faults on three nodes while devices talk; what they hear is judged (CHAOS_SECONDS=400 CHAOS_SEED=word)
	@PYTHONPATH=tests $(PY) -m chaos $(if $(CHAOS_SECONDS),--seconds $(CHAOS_SECONDS)) $(if $(CHAOS_SEED),--seed $(CHAOS_SEED)) $(ARGS)

.PHONY: endurance
endurance: $(ENVIRONMENT) ## 2,000 turns and 500 reconnects, after which nothing may have grown (ARGS="--turns N --reconnects N")
	@PYTHONPATH=tests $(PY) -m endurance $(ARGS)

.PHONY: outages
outages: $(ENVIRONMENT) ## Networks and the bus gone for 30 s while households talk (OUTAGE_S=30); in make test it is 6 s
	@OUTAGE_S=$(or $(OUTAGE_S),30) $(PY) -m pytest tests/outages $(ARGS)

##@ Measure

.PHONY: fuzz
fuzz: $(ENVIRONMENT) ## 200,000 wrong messages to everything that listens (ARGS="--messages N --seed N")
	@PYTHONPATH=tests $(PY) -m fuzz $(ARGS)

.PHONY: bench-turn
bench-turn: $(ENVIRONMENT) ## Platform overhead of a turn, with the floor of its raw hops
	@PYTHONPATH=tests $(PY) -m bench.turn $(ARGS)

.PHONY: bench-audio
bench-audio: $(ENVIRONMENT) ## Concurrent audio streams through one ASR worker, without decoding
	@PYTHONPATH=tests $(PY) -m bench.audio $(ARGS)

.PHONY: bench-voice
bench-voice: $(ENVIRONMENT) ## End of speech to first audio with the real engines, both locales
	@PYTHONPATH=tests $(PY) -m bench.voice $(ARGS)

.PHONY: bench-usage
bench-usage: $(ENVIRONMENT) ## Memory and CPU of each service, at rest and for a spoken turn: what deploy/base asks for
	@PYTHONPATH=tests $(PY) -m bench.usage $(ARGS)

.PHONY: bench-in-hand
bench-in-hand: $(ENVIRONMENT) ## How long a turn's message is unacknowledged in each consumer that KEDA asks about
	@PYTHONPATH=tests $(PY) -m bench.in_hand $(ARGS)

.PHONY: bench-takeover
bench-takeover: $(ENVIRONMENT) ## How long a turn stands still when its owner is killed or frozen, by stage
	@PYTHONPATH=tests $(PY) -m bench.takeover $(ARGS)

.PHONY: bench-nlu
bench-nlu: $(ENVIRONMENT) ## CPU time to understand an utterance, and to learn a catalogue
	@PYTHONPATH=tests $(PY) -m bench.understanding $(ARGS)

.PHONY: eval-nlu
eval-nlu: $(ENVIRONMENT) ## How well ordinary sentences are understood, on ../shared/data/nlu and our own (ARGS="--only own")
	@OMP_NUM_THREADS=1 PYTHONPATH=tests $(PY) -m bench.nlu_eval $(ARGS)

.PHONY: eval-asr
eval-asr: $(ENVIRONMENT) ## Commands recognised, other speech refused (recordings: EARSHOT_DATA; ARGS="--clips N")
	@PYTHONPATH=tests $(PY) -m bench.recognition $(ARGS)

CAPACITY_FIGURES = build/results/capacity-figures.json

.PHONY: capacity
capacity: $(ENVIRONMENT) ## Measure, and work out a fleet of 17.3 million devices (ARGS="--devices N --turns-per-day N --peak N")
	@.venv/bin/earshot capacity --devices 17300000 --turns-per-day 12 --peak 4 --keep $(CAPACITY_FIGURES) $(ARGS)

.PHONY: simulate-scaling
simulate-scaling: $(ENVIRONMENT) ## KEDA and HPA over a burst of ten times within a minute; figures of make capacity, else measured now
	@.venv/bin/earshot scaling --plot build/results/scaling.svg \
		$(if $(wildcard $(CAPACITY_FIGURES)),--figures $(CAPACITY_FIGURES)) $(ARGS)

.PHONY: bench-burst
bench-burst: $(ENVIRONMENT) ## A burst of spoken turns through a local stack, recorded for earshot scaling, simulated beside it (4 min)
	@PYTHONPATH=tests $(PY) -m bench.burst $(ARGS)

.PHONY: bench-devices
bench-devices: $(ENVIRONMENT) ## 5,000 connected devices on one nats-server: memory, rates, and all of them back after a restart
	@PYTHONPATH=tests $(PY) -m bench.devices $(ARGS)

.PHONY: bench-schedule
bench-schedule: $(ENVIRONMENT) ## 5,000 alarms at one instant while schedulers and nats-server are killed (ARGS="--alarms N")
	@PYTHONPATH=tests $(PY) -m bench.schedule $(ARGS)

##@ Maintain

.PHONY: lock
lock: $(ENVIRONMENT) ## Resolve the requirements anew (the newest versions that fit: ARGS=--upgrade)
	@echo "==> resolving" >&2
	@$(PY) -m uv lock --quiet $(ARGS)
	@$(PY) -m uv export --quiet --all-packages --all-groups --no-emit-workspace --no-annotate --no-header -o requirements/all.txt
	@$(PY) -m uv export --quiet --only-group sherpa --no-emit-workspace --no-annotate --no-header -o requirements/sherpa.txt
	@echo uv | $(PY) -m uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-emit-index-url \
		$(ARGS) -o requirements/uv.txt -
	@$(MAKE) dockerfiles
	@! grep -l '://' requirements/*.txt services/*/requirements*.txt services/skills/*/requirements*.txt deploy/images/tools.txt || { echo "an address got into the requirements" >&2; exit 1; }

.PHONY: clean
clean: ## Remove what was built and measured, and the local stack's state (.venv stays)
	@rm -rf build .earshot .ruff_cache .mypy_cache .pytest_cache .hypothesis .import_linter_cache

# The environment is made anew when what decides it has changed. The script compares contents, so that a fresh
# checkout's times cost one comparison and no installation.
$(ENVIRONMENT): requirements/all.txt requirements/uv.txt deploy/local/environment.py $(PROJECTS)
	@test -n "$(PYTHON)" || { echo "earshot: Python 3.11 or newer is needed (apt install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) deploy/local/environment.py
