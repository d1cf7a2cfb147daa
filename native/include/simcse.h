/*
 * simcse.h - the native backend of simcse4j behind one C table: devices, their memory, and the small set of
 * operations that train and run a BERT sentence encoder (Devlin et al. 2019; Gao et al. 2021).
 *
 *     const simcse_api *simcse = simcse_get_api(SIMCSE_API_VERSION);
 *     simcse_device *device;
 *     if (simcse->device_open("cpu", NULL, &device) != SIMCSE_OK) puts(simcse->last_error());
 *
 * Rules for every function of the table
 *   - It returns a simcse_status; on anything but SIMCSE_OK last_error() of the same thread says in one sentence which
 *     argument was wrong or what failed, and no output was written. It never exits, aborts or throws.
 *   - Argument structs start with struct_size = sizeof(the struct), so that later versions can add members at the end.
 *     A size that this library does not know is refused.
 *   - The caller owns every pointer it passes; the library keeps none after the call has returned, but for handles,
 *     memory from memory_allocate and host_allocate, and weights announced by weights_hold.
 *   - A device and what was opened from it are used by one thread at a time; different devices by different threads
 *     at once. last_error, build and device_open may be called by any thread at any time.
 *   - Operations are enqueued on a stream (NULL is the device's own) and may return before their work is done; the
 *     "cpu" device returns when it is done, and its streams and events are trivial. Calls may block and may take long;
 *     do not make them from a place that must not wait.
 *   - Arrays are aligned to their elements. A count, a number of rows, m or n of 0 is no work, and its arrays may then
 *     be NULL; every other extent is at least 1, and hidden at most 2^24.
 *   - Results depend on the arguments alone: not on the number of threads, nor on earlier calls. The same call on the
 *     same machine gives the same bits.
 *
 * Letters: B sentences, T tokens, R = views * T rows, E = views * B embeddings, H hidden, A heads, D = H / A head size,
 * F feed-forward, V vocabulary, P parameters, N queries, M keys. Arrays are dense and row-major. "activations" are of
 * the operation's dtype (SIMCSE_F32 or SIMCSE_BF16); statistics, losses, biases, layer-norm parameters and gradients of
 * parameters are float. "+=" marks an output that is added to; every other output is overwritten whole. Arguments do
 * not overlap unless stated.
 */
#ifndef SIMCSE_H
#define SIMCSE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the table below: raised when a member changes its place or its meaning. */
#define SIMCSE_API_VERSION 1

/* --- status, types, handles ------------------------------------------------------------------------------------- */

typedef int32_t simcse_status;
enum {
  SIMCSE_OK = 0,
  SIMCSE_INVALID_ARGUMENT = 1, /* the caller's mistake; the text names the argument */
  SIMCSE_INVALID_HANDLE = 2,   /* null, closed, or never opened */
  SIMCSE_UNSUPPORTED = 3,      /* right in itself, but not on this device */
  SIMCSE_NO_DEVICE = 4,        /* no such device, or it cannot be used here; the text says why and the remedy */
  SIMCSE_OUT_OF_MEMORY = 5,    /* host or device memory; the text says how much was asked for */
  SIMCSE_DEVICE_FAULT = 6      /* the device failed; close it */
};

typedef int32_t simcse_dtype;
enum {
  SIMCSE_F32 = 1,
  SIMCSE_BF16 = 2 /* the upper half of an F32, rounded to nearest even; arithmetic accumulates in F32 */
};

typedef struct simcse_device simcse_device;
typedef struct simcse_stream simcse_stream;
typedef struct simcse_event simcse_event;

typedef struct simcse_device_options {
  uint64_t struct_size;
  int32_t threads; /* host threads that compute, the caller among them; 0 for one per core this process may use */
  int32_t reserved; /* 0 */
  void *context; /* "cuda:N" alone: a CUcontext of that GPU to work in; NULL for its primary context */
  void *stream;  /* "cuda:N" alone: a CUstream of that context that becomes the device's own; NULL for a new one.
                    Both stay the caller's, who destroys them after device_close. */
} simcse_device_options;

