package io.github.simcse4j.jcuda;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.kernels.TestDevice;
import io.github.simcse4j.tensor.DType;
import java.nio.file.Path;
import java.util.List;

/**
 * Where tests of JCuda run: on a GPU with {@code -Dsimcse.test.device=cuda}, or else on the
 * emulated device, with a driver and a cuBLAS over host memory that {@code make -C cuda fakes}
 * builds into the folder {@code -Dsimcse.jcuda.fakes}. It is there, or they fail.
 */
final class JCudaTestDevice {

  private static final String FAKES = "simcse.jcuda.fakes";

  private JCudaTestDevice() {}

  /** What JCuda's libraries ask for by name is found where it is loaded already. */
  static void prepare() {
    if (TestDevice.isReal()) {
      return;
    }
    String folder = System.getProperty(FAKES);
    if (folder == null) {
      throw new AssertionError("-D" + FAKES + " does not say where the fakes of CUDA are");
    }
    for (String name : List.of("libcuda.so.1", "libcublas.so.12", "libcudnn.so.9")) {
      System.load(Path.of(folder, name).toAbsolutePath().toString());
    }
  }

  /** Opens the kernels as a user would; the caller closes them. */
  static Kernels open(DType dtype) {
    prepare();
    String device = TestDevice.isReal() ? System.getProperty("simcse.test.device") : "cuda:0";
    Kernels kernels = KernelsSelection.select(device, "jcuda", 1, dtype).kernels();
    if (kernels.description().contains("emulated") == TestDevice.isReal()) {
      String found = kernels.description();
      kernels.close();
      throw new AssertionError("the tests ask for another device than this: " + found);
    }
    return kernels;
  }
}
