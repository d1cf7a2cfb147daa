package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.tensor.Tensor;

/**
 * The contrastive loss with all N x M logits at hand. Through the normalisation, with u = q / |q|:
 * dq = (du - u (u . du)) / |q|; a vector of length 0 has no gradient.
 */
final class SimilarityReference {

  private final Contrast contrast;
  private final int n;
  private final int m;
  private final int hidden;
  private final double[] queryNorm;
  private final double[] keyNorm;
  private final double[] queryUnit;
  private final double[] keyUnit;
  private final int[] targets;
  private final double[] logits;

  SimilarityReference(
      String operation, Tensor queries, Tensor keys, Tensor targets, Contrast contrast) {
    this.contrast = contrast;
    this.n = (int) queries.extent(0);
    this.m = (int) keys.extent(0);
    this.hidden = (int) queries.extent(1);
    this.targets = Values.integers(targets);
    for (int i = 0; i < n; i++) {
      int target = this.targets[i];
      Sentences.require(
          target >= 0 && target < m,
          operation,
          "targets[" + i + "] is " + target + ", and there are " + m + " keys");
    }
    this.queryNorm = lengths(Values.of(queries), n);
    this.keyNorm = lengths(Values.of(keys), m);
    this.queryUnit = units(Values.of(queries), queryNorm);
    this.keyUnit = units(Values.of(keys), keyNorm);
    this.logits = logits();
  }

  void forward(Tensor loss, ContrastStatistics statistics) {
    double[] lse = new double[n];
    double sum = 0;
    for (int i = 0; i < n; i++) {
      lse[i] = Values.logSumExp(logits, i * m, m);
      sum += lse[i] - logits[i * m + targets[i]];
    }
    Values.store(lse, statistics.lse());
    Values.store(queryNorm, statistics.queryNorm());
    Values.store(keyNorm, statistics.keyNorm());
    loss.set(0, sum / n);
  }

  void backward(ContrastStatistics statistics, float lossScale, Tensor dQueries, Tensor dKeys) {
    double[] dQueryUnit = new double[n * hidden];
    double[] dKeyUnit = new double[m * hidden];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < m; j++) {
        double probability = Math.exp(logits[i * m + j] - statistics.lse().get(i));
        double dLogit = (probability - (j == targets[i] ? 1 : 0)) * lossScale / n;
        double dCosine = dLogit / contrast.temperature();
        for (int c = 0; c < hidden; c++) {
          dQueryUnit[i * hidden + c] += dCosine * keyUnit[j * hidden + c];
          dKeyUnit[j * hidden + c] += dCosine * queryUnit[i * hidden + c];
        }
      }
    }
    Values.store(throughNormalisation(dQueryUnit, queryUnit, queryNorm), dQueries);
    Values.store(throughNormalisation(dKeyUnit, keyUnit, keyNorm), dKeys);
  }

  private double[] logits() {
    double[] s = new double[n * m];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < m; j++) {
        double cosine = Values.dot(queryUnit, i * hidden, keyUnit, j * hidden, hidden);
        s[i * m + j] = cosine / contrast.temperature() + contrast.bias(i, j);
      }
    }
    return s;
  }

  private double[] lengths(double[] vectors, int rows) {
    double[] lengths = new double[rows];
    for (int i = 0; i < rows; i++) {
      lengths[i] = Math.sqrt(Values.dot(vectors, i * hidden, vectors, i * hidden, hidden));
    }
    return lengths;
  }

  private double[] units(double[] vectors, double[] lengths) {
    double[] units = new double[vectors.length];
    for (int i = 0; i < units.length; i++) {
      double length = lengths[i / hidden];
      units[i] = length == 0 ? 0 : vectors[i] / length;
    }
    return units;
  }

  private double[] throughNormalisation(double[] dUnit, double[] unit, double[] lengths) {
    double[] gradient = new double[dUnit.length];
    for (int i = 0; i < lengths.length; i++) {
      double along = Values.dot(unit, i * hidden, dUnit, i * hidden, hidden);
      for (int c = i * hidden; c < (i + 1) * hidden; c++) {
        gradient[c] = lengths[i] == 0 ? 0 : (dUnit[c] - unit[c] * along) / lengths[i];
      }
    }
    return gradient;
  }
}
