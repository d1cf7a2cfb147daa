package io.github.simcse4j.tokenizer;

import java.util.Arrays;
import java.util.function.IntConsumer;

/** An immutable set of code points, kept as sorted, disjoint ranges. */
final class CodePointSet {

  @FunctionalInterface
  interface RangeConsumer {
    /** Takes the code points {@code first} to {@code last}, both inclusive. */
    void accept(int first, int last);
  }

  private final int[] firsts;
  private final int[] lasts;

  /** Takes ascending, disjoint ranges, ends inclusive. */
  CodePointSet(int[] firsts, int[] lasts) {
    this.firsts = firsts;
    this.lasts = lasts;
  }

  boolean contains(int point) {
    int found = Arrays.binarySearch(firsts, point);
    int range = found >= 0 ? found : -found - 2;
    return range >= 0 && point <= lasts[range];
  }

  void forEachRange(RangeConsumer action) {
    for (int i = 0; i < firsts.length; i++) {
      action.accept(firsts[i], lasts[i]);
    }
  }

  void forEach(IntConsumer action) {
    forEachRange((first, last) -> {
      for (int point = first; point <= last; point++) {
        action.accept(point);
      }
    });
  }
}
