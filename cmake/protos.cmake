# The xDS and CA messages (owner: room wire).
add_library(weft_protos INTERFACE)
