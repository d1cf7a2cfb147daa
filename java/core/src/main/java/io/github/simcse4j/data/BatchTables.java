package io.github.simcse4j.data;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The three small tables of a packed batch, in memory that is used again for every batch. */
final class BatchTables implements AutoCloseable {

  private final Tensor starts;
  private final Tensor cuSeqlens;
  private final Tensor samples;
  private int sentences;
  private int tokens;
  private int longest;
  private int viewed = -1;
  private Tensor startsView;
  private Tensor cuSeqlensView;
  private Tensor samplesView;

  BatchTables(int maxSentences) {
    starts = Tensor.host(DType.I64, maxSentences);
    cuSeqlens = Tensor.host(DType.I32, maxSentences + 1L);
    samples = Tensor.host(DType.I32, maxSentences);
  }

  void clear() {
    sentences = 0;
    tokens = 0;
    longest = 0;
  }

  int sentences() {
    return sentences;
  }

  int maxSentences() {
    return (int) samples.elements();
  }

  int tokens() {
    return tokens;
  }

  void add(long start, int length, int sample) {
    MemorySegment ends = cuSeqlens.segment();
    starts.segment().setAtIndex(ValueLayout.JAVA_LONG, sentences, start);
    samples.segment().setAtIndex(ValueLayout.JAVA_INT, sentences, sample);
    tokens = Math.addExact(tokens, length);
    sentences++;
    ends.setAtIndex(ValueLayout.JAVA_INT, sentences, tokens);
    longest = Math.max(longest, length);
  }

  PackedBatch packed(Tensor ids) {
    if (viewed != sentences) {
      startsView = starts.rows(0, sentences);
      cuSeqlensView = cuSeqlens.rows(0, sentences + 1L);
      samplesView = samples.rows(0, sentences);
      viewed = sentences;
    }
    return new PackedBatch(ids, startsView, cuSeqlensView, samplesView, tokens, longest, 1, 0);
  }

  @Override
  public void close() {
    for (Tensor table : new Tensor[] {starts, cuSeqlens, samples}) {
      ((HostMemory) table.memory()).close();
    }
  }
}
