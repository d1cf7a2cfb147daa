package io.github.simcse4j.cli;

import io.github.simcse4j.tensor.DType;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads the type that is computed in by its name on the command line. */
final class PrecisionConverter implements ITypeConverter<DType> {

  @Override
  public DType convert(String name) {
    return switch (name) {
      case "fp32" -> DType.F32;
      case "bf16" -> DType.BF16;
      default ->
          throw new TypeConversionException(
              "precision '" + name + "' is not known; use fp32 or bf16.");
    };
  }
}
