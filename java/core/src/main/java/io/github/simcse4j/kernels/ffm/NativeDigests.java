package io.github.simcse4j.kernels.ffm;

import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/** The SHA-256 of the libraries that this simcse4j was built with, written into it by the build. */
final class NativeDigests {

  private NativeDigests() {}

  /** By platform; empty where it was built without any. */
  static Map<String, String> ofThisBuild() throws LibraryException {
    Properties properties = new Properties();
    try (InputStream in = NativeDigests.class.getResourceAsStream("native.properties")) {
      if (in != null) {
        properties.load(in);
      }
    } catch (IOException e) {
      throw new LibraryException("the jar of simcse4j cannot be read", e);
    }
    return parse(properties.getProperty("sha256", ""));
  }

  /** Reads {@code "linux-x86_64=0123... linux-aarch64=4567..."}. */
  static Map<String, String> parse(String text) {
    Map<String, String> digests = new HashMap<>();
    for (String entry : text.strip().split("\\s+")) {
      int equals = entry.indexOf('=');
      if (equals > 0) {
        digests.put(entry.substring(0, equals), entry.substring(equals + 1));
      }
    }
    return Map.copyOf(digests);
  }
}
