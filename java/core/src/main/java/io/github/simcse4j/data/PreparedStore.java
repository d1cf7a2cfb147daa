package io.github.simcse4j.data;

/**
 * An opened token store and how it came to be.
 *
 * @param store to be closed by the receiver
 * @param summary for the user
 */
public record PreparedStore(TokenStore store, PrepareSummary summary) implements AutoCloseable {

  @Override
  public void close() {
    store.close();
  }
}
