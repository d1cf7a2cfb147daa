package io.github.simcse4j.train;

import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.BatchSettings;
import io.github.simcse4j.data.Columns;
import io.github.simcse4j.data.PreparedStore;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.data.TokenStores;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.vector.VectorKernels;
import io.github.simcse4j.model.EncoderConfig;
import io.github.simcse4j.model.ModelContent;
import io.github.simcse4j.model.ModelFolder;
import io.github.simcse4j.model.ModelFolderWriter;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.model.SentenceModels;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Workspace;
import io.github.simcse4j.tokenizer.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * A model of 32 channels and two layers that drops a tenth, and texts of sentences of 7 to 12
 * tokens, so that no chunk of the size of the longest holds two.
 *
 * @param folder where they lie
 */
record SmallTraining(Path folder) {

  static final int LONGEST = 12;

  private static final int SHORTEST = 7;
  private static final int ROWS = 24;

  static SmallTraining make(Path folder) throws IOException {
    return make(folder, 4);
  }

  static SmallTraining make(Path folder, int heads) throws IOException {
    EncoderConfig config = new EncoderConfig(31, 32, 2, heads, 64, 16, 2, 1e-12, 0.9, 0.9, 0, 0.2);
    List<String> vocabulary =
        new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
    IntStream.rangeClosed('a', 'z').forEach(c -> vocabulary.add(Character.toString(c)));
    try (Kernels kernels = new VectorKernels(1);
        SentenceModel model = SentenceModels.random(config, Pooler.AVG, kernels, 3)) {
      ModelContent content = new ModelContent(SentenceModels.tensors(model), Pooler.AVG, 16);
      ModelFolderWriter.create(folder.resolve("model"), config, vocabulary, true, content);
    }
    SmallTraining small = new SmallTraining(folder);
    Random random = new Random(5);
    for (int columns = 1; columns <= 3; columns++) {
      List<String> lines = new ArrayList<>();
      for (int row = 0; row < ROWS; row++) {
        List<String> cells = new ArrayList<>();
        for (int column = 0; column < columns; column++) {
          cells.add(sentence(random));
        }
        lines.add(String.join("\t", cells));
      }
      Files.write(small.text(columns), lines);
    }
    return small;
  }

  /** Memory for the state of one step and its numbers. */
  static Workspace state(SentenceModel model) {
    DType dtype = Kernels.accumulator(model.dtype());
    long bytes = AdamW.bytes(model.layout(), dtype) + StepNumbers.bytes(dtype, 1, 1);
    return new Workspace(model.kernels().allocate(bytes));
  }

  private static String sentence(Random random) {
    int letters = random.nextInt(SHORTEST, LONGEST + 1) - 2;
    List<String> words = new ArrayList<>();
    for (int i = 0; i < letters; i++) {
      words.add(Character.toString('a' + random.nextInt(26)));
    }
    return String.join(" ", words);
  }

  Path model() {
    return folder.resolve("model");
  }

  /** Sentences, pairs or triples. */
  Path text(int columns) {
    return folder.resolve("text" + columns + (columns == 1 ? ".txt" : ".tsv"));
  }

  PreparedStore store(int columns) {
    return TokenStores.prepare(
        List.of(text(columns)), Columns.all(), Tokenizers.load(model()), 16, null);
  }

  SentenceModel model(Pooler pooler, Kernels kernels, DType dtype) {
    try (ModelFolder opened = ModelFolder.open(model())) {
      return SentenceModels.start(opened, opened.config(), pooler, kernels, dtype, 7);
    }
  }

  static BatchSampler sampler(TokenStore store, int batchSize) {
    return new BatchSampler(store, new BatchSettings(batchSize, 11, true, true, true));
  }

  /** A few steps on {@link #text}. */
  static TrainConfig config(int batchSize, int steps, Pooler pooler) {
    return new TrainConfig(
        batchSize,
        1,
        1,
        steps,
        1e-3,
        0,
        0.01,
        1,
        16,
        0.05f,
        0.5f,
        ContrastiveOptions.PUBLISHED,
        pooler,
        false,
        0.9,
        0,
        true,
        true,
        true,
        9);
  }
}
