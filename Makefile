# Thin front of meson and ninja. `make demo` and `make check` install by themselves what they need (Debian 12, root or sudo).
BUILD ?= build
JOBS  ?= $(shell nproc)

.PHONY: all demo check bench lint coverage fuzz install clean deps-build deps-demo deps-demo-cut deps-all

all: deps-build $(BUILD)/build.ninja
	ninja -C $(BUILD) -j $(JOBS)

$(BUILD)/build.ninja: | deps-build
	meson setup $(BUILD) --buildtype=release -Dtests=disabled >/dev/null

deps-build deps-demo deps-demo-cut deps-all: deps-%:
	@tools/install-deps $*

demo: deps-demo$(if $(filter cut,$(FAULT)),-cut) $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j $(JOBS) --quiet
	@lab/demo --build $(BUILD) $(if $(FAULT),--fault $(FAULT)) $(if $(WARM),--warm)

check: deps-all
	@tools/check

bench: deps-all
	@[ -e build-bench/build.ninja ] || meson setup build-bench --buildtype=release -Dtests=enabled >/dev/null
	@ninja -C build-bench -j $(JOBS) --quiet
	@test/bench/run --build build-bench

lint: deps-all
	@tools/lint

coverage: deps-all
	@tools/coverage

fuzz: deps-all
	@tools/fuzz

install: all
	meson install -C $(BUILD)

clean:
	rm -rf build build-*
