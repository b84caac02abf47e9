# Bloomery. One Makefile, not recursive; no file lists by hand.
# `make help` lists the targets. BUILD=... and VARIANT=asan|fuzz choose another tree of objects.

VARIANT ?=
BUILD   ?= build$(if $(VARIANT),/$(VARIANT))
PREFIX  ?= /usr/local
DESTDIR ?=
CORES   := $(shell nproc)

CC       ?= gcc
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef -Werror
CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DBLOOMERY_PREFIX='"$(PREFIX)"'
HARDEN   := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu17 -pthread $(WARN)
LDFLAGS  += -pthread -Wl,--as-needed
ifeq ($(VARIANT),asan)
CFLAGS   += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
LDFLAGS  += -fsanitize=address,undefined
else ifeq ($(VARIANT),fuzz)
CC       := clang
# clang sees these where gcc does not: va_list forwarding, and macros of libseccomp.
WARN     += -Wno-format-nonliteral -Wno-missing-field-initializers
CFLAGS   += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -O1
LDFLAGS  += -fsanitize=address,undefined
else
CFLAGS   += $(HARDEN)
LDFLAGS  += -pie -Wl,-z,relro,-z,now
endif
LDLIBS    = -lmicrohttpd -lsqlite3 -lcjson -luv -lcurl -larchive -lelf -liberty -lseccomp -lZydis -lcrypto -lz -ldeflate -lm

obj       = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LAYERS   := base docker schema workers daemon inspect client
MAINS    := daemon/main.c inspect/inspect_main.c inspect/unpack_main.c client/main.c
lib       = $(BUILD)/lib$(1).a
PROGRAMS := $(BUILD)/bloomeryd $(BUILD)/bloomery $(BUILD)/bloomery-inspect $(BUILD)/bloomery-unpack

# make V=1 shows the commands.
Q         := $(if $(V),,@)
say        = $(if $(V),,@echo '  $(1)  $@')

.PHONY: all help
all: $(PROGRAMS) ## build the daemon, the client and the helpers

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

