package io.github.simcse4j.cli;

import io.github.simcse4j.kernels.DeviceTraits;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.kernels.UnusableKernelsException;
import io.github.simcse4j.tensor.DType;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jdk.incubator.vector.VectorShape;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code simcse doctor}. */
@Command(
    name = "doctor",
    mixinStandardHelpOptions = true,
    description = "Tells what this machine can compute with, and what would make more of it work.")
final class DoctorCommand implements Callable<Integer> {

  private static final String VECTOR_MODULE = "jdk.incubator.vector";

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    Runtime runtime = Runtime.getRuntime();
    line(out, "simcse4j", BuildInfo.load().toString());
    line(
        out,
        "java",
        Runtime.version() + ", " + property("java.vendor") + ", " + property("java.home"));
    line(
        out,
        "system",
        property("os.name") + " " + property("os.version") + ", " + property("os.arch"));
    line(out, "processors", String.valueOf(runtime.availableProcessors()));
    line(out, "vector api", vectorApi());
    line(out, "heap", (runtime.maxMemory() >> 20) + " MiB at most");
    boolean usable = false;
    for (KernelsProvider provider : KernelsSelection.providers()) {
      String name = "kernels " + provider.name();
      try (Kernels kernels = provider.open(runtime.availableProcessors())) {
        String where = provider.device() + " in " + precisions(provider);
        line(out, name, "usable on " + where + heads(kernels) + ": " + kernels.description());
        usable |= provider.rank() >= 0;
      } catch (UnusableKernelsException e) {
        line(out, name, "not usable: " + e.getMessage());
      }
    }
    if (!usable) {
      out.println("Nothing but the slow reference kernels works here; see the reasons above.");
    }
    out.flush();
    return ExitCode.OK;
  }

  private static String precisions(KernelsProvider provider) {
    return Stream.of(DType.F32, DType.BF16)
        .filter(provider::supports)
        .map(KernelsSelection::precision)
        .collect(Collectors.joining(" and "));
  }

  private static String heads(Kernels kernels) {
    DeviceTraits traits = kernels.traits();
    return traits.headSizes().isEmpty()
        ? ""
        : " for heads of " + traits.headSizesInWords() + " channels";
  }

  private static String vectorApi() {
    return ModuleLayer.boot().findModule(VECTOR_MODULE).isPresent()
        ? "on, " + VectorShape.preferredShape().vectorBitSize() + " bit wide"
        : "off: the JVM needs --add-modules " + VECTOR_MODULE;
  }

  private static String property(String name) {
    return System.getProperty(name, "unknown");
  }

  private static void line(PrintWriter out, String name, String value) {
    out.printf("%-18s %s%n", name, value);
  }
}