typedef struct simcse_device_properties {
  uint64_t struct_size;
  char name[32];         /* as device_open takes it, such as "cpu" */
  char tier[32];         /* the kernels in use: portable, avx2, avx512, avx512_bf16, amx; sm_90 ... on a GPU */
  char description[256]; /* one phrase for a log line, with why a better tier was passed over */
  int32_t threads;
  int32_t alignment;     /* of memory_allocate, and best for every array, in bytes */
  int64_t memory_total;  /* bytes */
  int64_t memory_free;   /* bytes, now */
} simcse_device_properties;

/* --- operands shared by operations ------------------------------------------------------------------------------ */

/*
 * B sentences of T tokens in all, without pads. Sentence b has the tokens
 * ids[starts[b] .. starts[b] + cu_seqlens[b + 1] - cu_seqlens[b]). It is encoded `views` times at once, each under
 * dropout masks of its own: activations have R rows, row v * T + t being token t under view first_view + v.
 */
typedef struct simcse_batch {
  uint64_t struct_size;
  const int32_t *ids;        /* (id_count), each in 0 .. V - 1 */
  int64_t id_count;
  const int64_t *starts;     /* (B), where each sentence starts in ids */
  const int32_t *cu_seqlens; /* (B + 1), from 0 to T, strictly increasing */
  const int32_t *samples;    /* (B), index of each sentence in the data set: it names its dropout masks */
  int32_t sentences;         /* B, at least 1 */
  int32_t tokens;            /* T; views * T fits in 31 bits */
  int32_t max_length;        /* of a sentence */
  int32_t views;             /* at least 1 */
  int32_t first_view;        /* first_view + views is at most 256 */
  int32_t reserved;          /* 0 */
} simcse_batch;

/*
 * Stateless dropout. An element is kept when its 32-bit Philox4x32-10 word (Salmon et al. 2011) is below
 * ceil(keep_prob * 2^32), and is then scaled by 1 / keep_prob. Key: (key0, key1). Counter:
 *   c0 = channel / 4  (attention: key position / 4)         word: channel % 4 (key position % 4)
 *   c1 = position of the token in its sentence  (attention: query position | head << 16)
 *   c2 = sample
 *   c3 = site | view << 24
 */
typedef struct simcse_dropout {
  uint32_t key0;
  uint32_t key1;
  int32_t site;    /* 0 .. 2^24 - 1 */
  float keep_prob; /* in (0, 1]; 1 drops nothing */
} simcse_dropout;

/* y = (x - mean) * rstd * gamma + beta, rstd = 1 / sqrt(variance + epsilon) over a row (Ba et al. 2016). */
typedef struct simcse_layer_norm {
  const float *gamma; /* (H) */
  const float *beta;  /* (H) */
  float epsilon;
  int32_t reserved; /* 0 */
} simcse_layer_norm;

/* --- arguments of the operations --------------------------------------------------------------------------------- */

/* out = dropout(layer_norm(word[id] + position[p] + type[0])) */
typedef struct simcse_embedding_forward {
  uint64_t struct_size;
  const simcse_batch *batch;
  simcse_dtype dtype;
  int32_t hidden;        /* H */
  int32_t vocabulary;    /* V */
  int32_t positions;     /* rows of `position`, at least max_length */
  const void *word;      /* activations (V, H) */
  const void *position;  /* activations (positions, H) */
  const void *type;      /* activations (H): type 0 */
  simcse_layer_norm norm;
  simcse_dropout dropout;
  void *out;             /* activations (R, H) */
  float *mean;           /* (T), of the sum before the normalisation */
  float *rstd;           /* (T) */
} simcse_embedding_forward;

/* Gradients of embedding_forward. Rows of equal ids are added in token order. */
typedef struct simcse_embedding_backward {
  uint64_t struct_size;
  const simcse_batch *batch;
  simcse_dtype dtype;
  int32_t hidden;
  int32_t vocabulary;
  int32_t positions;
  const void *word;
  const void *position;
  const void *type;
  simcse_layer_norm norm;
  simcse_dropout dropout;
  const float *mean;
  const float *rstd;
  const void *d_out;     /* activations (R, H) */
  float *d_word;         /* += (V, H) */
  float *d_position;     /* += (positions, H) */
  float *d_type;         /* += (H) */
  float *d_gamma;        /* += (H) */
  float *d_beta;         /* += (H) */
} simcse_embedding_backward;

