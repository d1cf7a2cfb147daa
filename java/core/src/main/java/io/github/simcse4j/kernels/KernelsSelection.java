package io.github.simcse4j.kernels;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.DType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The backend that was picked, and why.
 *
 * @param kernels open; the caller closes them
 * @param line what to print at the start of a run, in one line
 */
public record KernelsSelection(Kernels kernels, String line) {

  /** Picks by itself. */
  public static final String AUTO = "auto";

  private static final String HOST = "cpu";

  /** Picks a backend that computes in F32. */
  public static KernelsSelection select(String device, String name, int threads) {
    return select(device, name, threads, DType.F32);
  }

  /**
   * Picks a backend.
   *
   * @param device {@code auto} or a device such as {@code cpu} or {@code cuda:1}
   * @param name {@code auto} or a backend such as {@code vector}
   * @param threads host threads to compute with
   * @param dtype the type of activations
   * @throws InputException where there is no such backend or device, or it cannot be used here or
   *     not with this type
   */
  public static KernelsSelection select(String device, String name, int threads, DType dtype) {
    if (threads < 1) {
      throw new InputException("--threads must be at least 1, found " + threads + ".");
    }
    List<String> passedOver = new ArrayList<>();
    for (KernelsProvider provider : candidates(device, name)) {
      if (!provider.supports(dtype)) {
        passedOver.add(provider.name() + ": does not compute in " + precision(dtype));
      } else if (!name.equals(AUTO) || provider.rank() >= 0) {
        try {
          Kernels kernels = provider.open(threads);
          return new KernelsSelection(kernels, line(provider, kernels, name, dtype, passedOver));
        } catch (UnusableKernelsException e) {
          passedOver.add(provider.name() + ": " + e.getMessage());
        }
      }
    }
    throw new InputException(
        "--device %s --kernels %s --precision %s cannot be used here (%s); %s."
            .formatted(
                device,
                name,
                precision(dtype),
                String.join("; ", passedOver),
                remedy(device, dtype)));
  }

  private static String remedy(String device, DType dtype) {
    if (!device.equals(AUTO) && !device.equals(HOST)) {
      return "mend that, or use --device " + HOST;
    }
    return dtype == DType.F32
        ? "choose other kernels"
        : "build the native library with `make native`, or use --precision " + precision(DType.F32);
  }

  /** What the option {@code --precision} calls a type. */
  public static String precision(DType dtype) {
    return dtype == DType.F32 ? "fp32" : dtype.name().toLowerCase(Locale.ROOT);
  }

  /** Every provider there is, best first. */
  public static List<KernelsProvider> providers() {
    return ServiceLoader.load(KernelsProvider.class).stream()
        .map(ServiceLoader.Provider::get)
        .sorted(Comparator.comparingInt(KernelsProvider::rank).reversed())
        .toList();
  }

  private static List<KernelsProvider> candidates(String device, String name) {
    List<KernelsProvider> all = providers();
    List<KernelsProvider> there =
        device.equals(AUTO)
            ? all
            : all.stream().flatMap(provider -> provider.on(device).stream()).toList();
    if (there.isEmpty()) {
      throw unknown("--device", device, all.stream().map(KernelsProvider::device));
    }
    if (!name.equals(AUTO) && all.stream().noneMatch(provider -> provider.name().equals(name))) {
      throw unknown("--kernels", name, all.stream().map(KernelsProvider::name));
    }
    List<KernelsProvider> fitting =
        there.stream()
            .filter(provider -> name.equals(AUTO) || provider.name().equals(name))
            .toList();
    if (fitting.isEmpty()) {
      throw new InputException(
          "--kernels "
              + name
              + " does not compute on --device "
              + device
              + "; leave one of them out.");
    }
    return fitting;
  }

  private static InputException unknown(String option, String value, Stream<String> known) {
    String choices = known.distinct().sorted().collect(Collectors.joining(", "));
    return new InputException(
        option + " " + value + " is not known here; use auto or one of " + choices + ".");
  }

  private static String line(
      KernelsProvider provider,
      Kernels kernels,
      String asked,
      DType dtype,
      List<String> passedOver) {
    StringBuilder line = new StringBuilder("kernels: ");
    line.append(provider.name()).append(" on ").append(provider.device());
    line.append(" in ").append(precision(dtype));
    line.append(" (").append(kernels.description()).append("), ");
    line.append(asked.equals(AUTO) ? "the fastest that works here" : "as asked for");
    if (!passedOver.isEmpty()) {
      line.append("; passed over ").append(String.join("; ", passedOver));
    }
    return line.toString();
  }
}
