# SPDX-License-Identifier: Apache-2.0
# The tasks of this project by name; meson, kbuild, build.py and pytest do the work.

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := $(PYTHON) -m pytest
IMAGE := app-disk.img

# For example: make build LIBOS=--incremental, or LIBOS="--tarball linux-6.12.99.tar.xz --sha256 ..."
LIBOS :=
# For example: make test PYTEST_ARGS="-k redis --require=tun"
PYTEST_ARGS :=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup packages build demo test test-quick fuzz lint wheel doctor clean

help: ## list these tasks
	@echo "rkt-io: unmodified Linux programs on a library OS. Tasks (the first two are a tour):"
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: build $(IMAGE) ## set up, build, serve Debian's redis from the enclave, benchmark it (root)
	@bench/demo.sh $(IMAGE)

test: build ## run every test: style, types, unit, native, functional (root)
	$(PYTEST) $(PYTEST_ARGS)

test-quick: $(VENV)/.complete ## run the tests that need no build and no root
	$(PYTEST) tests/style tests/framework tests/unit $(PYTEST_ARGS)

fuzz: $(VENV)/.complete ## feed lies to all that reads what the host says, SECONDS (default 600) each
	$(PYTEST) tests/fuzz -s --fuzz-seconds=$(or $(SECONDS),600) $(PYTEST_ARGS)

lint: $(VENV)/.complete ## run ruff, mypy and the rules of the house
	$(PYTEST) tests/style $(PYTEST_ARGS)

build: setup ## compile the library kernel, the libc and the runtime into build/rkt-io-enclave
	$(PYTHON) enclave/libos/build.py $(LIBOS)
	@test -f build/build.ninja || meson setup build
	meson compile -C build

setup: packages $(VENV)/.complete ## install Debian's packages and the Python environment

packages:
	@.ci/packages packages.txt

$(VENV)/.complete: pyproject.toml
	@echo "setting up $(VENV)"
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: python3 is older than 3.11" >&2; exit 1; }
	@test -x $(PYTHON) || python3 -m venv $(VENV)
	@$(PYTHON) -m pip install --quiet --editable '.[dev]'
	@touch $@

$(IMAGE):
	bin/rkt-io-disk create --debian redis-server --size 1G $@

wheel: build ## pack the package, with the built enclave, into dist/
	$(PYTHON) -m build --outdir dist

doctor: ## say what this machine has and lacks
	@bin/rkt-io doctor

clean: ## remove what was built here (the cache in ~/.cache/rkt-io stays)
	rm -rf build dist results $(IMAGE)
