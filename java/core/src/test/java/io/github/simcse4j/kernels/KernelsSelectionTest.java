package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.DType;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Which backend computes, and what is said of it. */
class KernelsSelectionTest {

  private static final String AUTO = KernelsSelection.AUTO;

  @Test
  void autoTakesTheBestThatComputesInTheType() {
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      List<KernelsProvider> ranked =
          KernelsSelection.providers().stream().filter(provider -> provider.rank() >= 0).toList();
      Optional<KernelsProvider> best =
          ranked.stream().filter(p -> p.obstacle().isEmpty() && p.supports(dtype)).findFirst();
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
      if (provider.obstacle().isEmpty()) {
        try (Kernels kernels = provider.open(1)) {
          for (DType dtype : DType.values()) {
            assertEquals(
                kernels.supports(dtype), provider.supports(dtype), provider.name() + " " + dtype);
          }
        }
      }
    }
  }

  private static void refused(Runnable select, String... words) {
    InputException fault = assertThrows(InputException.class, select::run);
    for (String word : words) {
      assertTrue(fault.getMessage().contains(word), fault.getMessage());
    }
  }
}
