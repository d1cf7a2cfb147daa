package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.reference.ReferenceKernels;
import io.github.simcse4j.tensor.DType;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which backend computes, and what is said of it. */
class KernelsSelectionTest {

  private static final String AUTO = KernelsSelection.AUTO;

  @Test
  void autoTakesTheBestThatComputesInTheType() {
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      List<KernelsProvider> ranked =
          KernelsSelection.providers().stream().filter(provider -> provider.rank() >= 0).toList();
      Optional<KernelsProvider> best =
          ranked.stream()
              .filter(p -> p.supports(dtype) && UsableKernels.obstacle(p).isEmpty())
              .findFirst();
      if (best.isEmpty()) {
        refused(() -> KernelsSelection.select(AUTO, AUTO, 1, dtype), "fp32", "make native");
        continue;
      }
      KernelsSelection selection = KernelsSelection.select(AUTO, AUTO, 1, dtype);
      try (Kernels kernels = selection.kernels()) {
        assertEquals(best.get().name(), kernels.name());
        assertTrue(kernels.supports(dtype), selection.line());
        for (KernelsProvider provider : ranked.subList(0, ranked.indexOf(best.get()))) {
          assertTrue(selection.line().contains(provider.name() + ": "), selection.line());
        }
      }
    }
  }

  @Test
  void theReferenceComputesInEveryTypeWhereItIsAskedFor() {
    for (DType dtype : new DType[] {DType.F64, DType.F32, DType.BF16}) {
      KernelsSelection selection = KernelsSelection.select("cpu", "reference", 1, dtype);
      try (Kernels kernels = selection.kernels()) {
        assertEquals("reference", kernels.name());
        assertEquals(1, selection.line().lines().count());
      }
    }
  }

  @Test
  void aTypeThatABackendDoesNotComputeInIsRefused() {
    refused(
        () -> KernelsSelection.select(AUTO, "vector", 1, DType.BF16),
        "vector: does not compute in bf16",
        "--precision bf16",
        "--precision fp32",
        "make native");
  }

  @Test
  void everyProviderSaysWhatItsKernelsSay() {
    for (KernelsProvider provider : KernelsSelection.providers()) {
      if (UsableKernels.obstacle(provider).isEmpty()) {
        try (Kernels kernels = provider.open(1)) {
          for (DType dtype : DType.values()) {
            assertEquals(
                kernels.supports(dtype), provider.supports(dtype), provider.name() + " " + dtype);
          }
        }
      }
    }
  }

  /** Opening a GPU takes long. */
  @Test
  void whatIsChosenIsOpenedOnceAndWhatIsNotIsNot(@TempDir Path folder) throws IOException {
    Path services = Files.createDirectories(folder.resolve("META-INF/services"));
    Files.writeString(
        services.resolve(KernelsProvider.class.getName()), CountedProvider.class.getName());
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()}, before)) {
      thread.setContextClassLoader(loader);
      KernelsSelection.select(AUTO, AUTO, 1, DType.F64).kernels().close();
      assertEquals(1, CountedProvider.OPENED.get());
      KernelsSelection.select("cpu", "reference", 1, DType.F64).kernels().close();
      assertEquals(1, CountedProvider.OPENED.get());
    } finally {
      thread.setContextClassLoader(before);
    }
  }

  /** Taken by {@code auto} before all others, in a type that none of those computes in. */
  public static final class CountedProvider implements KernelsProvider {

    private static final AtomicInteger OPENED = new AtomicInteger();

    @Override
    public String name() {
      return "counted";
    }

    @Override
    public String device() {
      return "cpu";
    }

    @Override
    public int rank() {
      return Integer.MAX_VALUE;
    }

    @Override
    public boolean supports(DType dtype) {
      return dtype == DType.F64;
    }

    @Override
    public Kernels open(int threads) {
      OPENED.incrementAndGet();
      return new ReferenceKernels();
    }
  }

  private static void refused(Runnable select, String... words) {
    InputException fault = assertThrows(InputException.class, select::run);
    for (String word : words) {
      assertTrue(fault.getMessage().contains(word), fault.getMessage());
    }
  }
}
