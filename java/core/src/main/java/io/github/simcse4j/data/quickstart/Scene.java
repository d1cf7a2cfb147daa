package io.github.simcse4j.data.quickstart;

import java.util.List;
import java.util.Random;

/**
 * The meaning of one sentence, as concept numbers in the lexicon: who did (or did not do) what, to
 * which thing, in which place and town, and when.
 */
record Scene(
    int topic, int agent, int action, int object, int place, int town, int time, boolean negated) {

  /** The parts of a meaning, with their share of the grade; the shares sum to 5. */
  enum Part {
    AGENT(1),
    ACTION(1),
    OBJECT(1),
    PLACE(0.75),
    TOWN(0.5),
    TIME(0.5),
    POLARITY(0.25);

    final double share;

    Part(double share) {
      this.share = share;
    }
  }

  private static final double NEGATED = 0.15;

  static Scene random(Lexicon lexicon, Random random) {
    int topic = random.nextInt(lexicon.topics().size());
    Lexicon.Topic words = lexicon.topics().get(topic);
    return new Scene(
        topic,
        random.nextInt(words.agents().size()),
        random.nextInt(words.actions().size()),
        random.nextInt(words.objects().size()),
        random.nextInt(words.places().size()),
        random.nextInt(lexicon.towns().size()),
        random.nextInt(lexicon.times().size()),
        random.nextDouble() < NEGATED);
  }

  /** This scene with the given parts kept and every other part replaced by a different one. */
  Scene keeping(List<Part> kept, Lexicon lexicon, Random random) {
    Lexicon.Topic words = lexicon.topics().get(topic);
    return new Scene(
        topic,
        kept.contains(Part.AGENT) ? agent : other(agent, words.agents(), random),
        kept.contains(Part.ACTION) ? action : other(action, words.actions(), random),
        kept.contains(Part.OBJECT) ? object : other(object, words.objects(), random),
        kept.contains(Part.PLACE) ? place : other(place, words.places(), random),
        kept.contains(Part.TOWN) ? town : other(town, lexicon.towns(), random),
        kept.contains(Part.TIME) ? time : other(time, lexicon.times(), random),
        kept.contains(Part.POLARITY) == negated);
  }

  /**
   * How much of the meaning two scenes share, from 0 to 5. Concepts of different topics never
   * agree; equal polarity counts only where the same action is affirmed or denied.
   */
  double grade(Scene that) {
    boolean sameTopic = topic == that.topic;
    boolean sameAction = sameTopic && action == that.action;
    return share(Part.AGENT, sameTopic && agent == that.agent)
        + share(Part.ACTION, sameAction)
        + share(Part.OBJECT, sameTopic && object == that.object)
        + share(Part.PLACE, sameTopic && place == that.place)
        + share(Part.TOWN, town == that.town)
        + share(Part.TIME, time == that.time)
        + share(Part.POLARITY, sameAction && negated == that.negated);
  }

  private static double share(Part part, boolean agrees) {
    return agrees ? part.share : 0;
  }

  private static int other(int concept, List<?> concepts, Random random) {
    int drawn = random.nextInt(concepts.size() - 1);
    return drawn < concept ? drawn : drawn + 1;
  }
}
