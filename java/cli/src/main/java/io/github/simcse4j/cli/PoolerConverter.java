package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.model.Pooler;
import java.util.Arrays;
import java.util.Iterator;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a pooler by its label. */
final class PoolerConverter implements ITypeConverter<Pooler> {

  @Override
  public Pooler convert(String label) {
    try {
      return Pooler.of(label);
    } catch (InputException e) {
      throw new TypeConversionException(e.getMessage());
    }
  }

  /** The labels, for {@code --help}. */
  static final class Labels implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Arrays.stream(Pooler.values()).map(Pooler::label).iterator();
    }
  }
}
