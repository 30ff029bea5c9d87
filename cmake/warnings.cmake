# Flags of every target, on an INTERFACE target instead of CMAKE_C_FLAGS.
add_library(stf_flags INTERFACE)
target_compile_definitions(stf_flags INTERFACE _GNU_SOURCE)
target_compile_options(stf_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                       -Wvla -fno-common)
# What is released does not tell in which folder it was built.
target_compile_options(stf_flags INTERFACE "$<$<CONFIG:Release>:-ffile-prefix-map=${PROJECT_BINARY_DIR}=.>"
                       "$<$<CONFIG:Release>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.>")
target_include_directories(stf_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/bindings)
if(STAFFETTA_WERROR)
    target_compile_options(stf_flags INTERFACE -Werror)
endif()
if(STAFFETTA_SANITIZE)
    target_compile_options(stf_flags INTERFACE -fsanitize=${STAFFETTA_SANITIZE} -fno-sanitize-recover=all
                           -fno-omit-frame-pointer)
    target_link_options(stf_flags INTERFACE -fsanitize=${STAFFETTA_SANITIZE})
endif()
