package io.github.simcse4j.data.quickstart;

import java.util.List;
import java.util.Random;

/**
 * Says a scene in English. Word order, voice, synonyms and phrases that mean nothing are drawn anew
 * each time, so that two sentences of one scene share their content words and little else.
 */
final class SceneWriter {

  static final List<String> OPENINGS =
      List.of(
          "as far as i can tell , ",
          "to tell you the whole truth , ",
          "we have all heard it said that ",
          "you may well know by now that ",
          "if i remember it well enough , ",
          "");

  static final List<String> CLOSINGS =
      List.of(
          " , or so they say here",
          " , as one has often heard",
          " , if you must know it",
          " , as one would expect",
          "");

  static final List<String> ADVERBS = List.of("really ", "simply ", "", "");

  private static final double SYNONYM = 0.25;

  private final Lexicon lexicon;
  private final Random random;

  SceneWriter(Lexicon lexicon, Random random) {
    this.lexicon = lexicon;
    this.random = random;
  }

  String write(Scene scene) {
    Lexicon.Topic words = lexicon.topics().get(scene.topic());
    String where =
        "in the "
            + word(words.places(), scene.place())
            + " in "
            + word(lexicon.towns(), scene.town());
    String when = word(lexicon.times(), scene.time());
    String clause = clause(words, scene, draw(ADVERBS));
    String body =
        switch (random.nextInt(4)) {
          case 0 -> where + " , " + clause + " " + when;
          case 1 -> when + " , " + clause + " " + where;
          case 2 -> clause + " " + when + " " + where;
          default -> clause + " " + where + " " + when;
        };
    return draw(OPENINGS) + body + draw(CLOSINGS) + " .";
  }

  private String clause(Lexicon.Topic words, Scene scene, String adverb) {
    String agent = "the " + word(words.agents(), scene.agent());
    String object = "the " + word(words.objects(), scene.object());
    String verb = word(words.actions(), scene.action());
    String past = Lexicon.past(verb);
    String did = adverb + (scene.negated() ? "did not " + verb : past);
    return switch (random.nextInt(5)) {
      case 0 -> object + " was " + (scene.negated() ? "not " : "") + adverb + past + " by " + agent;
      case 1 -> "it was " + agent + " who " + did + " " + object;
      case 2 -> "it was " + object + " that " + agent + " " + did;
      default -> agent + " " + did + " " + object;
    };
  }

  private String word(List<List<String>> concepts, int concept) {
    List<String> synonyms = concepts.get(concept);
    return random.nextDouble() < SYNONYM
        ? synonyms.get(random.nextInt(synonyms.size()))
        : synonyms.getFirst();
  }

  private String draw(List<String> phrases) {
    return phrases.get(random.nextInt(phrases.size()));
  }
}
