// What goes on beside the lanes of a block on sm_90a: barriers in shared memory, bulk copies that arrive at them, and
// the products of warpgroups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "emulator.hpp"
#include "../simt_sm90.hpp"

namespace simcse::cuda::emulator {

// A lane's part in its warpgroup's products, by their number.
struct ProductsOfLane {
  float *d = nullptr;
  int asked = 0, there = 0;
  std::vector<int> groups;  // how many were asked for at each commit
  bool fenced = false;
  bool in_flight() const { return asked > there; }
  void start_block() {
    asked = there = 0;
    groups.clear();
    fenced = false;
  }
};

class Asynchronous {
 public:
  void start_block();
  bool copies_in_flight() const { return !copies_.empty(); }
  // A copy arrives, if there is one whose barrier is waited for.
  bool arrive(uint32_t random);

  void init(void *barrier, int arrivals, Site at);
  void publish();
  void arrive_at(void *barrier, int bytes, Site at);
  void wait(void *barrier, unsigned parity, Site at);
  void copy(void *shared, const void *global, int bytes, void *barrier, Site at);

  void multiply(float *d, const Wgmma &product, Site at);
  void wait_for_products(float *d, int groups, Site at);

 private:
  struct Barrier {
    void *at;
    int owner, count;  // arrivals that end a phase
    int missing;       // of this phase
    int64_t bytes;     // expected and not yet there
    unsigned phase;
    bool published;
    int waiting;
    char orders[2];  // what ThreadSanitizer takes it for, by the parity of the phase
  };
  struct BulkCopy {
    unsigned char *to;
    std::vector<unsigned char> bytes;
    void *barrier;
  };
  using Half = std::vector<uint16_t>;
  struct Product {
    Wgmma what;
    Site at;
    int lanes;  // that asked for it
    bool done;
    Half a, b;  // as they were when the last lane asked
  };
  struct Warpgroup {
    std::vector<Product> products;
    int asked = 0;  // by all
    std::vector<float> sums = std::vector<float>(64 * 256);  // row by row
  };

  Barrier &barrier_at(void *barrier, Site at);
  void end_phase_if_complete(Barrier &barrier);
  static bool unchanged(const Product &product);
  void perform(Warpgroup &group, Product &product);
  Warpgroup &warpgroup() { return warpgroups_[position.thread / kWarpgroup]; }

  std::vector<Barrier> barriers_;
  std::vector<BulkCopy> copies_;
  Warpgroup warpgroups_[8];
};

}  // namespace simcse::cuda::emulator
