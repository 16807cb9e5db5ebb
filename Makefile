# From a fresh clone, `make demo` and `make test` do everything that has to be done before them.

PYTHON = python3
WARNINGS = -Wall -Wextra -Wpedantic -Werror
export PKG_CONFIG_PATH := $(CURDIR)/build/install/lib/pkgconfig
export CGO_LDFLAGS := -Wl,-rpath,$(CURDIR)/build/install/lib
# All of this links with what is in target/release. Other files may be where build.build-dir of cargo says.
export CARGO_TARGET_DIR := $(CURDIR)/target
unexport CARGO_BUILD_TARGET
LINK = -Ltarget/release -lbankhub -Wl,-rpath,'$$ORIGIN/../target/release' -pthread

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 18

.PHONY: demo
demo: build ## show the main use in every language, against the mock server or the server in BANKHUB_BASE_URL
	$(PYTHON) examples/run.py

.PHONY: check
check: ## after each change: check the format, the lints, the unit tests and the rules of tests/tidy (a minute)
	scripts/check

.PHONY: test
ONLY =
test: $(if $(filter ?,$(ONLY)),,build/setup.mk) ## run every check and test; ONLY=go: only these; ONLY='?': list them
	@PYTHONPATH=tests $(PYTHON) -m suite --only '$(ONLY)'

.PHONY: build
build: cargo ## build the library, the mock server and every language's programs

.PHONY: library
# In a folder of its own: cargo names the library the same with any features, so where two sets of features take turns,
# it compiles the library again each time. `install -C` leaves a file alone that is the same already.
LIBRARY = scripts/cargo build --release -p bankhub --lib --features wiping-allocator --target-dir target/library
library: ## build the library alone, which needs only Rust
	$(LIBRARY)
	install -d target/release
	cd target/library/release && install -C -m 755 libbankhub.so ../../release && \
	  install -C -m 644 libbankhub.a ../../release
	ln -sf libbankhub.so target/release/libbankhub.so.0

.PHONY: install
PREFIX = /usr/local
install: library ## install the library, its headers and what finds and checks it below PREFIX (/usr/local)
	scripts/install '$(PREFIX)'

.PHONY: wheels
wheels: ## build the Python packages, with the library inside, into build/wheels
	scripts/wheels

.PHONY: nupkg
nupkg: build ## build the C# package, with the library inside, into build/nupkg
	$(PYTHON) bindings/csharp/pack.py build/nupkg

.PHONY: setup
setup: ## install what this machine lacks
	scripts/setup

