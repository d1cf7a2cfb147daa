package io.github.simcse4j.tokenizer;

/**
 * Text that is no Unicode. It knows the place but not the file: who read the text catches it and
 * names file and line.
 */
public final class MalformedTextException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  private final int position;

  MalformedTextException(int position, String problem) {
    super(problem + " at position " + position);
    this.position = position;
  }

  /**
   * The index of the first faulty unit in the array or string handed over: a byte of an array (from
   * the array's start, not the text's), a {@code char} of a string.
   */
  public int position() {
    return position;
  }
}
