# simcse4j's front door: "make help" lists what there is.
# Maven builds the jars; this file lays them out beside a Java runtime and packs the result.

SHELL := /bin/sh
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:

ifneq (,$(filter-out help clean native sanitize-native cuda emulate gpu-status,$(or $(MAKECMDGOALS),build)))
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
# "make cuda" takes minutes: its library comes along where it was built.
plugin := $(if $(native),$(wildcard cuda/target/libsimcse_cuda.so))
native-folder = $(abspath $(dir $(native)))
# As many jobs as there are processors, unless the caller has said how many.
jobs = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))
native-make = $(MAKE) --no-print-directory -s -C native $(jobs)
cuda-make = $(MAKE) --no-print-directory -s -C cuda $(jobs)
emulated-cuda = $(abspath cuda/target/emulated)

home := target/simcse
package := simcse4j-$(version)-$(system)
tarball := target/$(package).tar.gz
gpu-tarball := target/simcse4j-gpu-$(version)-$(system).tar.xz
PREFIX ?= /usr/local

poms := pom.xml $(wildcard java/*/pom.xml bench/pom.xml)
# Folders too: their time changes when a file in them is deleted.
sources := $(shell find java/*/src/main)
launcher := java/cli/src/main/launcher/simcse
notices := $(wildcard LICENSE NOTICE README.md CHANGELOG.md)

.PHONY: help build native native-jar test sanitize-native cuda jcuda emulate test-gpu sanitize-gpu bench-gpu \
  gpu-status rehearse-gpu train bench dist dist-gpu install format check-format clean no-native FORCE

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
	  -Dtest='Cuda*Test,JCu*Test,!JCudaKernelsProviderTest' -Dsurefire.failIfNoSpecifiedTests=false \
	  -Dsurefire.reportNameSuffix=cuda \
	  -Dsimcse.library.path='$(emulated-cuda)' -Dsimcse.jcuda.fakes='$(abspath cuda/target/fakes)'),:)
	@$(if $(TEST),:,if command -v python3 >/dev/null; then python3 bench/gpu/gpu_test.py; \
	  else echo "python3 is not installed; the tests of bench/gpu are skipped"; fi)
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
	+@$(MAKE) --no-print-directory -C cuda emulate run-twins check-dev test-plugin

# What a machine with a GPU runs, laid out as it is packed: the command with its runtime, and gpu/.
gpu-home := target/simcse-gpu
gpu-run = $(gpu-home)/gpu/run $(1) --records bench/results $(ARGS)

test-gpu: target/gpu-laid-out ## every test on cuda:0, which must be a GPU; ARGS='--only kernels' for some
	@$(call gpu-run,test)

sanitize-gpu: target/gpu-laid-out ## the CUDA kernels' tests under compute-sanitizer; ARGS='--tool memcheck' for one tool
	@$(call gpu-run,sanitize)

bench-gpu: target/gpu-laid-out ## times on cuda:0 beside PyTorch's; ARGS='--sentences FILE --quick'
	@$(call gpu-run,bench)

gpu-status: ## which CUDA kernels have passed on which GPU, as they are now; exit code 1 while any has not
	@bench/gpu/run status --sources cuda --records bench/results

rehearse-gpu: target/gpu-rehearsal ## both over the emulator, into target/rehearsal; VERBS=test ARGS='--only java'
	@for verb in $(or $(VERBS),test bench); do \
	  $(gpu-home)-rehearsal/gpu/run $$verb --rehearsal --records target/rehearsal $(ARGS) || exit 1; done

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

