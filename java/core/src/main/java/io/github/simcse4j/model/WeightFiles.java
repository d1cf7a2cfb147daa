package io.github.simcse4j.model;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;

/** Finds and maps the weight files of a folder: one safetensors file, or shards with an index. */
final class WeightFiles {

  static final String SINGLE = "model.safetensors";
  static final String INDEX = "model.safetensors.index.json";

  /**
   * All tensors of the folder.
   *
   * @param source the file that names them: the weights themselves, or the index of the shards
   */
  record Tensors(Path source, Map<String, Safetensors.Entry> entries) {}

  private WeightFiles() {}

  /**
   * Maps the weights in a folder.
   *
   * @param arena owns the mappings
   * @throws InputException where there are none, or they are no safe and complete safetensors
   */
  static Tensors open(Path folder, Arena arena) {
    Path single = folder.resolve(SINGLE);
    if (Files.exists(single)) {
      return new Tensors(single, Safetensors.open(single, arena).entries());
    }
    Path index = folder.resolve(INDEX);
    if (Files.exists(index)) {
      return new Tensors(index, openShards(index, arena));
    }
    refusePickles(folder);
    throw InputException.in(
        folder, "", "has no " + SINGLE + " and no " + INDEX, "give the folder of a model");
  }

  /** Refuses a pickle given in place of a folder, or lying in one without safe weights. */
  static void refusePickles(Path path) {
    if (isPickle(path)) {
      throw pickle(path, path.toAbsolutePath().getParent());
    }
    if (Files.isDirectory(path)) {
      try (Stream<Path> files = Files.list(path)) {
        files
            .filter(WeightFiles::isPickle)
            .sorted()
            .findFirst()
            .ifPresent(file -> {
              throw pickle(file, path);
            });
      } catch (IOException e) {
        throw InputException.in(path, "", "cannot be listed (" + e + ")", "check permissions");
      }
    }
  }

  private static boolean isPickle(Path file) {
    String name = String.valueOf(file.getFileName());
    return Files.isRegularFile(file) && (name.endsWith(".bin") || name.endsWith(".pt"));
  }

  private static InputException pickle(Path file, Path folder) {
    Path parent = folder.toAbsolutePath().getParent();
    String code;
    if (parent != null && Files.exists(parent.resolve(SentenceModules.FILE))) {
      code =
          "from sentence_transformers import SentenceTransformer as M; M('%1$s').save('%1$s')"
              .formatted(parent);
    } else {
      code =
          "from transformers import AutoModel as M;"
              + " M.from_pretrained('%1$s').save_pretrained('%1$s')".formatted(folder);
    }
    return InputException.in(
        file,
        "",
        "is a pickle, which can run code when it is read; expected " + SINGLE,
        "convert it where you trust it, with: python -c \"" + code + "\"");
  }

  private static Map<String, Safetensors.Entry> openShards(Path index, Arena arena) {
    JsonObject map = JsonObject.read(index).object("weight_map");
    Map<String, Safetensors> shards = new LinkedHashMap<>();
    for (String tensor : map.members().keySet()) {
      String shard = map.string(tensor);
      if (!shards.containsKey(shard)) {
        shards.put(shard, openShard(index, tensor, shard, arena));
      }
    }
    Map<String, Safetensors.Entry> entries = new LinkedHashMap<>();
    Map<String, Path> owners = new LinkedHashMap<>();
    for (Safetensors shard : shards.values()) {
      for (var entry : shard.entries().values()) {
        Path other = owners.put(entry.name(), shard.file());
        if (other != null) {
          throw InputException.in(
              shard.file(),
              "tensor '" + entry.name() + "'",
              "is also in " + other.getFileName(),
              "keep it in one of them, or save the model again");
        }
        entries.put(entry.name(), entry);
      }
    }
    for (String tensor : map.members().keySet()) {
      Path named = shards.get(map.string(tensor)).file();
      if (!named.equals(owners.get(tensor))) {
        throw InputException.in(
            named,
            "tensor '" + tensor + "'",
            "is not in the file that " + index.getFileName() + " names for it",
            SafetensorsHeader.REMEDY);
      }
    }
    return entries;
  }

  private static Safetensors openShard(Path index, String tensor, String shard, Arena arena) {
    Path file = index.resolveSibling(plainName(index, tensor, shard));
    if (!Files.isRegularFile(file)) {
      throw InputException.in(
          index,
          "tensor '" + tensor + "'",
          "its file " + shard + " is not in the folder",
          "download the missing file");
    }
    return Safetensors.open(file, arena);
  }

  /** A name and nothing else: no separator of any system, no parent, no drive. */
  private static String plainName(Path index, String tensor, String shard) {
    boolean plain =
        shard.endsWith(".safetensors") && shard.chars().noneMatch(c -> "/\\:\0".indexOf(c) >= 0);
    if (!plain) {
      throw InputException.in(
          index,
          "tensor '" + tensor + "'",
          "its file '" + shard + "' is not the plain name of a .safetensors file in this folder",
          "use an index whose files lie beside it");
    }
    return shard;
  }
}
