// pooling: one vector a sentence and view from the vectors of its tokens, times a weight: the first, the mean, or the
// largest channel by channel; and its gradient; see simcse.h.
//
// A warp takes 16 bytes a lane of a sentence's columns and goes through its rows. Forward reads R H activations (CLS:
// E H) and writes E H; backward reads E H and adds to R H (CLS, MAX: E H).
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

// `vector` columns a lane.
Geometry pooling_geometry(int64_t embeddings, int hidden, int vector);

Fault pooling_forward(const Queue &queue, const simcse_pooling_forward &args);
Fault pooling_backward(const Queue &queue, const simcse_pooling_backward &args);

}  // namespace simcse::cuda