dist-gpu: $(gpu-tarball) ## a .tar.xz for a machine with a GPU: the command, and gpu/run with tests and benchmarks
	@du -h $(gpu-tarball) | awk '{ print $$2 ": " $$1 "B" }'

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
  $(native) $(plugin)
	@echo "Building simcse4j $(version) with $(JAVA_HOME)"
	@$(if $(native),:,echo "native: $(no-native); libsimcse is left out")
	@$(if $(plugin),:,echo "cuda: libsimcse_cuda.so is left out; make cuda builds it")
	@rm -rf java/cli/target/lib target/native-jar && mkdir -p target/native-jar/META-INF/native/$(system)
	@$(if $(native),cp $(native) target/native-jar/META-INF/native/$(system)/,:)
	@$(mvn) package -Dmaven.test.skip -Dsimcse.commit="$$(cat target/commit)" -pl java/cli -am \
	  $(if $(native),-Dsimcse.native.platform=$(system) -Dsimcse.native.folder='$(abspath target/native-jar)' \
	  -Dsimcse.native.sha256="$(system)=$$(sha256sum $(native) | cut -d ' ' -f 1)")
	@rm -rf $(home)/lib $(home)/bin && mkdir -p $(home)/lib $(home)/bin
	@cp java/cli/target/lib/*.jar java/cli/target/simcse4j-cli-$(version).jar .build/find-jdk $(native) $(plugin) $(home)/lib/
	@.build/link-runtime "$(JAVA_HOME)" $(home)/lib $(home)/runtime
	@cp $(notices) $(home)/
	@cp $(launcher) $(home)/bin/
	@chmod 755 $(home)/bin/simcse
	@touch $@
	@echo "Built $(home)/bin/simcse"

junit := $(shell sed -n 's/.*<junit.version>\(.*\)<.*/\1/p' pom.xml)

# $(call lay-out,FOLDER,LIBRARIES,PROGRAMS,LADDERS): the command with these libraries, and programs, scripts, Java tests.
define lay-out
	@rm -rf $(1) && cp -R $(home) $(1) && rm -f $(1)/runtime/.made
	@mkdir -p $(1)/gpu/programs/dev $(1)/gpu/java/tests
	@cp -L $(2)/libsimcse.so $(2)/libsimcse_cuda.so $(1)/lib/
	@cp $(3)/kernel-tests $(3)/suite $(wildcard $(3)/faults) $(1)/gpu/programs/
	@for each in $(4)/*; do case $$each in *.txt | */planted) ;; *) [ ! -x "$$each" ] || cp "$$each" $(1)/gpu/programs/dev/ ;; \
	  esac; done
	@cp bench/gpu/run $(filter-out %_test.py,$(wildcard bench/gpu/*.py)) $(1)/gpu/
	@bench/gpu/run describe --sources cuda >$(1)/gpu/build.json
	@$(mvn) package org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies -DskipTests \
	  -pl java/cli,java/jcuda -am -DincludeGroupIds=org.jcuda -DincludeScope=test \
	  -DoutputDirectory='$(abspath $(1))/gpu/java/jcuda'
	@cp java/jcuda/target/simcse4j-jcuda-$(version).jar $(1)/gpu/java/jcuda/
	@for each in core cli jcuda; do cp -R java/$$each/target/test-classes $(1)/gpu/java/tests/$$each; done
	@$(mvn) org.apache.maven.plugins:maven-dependency-plugin:copy -pl java/core \
	  -Dartifact=org.junit.platform:junit-platform-console-standalone:$(junit) -DoutputDirectory='$(abspath $(1))/gpu/java'
endef

target/gpu-laid-out: target/laid-out FORCE
	+@$(cuda-make) for-gpu
	@[ -e cuda/target/libsimcse_cuda.so ] || { echo "cuda: a bundle for a GPU needs nvcc" >&2; exit 1; }
	@cp -L native/target/libsimcse.so cuda/target/
	$(call lay-out,$(gpu-home),cuda/target,cuda/target/gpu,cuda/target/dev)
	@touch $@

target/gpu-rehearsal: target/laid-out FORCE
	+@$(cuda-make) rehearsal fakes
	$(call lay-out,$(gpu-home)-rehearsal,cuda/target/emulated,cuda/target/rehearsal,cuda/target/emulated/dev)
	@cp -R cuda/target/fakes $(gpu-home)-rehearsal/gpu/programs/
	@touch $@

$(gpu-tarball): target/gpu-laid-out
	@rm -rf target/dist && mkdir -p target/dist
	@cp -R $(gpu-home) target/dist/$(package)
	@tar -C target/dist -cf - $(package) | xz -6 -T0 >$@
	@rm -rf target/dist

# One order, one owner and one time for all entries where tar can do that: same inputs, same bytes.
$(tarball): target/laid-out
	@rm -rf target/dist && mkdir -p target/dist
	@cp -R $(home) target/dist/$(package) && rm -f target/dist/$(package)/runtime/.made
	@gnu=; ! tar --version | grep -q GNU || gnu="--sort=name --owner=0 --group=0 --numeric-owner --mtime=2026-01-01T00:00Z"; \
	  tar -C target/dist $$gnu -cf - $(package) | gzip -9n >$@
	@rm -rf target/dist
