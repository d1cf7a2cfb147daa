package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.at;

import io.github.simcse4j.kernels.EmbeddingTables;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.Tensor;

/** BERT's input layer: a sum of table rows per token, normalised once, with dropout per view. */
final class VectorEmbedding {

  /** Channels of the tables that one task adds to. */
  private static final int STRIP = 64;

  private final WorkerPool pool;
  private final Scratch scratch;
  private final Sentences sentences;

  VectorEmbedding(WorkerPool pool, Scratch scratch, Sentences sentences) {
    this.pool = pool;
    this.scratch = scratch;
    this.sentences = sentences;
  }

  /** Addresses of the tables' rows. */
  private record Rows(long word, long position, long type, int hidden) {

    static Rows of(EmbeddingTables tables) {
      return new Rows(
          address(tables.word()),
          address(tables.position()),
          address(tables.type()),
          Math.toIntExact(tables.word().extent(1)));
    }

    void lookUp(Sentences sentences, int token, long out) {
      NormRows.sum(
          at(word, (long) sentences.id(token) * hidden),
          at(position, (long) sentences.position(token) * hidden),
          type,
          out,
          hidden);
    }
  }

  void forward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    sentences.read("embedding_forward", batch);
    sentences.readIds("embedding_forward", batch, tables.word());
    Rows rows = Rows.of(tables);
    int hidden = rows.hidden();
    VectorPhilox philox = new VectorPhilox(dropout);
    long outAt = address(out);
    long mean = address(statistics.mean());
    long rstd = address(statistics.rstd());
    long gamma = address(norm.gamma());
    long beta = address(norm.beta());
    int padded = VectorPhilox.padded(hidden);
    RowChunks.run(
        pool,
        batch.tokens(),
        hidden,
        (first, end, chunk, worker) -> {
          long factors = scratch.ofWorker(worker, 2L * padded);
          long row = at(factors, padded);
          for (int token = first; token < end; token++) {
            rows.lookUp(sentences, token, row);
            NormRows.statistics(row, hidden, norm.epsilon(), at(mean, token), at(rstd, token));
            NormRows.normalise(row, at(mean, token), at(rstd, token), gamma, beta, row, hidden);
            for (int view = 0; view < batch.views(); view++) {
              int outRow = view * batch.tokens() + token;
              sentences.factors(philox, outRow, hidden, factors);
              NormRows.multiply(row, factors, at(outAt, (long) outRow * hidden), hidden);
            }
          }
        });
  }

  void backward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      RowStatistics statistics,
      Dropout dropout,
      Tensor dOut,
      Tensor dSum,
      EmbeddingTables dTables,
      Tensor dGamma,
      Tensor dBeta) {
    sentences.read("embedding_backward", batch);
    sentences.readIds("embedding_backward", batch, tables.word());
    Rows rows = Rows.of(tables);
    int hidden = rows.hidden();
    VectorPhilox philox = new VectorPhilox(dropout);
    long dOutAt = address(dOut);
    long dSumAt = address(dSum);
    long mean = address(statistics.mean());
    long rstd = address(statistics.rstd());
    long gamma = address(norm.gamma());
    int padded = VectorPhilox.padded(hidden);
    ChunkSums sums = new ChunkSums(scratch, RowChunks.count(batch.tokens()), 2, hidden);
    RowChunks.run(
        pool,
        batch.tokens(),
        hidden,
        (first, end, chunk, worker) -> {
          long factors = scratch.ofWorker(worker, 2L * padded);
          long row = at(factors, padded);
          sums.clear(chunk);
          for (int token = first; token < end; token++) {
            long d = at(dSumAt, (long) token * hidden);
            Floats.zero(d, hidden);
            for (int view = 0; view < batch.views(); view++) {
              int outRow = view * batch.tokens() + token;
              sentences.factors(philox, outRow, hidden, factors);
              NormRows.addProduct(at(dOutAt, (long) outRow * hidden), factors, d, hidden);
            }
            rows.lookUp(sentences, token, row);
            NormRows.parameterGradients(
                d,
                row,
                at(mean, token),
                at(rstd, token),
                sums.at(chunk, 0),
                sums.at(chunk, 1),
                hidden);
            NormRows.gradient(d, row, at(mean, token), at(rstd, token), gamma, d, hidden);
          }
        });
    sums.addTo(pool, address(dGamma), address(dBeta));
    addToTables(batch.tokens(), dSumAt, Rows.of(dTables));
  }

  /**
   * Tokens in order, each task on channels of its own: equal ids are added in the same order
   * always.
   */
  private void addToTables(int tokens, long dSum, Rows tables) {
    int hidden = tables.hidden();
    pool.run(
        Math.ceilDiv(hidden, STRIP),
        (strip, worker) -> {
          int from = strip * STRIP;
          int count = Math.min(STRIP, hidden - from);
          for (int token = 0; token < tokens; token++) {
            long d = at(dSum, (long) token * hidden + from);
            NormRows.add(d, at(tables.word(), (long) sentences.id(token) * hidden + from), count);
            NormRows.add(
                d, at(tables.position(), (long) sentences.position(token) * hidden + from), count);
            NormRows.add(d, at(tables.type(), from), count);
          }
        });
  }
}
