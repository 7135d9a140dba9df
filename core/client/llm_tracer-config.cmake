# find_package(llm_tracer) gives the targets llm_tracer::llm_tracer (shared) and llm_tracer::static.
# The prefix is three folders above this file: what was installed may be moved.
get_filename_component(_llm_tracer_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

foreach(_llm_tracer_file include/llm_tracer.h lib/libllmtracer.so lib/libllmtracer.a)
  if(NOT EXISTS "${_llm_tracer_prefix}/${_llm_tracer_file}")
    set(llm_tracer_FOUND FALSE)
    set(llm_tracer_NOT_FOUND_MESSAGE "${_llm_tracer_prefix}/${_llm_tracer_file} is missing")
    return()
  endif()
endforeach()

if(NOT TARGET llm_tracer::llm_tracer)
  add_library(llm_tracer::llm_tracer SHARED IMPORTED)
  set_target_properties(llm_tracer::llm_tracer PROPERTIES
    IMPORTED_LOCATION "${_llm_tracer_prefix}/lib/libllmtracer.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_llm_tracer_prefix}/include")
endif()
if(NOT TARGET llm_tracer::static)
  add_library(llm_tracer::static STATIC IMPORTED)
  set_target_properties(llm_tracer::static PROPERTIES
    IMPORTED_LOCATION "${_llm_tracer_prefix}/lib/libllmtracer.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_llm_tracer_prefix}/include"
    INTERFACE_LINK_LIBRARIES "pthread;${CMAKE_DL_LIBS}")
endif()
unset(_llm_tracer_file)
unset(_llm_tracer_prefix)
