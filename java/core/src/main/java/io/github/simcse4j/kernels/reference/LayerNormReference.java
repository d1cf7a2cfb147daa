package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.Tensor;

/**
 * Layer normalisation, with dropout and residual before it; see {@link LayerNorm} for the formula.
 */
final class LayerNormReference {

  private LayerNormReference() {}

  static void forward(
      PackedBatch batch,
      Tensor x,
      Tensor residual,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    Sentences sentences = Sentences.of("dropout_residual_layer_norm_forward", batch);
    if (residual != null) {
      double[] keep = Masks.hidden(sentences, dropout, (int) x.extent(1));
      double[] branch = Values.of(x);
      double[] sum = Values.of(residual);
      for (int i = 0; i < sum.length; i++) {
        sum[i] += keep[i] * branch[i];
      }
      Values.store(sum, x);
    }
    measure(Values.of(x), norm, statistics);
    replay(x, statistics, norm, out);
  }

  static void replay(Tensor sum, RowStatistics statistics, LayerNorm norm, Tensor out) {
    Values.store(normalise(Values.of(sum), statistics, norm), out);
  }

  static void backward(
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
    Sentences sentences = Sentences.of("dropout_residual_layer_norm_backward", batch);
    double[] keep = Masks.hidden(sentences, dropout, (int) sum.extent(1));
    double[] dSum = gradient(Values.of(dOut), Values.of(sum), statistics, norm, dGamma, dBeta);
    double[] dBranch = new double[dSum.length];
    for (int i = 0; i < dSum.length; i++) {
      dBranch[i] = keep[i] * dSum[i];
    }
    Values.store(dSum, dResidual);
    Values.store(dBranch, dX);
  }

  /** Writes mean and 1 / sqrt(variance + epsilon) of every row of {@code sum} (rows, H). */
  static void measure(double[] sum, LayerNorm norm, RowStatistics statistics) {
    int hidden = (int) norm.gamma().elements();
    for (int row = 0; row < sum.length / hidden; row++) {
      double mean = 0;
      for (int c = 0; c < hidden; c++) {
        mean += sum[row * hidden + c] / hidden;
      }
      double variance = 0;
      for (int c = 0; c < hidden; c++) {
        double distance = sum[row * hidden + c] - mean;
        variance += distance * distance / hidden;
      }
      statistics.mean().set(row, mean);
      statistics.rstd().set(row, 1 / Math.sqrt(variance + norm.epsilon()));
    }
  }

  /** (sum - mean) * rstd * gamma + beta, from the statistics as they are kept. */
  static double[] normalise(double[] sum, RowStatistics statistics, LayerNorm norm) {
    double[] gamma = Values.of(norm.gamma());
    double[] beta = Values.of(norm.beta());
    double[] out = new double[sum.length];
    for (int i = 0; i < out.length; i++) {
      int row = i / gamma.length;
      int c = i % gamma.length;
      double xHat = (sum[i] - statistics.mean().get(row)) * statistics.rstd().get(row);
      out[i] = xHat * gamma[c] + beta[c];
    }
    return out;
  }

  /**
   * d(sum) = rstd (g - mean(g) - xHat mean(g xHat)) with g = dOut gamma; adds to dGamma and dBeta.
   */
  static double[] gradient(
      double[] dOut,
      double[] sum,
      RowStatistics statistics,
      LayerNorm norm,
      Tensor dGamma,
      Tensor dBeta) {
    double[] gamma = Values.of(norm.gamma());
    double[] gammaGradient = Values.of(dGamma);
    double[] betaGradient = Values.of(dBeta);
    int hidden = gamma.length;
    double[] dSum = new double[sum.length];
    double[] xHat = new double[hidden];
    for (int row = 0; row < sum.length / hidden; row++) {
      double mean = statistics.mean().get(row);
      double rstd = statistics.rstd().get(row);
      double meanG = 0;
      double meanGXHat = 0;
      for (int c = 0; c < hidden; c++) {
        double d = dOut[row * hidden + c];
        xHat[c] = (sum[row * hidden + c] - mean) * rstd;
        gammaGradient[c] += d * xHat[c];
        betaGradient[c] += d;
        meanG += d * gamma[c] / hidden;
        meanGXHat += d * gamma[c] * xHat[c] / hidden;
      }
      for (int c = 0; c < hidden; c++) {
        double g = dOut[row * hidden + c] * gamma[c];
        dSum[row * hidden + c] = rstd * (g - meanG - xHat[c] * meanGXHat);
      }
    }
    Values.store(gammaGradient, dGamma);
    Values.store(betaGradient, dBeta);
    return dSum;
  }
}
