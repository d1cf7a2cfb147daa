package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.addressOrNull;
import static io.github.simcse4j.kernels.vector.Floats.at;

import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.Tensor;

/** Dropout, residual and layer normalisation, forward and backward, a chunk of rows to a task. */
final class VectorLayerNorm {

  private final WorkerPool pool;
  private final Scratch scratch;
  private final Sentences sentences;

  VectorLayerNorm(WorkerPool pool, Scratch scratch, Sentences sentences) {
    this.pool = pool;
    this.scratch = scratch;
    this.sentences = sentences;
  }

  void forward(
      PackedBatch batch,
      Tensor x,
      Tensor residual,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    sentences.read("dropout_residual_layer_norm_forward", batch);
    int hidden = Math.toIntExact(x.extent(1));
    VectorPhilox philox = new VectorPhilox(dropout);
    long xAt = address(x);
    long residualAt = addressOrNull(residual);
    long outAt = address(out);
    long mean = address(statistics.mean());
    long rstd = address(statistics.rstd());
    long gamma = address(norm.gamma());
    long beta = address(norm.beta());
    RowChunks.run(
        pool,
        batch.rows(),
        hidden,
        (first, end, chunk, worker) -> {
          long factors = scratch.ofWorker(worker, VectorPhilox.padded(hidden));
          for (int row = first; row < end; row++) {
            long offset = (long) row * hidden;
            long sum = at(xAt, offset);
            if (residual != null) {
              sentences.factors(philox, row, hidden, factors);
              NormRows.addDropped(sum, factors, at(residualAt, offset), hidden);
            }
            NormRows.statistics(sum, hidden, norm.epsilon(), at(mean, row), at(rstd, row));
            NormRows.normalise(
                sum, at(mean, row), at(rstd, row), gamma, beta, at(outAt, offset), hidden);
          }
        });
  }

  void replay(Tensor sum, RowStatistics statistics, LayerNorm norm, Tensor out) {
    int rows = Math.toIntExact(sum.extent(0));
    int hidden = Math.toIntExact(sum.extent(1));
    long sumAt = address(sum);
    long outAt = address(out);
    long mean = address(statistics.mean());
    long rstd = address(statistics.rstd());
    long gamma = address(norm.gamma());
    long beta = address(norm.beta());
    RowChunks.run(
        pool,
        rows,
        hidden,
        (first, end, chunk, worker) -> {
          for (int row = first; row < end; row++) {
            long offset = (long) row * hidden;
            NormRows.normalise(
                at(sumAt, offset),
                at(mean, row),
                at(rstd, row),
                gamma,
                beta,
                at(outAt, offset),
                hidden);
          }
        });
  }

  void backward(
      PackedBatch batch,
      Tensor dOut,
      Tensor sum,
      RowStatistics statistics,
      LayerNorm norm,
      Dropout dropout,
      Tensor dResidual,
      Tensor dX,
      Tensor dGamma,
      Tensor dBeta) {
    sentences.read("dropout_residual_layer_norm_backward", batch);
    int hidden = Math.toIntExact(sum.extent(1));
    VectorPhilox philox = new VectorPhilox(dropout);
    long dOutAt = address(dOut);
    long sumAt = address(sum);
    long dResidualAt = address(dResidual);
    long dXAt = address(dX);
    long mean = address(statistics.mean());
    long rstd = address(statistics.rstd());
    long gamma = address(norm.gamma());
    int chunks = RowChunks.count(batch.rows());
    ChunkSums sums = new ChunkSums(scratch, chunks, 2, hidden);
    RowChunks.run(
        pool,
        batch.rows(),
        hidden,
        (first, end, chunk, worker) -> {
          long factors = scratch.ofWorker(worker, VectorPhilox.padded(hidden));
          sums.clear(chunk);
          for (int row = first; row < end; row++) {
            long offset = (long) row * hidden;
            long d = at(dOutAt, offset);
            long x = at(sumAt, offset);
            long whole = at(dResidualAt, offset);
            NormRows.parameterGradients(
                d, x, at(mean, row), at(rstd, row), sums.at(chunk, 0), sums.at(chunk, 1), hidden);
            NormRows.gradient(d, x, at(mean, row), at(rstd, row), gamma, whole, hidden);
            sentences.factors(philox, row, hidden, factors);
            NormRows.multiply(whole, factors, at(dXAt, offset), hidden);
          }
        });
    sums.addTo(pool, address(dGamma), address(dBeta));
  }
}
