# The one door: everything a user or a contributor does has a target here. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= $(HOME)/.local
UNITDIR ?= $(HOME)/.config/systemd/user
PICO_HOME ?= $(HOME)/.picoclaw
# The system-wide installation goes here, unless PREFIX is given.
SYSTEM_PREFIX := $(if $(filter file,$(origin PREFIX)),/usr/local,$(PREFIX))
SYSTEM_UNITDIR ?= /etc/systemd/system
SYSTEM_CONFIG := /etc/picoclaw-watchdog
# A packager's staging root; with it nothing of this host is touched.
DESTDIR ?=
# A binary that is already built; without it, install-watchdog builds one.
BINARY ?=
# How the watchdog runs: daemon, or timer (one pass a minute, nothing resident).
MODE ?= daemon

CARGO ?= cargo
# Another target than this host, such as x86_64-unknown-linux-musl for a static binary.
TARGET :=
# A release build keeps together what runs on an ordinary day: src/order.ld tells the linker, by names that say in full
# what they are. Whoever links in a way of his own may have a linker that takes no script.
# Packed relocations take a quarter of a megabyte less; glibc reads them from 2.36 on, and so does the musl of Rust.
PACKED := -C link-arg=-Wl,-z,pack-relative-relocs
READABLE := $(shell getconf GNU_LIBC_VERSION 2>/dev/null | awk '{ split($$2, v, "."); if (v[1] > 2 || v[2] >= 36) print "yes" }')
RELEASE = RUSTFLAGS='$(RUSTFLAGS) -Csymbol-mangling-version=v0' $(CARGO) rustc --release --locked \
	--bin picoclaw-watchdog $(if $(TARGET),--target '$(TARGET)') -- \
	$(if $(findstring link,$(RUSTFLAGS)),,-C link-arg='-T$(CURDIR)/src/order.ld' $(if $(if $(TARGET),$(findstring -musl,$(TARGET)),$(READABLE)),$(PACKED)))
