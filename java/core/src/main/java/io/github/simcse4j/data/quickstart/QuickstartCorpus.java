package io.github.simcse4j.data.quickstart;

import io.github.simcse4j.files.AtomicFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;

/**
 * Text to train and score a small encoder on, made from a seed alone: the same arguments give the
 * same bytes on every machine.
 *
 * <p>A sentence tells one scene (who did what to which thing, where and when) among frequent
 * phrases that carry no meaning. A pair is graded by the parts of the scene that it shares, from 0
 * (nothing) to 5 (the same scene said in another way). An untrained encoder weighs every word
 * alike, so the phrases blur its similarities; the contrastive objective teaches it the words that
 * tell sentences apart, and these are the words that the grade depends on.
 *
 * @param sentences distinct sentences to train on
 * @param pairs graded pairs to score on; none of their sentences is in {@code sentences}
 * @param vocabulary WordPiece pieces in the order of their ids
 */
public record QuickstartCorpus(
    List<String> sentences, List<GradedPair> pairs, List<String> vocabulary) {

  public static final String SENTENCES_FILE = "sentences.txt";
  public static final String PAIRS_FILE = "dev.tsv";
  public static final String VOCABULARY_FILE = "vocab.txt";
  public static final String TOKENIZER_FILE = "tokenizer_config.json";

  /** The number of sentences and pairs is bounded to a small part of what the grammar can say. */
  public static final int MOST = 1_000_000;

  private static final double UNRELATED = 0.15;

  private static final String TOKENIZER_CONFIG =
      """
      {
        "cls_token": "[CLS]",
        "do_lower_case": true,
        "mask_token": "[MASK]",
        "model_max_length": 64,
        "pad_token": "[PAD]",
        "sep_token": "[SEP]",
        "strip_accents": null,
        "tokenize_chinese_chars": true,
        "tokenizer_class": "BertTokenizer",
        "unk_token": "[UNK]"
      }
      """;

  /**
   * Two sentences and how much meaning they share.
   *
   * @param grade 0 to 5, in steps of 0.25
   */
  public record GradedPair(String left, String right, double grade) {}

  public QuickstartCorpus {
    sentences = List.copyOf(sentences);
    pairs = List.copyOf(pairs);
    vocabulary = List.copyOf(vocabulary);
  }

  /**
   * Makes a corpus.
   *
   * @param seed names the corpus
   * @param sentenceCount sentences to train on, 1 to {@link #MOST}
   * @param pairCount graded pairs, 1 to {@link #MOST}
   */
  public static QuickstartCorpus generate(long seed, int sentenceCount, int pairCount) {
    checkCount("sentences", sentenceCount);
    checkCount("pairs", pairCount);
    Lexicon lexicon = Lexicon.english();
    // java.util.Random, because its algorithm is part of its specification.
    Random random = new Random(seed);
    SceneWriter writer = new SceneWriter(lexicon, random);
    Set<String> sentences = new LinkedHashSet<>();
    while (sentences.size() < sentenceCount) {
      sentences.add(writer.write(Scene.random(lexicon, random)));
    }
    List<GradedPair> pairs = new ArrayList<>(pairCount);
    while (pairs.size() < pairCount) {
      GradedPair pair = pair(lexicon, writer, random);
      boolean seen = sentences.contains(pair.left()) || sentences.contains(pair.right());
      if (!seen && !pair.left().equals(pair.right())) {
        pairs.add(pair);
      }
    }
    return new QuickstartCorpus(List.copyOf(sentences), pairs, Vocabulary.of(lexicon));
  }

  /** Writes the four files, each whole or not at all. */
  public void write(Path folder) throws IOException {
    writeText(folder.resolve(SENTENCES_FILE), String.join("\n", sentences) + "\n");
    StringBuilder table = new StringBuilder("score\tsentence1\tsentence2\n");
    for (GradedPair pair : pairs) {
      table.append(
          String.format(Locale.ROOT, "%.2f\t%s\t%s\n", pair.grade(), pair.left(), pair.right()));
    }
    writeText(folder.resolve(PAIRS_FILE), table.toString());
    writeText(folder.resolve(VOCABULARY_FILE), String.join("\n", vocabulary) + "\n");
    writeText(folder.resolve(TOKENIZER_FILE), TOKENIZER_CONFIG);
  }

  private static GradedPair pair(Lexicon lexicon, SceneWriter writer, Random random) {
    Scene left = Scene.random(lexicon, random);
    Scene right;
    if (random.nextDouble() < UNRELATED) {
      right = Scene.random(lexicon, random);
    } else {
      List<Scene.Part> parts = new ArrayList<>(List.of(Scene.Part.values()));
      Collections.shuffle(parts, random);
      right = left.keeping(parts.subList(0, random.nextInt(parts.size() + 1)), lexicon, random);
    }
    return new GradedPair(writer.write(left), writer.write(right), left.grade(right));
  }

  private static void checkCount(String name, int count) {
    if (count < 1 || count > MOST) {
      throw new IllegalArgumentException(name + " must be from 1 to " + MOST + ", is " + count);
    }
  }

  private static void writeText(Path file, String text) throws IOException {
    AtomicFile.write(file, text.getBytes(StandardCharsets.UTF_8));
  }
}
