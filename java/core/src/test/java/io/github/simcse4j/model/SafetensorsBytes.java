package io.github.simcse4j.model;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Crafts safetensors files byte by byte, right or wrong. */
final class SafetensorsBytes {

  private SafetensorsBytes() {}

  /** A file of this header and {@code dataBytes} bytes 0, 1, 2, ... */
  static Path write(Path file, String header, int dataBytes) throws IOException {
    byte[] data = new byte[dataBytes];
    for (int i = 0; i < dataBytes; i++) {
      data[i] = (byte) i;
    }
    return write(file, header.getBytes(StandardCharsets.UTF_8), data);
  }

  static Path write(Path file, byte[] header, byte[] data) throws IOException {
    return Files.write(file, of(header.length, header, data));
  }

  /** The bytes of a file whose first eight say {@code length}, whatever the header's length is. */
  static byte[] of(long length, byte[] header, byte[] data) {
    return ByteBuffer.allocate(Long.BYTES + header.length + data.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(length)
        .put(header)
        .put(data)
        .array();
  }

  /** One member of a header. */
  static String item(String name, String dtype, String shape, String offsets) {
    return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}"
        .formatted(name, dtype, shape, offsets);
  }
}
