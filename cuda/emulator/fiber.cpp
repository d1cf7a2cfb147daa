// Fibers over a hand-written switch on x86-64 and over ucontext elsewhere. Every switch is announced to the sanitizer
// of the build, if there is one.
#include "fiber.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#include "sanitizers.hpp"

#if !defined(__x86_64__) || defined(SIMCSE_EMULATOR_UCONTEXT)
#include <ucontext.h>
#define SIMCSE_FIBER_UCONTEXT 1
#else
#define SIMCSE_FIBER_UCONTEXT 0
#endif

namespace simcse::cuda::emulator {

namespace {

constexpr std::size_t kStack = 256 * 1024;
constexpr unsigned kNoOrder = 1;  // a switch orders nothing for ThreadSanitizer; barriers do

#if SIMCSE_FIBER_UCONTEXT
using Saved = ucontext_t;
void switch_to(Saved *from, Saved *to) { swapcontext(from, to); }
#else
using Saved = void *;
extern "C" void simcse_fiber_switch(void **save, void *load);
// Callee-saved registers go to the old stack and come from the new one.
asm(R"(
  .text
  .globl simcse_fiber_switch
  .hidden simcse_fiber_switch
  .type simcse_fiber_switch, @function
simcse_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size simcse_fiber_switch, .-simcse_fiber_switch
)");
void switch_to(Saved *from, Saved *to) { simcse_fiber_switch(from, *to); }
#endif

}  // namespace

struct Fiber::Context {
  char *mapping;
  char *stack;  // lowest address, above a page that faults
  void (*body)(void *);
  void *argument;
  Saved saved;
  Saved resumer;
  void *fake_stack = nullptr;  // of AddressSanitizer
  const void *resumer_stack = nullptr;
  std::size_t resumer_size = 0;
  void *tsan = nullptr;
  void *tsan_resumer = nullptr;
};

static thread_local Fiber::Context *starting = nullptr;

static void enter() {
  Fiber::Context *context = starting;
  if (__sanitizer_finish_switch_fiber) {
    __sanitizer_finish_switch_fiber(nullptr, &context->resumer_stack, &context->resumer_size);
  }
  context->body(context->argument);
  __builtin_trap();
}

Fiber::~Fiber() {
  if (context_ == nullptr) return;
  if (__tsan_destroy_fiber) __tsan_destroy_fiber(context_->tsan);
  munmap(context_->mapping, kStack + static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
  delete context_;
}

void Fiber::start(void (*body)(void *), void *argument) {
  if (context_ == nullptr) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void *mapping = mmap(nullptr, kStack + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    mprotect(mapping, page, PROT_NONE);
    context_ = new Context;
    context_->mapping = static_cast<char *>(mapping);
    context_->stack = context_->mapping + page;
  } else if (__tsan_destroy_fiber) {
    __tsan_destroy_fiber(context_->tsan);
  }
  if (__tsan_create_fiber) context_->tsan = __tsan_create_fiber(0);
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(context_->stack, kStack);
  context_->body = body;
  context_->argument = argument;
  context_->fake_stack = nullptr;
#if SIMCSE_FIBER_UCONTEXT
  getcontext(&context_->saved);
  context_->saved.uc_stack.ss_sp = context_->stack;
  context_->saved.uc_stack.ss_size = kStack;
  context_->saved.uc_link = nullptr;
  makecontext(&context_->saved, enter, 0);
#else
  // As if `enter` had been called: its address to return to lies where the stack is 8 past a multiple of 16.
  void **top = reinterpret_cast<void **>(context_->stack + kStack);
  *--top = nullptr;
  *--top = reinterpret_cast<void *>(&enter);
  for (int i = 0; i < 6; i++) *--top = nullptr;
  context_->saved = top;
#endif
}

void Fiber::resume() {
  Context *context = context_;
  starting = context;
  void *fake_stack = nullptr;
  if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(&fake_stack, context->stack, kStack);
  if (__tsan_switch_to_fiber) {
    context->tsan_resumer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(context->tsan, kNoOrder);
  }
  switch_to(&context->resumer, &context->saved);
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}

void Fiber::pause() {
  Context *context = context_;
  if (__sanitizer_start_switch_fiber) {
    __sanitizer_start_switch_fiber(&context->fake_stack, context->resumer_stack, context->resumer_size);
  }
  if (__tsan_switch_to_fiber) __tsan_switch_to_fiber(context->tsan_resumer, kNoOrder);
  switch_to(&context->saved, &context->resumer);
  if (__sanitizer_finish_switch_fiber) {
    __sanitizer_finish_switch_fiber(context->fake_stack, &context->resumer_stack, &context->resumer_size);
  }
}

}  // namespace simcse::cuda::emulator
