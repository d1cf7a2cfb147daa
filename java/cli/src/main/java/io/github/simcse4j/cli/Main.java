package io.github.simcse4j.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The command {@code simcse}. */
@Command(
    name = "simcse",
    description = "Trains and uses SimCSE sentence encoders.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      TrainCommand.class,
      PlanCommand.class,
      EvalCommand.class,
      EncodeCommand.class,
      PrepareCommand.class,
      QuickstartCommand.class,
      DoctorCommand.class,
      BenchCommand.class
    },
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done",
      "1:a fault of the program, a disk, a pipe or the memory",
      "2:a fault in the arguments or in a file that was handed over"
    })
public final class Main implements Callable<Integer> {

  @Spec private CommandSpec spec;

  private Main() {}

  public static void main(String[] arguments) {
    System.exit(commandLine().execute(arguments));
  }

  /** The command with its failure handling, ready to execute. */
  static CommandLine commandLine() {
    var failures = new Failures();
    return new CommandLine(new Main())
        .setExecutionStrategy(failures)
        .setParameterExceptionHandler(failures)
        .setExecutionExceptionHandler(failures);
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(spec.commandLine().getErr());
    return ExitCode.USAGE;
  }
}
