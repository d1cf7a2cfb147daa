package io.github.simcse4j.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSuite;
import io.github.simcse4j.kernels.OperationProfile;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.ProfiledKernels;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Kernels that are being profiled do, byte for byte, what they do otherwise. */
class ProfiledKernelsTest extends KernelsSuite {

  @Override
  protected Kernels open() {
    ProfiledKernels profiled = new ProfiledKernels(new VectorKernels(1));
    profiled.start();
    return profiled;
  }

  @Override
  protected Kernels openTwin() {
    return new VectorKernels(1);
  }

  @Override
  public DType dtype() {
    return DType.F32;
  }

  @Test
  void likeCallsAreTakenTogether() {
    try (ProfiledKernels profiled = new ProfiledKernels(new VectorKernels(1))) {
      Tensor a = Tensor.host(DType.F32, 5, 7);
      Tensor b = Tensor.host(DType.F32, 3, 7);
      Tensor c = Tensor.host(DType.F32, 5, 3);
      profiled.gemm(false, true, a, b, c, GemmEpilogue.STORE);
      profiled.start();
      profiled.gemm(false, true, a, b, c, GemmEpilogue.STORE);
      profiled.gemm(false, true, a, b, c, GemmEpilogue.ACCUMULATE);
      profiled.together(1, () -> profiled.gemm(false, true, a, b, c, GemmEpilogue.STORE));
      OperationProfile profile = profiled.stop();
      profiled.gemm(false, true, a, b, c, GemmEpilogue.STORE);
      List<OperationProfile.Entry> entries = List.copyOf(profile.entries());
      assertEquals(2, entries.size());
      OperationProfile.Entry stored = entries.getFirst();
      assertEquals("gemm", stored.operation());
      assertEquals("5 x 3 x 7 NT store", stored.shape());
      assertEquals(2, stored.calls());
      assertEquals(2 * 2 * 5 * 3 * 7, stored.flops());
      assertEquals(2 * 4 * (35 + 21 + 15), stored.bytes());
      // What is added to is read, too.
      assertEquals(4 * (35 + 21 + 15 + 15), entries.getLast().bytes());
      assertTrue(stored.seconds() > 0);
      assertEquals(profile.seconds(), stored.seconds() + entries.getLast().seconds());
      assertEquals(420 / 1e3, stored.floor(1e9, 1e3));
      assertEquals(568 / 1e3, stored.floor(1e3, 1e9));
      profiled.start();
      assertTrue(profiled.stop().entries().isEmpty());
    }
  }

  @Test
  void attentionCostsTheSquareOfEachLength() {
    try (ProfiledKernels profiled = new ProfiledKernels(new VectorKernels(1))) {
      Tensor ids = Tensor.host(DType.I32, 7);
      Tensor starts = Tensor.host(DType.I64, 2);
      Tensor cuSeqlens = Tensor.host(DType.I32, 3);
      cuSeqlens.set(1, 2);
      cuSeqlens.set(2, 7);
      Tensor samples = Tensor.host(DType.I32, 2);
      PackedBatch batch = new PackedBatch(ids, starts, cuSeqlens, samples, 7, 5, 3, 0);
      Tensor qkv = Tensor.host(DType.F32, 21, 24);
      Tensor out = Tensor.host(DType.F32, 21, 8);
      profiled.start();
      profiled.attentionForward(batch, 2, qkv, Dropout.NONE, out, null);
      OperationProfile.Entry entry = profiled.stop().entries().iterator().next();
      assertEquals(4 * 3 * (4 + 25) * 8, entry.flops());
      assertEquals(4 * 21 * (24 + 8), entry.bytes());
      assertFalse(entry.shape().isBlank());
    }
  }
}
