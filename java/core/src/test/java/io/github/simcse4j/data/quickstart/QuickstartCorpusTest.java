package io.github.simcse4j.data.quickstart;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.eval.ScoredPairs;
import io.github.simcse4j.eval.StsReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QuickstartCorpusTest {

  private static final QuickstartCorpus CORPUS = QuickstartCorpus.generate(1, 2000, 600);

  @Test
  void theSameSeedGivesTheSameBytes(@TempDir Path folder) throws IOException {
    CORPUS.write(folder.resolve("a"));
    QuickstartCorpus.generate(1, 2000, 600).write(folder.resolve("b"));
    try (Stream<Path> files = Files.list(folder.resolve("a"))) {
      List<String> names = files.map(file -> file.getFileName().toString()).sorted().toList();
      assertEquals(
          List.of("dev.tsv", "sentences.txt", "tokenizer_config.json", "vocab.txt"), names);
      for (String name : names) {
        assertArrayEquals(
            Files.readAllBytes(folder.resolve("a").resolve(name)),
            Files.readAllBytes(folder.resolve("b").resolve(name)));
      }
    }
    assertNotEquals(CORPUS.sentences(), QuickstartCorpus.generate(2, 2000, 600).sentences());
  }

  @Test
  void theGradedPairsAreReadBack(@TempDir Path folder) throws IOException {
    CORPUS.write(folder);
    ScoredPairs pairs = StsReader.read(folder.resolve(QuickstartCorpus.PAIRS_FILE));
    assertEquals(600, pairs.size());
    assertEquals(0, pairs.skipped());
    assertEquals(CORPUS.pairs().stream().map(p -> p.left()).toList(), pairs.left());
    assertArrayEquals(
        CORPUS.pairs().stream().mapToDouble(p -> p.grade()).toArray(), pairs.scores());
  }

  @Test
  void gradesSpanTheirScale() {
    double[] grades = CORPUS.pairs().stream().mapToDouble(p -> p.grade()).toArray();
    for (double grade : grades) {
      assertTrue(grade >= 0 && grade <= 5, "grade " + grade);
    }
    long unrelated = Arrays.stream(grades).filter(g -> g == 0).count();
    long same = Arrays.stream(grades).filter(g -> g == 5).count();
    long between = grades.length - unrelated - same;
    assertTrue(unrelated > 60 && same > 30 && between > 200, unrelated + " " + same);
  }

  @Test
  void noSentenceIsBothTrainedOnAndScored() {
    Set<String> trained = new HashSet<>(CORPUS.sentences());
    assertEquals(2000, trained.size());
    for (QuickstartCorpus.GradedPair pair : CORPUS.pairs()) {
      assertFalse(trained.contains(pair.left()) || trained.contains(pair.right()));
      assertNotEquals(pair.left(), pair.right());
    }
  }

  @Test
  void everySentenceIsMadeOfVocabularyPieces() {
    Set<String> pieces = new HashSet<>(CORPUS.vocabulary());
    assertEquals(CORPUS.vocabulary().size(), pieces.size(), "pieces are distinct");
    assertEquals(
        List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), CORPUS.vocabulary().subList(0, 5));
    int longest = 0;
    for (String sentence : CORPUS.sentences()) {
      int tokens = 2;
      for (String word : sentence.split(" ")) {
        tokens += pieceCount(word, pieces);
      }
      longest = Math.max(longest, tokens);
    }
    assertTrue(longest <= 64, "the longest sentence has " + longest + " tokens");
  }

  @Test
  void noWordBelongsToTwoConcepts() {
    Lexicon lexicon = Lexicon.english();
    assertEquals(12, lexicon.topics().size());
    Map<String, String> owners = new HashMap<>();
    for (Lexicon.Topic topic : lexicon.topics()) {
      Stream.of(topic.agents(), topic.actions(), topic.objects(), topic.places())
          .peek(concepts -> assertTrue(concepts.size() > 3, topic.name()))
          .flatMap(List::stream)
          .flatMap(List::stream)
          .forEach(word -> assertEquals(null, owners.put(word, topic.name()), word));
    }
  }

  @Test
  void sharesOfTheGradeSumToFive() {
    Lexicon lexicon = Lexicon.english();
    Random random = new Random(5);
    for (int i = 0; i < 100; i++) {
      Scene scene = Scene.random(lexicon, random);
      assertEquals(5, scene.grade(scene));
      assertEquals(0, scene.grade(scene.keeping(List.of(), lexicon, random)));
      List<Scene.Part> kept = List.of(Scene.Part.OBJECT, Scene.Part.TIME);
      assertEquals(1.5, scene.grade(scene.keeping(kept, lexicon, random)));
    }
  }

  @Test
  void countsOutOfRangeAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> QuickstartCorpus.generate(1, 0, 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> QuickstartCorpus.generate(1, 1, QuickstartCorpus.MOST + 1));
  }

  /** Longest match first, as WordPiece does; fails where a part of a word is no piece. */
  private static int pieceCount(String word, Set<String> pieces) {
    int count = 0;
    for (int start = 0; start < word.length(); count++) {
      int end = word.length();
      String prefix = start == 0 ? "" : "##";
      while (end > start && !pieces.contains(prefix + word.substring(start, end))) {
        end--;
      }
      assertTrue(end > start, word + " is not in the vocabulary");
      start = end;
    }
    return count;
  }
}
