# tracer_assets(OUT FOLDER): writes the C file OUT that embeds what a browser needs of FOLDER. The
# files are read by the assembler (.incbin), and a change of one compiles OUT again.
function(tracer_assets out folder)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${folder}
       ${folder}/*.html ${folder}/*.css ${folder}/*.js ${folder}/*.mjs ${folder}/*.svg)
  list(SORT files)
  set(symbols "")
  set(entries "")
  set(paths "")
  set(number 0)
  foreach(file ${files})
    list(APPEND paths ${folder}/${file})
    string(APPEND symbols "extern const unsigned char asset_${number}[], asset_${number}_end[];\n"
                          "EMBED(asset_${number}, \"${folder}/${file}\")\n")
    string(APPEND entries "    {\"${file}\", asset_${number}, asset_${number}_end},\n")
    math(EXPR number "${number} + 1")
  endforeach()
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/assets_data.c.in ${out} @ONLY)
  set_source_files_properties(${out} PROPERTIES OBJECT_DEPENDS "${paths}")
endfunction()
