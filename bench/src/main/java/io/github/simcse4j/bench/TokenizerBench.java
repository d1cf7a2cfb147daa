package io.github.simcse4j.bench;

import io.github.simcse4j.tokenizer.Tokenizer;
import io.github.simcse4j.tokenizer.Tokenizers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * One pass over a file of sentences on one thread; the secondary results are sentences, ids and
 * bytes per second.
 *
 * <p>Run with {@code -p model=FOLDER -p sentences=FILE}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
public class TokenizerBench {

  /** What a pass adds to the rates that JMH prints. */
  @State(Scope.Thread)
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  public static class Rates {
    public long sentencesPerSecond;
    public long idsPerSecond;
    public long bytesPerSecond;
  }

  @Param("model")
  public String model;

  @Param("sentences.txt")
  public String sentences;

  @Param({"32", "512"})
  public int maxLength;

  private Tokenizer tokenizer;
  private SentenceFile file;

  @Setup
  public void load() throws IOException {
    tokenizer = Tokenizers.load(Path.of(model));
    file = SentenceFile.read(Path.of(sentences));
  }

  @Benchmark
  public long encode(Rates rates) {
    long ids = file.encodeAll(tokenizer, maxLength);
    rates.sentencesPerSecond += file.count();
    rates.idsPerSecond += ids;
    rates.bytesPerSecond += file.bytes();
    return ids;
  }
}
