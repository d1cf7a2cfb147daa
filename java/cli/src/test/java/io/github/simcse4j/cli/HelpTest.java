package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.train.Recipes;
import io.github.simcse4j.train.TrainConfig;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

final class HelpTest {

  @Test
  void everyOptionIsDescribedAndEveryRequiredOneIsInTheSynopsis() {
    check(Main.commandLine());
  }

  private static void check(CommandLine command) {
    String name = command.getCommandSpec().qualifiedName();
    String help = command.getUsageMessage();
    assertTrue(help.startsWith("Usage: " + name), help);
    assertTrue(help.lines().allMatch(line -> line.length() <= 80), help);
    assertFalse(help.contains("${"), help);
    for (OptionSpec option : command.getCommandSpec().options()) {
      assertTrue(option.description().length > 0, name + " " + option.longestName());
      if (option.required()) {
        assertTrue(help.lines().findFirst().orElseThrow().contains(option.longestName()), help);
      }
    }
    command.getSubcommands().values().forEach(HelpTest::check);
  }

  @Test
  void theTableOfRecipesIsTrue() {
    String help = Main.commandLine().getSubcommands().get("train").getUsageMessage();
    for (String name : Recipes.names()) {
      TrainConfig recipe = Recipes.of(name);
      String row =
          String.format(
              Locale.ROOT,
              "%-15s  %5d  %6.0f  %.0e  %6d  %11.2f  %s",
              name,
              recipe.batchSize(),
              recipe.epochs(),
              recipe.learningRate(),
              recipe.maxLength(),
              recipe.temperature(),
              recipe.pooler().label() + (recipe.mlpOnlyTrain() ? ", in training" : ""));
      assertEquals(1, help.lines().filter(row::equals).count(), row + "\n" + help);
    }
  }
}
