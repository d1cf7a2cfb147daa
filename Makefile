# simcse4j's front door: "make help" lists what there is.
# Maven builds the jars; this file lays them out beside a Java runtime and packs the result.

SHELL := /bin/sh
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:

ifneq (,$(filter-out help clean,$(or $(MAKECMDGOALS),build)))
  JAVA_HOME := $(shell .build/find-jdk)
  export JAVA_HOME
  ifeq (,$(JAVA_HOME))
    $(error simcse4j cannot be built without a JDK)
  endif
endif

# Tests that compare with large data find it here: make test SIMCSE_SHARED=folder
ifneq (,$(SIMCSE_SHARED))
  override SIMCSE_SHARED := $(abspath $(SIMCSE_SHARED))
  export SIMCSE_SHARED
endif

version := $(shell sed -n '/<artifactId>simcse4j-parent/{n;s/.*<version>\(.*\)<.*/\1/p;}' pom.xml)
system := $(subst darwin,macos,$(shell uname -s | tr A-Z a-z))-$(subst arm64,aarch64,$(shell uname -m))

# Quiet, but for the compiler's warnings.
mvn := ./mvnw --batch-mode --no-transfer-progress --quiet \
  -Dorg.slf4j.simpleLogger.log.org.apache.maven.plugin.compiler=warn
# And for what the test runner says.
mvn-test := $(mvn) -Dorg.slf4j.simpleLogger.log.org.apache.maven.plugin.surefire=info

home := target/simcse
package := simcse4j-$(version)-$(system)
tarball := target/$(package).tar.gz
PREFIX ?= /usr/local

poms := pom.xml $(wildcard java/*/pom.xml bench/pom.xml)
# Folders too: their time changes when a file in them is deleted.
sources := $(shell find java/*/src/main)
launcher := java/cli/src/main/launcher/simcse
notices := $(wildcard LICENSE NOTICE README.md CHANGELOG.md)

.PHONY: help build test train bench dist install format check-format clean FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: target/laid-out ## the command with its own Java runtime: target/simcse/bin/simcse

test: ## every test; TEST=Name for one class, SIMCSE_SHARED=folder for those that need large data
	@rm -rf java/*/target/surefire-reports
	@$(mvn-test) test $(if $(TEST),-Dtest='$(TEST)' -Dsurefire.failIfNoSpecifiedTests=false)
	@sed -n -e 's/.*<skipped message="\([^"]*\)".*/skipped: \1/p' \
	  -e 's/.*<skipped .*CDATA\[[^:]*: \(Assumption failed: \)*\(.*\)/skipped: \2/p' \
	  java/*/target/surefire-reports/*.xml | sort | uniq -c

train: build ## the quickstart: trains a small encoder on generated text, with scores before and after
	@$(home)/bin/simcse quickstart --out target/quickstart

bench: ## the JMH benchmarks; ARGS='Gemm -f 1' goes to JMH
	@rm -rf bench/target/lib
	@$(mvn) package -Dmaven.test.skip -pl bench -am
	@"$(JAVA_HOME)/bin/java" -cp 'bench/target/*:bench/target/lib/*' \
	  --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED \
	  --add-opens=java.base/java.nio=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow \
	  org.openjdk.jmh.Main $(ARGS)

dist: $(tarball) ## a .tar.gz that runs on a machine without Java
	@du -h $(tarball) | awk '{ print $$2 ": " $$1 "B" }'

install: build ## into PREFIX (/usr/local): PREFIX/lib/simcse and PREFIX/bin/simcse
	@mkdir -p "$(DESTDIR)$(PREFIX)/lib" "$(DESTDIR)$(PREFIX)/bin"
	@rm -rf "$(DESTDIR)$(PREFIX)/lib/simcse"
	@cp -R $(home) "$(DESTDIR)$(PREFIX)/lib/simcse"
	@ln -sf ../lib/simcse/bin/simcse "$(DESTDIR)$(PREFIX)/bin/simcse"
	@echo "Installed $(DESTDIR)$(PREFIX)/bin/simcse"

format: ## formats every Java file
	@$(mvn) spotless:apply

check-format: ## fails when a Java file is not formatted
	@$(mvn) spotless:check

clean: ## removes everything that was built
	@rm -rf target java/*/target bench/target

# The commit goes into the command's version: this file changes only when the commit does.
target/commit: FORCE
	@mkdir -p target
	@commit=$$([ ! -e .git ] || git describe --always --dirty --exclude='*' --abbrev=12 2>/dev/null) || commit=; \
	  [ -f $@ ] && [ "$$(cat $@)" = "$$commit" ] || echo "$$commit" >$@

target/laid-out: $(sources) $(poms) $(notices) .build/find-jdk .build/link-runtime target/commit
	@echo "Building simcse4j $(version) with $(JAVA_HOME)"
	@rm -rf java/cli/target/lib
	@$(mvn) package -Dmaven.test.skip -Dsimcse.commit="$$(cat target/commit)" -pl java/cli -am
	@rm -rf $(home)/lib $(home)/bin && mkdir -p $(home)/lib $(home)/bin
	@cp java/cli/target/lib/*.jar java/cli/target/simcse4j-cli-$(version).jar .build/find-jdk $(home)/lib/
	@.build/link-runtime "$(JAVA_HOME)" $(home)/lib $(home)/runtime
	@cp $(notices) $(home)/
	@cp $(launcher) $(home)/bin/
	@chmod 755 $(home)/bin/simcse
	@touch $@
	@echo "Built $(home)/bin/simcse"

# One order, one owner and one time for all entries where tar can do that: same inputs, same bytes.
$(tarball): target/laid-out
	@rm -rf target/dist && mkdir -p target/dist
	@cp -R $(home) target/dist/$(package) && rm -f target/dist/$(package)/runtime/.made
	@gnu=; ! tar --version | grep -q GNU || gnu="--sort=name --owner=0 --group=0 --numeric-owner --mtime=2026-01-01T00:00Z"; \
	  tar -C target/dist $$gnu -cf - $(package) | gzip -9n >$@
	@rm -rf target/dist
