#include "shapes.hpp"

namespace simcse::cuda::plugin {

namespace {

using Extents = std::initializer_list<Shapes::Extent>;

Shapes shapes(const char *operation, simcse_dtype dtype, Extents extents) {
  Shapes it;
  it.operation = operation;
  it.dtype = dtype;
  for (const Shapes::Extent &extent : extents) it.extents[it.count++] = extent;
  return it;
}

// What runs over the rows of a batch.
Shapes shapes(const char *operation, simcse_dtype dtype, const simcse_batch &batch, Extents extents) {
  Shapes it = shapes(operation, dtype,
                     {{"sentences", batch.sentences},
                      {"tokens", batch.tokens},
                      {"max_length", batch.max_length},
                      {"views", batch.views}});
  for (const Shapes::Extent &extent : extents) it.extents[it.count++] = extent;
  return it;
}

template <typename Arguments>
Shapes attention(const char *operation, const Arguments &a) {
  return shapes(operation, a.dtype, *a.batch, {{"hidden", a.hidden}, {"heads", a.heads}});
}

template <typename Arguments>
Shapes contrast(const char *operation, const Arguments &a) {
  return shapes(operation, a.dtype, {{"queries", a.queries_count}, {"keys", a.keys_count}, {"hidden", a.hidden}});
}

}  // namespace

std::string Shapes::text() const {
  std::string text = dtype == SIMCSE_BF16 ? "bf16" : "f32";
  for (int i = 0; i < count; i++) text += std::string(", ") + extents[i].name + " " + std::to_string(extents[i].value);
  return text;
}

Shapes shapes_of(const simcse_embedding_forward &a) {
  return shapes("embedding_forward", a.dtype, *a.batch, {{"hidden", a.hidden}, {"vocabulary", a.vocabulary}});
}
Shapes shapes_of(const simcse_embedding_backward &a) {
  return shapes("embedding_backward", a.dtype, *a.batch, {{"hidden", a.hidden}, {"vocabulary", a.vocabulary}});
}
Shapes shapes_of(const simcse_gemm &a) {
  return shapes("gemm", a.dtype,
                {{"m", a.m},
                 {"n", a.n},
                 {"k", a.k},
                 {"transpose_a", a.transpose_a},
                 {"transpose_b", a.transpose_b},
                 {"epilogue", a.epilogue}});
}
Shapes shapes_of(const simcse_gelu_backward &a) { return shapes("gelu_backward", a.dtype, {{"count", a.count}}); }
Shapes shapes_of(const simcse_tanh_backward &a) { return shapes("tanh_backward", a.dtype, {{"count", a.count}}); }
Shapes shapes_of(const simcse_column_sum &a) {
  return shapes("column_sum", a.dtype, {{"rows", a.rows}, {"columns", a.columns}});
}
Shapes shapes_of(const simcse_dropout_residual_layer_norm_forward &a) {
  return shapes("dropout_residual_layer_norm_forward", a.dtype, *a.batch, {{"hidden", a.hidden}});
}
Shapes shapes_of(const simcse_dropout_residual_layer_norm_backward &a) {
  return shapes("dropout_residual_layer_norm_backward", a.dtype, *a.batch, {{"hidden", a.hidden}});
}
Shapes shapes_of(const simcse_layer_norm_replay &a) {
  return shapes("layer_norm_replay", a.dtype, {{"rows", a.rows}, {"hidden", a.hidden}});
}
Shapes shapes_of(const simcse_attention_forward &a) { return attention("attention_forward", a); }
Shapes shapes_of(const simcse_attention_backward &a) { return attention("attention_backward", a); }
Shapes shapes_of(const simcse_pooling_forward &a) {
  return shapes("pooling_forward", a.dtype, *a.batch, {{"hidden", a.hidden}, {"mode", a.mode}});
}
Shapes shapes_of(const simcse_pooling_backward &a) {
  return shapes("pooling_backward", a.dtype, *a.batch, {{"hidden", a.hidden}, {"mode", a.mode}});
}
Shapes shapes_of(const simcse_similarity_softmax_forward &a) { return contrast("similarity_softmax_forward", a); }
Shapes shapes_of(const simcse_similarity_softmax_backward &a) { return contrast("similarity_softmax_backward", a); }
Shapes shapes_of(const simcse_gradient_norm &a) { return shapes("gradient_norm", SIMCSE_F32, {{"count", a.count}}); }
Shapes shapes_of(const simcse_adamw &a) { return shapes("adamw", SIMCSE_F32, {{"count", a.count}}); }
Shapes shapes_of(const simcse_dropout_mask &a) {
  return shapes("dropout_mask", SIMCSE_F32, *a.batch, {{"channels", a.channels}});
}
Shapes shapes_of(const simcse_gemm_epilogue &a) {
  return shapes("gemm_epilogue", a.dtype, {{"m", a.m}, {"n", a.n}, {"epilogue", a.epilogue}});
}
Shapes shapes_of(const simcse_convert &a) { return shapes("convert", a.from_dtype, {{"count", a.count}}); }

}  // namespace simcse::cuda::plugin
