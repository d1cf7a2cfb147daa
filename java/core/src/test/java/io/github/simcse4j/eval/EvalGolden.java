package io.github.simcse4j.eval;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** One case of {@code golden/eval.txt}, which {@code bench/parity/make_eval_golden.py} makes. */
record EvalGolden(String kind, String name, Map<String, double[]> values) {

  static List<EvalGolden> read(String kind) {
    String text;
    try (InputStream in = EvalGolden.class.getResourceAsStream("/golden/eval.txt")) {
      text = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    List<EvalGolden> cases = new ArrayList<>();
    for (String block : text.strip().split("\n\n")) {
      String[] lines = block.split("\n");
      String[] title = lines[0].split(" ");
      Map<String, double[]> values = new HashMap<>();
      Stream.of(lines).skip(1).forEach(line -> put(values, line.split(" ")));
      cases.add(new EvalGolden(title[0], title[1], values));
    }
    return cases.stream().filter(c -> c.kind.equals(kind)).toList();
  }

  double[] all(String key) {
    return values.get(key);
  }

  double one(String key) {
    return values.get(key)[0];
  }

  float[] matrix() {
    double[] numbers = all("matrix");
    float[] out = new float[numbers.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = (float) numbers[i];
    }
    return out;
  }

  int rows() {
    return (int) all("shape")[0];
  }

  int columns() {
    return (int) all("shape")[1];
  }

  @Override
  public String toString() {
    return name;
  }

  private static void put(Map<String, double[]> values, String[] fields) {
    values.put(
        fields[0],
        Stream.of(fields)
            .skip(1)
            .mapToDouble(f -> f.equals("nan") ? Double.NaN : Double.parseDouble(f))
            .toArray());
  }
}
