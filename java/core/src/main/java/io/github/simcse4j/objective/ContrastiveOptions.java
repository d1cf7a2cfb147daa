package io.github.simcse4j.objective;

import io.github.simcse4j.kernels.Contrast;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What the contrastive loss may have beyond the published one of SimCSE.
 *
 * @param bothDirections whether positives are to find their queries too: the symmetric loss of CLIP
 *     (Radford et al. 2021)
 * @param sameSideNegatives whether the other queries are negatives of a query; with both directions
 *     also the other keys of a positive, which is NT-Xent (Chen et al. 2020)
 * @param maskDuplicates whether sentences of the same tokens are never negatives of each other
 * @param falseNegativeMargin a negative that is more similar than the positive by more than this,
 *     as a cosine, is left out; {@link Contrast#NO_MARGIN} leaves none out
 */
public record ContrastiveOptions(
    boolean bothDirections,
    boolean sameSideNegatives,
    boolean maskDuplicates,
    float falseNegativeMargin) {

  /** The published loss: from queries to keys, every other key a negative. */
  public static final ContrastiveOptions PUBLISHED =
      new ContrastiveOptions(false, false, false, Contrast.NO_MARGIN);

  /** Every option without its default in words. */
  List<String> words() {
    List<String> words = new ArrayList<>();
    if (bothDirections) {
      words.add("both directions");
    }
    if (sameSideNegatives) {
      words.add("same-side negatives");
    }
    if (maskDuplicates) {
      words.add("duplicates masked");
    }
    if (falseNegativeMargin != Contrast.NO_MARGIN) {
      words.add(String.format(Locale.ROOT, "false-negative margin %s", falseNegativeMargin));
    }
    return words;
  }

  /** The shape of the distribution at a temperature. */
  Contrast contrast(float temperature) {
    Contrast contrast = Contrast.inBatch(temperature).withFalseNegativeMargin(falseNegativeMargin);
    contrast = bothDirections ? contrast.withBothDirections() : contrast;
    return sameSideNegatives ? contrast.withSameSideNegatives() : contrast;
  }
}
