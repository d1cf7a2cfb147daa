package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What code above a backend may take into account of where it computes.
 *
 * @param runsAhead whether calls return before their work is done, so that whoever asks for a
 *     result in every step makes the device wait
 * @param roundsEmbeddings whether the loss of a training takes embeddings in the type of
 *     activations, which tensor cores multiply, and not in its accumulator type
 * @param headSizes channels of a head that attention is computed for; empty for any
 */
public record DeviceTraits(boolean runsAhead, boolean roundsEmbeddings, List<Integer> headSizes) {

  /** Of the host's processors. */
  public static final DeviceTraits HOST = new DeviceTraits(false, false, List.of());

  /**
   * The type of embeddings, and of their gradients, that a training's loss takes.
   *
   * @param dtype of activations
   */
  public DType lossType(DType dtype) {
    return roundsEmbeddings ? dtype : Kernels.accumulator(dtype);
  }

  /** Whether attention is computed for heads of so many channels. */
  public boolean takesHeadsOf(int channels) {
    return headSizes.isEmpty() || headSizes.contains(channels);
  }

  /** Such as {@code "32, 64 or 128"}. */
  public String headSizesInWords() {
    String all = headSizes.stream().map(String::valueOf).collect(Collectors.joining(", "));
    return all.replaceFirst(", (\\d+)$", " or $1");
  }
}
