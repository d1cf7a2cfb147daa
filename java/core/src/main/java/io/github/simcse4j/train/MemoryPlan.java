package io.github.simcse4j.train;

import java.util.List;
import java.util.Locale;

/**
 * How a batch is encoded within a memory budget.
 *
 * @param weights bytes of the parameters
 * @param optimiser bytes of the gradients and moments
 * @param embeddings bytes of the embeddings, their gradient and the statistics of the loss
 * @param activations bytes of the chunks that are kept; one at least, in which the others are run
 * @param embeddingRows E
 * @param dimension H
 * @param tokensPerChunk most rows of a chunk, every view counted
 * @param sentencesPerChunk a bound on the sentences of a chunk
 * @param chunks how many there are at least
 * @param kept how many are kept for the backward pass; the others are run again
 * @param budget what the sum has to stay within
 */
public record MemoryPlan(
    long weights,
    long optimiser,
    long embeddings,
    long activations,
    long embeddingRows,
    int dimension,
    long tokensPerChunk,
    int sentencesPerChunk,
    long chunks,
    int kept,
    MemoryBudget budget) {

  /** Bytes in all. */
  public long total() {
    return weights + optimiser + embeddings + activations;
  }

  /** Bytes that are taken and given back in every step. */
  long workspace() {
    return embeddings + activations;
  }

  /** Five lines for people. */
  public List<String> lines() {
    String rows =
        String.format(Locale.ROOT, "%,d x %d with their gradient", embeddingRows, dimension);
    String of = "of " + ByteText.of(budget.bytes()) + ", " + budget.source();
    return List.of(
        line("weights", weights, "the parameters"),
        line("optimiser", optimiser, "the gradients and two moments of AdamW"),
        line("embeddings and loss", embeddings, rows),
        line("activations", activations, chunkText()),
        line("total", total(), of));
  }

  private String chunkText() {
    if (chunks == 1) {
      return String.format(Locale.ROOT, "all %,d tokens in one chunk", tokensPerChunk);
    }
    return String.format(
        Locale.ROOT, "%,d tokens a chunk, %,d chunks, %,d kept", tokensPerChunk, chunks, kept);
  }

  private static String line(String what, long bytes, String how) {
    return String.format(Locale.ROOT, "%-19s  %10s  %s", what, ByteText.of(bytes), how);
  }
}
