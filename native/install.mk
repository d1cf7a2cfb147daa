# "make install": the header, the library, and what pkg-config and CMake need to find them. Nothing installed names
# PREFIX, so that the tree may be moved as a whole. The library's file is named after its ABI.

PREFIX ?= /usr/local
installed = $(DESTDIR)$(PREFIX)
fill_in := sed -e 's/@VERSION@/$(version)/g' -e 's/@NUMBER@/$(firstword $(subst -, ,$(version)))/g'

.PHONY: install

install: $(library) ## into PREFIX (/usr/local), below DESTDIR: header, library, pkg-config and CMake files
	@mkdir -p "$(installed)/include" "$(installed)/lib/pkgconfig" "$(installed)/lib/cmake/simcse"
	@cp include/simcse.h "$(installed)/include/simcse.h"
	@cp $(library) "$(installed)/lib/libsimcse.so.1.new" && mv -f "$(installed)/lib/libsimcse.so.1.new" \
	  "$(installed)/lib/libsimcse.so.1"
	@ln -sf libsimcse.so.1 "$(installed)/lib/libsimcse.so"
	@$(fill_in) simcse.pc.in > "$(installed)/lib/pkgconfig/simcse.pc"
	@cp cmake/simcseConfig.cmake "$(installed)/lib/cmake/simcse/simcseConfig.cmake"
	@$(fill_in) cmake/simcseConfigVersion.cmake.in > "$(installed)/lib/cmake/simcse/simcseConfigVersion.cmake"
	@chmod 644 "$(installed)/include/simcse.h" "$(installed)/lib/pkgconfig/simcse.pc" "$(installed)"/lib/cmake/simcse/*
	@chmod 755 "$(installed)/lib/libsimcse.so.1"
	@echo "Installed simcse $(version) in $(installed)"
