package io.github.simcse4j.objective;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

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
 */
public record ContrastiveObjective(float temperature, float hardNegativeWeight) {

  public ContrastiveObjective {
    // Contrast has the rules; made here so that a wrong value is refused before any work.
    Contrast.inBatch(temperature).withOwnNegatives(0, hardNegativeWeight);
  }

  /**
   * The loss and its gradient.
   *
   * @param queryCount N
   * @param embeddings (E, H) with E = 2 N or 3 N
   * @param lossScale factor on the gradient, for accumulation over several batches
   * @param loss the mean loss (1)
   * @param dEmbeddings (E, H)
   */
  public void evaluate(
      Kernels kernels,
      int queryCount,
      Tensor embeddings,
      float lossScale,
      Tensor loss,
      Tensor dEmbeddings,
      Workspace workspace) {
    long all = embeddings.extent(0);
    boolean hardNegatives = all == 3L * queryCount;
    Contrast contrast =
        Contrast.inBatch(temperature)
            .withOwnNegatives(queryCount, hardNegatives ? hardNegativeWeight : 0f);
    Tensor targets = workspace.tensor(DType.I32, queryCount);
    kernels.iota(targets);
    ContrastPairs pairs =
        new ContrastPairs(
            embeddings.rows(0, queryCount), embeddings.rows(queryCount, all), targets);
    ContrastStatistics statistics = statistics(embeddings.dtype(), queryCount, all, workspace);
    kernels.similaritySoftmaxForward(pairs, contrast, loss, statistics);
    kernels.similaritySoftmaxBackward(
        pairs,
        contrast,
        statistics,
        lossScale,
        dEmbeddings.rows(0, queryCount),
        dEmbeddings.rows(queryCount, all));
  }

  /** Bytes of workspace that {@link #evaluate} takes. */
  public static long workspaceBytes(DType dtype, long queryCount, long all) {
    DType accumulator = Kernels.accumulator(dtype);
    return Workspace.bytes(DType.I32, queryCount)
        + 2 * Workspace.bytes(accumulator, queryCount)
        + Workspace.bytes(accumulator, all - queryCount);
  }

  private static ContrastStatistics statistics(
      DType dtype, long queryCount, long all, Workspace workspace) {
    DType accumulator = Kernels.accumulator(dtype);
    return new ContrastStatistics(
        workspace.tensor(accumulator, queryCount),
        workspace.tensor(accumulator, queryCount),
        workspace.tensor(accumulator, all - queryCount));
  }
}
