package io.github.simcse4j.kernels.vector;

/** Vectors summed chunk by chunk and then over the chunks in order, so that the sums repeat. */
final class ChunkSums {

  private static final int STRIP = 128;

  private final long partials;
  private final long stride;
  private final int chunks;
  private final int vectors;
  private final int length;

  /** Partial sums of {@code vectors} vectors in the shared scratch, which they take whole. */
  ChunkSums(Scratch scratch, int chunks, int vectors, int length) {
    this.chunks = chunks;
    this.vectors = vectors;
    this.length = length;
    this.stride = Scratch.aligned(length);
    this.partials = scratch.shared(chunks * vectors * stride);
  }

  /** Where a chunk sums one of the vectors. */
  long at(int chunk, int vector) {
    return Floats.at(partials, ((long) chunk * vectors + vector) * stride);
  }

  void clear(int chunk) {
    Floats.zero(at(chunk, 0), vectors * stride);
  }

  /** Adds the sums to one total for each vector. */
  void addTo(WorkerPool pool, long... totals) {
    int strips = Math.ceilDiv(length, STRIP);
    int tasks = strips * vectors;
    pool.run(
        tasks,
        (long) chunks * vectors * length < RowChunks.SERIAL ? tasks : 1,
        (index, worker) -> {
          int vector = index / strips;
          int from = index % strips * STRIP;
          int count = Math.min(STRIP, length - from);
          for (int chunk = 0; chunk < chunks; chunk++) {
            NormRows.add(
                Floats.at(at(chunk, vector), from), Floats.at(totals[vector], from), count);
          }
        });
  }
}
