// The runner: every test, or those whose name holds an argument, or with `--file FILE` those of a file; `--files` lists
// the files; `--planted NAME` runs one planted fault.
#include "check.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <utility>

namespace simcse::cuda::tests {

namespace {

struct Named {
  std::string file;  // without folder and ending
  const char *name;
  Test body;
};

std::vector<Named> &tests() {
  static std::vector<Named> all;
  return all;
}

std::vector<Named> &planted() {
  static std::vector<Named> all;
  return all;
}

std::string stem_of(const std::string &file) {
  const std::string name = file.substr(file.rfind('/') + 1);
  return name.substr(0, name.rfind('.'));
}

int failures = 0;
int seed_in_use = 1;
const char *program = nullptr;

}  // namespace

void add_test(const char *file, const char *name, Test test) { tests().push_back({stem_of(file), name, test}); }
void add_planted(const char *name, Test body) { planted().push_back({"", name, body}); }

void fail_check(const char *file, int line, const char *format, ...) {
  failures++;
  if (failures > 20) return;
  const char *slash = std::strrchr(file, '/');
  std::printf("  %s:%d, seed %d: ", slash == nullptr ? file : slash + 1, line, seed_in_use);
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::printf("\n");
}

void use_seed(int seed) {
  seed_in_use = seed;
#if !defined(SIMCSE_ON_GPU)
  emulator::settings().seed = static_cast<uint64_t>(seed);
#endif
}

#if defined(SIMCSE_ON_GPU)
Sm90::Sm90() = default;
Sm90::~Sm90() = default;
#else
Sm90::Sm90() { emulator::settings().shared_limit = 227 * 1024; }
Sm90::~Sm90() { emulator::settings().shared_limit = emulator::Settings().shared_limit; }
#endif

const char *text_of([[maybe_unused]] Fault fault) {
#if defined(SIMCSE_TWINS)
  return twins::text_of(fault);
#else
  return emulator::fault();
#endif
}

int run_planted(const char *name, std::string *output) {
  std::fflush(stdout);
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    execl(program, program, "--planted", name, static_cast<char *>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  char text[4096];
  for (ssize_t got; (got = read(ends[0], text, sizeof text)) > 0;) output->append(text, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Error error_of(const std::vector<double> &out, const std::vector<double> &reference) {
  if (out.size() != reference.size()) std::abort();
  double largest = 0, largest_reference = 0, squares = 0, squares_reference = 0;
  for (std::size_t i = 0; i < out.size(); i++) {
    const double difference = std::fabs(out[i] - reference[i]);
    if (!(difference <= largest)) largest = difference;
    largest_reference = std::fmax(largest_reference, std::fabs(reference[i]));
    squares += difference * difference;
    squares_reference += reference[i] * reference[i];
  }
  if (squares == 0) return {0, 0};
  return {largest / largest_reference, std::sqrt(squares / squares_reference)};
}

// --- batches ---

TestBatch::TestBatch(Random &random, int sentences, int longest)
    : cu_seqlens_(sentences + 1), samples_(sentences), batch_() {
  cu_seqlens_[0] = 0;
  for (int b = 0; b < sentences; b++) {
    cu_seqlens_[b + 1] = cu_seqlens_[b] + (b == 0 ? 1 : random.between(1, longest));
    samples_[b] = static_cast<int32_t>(random.next() >> 1);
  }
  batch_.struct_size = sizeof batch_;
  batch_.cu_seqlens = cu_seqlens_.data();
  batch_.samples = samples_.data();
  batch_.sentences = sentences;
  batch_.tokens = cu_seqlens_[sentences];
  for (int b = 0; b < sentences; b++) {
    const int length = cu_seqlens_[b + 1] - cu_seqlens_[b];
    if (length > batch_.max_length) batch_.max_length = length;
  }
  batch_.views = 2;
  batch_.first_view = 1;
}

void TestBatch::name(int row, uint32_t *position, uint32_t *sample, uint32_t *view, int *sentence) const {
  const int token = row % batch_.tokens;
  int b = 0;
  while (batch_.cu_seqlens[b + 1] <= token) b++;
  *position = static_cast<uint32_t>(token - batch_.cu_seqlens[b]);
  *sample = static_cast<uint32_t>(batch_.samples[b]);
  *view = static_cast<uint32_t>(batch_.first_view + row / batch_.tokens);
  if (sentence != nullptr) *sentence = b;
}

bool reference_kept(const simcse_dropout &dropout, uint32_t element, uint32_t c1, uint32_t sample, uint32_t view) {
  if (dropout.keep_prob >= 1) return true;
  uint32_t c[4] = {element / 4, c1, sample, static_cast<uint32_t>(dropout.site) | view << 24};
  uint32_t key0 = dropout.key0, key1 = dropout.key1;
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = 0xD2511F53ull * c[0];
    const uint64_t p1 = 0xCD9E8D57ull * c[2];
    const uint32_t next[4] = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(p1),
                              static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(p0)};
    std::memcpy(c, next, sizeof c);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c[element % 4] < static_cast<double>(dropout.keep_prob) * 4294967296.0;
}

std::vector<double> reference_factors(const simcse_dropout &dropout, const TestBatch &batch, int channels) {
  std::vector<double> factors;
  for (int row = 0; row < batch.rows(); row++) {
    uint32_t position, sample, view;
    batch.name(row, &position, &sample, &view);
    for (int c = 0; c < channels; c++) {
      const bool kept = reference_kept(dropout, static_cast<uint32_t>(c), position, sample, view);
      factors.push_back(kept ? 1.0 / static_cast<double>(dropout.keep_prob) : 0.0);
    }
  }
  return factors;
}

static bool wanted(const Named &test, int count, char **names) {
  if (count == 2 && std::strcmp(names[0], "--file") == 0) return test.file == names[1];
  for (int i = 0; i < count; i++) {
    if (std::strstr(test.name, names[i]) != nullptr) return true;
  }
  return count == 0;
}

static int run_all(int count, char **names) {
  int ran = 0;
  for (const Named &test : tests()) {
    if (!wanted(test, count, names)) continue;
    const int before = failures;
    const auto start = std::chrono::steady_clock::now();
    test.body();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%s %s %.2f s\n", failures == before ? "ok  " : "FAIL", test.name, seconds.count());
    ran++;
  }
  std::printf("%d tests, %d failed checks\n", ran, failures);
  return failures > 0 || ran == 0 ? 1 : 0;
}

static int list_files() {
  std::string last;
  for (const Named &test : tests()) {
    if (test.file != last) std::printf("%s\n", test.file.c_str());
    last = test.file;
  }
  return 0;
}

static int run_one_planted(const char *name) {
  for (const Named &fault : planted()) {
    if (std::strcmp(fault.name, name) != 0) continue;
    fault.body();
    return failures > 0 ? 1 : 0;
  }
  return 2;
}

}  // namespace simcse::cuda::tests

int main(int count, char **arguments) {
  using namespace simcse::cuda::tests;
  program = arguments[0];
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (count == 3 && std::strcmp(arguments[1], "--planted") == 0) return run_one_planted(arguments[2]);
  if (count == 2 && std::strcmp(arguments[1], "--files") == 0) return list_files();
  return run_all(count - 1, arguments + 1);
}
