package io.github.simcse4j.jcuda;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.kernels.UnusableKernelsException;
import io.github.simcse4j.tensor.DType;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Offers {@link JCudaKernels} where JCuda, a GPU and the plug-in of libsimcse are there. It must be
 * asked for: {@code auto} takes the kernels of the same plug-in that need no JNI.
 */
public final class JCudaKernelsProvider implements KernelsProvider {

  private static final Pattern DEVICE = Pattern.compile("cuda(?::(0|[1-9][0-9]{0,3}))?");

  private final int number;

  /** Of the first GPU. */
  public JCudaKernelsProvider() {
    this(0);
  }

  private JCudaKernelsProvider(int number) {
    this.number = number;
  }

  @Override
  public String name() {
    return "jcuda";
  }

  @Override
  public String device() {
    return "cuda:" + number;
  }

  /** {@code cuda} is the first GPU, {@code cuda:N} the one of that number. */
  @Override
  public Optional<KernelsProvider> on(String asked) {
    Matcher matcher = DEVICE.matcher(asked);
    if (!matcher.matches()) {
      return Optional.empty();
    }
    String digits = matcher.group(1);
    return Optional.of(new JCudaKernelsProvider(digits == null ? 0 : Integer.parseInt(digits)));
  }

  @Override
  public int rank() {
    return -1;
  }

  @Override
  public boolean supports(DType dtype) {
    return dtype == DType.F32 || dtype == DType.BF16;
  }

  @Override
  public Kernels open(int threads) {
    try {
      return JCudaKernels.of(number, threads);
    } catch (RuntimeException | OutOfMemoryError e) {
      throw new UnusableKernelsException(
          String.valueOf(e.getMessage()).replaceFirst("^device_open: ", ""), e);
    }
  }
}
