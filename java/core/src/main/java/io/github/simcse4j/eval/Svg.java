package io.github.simcse4j.eval;

import java.util.Locale;

/** Lines of an SVG picture, with numbers written alike in every language. */
public final class Svg {

  private Svg() {}

  /** Adds a line. */
  public static void line(StringBuilder out, String format, Object... arguments) {
    out.append(format(format, arguments)).append('\n');
  }

  /**
   * Adds a text.
   *
   * @param anchor {@code start}, {@code middle} or {@code end}
   * @param text with its special characters escaped
   */
  public static void text(StringBuilder out, double x, double y, String anchor, String text) {
    line(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x, y, anchor, text);
  }

  public static String format(String format, Object... arguments) {
    return String.format(Locale.ROOT, format, arguments);
  }

  /** What stands for a text in the file. */
  public static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
