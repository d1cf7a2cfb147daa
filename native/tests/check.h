/* What a test of the C table needs: conditions that are counted, and printed where they do not hold. */
#ifndef SIMCSE_TESTS_CHECK_H
#define SIMCSE_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/simcse.h"

static int checks_done, checks_failed;

/* The table under test; each test defines it. */
static const simcse_api *api(void);

#define CHECK(condition, ...)                               \
  do {                                                      \
    checks_done++;                                          \
    if (!(condition)) {                                     \
      checks_failed++;                                      \
      printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      printf(__VA_ARGS__);                                  \
      printf("\n");                                         \
    }                                                       \
  } while (0)

/* A call that must fail with this status and a text that contains this. */
#define CHECK_FAILS(call, expected, part)                                                               \
  do {                                                                                                  \
    simcse_status status_ = (call);                                                                     \
    const char *text_ = api()->last_error();                                                            \
    CHECK(status_ == (expected) && strstr(text_, (part)) != NULL, "status %d, \"%s\", wanted %d and \"%s\"", \
          (int)status_, text_, (int)(expected), (part));                                                \
  } while (0)

#define CHECK_OK(call)                                                            \
  do {                                                                            \
    simcse_status status_ = (call);                                               \
    CHECK(status_ == SIMCSE_OK, "status %d, %s", (int)status_, api()->last_error()); \
  } while (0)

/* The exit status of the test. */
static inline int checks_ended(const char *test) {
  printf("%s: %d checks, %d failed\n", test, checks_done, checks_failed);
  return checks_failed > 0;
}

#endif
