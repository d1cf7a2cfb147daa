// cross_entropy: loss = mean over rows of (log sum over c of exp x[r][c]  -  x[r][target_r]) for logits x
// (rows, classes), and its gradient d x[r][c] = loss_scale / rows (exp(x[r][c] - lse_r) - (c == target_r)); the end of
// a classification head such as Sentence-BERT's (Reimers and Gurevych 2019, section 3.1).
//
// A warp a row with a running maximum: forward reads the logits once, backward reads and writes them once.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

struct CrossEntropyForward {
  simcse_dtype dtype;
  int32_t classes;
  int64_t rows;
  const void *logits;      // activations (rows, classes)
  const int32_t *targets;  // (rows), each in 0 .. classes - 1
  float *loss;             // (1)
  float *lse;              // (rows), for the backward pass
};

struct CrossEntropyBackward {
  simcse_dtype dtype;
  int32_t classes;
  int64_t rows;
  const void *logits;
  const int32_t *targets;
  const float *lse;
  float loss_scale;
  void *d_logits;  // activations (rows, classes); may be logits
};

Geometry cross_entropy_geometry(int64_t rows);
int64_t cross_entropy_forward_scratch(int64_t rows);  // bytes

Fault cross_entropy_forward(const Queue &queue, const CrossEntropyForward &args);
Fault cross_entropy_backward(const Queue &queue, const CrossEntropyBackward &args);

}  // namespace simcse::cuda
