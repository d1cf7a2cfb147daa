#include "operations.hpp"

#include "../../native/src/failure.hpp"
#include "../activation.hpp"
#include "../adamw.hpp"
#include "../attention.hpp"
#include "../column_sum.hpp"
#include "../convert.hpp"
#include "../dropout_mask.hpp"
#include "../dropout_residual_layer_norm.hpp"
#include "../embedding.hpp"
#include "../gemm.hpp"
#include "../gemm_epilogue.hpp"
#include "../pooling.hpp"
#include "../similarity_softmax.hpp"

namespace simcse::cuda::plugin {

namespace {

// --- scratch memory, in bytes ---

template <typename Arguments>
int64_t scratch_of(const Arguments &) {
  return 0;
}
int64_t scratch_of(const simcse_embedding_backward &a) {
  return embedding_backward_scratch(*a.batch, a.hidden, a.vocabulary);
}
int64_t scratch_of(const simcse_column_sum &a) { return column_sum_scratch(a.rows, a.columns); }
int64_t scratch_of(const simcse_dropout_residual_layer_norm_backward &a) {
  return layer_norm_backward_scratch(static_cast<int64_t>(a.batch->views) * a.batch->tokens, a.hidden);
}
int64_t scratch_of(const simcse_attention_backward &a) { return attention_backward_scratch(*a.batch, a.heads); }
int64_t scratch_of(const simcse_similarity_softmax_forward &a) {
  return similarity_softmax_forward_scratch(similarity_shape(a));
}
int64_t scratch_of(const simcse_similarity_softmax_backward &a) {
  return similarity_softmax_backward_scratch(similarity_shape(a));
}
int64_t scratch_of(const simcse_gradient_norm &a) { return gradient_norm_scratch(a.count); }

// --- what the kernels do not take; "" where they do ---

template <typename Arguments>
std::string refusal_of(const Arguments &) {
  return "";
}
std::string refusal_of(const simcse_attention_forward &a) { return attention_refusal(a.hidden, a.heads); }
std::string refusal_of(const simcse_attention_backward &a) { return attention_refusal(a.hidden, a.heads); }

// --- the calls ---

template <typename Arguments, typename Call>
void enqueue(Device &device, Stream stream, const Arguments &args, int64_t scratch, const Call &call) {
  const std::string refusal = refusal_of(args);
  if (!refusal.empty()) throw Failure{SIMCSE_UNSUPPORTED, refusal};
  const Shapes shapes = shapes_of(args);
  try {
    const Queue queue = device.queue(stream, scratch);
    device.last = shapes;
    const Fault fault = call(queue);
    if (fault != 0) throw Failure{SIMCSE_DEVICE_FAULT, device.gpu().text_of(fault)};
  } catch (const Failure &e) {
    throw Failure{e.status, e.text + " (" + shapes.text() + ")"};
  }
}

}  // namespace

#define SIMCSE_ENQUEUE(name)                                                                               \
  void name(Device &device, Stream stream, const simcse_##name &args) {                                    \
    enqueue(device, stream, args, scratch_of(args), [&](const Queue &q) { return cuda::name(q, args); }); \
  }

SIMCSE_ENQUEUE(embedding_forward)
SIMCSE_ENQUEUE(embedding_backward)
SIMCSE_ENQUEUE(gelu_backward)
SIMCSE_ENQUEUE(tanh_backward)
SIMCSE_ENQUEUE(column_sum)
SIMCSE_ENQUEUE(dropout_residual_layer_norm_forward)
SIMCSE_ENQUEUE(dropout_residual_layer_norm_backward)
SIMCSE_ENQUEUE(layer_norm_replay)
SIMCSE_ENQUEUE(attention_forward)
SIMCSE_ENQUEUE(attention_backward)
SIMCSE_ENQUEUE(pooling_forward)
SIMCSE_ENQUEUE(pooling_backward)
SIMCSE_ENQUEUE(similarity_softmax_forward)
SIMCSE_ENQUEUE(similarity_softmax_backward)
SIMCSE_ENQUEUE(gradient_norm)
SIMCSE_ENQUEUE(adamw)
SIMCSE_ENQUEUE(dropout_mask)
SIMCSE_ENQUEUE(convert)
SIMCSE_ENQUEUE(gemm_epilogue)

void gemm(Device &device, Stream stream, const simcse_gemm &args) {
  CublasLt *const library = device.cublaslt();
  const int64_t scratch = library == nullptr ? gemm_scratch(args) : CublasLt::scratch(args);
  enqueue(device, stream, args, scratch, [&](const Queue &queue) {
    return library == nullptr ? cuda::gemm(queue, args) : library->gemm(queue, args);
  });
}

}  // namespace simcse::cuda::plugin
