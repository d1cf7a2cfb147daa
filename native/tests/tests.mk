# Tests through the public table: every operation on every tier, the examples, and what "make install" lays down.
# Included by the Makefile; `out` is where things are built, SIMCSE_FLAGS what sanitized builds add.

operation_sources := $(sort $(wildcard tests/operations/*.cpp))
operation_objects := $(operation_sources:tests/operations/%.cpp=$(out)/obj/tests/operations/%.o)
operation_test := $(out)/tests/operations
# Sanitized builds have no emulated tier beside them.
emulated_library := $(if $(SANITIZE),,$(if $(filter amx,$(tiers)),$(out)/emulated/libsimcse.so))

.PHONY: test-operations test-examples test-install

# ARGS goes to the program: ARGS='--tier avx2 --seed 7 gemm'
test-operations: $(library) $(operation_test) $(if $(emulated_library),emulated) ## every operation on every tier
	@$(operation_test) $(library) $(addprefix --emulated ,$(emulated_library)) $(ARGS)

$(operation_test): $(operation_objects)
	@mkdir -p $(@D)
	@echo 'linking $@'
	$(quiet)$(CXX) -pthread $(SIMCSE_FLAGS) -o $@ $(operation_objects) $(LDFLAGS) -ldl -lm

$(operation_objects): $(out)/obj/tests/operations/%.o: tests/operations/%.cpp $(shared)/compiled-by
	@mkdir -p $(@D)
	@echo 'compiling $@'
	$(quiet)$(CXX) -std=c++17 -O2 $(warnings) -pthread -MMD -MP $(SIMCSE_FLAGS) $(CXXFLAGS) -c $< -o $@

-include $(operation_objects:.o=.d)

test-examples: $(library) ## builds and runs the programs in examples/, in C and in Python
	@tests/examples.sh '$(CC)' '$(CXX)' $(out)

test-install: $(library) ## installs into a temporary folder, and builds an example against what lies there
	@tests/install.sh '$(MAKE)' '$(CC)' $(out) $(version)
