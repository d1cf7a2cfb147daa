// Guarded memory: pages between two that are not mapped.
#include "guarded.hpp"

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace simcse_test {
namespace {

constexpr unsigned char kSlack = 0xFF;  // NaN in every float type: what is read from there shows in the results

Guarded *all = nullptr;
char running[512] = "nothing yet";

std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

void die(const char *what) {
  std::perror(what);
  std::abort();
}

void put(const char *text) {
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) _exit(kFaultStatus);
}

// Prints with what is safe after a fault.
void on_fault(int signal, siginfo_t *info, void *) {
  char text[256];
  put("FAULT: ");
  put(running);
  if (signal == SIGILL) {
    put(": an instruction that this machine does not have");
  } else if (Guarded::describe(info->si_addr, text, sizeof text)) {
    put(": touched ");
    put(text);
  } else {
    std::snprintf(text, sizeof text, ": signal %d at %p", signal, info->si_addr);
    put(text);
  }
  put("\n");
  _exit(kFaultStatus);
}

}  // namespace

Guarded::Guarded(const std::string &name, std::size_t bytes, Flush flush) : name_(name), bytes_(bytes), next_(all) {
  inner_ = (bytes + page() - 1) / page() * page();
  if (inner_ == 0) inner_ = page();
  void *whole = mmap(nullptr, inner_ + 2 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) die("mmap");
  pages_ = static_cast<char *>(whole) + page();
  if (mprotect(pages_, inner_, PROT_READ | PROT_WRITE) != 0) die("mprotect");
  std::memset(pages_, kSlack, inner_);
  data_ = flush == Flush::kEnd ? pages_ + inner_ - bytes : pages_;
  all = this;
}

Guarded::~Guarded() {
  for (Guarded **link = &all; *link != nullptr; link = &(*link)->next_) {
    if (*link == this) {
      *link = next_;
      break;
    }
  }
  if (munmap(pages_ - page(), inner_ + 2 * page()) != 0) die("munmap");
}

void Guarded::fill(const void *content, bool read_only) {
  if (mprotect(pages_, inner_, PROT_READ | PROT_WRITE) != 0) die("mprotect");
  if (bytes_ > 0) std::memcpy(data_, content, bytes_);
  if (read_only && mprotect(pages_, inner_, PROT_READ) != 0) die("mprotect");
}

bool Guarded::slack_untouched() const {
  for (const char *p = pages_; p < pages_ + inner_; p++) {
    if (p == data_) p += bytes_;
    if (p < pages_ + inner_ && static_cast<unsigned char>(*p) != kSlack) return false;
  }
  return true;
}

bool Guarded::describe(const void *address, char *text, std::size_t size) {
  const char *at = static_cast<const char *>(address);
  for (const Guarded *g = all; g != nullptr; g = g->next_) {
    if (at < g->pages_ - page() || at >= g->pages_ + g->inner_ + page()) continue;
    const char *name = g->name_.c_str();
    const char *end = g->data_ + g->bytes_;
    if (at < g->data_) {
      std::snprintf(text, size, "%s at byte %ld before its start", name, static_cast<long>(g->data_ - at));
    } else if (at >= end) {
      std::snprintf(text, size, "%s at byte %ld after its end", name, static_cast<long>(at - end) + 1);
    } else {
      std::snprintf(text, size, "%s, which is an input, by writing its byte %ld", name,
                    static_cast<long>(at - g->data_));
    }
    return true;
  }
  return false;
}

void report_faults() {
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) sigaction(signal, &action, nullptr);
}

void now_running(const std::string &what) { std::snprintf(running, sizeof running, "%s", what.c_str()); }

namespace {

// The status with which a child ends that touches the byte at `offset` from the data.
int touch(Flush flush, long offset, bool write_it, bool read_only) {
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    Guarded memory("memory", 100, flush);
    memory.fill(std::string(100, 'x').data(), read_only);
    volatile char *at = memory.data() + offset;
    if (write_it) {
      *at = 'y';
    } else {
      (void)*at;
    }
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) die("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

std::string guards_work() {
  for (bool write_it : {false, true}) {
    std::string how = write_it ? "writing" : "reading";
    if (touch(Flush::kEnd, 100, write_it, false) != kFaultStatus) return how + " one byte after went well";
    if (touch(Flush::kStart, -1, write_it, false) != kFaultStatus) return how + " one byte before went well";
    if (touch(Flush::kEnd, 99, write_it, false) != 0) return how + " the last byte was a fault";
    if (touch(Flush::kStart, 0, write_it, false) != 0) return how + " the first byte was a fault";
  }
  if (touch(Flush::kEnd, 50, true, true) != kFaultStatus) return "writing to an input went well";
  return "";
}

}  // namespace simcse_test
