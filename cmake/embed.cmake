# stf_embed(TARGET SYMBOL ROOT FILES...): makes FILES (relative to ROOT) part of TARGET, byte for byte, as a table
# `const struct stf_embedded SYMBOL[]` of {name, bytes, size}, ended by a NULL name. Line numbers stay true.
function(stf_embed target symbol root)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
    list(TRANSFORM ARGN PREPEND ${root}/ OUTPUT_VARIABLE inputs)
    add_custom_command(
        OUTPUT ${output}
        COMMAND ${CMAKE_COMMAND} -DSYMBOL=${symbol} -DROOT=${root} "-DFILES=${ARGN}" -DOUTPUT=${output}
                -P ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake
        DEPENDS ${inputs} ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake
        VERBATIM)
    target_sources(${target} PRIVATE ${output})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/bindings/common)
endfunction()
