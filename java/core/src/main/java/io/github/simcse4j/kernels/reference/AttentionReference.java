package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.Tensor;

/**
 * Attention of every sentence and head apart, forward and backward (Dao 2023, algorithms 1 and 2,
 * without the tiles).
 */
final class AttentionReference {

  private final Sentences sentences;
  private final int heads;
  private final int headSize;
  private final int hidden;
  private final double[] qkv;
  private final Dropout dropout;

  AttentionReference(String operation, PackedBatch batch, int heads, Tensor qkv, Dropout dropout) {
    this.sentences = Sentences.of(operation, batch);
    this.heads = heads;
    this.hidden = (int) qkv.extent(1) / 3;
    this.headSize = hidden / heads;
    this.qkv = Values.of(qkv);
    this.dropout = dropout;
  }

  /** What is done with one query of one head. */
  private interface QueryStep {

    /**
     * @param firstRow row of the sentence's first token
     * @param query position of the query in its sentence
     * @param keep dropout factors, one per key
     */
    void run(int firstRow, int query, int head, double[] keep);
  }

  void forward(Tensor out, Tensor lse) {
    double[] result = new double[qkv.length / 3];
    double[] logSums = new double[result.length / headSize];
    forEachQuery((firstRow, query, head, keep) -> {
      int row = firstRow + query;
      double[] score = scores(firstRow, query, head, keep.length);
      double logSum = Values.logSumExp(score, 0, score.length);
      logSums[row * heads + head] = logSum;
      for (int j = 0; j < score.length; j++) {
        double weight = keep[j] * Math.exp(score[j] - logSum);
        for (int d = 0; d < headSize; d++) {
          result[row * hidden + head * headSize + d] += weight * qkv[value(firstRow + j, head) + d];
        }
      }
    });
    Values.store(result, out);
    if (lse != null) {
      Values.store(logSums, lse);
    }
  }

  void backward(Tensor out, Tensor lse, Tensor dOut, Tensor dQkv) {
    double[] result = Values.of(out);
    double[] logSums = Values.of(lse);
    double[] upstream = Values.of(dOut);
    double[] gradient = new double[qkv.length];
    forEachQuery((firstRow, query, head, keep) -> {
      int row = firstRow + query;
      int channel = row * hidden + head * headSize;
      double[] score = scores(firstRow, query, head, keep.length);
      double delta = Values.dot(upstream, channel, result, channel, headSize);
      for (int j = 0; j < score.length; j++) {
        int key = key(firstRow + j, head);
        int value = value(firstRow + j, head);
        double weight = Math.exp(score[j] - logSums[row * heads + head]);
        double dWeight = keep[j] * Values.dot(upstream, channel, qkv, value, headSize);
        double dScore = weight * (dWeight - delta) / Math.sqrt(headSize);
        for (int d = 0; d < headSize; d++) {
          gradient[query(row, head) + d] += dScore * qkv[key + d];
          gradient[key + d] += dScore * qkv[query(row, head) + d];
          gradient[value + d] += weight * keep[j] * upstream[channel + d];
        }
      }
    });
    Values.store(gradient, dQkv);
  }

  private void forEachQuery(QueryStep step) {
    for (int v = 0; v < sentences.views(); v++) {
      for (int b = 0; b < sentences.count(); b++) {
        int length = sentences.length()[b];
        for (int head = 0; head < heads; head++) {
          for (int query = 0; query < length; query++) {
            double[] keep =
                Masks.factors(
                    dropout,
                    length,
                    query | head << 16,
                    sentences.sample()[b],
                    sentences.firstView() + v);
            step.run(sentences.row(v, b, 0), query, head, keep);
          }
        }
      }
    }
  }

  /** q k^T / sqrt D of one query with every key of its sentence. */
  private double[] scores(int firstRow, int query, int head, int keys) {
    double[] score = new double[keys];
    for (int j = 0; j < keys; j++) {
      score[j] =
          Values.dot(qkv, query(firstRow + query, head), qkv, key(firstRow + j, head), headSize)
              / Math.sqrt(headSize);
    }
    return score;
  }

  private int query(int row, int head) {
    return row * 3 * hidden + head * headSize;
  }

  private int key(int row, int head) {
    return query(row, head) + hidden;
  }

  private int value(int row, int head) {
    return query(row, head) + 2 * hidden;
  }
}
