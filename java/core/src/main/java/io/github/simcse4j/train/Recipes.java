package io.github.simcse4j.train;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.objective.ContrastiveOptions;
import java.util.LinkedHashMap;
import java.util.Map;

/** Published settings by name, each a starting point that options refine. */
public final class Recipes {

  private static final Map<String, TrainConfig> ALL = new LinkedHashMap<>();

  static {
    ALL.put("unsup-bert-base", unsupervisedBertBase());
    ALL.put("sup-bert-base", supervisedBertBase());
    ALL.put("quickstart", quickstart());
  }

  private Recipes() {}

  /** The recipe of a name. */
  public static TrainConfig of(String name) {
    TrainConfig recipe = ALL.get(name);
    if (recipe == null) {
      throw new InputException(
          "recipe '"
              + name
              + "' is not known; use one of "
              + String.join(", ", ALL.keySet())
              + ".");
    }
    return recipe;
  }

  /** All names. */
  public static Iterable<String> names() {
    return ALL.keySet();
  }

  /** Unsupervised SimCSE from BERT-base: Gao et al. 2021, appendix A and their published script. */
  private static TrainConfig unsupervisedBertBase() {
    return new TrainConfig(
        64,
        1,
        1,
        0,
        3e-5,
        0,
        0,
        1,
        32,
        0.05f,
        0,
        ContrastiveOptions.PUBLISHED,
        Pooler.CLS,
        true,
        0.9,
        125,
        true,
        true,
        false,
        42);
  }

  /** Supervised SimCSE from BERT-base on NLI: Gao et al. 2021, appendix A and their script. */
  private static TrainConfig supervisedBertBase() {
    return new TrainConfig(
        512,
        1,
        3,
        0,
        5e-5,
        0,
        0,
        1,
        32,
        0.05f,
        0,
        ContrastiveOptions.PUBLISHED,
        Pooler.CLS,
        false,
        0.9,
        125,
        true,
        true,
        false,
        42);
  }

  /** For a small encoder that starts at random. */
  private static TrainConfig quickstart() {
    return new TrainConfig(
        64,
        1,
        2,
        0,
        1e-3,
        20,
        0,
        1,
        40,
        0.1f,
        0,
        ContrastiveOptions.PUBLISHED,
        Pooler.AVG,
        false,
        0.9,
        50,
        true,
        true,
        false,
        42);
  }
}
