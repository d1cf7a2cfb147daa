package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.random.Dropout;
import java.util.Arrays;

/** Dropout as factors: 0 where an element is dropped, 1 / keepProb where it is kept. */
final class Masks {

  private Masks() {}

  /** The factors on {@code count} channels (keys in attention) of one position of one sample. */
  static double[] factors(Dropout dropout, int count, int position, int sample, int view) {
    double[] factors = new double[count];
    if (!dropout.active()) {
      Arrays.fill(factors, 1.0);
      return factors;
    }
    int[] words = new int[4];
    int kept = 0;
    for (int c = 0; c < count; c++) {
      if (c % 4 == 0) {
        kept = dropout.keptOfBlock(c / 4, position, sample, view, words);
      }
      factors[c] = (kept >> c % 4 & 1) * dropout.scale();
    }
    return factors;
  }

  /** The factors of a hidden site on every row of a batch (R, channels). */
  static double[] hidden(Sentences sentences, Dropout dropout, int channels) {
    double[] factors = new double[sentences.views() * sentences.tokens() * channels];
    for (int v = 0; v < sentences.views(); v++) {
      for (int b = 0; b < sentences.count(); b++) {
        for (int p = 0; p < sentences.length()[b]; p++) {
          double[] row =
              factors(dropout, channels, p, sentences.sample()[b], sentences.firstView() + v);
          System.arraycopy(row, 0, factors, sentences.row(v, b, p) * channels, channels);
        }
      }
    }
    return factors;
  }
}
