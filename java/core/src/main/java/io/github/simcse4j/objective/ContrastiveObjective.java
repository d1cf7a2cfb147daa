package io.github.simcse4j.objective;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;

/**
 * The objective of SimCSE (Gao et al. 2021). The first N embeddings of a batch are the queries, the
 * next N their positives, and whatever follows are more keys:
 *
 * <ul>
 *   <li>unsupervised (equation 4): the two views of the same N sentences;
 *   <li>supervised with pairs: first and second sentences;
 *   <li>supervised with hard negatives (equation 5): first, second and contradicting sentences, the
 *       query's own hard negative weighted.
 * </ul>
 *
 * @param temperature divides the cosine similarities
 * @param hardNegativeWeight added to the logit of a query's own hard negative
 * @param options what the loss has beyond the published one
 */
public record ContrastiveObjective(
    float temperature, float hardNegativeWeight, ContrastiveOptions options) {

  public ContrastiveObjective {
    // Contrast has the rules; made here so that a wrong value is refused before any work.
    options.contrast(temperature).withOwnNegatives(0, hardNegativeWeight);
  }

  /** The published objective. */
  public ContrastiveObjective(float temperature, float hardNegativeWeight) {
    this(temperature, hardNegativeWeight, ContrastiveOptions.PUBLISHED);
  }

  /**
   * The loss and its gradient, of sentences that are all different or may count as such.
   *
   * @param queryCount N
   * @param embeddings (E, H) with E = 2 N or 3 N
   * @param lossScale factor on the gradient, for accumulation over several batches
   * @param loss the mean loss (1)
   * @param dEmbeddings (E, H)
   * @return the Euclidean length of each embedding (E), of the workspace
   */
  public Tensor evaluate(
      Kernels kernels,
      int queryCount,
      Tensor embeddings,
      float lossScale,
      Tensor loss,
      Tensor dEmbeddings,
      Workspace workspace) {
    return evaluate(kernels, queryCount, embeddings, null, lossScale, loss, dEmbeddings, workspace);
  }

  /**
   * The loss and its gradient.
   *
   * @param ids what the sentence of each embedding says, I64 (E): equal for equal sentences; null
   *     unless {@link ContrastiveOptions#maskDuplicates}
   * @return the Euclidean length of each embedding (E), of the workspace
   */
  public Tensor evaluate(
      Kernels kernels,
      int queryCount,
      Tensor embeddings,
      Tensor ids,
      float lossScale,
      Tensor loss,
      Tensor dEmbeddings,
      Workspace workspace) {
    long all = embeddings.extent(0);
    boolean hardNegatives = all == 3L * queryCount;
    Contrast contrast =
        options
            .contrast(temperature)
            .withOwnNegatives(queryCount, hardNegatives ? hardNegativeWeight : 0f);
    Tensor targets = workspace.tensor(DType.I32, queryCount);
    kernels.iota(targets);
    Tensor queries = embeddings.rows(0, queryCount);
    Tensor keys = embeddings.rows(queryCount, all);
    ContrastPairs pairs = new ContrastPairs(queries, keys, targets);
    if (options.maskDuplicates()) {
      pairs =
          new ContrastPairs(
              queries, keys, targets, ids.rows(0, queryCount), ids.rows(queryCount, all));
    }
    DType accumulator = Kernels.accumulator(embeddings.dtype());
    Tensor lengths = workspace.tensor(accumulator, all);
    ContrastStatistics statistics =
        new ContrastStatistics(
            workspace.tensor(accumulator, queryCount),
            lengths.rows(0, queryCount),
            lengths.rows(queryCount, all),
            options.bothDirections() ? workspace.tensor(accumulator, all - queryCount) : null);
    kernels.similaritySoftmaxForward(pairs, contrast, loss, statistics);
    kernels.similaritySoftmaxBackward(
        pairs,
        contrast,
        statistics,
        lossScale,
        dEmbeddings.rows(0, queryCount),
        dEmbeddings.rows(queryCount, all));
    return lengths;
  }

  /** Bytes of workspace that {@link #evaluate} takes. */
  public static long workspaceBytes(
      ContrastiveOptions options, DType dtype, long queryCount, long all) {
    DType accumulator = Kernels.accumulator(dtype);
    return Workspace.bytes(DType.I32, queryCount)
        + Workspace.bytes(accumulator, all)
        + Workspace.bytes(accumulator, queryCount)
        + (options.bothDirections() ? Workspace.bytes(accumulator, all - queryCount) : 0);
  }

  /** One line for people. */
  public String text() {
    List<String> words = new ArrayList<>();
    words.add("temperature " + temperature);
    if (hardNegativeWeight != 0) {
      words.add("hard-negative weight " + hardNegativeWeight);
    }
    words.addAll(options.words());
    return "loss: " + String.join(", ", words);
  }
}
