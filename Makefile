# simcse4j's front door: "make help" lists what there is.
# Maven builds the jars; this file lays them out beside a Java runtime and packs the result.

SHELL := /bin/sh
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:

ifneq (,$(filter-out help clean native sanitize-native cuda emulate,$(or $(MAKECMDGOALS),build)))
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

# What any JVM that runs simcse4j needs.
jvm-flags := $(shell sed -n 's/.*<jvm.flags>\(.*\)<.*/\1/p' pom.xml)

# libsimcse is part of everything where it can be built; NATIVE=no leaves it out.
ifneq (,$(filter default undefined,$(origin CXX)))
  compilers := g++ clang++ c++
else
  compilers := $(firstword $(CXX))
endif
NATIVE ?= yes
ifneq (yes,$(NATIVE))
  no-native := NATIVE is $(NATIVE)
else ifeq (,$(filter linux-%,$(system)))
  no-native := it is made for Linux alone so far, and this is $(system)
else ifeq (,$(strip $(foreach compiler,$(compilers),$(shell command -v $(compiler) 2>/dev/null))))
  no-native := no C++ compiler; install g++ or clang++, or name one as CXX
endif
native := $(if $(no-native),,native/target/libsimcse.so)
native-folder = $(abspath $(dir $(native)))
# As many jobs as there are processors, unless the caller has said how many.
jobs = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))
native-make = $(MAKE) --no-print-directory -s -C native $(jobs)
cuda-make = $(MAKE) --no-print-directory -s -C cuda $(jobs)
emulated-cuda = $(abspath cuda/target/emulated)

home := target/simcse
package := simcse4j-$(version)-$(system)
tarball := target/$(package).tar.gz
PREFIX ?= /usr/local

poms := pom.xml $(wildcard java/*/pom.xml bench/pom.xml)
# Folders too: their time changes when a file in them is deleted.
sources := $(shell find java/*/src/main)
launcher := java/cli/src/main/launcher/simcse
notices := $(wildcard LICENSE NOTICE README.md CHANGELOG.md)

.PHONY: help build native native-jar test sanitize-native cuda jcuda emulate train bench dist install format check-format \
  clean no-native FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: target/laid-out ## the command with its own Java runtime: target/simcse/bin/simcse

native: $(or $(native),no-native) ## the native backend alone: native/target/libsimcse.so; needs g++ or clang++

native-jar: native build ## the native backend as a jar for this platform, beside the jar of the library
	@cp java/core/target/simcse4j-$(version)-$(system).jar target/
	@echo "Built target/simcse4j-$(version)-$(system).jar"

