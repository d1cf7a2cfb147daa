package io.github.simcse4j.model;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.PoolingMode;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * How token vectors become a sentence vector, by the names of SimCSE (Gao et al. 2021). h[0] is the
 * output of the embeddings, h[L] that of the last layer.
 */
public enum Pooler {
  /** The first token's h[L] through a linear layer and tanh. */
  CLS(PoolingMode.CLS),
  /** The first token's h[L]. */
  CLS_BEFORE_POOLER(PoolingMode.CLS),
  /** The mean of h[L] over the tokens. */
  AVG(PoolingMode.MEAN),
  /** The mean of (h[L - 1] + h[L]) / 2 over the tokens. */
  AVG_TOP2(PoolingMode.MEAN),
  /** The mean of (h[1] + h[L]) / 2 over the tokens. */
  AVG_FIRST_LAST(PoolingMode.MEAN),
  /** The largest value of h[L] over the tokens, channel by channel. */
  MAX(PoolingMode.MAX);

  private final PoolingMode mode;

  Pooler(PoolingMode mode) {
    this.mode = mode;
  }

  /** The pooling of each hidden state that takes part. */
  public PoolingMode mode() {
    return mode;
  }

  /** The share of hidden state {@code state}, 0 to {@code layers}, in the sentence vector. */
  public float weight(int state, int layers) {
    return switch (this) {
      case CLS, CLS_BEFORE_POOLER, AVG, MAX -> state == layers ? 1f : 0f;
      case AVG_TOP2 -> (state == layers ? 0.5f : 0f) + (state == layers - 1 ? 0.5f : 0f);
      case AVG_FIRST_LAST -> (state == layers ? 0.5f : 0f) + (state == 1 ? 0.5f : 0f);
    };
  }

  /** Whether a sentence vector is a sum over several hidden states. */
  public boolean adds() {
    return this == AVG_TOP2 || this == AVG_FIRST_LAST;
  }

  /** Whether nothing but the last hidden state of the first token is used. */
  public boolean firstTokenOnly() {
    return mode == PoolingMode.CLS;
  }

  /** The name used on the command line and in files, such as {@code avg_first_last}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The pooler of a label. */
  public static Pooler of(String label) {
    for (Pooler pooler : values()) {
      if (pooler.label().equals(label)) {
        return pooler;
      }
    }
    throw new InputException(
        "pooler '"
            + label
            + "' is not known; use one of "
            + Arrays.stream(values()).map(Pooler::label).collect(Collectors.joining(", "))
            + ".");
  }
}
