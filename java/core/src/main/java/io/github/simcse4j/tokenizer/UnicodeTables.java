package io.github.simcse4j.tokenizer;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.StringTokenizer;

/**
 * What the reference tokenizer knows of each code point, read from {@code unicode.txt}, which
 * {@code bench/tokenizer/make_tables.py} makes by asking it. The JDK's own Unicode data is newer
 * and differs on hundreds of assigned characters.
 */
final class UnicodeTables {

  private static final String RESOURCE = "unicode.txt";
  private static final int HANGUL_FIRST = 0xAC00;
  private static final int HANGUL_LAST = 0xD7A3;

  private final Map<String, List<String>> sections = new HashMap<>();
  private final int checksum;
  private final CodePointSet removed;
  private final CodePointSet whitespace;
  private final CodePointSet chinese;
  private final CodePointSet punctuation;
  private final CodePointSet mark;
  private final CodePointSet word;
  private final Map<Integer, Integer> combining = new HashMap<>();
  private final Map<Integer, int[]> decompositions = new HashMap<>();
  private final Map<Integer, int[]> lowercase = new HashMap<>();

  private UnicodeTables(String text) {
    checksum = text.hashCode();
    List<String> section = null;
    for (String line : text.split("\n")) {
      if (line.startsWith("[")) {
        section = new ArrayList<>();
        sections.put(line.substring(1, line.length() - 1), section);
      } else if (section != null) {
        var entries = new StringTokenizer(line);
        while (entries.hasMoreTokens()) {
          section.add(entries.nextToken());
        }
      }
    }
    removed = set("removed");
    whitespace = set("whitespace");
    chinese = set("chinese");
    punctuation = set("punctuation");
    mark = set("mark");
    word = set("word");
    readCombining();
    readDecompositions();
    readLowercase();
    sections.clear();
  }

  static UnicodeTables read() {
    try (InputStream in = UnicodeTables.class.getResourceAsStream(RESOURCE)) {
      return new UnicodeTables(new String(in.readAllBytes(), StandardCharsets.US_ASCII));
    } catch (IOException e) {
      throw new UncheckedIOException(RESOURCE + " cannot be read from the jar", e);
    }
  }

  /** Changes whenever the tables do. */
  int checksum() {
    return checksum;
  }

  /** What clean_text drops. */
  CodePointSet removed() {
    return removed;
  }

  /** What separates words. */
  CodePointSet whitespace() {
    return whitespace;
  }

  /** The ideographs that handle_chinese_chars sets apart. */
  CodePointSet chinese() {
    return chinese;
  }

  /** What is a word of its own. */
  CodePointSet punctuation() {
    return punctuation;
  }

  /** What strip_accents drops. */
  CodePointSet mark() {
    return mark;
  }

  /** What may not touch an added token that must be a single word. */
  CodePointSet word() {
    return word;
  }

  /** Canonical combining class (Unicode chapter 4.3). */
  int combiningClass(int point) {
    return combining.getOrDefault(point, 0);
  }

  /**
   * Full canonical decomposition, without the marks that strip_accents drops unless their combining
   * class is 0: those still end a run of marks to be ordered.
   */
  int[] decomposition(int point) {
    if (point >= HANGUL_FIRST && point <= HANGUL_LAST) {
      return hangul(point - HANGUL_FIRST);
    }
    return decompositions.getOrDefault(point, new int[] {point});
  }

  int[] lowercase(int point) {
    return lowercase.getOrDefault(point, new int[] {point});
  }

  /** Every code point that decomposition, combining class or lower case may concern. */
  Iterable<Integer> mappedPoints() {
    var points = new ArrayList<Integer>(decompositions.keySet());
    points.addAll(combining.keySet());
    points.addAll(lowercase.keySet());
    for (int point = HANGUL_FIRST; point <= HANGUL_LAST; point++) {
      points.add(point);
    }
    return points;
  }

  /** Unicode chapter 3.12: a syllable is lead, vowel and, but for every 28th, tail. */
  private static int[] hangul(int index) {
    int lead = 0x1100 + index / 588;
    int vowel = 0x1161 + index % 588 / 28;
    int tail = 0x11A7 + index % 28;
    return index % 28 == 0 ? new int[] {lead, vowel} : new int[] {lead, vowel, tail};
  }

  private CodePointSet set(String name) {
    List<String> entries = sections.get(name);
    int[] firsts = new int[entries.size()];
    int[] lasts = new int[entries.size()];
    for (int i = 0; i < firsts.length; i++) {
      firsts[i] = first(entries.get(i));
      lasts[i] = last(entries.get(i));
    }
    return new CodePointSet(firsts, lasts);
  }

  private void readCombining() {
    for (String entry : sections.get("combining")) {
      int colon = entry.indexOf(':');
      String range = entry.substring(colon + 1);
      for (int point = first(range); point <= last(range); point++) {
        combining.put(point, hex(entry.substring(0, colon)));
      }
    }
  }

  private void readDecompositions() {
    for (String entry : sections.get("decomposition")) {
      int equals = entry.indexOf('=');
      String range = entry.substring(0, equals);
      for (int point = first(range); point <= last(range); point++) {
        decompositions.put(point, sequence(entry.substring(equals + 1)));
      }
    }
  }

  private void readLowercase() {
    for (String entry : sections.get("lowercase")) {
      int equals = entry.indexOf('=');
      if (equals >= 0) {
        lowercase.put(hex(entry.substring(0, equals)), sequence(entry.substring(equals + 1)));
        continue;
      }
      int colon = entry.indexOf(':');
      int delta = hex(entry.substring(colon + 1));
      int slash = entry.indexOf('/');
      String range = entry.substring(0, slash < 0 ? colon : slash);
      for (int point = first(range); point <= last(range); point += slash < 0 ? 1 : 2) {
        lowercase.put(point, new int[] {point + delta});
      }
    }
  }

  private static int first(String range) {
    int dash = range.indexOf('-');
    return hex(dash < 0 ? range : range.substring(0, dash));
  }

  private static int last(String range) {
    return hex(range.substring(range.indexOf('-') + 1));
  }

  private static int[] sequence(String text) {
    if (text.isEmpty()) {
      return new int[0];
    }
    String[] points = text.split("\\+");
    int[] sequence = new int[points.length];
    for (int i = 0; i < points.length; i++) {
      sequence[i] = hex(points[i]);
    }
    return sequence;
  }

  private static int hex(String text) {
    return Integer.parseInt(text, 16);
  }
}
