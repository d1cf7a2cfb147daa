package io.github.simcse4j.train;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.objective.ContrastiveOptions;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Writes a training's course as JSON lines: the settings, one object per step, one per evaluation,
 * and the summary last. Each line is flushed, so that a run can be watched and a broken one read.
 */
public final class MetricsWriter implements TrainListener, AutoCloseable {

  private final JsonFactory json = new JsonFactory();
  private final Path file;
  private Writer out;

  /**
   * The file is made when there is something to write, with the folders on the way to it; what was
   * in it is lost then.
   *
   * @throws InputException where it cannot be written
   */
  public MetricsWriter(Path file) {
    AtomicFile.requirePlace(file);
    if (Files.isDirectory(file) || Files.exists(file) && !Files.isWritable(file)) {
      throw InputException.in(
          file, "", "is a folder or may not be written", "choose another --metrics file");
    }
    this.file = file;
  }

  @Override
  public void onStart(TrainConfig config) {
    line(g -> {
      g.writeStringField("event", "settings");
      g.writeNumberField("batchSize", config.batchSize());
      g.writeNumberField("gradientAccumulation", config.gradientAccumulation());
      g.writeNumberField("epochs", config.epochs());
      g.writeNumberField("maxSteps", config.maxSteps());
      g.writeNumberField("learningRate", config.learningRate());
      g.writeNumberField("warmupSteps", config.warmupSteps());
      g.writeNumberField("weightDecay", config.weightDecay());
      number(g, "maxGradNorm", config.maxGradNorm());
      g.writeNumberField("maxLength", config.maxLength());
      g.writeNumberField("temperature", config.temperature());
      g.writeNumberField("hardNegativeWeight", config.hardNegativeWeight());
      lossOptions(g, config.lossOptions());
      g.writeStringField("pooler", config.pooler().label());
      g.writeBooleanField("mlpOnlyTrain", config.mlpOnlyTrain());
      boolean own = config.keepProb() == TrainConfig.MODEL_KEEP_PROB;
      number(g, "keepProb", own ? Double.NaN : config.keepProb());
      g.writeNumberField("evalSteps", config.evalSteps());
      g.writeBooleanField("shuffle", config.shuffle());
      g.writeBooleanField("dropLast", config.dropLast());
      g.writeBooleanField("lengthAware", config.lengthAware());
      g.writeNumberField("seed", config.seed());
    });
  }

  private static void lossOptions(JsonGenerator g, ContrastiveOptions options) throws IOException {
    g.writeBooleanField("bothDirections", options.bothDirections());
    g.writeBooleanField("sameSideNegatives", options.sameSideNegatives());
    g.writeBooleanField("maskDuplicates", options.maskDuplicates());
    number(g, "falseNegativeMargin", options.falseNegativeMargin());
  }

  @Override
  public void onStep(Step step) {
    line(g -> {
      g.writeStringField("event", "step");
      g.writeNumberField("step", step.step());
      number(g, "loss", step.loss());
      number(g, "learningRate", step.learningRate());
      number(g, "gradNorm", step.gradNorm());
      number(g, "sentencesPerSecond", step.sentencesPerSecond());
      number(g, "tokensPerSecond", step.tokensPerSecond());
      g.writeNumberField("chunks", step.chunks());
      g.writeNumberField("tokensPerChunk", step.tokensPerChunk());
    });
  }

  @Override
  public void onEvaluation(Evaluation evaluation) {
    line(g -> {
      g.writeStringField("event", "evaluation");
      g.writeNumberField("step", evaluation.step());
      number(g, "spearman", evaluation.spearman());
      g.writeBooleanField("best", evaluation.best());
      number(g, "seconds", evaluation.seconds());
    });
  }

  @Override
  public void onSummary(TrainSummary summary) {
    line(g -> {
      g.writeStringField("event", "summary");
      g.writeNumberField("steps", summary.steps());
      g.writeNumberField("sentences", summary.sentences());
      g.writeNumberField("tokens", summary.tokens());
      number(g, "seconds", summary.seconds());
      number(g, "evaluationSeconds", summary.evaluationSeconds());
      number(g, "sentencesPerSecond", summary.sentencesPerSecond());
      number(g, "tokensPerSecond", summary.tokensPerSecond());
      number(g, "lastLoss", summary.lastLoss());
      g.writeNumberField("bestStep", summary.bestStep());
      number(g, "bestSpearman", summary.bestSpearman());
    });
  }

  @FunctionalInterface
  private interface Fields {
    void write(JsonGenerator generator) throws IOException;
  }

  /** JSON has no NaN and no infinity; null is what readers expect in their place. */
  private static void number(JsonGenerator generator, String name, double value)
      throws IOException {
    if (Double.isFinite(value)) {
      generator.writeNumberField(name, value);
    } else {
      generator.writeNullField(name);
    }
  }

  private void line(Fields fields) {
    try {
      StringWriter text = new StringWriter();
      try (JsonGenerator generator = json.createGenerator(text)) {
        generator.writeStartObject();
        fields.write(generator);
        generator.writeEndObject();
      }
      if (out == null) {
        Files.createDirectories(file.toAbsolutePath().getParent());
        out = Files.newBufferedWriter(file, StandardCharsets.UTF_8);
      }
      out.write(text.append('\n').toString());
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": the metrics could not be written", e);
    }
  }

  @Override
  public void close() {
    try {
      if (out != null) {
        out.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": the metrics could not be written", e);
    }
  }
}
