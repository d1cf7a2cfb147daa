// What the emulator tells the sanitizers, each absent from builds without it.
#pragma once

#include <cstddef>

extern "C" {
void __sanitizer_start_switch_fiber(void **save, const void *bottom, std::size_t size) __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *save, const void **bottom, std::size_t *size) __attribute__((weak));
void *__tsan_get_current_fiber() __attribute__((weak));
void *__tsan_create_fiber(unsigned flags) __attribute__((weak));
void __tsan_destroy_fiber(void *fiber) __attribute__((weak));
void __tsan_switch_to_fiber(void *fiber, unsigned flags) __attribute__((weak));
void __asan_poison_memory_region(const volatile void *address, std::size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *address, std::size_t size) __attribute__((weak));
void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));
void __tsan_read_range(void *address, std::size_t size) __attribute__((weak));
void __tsan_write_range(void *address, std::size_t size) __attribute__((weak));
void AnnotateIgnoreReadsBegin(const char *file, int line) __attribute__((weak));
void AnnotateIgnoreReadsEnd(const char *file, int line) __attribute__((weak));
void AnnotateIgnoreWritesBegin(const char *file, int line) __attribute__((weak));
void AnnotateIgnoreWritesEnd(const char *file, int line) __attribute__((weak));
}

namespace simcse::cuda::emulator {

inline void acquire(void *order) {
  if (__tsan_acquire) __tsan_acquire(order);
}
inline void release(void *order) {
  if (__tsan_release) __tsan_release(order);
}

// The emulator is built without ThreadSanitizer; what it reads and writes for a lane is told.
inline void tell_read(const void *address, std::size_t bytes) {
  if (__tsan_read_range) __tsan_read_range(const_cast<void *>(address), bytes);
}
inline void tell_write(void *address, std::size_t bytes) {
  if (__tsan_write_range) __tsan_write_range(address, bytes);
}

// ThreadSanitizer looks away while the emulator moves what lanes exchange: that orders nothing on the hardware either.
struct LookAway {
  LookAway() {
    if (!AnnotateIgnoreReadsBegin) return;
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~LookAway() {
    if (!AnnotateIgnoreReadsBegin) return;
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
};

}  // namespace simcse::cuda::emulator
