package io.github.simcse4j.jcuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.kernels.UsableKernels;
import io.github.simcse4j.tensor.DType;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class JCudaKernelsProviderTest {

  @Test
  void isFoundAndComesBehindTheKernelsWithoutJni() {
    List<String> names = KernelsSelection.providers().stream().map(KernelsProvider::name).toList();
    assertTrue(names.contains("jcuda"), names.toString());
    assertTrue(names.indexOf("cuda") < names.indexOf("jcuda"), names.toString());
  }

  @Test
  void mustBeAskedFor() {
    try (Kernels kernels = KernelsSelection.select("auto", "auto", 1).kernels()) {
      assertFalse(kernels instanceof JCudaKernels, kernels.description());
    }
  }

  @Test
  void takesTheNamesOfGpus() {
    KernelsProvider provider = new JCudaKernelsProvider();
    assertEquals("cuda:0", provider.device());
    assertEquals("cuda:0", provider.on("cuda").orElseThrow().device());
    assertEquals("cuda:12", provider.on("cuda:12").orElseThrow().device());
    for (String other : List.of("cpu", "cuda:", "cuda:x", "cuda:01", "cuda:12345")) {
      assertEquals(Optional.empty(), provider.on(other), other);
    }
    assertTrue(provider.supports(DType.F32) && provider.supports(DType.BF16));
    assertFalse(provider.supports(DType.F64));
  }

  @Test
  void whatStandsAgainstItIsSaidInOneSentence() {
    Optional<String> obstacle = UsableKernels.obstacle(new JCudaKernelsProvider());
    Assumptions.assumeTrue(obstacle.isPresent(), "nothing stands against JCuda here");
    assertEquals(1, obstacle.get().lines().count(), obstacle.get());
    InputException fault =
        assertThrows(
            InputException.class, () -> KernelsSelection.select("auto", "jcuda", 1, DType.F32));
    assertTrue(fault.getMessage().contains("jcuda: " + obstacle.get()), fault.getMessage());
  }
}