# The kernels' suite runs once more on lower tiers of libsimcse, and on the one for AMX with its instructions emulated.
# Then the CUDA kernels and what uses them, on the emulated GPU; what nvcc built is opened where it was built before.
test: $(native) ## every test; TEST=Name for one class, SIMCSE_SHARED=folder for those that need large data
	@$(if $(native),:,echo "native: $(no-native); the tests of libsimcse are skipped")
	+@$(if $(native),$(if $(TEST),:,$(native-make) test),:)
	@rm -rf java/*/target/surefire-reports
	@$(mvn-test) test $(if $(native),-Dsimcse.library.path='$(native-folder)') \
	  $(if $(TEST),-Dtest='$(TEST)' -Dsurefire.failIfNoSpecifiedTests=false)
	@$(if $(native),$(if $(TEST),:,for tier in portable avx2 amx; do \
	  folder='$(native-folder)'; [ $$tier != amx ] || folder=$$folder/emulated; \
	  [ -e "$$folder/libsimcse.so" ] || continue; \
	  echo "libsimcse, tier $$tier:"; \
	  SIMCSE_TIER=$$tier $(mvn-test) surefire:test -pl java/core -Dtest='Native*KernelsTest' \
	    -Dsurefire.reportNameSuffix=$$tier -Dsimcse.library.path="$$folder" || exit 1; \
	done),:)
	+@$(if $(native),$(if $(TEST),:,echo "CUDA, emulated:" && $(cuda-make) run-plain test-emulated fakes \
	  $(if $(wildcard cuda/target/libsimcse_cuda.so),test-driver)),:)
	@$(if $(native),$(if $(TEST),:,$(mvn-test) test -pl java/core,java/cli,java/jcuda -am -Dtests.excluded=none \
	  -Dtest='Cuda*Test,JCu*Test' -Dsurefire.failIfNoSpecifiedTests=false -Dsurefire.reportNameSuffix=cuda \
	  -Dsimcse.library.path='$(emulated-cuda)' -Dsimcse.jcuda.fakes='$(abspath cuda/target/fakes)'),:)
	@sed -n -e 's/.*<skipped message="\([^"]*\)".*/skipped: \1/p' \
	  -e 's/.*<skipped .*CDATA\[[^:]*: \(Assumption failed: \)*\(.*\)/skipped: \2/p' \
	  java/*/target/surefire-reports/*.xml | sort | uniq -c

sanitize-native: $(if $(native),,no-native) ## the tests of libsimcse under AddressSanitizer and UndefinedBehaviorSanitizer
	+@$(native-make) sanitize

cuda: ## libsimcse_cuda.so, the plug-in for NVIDIA GPUs: cuda/target/libsimcse_cuda.so; needs nvcc
	+@$(MAKE) --no-print-directory -C cuda

jcuda: build ## the optional kernels inside JCuda: target/jcuda/*.jar, for SIMCSE_CLASSPATH
	@rm -rf java/jcuda/target/lib target/jcuda
	@$(mvn) package -DskipTests -pl java/jcuda -am
	@mkdir -p target/jcuda && cp java/jcuda/target/lib/*.jar java/jcuda/target/simcse4j-jcuda-$(version).jar target/jcuda/
	@echo "Built $(abspath target/jcuda): SIMCSE_CLASSPATH='$(abspath target/jcuda)/*' $(home)/bin/simcse doctor"

emulate: ## the tests of the CUDA kernels, in an emulator that needs neither nvcc nor a GPU
	+@$(MAKE) --no-print-directory -C cuda emulate test-plugin

train: build ## the quickstart: trains a small encoder on generated text, with scores before and after
	@$(home)/bin/simcse quickstart --out target/quickstart

bench: $(native) ## the JMH benchmarks; ARGS='Gemm -f 1' goes to JMH
	@rm -rf bench/target/lib
	@$(mvn) package -Dmaven.test.skip -pl bench -am
	@"$(JAVA_HOME)/bin/java" -cp 'bench/target/*:bench/target/lib/*' \
	  $(jvm-flags) $(if $(native),-Dsimcse.library.path='$(native-folder)') \
	  org.openjdk.jmh.Main $(ARGS)

dist: $(tarball) ## a .tar.gz that runs on a machine without Java
	@du -h $(tarball) | awk '{ print $$2 ": " $$1 "B" }'

install: build ## into PREFIX (/usr/local): bin/simcse, lib/simcse, and libsimcse for C, pkg-config and CMake
	@mkdir -p "$(DESTDIR)$(PREFIX)/lib" "$(DESTDIR)$(PREFIX)/bin"
	@rm -rf "$(DESTDIR)$(PREFIX)/lib/simcse"
	@cp -R $(home) "$(DESTDIR)$(PREFIX)/lib/simcse"
	@ln -sf ../lib/simcse/bin/simcse "$(DESTDIR)$(PREFIX)/bin/simcse"
	+@$(if $(native),$(native-make) install PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)',:)
	@echo "Installed $(DESTDIR)$(PREFIX)/bin/simcse"

format: ## formats every Java file
	@$(mvn) spotless:apply

check-format: ## fails when a Java file is not formatted
	@$(mvn) spotless:check

clean: ## removes everything that was built
	@rm -rf target java/*/target bench/target native/target cuda/target

# The commit goes into the command's version: this file changes only when the commit does.
target/commit: FORCE
	@mkdir -p target
	@commit=$$([ ! -e .git ] || git describe --always --dirty --exclude='*' --abbrev=12 2>/dev/null) || commit=; \
	  [ -f $@ ] && [ "$$(cat $@)" = "$$commit" ] || echo "$$commit" >$@

no-native:
	@echo "native: libsimcse cannot be built: $(no-native)." >&2; exit 1

# Its own Makefile knows when it has to be built again.
native/target/libsimcse.so: FORCE
	+@$(native-make) library

# Changes when the library comes or goes.
target/with-native: FORCE
	@mkdir -p target
	@[ -f $@ ] && [ "$$(cat $@)" = "$(native)" ] || echo "$(native)" >$@

# The jar for this platform is packed from a folder; the library's own jar gets the SHA-256 of what it may load.
target/laid-out: $(sources) $(poms) $(notices) .build/find-jdk .build/link-runtime target/commit target/with-native \
  $(native)
	@echo "Building simcse4j $(version) with $(JAVA_HOME)"
	@$(if $(native),:,echo "native: $(no-native); libsimcse is left out")
	@rm -rf java/cli/target/lib target/native-jar && mkdir -p target/native-jar/META-INF/native/$(system)
	@$(if $(native),cp $(native) target/native-jar/META-INF/native/$(system)/,:)
	@$(mvn) package -Dmaven.test.skip -Dsimcse.commit="$$(cat target/commit)" -pl java/cli -am \
	  $(if $(native),-Dsimcse.native.platform=$(system) -Dsimcse.native.folder='$(abspath target/native-jar)' \
	  -Dsimcse.native.sha256="$(system)=$$(sha256sum $(native) | cut -d ' ' -f 1)")
	@rm -rf $(home)/lib $(home)/bin && mkdir -p $(home)/lib $(home)/bin
	@cp java/cli/target/lib/*.jar java/cli/target/simcse4j-cli-$(version).jar .build/find-jdk $(native) $(home)/lib/
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
