package io.github.simcse4j.train;

import io.github.simcse4j.model.PassMode;
import java.util.List;
import java.util.Locale;

/**
 * How a batch is encoded within a memory budget.
 *
 * @param weights bytes of the parameters
 * @param optimiser bytes of the gradients and moments
 * @param embeddings bytes of the embeddings, their gradient, and the statistics and ids of the loss
 * @param activations bytes of the chunks that are kept; one at least, in which the others are run
 * @param otherActivations what they would be in the other mode
 * @param embeddingRows E
 * @param dimension H
 * @param tokensPerChunk most rows of a chunk, every view counted
 * @param sentencesPerChunk a bound on the sentences of a chunk
 * @param chunks how many there are at least
 * @param kept how many are kept for the backward pass; the others are run again
 * @param mode whether all activations of a kept chunk are kept, or some are computed again
 * @param budget what the sum has to stay within
 */
public record MemoryPlan(
    long weights,
    long optimiser,
    long embeddings,
    long activations,
    long otherActivations,
    long embeddingRows,
    int dimension,
    long tokensPerChunk,
    int sentencesPerChunk,
    long chunks,
    int kept,
    PassMode mode,
    MemoryBudget budget) {

  /** Bytes in all. */
  public long total() {
    return weights + optimiser + embeddings + activations;
  }

  /** Bytes that are taken and given back in every step. */
  long workspace() {
    return embeddings + activations;
  }

  /** The same chunks in the other mode. */
  MemoryPlan otherMode() {
    return new MemoryPlan(
        weights,
        optimiser,
        embeddings,
        otherActivations,
        activations,
        embeddingRows,
        dimension,
        tokensPerChunk,
        sentencesPerChunk,
        chunks,
        kept,
        other(mode),
        budget);
  }

  static PassMode other(PassMode mode) {
    return mode == PassMode.KEEP ? PassMode.REPLAY : PassMode.KEEP;
  }

  /** What {@code --activations} takes for it. */
  public String activationsLabel() {
    return (mode == PassMode.KEEP ? Activations.KEEP : Activations.REPLAY).label();
  }

  /** Six lines for people. */
  public List<String> lines() {
    String rows =
        String.format(Locale.ROOT, "%,d x %d with their gradient", embeddingRows, dimension);
    String of = "of " + ByteText.of(budget.bytes()) + ", " + budget.source();
    return List.of(
        line("weights", weights, "the parameters"),
        line("optimiser", optimiser, "the gradients and two moments of AdamW"),
        line("embeddings and loss", embeddings, rows),
        line("activations", activations, chunkText()),
        text("--activations", activationsLabel(), modeText()),
        line("total", total(), of));
  }

  private String chunkText() {
    if (chunks == 1) {
      return String.format(Locale.ROOT, "all %,d tokens in one chunk", tokensPerChunk);
    }
    return String.format(
        Locale.ROOT, "%,d tokens a chunk, %,d chunks, %,d kept", tokensPerChunk, chunks, kept);
  }

  private String modeText() {
    String other = ByteText.of(otherActivations);
    return mode == PassMode.KEEP
        ? "all are kept; replay takes " + other
        : "some computed again; keep takes " + other;
  }

  private static String line(String what, long bytes, String how) {
    return text(what, ByteText.of(bytes), how);
  }

  private static String text(String what, String amount, String how) {
    return String.format(Locale.ROOT, "%-19s  %10s  %s", what, amount, how);
  }
}
