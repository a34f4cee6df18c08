# Flags of every target of ours. weft_target(NAME) applies them.
add_compile_definitions(WEFT_VERSION="${WEFT_VERSION}")
set(WEFT_WARNINGS -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wold-style-cast
    -Woverloaded-virtual -Wimplicit-fallthrough -Wno-missing-field-initializers -Wno-unused-parameter
    -Wno-deprecated-declarations)  # libstdc++ 12 uses its own deprecated get_temporary_buffer in stable_sort
add_link_options(-fuse-ld=lld)
if(WEFT_SANITIZE)
  add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WEFT_SANITIZE})
  add_compile_definitions(WEFT_SANITIZED=1)
endif()
if(WEFT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

function(weft_target name)
  target_compile_options(${name} PRIVATE ${WEFT_WARNINGS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
endfunction()

# The allocator of the programs: plain malloc under sanitizers.
add_library(weft_allocator INTERFACE)
target_sources(weft_allocator INTERFACE ${CMAKE_SOURCE_DIR}/src/main/allocator.cc)
