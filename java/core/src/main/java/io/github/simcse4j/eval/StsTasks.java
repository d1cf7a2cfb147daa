package io.github.simcse4j.eval;

import io.github.simcse4j.files.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Finds the tasks that options name. An option is
 *
 * <ul>
 *   <li>a file of a known layout, see {@link StsReader#read(Path)};
 *   <li>a tab-separated file with its columns, {@code FILE:score=4,left=5,right=6[,header=yes]},
 *       counted from 0;
 *   <li>a folder, which is searched three levels deep, as SentEval lays its data out: {@code
 *       STS12-en-test} to {@code STS16-en-test} (any folder with {@code STS.input.*.txt}), {@code
 *       STSBenchmark} ({@code sts-dev.csv}, {@code sts-test.csv}) and {@code SICK} ({@code
 *       SICK_trial.txt}, {@code SICK_test*.txt}). Training splits are read only where their file is
 *       named.
 * </ul>
 */
public final class StsTasks {

  /** The seven tasks of the sentence-embedding literature, whose mean is reported as one number. */
  public static final List<String> SEVEN =
      List.of("STS12", "STS13", "STS14", "STS15", "STS16", "STS-B test", "SICK-R test");

  private static final String SICK_WITH_SCORES = "SICK_test_annotated.txt";
  private static final int DEPTH = 3;

  private StsTasks() {}

  /** The tasks of all options: those of the seven first, in their usual order, then the others. */
  public static List<ScoredPairs> read(List<String> options) {
    List<ScoredPairs> tasks = new ArrayList<>();
    for (String option : options) {
      tasks.addAll(read(option));
    }
    tasks.sort(Comparator.comparingInt(task -> rank(task.name())));
    return List.copyOf(tasks);
  }

  /** The one task that an option names, such as the pairs to choose a checkpoint by. */
  public static ScoredPairs readOne(String option) {
    List<ScoredPairs> tasks = read(option);
    if (tasks.size() != 1) {
      throw InputException.in(
          Path.of(option),
          "",
          "holds " + tasks.size() + " tasks, expected one",
          "name the file of one task");
    }
    return tasks.getFirst();
  }

  private static List<ScoredPairs> read(String text) {
    PairColumns.Option option = PairColumns.parse(text);
    Path path = Path.of(option.file());
    if (option.columns().isPresent()) {
      return List.of(StsReader.read(path, option.columns().get()));
    }
    if (!Files.isDirectory(path)) {
      return List.of(StsReader.read(path));
    }
    List<ScoredPairs> tasks = new ArrayList<>();
    for (Path folder : Folders.below(path, DEPTH)) {
      if (!Folders.files(folder, TaskNames::isInput).isEmpty()) {
        tasks.add(StsReader.readFolder(folder));
      }
      for (Path file : Folders.files(folder, TaskNames::isEvaluated)) {
        // Beside the annotated test set, SICK_test.txt is the one without scores.
        if (!file.endsWith("SICK_test.txt") || !Files.exists(folder.resolve(SICK_WITH_SCORES))) {
          tasks.add(StsReader.read(file));
        }
      }
    }
    if (tasks.isEmpty()) {
      throw InputException.in(
          path,
          "",
          "no task found, expected folders such as STS12-en-test, STSBenchmark or SICK",
          "give their parent folder, or a file of scored pairs");
    }
    return tasks;
  }

  private static int rank(String name) {
    int index = SEVEN.indexOf(name);
    return index < 0 ? SEVEN.size() : index;
  }
}
