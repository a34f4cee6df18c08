# The xDS and CA messages (owner: room wire): lite classes of the fields that weft accepts and no others, and
# the table of all fields by which the rest is refused. tools/protos/generate.py says how they come about.
set(WEFT_PROTOS ${CMAKE_SOURCE_DIR}/build/third_party/protos/proto)
if(NOT EXISTS ${WEFT_PROTOS}/data-plane-api)
  message(FATAL_ERROR "Envoy's .proto files are not there: run tools/third_party.sh (make build does)")
endif()
# Debian's interpreter: the one that has python3-protobuf.
find_program(WEFT_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

set(WEFT_PROTO_OUT ${CMAKE_BINARY_DIR}/protos)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/tools/protos/generate.py
  ${CMAKE_SOURCE_DIR}/src/wire/accepted_fields.txt
  ${CMAKE_SOURCE_DIR}/src/wire/istio_ca.proto)
execute_process(
  COMMAND ${WEFT_PYTHON} ${CMAKE_SOURCE_DIR}/tools/protos/generate.py --protoc ${PROTOC} --protos ${WEFT_PROTOS}
    --own ${CMAKE_SOURCE_DIR}/src/wire --accepted ${CMAKE_SOURCE_DIR}/src/wire/accepted_fields.txt
    --out ${WEFT_PROTO_OUT}
  COMMAND_ERROR_IS_FATAL ANY)
include(${WEFT_PROTO_OUT}/sources.cmake)

add_library(weft_protos STATIC ${WEFT_PROTO_SOURCES})
target_include_directories(weft_protos SYSTEM PUBLIC ${WEFT_PROTO_OUT}/gen)
target_include_directories(weft_protos PRIVATE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(weft_protos PRIVATE -Os -g0 -w)
target_link_libraries(weft_protos PUBLIC ${PROTOBUF_LITE_LIB} Threads::Threads)
