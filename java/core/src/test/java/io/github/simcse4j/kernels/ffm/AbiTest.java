package io.github.simcse4j.kernels.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.PoolingMode;
import io.github.simcse4j.kernels.ffm.Struct.Kind;
import io.github.simcse4j.kernels.ffm.Struct.Member;
import io.github.simcse4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Every struct and every constant as the C compiler has them, from its record of {@code simcse.h}.
 */
class AbiTest {

  /** Seen from the folder of this module, where its tests run. */
  private static final Path RECORD =
      Path.of("../../native/tests/abi-" + SimcseLibrary.VERSION + ".txt");

  private static final Pattern SIZE = Pattern.compile("(\\w+): (\\d+) bytes");
  private static final Pattern MEMBER = Pattern.compile("(\\w+): offset (\\d+), \\d+ bytes: (.*);");
  private static final Pattern CONSTANT = Pattern.compile("(\\w+) = (\\d+)");
  private static final Pattern FUNCTION = Pattern.compile(".*\\(\\*(\\w+)\\)\\(.*\\)");
  private static final Pattern FIELD = Pattern.compile("(.*\\W)(\\w+)(\\[\\d+])?");

  private static final Map<String, Long> SIZES = new HashMap<>();
  private static final Map<String, List<Member>> MEMBERS = new HashMap<>();
  private static final Map<String, Integer> CONSTANTS = new HashMap<>();

  @BeforeAll
  static void read() throws IOException {
    for (String line : Files.readAllLines(RECORD)) {
      Matcher size = SIZE.matcher(line);
      Matcher member = MEMBER.matcher(line);
      Matcher constant = CONSTANT.matcher(line);
      if (size.matches()) {
        SIZES.put(size.group(1), Long.valueOf(size.group(2)));
        MEMBERS.put(size.group(1), new ArrayList<>());
      } else if (member.matches()) {
        add(MEMBERS.get(member.group(1)), Long.parseLong(member.group(2)), member.group(3));
      } else if (constant.matches()) {
        CONSTANTS.put(constant.group(1), Integer.valueOf(constant.group(2)));
      }
    }
  }

  /** A struct inside another is recorded before it, and counts as its members. */
  private static void add(List<Member> members, long offset, String declaration) {
    Matcher function = FUNCTION.matcher(declaration);
    if (function.matches()) {
      members.add(new Member(function.group(1), Kind.POINTER, offset));
      return;
    }
    Matcher field = FIELD.matcher(declaration);
    assertTrue(field.matches(), declaration);
    String type = field.group(1).strip();
    String name = field.group(2);
    if (MEMBERS.containsKey(type)) {
      for (Member inner : MEMBERS.get(type)) {
        members.add(new Member(name + "." + inner.name(), inner.kind(), offset + inner.offset()));
      }
    } else {
      members.add(new Member(name, kind(type), offset));
    }
  }

  private static Kind kind(String type) {
    return switch (type) {
      case "float" -> Kind.FLOAT;
      case "double" -> Kind.DOUBLE;
      case "char" -> Kind.CHARS;
      case "int64_t", "uint64_t" -> Kind.INT64;
      case "int32_t", "uint32_t", "simcse_dtype", "simcse_epilogue", "simcse_pooling_mode" ->
          Kind.INT32;
      default -> {
        assertTrue(type.endsWith("*"), type);
        yield Kind.POINTER;
      }
    };
  }

  @Test
  void structsAreThoseOfTheCompiler() {
    Map<String, Struct> structs = new HashMap<>();
    structs.put("simcse_api", Structs.API);
    structs.put("simcse_batch", Structs.BATCH);
    structs.put("simcse_contrast", Structs.CONTRAST);
    structs.put("simcse_device_options", Structs.DEVICE_OPTIONS);
    structs.put("simcse_device_properties", Structs.DEVICE_PROPERTIES);
    structs.put("simcse_dropout", Structs.DROPOUT);
    structs.put("simcse_layer_norm", Structs.LAYER_NORM);
    for (Operation operation : Operation.values()) {
      structs.put("simcse_" + operation.member(), operation.arguments());
    }
    assertEquals(SIZES.keySet(), structs.keySet());
    structs.forEach((name, struct) -> {
      assertEquals(MEMBERS.get(name), struct.members(), name);
      assertEquals(SIZES.get(name), struct.size(), name);
    });
  }

  @Test
  void constantsAreThoseOfTheHeader() {
    assertEquals(SimcseLibrary.VERSION, CONSTANTS.get("SIMCSE_API_VERSION"));
    assertEquals(NativeDevice.OK, CONSTANTS.get("SIMCSE_OK"));
    assertEquals(NativeDevice.INVALID_ARGUMENT, CONSTANTS.get("SIMCSE_INVALID_ARGUMENT"));
    assertEquals(NativeDevice.OUT_OF_MEMORY, CONSTANTS.get("SIMCSE_OUT_OF_MEMORY"));
    for (DType dtype : List.of(DType.F32, DType.BF16)) {
      assertEquals(CONSTANTS.get("SIMCSE_" + dtype), DeviceOperations.code(dtype));
    }
    for (GemmEpilogue.Kind kind : GemmEpilogue.Kind.values()) {
      assertEquals(CONSTANTS.get("SIMCSE_EPILOGUE_" + kind), DeviceOperations.code(kind));
    }
    for (PoolingMode mode : PoolingMode.values()) {
      assertEquals(CONSTANTS.get("SIMCSE_POOLING_" + mode), DeviceOperations.code(mode));
    }
  }
}
