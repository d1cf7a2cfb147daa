package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands with {@code --device cuda}, on a GPU or the emulated one. */
@Tag("cuda")
final class CudaCommandsTest {

  @TempDir private static Path shared;
  private static Sandbox sandbox;

  @BeforeAll
  static void make() throws IOException {
    sandbox = Sandbox.make(shared);
  }

  private static CommandRun run(String command, Object... arguments) {
    List<String> all = new ArrayList<>(List.of(command));
    Stream.of(arguments).map(Object::toString).forEach(all::add);
    all.addAll(List.of("--device", "cuda"));
    return CommandRun.of(all.toArray(String[]::new));
  }

  @Test
  void theDoctorShowsTheDevice() {
    CommandRun run = CommandRun.of("doctor").succeeded();
    assertTrue(
        run.out()
            .contains(
                "kernels cuda       usable on cuda:0 in fp32 and bf16 for heads of 32, 64 or 128"
                    + " channels: "),
        run.out());
  }

  @Test
  void headsThatTheDeviceDoesNotTakeAreRefusedByAll() throws IOException {
    Path model = sandbox.copyOfModel(shared.resolve("heads"));
    Path config = model.resolve("config.json");
    String heads = "\"num_attention_heads\": ";
    String before = Files.readString(config);
    String after = before.replaceFirst(heads + "\\d+", heads + 8);
    assertNotEquals(before, after);
    Files.writeString(config, after);
    String fault = "heads of the model have 16 channels, and kernels cuda take 32, 64 or 128; use";
    run("plan", "--model", model, "--batch-size", 64).refused(fault, "--device cpu");
    Path vectors = shared.resolve("none.npy");
    run("encode", "--model", model, "--input", sandbox.text(), "--output", vectors).refused(fault);
    Path out = shared.resolve("none");
    run("train", "--model", model, "--train", sandbox.text(), "--out", out).refused(fault);
  }

  @Test
  void aPlanIsMadeForTheMemoryOfTheDevice() {
    CommandRun run = run("plan", "--model", sandbox.model(), "--batch-size", 64).succeeded();
    assertTrue(run.err().contains("kernels: cuda on cuda:0 in fp32 ("), run.err());
    assertTrue(run.out().contains("80 % of what is free on the device"), run.out());
    assertTrue(run.out().contains("keep  all are kept; replay takes"), run.out());
  }

  @Test
  void aModelIsTrainedAndUsed() throws IOException {
    Path out = shared.resolve("trained");
    Path metrics = shared.resolve("metrics.jsonl");
    run(
            "train",
            "--model",
            sandbox.model(),
            "--train",
            sandbox.text(),
            "--dev",
            sandbox.pairs(),
            "--out",
            out,
            "--metrics",
            metrics,
            "--precision",
            "bf16",
            "--max-steps",
            2,
            "--batch-size",
            4,
            "--max-length",
            12)
        .succeeded();
    assertEquals(
        2, Files.readAllLines(metrics).stream().filter(l -> l.contains("\"step\",")).count());
    Path vectors = shared.resolve("v.npy");
    run("encode", "--model", out, "--input", sandbox.text(), "--output", vectors).succeeded();
    Path expected = shared.resolve("expected.npy");
    Sandbox.run("encode", "--model", out, "--input", sandbox.text(), "--output", expected)
        .succeeded();
    byte[] device = Files.readAllBytes(vectors);
    byte[] host = Files.readAllBytes(expected);
    assertEquals(host.length, device.length);
    ByteOrder order = ByteOrder.LITTLE_ENDIAN;
    FloatBuffer left = ByteBuffer.wrap(device).order(order).asFloatBuffer();
    FloatBuffer right = ByteBuffer.wrap(host).order(order).asFloatBuffer();
    for (int i = 32; i < left.limit(); i++) {
      assertEquals(right.get(i), left.get(i), 1e-4);
    }
  }
}
