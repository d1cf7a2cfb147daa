package io.github.simcse4j.cli;

import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.model.EncoderConfig;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.train.TrainConfig;

/**
 * The matrix products that a step needs, on average over the first batches of the first epoch.
 *
 * @param rows tokens encoded, every view counted
 * @param flops two for each multiplication with its addition, forward and backward
 */
record TrainingWork(long rows, double flops) {

  /**
   * Counts each product once: a matrix of a layer forward, and backward for its input and for
   * itself; attention's two products forward and four backward; the loss as 8 N M H.
   */
  static TrainingWork of(SentenceModel model, TokenStore store, BatchSampler sampler, int batches) {
    long rows = 0;
    double flops = 0;
    for (int i = 0; i < batches; i++) {
      TrainingWork work = ofBatch(model, store, sampler, i);
      rows += work.rows;
      flops += work.flops;
    }
    return new TrainingWork(rows / batches, flops / batches);
  }

  private static TrainingWork ofBatch(
      SentenceModel model, TokenStore store, BatchSampler sampler, int batch) {
    long[] groups = new long[sampler.mostGroups()];
    int count = sampler.batch(0, batch, groups);
    int columns = store.columns();
    int views = TrainConfig.views(columns);
    long tokens = 0;
    double squares = 0;
    for (int i = 0; i < count; i++) {
      for (int column = 0; column < columns; column++) {
        long length = store.length(groups[i] * columns + column);
        tokens += length;
        squares += (double) length * length;
      }
    }
    EncoderConfig config = model.config();
    double hidden = config.hiddenSize();
    double layer = 4 * hidden * hidden + 2 * hidden * config.intermediateSize();
    long rows = views * tokens;
    double embeddings = (double) views * columns * count;
    double head = model.pooler() == Pooler.CLS ? 6 * hidden * hidden * embeddings : 0;
    double encoder = config.layers() * (6 * layer * rows + 12 * views * squares * hidden);
    double loss = 8.0 * count * (embeddings - count) * hidden;
    return new TrainingWork(rows, encoder + head + loss);
  }
}