typedef int32_t simcse_epilogue;
enum {
  SIMCSE_EPILOGUE_STORE = 0,         /* C = P, the product */
  SIMCSE_EPILOGUE_ACCUMULATE = 1,    /* C = C + P */
  SIMCSE_EPILOGUE_BIAS = 2,          /* C = P + bias */
  SIMCSE_EPILOGUE_BIAS_GELU = 3,     /* C = gelu(P + bias), x / 2 (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel 2016) */
  SIMCSE_EPILOGUE_BIAS_TANH = 4,     /* C = tanh(P + bias) */
  SIMCSE_EPILOGUE_BIAS_RESIDUAL = 5, /* C = P + bias + residual */
  SIMCSE_EPILOGUE_GELU_BACKWARD = 6  /* C = P * gelu'(pre_activation) */
};

/*
 * C = epilogue(op(A) op(B)), op transposes or not. In the gradient of a linear layer's weights, C = C + A^T B for A the
 * gradient of its output and B its input, the sum of A's rows is the gradient of its bias. On "cuda:N" gelu of products
 * in SIMCSE_BF16 may be its tanh form, which is at most 4.8e-4 off.
 */
typedef struct simcse_gemm {
  uint64_t struct_size;
  simcse_dtype dtype;       /* of A and B */
  simcse_dtype c_dtype;     /* of C: dtype, or SIMCSE_F32 */
  int32_t transpose_a;      /* 0 or 1 */
  int32_t transpose_b;      /* 0 or 1 */
  simcse_epilogue epilogue;
  int32_t reserved;         /* 0 */
  int64_t m;
  int64_t n;
  int64_t k;
  const void *a;            /* (m, k), or (k, m) when transposed */
  const void *b;            /* (k, n), or (n, k) when transposed */
  void *c;                  /* (m, n) */
  const float *bias;        /* (n), for epilogues that add one, else NULL */
  void *pre_activation;     /* dtype (m, n): BIAS_GELU keeps P + bias here, or is given NULL; GELU_BACKWARD reads it */
  const void *residual;     /* c_dtype (m, n), may be C; BIAS_RESIDUAL only, else NULL */
  float *bias_gradient;     /* += (m), the sum of A's rows; ACCUMULATE with transpose_a only, may be NULL */
} simcse_gemm;

/* The second half of gemm, C = epilogue(P), for a product that something else has computed. */
typedef struct simcse_gemm_epilogue {
  uint64_t struct_size;
  simcse_dtype dtype;   /* of pre_activation */
  simcse_dtype c_dtype; /* of C: dtype, or SIMCSE_F32 */
  simcse_epilogue epilogue;
  int32_t reserved;     /* 0 */
  int64_t m;
  int64_t n;
  const float *product; /* (m, n), P; may be C where that is SIMCSE_F32, but not with ACCUMULATE */
  void *c;              /* this and the rest as in simcse_gemm */
  const float *bias;
  void *pre_activation;
  const void *residual;
} simcse_gemm_epilogue;

/* pre_activation x becomes gelu(x), gradient d becomes d * gelu'(x). */
typedef struct simcse_gelu_backward {
  uint64_t struct_size;
  simcse_dtype dtype;
  int32_t reserved;     /* 0 */
  int64_t count;
  void *pre_activation; /* activations (count), overwritten */
  void *gradient;       /* activations (count), overwritten */
} simcse_gelu_backward;

/* gradient d becomes d * (1 - activation^2). */
typedef struct simcse_tanh_backward {
  uint64_t struct_size;
  simcse_dtype dtype;
  int32_t reserved; /* 0 */
  int64_t count;
  const void *activation; /* activations (count), tanh(x) */
  void *gradient;         /* activations (count), overwritten */
} simcse_tanh_backward;

/* sum[c] += sum over r of x[r][c] */
typedef struct simcse_column_sum {
  uint64_t struct_size;
  simcse_dtype dtype;
  int32_t reserved; /* 0 */
  int64_t rows;
  int64_t columns;
  const void *x; /* activations (rows, columns) */
  float *sum;    /* += (columns) */
} simcse_column_sum;

