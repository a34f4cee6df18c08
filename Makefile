# The front door: each target installs what it needs, builds it and runs it.
SHELL := /bin/bash
JOBS ?= $(shell nproc)

.PHONY: build demo test bench check-format tidy asan tsan fuzz envoy clean setup

setup:
	tools/setup.sh

# weft, weftd, weft-proxy and weft-demo, optimised, in build/bin.
build: setup
	cmake --preset release -DWEFT_TESTS=OFF > build/cmake-release.log || { cat build/cmake-release.log; exit 1; }
	ninja -C build/release -j$(JOBS)

# A mesh on this machine with traffic on it: what examples/demo promises beside what is seen.
demo: build
	build/bin/weft demo

# Everything: rooms, format, units, simulation, examples, conformance, sanitizers, short fuzzing.
test: setup
	tools/test.sh

bench: build
	bench/run.sh

asan tsan:
	tools/test.sh $@

fuzz:
	tools/test.sh fuzz

check-format:
	tools/format.sh --check

tidy:
	tools/tidy.sh

clean:
	rm -rf build
