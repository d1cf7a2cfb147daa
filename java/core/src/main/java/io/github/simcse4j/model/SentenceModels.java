package io.github.simcse4j.model;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.random.Gaussian;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Makes {@link SentenceModel}s from folders or at random, and writes them to folders. */
public final class SentenceModels {

  private SentenceModels() {}

  /**
   * The model of a folder, to be used as it is.
   *
   * @param dtype of matrices and activations: F32 or BF16
   * @throws InputException where the pooler is {@code cls} and the folder has no layer for it
   */
  public static SentenceModel load(
      ModelFolder folder, Pooler pooler, Kernels kernels, DType dtype) {
    if (pooler == Pooler.CLS && folder.mlp().isEmpty()) {
      throw InputException.in(
          folder.path(),
          "",
          "has no linear layer for the pooler cls (mlp.dense, pooler.dense or a Dense module)",
          "choose --pooler cls_before_pooler or avg");
    }
    SentenceModel model = new SentenceModel(folder.config(), pooler, kernels, dtype, false);
    return fill(model, folder, 0, false);
  }

  /**
   * The model of a folder as the start of a training. The layer behind the pooler {@code cls} is
   * drawn afresh, as SimCSE does, unless the folder comes from such a training.
   *
   * @param config the folder's, or one that differs in dropout alone
   * @param dtype of matrices and activations: F32 or BF16
   * @param seed of the fresh layer
   */
  public static SentenceModel start(
      ModelFolder folder,
      EncoderConfig config,
      Pooler pooler,
      Kernels kernels,
      DType dtype,
      long seed) {
    boolean trained =
        folder.weights().has(ParameterLayout.HEAD + ".weight")
            || folder.pooler().filter(Pooler.CLS::equals).isPresent();
    return fill(new SentenceModel(config, pooler, kernels, dtype, true), folder, seed, !trained);
  }

  /**
   * Sets all parameters of a new model from a folder; closes the model where that fails.
   *
   * @param freshHead whether the layer behind the pooler is drawn with {@code seed}
   */
  static SentenceModel fill(SentenceModel model, ModelFolder folder, long seed, boolean freshHead) {
    try {
      for (ParameterLayout.Entry entry : model.layout().entries()) {
        if (!entry.name().startsWith(ParameterLayout.HEAD)) {
          MemorySegment floats = folder.weights().floats(entry.name(), entry.shape());
          model.set(entry, Tensor.over(floats, DType.F32, entry.shape().extents()));
          // The model has its copy; both would take up memory for as long as the folder is open.
          folder.weights().unload(entry.name());
        }
      }
      if (model.pooler() == Pooler.CLS) {
        loadHead(model, folder, seed, freshHead);
      }
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /**
   * A model whose weights are drawn from a normal distribution of the config's deviation, with
   * biases of 0 and layer norms that change nothing, as BERT starts.
   */
  public static SentenceModel random(
      EncoderConfig config, Pooler pooler, Kernels kernels, long seed) {
    SentenceModel model = new SentenceModel(config, pooler, kernels, DType.F32, true);
    List<ParameterLayout.Entry> entries = model.layout().entries();
    for (int i = 0; i < entries.size(); i++) {
      draw(model, entries.get(i), seed, i);
    }
    return model;
  }

  /**
   * Writes the model beside the folder it came from, with everything else that folder has.
   *
   * @param out an absent or empty folder, or a model folder, which is replaced
   * @param pooler how the written model pools; {@code cls_before_pooler} for one whose linear layer
   *     served in training alone
   * @param maxLength tokens after which the written model cuts a sentence
   */
  public static void save(
      SentenceModel model, Path out, ModelFolder source, Pooler pooler, int maxLength)
      throws IOException {
    ModelFolderWriter.write(out, source, new ModelContent(tensors(model), pooler, maxLength));
  }

  /**
   * All parameters in F32 in host memory under their Hugging Face names; the model's own memory
   * where it lies on the host, else a copy that lives as long as somebody holds it.
   */
  public static List<NamedTensor> tensors(SentenceModel model) {
    Tensor host = model.parameters();
    if (!(host.memory() instanceof HostMemory)) {
      long count = model.layout().elements();
      MemorySegment copy = Arena.ofAuto().allocate(count * Float.BYTES, HostMemory.ALIGNMENT);
      host = Tensor.over(copy, DType.F32, count);
      model.kernels().download(model.parameters(), host);
    }
    List<NamedTensor> tensors = new ArrayList<>();
    for (ParameterLayout.Entry entry : model.layout().entries()) {
      Tensor view = host.slice(entry.offset(), entry.shape().extents());
      tensors.add(NamedTensor.floats(entry.name(), entry.shape(), view.segment()));
    }
    return tensors;
  }

  private static void loadHead(SentenceModel model, ModelFolder folder, long seed, boolean fresh) {
    List<ParameterLayout.Entry> entries = model.layout().entries();
    for (int i = 0; i < entries.size(); i++) {
      ParameterLayout.Entry entry = entries.get(i);
      if (!entry.name().startsWith(ParameterLayout.HEAD)) {
        continue;
      }
      if (fresh || folder.mlp().isEmpty()) {
        draw(model, entry, seed, i);
      } else {
        Dense dense = folder.mlp().get();
        MemorySegment data = entry.shape().rank() == 2 ? dense.weight() : dense.bias();
        model.set(entry, Tensor.over(data, DType.F32, entry.shape().extents()));
      }
    }
  }

  private static void draw(
      SentenceModel model, ParameterLayout.Entry entry, long seed, int stream) {
    float[] values = new float[Math.toIntExact(entry.shape().elements())];
    if (entry.shape().rank() == 2) {
      values = Gaussian.draw(seed, stream, values.length, model.config().initializerRange());
    } else if (entry.name().endsWith("LayerNorm.weight")) {
      Arrays.fill(values, 1f);
    }
    Tensor host = Tensor.host(DType.F32, entry.shape().extents());
    model.set(entry, host.fill(values));
    host.memory().close();
  }
}
