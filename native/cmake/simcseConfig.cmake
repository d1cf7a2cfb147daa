# find_package(simcse) defines the target simcse::simcse.
if(NOT TARGET simcse::simcse)
  get_filename_component(simcse_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
  if(NOT EXISTS "${simcse_prefix}/lib/libsimcse.so.1" OR NOT EXISTS "${simcse_prefix}/include/simcse.h")
    set(simcse_FOUND FALSE)
    set(simcse_NOT_FOUND_MESSAGE "lib/libsimcse.so.1 or include/simcse.h is missing below ${simcse_prefix}")
    return()
  endif()
  add_library(simcse::simcse SHARED IMPORTED)
  set_target_properties(simcse::simcse PROPERTIES
    IMPORTED_LOCATION "${simcse_prefix}/lib/libsimcse.so.1"
    IMPORTED_SONAME "libsimcse.so.1"
    INTERFACE_INCLUDE_DIRECTORIES "${simcse_prefix}/include")
  unset(simcse_prefix)
endif()
