package io.github.simcse4j.eval;

import static io.github.simcse4j.eval.Svg.escaped;
import static io.github.simcse4j.eval.Svg.format;
import static io.github.simcse4j.eval.Svg.line;
import static io.github.simcse4j.eval.Svg.text;

import io.github.simcse4j.files.AtomicFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Draws singular-value spectra as an SVG: each value relative to the largest of its curve, on a
 * logarithmic axis, over its index. The flatter the curve, the more evenly the vectors use their
 * dimensions.
 */
public final class SpectrumPlot {

  private static final int WIDTH = 640;
  private static final int LEFT = 64;
  private static final int RIGHT = WIDTH - 24;
  private static final int PLOT_HEIGHT = 290;
  private static final int TITLE = 24;
  private static final int LEGEND_LINE = 20;
  private static final int MOST_DECADES = 4;

  /** Okabe and Ito's palette, told apart by colour-blind readers too. */
  private static final List<String> COLOURS =
      List.of("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9");

  private SpectrumPlot() {}

  /**
   * Writes the plot, whole or not at all.
   *
   * @param curves name and spectrum of each curve, at most six
   */
  public static void write(Path file, SequencedMap<String, Spectrum> curves) throws IOException {
    AtomicFile.write(file, svg(curves).getBytes(StandardCharsets.UTF_8));
  }

  /** The plot as text. */
  static String svg(SequencedMap<String, Spectrum> curves) {
    if (curves.isEmpty() || curves.size() > COLOURS.size()) {
      throw new IllegalArgumentException(
          "a plot holds 1 to " + COLOURS.size() + " curves, got " + curves.size());
    }
    int longest = curves.values().stream().mapToInt(s -> s.values().length).max().orElseThrow();
    int top = TITLE + LEGEND_LINE * curves.size() + 36;
    Axes axes = new Axes(longest, decades(curves), top);
    StringBuilder out = new StringBuilder();
    int height = top + PLOT_HEIGHT + 52;
    line(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\""
            + " font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#333333\">",
        WIDTH,
        height,
        WIDTH,
        height);
    line(out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>", WIDTH, height);
    line(
        out,
        "<text x=\"%d\" y=\"%d\" font-size=\"15\" font-weight=\"bold\">Singular values of the"
            + " sentence vectors</text>",
        LEFT,
        TITLE);
    drawAxes(out, axes);
    int number = 0;
    for (Map.Entry<String, Spectrum> curve : curves.entrySet()) {
      String colour = COLOURS.get(number);
      drawCurve(out, curve.getValue().values(), axes, colour);
      number++;
      drawLegend(out, TITLE + LEGEND_LINE * number, curve.getKey(), curve.getValue(), colour);
    }
    line(out, "</svg>");
    return out.toString();
  }

  /**
   * Turns a value into a place.
   *
   * @param longest index at the right end
   * @param decades powers of ten from 1 at the top to the bottom
   * @param top upper edge
   */
  private record Axes(int longest, int decades, int top) {

    double x(int index) {
      double share = longest == 1 ? 0 : (index - 1.0) / (longest - 1);
      return LEFT + share * (RIGHT - LEFT);
    }

    double y(double value) {
      return top - Math.log10(value) / decades * PLOT_HEIGHT;
    }

    int bottom() {
      return top + PLOT_HEIGHT;
    }
  }

  /** Whole decades below 1 that hold every value worth showing. */
  private static int decades(Map<String, Spectrum> curves) {
    double least = 1;
    for (Spectrum spectrum : curves.values()) {
      double[] values = spectrum.values();
      least = Math.min(least, values[values.length - 1] / values[0]);
    }
    return Math.clamp((int) Math.ceil(-Math.log10(Math.max(least, 1e-9))), 1, MOST_DECADES);
  }

  private static void drawAxes(StringBuilder out, Axes axes) {
    for (int decade = 0; decade <= axes.decades(); decade++) {
      double y = axes.y(Math.pow(10, -decade));
      line(
          out,
          "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#dddddd\"/>",
          LEFT,
          y,
          RIGHT,
          y);
      text(out, LEFT - 8, y + 4, "end", decade == 0 ? "1" : "0." + "0".repeat(decade - 1) + "1");
    }
    int bottom = axes.bottom();
    int step = tickStep(axes.longest());
    for (int tick = 0; tick <= axes.longest(); tick += step) {
      int index = Math.max(1, tick);
      double x = axes.x(index);
      line(
          out,
          "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#333333\"/>",
          x,
          bottom,
          x,
          bottom + 5);
      text(out, x, bottom + 19, "middle", String.valueOf(index));
    }
    line(
        out,
        "<path d=\"M%d %d V%d H%d\" fill=\"none\" stroke=\"#333333\"/>",
        LEFT,
        axes.top(),
        bottom,
        RIGHT);
    text(out, (LEFT + RIGHT) / 2.0, bottom + 40, "middle", "index of the singular value");
    text(out, LEFT, axes.top() - 10, "start", "relative to the largest");
  }

  private static void drawCurve(StringBuilder out, double[] values, Axes axes, String colour) {
    StringBuilder points = new StringBuilder();
    double floor = Math.pow(10, -axes.decades());
    for (int i = 0; i < values.length && values[i] / values[0] >= floor; i++) {
      points.append(format("%.1f,%.1f ", axes.x(i + 1), axes.y(values[i] / values[0])));
    }
    line(
        out,
        "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\""
            + " stroke-linejoin=\"round\"/>",
        points.toString().strip(),
        colour);
  }

  private static void drawLegend(
      StringBuilder out, int y, String name, Spectrum spectrum, String colour) {
    line(
        out,
        "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\"/>",
        LEFT,
        y - 4,
        LEFT + 20,
        y - 4,
        colour);
    String label =
        format(
            "%s: effective rank %.1f, mean cosine %.3f",
            escaped(name), spectrum.effectiveRank(), spectrum.meanCosine());
    text(out, LEFT + 28, y, "start", label);
  }

  /** The smallest of 1, 2, 5, 10, 20, ... that puts at most eight ticks on the axis. */
  private static int tickStep(int longest) {
    int step = 1;
    int[] factors = {2, 5, 10};
    for (int power = 1; longest / step > 8; power *= 10) {
      for (int i = 0; i < factors.length && longest / step > 8; i++) {
        step = power * factors[i];
      }
    }
    return step;
  }
}