.PHONY: header
header: ## write include/bankhub.h from src/ffi
	cp "$$(cargo build -p bankhub --lib --message-format=json | \
	  sed -n 's|.*"out_dir":"\([^"]*/build/bankhub[-/][0-9a-f]*/out\)".*|\1|p')/bankhub.h" include/bankhub.h

# Each writes its tables into docs/performance.md, and ends with a list of what missed its promise.
MEASURE = .venv/bin/python benches/performance.py
.PHONY: bench fleet shared comparison
bench: benches ## measure a call, a wait, an idle handle, the first token and the wrappers (10 minutes)
	$(MEASURE) bench
fleet: benches ## simulate a year of many processes, and count their token requests (over an hour)
	$(MEASURE) fleet
shared: benches ## the same for processes that share a store (5 minutes)
	$(MEASURE) shared
comparison: benches ## measure what callers and the endpoint notice, compared with other libraries (15 minutes)
	$(MEASURE) comparison

.PHONY: simulate
SIMULATE = seed
simulate: ## run the simulation with new seeds until you stop it; SIMULATE=fleet: that of processes with a store
	SIMULATION_FROM=$$(date +%s)000000 cargo test --test simulation every_$(SIMULATE) -- --nocapture

.PHONY: model
MODEL_PROCESSES = 3
MODEL_CALLS = 2
MODEL_FAULTS = 2
MODEL_SLOW_RESPONSES = 1
MODEL_SECONDS = 3600
model: ## check processes with a store in every order of events, with two faults (an hour at most)
	MODEL_PROCESSES=$(MODEL_PROCESSES) MODEL_CALLS=$(MODEL_CALLS) MODEL_FAULTS=$(MODEL_FAULTS) \
	  MODEL_SLOW_RESPONSES=$(MODEL_SLOW_RESPONSES) MODEL_SECONDS=$(MODEL_SECONDS) \
	  cargo test --package bankhub-model every_order -- --nocapture

.PHONY: mutants
# The unchanged code first: cargo-mutants would only test it with bankhub-core's own tests.
TESTS_OF_CORE = --lib --test simulation
mutants: ## change core/ in every small way, and list the changes that no test notices (2 hours)
	cargo mutants --version >/dev/null || cargo install cargo-mutants --locked
	SIMULATION_SEEDS=300 cargo test --package bankhub-core --package bankhub $(TESTS_OF_CORE)
	SIMULATION_SEEDS=300 cargo mutants --package bankhub-core --test-package bankhub-core,bankhub \
	  --baseline skip --timeout 120 --output build $(OPTIONS) -- $(TESTS_OF_CORE)

.PHONY: stores
TOPOLOGY = all
STORES = .venv/bin/python -m pytest
stores: build ## let 40 processes share a store 50 times on each topology, and kill some 200 times (an hour)
	$(STORES) tests/stores/test_sharing.py --topology $(TOPOLOGY) --processes 40 --rounds 25
	$(STORES) tests/stores/test_kill.py --rounds 40
	$(STORES) tests/stores/test_kill.py --rounds 4 --topology $(TOPOLOGY)
	$(STORES) tests/stores/test_outage.py tests/stores/test_ended_tokens.py --rounds 10

.PHONY: fuzz
FUZZ = response config exchange retry_after
FUZZ_S = 600
fuzz: ## send random bytes to each input of the library (40 minutes)
	cargo fuzz --version >/dev/null || cargo install cargo-fuzz --locked
	for target in $(FUZZ); do \
	  found=fuzz/target/corpus/$$target; mkdir -p $$found; \
	  cargo +nightly fuzz run $$target $$found fuzz/corpus/$$target -- -max_total_time=$(FUZZ_S) -timeout=10 || exit; \
	done

.PHONY: corpus
corpus: ## run the fuzz targets on their corpus once, without a nightly Rust (a minute)
	RUSTFLAGS="--cfg fuzzing" cargo build --manifest-path fuzz/Cargo.toml --target-dir target/fuzz
	for target in $(FUZZ); do target/fuzz/debug/$$target fuzz/corpus/$$target/* 2>&1 || exit; done

.PHONY: deny
deny: ## check the licences, sources and advisories of the dependencies (a minute)
	cargo deny --version >/dev/null || cargo install cargo-deny --locked
	cargo deny check licenses bans sources
	cargo deny check advisories || { echo "the advisory database could not be had, or names one of these crates"; false; }

.PHONY: miri
# Published tokens of the table are never freed. The torture run is without the aliasing checks, which take too long.
miri: ## run the published token and the handle table under Miri, in 64 orders of events (15 minutes)
	cargo +nightly miri --version >/dev/null || rustup toolchain install nightly --component miri --component rust-src
	MIRIFLAGS="-Zmiri-ignore-leaks" cargo +nightly miri test -p bankhub --lib -- published_token
	MIRIFLAGS="-Zmiri-ignore-leaks -Zmiri-many-seeds=0..64 -Zmiri-disable-stacked-borrows" \
	  cargo +nightly miri test -p bankhub --lib -- handle_table

.PHONY: fmt
fmt: build/setup.mk ## format the Rust, the Go and the Python
	cargo fmt --all
	gofmt -w bindings/go tests benches
	.venv/bin/ruff format bindings/python tests benches examples scripts

# Sets MISSING. Make writes an included file that is absent or old first, and then starts over.
ALONE = help check setup header library install wheels simulate model mutants miri deny fuzz corpus fmt \
  $(if $(filter ?,$(ONLY)),test)
ifneq ($(filter-out $(ALONE),$(MAKECMDGOALS)),)
include build/setup.mk
endif
build/setup.mk: scripts/setup tests/requirements.txt tests/requirements-pyright.txt benches/requirements.txt
	scripts/setup

# $(call unless,THINGS,PROGRAMS): the programs, if none of the things is missing.
unless = $(if $(filter $1,$(MISSING)),,$2)
PROGRAMS = build/driver-c \
  $(call unless,cpp,build/driver-cpp) \
  $(call unless,curl,build/demo-c build/libcurl-c) \
  $(call unless,cpp curl,build/demo-cpp build/libcurl-cpp build/test-libcurl) \
  $(call unless,cpp curl,build/http-client-c build/http-client-cpp) \
  $(call unless,cpp,build/test-cpp) \
  $(call unless,go,build/driver-go build/demo-go build/http-client-go) \
  $(call unless,csharp,build/driver-csharp.exe build/http-client-csharp.exe build/demo-csharp.exe build/test-csharp.exe)
build: $(PROGRAMS)

.PHONY: testing benches
testing: build/memory build/memory-asan benches ## build what only the tests and benchmarks need
benches: build/bench-first-token $(call unless,go,build/comparison-go build/bench-go) \
  $(call unless,csharp,build/bench-csharp.exe) | cargo

# All of them at once, so that each dependency is compiled once, with the features that any of them asks for.
.PHONY: cargo
cargo: build/setup.mk library
	scripts/cargo build --release --workspace --examples --bins
	DESTDIR= scripts/install build/install >/dev/null

build/driver-c build/driver-cpp: $(wildcard tests/conformance/drivers/*.h)
build/driver-c: tests/conformance/drivers/driver.c
build/demo-c: examples/demo.c
build/libcurl-c: examples/libcurl.c examples/authorized.h
build/driver-c build/demo-c build/libcurl-c: include/bankhub.h | cargo
	$(CC) -std=c99 $(WARNINGS) -Iinclude $(filter %.c,$^) -o $@ $(LINK) $(HTTP)

build/driver-cpp: tests/conformance/drivers/driver.cpp
build/demo-cpp: examples/demo.cpp
build/libcurl-cpp: examples/libcurl.cpp examples/authorized.hpp
build/http-client-c build/http-client-cpp: tests/conformance/http_clients/curl.cpp tests/conformance/drivers/line.h
build/http-client-c build/http-client-cpp: examples/authorized.h examples/authorized.hpp
build/http-client-c: MANNER = -DC
build/test-cpp: tests/cpp/wrapper.cpp
build/test-libcurl: tests/cpp/authorized.cpp examples/authorized.h examples/authorized.hpp
CPP = $(addprefix build/,driver-cpp demo-cpp libcurl-cpp http-client-c http-client-cpp test-cpp test-libcurl)
$(CPP): include/bankhub.hpp include/bankhub.h | cargo
	$(CXX) -std=c++17 $(WARNINGS) $(MANNER) -Iinclude -Iexamples $(filter %.cpp,$^) -o $@ $(LINK) $(HTTP)

$(addprefix build/,demo-c demo-cpp libcurl-c libcurl-cpp http-client-c http-client-cpp test-libcurl): HTTP = -lcurl

build/memory: tests/memory/everything.c include/bankhub.h | cargo
	$(CC) -std=c11 -O1 -g $(WARNINGS) -Iinclude $< -o $@ $(LINK)
build/memory-asan: tests/memory/everything.c include/bankhub.h sanitized
	$(CC) -std=c11 -O1 -g $(WARNINGS) -fsanitize=address -Iinclude $< -o $@ \
	  target/sanitized/$(HOST)/release/libbankhub.a -pthread -ldl -lm

# The library itself with AddressSanitizer, for a program that brings the runtime. RUSTC_BOOTSTRAP lets the Rust at
# hand do what else takes a nightly.
.PHONY: sanitized
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
sanitized: build/setup.mk
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Zexternal-clangrt" cargo rustc --release -p bankhub --lib \
	  --features wiping-allocator --crate-type staticlib --target $(HOST) --target-dir target/sanitized

build/bench-first-token: benches/first_token/first_token.c include/bankhub.h
	$(CC) -std=c11 -O2 $(WARNINGS) -Iinclude $< -o $@ -ldl

# Go looks after what is out of date by itself.
.PHONY: build/driver-go build/http-client-go build/demo-go build/comparison-go build/bench-go
build/driver-go: cargo
	go build -C tests/conformance/drivers/go -o $(CURDIR)/$@ .
build/http-client-go: cargo
	go build -C tests/conformance/http_clients/go -o $(CURDIR)/$@ .
build/demo-go: cargo
	go build -C bindings/go -o $(CURDIR)/$@ ./examples/demo
build/comparison-go: cargo
	go build -C benches/comparison/go -o $(CURDIR)/$@ .
build/bench-go: cargo
	go build -C benches/wrappers/go -o $(CURDIR)/$@ .

MCS = mcs -langversion:7.2 -warnaserror+ -optimize+
# The versions, which the .NET SDK writes by itself.
build/AssemblyInfo.cs: bindings/csharp/BankHub.csproj
	sed -n 's|.*<Version>\(.*\)</Version>.*|using System.Reflection;\n[assembly: AssemblyVersion("\1.0"), \
	AssemblyFileVersion("\1.0"), AssemblyInformationalVersion("\1")]|p' $< >$@
build/BankHub.dll: $(wildcard bindings/csharp/src/*.cs) build/AssemblyInfo.cs build/setup.mk
	$(MCS) -target:library -r:System.Net.Http -out:$@ $(filter %.cs,$^)
build/driver-csharp.exe: tests/conformance/drivers/Driver.cs
build/http-client-csharp.exe: tests/conformance/http_clients/Client.cs
build/demo-csharp.exe: bindings/csharp/examples/Demo.cs
build/bench-csharp.exe: benches/wrappers/Wrappers.cs
build/test-csharp.exe: $(wildcard bindings/csharp/tests/*.cs)
$(addprefix build/,$(addsuffix -csharp.exe,driver http-client demo bench test)): build/BankHub.dll
	$(MCS) -r:System.Net.Http -r:$< -out:$@ $(filter %.cs,$^)
