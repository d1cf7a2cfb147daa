// attention: out = dropout(softmax(q k^T / sqrt D)) v for every sentence, view and head (Vaswani et al. 2017), and its
// gradients, in tiles that are computed again for the backward pass (Dao 2023, algorithms 1 and 2): qkv (R, 3 H),
// out (R, H), lse (R, A); see simcse.h. Head sizes D are 32, 64 and 128. No L x L numbers leave a multiprocessor.
//
// Which kernels run depends on max_length, the type and the alignment alone:
//
//   whole32    max_length <= 32    bf16   a warp takes a head of a sentence, 4 to a block (D = 128: 2)
//   whole64    max_length <= 64    bf16   a block of 4 warps does, 16 queries (then 16 keys) a warp
//   streaming  any length          bf16   a block takes 64 queries (or 64 keys), and passes over keys (queries) by 64
//   plain      any length          f32, and bf16 that is not aligned to 16 bytes; no tensor cores
//
// With tensor cores, shorter sentences cost what they are: tiles of 16 tokens that lie beyond the end are not computed.
//
// The floor, for each head of a sentence of L tokens in bf16, a mask being L^2 / 4 calls of Philox of about 64
// instructions (20 of them wide products); predicted, not measured:
//
//                        bytes                            FLOPs        masks
//   forward              8 L D                            4 L^2 D      1
//   backward, whole      14 L D (out is not needed)      10 L^2 D      1
//   backward, streaming  16 L D, and 8 L D once more      14 L^2 D      2
//
// At L = 32, D = 64 that is 16 FLOPs and 1 instruction of Philox a byte forward, 23 and 0.6 backward, where a GPU of
// 4.3 TB/s and 132 multiprocessors of 128 lanes at 1.75 GHz has 184 FLOPs (790 TFLOP/s) and 7 instructions: bound by
// memory. BERT-base, 512 sentences of 32 tokens, two views: 201 MB and 352 MB, 47 us and 82 us. From about L = 220 on
// the masks bound both passes: 0.125 cycles of a multiprocessor an element, where the products take 0.06 forward.
#pragma once

#include <string>

#include "launch.hpp"

namespace simcse::cuda {

// "" where the kernels take these heads, else a sentence that says what they take. To be asked before any launch.
std::string attention_refusal(int hidden, int heads);

enum class AttentionVariant { whole32, whole64, streaming, plain };

// `aligned`: every array of activations starts at a multiple of 16 bytes.
AttentionVariant attention_variant(simcse_dtype dtype, int max_length, bool aligned);

struct AttentionPlan {
  AttentionVariant variant;
  int head_size;
  int rows;                // of a tile in shared memory
  Geometry forward;
  Geometry backward;       // all gradients (whole32, whole64), or those of the queries
  Geometry backward_keys;  // those of keys and values; no blocks where `backward` gives all
};
AttentionPlan attention_plan(simcse_dtype dtype, const simcse_batch &batch, int hidden, int heads, bool aligned);

int64_t attention_backward_scratch(const simcse_batch &batch, int heads);  // bytes

Fault attention_forward(const Queue &queue, const simcse_attention_forward &args);
Fault attention_backward(const Queue &queue, const simcse_attention_backward &args);

}  // namespace simcse::cuda