DEBUG := $(or $(CARGO_TARGET_DIR),target)/debug
BUILT := $(or $(CARGO_TARGET_DIR),target)/$(if $(TARGET),$(TARGET)/)release/picoclaw-watchdog
MUSL := $(shell uname -m)-unknown-linux-musl
BUILT_MUSL := $(dir $(BUILT))../$(MUSL)/release/picoclaw-watchdog
# Whether a static build can be made here.
HAS_MUSL = rustup target list --installed 2>/dev/null | grep -qx '$(MUSL)' && command -v musl-gcc >/dev/null
PROGRAM := $(PREFIX)/bin/picoclaw-watchdog
SHARE := $(PREFIX)/share/picoclaw
UNITS := picoclaw-watchdog.service picoclaw-watchdog-once.service picoclaw-watchdog.timer
SCRIPTS := tests/machine .ci/run $(wildcard tests/*.sh tests/fuzz/*.sh)
USERCTL := systemctl --user

# What a request carries may come from a chat: make must not expand it, and the shell reads it from the
# environment, never as text of a command.
override ACTION := $(value ACTION)
override SOURCE := $(or $(value SOURCE),make)
override TOKEN := $(value TOKEN)
export ACTION SOURCE TOKEN

# How long each fuzz target runs.
SECONDS ?= 60

.PHONY: help build test lint bench order contest soak demo fuzz mutants install-watchdog enable-watchdog disable-watchdog \
	watchdog-status watchdog-run-once watchdog-kick uninstall-watchdog install-system uninstall-system

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 30

build: ## build the release binary (TARGET=x86_64-unknown-linux-musl: a static one)
	$(RELEASE)

test: ## run all tests (those with a real systemd need root, and say so when they skip)
	$(CARGO) test --locked --no-fail-fast

lint: ## check format, lints, documentation and scripts
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items
	if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo 'shellcheck is not installed: scripts not checked'; fi

# A static build is measured too where it can be built; the bench says so where it cannot.
bench: build ## measure the release binary, beside its targets and Monit (about 15 minutes)
	$(CARGO) build --locked --example stand-in
	if $(HAS_MUSL); then $(MAKE) --no-print-directory build TARGET=$(MUSL); fi
	$(CARGO) test --locked --test bench -- '$(BUILT)' '$(BUILT_MUSL)' $(BENCH_OPTIONS)

# Its result is kept in the repository. The next build links once more, without the symbols.
order: .with-symbols ## learn which code runs on an ordinary day, for src/order.ld (needs valgrind; after large changes)
	if $(HAS_MUSL); then $(MAKE) --no-print-directory .with-symbols TARGET=$(MUSL); fi
	$(CARGO) build --locked --example stand-in
	$(CARGO) test --locked --test bench -- '$(BUILT)' '$(BUILT_MUSL)' --order src/order.ld

.PHONY: .with-symbols
.with-symbols:
	$(RELEASE) -C strip=none

contest: ## play S0 to S10 and print the table of the README
	@$(CARGO) test --quiet --locked --test contest

YEARS ?= 100
soak: ## play YEARS=100 virtual years of random faults, a seed each, over all cores
	$(CARGO) test --profile soak --locked --test soak -- '$(YEARS)'

fuzz: ## feed rubbish to everything that reads what others wrote (SECONDS=60 each; needs a C++ compiler)
	tests/fuzz/run.sh '$(SECONDS)' $(TARGETS)

mutants: ## plant small faults in the core and see that a test fails each time (FILES=gate.rs; needs cargo-mutants)
	tests/mutants.sh $(FILES)

# A debug build is ready in a fraction of the time, and shows the same. Who has a release build sees that.
demo: ## watch it recover a gateway that is killed and one that hangs (about 30 s, no root)
	$(if $(wildcard $(BUILT)),$(RELEASE),$(CARGO) build --locked --bin picoclaw-watchdog)
	$(CARGO) build --locked --example stand-in
	tests/demo.sh '$(or $(wildcard $(BUILT)),$(DEBUG)/picoclaw-watchdog)' '$(DEBUG)/examples/stand-in'

install-watchdog: $(if $(BINARY),,build) ## install for this user (PREFIX=, DESTDIR=, BINARY=)
	install -D -m755 '$(or $(BINARY),$(BUILT))' '$(DESTDIR)$(PROGRAM)'
	for unit in $(UNITS); do \
	  sed 's|%h/.local/bin/picoclaw-watchdog|$(PROGRAM)|' "systemd/user/$$unit" \
	  | install -D -m644 /dev/stdin '$(DESTDIR)$(UNITDIR)'/"$$unit"; done
	for file in config/*; do [ ! -f "$$file" ] || install -D -m644 -t '$(DESTDIR)$(SHARE)' "$$file"; done
	$(if $(DESTDIR),,@$(MAKE) --no-print-directory .settle-in)

# The part of the installation that concerns this host and this user.
.PHONY: .settle-in
.settle-in:
	@install -d -m700 '$(PICO_HOME)' '$(PICO_HOME)/logs' '$(PICO_HOME)/state' '$(PICO_HOME)/state/watchdog'
	@$(USERCTL) daemon-reload
	@if [ "$$(loginctl show-user "$$(id -un)" -p Linger --value 2>/dev/null)" != yes ]; then \
	  echo 'NOTE: without lingering, user services end when you log out and do not start at boot. Run:'; \
	  echo "        loginctl enable-linger $$(id -un)"; fi
	@if $(USERCTL) is-active --quiet picoclaw-watchdog.timer; then \
	  echo 'NOTE: a picoclaw-watchdog.timer of an earlier installation is active; from now on it starts this program.'; fi
	@if [ ! -e '$(PICO_HOME)/.env' ]; then \
	  echo 'Next: cp $(SHARE)/watchdog.env.example $(PICO_HOME)/.env && chmod 600 $(PICO_HOME)/.env, then edit it.'; fi
	@echo 'Next: $(PROGRAM) check, then make enable-watchdog (also after an update: it restarts the daemon).'

enable-watchdog: ## start it now and at boot (MODE=daemon, or MODE=timer)
ifeq ($(MODE),timer)
	$(USERCTL) disable --now picoclaw-watchdog.service
	$(USERCTL) enable --now picoclaw-watchdog.timer
else ifeq ($(MODE),daemon)
	$(USERCTL) disable --now picoclaw-watchdog.timer
	$(USERCTL) enable picoclaw-watchdog.service
	$(USERCTL) restart picoclaw-watchdog.service
else
	$(error MODE is daemon or timer)
endif

disable-watchdog: ## stop it, in whichever mode it runs
	$(USERCTL) disable --now picoclaw-watchdog.timer picoclaw-watchdog.service

watchdog-status: ## show its units and what it last decided
	-@$(USERCTL) --no-pager --all list-units 'picoclaw-watchdog*'
	@'$(PROGRAM)' status

watchdog-run-once: ## run one pass now (exit 0 healthy, 1 degraded, 2 critical)
	@'$(PROGRAM)' once

watchdog-kick: ## ask it to act: ACTION=restart_gateway SOURCE=line:ID
	@[ -n "$$ACTION" ] || { echo 'usage: make watchdog-kick ACTION=restart_gateway|recover_funnel|check_ollama [SOURCE=line:ID]' >&2; exit 2; }
	@if [ -n "$$TOKEN" ]; then \
	  echo 'NOTE: TOKEN= shows in the process list; keep PICOCLAW_WATCHDOG_KICK_TOKEN in $(PICO_HOME)/.env instead.' >&2; \
	  export PICOCLAW_WATCHDOG_KICK_TOKEN="$$TOKEN"; fi; \
	unset TOKEN; exec '$(PROGRAM)' kick "$$ACTION" --source "$$SOURCE"

uninstall-watchdog: ## remove it; settings, state and logs stay
	$(if $(DESTDIR),,-$(USERCTL) disable --now picoclaw-watchdog.timer picoclaw-watchdog.service)
	rm -f '$(DESTDIR)$(PROGRAM)' $(UNITS:%='$(DESTDIR)$(UNITDIR)/%')
	cd '$(DESTDIR)$(SHARE)' 2>/dev/null && rm -f $(notdir $(wildcard config/*)) && \
	  rmdir --ignore-fail-on-non-empty '$(DESTDIR)$(SHARE)' || true
	$(if $(DESTDIR),,-$(USERCTL) daemon-reload)
	$(if $(DESTDIR),,@echo 'Kept: $(PICO_HOME)')

SYSTEM_PROGRAM := $(SYSTEM_PREFIX)/bin/picoclaw-watchdog
SYSTEM_SHARE := $(SYSTEM_PREFIX)/share/picoclaw
SYSUSERS := $(SYSTEM_PREFIX)/lib/sysusers.d/picoclaw-watchdog.conf

install-system: $(if $(BINARY),,build) ## install for the whole system, as root (PREFIX=/usr/local, DESTDIR=, BINARY=)
	install -D -m755 '$(or $(BINARY),$(BUILT))' '$(DESTDIR)$(SYSTEM_PROGRAM)'
	sed 's|/usr/local/bin/picoclaw-watchdog|$(SYSTEM_PROGRAM)|' systemd/system/picoclaw-watchdog.service \
	| install -D -m644 /dev/stdin '$(DESTDIR)$(SYSTEM_UNITDIR)/picoclaw-watchdog.service'
	install -D -m644 systemd/system/sysusers.conf '$(DESTDIR)$(SYSUSERS)'
	for file in config/*; do [ ! -f "$$file" ] || install -D -m644 -t '$(DESTDIR)$(SYSTEM_SHARE)' "$$file"; done
	$(if $(DESTDIR),,@$(MAKE) --no-print-directory .settle-in-system)

# The part of that which concerns this host.
.PHONY: .settle-in-system
.settle-in-system:
	@systemd-sysusers '$(SYSUSERS)'
	@install -d -m755 '$(SYSTEM_CONFIG)'
	@systemctl daemon-reload
	@if [ ! -e '$(SYSTEM_CONFIG)/watchdog.toml' ]; then \
	  echo 'Next: cp $(SYSTEM_SHARE)/system.toml $(SYSTEM_CONFIG)/watchdog.toml, then edit it.'; fi
	@echo 'Next: systemctl enable --now picoclaw-watchdog (after an update: systemctl restart picoclaw-watchdog).'
	@echo 'What its actions may do: runuser -u picoclaw-watchdog -- $(SYSTEM_PROGRAM) doctor --print-sudoers --config $(SYSTEM_CONFIG)/watchdog.toml'

uninstall-system: ## remove the system-wide one; settings, state, logs, its user and its rights stay
	$(if $(DESTDIR),,-systemctl disable --now picoclaw-watchdog.service)
	rm -f '$(DESTDIR)$(SYSTEM_PROGRAM)' '$(DESTDIR)$(SYSTEM_UNITDIR)/picoclaw-watchdog.service' '$(DESTDIR)$(SYSUSERS)'
	cd '$(DESTDIR)$(SYSTEM_SHARE)' 2>/dev/null && rm -f $(notdir $(wildcard config/*)) && rmdir --ignore-fail-on-non-empty '$(DESTDIR)$(SYSTEM_SHARE)' || true
	$(if $(DESTDIR),,-systemctl daemon-reload)
	@echo 'Kept, to be removed by hand: $(SYSTEM_CONFIG) /var/lib/picoclaw-watchdog /var/log/picoclaw-watchdog'
	@echo '  /etc/sudoers.d/picoclaw-watchdog /etc/polkit-1/rules.d/50-picoclaw-watchdog.rules'
