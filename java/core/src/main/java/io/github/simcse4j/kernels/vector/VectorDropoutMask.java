package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.get;
import static io.github.simcse4j.kernels.vector.Floats.putByte;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.Tensor;

/** The mask of a hidden site as bytes, from the factors that the fused operations multiply by. */
final class VectorDropoutMask {

  private final WorkerPool pool;
  private final Scratch scratch;
  private final Sentences sentences;

  VectorDropoutMask(WorkerPool pool, Scratch scratch, Sentences sentences) {
    this.pool = pool;
    this.scratch = scratch;
    this.sentences = sentences;
  }

  void write(PackedBatch batch, Dropout dropout, Tensor mask) {
    sentences.read("dropout_mask", batch);
    int channels = Math.toIntExact(mask.extent(1));
    VectorPhilox philox = new VectorPhilox(dropout);
    long to = address(mask);
    RowChunks.run(
        pool,
        batch.rows(),
        channels,
        (first, end, chunk, worker) -> {
          long factors = scratch.ofWorker(worker, VectorPhilox.padded(channels));
          for (int row = first; row < end; row++) {
            sentences.factors(philox, row, channels, factors);
            for (int c = 0; c < channels; c++) {
              byte kept = (byte) (get(at(factors, c)) != 0f ? 1 : 0);
              putByte(to + (long) row * channels + c, kept);
            }
          }
        });
  }
}
