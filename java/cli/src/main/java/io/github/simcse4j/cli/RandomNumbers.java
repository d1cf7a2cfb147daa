package io.github.simcse4j.cli;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.Bfloat16;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** Numbers to measure with: equal ones would let a processor, or its power limit, do better. */
final class RandomNumbers {

  private static final int MOST_AT_ONCE = 1 << 20;

  private RandomNumbers() {}

  /** Fills a tensor of F32 or BF16 with numbers between -1 and 1. */
  static void fill(Kernels kernels, Tensor tensor, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Tensor flat = tensor.reshape(tensor.elements());
    Tensor host = Tensor.host(tensor.dtype(), Math.min(tensor.elements(), MOST_AT_ONCE));
    try {
      for (long from = 0; from < flat.elements(); from += MOST_AT_ONCE) {
        long count = Math.min(MOST_AT_ONCE, flat.elements() - from);
        draw(random, host, count);
        kernels.upload(host.rows(0, count), flat.rows(from, from + count));
      }
      kernels.synchronize();
    } finally {
      host.memory().close();
    }
  }

  private static void draw(SplittableRandom random, Tensor host, long count) {
    MemorySegment segment = host.segment();
    boolean whole = host.dtype() == DType.F32;
    for (long i = 0; i < count; i++) {
      float value = random.nextInt() * 0x1p-31f;
      if (whole) {
        segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
      } else {
        segment.setAtIndex(ValueLayout.JAVA_SHORT, i, Bfloat16.of(value));
      }
    }
  }
}