/* out = layer_norm(residual + dropout(x)) */
typedef struct simcse_dropout_residual_layer_norm_forward {
  uint64_t struct_size;
  const simcse_batch *batch;
  simcse_dtype dtype;
  int32_t hidden;
  void *x;              /* activations (R, H), overwritten with the sum, which the backward pass needs */
  const void *residual; /* activations (R, H); NULL where x has it already and nothing is dropped */
  simcse_layer_norm norm;
  simcse_dropout dropout;
  void *out;            /* activations (R, H); may be residual */
  float *mean;          /* (R), of the sum */
  float *rstd;          /* (R) */
} simcse_dropout_residual_layer_norm_forward;

/* out = layer_norm(sum) from the kept statistics, to the bits that the forward pass gave. */
typedef struct simcse_layer_norm_replay {
  uint64_t struct_size;
  simcse_dtype dtype;
  int32_t hidden;
  int64_t rows;
  const void *sum; /* activations (rows, H) */
  const float *mean;
  const float *rstd;
  simcse_layer_norm norm;
  void *out;       /* activations (rows, H) */
} simcse_layer_norm_replay;

/* Gradients of dropout_residual_layer_norm_forward. */
typedef struct simcse_dropout_residual_layer_norm_backward {
  uint64_t struct_size;
  const simcse_batch *batch;
  simcse_dtype dtype;
  int32_t hidden;
  const void *d_out; /* activations (R, H) */
  const void *sum;   /* activations (R, H), as the forward pass left it in x */
  const float *mean;
  const float *rstd;
  simcse_layer_norm norm;
  simcse_dropout dropout;
  void *d_residual;  /* activations (R, H); may be d_out */
  void *d_x;         /* activations (R, H); may be sum */
  float *d_gamma;    /* += (H) */
  float *d_beta;     /* += (H) */
} simcse_dropout_residual_layer_norm_backward;

/*
 * out = dropout(softmax(q k^T / sqrt D)) v for every sentence and head (Vaswani et al. 2017). A row of qkv holds the
 * queries, keys and values of a token side by side, each of A heads of D channels.
 */
typedef struct simcse_attention_forward {
  uint64_t struct_size;
  const simcse_batch *batch;
  simcse_dtype dtype;
  int32_t hidden;  /* H */
  int32_t heads;   /* A, divides H */
  int32_t reserved; /* 0 */
  const void *qkv; /* activations (R, 3 H) */
  simcse_dropout dropout;
  void *out;       /* activations (R, H) */
  float *lse;      /* (R, A), log-sum-exp of the scores for the backward pass; may be NULL */
} simcse_attention_forward;

/* Gradients of attention_forward. */
typedef struct simcse_attention_backward {
  uint64_t struct_size;
  const simcse_batch *batch;
  simcse_dtype dtype;
  int32_t hidden;
  int32_t heads;
  int32_t reserved; /* 0 */
  const void *qkv;
  const void *out;
  const float *lse;
  const void *d_out; /* activations (R, H) */
  simcse_dropout dropout;
  void *d_qkv;       /* activations (R, 3 H) */
} simcse_attention_backward;

typedef int32_t simcse_pooling_mode;
enum {
  SIMCSE_POOLING_CLS = 0,  /* the first token */
  SIMCSE_POOLING_MEAN = 1, /* the mean over the tokens */
  SIMCSE_POOLING_MAX = 2   /* the largest over the tokens, channel by channel */
};

/* out = weight * pool(x), one vector a sentence and view. */
typedef struct simcse_pooling_forward {
  uint64_t struct_size;
  const simcse_batch *batch;
  simcse_dtype dtype;     /* of x */
  simcse_dtype out_dtype; /* of out: dtype, or SIMCSE_F32 */
  int32_t hidden;         /* H */
  simcse_pooling_mode mode;
  int32_t accumulate;     /* 1 adds to out, which must then hold numbers */
  float weight;
  const void *x;          /* activations (R, H) */
  void *out;              /* (E, H) */
  int32_t *argmax;        /* (E, H), the row of x that gave each value; MAX only, else NULL */
} simcse_pooling_forward;

/* Gradient of pooling_forward. */
typedef struct simcse_pooling_backward {
  uint64_t struct_size;
  const simcse_batch *batch;
  simcse_dtype dtype;     /* of d_x */
  simcse_dtype out_dtype; /* of d_out: dtype, or SIMCSE_F32 */
  int32_t hidden;
  simcse_pooling_mode mode;
  float weight;
  int32_t reserved;       /* 0 */
  const void *d_out;      /* (E, H) */
  const int32_t *argmax;  /* (E, H), of the forward pass; MAX only, else NULL */
  void *d_x;              /* activations += (R, H) */
} simcse_pooling_backward;

