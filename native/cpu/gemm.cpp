// C (m, n) = epilogue(op(A) op(B)) on all threads: B is packed once, unless a packed form is kept, and regions of C are
// tasks. Where C is cut depends on the number of threads; the sums do not. The gradient of a bias is a column sum of its
// own, before the product.
#include "gemm_block.hpp"
#include "operations.hpp"
#include "packed_weights.hpp"
#include "parallel.hpp"

namespace simcse::cpu::SIMCSE_TIER {

namespace {

// Of the second cache, what the packed words of a region's columns may take.
constexpr int64_t kBytesOfB = 600 << 10;
constexpr int64_t kTilesOfRows = 8;
// Below these a task is not worth its hand-over to another thread.
constexpr int64_t kLeastProducts = 1 << 20;
constexpr int64_t kLeastBytesPacked = 64 << 10;

int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t round_up(int64_t a, int64_t b) { return quotient_up(a, b) * b; }

// How C is cut: regions of `rows` by `columns`, in tasks column by column.
struct Grid {
  int64_t rows, columns;
  int64_t down, across;
};

Grid grid_of(int64_t m, int64_t n, int64_t down, int64_t across, const Shape &shape) {
  int64_t rows = round_up(quotient_up(m, down), shape.height);
  int64_t columns = round_up(quotient_up(n, across), shape.width);
  return {rows, columns, quotient_up(m, rows), quotient_up(n, columns)};
}

Grid cut(const Product &product, int threads) {
  Shape shape = gemm_shape(product.bf16_operands);
  int64_t words = panel_bytes(product) / 4 / shape.width;
  int64_t depth = words < shape.depth ? words : shape.depth;
  int64_t panels = kBytesOfB / (4 * shape.width * (depth + 1));
  int64_t down = quotient_up(product.m, kTilesOfRows * shape.height);
  int64_t across = quotient_up(product.n, (panels > 1 ? panels : 1) * shape.width);
  Grid grid = grid_of(product.m, product.n, down, across, shape);
  int64_t wanted = threads == 1 ? 1 : 4 * threads;
  while (grid.down * grid.across < wanted && grid.rows * grid.columns * product.k >= 2 * kLeastProducts) {
    bool by_rows = grid.rows > shape.height;
    bool by_columns = grid.columns > shape.width;
    if (!by_rows && !by_columns) break;
    if (by_rows && (!by_columns || grid.rows >= grid.columns)) {
      down = quotient_up(product.m, round_up(grid.rows / 2, shape.height));
    } else {
      across = quotient_up(product.n, round_up(grid.columns / 2, shape.width));
    }
    grid = grid_of(product.m, product.n, down, across, shape);
  }
  return grid;
}

void pack(Context &context, const Product &product, char *packed) {
  int64_t panels = panel_count(product);
  int64_t tasks = panels * panel_bytes(product) / kLeastBytesPacked;
  int64_t most = 4 * context.threads();
  if (tasks > most) tasks = most;
  if (tasks > panels) tasks = panels;
  if (tasks < 2 || context.threads() == 1) return pack_panels(product, 0, panels, packed);
  parallel(context, tasks, [&](int64_t task, int) {
    pack_panels(product, panels * task / tasks, panels * (task + 1) / tasks, packed);
  });
}

const char *packed_b(Context &context, const Product &product) {
  PackedWeights &weights = context.packed_weights();
  int64_t bytes = product.n * product.k * (product.bf16_operands ? 2 : 4);
  int64_t size = panel_count(product) * panel_bytes(product);
  PackedWeights::Key key = {product.b.data,       bytes,         product.n, product.k,
                            product.b.transposed, product.bf16_operands};
  bool held = weights.holds(product.b.data, bytes);
  if (held) {
    if (const char *known = weights.find(key)) return known;
  }
  char *kept = held ? weights.insert(key, size) : nullptr;
  char *packed = kept ? kept : context.shared((size_t)size);
  pack(context, product, packed);
  if (kept) weights.ready(key);
  return packed;
}

}  // namespace

void gemm(Context &context, const simcse_gemm &g) {
  if (g.m == 0 || g.n == 0) return;
  if (g.bias_gradient != nullptr) {
    operations.column_sum(context, {sizeof(simcse_column_sum), g.dtype, 0, g.k, g.m, g.a, g.bias_gradient});
  }
  Product product = {g.dtype == SIMCSE_BF16,
                     g.m,
                     g.n,
                     g.k,
                     {g.a, g.transpose_a ? g.m : g.k, g.transpose_a != 0},
                     {g.b, g.transpose_b ? g.k : g.n, g.transpose_b != 0}};
  Output output = {g.c, g.n, g.c_dtype == SIMCSE_BF16, g.epilogue, g.bias, g.pre_activation, g.residual};
  Grid grid = cut(product, context.threads());
  size_t scratch = (size_t)region_scratch(product, grid.rows, grid.columns);
  char *per_thread = context.per_thread(scratch);
  size_t stride = Context::stride(scratch);
  const char *packed = packed_b(context, product);
  parallel(context, grid.down * grid.across, [&](int64_t task, int thread) {
    int64_t row = task % grid.down * grid.rows, column = task / grid.down * grid.columns;
    int64_t rows = product.m - row < grid.rows ? product.m - row : grid.rows;
    int64_t columns = product.n - column < grid.columns ? product.n - column : grid.columns;
    multiply_region(product, output, {row, rows, column, columns}, packed,
                    per_thread + (size_t)thread * stride);
  });
}

}  // namespace simcse::cpu::SIMCSE_TIER
