package io.github.simcse4j.kernels;

/** How the hidden vectors of a sentence's tokens become one vector. */
public enum PoolingMode {
  /** The first token's vector. */
  CLS,
  /** The mean over the tokens. */
  MEAN,
  /** The largest value of each channel. */
  MAX
}
