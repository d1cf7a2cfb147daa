package io.github.simcse4j.jcuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import java.util.Optional;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A program that uses JCuda hands over its context, stream and memory, and keeps them. */
@Tag("cuda")
class JCudaLendingTest {

  private static final CUcontext CONTEXT = new CUcontext();
  private static final CUstream STREAM = new CUstream();

  @BeforeAll
  static void create() {
    JCudaTestDevice.prepare();
    assertEquals(Optional.empty(), JCudaNatives.obstacle());
    check(JCudaDriver.cuInit(0));
    CUdevice device = new CUdevice();
    check(JCudaDriver.cuDeviceGet(device, 0));
    check(JCudaDriver.cuCtxCreate(CONTEXT, 0, device));
    check(JCudaDriver.cuStreamCreate(STREAM, CUstream_flags.CU_STREAM_NON_BLOCKING));
  }

  @AfterAll
  static void destroy() {
    check(JCudaDriver.cuStreamDestroy(STREAM));
    check(JCudaDriver.cuCtxDestroy(CONTEXT));
  }

  @Test
  void computesInTheMemoryOfTheProgram() {
    CUdeviceptr a = sent(1, 2, 3, 4, 5, 6);
    CUdeviceptr b = sent(1, 0, 0, 1, 1, 1);
    CUdeviceptr c = sent(0, 0, 0, 0);
    CUdeviceptr bias = sent(10, 20);
    try (JCudaKernels kernels = JCudaKernels.over(CONTEXT, STREAM)) {
      Tensor left = kernels.tensor(a, DType.F32, 2, 3);
      Tensor right = kernels.tensor(b, DType.F32, 3, 2);
      Tensor product = kernels.tensor(c, DType.F32, 2, 2);
      kernels.gemm(false, false, left, right, product, GemmEpilogue.STORE);
      assertArrayEquals(new float[] {4, 5, 10, 11}, received(c, 4));
      kernels.gemm(
          false,
          false,
          left,
          right,
          product,
          GemmEpilogue.bias(kernels.tensor(bias, DType.F32, 2)));
      assertArrayEquals(new float[] {14, 25, 20, 31}, received(c, 4));
    }
    assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, received(a, 6));
    for (CUdeviceptr pointer : new CUdeviceptr[] {a, b, c, bias}) {
      check(JCudaDriver.cuMemFree(pointer));
    }
  }

  @Test
  void aPointerWithAnOffsetIsThatPlace() {
    CUdeviceptr memory = sent(7, 8, 9);
    try (JCudaKernels kernels = JCudaKernels.over(CONTEXT, STREAM)) {
      Tensor last = kernels.tensor(memory.withByteOffset(8), DType.F32, 1);
      kernels.zero(last);
      kernels.synchronize();
      assertArrayEquals(new float[] {7, 8, 0}, received(memory, 3));
    }
    check(JCudaDriver.cuMemFree(memory));
  }

  @Test
  void givesThePlacesOfItsOwnTensors() {
    try (JCudaKernels kernels = JCudaKernels.over(CONTEXT, STREAM);
        Memory memory = kernels.allocate(64)) {
      Tensor tensor = new Tensor(memory, 8, DType.F32, Shape.of(2));
      kernels.upload(Tensor.host(DType.F32, 2).fill(3, 4), tensor);
      kernels.synchronize();
      assertArrayEquals(new float[] {3, 4}, received(kernels.pointer(tensor), 2));
      assertArrayEquals(new float[] {0, 0, 3, 4}, received(((JCudaMemory) memory).pointer(), 4));
    }
  }

  @Test
  void closingLentMemoryGivesNothingBack() {
    CUdeviceptr pointer = sent(5);
    try (JCudaKernels kernels = JCudaKernels.over(CONTEXT, STREAM)) {
      JCudaMemory memory = kernels.memory(pointer, 4);
      Tensor tensor = new Tensor(memory, 0, DType.F32, Shape.of(1));
      memory.close();
      assertThrows(IllegalStateException.class, () -> kernels.zero(tensor));
      assertArrayEquals(new float[] {5}, received(pointer, 1));
    }
    check(JCudaDriver.cuMemFree(pointer));
  }

  @Test
  void memoryOfOthersIsRefused() {
    CUdeviceptr pointer = sent(5);
    try (JCudaKernels kernels = JCudaKernels.over(CONTEXT, STREAM);
        JCudaKernels others = JCudaKernels.over(CONTEXT, STREAM)) {
      Tensor foreign = others.tensor(pointer, DType.F32, 1);
      assertThrows(IllegalArgumentException.class, () -> kernels.zero(foreign));
      assertThrows(IllegalArgumentException.class, () -> kernels.zero(Tensor.host(DType.F32, 1)));
      assertThrows(IllegalArgumentException.class, () -> kernels.memory(new CUdeviceptr(), 4));
    }
    check(JCudaDriver.cuMemFree(pointer));
  }

  @Test
  void takesNoDefaultStream() {
    IllegalArgumentException fault =
        assertThrows(
            IllegalArgumentException.class, () -> JCudaKernels.over(CONTEXT, new CUstream()));
    assertTrue(fault.getMessage().contains("cuStreamCreate"), fault.getMessage());
    assertThrows(IllegalArgumentException.class, () -> JCudaKernels.over(new CUcontext(), STREAM));
  }

  private static CUdeviceptr sent(float... values) {
    CUdeviceptr memory = new CUdeviceptr();
    long bytes = 4L * values.length;
    check(JCudaDriver.cuMemAlloc(memory, bytes));
    check(JCudaDriver.cuMemcpyHtoDAsync(memory, Pointer.to(values), bytes, STREAM));
    check(JCudaDriver.cuStreamSynchronize(STREAM));
    return memory;
  }

  private static float[] received(CUdeviceptr memory, int count) {
    float[] values = new float[count];
    check(JCudaDriver.cuMemcpyDtoHAsync(Pointer.to(values), memory, 4L * count, STREAM));
    check(JCudaDriver.cuStreamSynchronize(STREAM));
    return values;
  }

  private static void check(int result) {
    assertEquals(CUresult.CUDA_SUCCESS, result, CUresult.stringFor(result));
  }
}
