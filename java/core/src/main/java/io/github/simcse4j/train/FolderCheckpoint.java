package io.github.simcse4j.train;

import io.github.simcse4j.encode.SentenceEncoder;
import io.github.simcse4j.eval.Evaluation;
import io.github.simcse4j.eval.ScoredPairs;
import io.github.simcse4j.model.ModelFolder;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.model.SentenceModels;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;

/** Scores a model on dev pairs and keeps it as a model folder. */
final class FolderCheckpoint implements Trainer.Checkpoint {

  private final SentenceModel model;
  private final SentenceEncoder encoder;
  private final List<ScoredPairs> dev;
  private final ModelFolder source;
  private final Pooler pooler;
  private final int maxLength;
  private final Path out;

  /**
   * @param encoder over {@code model}, as it is used after training
   * @param dev the pairs to choose by; may be empty
   * @param source the folder that the model came from
   * @param pooler how the written model pools
   * @param maxLength tokens after which the written model cuts a sentence
   * @param out where to write
   */
  FolderCheckpoint(
      SentenceModel model,
      SentenceEncoder encoder,
      List<ScoredPairs> dev,
      ModelFolder source,
      Pooler pooler,
      int maxLength,
      Path out) {
    this.model = model;
    this.encoder = encoder;
    this.dev = dev;
    this.source = source;
    this.pooler = pooler;
    this.maxLength = maxLength;
    this.out = out;
  }

  @Override
  public boolean hasDev() {
    return !dev.isEmpty();
  }

  @Override
  public double score() {
    return dev.stream()
        .mapToDouble(task -> Evaluation.spearman(task, encoder::encode))
        .average()
        .orElse(Double.NaN);
  }

  @Override
  public void keep() {
    try {
      SentenceModels.save(model, out, source, pooler, maxLength);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
