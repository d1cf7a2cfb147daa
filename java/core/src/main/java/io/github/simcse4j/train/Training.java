package io.github.simcse4j.train;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.data.PrepareSummary;
import io.github.simcse4j.data.PreparedStore;
import io.github.simcse4j.data.TokenStores;
import io.github.simcse4j.encode.SentenceEncoder;
import io.github.simcse4j.eval.ScoredPairs;
import io.github.simcse4j.eval.StsTasks;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.model.EncoderConfig;
import io.github.simcse4j.model.ModelFolder;
import io.github.simcse4j.model.ModelFolderWriter;
import io.github.simcse4j.model.ModelMemory;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.model.SentenceModels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tokenizer.Tokenizer;
import io.github.simcse4j.tokenizer.Tokenizers;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/**
 * A training from files to files: a model folder and sentences in, a model folder out. Opening
 * checks everything that can be checked before the work begins.
 */
public final class Training implements AutoCloseable {

  /**
   * What is trained, on what.
   *
   * @param model folder of the model to start from
   * @param train files of sentences, pairs or triples
   * @param columns which of their columns
   * @param tokens the token store to write and use, or null for one beside the first file
   * @param dev what {@link StsTasks#read} takes; may be empty
   * @param out folder of the trained model
   * @param evalMaxLength tokens after which sentences are cut in evaluation and by the trained
   *     model; 0 for what the model allows
   */
  public record Files(
      Path model,
      List<Path> train,
      Columns columns,
      Path tokens,
      List<String> dev,
      Path out,
      int evalMaxLength) {}

  private final Deque<AutoCloseable> opened = new ArrayDeque<>();
  private final PreparedStore prepared;
  private final SentenceEncoder encoder;
  private final Trainer trainer;

  /** Opens everything, with as much memory as there is. */
  public Training(Files files, TrainConfig config, Kernels kernels, DType dtype) {
    this(files, config, MemorySettings.AUTO, kernels, dtype);
  }

  /**
   * Opens everything.
   *
   * @param kernels stay the caller's
   * @param dtype what is computed in: F32, or BF16 with F32 sums and parameters
   * @throws InputException at any fault in the files or the settings
   */
  public Training(
      Files files, TrainConfig config, MemorySettings memory, Kernels kernels, DType dtype) {
    try {
      MemoryBudget budget = MemoryBudget.of(memory, kernels);
      ModelFolderWriter.requireWritable(files.out());
      ModelFolder folder = open(ModelFolder.open(files.model()));
      Tokenizer tokenizer = Tokenizers.load(folder.tokenizerFolder());
      folder.requireVocabulary(tokenizer.vocabularySize());
      folder.requireLength("--max-length", config.maxLength());
      folder.requireLength("--eval-max-length", files.evalMaxLength());
      List<ScoredPairs> dev = StsTasks.read(files.dev());
      EncoderConfig encoderConfig = folder.config();
      if (config.keepProb() != TrainConfig.MODEL_KEEP_PROB) {
        encoderConfig = encoderConfig.withKeepProb(config.keepProb(), config.keepProb());
      }
      ModelMemory size = ModelMemory.of(encoderConfig, config.pooler(), dtype, kernels.traits());
      new MemoryPlanner(size, budget).requireModelFits();
      SentenceModel model =
          open(
              SentenceModels.start(
                  folder, encoderConfig, config.pooler(), kernels, dtype, config.seed()));
      this.prepared =
          open(
              TokenStores.prepare(
                  files.train(), files.columns(), tokenizer, config.maxLength(), files.tokens()));
      boolean headAfter = config.pooler() == Pooler.CLS && !config.mlpOnlyTrain();
      int maxLength = evalLength(files, folder);
      this.encoder = open(new SentenceEncoder(model, tokenizer, maxLength, headAfter));
      Pooler poolerAfter =
          config.pooler() == Pooler.CLS && !headAfter ? Pooler.CLS_BEFORE_POOLER : config.pooler();
      FolderCheckpoint checkpoint =
          new FolderCheckpoint(model, encoder, dev, folder, poolerAfter, maxLength, files.out());
      this.trainer = open(new Trainer(config, model, prepared.store(), checkpoint, memory, budget));
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private static int evalLength(Files files, ModelFolder folder) {
    int positions = folder.config().maxPositions();
    int own = Math.min(folder.maxLength().orElse(positions), positions);
    return files.evalMaxLength() > 0 ? files.evalMaxLength() : own;
  }

  /** What preparing the sentences came to. */
  public PrepareSummary prepared() {
    return prepared.summary();
  }

  /** The model as it is now, to encode with. */
  public SentenceEncoder encoder() {
    return encoder;
  }

  /** Trains to the end and keeps the best weights, or the last where there are no dev pairs. */
  public TrainSummary run(List<TrainListener> listeners) {
    return trainer.run(listeners);
  }

  private <T extends AutoCloseable> T open(T resource) {
    opened.push(resource);
    return resource;
  }

  @Override
  public void close() {
    while (!opened.isEmpty()) {
      try {
        opened.pop().close();
      } catch (RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException("a training could not be closed", e);
      }
    }
  }
}
