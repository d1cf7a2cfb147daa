package io.github.simcse4j.model;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.Arena;
import java.net.URISyntaxException;
import java.nio.file.Path;

/** A fixture: a model folder and the values that PyTorch computed from it. */
public final class Golden implements AutoCloseable {

  private final Arena arena = Arena.ofShared();
  private final ModelFolder folder;
  private final Safetensors values;

  /** That of three layers and heads of 8 channels. */
  public Golden() {
    this("/golden");
  }

  private Golden(String name) {
    Path path = path(name);
    this.folder = ModelFolder.open(path);
    this.values = Safetensors.open(path.resolve("golden.safetensors"), arena);
  }

  /** That of two layers and a head of 32 channels, which devices take. */
  public static Golden ofDevices() {
    return new Golden("/golden_32");
  }

  private static Path path(String name) {
    try {
      return Path.of(Golden.class.getResource(name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  public SentenceModel model(Pooler pooler, Kernels kernels, DType dtype) {
    return model(pooler, kernels, dtype, true);
  }

  /**
   * @param trainable whether it is made to be trained or to be used alone
   */
  public SentenceModel model(Pooler pooler, Kernels kernels, DType dtype, boolean trainable) {
    SentenceModel model = new SentenceModel(folder.config(), pooler, kernels, dtype, trainable);
    return SentenceModels.fill(model, folder, 0, false);
  }

  public Tensor values(String name) {
    Safetensors.Entry entry = values.entry(name);
    return Tensor.over(entry.data(), entry.dtype().orElseThrow(), entry.shape().extents());
  }

  /** The first sentences of one of the fixture's batches. */
  public PackedBatch batch(String prefix, int sentences, int views) {
    Tensor lengths = values(prefix + "lengths");
    Tensor starts = Tensor.host(DType.I64, sentences);
    Tensor cuSeqlens = Tensor.host(DType.I32, sentences + 1L);
    Tensor samples = Tensor.host(DType.I32, sentences);
    int tokens = 0;
    int longest = 0;
    for (int b = 0; b < sentences; b++) {
      starts.set(b, tokens);
      samples.set(b, b);
      tokens += (int) lengths.get(b);
      longest = Math.max(longest, (int) lengths.get(b));
      cuSeqlens.set(b + 1L, tokens);
    }
    return new PackedBatch(
        values(prefix + "ids"), starts, cuSeqlens, samples, tokens, longest, views, 0);
  }

  @Override
  public void close() {
    folder.close();
    arena.close();
  }
}
