# SPDX-License-Identifier: LGPL-2.1-or-later
# A thin front: meson does the work. `make help` lists the targets.
BUILD ?= build
DEB_BUILD ?= build-deb
DIST ?= dist
MESON_FLAGS ?=
TEST_FLAGS ?=

.PHONY: all run test unit deb install bench lint format clean help deps

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

help:
	@echo 'make run      build the packages, boot a throwaway host, show the main job'
	@echo 'make test     everything that CI runs: unit, simulator, fuzz corpora, lint, tests on throwaway hosts'
	@echo 'make unit     the quick part of it: unit tests, simulator, corpora (no root needed)'
	@echo 'make deb      Debian packages in $(DIST)/'
	@echo 'make install  install this build (as root; the packages are the better way)'
	@echo 'make bench    benchmarks, printed as tables'
	@echo 'make lint     layers, formatting of what changed, shell, manual pages, clang warnings'
	@echo 'make format   clang-format in place'
	@echo 'make clean    remove what was built'

deps:
	@tools/install-deps

$(BUILD)/build.ninja: | deps
	meson setup $(MESON_FLAGS) $(BUILD)

unit: all
	meson test -C $(BUILD) --no-suite host --print-errorlogs $(TEST_FLAGS)

test:
	@tools/install-deps --test
	tools/run-tests

deb:
	@tools/install-deps
	tools/build-deb $(DIST)

run:
	@tools/install-deps --run
	tools/run-demo

install: all
	meson install -C $(BUILD)

bench:
	@tools/install-deps --bench
	tools/run-bench

lint: all
	tools/lint $(BUILD)

format:
	git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' | xargs clang-format -i

clean:
	rm -rf $(BUILD) build-* $(DIST)
