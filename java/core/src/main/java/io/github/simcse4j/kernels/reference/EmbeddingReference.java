package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.EmbeddingTables;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;

/** BERT's input: the sum of three table rows per token, normalised, with dropout per view. */
final class EmbeddingReference {

  private EmbeddingReference() {}

  static void forward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    String operation = "embedding_forward";
    Sentences sentences = Sentences.of(operation, batch);
    double[] sum = lookUp(tables, tokenIds(operation, batch, sentences, tables), sentences);
    LayerNormReference.measure(sum, norm, statistics);
    double[] normalised = LayerNormReference.normalise(sum, statistics, norm);
    double[] values = Masks.hidden(sentences, dropout, (int) out.extent(1));
    for (int i = 0; i < values.length; i++) {
      values[i] *= normalised[i % normalised.length];
    }
    Values.store(values, out);
  }

  static void backward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      RowStatistics statistics,
      Dropout dropout,
      Tensor dOut,
      EmbeddingTables dTables,
      Tensor dGamma,
      Tensor dBeta) {
    String operation = "embedding_backward";
    Sentences sentences = Sentences.of(operation, batch);
    int hidden = (int) dOut.extent(1);
    int[] ids = tokenIds(operation, batch, sentences, tables);
    double[] sum = lookUp(tables, ids, sentences);
    double[] keep = Masks.hidden(sentences, dropout, hidden);
    double[] upstream = Values.of(dOut);
    double[] dNormalised = new double[sum.length];
    for (int i = 0; i < upstream.length; i++) {
      dNormalised[i % dNormalised.length] += keep[i] * upstream[i];
    }
    double[] dSum = LayerNormReference.gradient(dNormalised, sum, statistics, norm, dGamma, dBeta);
    for (int b = 0; b < sentences.count(); b++) {
      for (int p = 0; p < sentences.length()[b]; p++) {
        int token = sentences.first()[b] + p;
        addRow(dSum, token, dTables.word(), ids[token], hidden);
        addRow(dSum, token, dTables.position(), p, hidden);
        addRow(dSum, token, dTables.type(), 0, hidden);
      }
    }
  }

  /** The ids of the batch in packed order (T), each in the vocabulary. */
  private static int[] tokenIds(
      String operation, PackedBatch batch, Sentences sentences, EmbeddingTables tables) {
    long vocabulary = tables.word().extent(0);
    int[] ids = new int[batch.tokens()];
    for (int b = 0; b < sentences.count(); b++) {
      int length = sentences.length()[b];
      long start = (long) batch.starts().get(b);
      Sentences.require(
          start >= 0 && start <= batch.ids().elements() - length,
          operation,
          "starts["
              + b
              + "] is "
              + start
              + ", and "
              + length
              + " tokens from there on are not in the "
              + batch.ids().elements()
              + " ids");
      for (int p = 0; p < length; p++) {
        int id = (int) batch.ids().get(start + p);
        Sentences.require(
            id >= 0 && id < vocabulary,
            operation,
            "ids[" + (start + p) + "] is " + id + ", outside the vocabulary of " + vocabulary);
        ids[sentences.first()[b] + p] = id;
      }
    }
    return ids;
  }

  /** word[id] + position[p] + type[0] of every token (T, H). */
  private static double[] lookUp(EmbeddingTables tables, int[] ids, Sentences sentences) {
    int hidden = (int) tables.word().extent(1);
    double[] sum = new double[ids.length * hidden];
    DType kept = Kernels.accumulator(tables.word().dtype());
    for (int b = 0; b < sentences.count(); b++) {
      for (int p = 0; p < sentences.length()[b]; p++) {
        int token = sentences.first()[b] + p;
        for (int c = 0; c < hidden; c++) {
          double value =
              tables.word().get((long) ids[token] * hidden + c)
                  + tables.position().get((long) p * hidden + c)
                  + tables.type().get(c);
          // The statistics are kept in this type: they must belong to the sum they are taken from.
          sum[token * hidden + c] = Values.rounded(value, kept);
        }
      }
    }
    return sum;
  }

  private static void addRow(double[] rows, int row, Tensor table, long tableRow, int hidden) {
    for (int c = 0; c < hidden; c++) {
      long i = tableRow * hidden + c;
      table.set(i, table.get(i) + rows[row * hidden + c]);
    }
  }
}
