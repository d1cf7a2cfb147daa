package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.DeviceException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IExecutionStrategy;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * What a failure prints on standard error, and the exit code it ends in: one sentence and 2 for
 * what the user can mend, one sentence and 1 for a disk, a pipe, memory or a device that failed, a
 * stack trace and 1 for a fault of the program.
 */
final class Failures
    implements IExecutionStrategy, IParameterExceptionHandler, IExecutionExceptionHandler {

  /** Runs a command; memory that does not suffice is a matter of settings, not of the program. */
  @Override
  public int execute(ParseResult parsed) {
    try {
      return new RunLast().execute(parsed);
    } catch (OutOfMemoryError e) {
      parsed
          .commandSpec()
          .commandLine()
          .getErr()
          .println(
              "simcse: the memory does not suffice ("
                  + e.getMessage()
                  + "); lower what makes a batch large, such as --batch-size and --max-length, or"
                  + " raise the JVM's limits with SIMCSE_JAVA_OPTIONS.");
      return ExitCode.SOFTWARE;
    }
  }

  @Override
  public int handleParseException(ParameterException fault, String[] arguments) {
    CommandLine command = fault.getCommandLine();
    String name = command.getCommandSpec().qualifiedName();
    String problem = fault.getMessage().strip().replaceFirst("\\.$", "") + suggestion(fault);
    command.getErr().println("simcse: " + problem + "; see '" + name + " --help'.");
    return ExitCode.USAGE;
  }

  private static String suggestion(ParameterException fault) {
    List<String> names =
        fault instanceof UnmatchedArgumentException unmatched
            ? unmatched.getSuggestions()
            : List.of();
    return names.isEmpty() ? "" : ", did you mean " + String.join(" or ", names) + "?";
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
      case DeviceException device -> {
        err.println("simcse: the device failed: " + device.getMessage());
        yield ExitCode.SOFTWARE;
      }
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
