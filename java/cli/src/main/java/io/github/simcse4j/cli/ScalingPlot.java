package io.github.simcse4j.cli;

import static io.github.simcse4j.eval.Svg.escaped;
import static io.github.simcse4j.eval.Svg.format;
import static io.github.simcse4j.eval.Svg.line;
import static io.github.simcse4j.eval.Svg.text;

import java.util.List;
import java.util.stream.DoubleStream;

/**
 * Draws figures against a size as an SVG: panels below each other, both axes logarithmic, so that
 * what grows with a power of the size is a straight line.
 *
 * @param title above everything
 * @param size what stands on the horizontal axis
 * @param panels with figures of the same sizes
 */
record ScalingPlot(String title, String size, List<Panel> panels) {

  private static final int WIDTH = 640;
  private static final int LEFT = 76;
  private static final int RIGHT = WIDTH - 36;
  private static final int TITLE = 28;
  private static final int TOP = 44;
  private static final int LEGEND_LINE = 18;
  private static final int PANEL_TITLE = 34;
  private static final int PLOT_HEIGHT = 200;
  private static final int PLOT_FOOTER = 44;
  private static final int LABEL_ROOM = 66;
  private static final int MARGIN = 8;

  /** Okabe and Ito's palette, told apart by colour-blind readers too. */
  private static final List<String> COLOURS = List.of("#0072b2", "#d55e00", "#009e73");

  /** What the figures of a panel are. */
  enum Unit {
    SECONDS(-3, "ns", "\u00b5s", "ms", "s"),
    BYTES(0, "B", "kB", "MB", "GB", "TB");

    private final int smallest;
    private final List<String> names;

    /** The names of the units, each a thousand times the last, from 1000^smallest. */
    Unit(int smallest, String... names) {
      this.smallest = smallest;
      this.names = List.of(names);
    }

    /** The number 10^decade with its unit. */
    String label(int decade) {
      int power = Math.clamp(Math.floorDiv(decade, 3), smallest, smallest + names.size() - 1);
      String number = BenchTable.count(Math.round(Math.pow(10, decade - 3 * power)));
      return number + " " + names.get(power - smallest);
    }
  }

  /**
   * Curves over the same axes.
   *
   * @param curves at most three
   */
  record Panel(String title, Unit unit, List<Curve> curves) {

    private int height() {
      return PANEL_TITLE + LEGEND_LINE * curves.size() + PLOT_HEIGHT + PLOT_FOOTER;
    }

    private DoubleStream values() {
      return curves.stream()
          .flatMap(curve -> curve.points.stream())
          .mapToDouble(Point::value)
          .filter(value -> value > 0);
    }
  }

  /** Points joined in their order, by a dashed line where they are not measured. */
  record Curve(String name, boolean dashed, List<Point> points) {}

  /** A figure of a size; one that is not above 0 is left out. */
  record Point(long size, double value) {}

  /** Turns a point into a place. */
  private record Axes(long first, long last, int lowest, int highest, int top) {

    static Axes of(List<Long> sizes, Panel panel, int top) {
      int lowest = (int) Math.floor(Math.log10(panel.values().min().orElse(1)));
      int highest = (int) Math.ceil(Math.log10(panel.values().max().orElse(1)));
      return new Axes(
          sizes.getFirst(), sizes.getLast(), lowest, Math.max(highest, lowest + 1), top);
    }

    double x(long size) {
      double share = first == last ? 0.5 : Math.log(size / (double) first) / Math.log(span());
      return LEFT + share * (RIGHT - LEFT);
    }

    private double span() {
      return last / (double) first;
    }

    double y(double log10) {
      return top + (highest - log10) / (highest - lowest) * PLOT_HEIGHT;
    }

    int bottom() {
      return top + PLOT_HEIGHT;
    }
  }

  /** The plot as text. */
  String svg() {
    StringBuilder out = new StringBuilder();
    int height = TOP + panels.stream().mapToInt(Panel::height).sum() + MARGIN;
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
        "<text x=\"%d\" y=\"%d\" font-size=\"15\" font-weight=\"bold\">%s</text>",
        LEFT,
        TITLE,
        escaped(title));
    int top = TOP;
    for (Panel panel : panels) {
      draw(out, panel, top);
      top += panel.height();
    }
    line(out, "</svg>");
    return out.toString();
  }

  private void draw(StringBuilder out, Panel panel, int top) {
    line(
        out,
        "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s</text>",
        LEFT,
        top + LEGEND_LINE,
        escaped(panel.title));
    List<Long> sizes =
        panel.curves.stream()
            .flatMap(curve -> curve.points.stream())
            .map(Point::size)
            .distinct()
            .sorted()
            .toList();
    int legend = top + LEGEND_LINE;
    Axes axes = Axes.of(sizes, panel, top + PANEL_TITLE + LEGEND_LINE * panel.curves.size());
    drawScale(out, panel.unit, axes);
    drawSizes(out, sizes, axes);
    for (int i = 0; i < panel.curves.size(); i++) {
      drawCurve(out, panel.curves.get(i), COLOURS.get(i), axes, legend + (i + 1) * LEGEND_LINE);
    }
  }

  private static void drawScale(StringBuilder out, Unit unit, Axes axes) {
    for (int decade = axes.lowest; decade <= axes.highest; decade++) {
      double y = axes.y(decade);
      line(
          out,
          "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#dddddd\"/>",
          LEFT,
          y,
          RIGHT,
          y);
      text(out, LEFT - 8, y + 4, "end", unit.label(decade));
    }
  }

  private void drawSizes(StringBuilder out, List<Long> sizes, Axes axes) {
    line(
        out,
        "<path d=\"M%d %d V%d H%d\" fill=\"none\" stroke=\"#333333\"/>",
        LEFT,
        axes.top,
        axes.bottom(),
        RIGHT);
    double labelled = Double.NEGATIVE_INFINITY;
    for (long tick : sizes) {
      double x = axes.x(tick);
      line(
          out,
          "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#333333\"/>",
          x,
          axes.bottom(),
          x,
          axes.bottom() + 5);
      if (x - labelled >= LABEL_ROOM) {
        text(out, x, axes.bottom() + 18, "middle", BenchTable.count(tick));
        labelled = x;
      }
    }
    text(out, (LEFT + RIGHT) / 2.0, axes.bottom() + 36, "middle", escaped(size));
  }

  private static void drawCurve(
      StringBuilder out, Curve curve, String colour, Axes axes, int legend) {
    String dashes = curve.dashed ? " stroke-dasharray=\"5 4\"" : "";
    String stroke = format("fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s", colour, dashes);
    line(out, "<path d=\"M%d %d h24\" %s/>", LEFT, legend - 4, stroke);
    text(out, LEFT + 32, legend, "start", escaped(curve.name));
    StringBuilder points = new StringBuilder();
    for (Point point : curve.points) {
      if (point.value > 0) {
        double x = axes.x(point.size);
        double y = axes.y(Math.log10(point.value));
        points.append(format("%.1f,%.1f ", x, y));
        line(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>", x, y, colour);
      }
    }
    line(out, "<polyline points=\"%s\" %s/>", points.toString().strip(), stroke);
  }
}
