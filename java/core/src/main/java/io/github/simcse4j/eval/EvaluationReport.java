package io.github.simcse4j.eval;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.github.simcse4j.files.AtomicFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The results of an evaluation, as records, as a table and as JSON.
 *
 * @param tasks one result for each task
 */
public record EvaluationReport(List<TaskResult> tasks) {

  private static final String ROW = "%s  %6s  %7s  %8s  %8s  %9s  %10s  %8s  %8s\n";

  public EvaluationReport {
    tasks = List.copyOf(tasks);
  }

  /** The mean Spearman of the seven tasks ({@link StsTasks#SEVEN}), where all of them are there. */
  public OptionalDouble averageOfSeven() {
    double sum = 0;
    for (String name : StsTasks.SEVEN) {
      Optional<TaskResult> task = tasks.stream().filter(t -> t.name().equals(name)).findFirst();
      if (task.isEmpty()) {
        return OptionalDouble.empty();
      }
      sum += task.get().spearman();
    }
    return OptionalDouble.of(sum / StsTasks.SEVEN.size());
  }

  /**
   * An aligned table with a heading and one line for each task, and the average where there is one.
   */
  public String table() {
    int width =
        Math.max("average".length(), tasks.stream().mapToInt(t -> width(t.name())).max().orElse(0));
    StringBuilder out = new StringBuilder();
    out.append(
        line(
            padded("task", width),
            "pairs",
            "skipped",
            "spearman",
            "pearson",
            "alignment",
            "uniformity",
            "mean cos",
            "eff rank"));
    for (TaskResult task : tasks) {
      out.append(
          line(
              padded(task.name(), width),
              String.valueOf(task.pairs()),
              String.valueOf(task.skipped()),
              number("%.4f", task.spearman()),
              number("%.4f", task.pearson()),
              number("%.3f", task.alignment()),
              number("%.3f", task.uniformity()),
              number("%.3f", task.spectrum().meanCosine()),
              number("%.1f", task.spectrum().effectiveRank())));
    }
    averageOfSeven()
        .ifPresent(average ->
            out.append(
                line(
                    padded("average", width),
                    "",
                    "",
                    number("%.4f", average),
                    "",
                    "",
                    "",
                    "",
                    "")));
    return out.toString();
  }

  /**
   * Writes the report as one JSON object, whole or not at all: {@code settings} as text members,
   * {@code tasks} as an array, {@code averageOfSeven}. A number that is not there is null.
   *
   * @param settings what was evaluated and how, such as the model folder and the pooler
   */
  public void writeJson(Path file, Map<String, String> settings) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = new JsonFactory().createGenerator(bytes)) {
      json.useDefaultPrettyPrinter();
      json.writeStartObject();
      for (Map.Entry<String, String> setting : settings.entrySet()) {
        json.writeStringField(setting.getKey(), setting.getValue());
      }
      json.writeArrayFieldStart("tasks");
      for (TaskResult task : tasks) {
        writeTask(json, task);
      }
      json.writeEndArray();
      writeNumber(json, "averageOfSeven", averageOfSeven().orElse(Double.NaN));
      json.writeEndObject();
    }
    bytes.write('\n');
    AtomicFile.write(file, bytes.toByteArray());
  }

  private static void writeTask(JsonGenerator json, TaskResult task) throws IOException {
    json.writeStartObject();
    json.writeStringField("name", task.name());
    json.writeNumberField("pairs", task.pairs());
    json.writeNumberField("skipped", task.skipped());
    writeNumber(json, "spearman", task.spearman());
    writeNumber(json, "pearson", task.pearson());
    json.writeNumberField("positives", task.positives());
    writeNumber(json, "alignment", task.alignment());
    json.writeNumberField("sentences", task.sentences());
    writeNumber(json, "uniformity", task.uniformity());
    Spectrum spectrum = task.spectrum();
    writeNumber(json, "meanCosine", spectrum.meanCosine());
    writeNumber(json, "effectiveRank", spectrum.effectiveRank());
    writeNumber(json, "centredEffectiveRank", spectrum.centredEffectiveRank());
    writeNumber(json, "topShare", spectrum.topShare());
    writeValues(json, "singularValues", spectrum.values());
    writeValues(json, "centredSingularValues", spectrum.centredValues());
    json.writeEndObject();
  }

  private static void writeValues(JsonGenerator json, String name, double[] values)
      throws IOException {
    json.writeArrayFieldStart(name);
    for (double value : values) {
      json.writeNumber((float) value);
    }
    json.writeEndArray();
  }

  private static void writeNumber(JsonGenerator json, String name, double value)
      throws IOException {
    if (Double.isFinite(value)) {
      json.writeNumberField(name, value);
    } else {
      json.writeNullField(name);
    }
  }

  private static String line(Object... cells) {
    return String.format(Locale.ROOT, ROW, cells).stripTrailing() + "\n";
  }

  private static String number(String format, double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, format, value);
  }

  private static String padded(String name, int width) {
    return name + " ".repeat(width - width(name));
  }

  private static int width(String name) {
    return name.codePointCount(0, name.length());
  }
}
