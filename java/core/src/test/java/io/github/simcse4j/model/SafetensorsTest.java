package io.github.simcse4j.model;

import static io.github.simcse4j.model.SafetensorsBytes.item;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {

  private static final String A = item("a", "F32", "[1]", "[0,4]");

  @TempDir Path folder;
  private final Arena arena = Arena.ofConfined();

  @AfterEach
  void close() {
    arena.close();
  }

  @Test
  void readsWhatTheReferenceWrites() throws Exception {
    Path file = Path.of(getClass().getResource("python.safetensors").toURI());
    Safetensors tensors = Safetensors.open(file, arena);
    assertEquals(Map.of("format", "pt"), tensors.metadata());
    assertEquals(
        List.of("ids", "a.bias", "b.weight", "empty", "brain", "half"),
        List.copyOf(tensors.names()));
    var weight = tensors.entry("b.weight");
    assertEquals(Shape.of(2, 3), weight.shape());
    assertEquals(Optional.of(DType.F32), weight.dtype());
    assertArrayEquals(
        new float[] {-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f},
        weight.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
    assertArrayEquals(
        new long[] {1, -2}, tensors.entry("ids").data().toArray(ValueLayout.JAVA_LONG_UNALIGNED));
    assertEquals(0, tensors.entry("empty").data().byteSize());
    assertEquals(Optional.of(DType.BF16), tensors.entry("brain").dtype());
    assertTrue(weight.data().isReadOnly());
  }

  @ParameterizedTest
  @CsvSource({"I8,8,8", "BOOL,8,8", "F8_E4M3,8,8", "F4,4,2", "U16,3,6", "C64,1,8", "F6_E2M3,4,3"})
  void readsTheBytesOfTypesThatAreNotComputed(String type, int elements, int bytes)
      throws IOException {
    String header = "{" + item("x", type, "[" + elements + "]", "[0," + bytes + "]") + "}";
    var entry = open(header, bytes).entry("x");
    assertEquals(type, entry.typeName());
    assertEquals(Optional.empty(), entry.dtype());
    assertEquals(bytes, entry.data().byteSize());
  }

  @Test
  void acceptsPaddingUnknownKeysScalarsAndEmptyTensors() throws IOException {
    String scalar = "\"s\":{\"note\":[{}],\"shape\":[],\"dtype\":\"F32\",\"data_offsets\":[4,8]}";
    String empty = item("e", "F32", "[0,7]", "[4,4]");
    var tensors = open("{" + empty + "," + scalar + "," + A + "}   ", 8);
    assertEquals(Shape.of(), tensors.entry("s").shape());
    assertEquals(3, tensors.names().size());
    assertEquals(0, open("{}", 0).names().size());
  }

  @Test
  void refusesLayoutsThatLie() throws IOException {
    refuses("overlap", "{" + A + "," + item("b", "F32", "[1]", "[0,4]") + "}", 4);
    refuses("overlap", "{" + A + "," + item("b", "F32", "[1]", "[2,6]") + "}", 6);
    refuses("belong to no tensor", "{" + A + "," + item("b", "F32", "[1]", "[8,12]") + "}", 12);
    refuses("belong to no tensor", "{" + item("b", "F32", "[1]", "[4,8]") + "}", 8);
    refuses("after the last tensor", "{" + A + "}", 8);
    refuses("truncated", "{" + A + "}", 3);
    long most = Long.MAX_VALUE / 8;
    String huge = item("a", "U8", "[" + most + "]", "[0," + most + "]");
    refuses("truncated", "{" + huge + "}", 8);
    refuses("in this order", "{" + item("a", "F32", "[1]", "[4,0]") + "}", 4);
    refuses("in this order", "{" + item("a", "F32", "[1]", "[0,4,8]") + "}", 4);
    refuses("only integers from 0", "{" + item("a", "F32", "[1]", "[-4,0]") + "}", 4);
    refuses("only integers", "{" + item("a", "F32", "[1]", "[0,18446744073709551620]") + "}", 4);
  }

  @Test
  void refusesShapesThatLie() throws IOException {
    refuses("needs 8 bytes", "{" + item("a", "F32", "[2]", "[0,4]") + "}", 4);
    refuses("overflows", "{" + item("a", "F32", "[4294967296,4294967296]", "[0,0]") + "}", 0);
    refuses("overflows", "{" + item("a", "F32", "[1152921504606846976]", "[0,0]") + "}", 0);
    refuses("needs 1.5 bytes", "{" + item("a", "F4", "[3]", "[0,2]") + "}", 2);
    refuses("only integers from 0", "{" + item("a", "F32", "[-1]", "[0,4]") + "}", 4);
    refuses("only integers", "{" + item("a", "F32", "[1.0]", "[0,4]") + "}", 4);
    refuses("only integers", "{" + item("a", "F32", "[[1]]", "[0,4]") + "}", 4);
    refuses("a list for 'shape'", "{" + item("a", "F32", "1", "[0,4]") + "}", 4);
    refuses("'F33' is unknown", "{" + item("a", "F33", "[1]", "[0,4]") + "}", 4);
  }

  @Test
  void refusesDuplicateKeys() throws IOException {
    refuses("tensor 'a': the name is there twice", "{" + A + "," + A + "}", 4);
    for (String key : List.of("\"dtype\":\"F32\"", "\"shape\":[1]", "\"data_offsets\":[0,4]")) {
      refuses("is there twice", "{" + A.substring(0, A.length() - 1) + "," + key + "}}", 4);
    }
    refuses("is there twice", "{\"__metadata__\":{},\"__metadata__\":{}}", 0);
    refuses("is there twice", "{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", 0);
  }

  @Test
  void refusesWhatIsNotItsJson() throws IOException {
    refuses("not valid JSON", "{" + A, 4);
    refuses("not valid JSON", "{" + A + "} x", 4);
    refuses("follows the closing", "{" + A + "} {}", 4);
    refuses("first character", " {" + A + "}", 4);
    refuses("first character", "[]", 0);
    refuses("first character", "", 0);
    refuses("an object", "{\"a\":1}", 0);
    refuses("must all be there", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4);
    refuses("a string for 'dtype'", "{\"a\":{\"dtype\":7}}", 4);
    refuses("an object of strings", "{\"__metadata__\":[]}", 0);
    refuses("a string for 'k'", "{\"__metadata__\":{\"k\":1}}", 0);
    refuses("not valid JSON", "{\"a\":{\"x\":" + "[".repeat(100_000), 0);
  }

  @Test
  void refusesInvalidUtf8() throws IOException {
    byte[] header = ("{" + A + "}").getBytes(StandardCharsets.ISO_8859_1);
    header[2] = (byte) 0xff;
    Path file = SafetensorsBytes.write(folder.resolve("x"), header, new byte[4]);
    refuses("is not UTF-8", file);
    byte[] overlong = "{\"?\u00c0\u0080\":{}}".getBytes(StandardCharsets.ISO_8859_1);
    refuses("is not UTF-8", SafetensorsBytes.write(folder.resolve("y"), overlong, new byte[0]));
  }

  @Test
  void refusesHeadersLongerThanTheFile() throws IOException {
    byte[] header = ("{" + A + "}").getBytes(StandardCharsets.UTF_8);
    for (long length :
        new long[] {header.length + 5, 1L << 40, Long.MAX_VALUE, Long.MIN_VALUE, -1}) {
      byte[] bytes = SafetensorsBytes.of(length, header, new byte[4]);
      refuses("bytes 0 to 7", Files.write(folder.resolve("x"), bytes));
    }
    refuses("has 7 bytes", Files.write(folder.resolve("x"), new byte[7]));
    refuses("has 0 bytes", Files.write(folder.resolve("x"), new byte[0]));
  }

  @Test
  void refusesWhatIsNoFile() {
    refuses("is not a file", folder);
    refuses("is not a file", folder.resolve("absent.safetensors"));
  }

  @Test
  void refusesTruncationsOfAValidFile() throws Exception {
    byte[] whole =
        Files.readAllBytes(Path.of(getClass().getResource("python.safetensors").toURI()));
    for (int length = 0; length < whole.length; length += 5) {
      refuses("", Files.write(folder.resolve("t"), Arrays.copyOf(whole, length)));
    }
  }

  @Test
  void namesTheTensorThatIsMissing() throws IOException {
    var tensors = open("{" + A + "}", 4);
    var fault = assertThrows(InputException.class, () -> tensors.entry("b"));
    assertTrue(fault.getMessage().contains("tensor 'b'"), fault.getMessage());
  }

  @Test
  void readsTheSharedGoldenFiles() throws IOException {
    String shared = System.getProperty("simcse.shared");
    Assumptions.assumeTrue(shared != null, "simcse.shared does not name the shared data");
    Path data = Path.of(shared, "data", "safetensors");
    try (Stream<Path> files = Files.list(data)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
        if (file.getFileName().toString().startsWith("truncated")) {
          refuses("header: promises 90868376 bytes, the file has 851968", file);
        } else {
          assertTrue(!Safetensors.open(file, arena).names().isEmpty(), file.toString());
        }
      }
    }
  }

  private Safetensors open(String header, int dataBytes) throws IOException {
    return Safetensors.open(
        SafetensorsBytes.write(folder.resolve("x.safetensors"), header, dataBytes), arena);
  }

  private void refuses(String reason, String header, int dataBytes) throws IOException {
    refuses(reason, SafetensorsBytes.write(folder.resolve("x"), header, dataBytes));
  }

  private void refuses(String reason, Path file) {
    var fault = assertThrows(InputException.class, () -> Safetensors.open(file, arena));
    assertTrue(fault.getMessage().contains(reason), fault.getMessage());
    assertTrue(fault.getMessage().startsWith(file.toString()), fault.getMessage());
    assertEquals(1, fault.getMessage().lines().count(), fault.getMessage());
  }
}
