// Attention's host side: which kernels run, in which shape.
#include "attention.hpp"

#include <cmath>

#include "attention_kernels.hpp"

namespace simcse::cuda {

namespace {

constexpr int whole_length(AttentionVariant variant) { return variant == AttentionVariant::whole32 ? 32 : 64; }

template <typename T>
ForwardArguments<T> device_arguments(const simcse_attention_forward &args, const AttentionPlan &plan) {
  return {device_batch(*args.batch),
          device_dropout(args.dropout),
          args.hidden,
          args.heads,
          plan.rows,
          (float)(1 / std::sqrt((double)plan.head_size)),
          static_cast<const T *>(args.qkv),
          static_cast<T *>(args.out),
          args.lse};
}

template <typename T>
BackwardArguments<T> device_arguments(const simcse_attention_backward &args, const AttentionPlan &plan, float *delta) {
  return {device_batch(*args.batch),
          device_dropout(args.dropout),
          args.hidden,
          args.heads,
          plan.rows,
          (float)(1 / std::sqrt((double)plan.head_size)),
          static_cast<const T *>(args.qkv),
          static_cast<const T *>(args.out),
          static_cast<const T *>(args.d_out),
          args.lse,
          delta,
          static_cast<T *>(args.d_qkv)};
}

void plan_whole(AttentionPlan &plan, const simcse_batch &batch, int heads) {
  const int length = whole_length(plan.variant);
  const int units = whole_units(plan.head_size, length);
  plan.rows = (int)round_up(batch.max_length, 16);
  plan.forward.x = (unsigned)ceil_divide((int64_t)batch.views * batch.sentences * heads, units);
  plan.forward.threads = (unsigned)(units * whole_warps(length) * kWarp);
  plan.backward = plan.forward;
  plan.forward.shared = (unsigned)(units * plan.rows * whole_forward_width(plan.head_size) * 2);
  plan.backward.shared = (unsigned)(units * plan.rows * whole_backward_width(plan.head_size, length) * 2);
  plan.backward_keys.x = 0;
}

void plan_blocks(AttentionPlan &plan, const simcse_batch &batch, int heads) {
  const bool plain = plan.variant == AttentionVariant::plain;
  plan.rows = plain ? kPlainRows : kStreamRows;
  plan.forward.x = (unsigned)block_slots(batch, plan.rows);
  plan.forward.y = (unsigned)heads;
  plan.forward.z = (unsigned)batch.views;
  plan.forward.threads = kAttentionThreads;
  plan.backward = plan.forward;
  plan.backward_keys = plan.forward;
  const int d = plan.head_size;
  plan.forward.shared = plain ? plain_bytes(d, 3, 1) : stream_forward_bytes(d);
  plan.backward.shared = plain ? plain_bytes(d, 4, 1) : stream_queries_bytes(d);
  plan.backward_keys.shared = plain ? plain_bytes(d, 4, 2) : stream_keys_bytes(d);
}

}  // namespace

std::string attention_refusal(int hidden, int heads) {
  const int head_size = heads > 0 ? hidden / heads : 0;
  if (heads > 0 && hidden % heads == 0 && (head_size == 32 || head_size == 64 || head_size == 128)) return "";
  return "attention on a GPU takes heads of 32, 64 or 128 channels, and hidden " + std::to_string(hidden) + " with " +
         std::to_string(heads) + " heads gives others; the device cpu takes them";
}

AttentionVariant attention_variant(simcse_dtype dtype, int max_length, bool aligned) {
  if (dtype != SIMCSE_BF16 || !aligned) return AttentionVariant::plain;
  if (max_length <= 32) return AttentionVariant::whole32;
  return max_length <= 64 ? AttentionVariant::whole64 : AttentionVariant::streaming;
}

AttentionPlan attention_plan(simcse_dtype dtype, const simcse_batch &batch, int hidden, int heads, bool aligned) {
  AttentionPlan plan = {};
  plan.variant = attention_variant(dtype, batch.max_length, aligned);
  plan.head_size = hidden / heads;
  if (plan.variant == AttentionVariant::whole32 || plan.variant == AttentionVariant::whole64) {
    plan_whole(plan, batch, heads);
  } else {
    plan_blocks(plan, batch, heads);
  }
  return plan;
}

int64_t attention_backward_scratch(const simcse_batch &batch, int heads) { return rows_of(batch) * heads * 4; }

Fault attention_forward(const Queue &queue, const simcse_attention_forward &args) {
  const bool aligned = aligned16(args.qkv, args.out);
  const AttentionPlan plan = attention_plan(args.dtype, *args.batch, args.hidden, args.heads, aligned);
  if (args.dtype == SIMCSE_F32) return launch_plain_forward(plan, queue.stream, device_arguments<float>(args, plan));
  const ForwardArguments<bf16> arguments = device_arguments<bf16>(args, plan);
  if (plan.variant == AttentionVariant::plain) return launch_plain_forward(plan, queue.stream, arguments);
  if (plan.variant == AttentionVariant::streaming) return launch_stream_forward(plan, queue.stream, arguments);
  return launch_whole_forward(plan, queue.stream, arguments);
}

Fault attention_backward(const Queue &queue, const simcse_attention_backward &args) {
  const bool aligned = aligned16(args.qkv, args.out, args.d_out, args.d_qkv);
  const AttentionPlan plan = attention_plan(args.dtype, *args.batch, args.hidden, args.heads, aligned);
  float *const delta = static_cast<float *>(queue.scratch);
  if (args.dtype == SIMCSE_F32) {
    return launch_plain_backward(plan, queue.stream, device_arguments<float>(args, plan, delta));
  }
  const BackwardArguments<bf16> arguments = device_arguments<bf16>(args, plan, delta);
  if (plan.variant == AttentionVariant::plain) return launch_plain_backward(plan, queue.stream, arguments);
  if (plan.variant == AttentionVariant::streaming) return launch_stream_backward(plan, queue.stream, arguments);
  return launch_whole_backward(plan, queue.stream, arguments);
}

}  // namespace simcse::cuda
