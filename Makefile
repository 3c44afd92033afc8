# Two commands matter: `make demo` and `make test`. Everything else here serves them.
# Whatever is built is cached outside the checkout, in $(XDG_CACHE_HOME or ~/.cache)/nmstate-k8s.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
export PYTHONUNBUFFERED := 1

.PHONY: help demo test setup build wheel lab images gotools prometheus check unit integration e2e generate lock clean

help: ## say what can be done here
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: build ## real cluster up, operator installed, a policy applied, its effect shown
	@hack/demo

test: LAB_OPTIONS := --ovs
test: check unit build integration e2e ## everything that must pass

setup: ## .venv with the locked dependencies
	@hack/setup

build: ## control plane, node image, libnmstate, container images: side by side
	@$(MAKE) --no-print-directory -j3 lab images LAB_OPTIONS='$(LAB_OPTIONS)'

lab:
	@hack/lab build $(LAB_OPTIONS)

wheel:
	@hack/wheel >/dev/null

images: wheel
	@hack/images

gotools:
	@hack/gotool helm version --short >/dev/null
	@hack/gotool operator-verify --help >/dev/null

prometheus:
	@hack/prometheus >/dev/null

check: setup ## format, lint, types, architecture, generated files
	@hack/check

unit: setup wheel ## unit tests: no cluster, time is virtual
	@hack/wheel --install $(PYTHON)
	@# What one lane has compared is unused in the other: that is no failure here.
	@$(PYTHON) hack/lanes tests --ignore=tests/integration --snapshot-warn-unused

integration: setup build gotools prometheus ## against the real kube-apiserver and etcd
	@$(PYTHON) hack/lanes tests/integration

e2e: LAB_OPTIONS := --ovs
e2e: setup build ## on two labs side by side: kubectl in, node state out
	@$(PYTHON) hack/e2e

generate: setup ## write CRDs, manifests, the reference and the catalogue of mistakes anew from their sources
	@$(PYTHON) hack/gen-crds
	@$(PYTHON) hack/render-install
	@$(PYTHON) hack/package
	@$(PYTHON) hack/gen-mistakes
	@$(PYTHON) hack/gen-reference
	@$(PYTHON) hack/gen-monitoring

lock: setup ## resolve the locked dependencies anew
	@hack/lock

clean: ## stop the lab and remove what was built in the checkout (the cache stays)
	@hack/lab down
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
