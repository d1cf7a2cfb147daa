package io.github.simcse4j.train;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.data.quickstart.QuickstartCorpus;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.model.EncoderConfig;
import io.github.simcse4j.model.ModelContent;
import io.github.simcse4j.model.ModelFolderWriter;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.model.SentenceModels;
import io.github.simcse4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * A whole training that needs nothing: a generated corpus with graded pairs, a small encoder drawn
 * at random, and the recipe {@code quickstart}.
 *
 * @param folder where its files lie
 * @param seed of corpus, encoder and training
 */
public record Quickstart(Path folder, long seed) {

  private static final int SENTENCES = 6400;
  private static final int PAIRS = 1000;
  private static final int HIDDEN = 128;
  private static final int LAYERS = 2;
  private static final int HEADS = 4;
  private static final int POSITIONS = 64;

  /** Writes the corpus and the untrained model. */
  public static Quickstart make(Path folder, long seed, Kernels kernels) throws IOException {
    Quickstart quickstart = new Quickstart(folder, seed);
    ModelFolderWriter.requireWritable(quickstart.start());
    ModelFolderWriter.requireWritable(quickstart.trained());
    QuickstartCorpus corpus = QuickstartCorpus.generate(seed, SENTENCES, PAIRS);
    corpus.write(folder);
    EncoderConfig config = config(corpus.vocabulary().size());
    Pooler pooler = quickstart.config().pooler();
    try (SentenceModel model = SentenceModels.random(config, pooler, kernels, seed)) {
      ModelFolderWriter.create(
          quickstart.start(),
          config,
          corpus.vocabulary(),
          true,
          new ModelContent(SentenceModels.tensors(model), pooler, POSITIONS));
    }
    return quickstart;
  }

  private static EncoderConfig config(int vocabularySize) {
    return new EncoderConfig(
        vocabularySize, HIDDEN, LAYERS, HEADS, 4 * HIDDEN, POSITIONS, 2, 1e-12, 0.9, 0.9, 0, 0.02);
  }

  /** The sentences to learn from. */
  public Path sentences() {
    return folder.resolve(QuickstartCorpus.SENTENCES_FILE);
  }

  /** The graded pairs, as an option of evaluation. */
  public String pairs() {
    return folder.resolve(QuickstartCorpus.PAIRS_FILE) + ":score=0,left=1,right=2,header=yes";
  }

  /** The folder of the untrained model. */
  public Path start() {
    return folder.resolve("start");
  }

  /** The folder of the trained model. */
  public Path trained() {
    return folder.resolve("trained");
  }

  /** The recipe with this seed. */
  public TrainConfig config() {
    return Recipes.of("quickstart").withSeed(seed);
  }

  /** The training, ready to run; {@code config} is {@link #config} or a variation. */
  public Training training(TrainConfig config, Kernels kernels, DType dtype) {
    Training.Files files =
        new Training.Files(
            start(),
            List.of(sentences()),
            Columns.parse("0"),
            null,
            List.of(pairs()),
            trained(),
            0);
    return new Training(files, config, kernels, dtype);
  }
}
