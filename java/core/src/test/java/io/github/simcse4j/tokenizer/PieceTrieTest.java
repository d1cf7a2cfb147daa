package io.github.simcse4j.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PieceTrieTest {

  @Test
  void holdsExactlyItsKeys() {
    long seed = 7;
    var random = new Random(seed);
    Map<String, Integer> keys = new LinkedHashMap<>();
    for (int i = 0; i < 30_000; i++) {
      keys.putIfAbsent(key(random), keys.size());
    }
    byte[][] bytes =
        keys.keySet().stream()
            .map(key -> key.getBytes(StandardCharsets.ISO_8859_1))
            .toArray(byte[][]::new);
    var trie = new PieceTrie(bytes, keys.values().stream().mapToInt(Integer::intValue).toArray());
    for (int i = 0; i < 100_000; i++) {
      String key = key(random);
      long node = trie.descend(trie.root(), key.getBytes(StandardCharsets.ISO_8859_1));
      assertEquals(keys.getOrDefault(key, -1), PieceTrie.value(node), () -> "seed " + seed);
    }
    keys.forEach((key, value) -> assertEquals(value, valueOf(trie, key)));
  }

  @Test
  void holdsNothingAtAll() {
    var trie = new PieceTrie(new byte[0][], new int[0]);
    assertEquals(-1, PieceTrie.value(trie.root()));
    for (int label = 0; label < 256; label++) {
      assertEquals(PieceTrie.NONE, trie.child(trie.root(), label));
    }
  }

  private static int valueOf(PieceTrie trie, String key) {
    return PieceTrie.value(trie.descend(trie.root(), key.getBytes(StandardCharsets.ISO_8859_1)));
  }

  private static String key(Random random) {
    int length = random.nextInt(8);
    var key = new StringBuilder();
    for (int i = 0; i < length; i++) {
      key.append((char) (random.nextInt(3) == 0 ? random.nextInt(256) : random.nextInt(97, 101)));
    }
    return key.toString();
  }
}
