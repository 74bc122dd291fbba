# make demo    the main job on real servers, with real tokens and a loopback issuer (HOLD=1 keeps it running)
# make test    linters, types, and every test at the newest versions, with coverage
# make faults  what a failing key endpoint does to a running service, measured; tests/faults/__init__.py says how to read it
# make fuzz    every parser under a coverage-guided fuzzer, for FUZZ_SECONDS (20) each; tests/fuzz/__init__.py says what is kept
# make bench   what callerid costs beside other libraries: docs/benchmarks.md and its pictures, in ten minutes; end to end with `wrk`;
#              BENCH=--quick is a smoke test of it
# make monitoring  the dashboard and alert rules of docs/monitoring/ against Debian's prometheus, which scrapes the demo, and the picture
#              of it; MONITORING=--quick draws nothing
# make docs    the documentation as a site, in site/; a link that leads nowhere ends it
# make lowest  the tests at the lowest supported versions
# make package sdist and wheel, installed into an empty environment where the samples run

FUZZ_SECONDS ?= 20
BENCH ?=
MONITORING ?=
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint types unit faults fuzz bench monitoring docs lowest package clean

demo: .venv/demo
	$(VENV) -m sample_apps.demo

test: lint types unit

lint: .venv/test
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .

types: .venv/test
	$(VENV) -m mypy
	$(VENV) -m pyright
	export PATH=$(CURDIR)/.venv/bin:$$PATH PYTHONPATH=middleware:adapters; \
	for package in callerid callerid_adapters; do pyright --verifytypes $$package --ignoreexternal || exit 1; done

unit: .venv/test
	$(VENV) -m coverage erase
	$(VENV) -m coverage run -m pytest
	$(VENV) -m coverage combine --quiet
	$(VENV) -m coverage report

faults: .venv/test
	$(VENV) -m pytest tests/faults -p no:randomly

fuzz: .venv/test
	$(VENV) -m tests.fuzz --seconds $(FUZZ_SECONDS)

bench: .venv/bench
	$(VENV) -m tests.benchmarks $(BENCH)

monitoring: .venv/monitoring
	$(VENV) -m tests.monitoring $(MONITORING)

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(VENV) -m mkdocs build --strict --config-file .mkdocs.yml

lowest: .venv-lowest/test
	.venv-lowest/bin/python -m pytest -p no:randomly --ignore=tests/faults

package: .venv/test
	rm -rf dist
	$(VENV) -m build --outdir dist .
	$(VENV) .ci/try_wheel.py dist

.venv/%: pyproject.toml
	test -x $(VENV) || $(PYTHON) -m venv .venv
	$(VENV) -m pip install --quiet --upgrade pip
	$(VENV) -m pip install --quiet --editable '.[$*]'
	touch $@

.venv-lowest/test: pyproject.toml tests/lowest.txt
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --upgrade pip
	.venv-lowest/bin/python -m pip install --quiet --constraint tests/lowest.txt --editable '.[test]'
	touch $@

clean:
	rm -rf .venv .venv-lowest dist build site .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .fuzz
