// Memory that lies flush against unmapped pages, so that touching one byte outside of it is a fault that names it.
#pragma once

#include <cstddef>
#include <string>

namespace simcse_test {

enum class Flush { kStart, kEnd };  // which end of the data touches an unmapped page

class Guarded {
 public:
  Guarded(const std::string &name, std::size_t bytes, Flush flush);
  ~Guarded();
  Guarded(const Guarded &) = delete;
  Guarded &operator=(const Guarded &) = delete;

  char *data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

  // Copies `content` in; with read_only a write to it is a fault too, until the next fill.
  void fill(const void *content, bool read_only);
  // Whether the bytes between the data and the far end of its pages still are what they were.
  bool slack_untouched() const;

  // What this address is to the nearest guarded memory, such as "qkv at byte 4 after its end".
  static bool describe(const void *address, char *text, std::size_t size);

 private:
  std::string name_;
  std::size_t bytes_;
  std::size_t inner_;  // bytes of the pages between the unmapped ones
  char *pages_;        // the first of those
  char *data_;
  Guarded *next_;
};

// Faults print what was touched and what ran, and end the process with status kFaultStatus.
constexpr int kFaultStatus = 99;
void report_faults();
// What the report says was running; no newline, at most 500 characters are kept.
void now_running(const std::string &what);

// Reads and writes one byte over each end in child processes, which must die of it. Returns what went wrong, or "".
std::string guards_work();

}  // namespace simcse_test
