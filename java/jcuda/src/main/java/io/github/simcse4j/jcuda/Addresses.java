package io.github.simcse4j.jcuda;

import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;

/** The addresses inside JCuda's pointers and handles, which it shows to subclasses alone. */
final class Addresses {

  private Addresses() {}

  /** A copy of a handle, such as a context or a stream. */
  private static final class Handle extends NativePointerObject {

    Handle(NativePointerObject handle) {
      super(handle);
    }

    long address() {
      return getNativePointer();
    }
  }

  /** A copy of a pointer, or one to an address. */
  private static final class Place extends Pointer {

    Place(Pointer pointer) {
      super(pointer);
    }

    Place(long address) {
      super(address);
    }

    long address() {
      return getNativePointer() + getByteOffset();
    }
  }

  static long of(NativePointerObject handle) {
    return handle == null ? 0 : new Handle(handle).address();
  }

  static long of(CUdeviceptr pointer) {
    return pointer == null ? 0 : new Place(pointer).address();
  }

  /** A pointer for calls that take device memory as such. */
  static Pointer to(long address) {
    return new Place(address);
  }

  /** A pointer to device memory that counts from address 0. */
  static CUdeviceptr device(long address) {
    return new CUdeviceptr().withByteOffset(address);
  }
}