/*
 * InfoNCE over cosine similarities (van den Oord et al. 2018; Gao et al. 2021, equation 1):
 *   s[i][j] = (q_i . k_j) / (|q_i| |k_j| temperature) + (j == own_negative_offset + i ? own_negative_bias : 0)
 *   loss    = mean over i of ( log sum over j of exp s[i][j]  -  s[i][target_i] )
 * With same-side negatives the sum goes on over the logits of query i and the other queries. With both directions the
 * loss is the mean of this and of
 *   mean over i of ( log sum over i' of exp s[i'][target_i]  -  s[i][target_i] )
 * whose sum goes on over the logits of the positive key and the other keys.
 * A pair (i, j) other than (i, target_i) is left out of every sum where the key has the id of the query or of its
 * positive, or where the query whose positive the key is has the id of the query; so are two queries, or two keys, of
 * which one has the id of the other or of the other's partner. The partner of a query is its positive, that of a key the
 * first query whose target it is. A pair is also left out of the sum of an anchor where its cosine is above that of the
 * anchor and its partner by more than the margin. What is left out counts as constant in gradients.
 * The N x M numbers are never stored. A vector of length 0 has similarity 0 to everything. On "cpu" the forward
 * pass refuses vectors that hold NaN or infinity.
 */
typedef struct simcse_contrast {
  float temperature;           /* above 0 */
  float own_negative_bias;     /* 0 where queries have no hard negatives of their own */
  int64_t own_negative_offset; /* with a bias, offset + N is at most M */
  int32_t both_directions;     /* 0 or 1; with 1 no two targets are equal */
  int32_t same_side_negatives; /* 0 or 1 */
  int32_t has_margin;          /* 0 or 1 */
  float false_negative_margin; /* with has_margin, above -2; else 0 */
  const int64_t *query_ids;    /* (N), such as hashes of the sentences; NULL where all are different */
  const int64_t *key_ids;      /* (M), NULL with query_ids */
} simcse_contrast;

typedef struct simcse_similarity_softmax_forward {
  uint64_t struct_size;
  simcse_dtype dtype;
  int32_t hidden;         /* H */
  int64_t queries_count;  /* N */
  int64_t keys_count;     /* M */
  const void *queries;    /* activations (N, H) */
  const void *keys;       /* activations (M, H) */
  const int32_t *targets; /* (N), column of each query's positive */
  simcse_contrast contrast;
  float *loss;            /* (1) */
  float *lse;             /* (N), for the backward pass */
  float *query_norm;      /* (N) */
  float *key_norm;        /* (M) */
  float *key_lse;         /* (M) of both directions, infinite for a key that is no target; else NULL */
} simcse_similarity_softmax_forward;

/* Gradients of loss_scale * loss, through the normalisation. */
typedef struct simcse_similarity_softmax_backward {
  uint64_t struct_size;
  simcse_dtype dtype;
  int32_t hidden;
  int64_t queries_count;
  int64_t keys_count;
  const void *queries;
  const void *keys;
  const int32_t *targets;
  simcse_contrast contrast;
  const float *lse;
  const float *query_norm;
  const float *key_norm;
  const float *key_lse;
  float loss_scale;
  int32_t reserved; /* 0 */
  void *d_queries;  /* activations (N, H) */
  void *d_keys;     /* activations (M, H) */
} simcse_similarity_softmax_backward;

/* norm = sqrt(sum of gradients^2) */
typedef struct simcse_gradient_norm {
  uint64_t struct_size;
  int64_t count;          /* P */
  const float *gradients; /* (P) */
  float *norm;            /* (1) */
} simcse_gradient_norm;

/*
 * One AdamW update (Loshchilov and Hutter 2019, algorithm 2), gradient clipping folded in:
 *   g = clip * gradient, clip = min(1, max_grad_norm / (norm + 1e-6)) where max_grad_norm > 0
 *   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *   p = p - learning_rate (m' / (sqrt(v') + epsilon) + weight_decay p), m', v' bias-corrected by step
 */
