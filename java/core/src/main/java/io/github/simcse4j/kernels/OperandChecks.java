package io.github.simcse4j.kernels;

import static io.github.simcse4j.kernels.Checks.columns;
import static io.github.simcse4j.kernels.Checks.rows;
import static io.github.simcse4j.kernels.Checks.shape;
import static io.github.simcse4j.kernels.Checks.that;
import static io.github.simcse4j.kernels.Kernels.accumulator;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;

/** The checks of arguments that several operations of {@link Kernels} share. */
final class OperandChecks {

  private OperandChecks() {}

  static void norm(String op, LayerNorm norm, DType dtype, long hidden) {
    shape(op, "gamma", norm.gamma(), accumulator(dtype), hidden);
    shape(op, "beta", norm.beta(), accumulator(dtype), hidden);
  }

  static void statistics(String op, RowStatistics statistics, DType dtype, long rows) {
    shape(op, "mean", statistics.mean(), accumulator(dtype), rows);
    shape(op, "rstd", statistics.rstd(), accumulator(dtype), rows);
  }

  static void tables(
      String op, PackedBatch batch, EmbeddingTables tables, DType dtype, long hidden) {
    long positions = rows(op, "tables.position", tables.position());
    that(
        batch.maxLength() <= positions,
        op,
        "a sentence of %d tokens is longer than the %d positions of the model",
        batch.maxLength(),
        positions);
    long vocabulary = rows(op, "tables.word", tables.word());
    shape(op, "tables.word", tables.word(), dtype, vocabulary, hidden);
    shape(op, "tables.position", tables.position(), dtype, positions, hidden);
    long types = rows(op, "tables.type", tables.type());
    that(types >= 1, op, "tables.type has no row for type 0");
    shape(op, "tables.type", tables.type(), dtype, types, hidden);
  }

  static void gradients(String op, EmbeddingTables tables, EmbeddingTables dTables, DType dtype) {
    shape(op, "dTables.word", dTables.word(), dtype, tables.word().shape().extents());
    shape(op, "dTables.position", dTables.position(), dtype, tables.position().shape().extents());
    shape(op, "dTables.type", dTables.type(), dtype, tables.type().shape().extents());
  }

  static void attention(
      String op,
      PackedBatch batch,
      int heads,
      Tensor qkv,
      Tensor out,
      Tensor lse,
      DType dtype,
      long hidden) {
    that(
        heads > 0 && hidden % heads == 0,
        op,
        "%d channels do not split into %d heads",
        hidden,
        heads);
    shape(op, "qkv", qkv, dtype, batch.rows(), 3 * hidden);
    shape(op, "out", out, dtype, batch.rows(), hidden);
    if (lse != null) {
      shape(op, "lse", lse, accumulator(dtype), batch.rows(), heads);
    }
  }

  static void pooling(
      String op,
      PackedBatch batch,
      PoolingMode mode,
      Tensor hidden,
      Tensor pooled,
      Tensor argmax,
      DType dtype) {
    long channels = columns(op, "hidden", hidden);
    shape(op, "hidden", hidden, dtype, batch.rows(), channels);
    DType own = pooled != null && pooled.dtype() == dtype ? dtype : accumulator(dtype);
    shape(op, "pooled", pooled, own, batch.embeddings(), channels);
    that((mode == PoolingMode.MAX) == (argmax != null), op, "argmax goes with MAX, found %s", mode);
    if (argmax != null) {
      shape(op, "argmax", argmax, DType.I32, batch.embeddings(), channels);
    }
  }

  static void contrast(
      String op,
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      DType dtype) {
    long n = rows(op, "queries", pairs.queries());
    long m = rows(op, "keys", pairs.keys());
    shape(op, "keys", pairs.keys(), dtype, m, columns(op, "queries", pairs.queries()));
    shape(op, "targets", pairs.targets(), DType.I32, n);
    shape(op, "lse", statistics.lse(), accumulator(dtype), n);
    shape(op, "queryNorm", statistics.queryNorm(), accumulator(dtype), n);
    shape(op, "keyNorm", statistics.keyNorm(), accumulator(dtype), m);
    if (pairs.queryIds() != null || pairs.keyIds() != null) {
      shape(op, "queryIds", pairs.queryIds(), DType.I64, n);
      shape(op, "keyIds", pairs.keyIds(), DType.I64, m);
    }
    if (contrast.bothDirections()) {
      shape(op, "keyLse", statistics.keyLse(), accumulator(dtype), m);
      that(n <= m, op, "both directions for %d queries need a key for each, found %d", n, m);
    }
    that(
        contrast.ownNegativeBias() == 0f || contrast.ownNegativeOffset() + n <= m,
        op,
        "hard negatives from column %d on for %d queries need more than %d keys",
        contrast.ownNegativeOffset(),
        n,
        m);
  }
}
