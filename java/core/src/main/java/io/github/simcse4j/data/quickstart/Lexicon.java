package io.github.simcse4j.data.quickstart;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The words of the quickstart language. A concept is a list of words that mean the same; the first
 * is the usual one. No word belongs to two concepts, so that shared words and shared meaning agree.
 * Every verb is regular: its past is the stem and "ed", or "d" after an "e".
 */
record Lexicon(List<Topic> topics, List<List<String>> towns, List<List<String>> times) {

  /** What can happen in one field of life: who does what to which thing, and where. */
  record Topic(
      String name,
      List<List<String>> agents,
      List<List<String>> actions,
      List<List<String>> objects,
      List<List<String>> places) {}

  private static final String TOPICS =
      """
      cooking
      cook|chef baker waiter|server guest|visitor cleaner butcher
      heat|warm boil serve taste|sample burn peel
      soup|broth bread|loaf potato sauce cake|tart fish cheese rice
      kitchen pantry|larder restaurant|diner cellar
      gardening
      gardener neighbour florist child|kid beekeeper botanist
      water plant pick|gather weed inspect|examine cover
      rose tulip hedge apple shrub|bush lawn pumpkin herb
      garden|yard orchard greenhouse|hothouse park
      music
      violinist|fiddler singer|vocalist drummer composer pianist conductor|maestro
      record perform rehearse|practise arrange applaud|cheer compose
      song symphony ballad sonata melody|tune opera anthem waltz
      theatre|playhouse studio church|chapel ballroom
      sport
      goalkeeper|goalie coach|trainer runner|sprinter swimmer referee|umpire champion
      kick lift|hoist block|deflect toss|hurl polish inflate
      ball trophy|cup javelin racket helmet glove barbell medal
      arena|stadium gym|gymnasium pool field|pitch
      school
      teacher|instructor pupil|student librarian professor|lecturer headmaster tutor
      explain correct|amend print memorize borrow discuss|debate
      essay lesson book|novel map|atlas poem|verse equation|formula dictionary riddle
      classroom library campus academy
      medicine
      doctor|physician nurse surgeon patient dentist pharmacist|chemist
      request prescribe mix|blend label inject sterilize|disinfect
      medicine|drug bandage|dressing scalpel vaccine thermometer syringe|needle crutch ointment
      hospital|clinic ward ambulance pharmacy
      sea
      sailor|mariner fisherman|angler pirate diver islander captain|skipper
      anchor|moor repair|mend row steer abandon unload|empty
      boat|dinghy ship|vessel ferry raft canoe yacht submarine trawler
      harbour|port bay|cove reef river
      trade
      merchant|trader customer|shopper cashier shopkeeper thief|robber beggar
      purchase|acquire display|exhibit weigh pack refund smuggle
      carpet|rug necklace lamp|lantern basket perfume spice scarf|shawl jewel|gem
      market|bazaar warehouse|depot shop|store square|plaza
      craft
      carpenter|joiner plumber welder mechanic blacksmith apprentice|trainee
      assemble|construct hammer varnish|lacquer weld adjust|calibrate dismantle
      table engine|motor pipe|tube chair|stool hinge cabinet|cupboard ladder wheel
      workshop garage factory|mill shed|hut
      farming
      farmer|grower shepherd milkmaid rancher groom veterinarian|vet
      brush chase|pursue milk tether count guard|protect
      cow|heifer sheep goat horse|pony chicken|hen donkey|mule pig|hog turkey
      barn|stable meadow|pasture farm|ranch paddock
      space
      astronaut|cosmonaut pilot scientist|researcher engineer commander robot|android
      launch detect|discover photograph monitor|track rotate destroy
      satellite rocket comet telescope planet asteroid|meteor spacecraft antenna|aerial
      observatory crater spaceport capsule
      law
      lawyer|attorney judge clerk detective|sleuth witness journalist|reporter
      sign publish question translate mail|post conceal
      contract|agreement letter document verdict|ruling newspaper passport diary|journal permit
      courthouse|court office|bureau embassy prison|jail
      """;

  private static final String TOWNS =
      "lisbon oslo cairo lima tokyo vienna dublin havana prague delhi quito riga";

  private static final String TIMES =
      "yesterday,on monday,on friday,at dawn|at sunrise,at noon|at midday,at midnight,in winter,"
          + "in summer,in autumn|in fall,last week,this morning,in april";

  private static final int LINES_PER_TOPIC = 5;

  /** The lexicon that every quickstart uses. */
  static Lexicon english() {
    String[] lines = TOPICS.strip().split("\n");
    List<Topic> topics = new ArrayList<>();
    for (int line = 0; line < lines.length; line += LINES_PER_TOPIC) {
      topics.add(
          new Topic(
              lines[line],
              concepts(lines[line + 1], " "),
              concepts(lines[line + 2], " "),
              concepts(lines[line + 3], " "),
              concepts(lines[line + 4], " ")));
    }
    return new Lexicon(List.copyOf(topics), concepts(TOWNS, " "), concepts(TIMES, ","));
  }

  private static List<List<String>> concepts(String line, String separator) {
    return Arrays.stream(line.split(separator))
        .map(concept -> List.of(concept.split("\\|")))
        .toList();
  }

  /** The past tense of a verb of this lexicon. */
  static String past(String verb) {
    return verb + (verb.endsWith("e") ? "d" : "ed");
  }
}
