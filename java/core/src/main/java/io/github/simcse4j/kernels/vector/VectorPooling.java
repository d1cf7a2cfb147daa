package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.addressOrNull;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.get;
import static io.github.simcse4j.kernels.vector.Floats.getInt;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.put;
import static io.github.simcse4j.kernels.vector.Floats.store;
import static jdk.incubator.vector.VectorOperators.GT;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.PoolingMode;
import io.github.simcse4j.tensor.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/** One vector per sentence and view; a task has one of them, whose rows no other task has. */
final class VectorPooling {

  private static final VectorSpecies<Integer> INTS =
      VectorSpecies.of(int.class, SPECIES.vectorShape());

  private static final int GRAIN = 8;

  private final WorkerPool pool;
  private final Sentences sentences;

  VectorPooling(WorkerPool pool, Sentences sentences) {
    this.pool = pool;
    this.sentences = sentences;
  }

  void forward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor hidden,
      float weight,
      boolean accumulate,
      Tensor out,
      Tensor argmax) {
    sentences.read("pooling_forward", batch);
    int channels = Math.toIntExact(hidden.extent(1));
    long hiddenAt = address(hidden);
    long outAt = address(out);
    long argmaxAt = addressOrNull(argmax);
    pool.run(
        batch.embeddings(),
        GRAIN,
        (index, worker) -> {
          int row = firstRow(batch, index);
          int length = sentences.length(index % batch.sentences());
          long from = at(hiddenAt, (long) row * channels);
          long pooled = at(outAt, (long) index * channels);
          switch (mode) {
            case CLS -> sumRows(from, 1, channels, weight, accumulate, pooled);
            case MEAN -> sumRows(from, length, channels, weight / length, accumulate, pooled);
            case MAX ->
                maximum(
                    from,
                    row,
                    length,
                    channels,
                    weight,
                    accumulate,
                    pooled,
                    at(argmaxAt, (long) index * channels));
          }
        });
  }

  void backward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor dOut,
      float weight,
      Tensor argmax,
      Tensor dHidden) {
    sentences.read("pooling_backward", batch);
    int channels = Math.toIntExact(dHidden.extent(1));
    long dOutAt = address(dOut);
    long dHiddenAt = address(dHidden);
    long argmaxAt = addressOrNull(argmax);
    pool.run(
        batch.embeddings(),
        GRAIN,
        (index, worker) -> {
          int row = firstRow(batch, index);
          int length = sentences.length(index % batch.sentences());
          long d = at(dOutAt, (long) index * channels);
          long to = at(dHiddenAt, (long) row * channels);
          switch (mode) {
            case CLS -> addToRows(d, weight, 1, channels, to);
            case MEAN -> addToRows(d, weight / length, length, channels, to);
            case MAX ->
                addToMaxima(d, weight, at(argmaxAt, (long) index * channels), channels, dHiddenAt);
          }
        });
  }

  private int firstRow(PackedBatch batch, int index) {
    int view = index / batch.sentences();
    return view * batch.tokens() + sentences.start(index % batch.sentences());
  }

  private static void sumRows(
      long rows, int count, int channels, float weight, boolean accumulate, long out) {
    for (int c = 0; c < channels; c += LANES) {
      FloatVector sum = load(rows, c, channels);
      for (int row = 1; row < count; row++) {
        sum = sum.add(load(at(rows, (long) row * channels), c, channels));
      }
      sum = sum.mul(weight);
      if (accumulate) {
        sum = sum.add(load(out, c, channels));
      }
      store(sum, out, c, channels);
    }
  }

  private static void maximum(
      long rows,
      int firstRow,
      int count,
      int channels,
      float weight,
      boolean accumulate,
      long out,
      long argmax) {
    for (int c = 0; c < channels; c += LANES) {
      FloatVector best = load(rows, c, channels);
      IntVector where = IntVector.broadcast(INTS, firstRow);
      for (int row = 1; row < count; row++) {
        FloatVector value = load(at(rows, (long) row * channels), c, channels);
        VectorMask<Float> larger = value.compare(GT, best);
        best = best.blend(value, larger);
        where = where.blend(firstRow + row, larger.cast(INTS));
      }
      store(where.reinterpretAsFloats(), argmax, c, channels);
      FloatVector pooled = best.mul(weight);
      if (accumulate) {
        pooled = pooled.add(load(out, c, channels));
      }
      store(pooled, out, c, channels);
    }
  }

  private static void addToRows(long d, float weight, int count, int channels, long rows) {
    for (int row = 0; row < count; row++) {
      long to = at(rows, (long) row * channels);
      for (int c = 0; c < channels; c += LANES) {
        FloatVector added = load(d, c, channels).fma(broadcast(weight), load(to, c, channels));
        store(added, to, c, channels);
      }
    }
  }

  private static FloatVector broadcast(float value) {
    return FloatVector.broadcast(SPECIES, value);
  }

  private static void addToMaxima(long d, float weight, long argmax, int channels, long dHidden) {
    for (int c = 0; c < channels; c++) {
      long to = at(dHidden, (long) getInt(argmax + 4L * c) * channels + c);
      put(to, get(to) + weight * get(at(d, c)));
    }
  }
}
