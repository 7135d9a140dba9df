# tracer_endpoints(HEADER): writes config/endpoints.json as lines of two macros that the includer
# defines first, in the order of the file, hosts before paths:
#   ENDPOINT_HOST("api.openai.com", "openai")
#   ENDPOINT_PATH("*/chat/completions", "openai.chat")
# Worked out when CMake runs, and again whenever the file changes.
set(TRACER_ENDPOINTS_JSON ${CMAKE_CURRENT_LIST_DIR}/endpoints.json)

function(tracer_endpoints_list text list macro key value output)
  string(JSON count LENGTH "${text}" ${list})
  math(EXPR last "${count} - 1")
  set(lines "")
  foreach(index RANGE ${last})
    string(JSON first GET "${text}" ${list} ${index} ${key})
    string(JSON second GET "${text}" ${list} ${index} ${value})
    string(LENGTH "${first}" length)
    if(NOT "${first}${second}" MATCHES "^[][A-Za-z0-9._:/*?-]+$" OR length GREATER 62
       OR "${first}" MATCHES "[*?]$")
      message(FATAL_ERROR "${TRACER_ENDPOINTS_JSON}: bad entry \"${first}\"")
    endif()
    string(APPEND lines "${macro}(\"${first}\", \"${second}\")\n")
  endforeach()
  set(${output} "${lines}" PARENT_SCOPE)
endfunction()

function(tracer_endpoints header)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${TRACER_ENDPOINTS_JSON})
  file(READ ${TRACER_ENDPOINTS_JSON} text)
  tracer_endpoints_list("${text}" hosts ENDPOINT_HOST host provider hosts)
  tracer_endpoints_list("${text}" paths ENDPOINT_PATH path api paths)
  file(CONFIGURE OUTPUT ${header} CONTENT "/* Made from config/endpoints.json. */
#ifdef ENDPOINT_HOST
${hosts}#endif
#ifdef ENDPOINT_PATH
${paths}#endif
" @ONLY)
endfunction()
