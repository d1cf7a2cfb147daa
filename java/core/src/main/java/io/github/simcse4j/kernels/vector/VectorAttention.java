package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.addressOrNull;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.put;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.Tensor;

/**
 * Attention of one sentence, view and head to a task, out of the worker's scratch: its products are
 * small matrix products of packed panels, and the L x L scores of one head are all that is ever
 * kept of them.
 */
final class VectorAttention {

  private final WorkerPool pool;
  private final Scratch scratch;
  private final Sentences sentences;

  VectorAttention(WorkerPool pool, Scratch scratch, Sentences sentences) {
    this.pool = pool;
    this.scratch = scratch;
    this.sentences = sentences;
  }

  void forward(PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor out, Tensor lse) {
    sentences.read("attention_forward", batch);
    int hidden = Math.toIntExact(out.extent(1));
    int size = hidden / heads;
    VectorPhilox philox = new VectorPhilox(dropout);
    long qkvAt = address(qkv);
    long outAt = address(out);
    long lseAt = addressOrNull(lse);
    pool.run(
        Math.multiplyExact(batch.embeddings(), heads),
        (index, worker) -> {
          Head head = head(batch, index, heads, size, philox, worker);
          long q = at(qkvAt, head.row() * 3L * hidden + (long) head.number() * size);
          head.scores(q, at(q, hidden), 3 * hidden);
          for (int i = 0; i < head.length(); i++) {
            float logSum = SoftmaxRows.softmax(head.scoresOf(i), head.length(), head.scale());
            if (lseAt != 0) {
              put(at(lseAt, (head.row() + i) * heads + head.number()), logSum);
            }
            head.drop(i, head.scoresOf(i));
          }
          head.weighted(head.scores(), at(q, 2L * hidden), 3 * hidden);
          head.copyProduct(at(outAt, head.row() * hidden + (long) head.number() * size), hidden);
        });
  }

  void backward(
      PackedBatch batch,
      int heads,
      Tensor qkv,
      Tensor out,
      Tensor dOut,
      Dropout dropout,
      Tensor dQkv) {
    sentences.read("attention_backward", batch);
    int hidden = Math.toIntExact(out.extent(1));
    int size = hidden / heads;
    VectorPhilox philox = new VectorPhilox(dropout);
    long qkvAt = address(qkv);
    long outAt = address(out);
    long dOutAt = address(dOut);
    long dQkvAt = address(dQkv);
    pool.run(
        Math.multiplyExact(batch.embeddings(), heads),
        (index, worker) -> {
          Head head = head(batch, index, heads, size, philox, worker);
          long offset = head.row() * hidden + (long) head.number() * size;
          long qkvOffset = head.row() * 3L * hidden + (long) head.number() * size;
          long q = at(qkvAt, qkvOffset);
          long k = at(q, hidden);
          long v = at(k, hidden);
          long dO = at(dOutAt, offset);
          long dQ = at(dQkvAt, qkvOffset);
          head.scores(q, k, 3 * hidden);
          head.gradientScores(dO, hidden, v, 3 * hidden);
          for (int i = 0; i < head.length(); i++) {
            long row = (long) i * hidden;
            float along = SoftmaxRows.dot(at(dO, row), at(at(outAt, offset), row), size);
            head.dropGradient(i, along);
          }
          head.weightedTransposed(head.scores(), dO, hidden);
          head.copyProduct(at(dQ, 2L * hidden), 3 * hidden);
          head.weighted(head.gradients(), k, 3 * hidden);
          head.copyProduct(dQ, 3 * hidden);
          head.weightedTransposed(head.gradients(), q, 3 * hidden);
          head.copyProduct(at(dQ, hidden), 3 * hidden);
        });
  }

  private Head head(
      PackedBatch batch, int index, int heads, int size, VectorPhilox philox, int worker) {
    int embedding = index / heads;
    int sentence = embedding % batch.sentences();
    int view = embedding / batch.sentences();
    int token = sentences.start(sentence);
    int length = sentences.length(sentence);
    return Head.in(
        scratch.ofWorker(worker, Head.scratch(length, size)),
        (long) view * batch.tokens() + token,
        index % heads,
        length,
        size,
        philox,
        sentences.sample(token),
        batch.firstView() + view);
  }
}
