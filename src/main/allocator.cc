// The programs' operator new and delete: a shelf of the thread in front of malloc (base/shelf.h).
#include <cstddef>
#include <new>

#include "base/shelf.h"

#ifndef WEFT_SANITIZED

void* operator new(size_t size) { return weft::shelf::take(size); }
void* operator new[](size_t size) { return weft::shelf::take(size); }
void operator delete(void* block) noexcept { weft::shelf::give(block); }
void operator delete[](void* block) noexcept { weft::shelf::give(block); }
void operator delete(void* block, size_t size) noexcept { weft::shelf::give(block, size); }
void operator delete[](void* block, size_t size) noexcept { weft::shelf::give(block, size); }

#endif
