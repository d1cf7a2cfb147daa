package io.github.simcse4j.tensor;

/**
 * Memory that is only counted: a {@link Workspace} over it tells, by its peak, how much a real one
 * needs, from the very code that will fill it.
 */
public final class PlannedMemory implements Memory {

  @Override
  public long byteSize() {
    return Long.MAX_VALUE;
  }

  @Override
  public String location() {
    return "planned";
  }

  @Override
  public void close() {
    // There is nothing to give back.
  }
}
