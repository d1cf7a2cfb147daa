package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;

/**
 * One run of the command in this JVM.
 *
 * @param code its exit code
 * @param out what it wrote on standard output
 * @param err what it wrote on standard error
 */
record CommandRun(int code, String out, String err) {

  /** Runs {@code simcse} with these arguments. */
  static CommandRun of(String... arguments) {
    var out = new StringWriter();
    var err = new StringWriter();
    int code =
        Main.commandLine()
            .setOut(new PrintWriter(out, true))
            .setErr(new PrintWriter(err, true))
            .execute(arguments);
    return new CommandRun(code, out.toString(), err.toString());
  }

  /** Asserts that it did what it was asked to. */
  CommandRun succeeded() {
    assertEquals(0, code, err);
    assertFalse(err.contains("simcse:"), err);
    return this;
  }

  /** Asserts that all it said is one sentence for the user, with these words in it. */
  void refused(String... words) {
    assertEquals(2, code, err);
    assertEquals("", out);
    assertTrue(err.matches("simcse: [^\\n]+\\.\\R"), err);
    String sentence = err.substring(0, err.length() - System.lineSeparator().length());
    assertFalse(sentence.contains(". "), "more than one sentence: " + err);
    assertFalse(sentence.contains("Exception"), "a name of the program's: " + err);
    for (String word : words) {
      assertTrue(err.contains(word), "'" + word + "' is not in: " + err);
    }
  }
}
