# What surrounds the library when it is installed: headers, the manual page made from them, and what
# pkg-config and find_package read. Included by CMakeLists.txt, which installs the libraries.
include(CMakePackageConfigHelpers)
set(CLIENT_HEADERS ${CMAKE_CURRENT_LIST_DIR}/llm_tracer.h ${CMAKE_CURRENT_LIST_DIR}/llm_tracer_scope.h)
install(FILES ${CLIENT_HEADERS} DESTINATION include)

configure_file(${CMAKE_CURRENT_LIST_DIR}/llm_tracer.pc.in ${CMAKE_CURRENT_BINARY_DIR}/llm_tracer.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/llm_tracer.pc DESTINATION lib/pkgconfig)

write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/llm_tracer-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/llm_tracer-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/llm_tracer-config-version.cmake
        DESTINATION lib/cmake/llm_tracer)

find_program(TRACER_AWK NAMES mawk gawk awk)
if(NOT TRACER_AWK)
  message(STATUS "No awk: the manual page of the library is left out")
  return()
endif()
set(CLIENT_MAN ${CMAKE_BINARY_DIR}/man/man3)
add_custom_command(
  OUTPUT ${CLIENT_MAN}/llm_tracer.3
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${CLIENT_MAN}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CLIENT_MAN}
  COMMAND ${TRACER_AWK} -v version=${PROJECT_VERSION} -v links=${CLIENT_MAN} -f ${CMAKE_CURRENT_LIST_DIR}/man.awk
          ${CLIENT_HEADERS} > ${CMAKE_CURRENT_BINARY_DIR}/llm_tracer.3
  COMMAND ${CMAKE_COMMAND} -E rename ${CMAKE_CURRENT_BINARY_DIR}/llm_tracer.3 ${CLIENT_MAN}/llm_tracer.3
  DEPENDS ${CLIENT_HEADERS} ${CMAKE_CURRENT_LIST_DIR}/man.awk
  VERBATIM)
add_custom_target(llmtracer_man ALL DEPENDS ${CLIENT_MAN}/llm_tracer.3)
install(DIRECTORY ${CLIENT_MAN} DESTINATION share/man)
