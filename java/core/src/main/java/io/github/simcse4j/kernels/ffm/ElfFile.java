package io.github.simcse4j.kernels.ffm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What the header of an ELF file (System V ABI, chapter 4) says of it. A loader maps a file without
 * asking whether all of it is there, and the process dies where it is not.
 */
final class ElfFile {

  private static final int MAGIC = 0x464C457F;
  private static final int HEADER = 64;
  private static final int CLASS_64_LITTLE_ENDIAN = 0x0102;
  private static final int SHARED_OBJECT = 3;
  private static final int X86_64 = 62;
  private static final int AARCH64 = 183;
  private static final int PROGRAM_HEADER = 56;

  private ElfFile() {}

  /**
   * Checks that the bytes are a whole shared library.
   *
   * @param architecture as in the platform's name, such as x86_64
   */
  static void check(byte[] bytes, String architecture) throws LibraryException {
    ByteBuffer file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.length < HEADER || file.getInt(0) != MAGIC) {
      throw new LibraryException("it is not a shared library");
    }
    int machine = architecture.equals("aarch64") ? AARCH64 : X86_64;
    if (file.getShort(4) != CLASS_64_LITTLE_ENDIAN
        || file.getShort(16) != SHARED_OBJECT
        || file.getShort(18) != machine) {
      throw new LibraryException("it is not a shared library for " + architecture);
    }
    if (end(file) > bytes.length) {
      throw new LibraryException("it is cut short, at " + bytes.length + " bytes; copy it again");
    }
  }

  /** The first byte that nothing in the file asks for. */
  private static long end(ByteBuffer file) {
    long programs = file.getLong(32);
    int count = Short.toUnsignedInt(file.getShort(56));
    long sections = file.getLong(40);
    long sectionBytes =
        (long) Short.toUnsignedInt(file.getShort(58)) * Short.toUnsignedInt(file.getShort(60));
    long end = Math.max(sum(sections, sectionBytes), sum(programs, count * PROGRAM_HEADER));
    if (end > file.capacity()) {
      return end;
    }
    for (int i = 0; i < count; i++) {
      int header = Math.toIntExact(programs) + i * PROGRAM_HEADER;
      end = Math.max(end, sum(file.getLong(header + 8), file.getLong(header + 32)));
    }
    return end;
  }

  /** The sum of two unsigned numbers, as large as can be where it does not fit. */
  private static long sum(long a, long b) {
    return a < 0 || b < 0 || a + b < 0 ? Long.MAX_VALUE : a + b;
  }
}
