package io.github.simcse4j.tokenizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What normalisation and the split into words do to each code point, compiled to one int.
 *
 * <p>All steps but one look at a single character, so their composition is a table. The exception
 * is canonical ordering: a run of marks is sorted by combining class. Most marks are dropped right
 * after it and need not be sorted; the few that stay carry {@link #REORDER}.
 *
 * <p>A table either normalises, or splits, or does both at once. Where it splits, words end at
 * {@link #SEPARATOR}, a byte that no UTF-8 text holds.
 */
final class CharTable {

  static final byte SEPARATOR = (byte) 0xFF;

  /** The character's own bytes. */
  static final int KEEP = 0;

  /** The character's own bytes between two separators. */
  static final int ISOLATE = 1;

  /** Bytes of {@link #data}: {@link #offset} and {@link #length} say which. */
  static final int EMIT = 2;

  /** Nothing, and a run of marks goes on across it. */
  static final int DROP = 3;

  /** See {@link #reordered}. */
  static final int REORDER = 4;

  private static final int CODE_BITS = 3;
  private static final int LENGTH_BITS = 6;
  private static final int POINTS = Character.MAX_CODE_POINT + 1;

  /**
   * A character that holds marks which stay and must be ordered.
   *
   * @param starter what comes before the marks; null where it starts with a mark
   * @param marks the bytes of each mark
   * @param classes the combining class of each mark
   */
  record Reordered(byte[] starter, byte[][] marks, int[] classes) {}

  private final UnicodeTables tables;
  private final NormalizerSettings settings;
  private final boolean splits;
  private final byte separator;
  private final int[] actions = new int[POINTS];
  private final byte[] ascii = new byte[128];
  private final List<Reordered> reordered = new ArrayList<>();
  private byte[] data = new byte[1 << 12];
  private int dataLength;
  private int growth = 3;

  private CharTable(UnicodeTables tables, NormalizerSettings settings, boolean splits) {
    this.tables = tables;
    this.settings = settings;
    this.splits = splits;
    separator = splits ? SEPARATOR : (byte) ' ';
    if (settings.handleChineseChars()) {
      tables.chinese().forEachRange((a, b) -> Arrays.fill(actions, a, b + 1, ISOLATE));
    }
    tables.mappedPoints().forEach(this::compile);
    tables.mark().forEach(this::compile);
    tables.punctuation().forEach(this::compile);
    tables.whitespace().forEach(this::compile);
    if (settings.cleanText()) {
      tables.removed().forEachRange((a, b) -> Arrays.fill(actions, a, b + 1, DROP));
    }
    compileAscii();
  }

  /** Normalises: the text keeps its spaces. */
  static CharTable normalizing(UnicodeTables tables, NormalizerSettings settings) {
    return new CharTable(tables, settings, false);
  }

  /** Splits text, which is taken as it stands, at whitespace and punctuation. */
  static CharTable splitting(UnicodeTables tables) {
    return new CharTable(tables, NormalizerSettings.NONE, true);
  }

  /** Normalises and splits in one go. */
  static CharTable normalizingAndSplitting(UnicodeTables tables, NormalizerSettings settings) {
    return new CharTable(tables, settings, true);
  }

  /** A code in the lowest bits, to be had by {@link #code}, and where its bytes lie. */
  int action(int point) {
    return actions[point];
  }

  static int code(int action) {
    return action & (1 << CODE_BITS) - 1;
  }

  static int length(int action) {
    return action >>> CODE_BITS & (1 << LENGTH_BITS) - 1;
  }

  static int offset(int action) {
    return action >>> CODE_BITS + LENGTH_BITS;
  }

  byte[] data() {
    return data;
  }

  Reordered reordered(int action) {
    return reordered.get(offset(action));
  }

  /** For each ASCII character the one byte it turns into, or 0 where {@link #action} must tell. */
  byte[] ascii() {
    return ascii;
  }

  byte separator() {
    return separator;
  }

  /** No text grows by more than this factor. */
  int growth() {
    return growth;
  }

  private void compile(int point) {
    if (settings.stripAccents() && needsOrder(point)) {
      actions[point] = order(point);
    } else {
      actions[point] = map(point);
    }
  }

  private boolean needsOrder(int point) {
    for (int element : tables.decomposition(point)) {
      if (!tables.mark().contains(element) && tables.combiningClass(element) != 0) {
        return true;
      }
    }
    return false;
  }

  /** A mark with a class is not there at all; one without is not written but ends a run. */
  private boolean isTransparent(int point) {
    return tables.mark().contains(point) && tables.combiningClass(point) != 0;
  }

  private int map(int point) {
    int[] elements = {point};
    if (settings.stripAccents()) {
      elements = tables.decomposition(point);
      if (elements.length == 0 || elements.length == 1 && isTransparent(elements[0])) {
        return DROP;
      }
    }
    boolean apart = settings.handleChineseChars() && tables.chinese().contains(point);
    var out = new Bytes();
    if (apart) {
      out.add(separator);
    }
    for (int element : elements) {
      write(element, out);
    }
    if (apart) {
      out.add(separator);
    }
    return action(point, out.toArray());
  }

  private int order(int point) {
    byte[] starter = null;
    var marks = new ArrayList<byte[]>();
    var classes = new ArrayList<Integer>();
    int length = 0;
    for (int element : tables.decomposition(point)) {
      var out = new Bytes();
      write(element, out);
      length += out.length;
      if (tables.combiningClass(element) == 0) {
        starter = out.toArray();
      } else {
        marks.add(out.toArray());
        classes.add(tables.combiningClass(element));
      }
    }
    grow(point, length);
    reordered.add(
        new Reordered(
            starter,
            marks.toArray(byte[][]::new),
            classes.stream().mapToInt(Integer::intValue).toArray()));
    return reordered.size() - 1 << CODE_BITS + LENGTH_BITS | REORDER;
  }

  /** Writes what becomes of a decomposed character. */
  private void write(int element, Bytes out) {
    if (settings.stripAccents() && tables.mark().contains(element)) {
      return;
    }
    if (settings.cleanText() && tables.whitespace().contains(element)) {
      out.add(separator);
      return;
    }
    for (int point : settings.lowercase() ? tables.lowercase(element) : new int[] {element}) {
      boolean punctuation = splits && tables.punctuation().contains(point);
      if (punctuation) {
        out.add(separator);
      }
      if (splits && tables.whitespace().contains(point)) {
        out.add(separator);
      } else {
        out.addPoint(point);
      }
      if (punctuation) {
        out.add(separator);
      }
    }
  }

  private int action(int point, byte[] out) {
    var own = new Bytes();
    own.addPoint(point);
    if (Arrays.equals(out, own.toArray())) {
      return KEEP;
    }
    var isolated = new Bytes();
    isolated.add(separator);
    isolated.addPoint(point);
    isolated.add(separator);
    if (Arrays.equals(out, isolated.toArray())) {
      return ISOLATE;
    }
    grow(point, out.length);
    if (data.length - dataLength < out.length) {
      data = Arrays.copyOf(data, 2 * data.length);
    }
    System.arraycopy(out, 0, data, dataLength, out.length);
    dataLength += out.length;
    return dataLength - out.length << CODE_BITS + LENGTH_BITS | out.length << CODE_BITS | EMIT;
  }

  private void grow(int point, int length) {
    growth = Math.max(growth, Math.ceilDiv(length, Utf8.length(point)));
  }

  private void compileAscii() {
    for (int point = 0; point < ascii.length; point++) {
      int action = actions[point];
      if (code(action) == KEEP) {
        ascii[point] = (byte) point;
      } else if (code(action) == EMIT && length(action) == 1) {
        ascii[point] = data[offset(action)];
      }
    }
  }

  /** A few bytes, for compiling only. */
  private static final class Bytes {
    private final byte[] bytes = new byte[64];
    private int length;

    void add(byte value) {
      bytes[length++] = value;
    }

    void addPoint(int point) {
      length = Utf8.encode(point, bytes, length);
    }

    byte[] toArray() {
      return Arrays.copyOf(bytes, length);
    }
  }
}
