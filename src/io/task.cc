#include "io/task.h"

#include "base/shelf.h"

namespace weft::io {

void* allocate_frame(size_t size) { return shelf::take(size); }
void free_frame(void* frame, size_t size) noexcept { shelf::give(frame, size); }

}  // namespace weft::io
