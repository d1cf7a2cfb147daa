package io.github.simcse4j.kernels.ffm;

/**
 * The structs of {@code simcse.h} that are no operation's arguments; those are at {@link
 * Operation}.
 */
final class Structs {

  static final Struct DEVICE_OPTIONS =
      Struct.sized().int32("threads", "reserved").pointer("context", "stream");

  static final Struct DEVICE_PROPERTIES =
      Struct.sized()
          .chars("name", 32)
          .chars("tier", 32)
          .chars("description", 256)
          .int32("threads", "alignment")
          .int64("memory_total", "memory_free");

  static final Struct BATCH =
      Struct.sized()
          .pointer("ids")
          .int64("id_count")
          .pointer("starts", "cu_seqlens", "samples")
          .int32("sentences", "tokens", "max_length", "views", "first_view", "reserved");

  static final Struct DROPOUT = Struct.plain().int32("key0", "key1", "site").float32("keep_prob");

  static final Struct LAYER_NORM =
      Struct.plain().pointer("gamma", "beta").float32("epsilon").int32("reserved");

  static final Struct CONTRAST =
      Struct.plain()
          .float32("temperature", "own_negative_bias")
          .int64("own_negative_offset")
          .int32("both_directions", "same_side_negatives", "has_margin")
          .float32("false_negative_margin")
          .pointer("query_ids", "key_ids");

  /** The table itself. */
  static final Struct API =
      Struct.sized()
          .int32("version", "reserved")
          .pointer("build", "last_error", "device_open", "device_close", "device_properties")
          .pointer("memory_allocate", "memory_free", "memory_zero")
          .pointer("host_allocate", "host_free", "copy_to_device", "copy_to_host")
          .pointer("stream_open", "stream_close", "stream_synchronize")
          .pointer("event_open", "event_close", "event_record", "event_wait")
          .pointer("event_synchronize", "event_elapsed")
          .pointer("weights_hold", "weights_release", "graph_begin", "graph_end")
          .pointer("embedding_forward", "embedding_backward", "gemm")
          .pointer("gelu_backward", "tanh_backward", "column_sum")
          .pointer("dropout_residual_layer_norm_forward", "dropout_residual_layer_norm_backward")
          .pointer("layer_norm_replay", "attention_forward", "attention_backward")
          .pointer("pooling_forward", "pooling_backward")
          .pointer("similarity_softmax_forward", "similarity_softmax_backward")
          .pointer("gradient_norm", "adamw", "dropout_mask", "convert", "gemm_epilogue");

  private Structs() {}
}
