package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.DeviceException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.kernels.UnusableKernelsException;
import io.github.simcse4j.tensor.DType;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Offers {@link CudaKernels} where libsimcse loads, its plug-in for CUDA lies beside it and finds a
 * GPU. Where there is no plug-in nothing is loaded to find that out.
 */
public final class CudaKernelsProvider implements KernelsProvider {

  private static final Pattern DEVICE = Pattern.compile("cuda(:(0|[1-9][0-9]{0,3}))?");

  private final String device;

  /** Of the first GPU. */
  public CudaKernelsProvider() {
    this("cuda:0");
  }

  private CudaKernelsProvider(String device) {
    this.device = device;
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public String device() {
    return device;
  }

  /** {@code cuda} is the first GPU, {@code cuda:N} the one of that number. */
  @Override
  public Optional<KernelsProvider> on(String asked) {
    Matcher matcher = DEVICE.matcher(asked);
    if (!matcher.matches()) {
      return Optional.empty();
    }
    return Optional.of(matcher.group(1) == null ? this : new CudaKernelsProvider(asked));
  }

  @Override
  public int rank() {
    return 30;
  }

  @Override
  public boolean supports(DType dtype) {
    return dtype == DType.F32 || dtype == DType.BF16;
  }

  @Override
  public Kernels open(int threads) {
    SimcseLibrary library = LoadedLibrary.ONCE.required();
    try {
      return new CudaKernels(library, device, threads);
    } catch (IllegalStateException
        | IllegalArgumentException
        | DeviceException
        | OutOfMemoryError e) {
      throw new UnusableKernelsException(e.getMessage().replaceFirst("^device_open: ", ""), e);
    }
  }
}
