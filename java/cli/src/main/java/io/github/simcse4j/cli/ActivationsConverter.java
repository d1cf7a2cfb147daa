package io.github.simcse4j.cli;

import io.github.simcse4j.train.Activations;
import java.util.Arrays;
import java.util.Iterator;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads what is kept of a chunk by its label. */
final class ActivationsConverter implements ITypeConverter<Activations> {

  @Override
  public Activations convert(String label) {
    for (Activations activations : Activations.values()) {
      if (activations.label().equals(label)) {
        return activations;
      }
    }
    throw new TypeConversionException(
        "activations '" + label + "' is not known; use auto, keep or replay.");
  }

  /** The labels, for {@code --help}. */
  static final class Labels implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Arrays.stream(Activations.values()).map(Activations::label).iterator();
    }
  }
}
