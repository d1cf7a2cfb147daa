package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.PoolingMode;
import io.github.simcse4j.tensor.Tensor;

/** One vector per sentence and view from the vectors of its tokens. */
final class PoolingReference {

  private PoolingReference() {}

  static void forward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor hidden,
      float weight,
      boolean accumulate,
      Tensor out,
      Tensor argmax) {
    Sentences sentences = Sentences.of("pooling_forward", batch);
    int channels = (int) hidden.extent(1);
    for (int v = 0; v < sentences.views(); v++) {
      for (int b = 0; b < sentences.count(); b++) {
        int firstRow = sentences.row(v, b, 0);
        int length = sentences.length()[b];
        for (int c = 0; c < channels; c++) {
          long i = (long) sentences.embedding(v, b) * channels + c;
          double pooled =
              switch (mode) {
                case CLS -> hidden.get((long) firstRow * channels + c);
                case MEAN -> mean(hidden, firstRow, length, c);
                case MAX -> {
                  int row = rowOfMaximum(hidden, firstRow, length, c);
                  argmax.set(i, row);
                  yield hidden.get((long) row * channels + c);
                }
              };
          out.set(i, (accumulate ? out.get(i) : 0) + weight * pooled);
        }
      }
    }
  }

  static void backward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor dOut,
      float weight,
      Tensor argmax,
      Tensor dHidden) {
    Sentences sentences = Sentences.of("pooling_backward", batch);
    int channels = (int) dHidden.extent(1);
    for (int v = 0; v < sentences.views(); v++) {
      for (int b = 0; b < sentences.count(); b++) {
        int firstRow = sentences.row(v, b, 0);
        int length = sentences.length()[b];
        for (int c = 0; c < channels; c++) {
          long i = (long) sentences.embedding(v, b) * channels + c;
          double gradient = weight * dOut.get(i);
          switch (mode) {
            case CLS -> add(dHidden, firstRow, c, gradient);
            case MEAN -> {
              for (int p = 0; p < length; p++) {
                add(dHidden, firstRow + p, c, gradient / length);
              }
            }
            case MAX -> add(dHidden, (int) argmax.get(i), c, gradient);
          }
        }
      }
    }
  }

  private static double mean(Tensor hidden, int firstRow, int length, int channel) {
    double sum = 0;
    for (int p = 0; p < length; p++) {
      sum += hidden.get((firstRow + p) * hidden.extent(1) + channel);
    }
    return sum / length;
  }

  /** The first of the rows with the largest value of the channel. */
  private static int rowOfMaximum(Tensor hidden, int firstRow, int length, int channel) {
    long channels = hidden.extent(1);
    int best = firstRow;
    for (int row = firstRow + 1; row < firstRow + length; row++) {
      if (hidden.get(row * channels + channel) > hidden.get(best * channels + channel)) {
        best = row;
      }
    }
    return best;
  }

  private static void add(Tensor tensor, int row, int channel, double value) {
    long i = row * tensor.extent(1) + channel;
    tensor.set(i, tensor.get(i) + value);
  }
}
