package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.zip.ZipException;

/**
 * The lines of a byte stream, as stretches of one buffer that is filled again and again: no line
 * becomes an object. Lines end with LF or CR LF; a byte order mark before the first is passed over.
 */
final class LineSource implements AutoCloseable {

  /** A longer line means that the file is no text with line ends; it must not fill the memory. */
  static final int LONGEST_LINE = 1 << 26;

  private static final int FIRST_BUFFER = 1 << 18;

  private final Path file;
  private final InputStream in;
  private byte[] buffer = new byte[FIRST_BUFFER];
  private int unread;
  private int limit;
  private int from;
  private int to;
  private int end;
  private long line;

  /**
   * @param file what messages call the stream
   * @param in the bytes, closed with this object
   */
  LineSource(Path file, InputStream in) {
    this.file = file;
    this.in = in;
  }

  /** Moves to the next line; false after the last one. */
  boolean next() {
    if (line == 0) {
      skipByteOrderMark();
    }
    int scanned = 0;
    while (true) {
      int newline = newlineFrom(unread + scanned);
      if (newline >= 0) {
        return line(newline, newline + 1);
      }
      scanned = limit - unread;
      if (!fill()) {
        return unread < limit && line(limit, limit);
      }
    }
  }

  private boolean line(int lineEnd, int next) {
    from = unread;
    to = lineEnd > from && buffer[lineEnd - 1] == '\r' ? lineEnd - 1 : lineEnd;
    end = next;
    unread = next;
    line++;
    return true;
  }

  private int newlineFrom(int start) {
    for (int i = start; i < limit; i++) {
      if (buffer[i] == '\n') {
        return i;
      }
    }
    return -1;
  }

  private void skipByteOrderMark() {
    while (limit < 3) {
      if (!fill()) {
        return;
      }
    }
    if (buffer[0] == (byte) 0xEF && buffer[1] == (byte) 0xBB && buffer[2] == (byte) 0xBF) {
      unread = 3;
    }
  }

  /** Reads more bytes behind the unread ones; false at the end of the stream. */
  private boolean fill() {
    if (unread > 0) {
      System.arraycopy(buffer, unread, buffer, 0, limit - unread);
      limit -= unread;
      unread = 0;
    }
    if (limit == buffer.length) {
      if (limit >= LONGEST_LINE) {
        throw InputException.in(
            file,
            "line " + (line + 1),
            "the line is longer than " + LONGEST_LINE + " bytes",
            "give a text file with one sentence per line");
      }
      buffer = java.util.Arrays.copyOf(buffer, 2 * buffer.length);
    }
    try {
      int read = in.read(buffer, limit, buffer.length - limit);
      limit += Math.max(read, 0);
      return read > 0;
    } catch (EOFException | ZipException e) {
      throw InputException.in(
          file,
          "line " + (line + 1),
          "the compressed data is truncated or damaged",
          "compress or download the file again");
    } catch (IOException e) {
      throw new InputException(file + ", line " + (line + 1) + ": cannot be read: " + e + ".", e);
    }
  }

  /**
   * Holds the current line from {@link #from} to {@link #to}, until the next call of {@link #next}.
   */
  byte[] buffer() {
    return buffer;
  }

  int from() {
    return from;
  }

  /** One past the line's last byte; its line end is not part of it. */
  int to() {
    return to;
  }

  /** One past the line's end. */
  int end() {
    return end;
  }

  /** The number of the current line, from 1. */
  long line() {
    return line;
  }

  Path file() {
    return file;
  }

  @Override
  public void close() {
    try {
      in.close();
    } catch (IOException e) {
      throw new InputException(file + ": cannot be closed: " + e + ".", e);
    }
  }
}