define layer
$(call lib,$(1)): $(call obj,$(filter-out $(MAINS),$(wildcard $(1)/*.c)))
	@mkdir -p $$(@D); rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$(l))))

# --- the migrations are compiled in ---
MIGRATIONS := $(sort $(wildcard schema/[0-9]*.sql))
$(BUILD)/gen/migrations.c: $(MIGRATIONS) schema/embed.awk
	@mkdir -p $(@D)
	awk -f schema/embed.awk $(MIGRATIONS) > $@.new && mv $@.new $@
$(BUILD)/obj/schema/migrations.o: $(BUILD)/gen/migrations.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(call lib,schema): $(BUILD)/obj/schema/migrations.o

$(BUILD)/bloomeryd: $(call obj,daemon/main.c) $(call lib,daemon) $(call lib,workers) $(call lib,docker) $(call lib,schema) $(call lib,base)
$(BUILD)/bloomery: $(call obj,client/main.c) $(call lib,client) $(call lib,base)
$(BUILD)/bloomery-inspect: $(call obj,inspect/inspect_main.c) $(call lib,inspect) $(call lib,base)
$(BUILD)/bloomery-unpack: $(call obj,inspect/unpack_main.c) $(call lib,inspect) $(call lib,base)
$(PROGRAMS):
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

# --- unit tests: tests/unit/test_X.c is one program; those in tests/unit/faked/ link tests/fakes/*.c before docker/ ---
UNIT      := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*.c tests/unit/faked/*.c))
TESTLIBS  := $(foreach l,daemon workers docker schema inspect client base,$(call lib,$(l)))
$(call lib,fakes): $(call obj,$(wildcard tests/fakes/*.c))
	@mkdir -p $(@D); rm -f $@
	$(Q)ar rcs $@ $^
$(BUILD)/tests/unit/faked/%: $(BUILD)/obj/tests/unit/faked/%.o $(call lib,fakes) $(TESTLIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(TESTLIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@
# The engine client's own tests run against both the real Engine and the fake one.
ENGINE    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/integration/*.c))
$(BUILD)/tests/integration/%: $(BUILD)/obj/tests/integration/%.o $(TESTLIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@
engine-test: $(ENGINE) ## the engine client against the real Engine and the fake one
	@tests/integration/engine.py $(BUILD)/tests/integration

unit: $(UNIT) $(PROGRAMS) ## the unit tests (make build/tests/unit/test_X builds one)
	@BUILD=$(BUILD) tests/run-unit $(UNIT)

# --- fuzz targets: tests/fuzz/fuzz_X.c; without libFuzzer they replay files named on the command line ---
FUZZ      := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
ifeq ($(VARIANT),fuzz)
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(TESTLIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer $^ $(LDLIBS) -o $@
else
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay.o $(TESTLIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@
endif

# --- checks ---
.PHONY: check-source format unit engine-test fuzz-replay asan valgrind fuzz
check-source: ## layers, names, banned functions, format: seconds
	@CC="$(CC)" CPPFLAGS='$(CPPFLAGS)' tests/check-source

format: ## clang-format over all C
	clang-format -i $(wildcard $(addsuffix /*.[ch],$(LAYERS)) tests/*/*.[ch] tests/unit/faked/*.[ch])

fuzz-replay: $(FUZZ) ## the fuzz corpora, once
	@VARIANT=$(VARIANT) tests/run-fuzz-replay $(FUZZ)

asan: ## every suite of `make test` with AddressSanitizer and UBSan
	$(MAKE) -j$(CORES) VARIANT=asan all
	BUILD=build/asan VARIANT=asan tests/run-all test

# test_sandbox is left out: its filters kill valgrind for valgrind's own system calls.
valgrind: $(UNIT) ## the unit tests under valgrind: some ten minutes
	@WRAP="valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible --child-silent-after-fork=yes" BUILD=$(BUILD) tests/run-unit $(filter-out %/test_sandbox,$(UNIT))

SECONDS_EACH ?= 60
fuzz: ## libFuzzer on every parser, SECONDS_EACH=60 each
	$(MAKE) VARIANT=fuzz fuzz-run
.PHONY: fuzz-run
fuzz-run: $(FUZZ)
	@for f in $(FUZZ); do n=$${f##*/fuzz_}; mkdir -p build/fuzz/corpus/$$n; echo "==> fuzz_$$n"; \
	  $$f -max_total_time=$(SECONDS_EACH) -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
	  build/fuzz/corpus/$$n tests/fuzz/corpus/$$n || exit 1; done

# --- what a person types ---
.PHONY: setup setup-test demo run stop images test test-registry bench install clean
setup: ## install what is missing and start the Docker Engine (needs root and apt for that)
	@docker/setup run
setup-test:
	@docker/setup test

demo: setup ## from nothing to a wasm module and a static binary
	@$(MAKE) -s -j$(CORES) all
	@for p in wasm wasi musl; do build/bloomeryd --state $(CURDIR)/state images build $$p || exit 1; done
	@tests/demo

images: all ## build the container images, or PROFILE=name's only
	build/bloomeryd --state $(CURDIR)/state images build $(PROFILE)

run: all ## the daemon in the foreground, state in ./state
	build/bloomeryd --state $(CURDIR)/state

stop: ## end the daemon that demo started
	@tests/stop

test: setup-test ## every test that Debian's packages allow
	@$(MAKE) -s -j$(CORES) all
	@tests/run-all test

test-registry: setup-test ## real crates and the schema tester: needs the crate and Python registries
	@$(MAKE) -s -j$(CORES) all
	@tests/run-all registry

bench: setup-test ## where the time goes, as ratios
	@$(MAKE) -s -j$(CORES) all
	@build/bloomeryd images build
	@tests/bench/run

install: all ## PREFIX=/usr/local, DESTDIR=
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/bloomery $(DESTDIR)$(PREFIX)/share/bloomery
	install -m 755 $(BUILD)/bloomeryd $(BUILD)/bloomery $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BUILD)/bloomery-inspect $(BUILD)/bloomery-unpack $(DESTDIR)$(PREFIX)/libexec/bloomery
	find workers/profiles workers/steps workers/replay docker/images docker/toolchains.json schema/openapi.json -type f | while read -r f; do \
	  install -D -m $$(stat -c %a "$$f") "$$f" "$(DESTDIR)$(PREFIX)/share/bloomery/$$f"; done

clean: ## remove build/
	rm -rf build

.PRECIOUS: $(BUILD)/obj/%.o
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
