// What is thrown inside the library when a call cannot be done; the front turns it into a status and a text.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <string>

#include "../include/simcse.h"

namespace simcse {

struct Failure {
  simcse_status status;
  std::string text;
};

// Throws a Failure with a text as of printf.
[[noreturn, gnu::format(printf, 2, 3)]] inline void fail(simcse_status status, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  throw Failure{status, text};
}

}  // namespace simcse
