package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/**
 * What a failure prints on standard error, and the exit code it ends in: one sentence and 2 for
 * what the user can mend, one sentence and 1 for a disk or pipe that failed, a stack trace and 1
 * for a fault of the program.
 */
final class Failures implements IParameterExceptionHandler, IExecutionExceptionHandler {

  @Override
  public int handleParseException(ParameterException fault, String[] arguments) {
    CommandLine command = fault.getCommandLine();
    String name = command.getCommandSpec().qualifiedName();
    command.getErr().println("simcse: " + fault.getMessage() + "; see '" + name + " --help'.");
    return ExitCode.USAGE;
  }

  @Override
  public int handleExecutionException(Exception fault, CommandLine command, ParseResult parsed) {
    PrintWriter err = command.getErr();
    return switch (fault) {
      case InputException input -> {
        err.println("simcse: " + input.getMessage());
        yield ExitCode.USAGE;
      }
      case UncheckedIOException io -> inputOutput(io.getCause(), err);
      case IOException io -> inputOutput(io, err);
      default -> {
        err.println("simcse: internal fault, please report it with the lines below.");
        fault.printStackTrace(err);
        yield ExitCode.SOFTWARE;
      }
    };
  }

  private static int inputOutput(IOException fault, PrintWriter err) {
    err.println("simcse: reading or writing failed: " + fault);
    return ExitCode.SOFTWARE;
  }
}