typedef struct simcse_adamw {
  uint64_t struct_size;
  int64_t count;          /* P */
  int64_t step;           /* from 1 */
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
  double max_grad_norm;   /* 0 for no clipping */
  float *parameters;      /* (P), updated */
  const float *gradients; /* (P) */
  float *first_moment;    /* (P), updated */
  float *second_moment;   /* (P), updated */
  const float *norm;      /* (1), of all gradients */
  uint16_t *bf16_copy;    /* (P), the updated parameters in SIMCSE_BF16, or NULL */
} simcse_adamw;

/* The mask of a hidden site, one byte an element: 1 kept, 0 dropped. */
typedef struct simcse_dropout_mask {
  uint64_t struct_size;
  const simcse_batch *batch;
  int32_t channels;
  int32_t reserved; /* 0 */
  simcse_dropout dropout;
  uint8_t *mask;    /* (R, channels) */
} simcse_dropout_mask;

/* to[i] = from[i] in another type. */
typedef struct simcse_convert {
  uint64_t struct_size;
  simcse_dtype from_dtype;
  simcse_dtype to_dtype; /* not from_dtype */
  int64_t count;
  const void *from;
  void *to;
} simcse_convert;

/* --- the table ---------------------------------------------------------------------------------------------------- */

typedef struct simcse_api {
  uint64_t struct_size;
  uint32_t version; /* SIMCSE_API_VERSION */
  uint32_t reserved;

  /* Version and compiler of the library; lives as long as the library. Does not block. */
  const char *(*build)(void);

  /* What went wrong in the last failed call of this thread, "" where none failed; valid until its next call. */
  const char *(*last_error)(void);

  /* -- devices: may block; any thread -- */

  /* Opens "cpu", or "cuda:N" through the plug-in libsimcse_cuda.so beside this library. options may be NULL. */
  simcse_status (*device_open)(const char *name, const simcse_device_options *options, simcse_device **device);
  /* Waits for the device's work, then gives back all it holds: streams, events, memory. The handle is then closed. */
  simcse_status (*device_close)(simcse_device *device);
  /* The caller sets struct_size. */
  simcse_status (*device_properties)(simcse_device *device, simcse_device_properties *properties);

  /* -- memory: zeroed, aligned to properties.alignment; owned by the device until memory_free or device_close.
        On "cpu" any memory of the process will do in its place. -- */
  simcse_status (*memory_allocate)(simcse_device *device, int64_t bytes, void **memory);
  simcse_status (*memory_free)(simcse_device *device, void *memory);
  simcse_status (*memory_zero)(simcse_device *device, simcse_stream *stream, void *memory, int64_t bytes);

  /* -- memory of the host to copy from and to: zeroed, aligned to 64 bytes at least, page-locked where the device is a
        GPU; owned by the device until host_free, when its copies are done, or device_close. -- */
  simcse_status (*host_allocate)(simcse_device *device, int64_t bytes, void **memory);
  simcse_status (*host_free)(simcse_device *device, void *memory);

  /* -- copies between host and device. From and to memory of host_allocate they return at once, and the memory is the
        copy's until the stream has done it. Any other memory of the host is free to be changed when copy_to_device
        returns, which costs a copy more, and copy_to_host may wait for the stream. -- */
  simcse_status (*copy_to_device)(simcse_device *device, simcse_stream *stream, void *to, const void *host,
                                  int64_t bytes);
  /* The bytes are there once the stream was synchronised. */
  simcse_status (*copy_to_host)(simcse_device *device, simcse_stream *stream, void *host, const void *from,
                                int64_t bytes);

  /* -- streams and events; a closed device closes its own -- */
  simcse_status (*stream_open)(simcse_device *device, simcse_stream **stream);
  simcse_status (*stream_close)(simcse_device *device, simcse_stream *stream);
  simcse_status (*stream_synchronize)(simcse_device *device, simcse_stream *stream); /* NULL: the device's own */
  simcse_status (*event_open)(simcse_device *device, simcse_event **event);
  simcse_status (*event_close)(simcse_device *device, simcse_event *event);
  simcse_status (*event_record)(simcse_device *device, simcse_stream *stream, simcse_event *event);
  /* Later work of the stream waits for the event. */
  simcse_status (*event_wait)(simcse_device *device, simcse_stream *stream, simcse_event *event);
  simcse_status (*event_synchronize)(simcse_device *device, simcse_event *event);
  /* Between two recorded events, in milliseconds; waits for both. */
  simcse_status (*event_elapsed)(simcse_device *device, simcse_event *from, simcse_event *to, float *milliseconds);

  /* -- weights --
     Announces memory whose content changes through adamw, convert, memory_zero and copy_to_device alone, so that gemm
     may keep packed forms of a B that lies in it. Costs the memory again for each of the two ways a B is read, and
     twice that where the tier widens SIMCSE_BF16 (portable, avx2, avx512). weights_release, with the same address,
     must come before the memory is freed or written in another way. -- */
  simcse_status (*weights_hold)(simcse_device *device, const void *memory, int64_t bytes);
  simcse_status (*weights_release)(simcse_device *device, const void *memory);

  /* -- graphs --
     Operations, memory_zero, and copies to the device from memory of host_allocate, that are enqueued on a stream
     between the two calls, may be launched as a whole at the second, which costs the host less where they are many and
     small. Executable graphs are kept by key and brought up to date: work that enqueues the same operations over like
     shapes, such as batches of about as many tokens, shares a key, whatever its arguments are. Nothing else may be asked
     of the stream in between. A call that fails is left out.
     On "cpu", and where a key comes for the first time, all run as they are called. -- */
  simcse_status (*graph_begin)(simcse_device *device, simcse_stream *stream, int64_t key);
  simcse_status (*graph_end)(simcse_device *device, simcse_stream *stream);

  /* -- operations; each is described at its struct -- */
  simcse_status (*embedding_forward)(simcse_device *, simcse_stream *, const simcse_embedding_forward *);
  simcse_status (*embedding_backward)(simcse_device *, simcse_stream *, const simcse_embedding_backward *);
  simcse_status (*gemm)(simcse_device *, simcse_stream *, const simcse_gemm *);
  simcse_status (*gelu_backward)(simcse_device *, simcse_stream *, const simcse_gelu_backward *);
  simcse_status (*tanh_backward)(simcse_device *, simcse_stream *, const simcse_tanh_backward *);
  simcse_status (*column_sum)(simcse_device *, simcse_stream *, const simcse_column_sum *);
  simcse_status (*dropout_residual_layer_norm_forward)(simcse_device *, simcse_stream *,
                                                       const simcse_dropout_residual_layer_norm_forward *);
  simcse_status (*dropout_residual_layer_norm_backward)(simcse_device *, simcse_stream *,
                                                        const simcse_dropout_residual_layer_norm_backward *);
  simcse_status (*layer_norm_replay)(simcse_device *, simcse_stream *, const simcse_layer_norm_replay *);
  simcse_status (*attention_forward)(simcse_device *, simcse_stream *, const simcse_attention_forward *);
  simcse_status (*attention_backward)(simcse_device *, simcse_stream *, const simcse_attention_backward *);
  simcse_status (*pooling_forward)(simcse_device *, simcse_stream *, const simcse_pooling_forward *);
  simcse_status (*pooling_backward)(simcse_device *, simcse_stream *, const simcse_pooling_backward *);
  simcse_status (*similarity_softmax_forward)(simcse_device *, simcse_stream *,
                                              const simcse_similarity_softmax_forward *);
  simcse_status (*similarity_softmax_backward)(simcse_device *, simcse_stream *,
                                               const simcse_similarity_softmax_backward *);
  simcse_status (*gradient_norm)(simcse_device *, simcse_stream *, const simcse_gradient_norm *);
  simcse_status (*adamw)(simcse_device *, simcse_stream *, const simcse_adamw *);
  simcse_status (*dropout_mask)(simcse_device *, simcse_stream *, const simcse_dropout_mask *);
  simcse_status (*convert)(simcse_device *, simcse_stream *, const simcse_convert *);
  simcse_status (*gemm_epilogue)(simcse_device *, simcse_stream *, const simcse_gemm_epilogue *);
} simcse_api;

#if defined(_WIN32)
#define SIMCSE_EXPORT
#else
#define SIMCSE_EXPORT __attribute__((visibility("default")))
#endif

/*
 * The table of this version, or NULL where the library does not know it: the library's only exported symbol. The
 * table lives as long as the library. Does not block; any thread.
 */
SIMCSE_EXPORT const simcse_api *simcse_get_api(uint32_t version);

#ifdef __cplusplus
}
#endif

#endif
