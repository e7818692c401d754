# make        the environment, then the whole workflow: the main job
# make test   the environment, then the tests
# Either may be typed first, on a machine that has make, git, python3 (3.11 or newer) and python3-venv.
# make help   all targets

PYTHON ?= python3
CORES ?= all
WORKERS ?= 2
KILLS ?= 30
INPUTS ?= 100000

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := all
.PHONY: all install workflow test test-fast test-slow check docs bench cluster chaos fuzz slurm generic tensorflow lock container help free force

STAMP := .venv/.installed
ACTIVATE := source .venv/bin/activate

# Whoever changes .venv or results/ holds this lock. The kernel frees it when the last process that
# inherited it is gone; Snakemake's own jobs do not inherit it, so none of them can keep it for ever.
LOCK := .make.lock
BUSY := { echo "make: another make is at work in this folder ($$(cat $(LOCK))). Wait until it ends, or stop it (Ctrl-C where it runs, or kill that process), and type make again." >&2; exit 1; }

all: workflow ## the environment, then the whole workflow (CORES=2 limits it)
	@echo "Finished. Open results/mini/report.html; tables and figures lie beside it."

install: $(STAMP) ## the environment alone

# Snakemake takes the shell's place, so that a signal to make reaches it and it can tidy up.
workflow: free $(STAMP)
	@exec 9<>$(LOCK)
	flock --nonblock 9 || $(BUSY)
	echo "process $$$$, running the workflow since $$(date +%H:%M)" > $(LOCK)
	$(ACTIVATE)
	envs/unlock.sh
	exec snakemake --cores $(CORES)

# A file's tests stay with one worker, so that what they share is made once; the longest come first.
RUN_TESTS := exec pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(STAMP) ## the environment, then the tests (PYTEST="-k words" selects, WORKERS=2 at a time)
	@$(ACTIVATE)
	$(RUN_TESTS) $(PYTEST)

test-fast: $(STAMP) ## those that need neither Snakemake nor a paper's own size: four minutes
	@$(ACTIVATE)
	$(RUN_TESTS) -m "not workflow and not full and not slow" $(PYTEST)

test-slow: $(STAMP) ## those that make test leaves out: full sizes, odd disks
	@$(ACTIVATE)
	$(RUN_TESTS) -m slow $(PYTEST)

# A warning is an error. Pages of modules that are gone would stay in docs/api.
BUILD_DOCS := rm -rf docs/api && sphinx-build --fail-on-warning --quiet docs build/docs

check: $(STAMP) ## style, types, the workflow's own linter, the documentation; changes no source
	@$(ACTIVATE)
	set -x
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile rules
	snakemake --lint
	$(BUILD_DOCS)

docs: $(STAMP) ## the documentation: build/docs/index.html
	@$(ACTIVATE)
	$(BUILD_DOCS)

bench: $(STAMP) ## time cells against the released way; mixed precision on the pools that make made
	@$(ACTIVATE)
	for each in cells one_model step memory photos; do python benchmarks/$$each.py; done
	if [[ -e results/mini/report.html ]]; then python benchmarks/mixed.py; fi
	benchmarks/gpu.sh

cluster: $(STAMP) ## the tests on a real Slurm of one node; as root on Debian it is installed if need be
	@$(ACTIVATE)
	exec pytest -m slurm tests/cluster $(PYTEST)

chaos: $(STAMP) ## kill -9 a run at 30 moments (KILLS=3: at three): it must end in the same bytes
	@$(ACTIVATE)
	exec python tests/chaos/chaos.py --kills $(KILLS)

fuzz: $(STAMP) ## 100,000 damaged inputs to every reader (INPUTS=...)
	@$(ACTIVATE)
	exec python tests/fuzz/fuzz.py --inputs $(INPUTS)

slurm: ## Snakemake's plugin for this engine into the environment; also: make generic
tensorflow: ## the reader of pools of format bert-tf1 into the environment
slurm generic tensorflow: $(STAMP)
	@if [[ -x .venv/bin/pip ]]; then
	    install=(.venv/bin/python -m pip install --disable-pip-version-check)
	else
	    install=(uv pip install --python .venv/bin/python)
	fi
	"$${install[@]}" --quiet --no-deps --require-hashes -r envs/$@.txt

container: envs/sharpness.sif ## the image that Snakefile names, made from the same pins

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

# A second make hears at once that it is the second, before it waits for anything.
free:
	@flock --nonblock $(LOCK) true || $(BUSY)

$(STAMP): envs/requirements.txt pyproject.toml envs/install.sh
	@PYTHON="$(PYTHON)" envs/install.sh

# A copied or renamed folder holds an environment that points to the old place: make it anew.
ifneq "$(shell head -n 1 $(STAMP) 2>/dev/null)" "$(CURDIR)"
$(STAMP): force
endif

lock: ## pin the newest versions that pyproject.toml allows (needs uv)
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock" --quiet --output-file envs/requirements.txt
	for extra in slurm generic tensorflow; do
	    uv pip compile pyproject.toml --extra $$extra --excludes envs/requirements.txt --universal \
	        --python-version 3.11 --upgrade --generate-hashes --no-annotate --no-emit-index-url \
	        --no-emit-find-links --custom-compile-command "make lock" --quiet --output-file envs/$$extra.txt
	done

envs/sharpness.sif: envs/container.def envs/requirements.txt envs/generic.txt pyproject.toml
	@builder=$$(command -v apptainer || command -v singularity) || {
	    echo "make: apptainer is not installed. Install it, or use Docker: docker build -f envs/Dockerfile -t sharpness ." >&2
	    exit 1
	}
	"$$builder" build --force $@ $<
