package io.github.simcse4j.cli;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.files.InputException;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a choice of columns. */
final class ColumnsConverter implements ITypeConverter<Columns> {

  @Override
  public Columns convert(String text) {
    try {
      return Columns.parse(text);
    } catch (InputException e) {
      throw new TypeConversionException(e.getMessage());
    }
  }
}
