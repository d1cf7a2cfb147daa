package io.github.simcse4j.data.quickstart;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The WordPiece vocabulary of the quickstart language. It ends no lower-case ASCII text in {@code
 * [UNK]}: every letter, digit and punctuation mark is there alone, letters and digits as
 * continuations too.
 */
final class Vocabulary {

  private static final List<String> SPECIAL = List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]");

  /** Longer words are two pieces, as rare words are in a vocabulary learned from text. */
  private static final int LONGEST_WHOLE_WORD = 8;

  private Vocabulary() {}

  /** The pieces in the order of their ids. */
  static List<String> of(Lexicon lexicon) {
    Set<String> pieces = new LinkedHashSet<>(SPECIAL);
    for (char c = '!'; c <= '~'; c++) {
      if (c < 'A' || c > 'Z') {
        pieces.add(String.valueOf(c));
      }
    }
    for (char c = '0'; c <= 'z'; c++) {
      if (c <= '9' || c >= 'a') {
        pieces.add("##" + c);
      }
    }
    pieces.add("##ed");
    for (String word : words(lexicon)) {
      if (word.length() <= LONGEST_WHOLE_WORD) {
        pieces.add(word);
      } else {
        int half = (word.length() + 1) / 2;
        pieces.add(word.substring(0, half));
        pieces.add("##" + word.substring(half));
      }
    }
    return new ArrayList<>(pieces);
  }

  /** Every word that a sentence can hold, sorted; verbs in their stem. */
  private static Set<String> words(Lexicon lexicon) {
    Stream<List<List<String>>> ofTopics =
        lexicon.topics().stream()
            .flatMap(t -> Stream.of(t.agents(), t.actions(), t.objects(), t.places()));
    Stream<String> concepts =
        Stream.concat(ofTopics, Stream.of(lexicon.towns(), lexicon.times()))
            .flatMap(List::stream)
            .flatMap(List::stream);
    Stream<String> phrases =
        Stream.of(SceneWriter.OPENINGS, SceneWriter.CLOSINGS, SceneWriter.ADVERBS)
            .flatMap(List::stream);
    Set<String> words = new TreeSet<>();
    Stream.of(concepts, phrases, Stream.of("the in by it was not did who that"))
        .flatMap(text -> text)
        .flatMap(text -> Stream.of(text.split("[ ,]+")))
        .filter(word -> !word.isEmpty())
        .forEach(words::add);
    return words;
  }
}
