package io.github.simcse4j.encode;

import io.github.simcse4j.data.TokenBatch;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.BatchStage;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.model.BatchDimensions;
import io.github.simcse4j.model.ForwardPass;
import io.github.simcse4j.model.ModelFolder;
import io.github.simcse4j.model.PassMode;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.model.SentenceModels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import io.github.simcse4j.tokenizer.Tokenizer;
import io.github.simcse4j.tokenizer.Tokenizers;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;

/**
 * Turns sentences into vectors with a trained model. Sentences of any length are packed side by
 * side without pads, in passes of some thousand tokens; the vector of a sentence does not depend on
 * its neighbours. One thread at a time.
 */
public final class SentenceEncoder implements AutoCloseable {

  /**
   * Enough rows to amortise packing the weights, few enough for activations to stay near the cores.
   */
  private static final int TOKENS_PER_PASS = 2048;

  /** Enough rows to fill a device between two results that are asked for. */
  private static final int TOKENS_PER_DEVICE_PASS = 16384;

  private final SentenceModel model;
  private final Tokenizer tokenizer;
  private final int maxLength;
  private final boolean head;
  private final TokenBatch batch;
  private final BatchLimits limits;
  private final BatchDimensions largest;
  private Workspace workspace;
  private BatchStage stage;
  private final Tensor vectors;
  private final boolean normalizes;
  private final boolean ownsModel;

  /**
   * @param model stays the caller's, and may be trained between calls
   * @param maxLength tokens after which a sentence is cut
   * @param head whether the linear layer behind the pooler {@code cls} is used
   */
  public SentenceEncoder(SentenceModel model, Tokenizer tokenizer, int maxLength, boolean head) {
    this(model, tokenizer, maxLength, head, false, false);
  }

  private SentenceEncoder(
      SentenceModel model,
      Tokenizer tokenizer,
      int maxLength,
      boolean head,
      boolean normalizes,
      boolean ownsModel) {
    this.normalizes = normalizes;
    this.ownsModel = ownsModel;
    this.model = model;
    this.tokenizer = tokenizer;
    this.maxLength = Math.min(maxLength, model.config().maxPositions());
    this.head = head;
    boolean device = model.kernels().traits().runsAhead();
    int pass = device ? TOKENS_PER_DEVICE_PASS : TOKENS_PER_PASS;
    int tokens = Math.max(pass, this.maxLength);
    // A sentence has at least the two special tokens.
    int sentences = Math.max(1, tokens / 2);
    int vocabulary = model.config().vocabularySize();
    this.limits = new BatchLimits(1, sentences, tokens, vocabulary);
    this.batch = new TokenBatch(limits);
    this.largest = new BatchDimensions(tokens, sentences, 1);
    this.vectors = Tensor.host(DType.F32, sentences, model.dimension());
    if (ownsModel) {
      // Nobody trains it: its weights stay as they are.
      model.holdWeights();
    }
  }

  /**
   * The encoder of a model folder. It closes the model with itself, but not the kernels.
   *
   * @param folder in the layout of Hugging Face or sentence-transformers
   * @param pooler instead of the folder's own, or null; a folder that names none is pooled by
   *     {@code avg}, as sentence-transformers does
   * @param maxLength instead of the folder's own, or 0
   * @throws InputException at any fault in the folder, and where the model has not so many
   *     positions
   */
  public static SentenceEncoder load(Path folder, Pooler pooler, int maxLength, Kernels kernels) {
    return load(folder, pooler, maxLength, kernels, DType.F32);
  }

  /**
   * The same.
   *
   * @param dtype what is computed in: F32 or BF16; the vectors are F32 always
   */
  public static SentenceEncoder load(
      Path folder, Pooler pooler, int maxLength, Kernels kernels, DType dtype) {
    try (ModelFolder opened = ModelFolder.open(folder)) {
      Tokenizer tokenizer = Tokenizers.load(opened.tokenizerFolder());
      opened.requireVocabulary(tokenizer.vocabularySize());
      opened.requireLength("--max-length", maxLength);
      Pooler chosen = pooler != null ? pooler : opened.pooler().orElse(Pooler.AVG);
      SentenceModel model = SentenceModels.load(opened, chosen, kernels, dtype);
      int length = maxLength > 0 ? maxLength : opened.maxLength().orElse(Integer.MAX_VALUE);
      return new SentenceEncoder(model, tokenizer, length, true, opened.normalizes(), true);
    }
  }

  /** How sentences are pooled. */
  public Pooler pooler() {
    return model.pooler();
  }

  /** Channels of a vector. */
  public int dimension() {
    return model.dimension();
  }

  /**
   * The vectors of the sentences, one row each (n, dimension), as the model gives them.
   *
   * @throws InputException where the model gives NaN or infinity
   */
  public float[] encode(List<String> sentences) {
    float[] out = new float[Math.multiplyExact(sentences.size(), dimension())];
    int done = 0;
    batch.clear();
    for (String sentence : sentences) {
      int[] ids = tokenizer.encode(sentence, maxLength);
      if (!batch.fits(ids.length)) {
        done = encodeBatch(out, done);
      }
      batch.add(ids, 0, ids.length, 0);
    }
    encodeBatch(out, done);
    if (normalizes) {
      normalize(out);
    }
    return out;
  }

  private void normalize(float[] rows) {
    int width = dimension();
    for (int row = 0; row < rows.length; row += width) {
      double squares = 0;
      for (int i = row; i < row + width; i++) {
        squares += (double) rows[i] * rows[i];
      }
      double length = Math.max(Math.sqrt(squares), 1e-12);
      for (int i = row; i < row + width; i++) {
        rows[i] = (float) (rows[i] / length);
      }
    }
  }

  /**
   * Encodes what was gathered into the rows from {@code done} on; returns how many are done then.
   */
  private int encodeBatch(float[] out, int done) {
    int count = batch.sentences();
    if (count == 0) {
      return done;
    }
    if (workspace == null) {
      // Not before it is used: a training without evaluation never needs it.
      Kernels kernels = model.kernels();
      long bytes = kernels.stageBytes(limits) + model.workspaceBytes(largest, PassMode.ENCODE);
      workspace = new Workspace(kernels.allocate(bytes));
      stage = kernels.stage(limits, workspace);
    }
    long mark = workspace.mark();
    ForwardPass pass =
        model.forward(stage.put(batch.packed()), null, PassMode.ENCODE, head, workspace);
    Tensor host = vectors.rows(0, count);
    model.kernels().download(pass.embeddings(), host);
    workspace.release(mark);
    MemorySegment.copy(
        host.segment(), ValueLayout.JAVA_FLOAT, 0, out, done * dimension(), count * dimension());
    batch.clear();
    requireFinite(out, done * dimension(), (done + count) * dimension());
    return done + count;
  }

  private static void requireFinite(float[] numbers, int from, int to) {
    for (int i = from; i < to; i++) {
      if (!Float.isFinite(numbers[i])) {
        throw new InputException(
            "the model gives a sentence vector with NaN or infinity, so its weights are too large or"
                + " damaged; use a checkpoint whose training did not diverge.");
      }
    }
  }

  @Override
  public void close() {
    batch.close();
    if (stage != null) {
      stage.close();
    }
    if (workspace != null) {
      workspace.close();
    }
    vectors.memory().close();
    if (ownsModel) {
      model.releaseWeights();
      model.close();
    }
  }
}
