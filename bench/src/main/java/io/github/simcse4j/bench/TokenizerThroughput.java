package io.github.simcse4j.bench;

import io.github.simcse4j.tokenizer.Tokenizer;
import io.github.simcse4j.tokenizer.Tokenizers;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Path;

/**
 * Sentences per second of the tokenizer on one thread, for {@code bench/tokenizer/compare.py}.
 *
 * <p>Prints one line per pass: {@code sentences ids seconds cpuSeconds}; the last is the thread's
 * processor time, which other work on the machine disturbs less.
 */
public final class TokenizerThroughput {

  private TokenizerThroughput() {}

  /** Arguments: model folder, sentence file, most ids per sentence, passes. */
  public static void main(String[] args) throws IOException {
    Tokenizer tokenizer = Tokenizers.load(Path.of(args[0]));
    SentenceFile sentences = SentenceFile.read(Path.of(args[1]));
    int maxLength = Integer.parseInt(args[2]);
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    for (int pass = 0; pass < Integer.parseInt(args[3]); pass++) {
      long cpuStart = threads.getCurrentThreadCpuTime();
      long start = System.nanoTime();
      long ids = sentences.encodeAll(tokenizer, maxLength);
      double seconds = (System.nanoTime() - start) * 1e-9;
      double cpuSeconds = (threads.getCurrentThreadCpuTime() - cpuStart) * 1e-9;
      System.out.printf("%d %d %.6f %.6f%n", sentences.count(), ids, seconds, cpuSeconds);
    }
  }
}
