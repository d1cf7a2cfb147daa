package io.github.simcse4j.kernels;

/**
 * The way of packed batches from the host to the operations, opened by {@link Kernels#stage}. A
 * backend on the host reads them where they lie. For a device the tokens are gathered, checked and
 * sent while it still computes on the batch before.
 */
public interface BatchStage extends AutoCloseable {

  /** Of backends that compute in the host's memory. */
  BatchStage HOST =
      new BatchStage() {
        @Override
        public PackedBatch put(PackedBatch batch) {
          return batch;
        }

        @Override
        public void close() {
          // It holds nothing.
        }
      };

  /**
   * The batch as the operations read it, until as many more were put as may be in use at once. What
   * it was made of must stay for as long where it is used as it is.
   *
   * @param batch of host memory, within the limits of the stage
   * @throws IllegalArgumentException where it is not, or an id or offset is none
   */
  PackedBatch put(PackedBatch batch);

  @Override
  void close();
}
