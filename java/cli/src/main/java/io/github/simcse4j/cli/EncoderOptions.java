package io.github.simcse4j.cli;

import io.github.simcse4j.encode.SentenceEncoder;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.tensor.DType;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options that name a trained model and how it is used. */
final class EncoderOptions {

  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR",
      description = "Hugging Face or sentence-transformers folder.")
  private Path model;

  @Option(
      names = "--pooler",
      paramLabel = "P",
      converter = PoolerConverter.class,
      completionCandidates = PoolerConverter.Labels.class,
      description = "Instead of the folder's own: ${COMPLETION-CANDIDATES}.")
  private Pooler pooler;

  @Option(
      names = "--max-length",
      paramLabel = "N",
      description = "Tokens after which a sentence is cut (default: the folder's own).")
  private int maxLength;

  Path model() {
    return model;
  }

  /** Loads the model; the caller closes it. */
  SentenceEncoder load(Kernels kernels, DType dtype) {
    return SentenceEncoder.load(model, pooler, maxLength, kernels, dtype);
  }
}
