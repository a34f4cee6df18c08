# Libraries that are not ours. Each is linked by the one room that wraps it.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
if(WEFT_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
if(WEFT_BENCH)
  find_package(benchmark REQUIRED)
endif()

pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
find_path(NGHTTP2_INCLUDE nghttp2/nghttp2.h REQUIRED)
find_library(NGHTTP2_LIB libnghttp2.a REQUIRED)
find_library(RE2_LIB libre2.a REQUIRED)
find_library(PROTOBUF_LITE_LIB libprotobuf-lite.a REQUIRED)
find_program(PROTOC protoc REQUIRED)

# AWS-LC, built by cargo before CMake runs: tools/third_party.sh leaves it here.
set(AWSLC ${CMAKE_SOURCE_DIR}/build/third_party/awslc/root)
if(NOT EXISTS ${AWSLC}/lib/libssl.a)
  message(FATAL_ERROR "AWS-LC is not built: run tools/third_party.sh (make build does)")
endif()
add_library(awslc_crypto STATIC IMPORTED)
set_target_properties(awslc_crypto PROPERTIES IMPORTED_LOCATION ${AWSLC}/lib/libcrypto.a
  INTERFACE_INCLUDE_DIRECTORIES ${AWSLC}/include INTERFACE_LINK_LIBRARIES Threads::Threads)
add_library(awslc_ssl STATIC IMPORTED)
set_target_properties(awslc_ssl PROPERTIES IMPORTED_LOCATION ${AWSLC}/lib/libssl.a
  INTERFACE_INCLUDE_DIRECTORIES ${AWSLC}/include INTERFACE_LINK_LIBRARIES awslc_crypto)

set(WEFT_ROOM_base_LINKS ${RE2_LIB} Threads::Threads)
set(WEFT_ROOM_yaml_LINKS PkgConfig::yaml)
set(WEFT_ROOM_http_LINKS ${NGHTTP2_LIB})
set(WEFT_ROOM_identity_LINKS awslc_crypto)
set(WEFT_ROOM_tls_LINKS awslc_ssl)
set(WEFT_ROOM_wire_LINKS weft_protos)
