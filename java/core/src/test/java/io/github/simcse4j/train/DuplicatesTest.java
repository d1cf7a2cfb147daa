package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.BatchSettings;
import io.github.simcse4j.data.Columns;
import io.github.simcse4j.data.PreparedStore;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.data.TokenStores;
import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Workspace;
import io.github.simcse4j.tokenizer.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Batches in which sentences repeat each other. */
class DuplicatesTest {

  private static final int GROUPS = 8;
  private static final int HIDDEN = 32;
  private static final float TEMPERATURE = 0.1f;

  /** Columns of each row; the same letter is the same sentence. */
  private static final List<String> ROWS =
      List.of("A B C", "A D E", "F A G", "H I A", "J J K", "L M N", "O M P", "Q R S");

  @TempDir static Path folder;

  private static SmallTraining small;

  @BeforeAll
  static void make() throws IOException {
    small = SmallTraining.make(folder);
  }

  private record Outcome(double loss, ReferenceLoss.Call call, int[][] tokens) {}

  private static PreparedStore store(int columns) throws IOException {
    Path text = folder.resolve("repeated" + columns + (columns == 1 ? ".txt" : ".tsv"));
    List<String> lines =
        ROWS.stream()
            .map(row -> Arrays.asList(row.split(" ")).subList(0, columns))
            .map(cells -> cells.stream().map(cell -> "x " + cell + " y").toList())
            .map(cells -> String.join("\t", cells))
            .toList();
    Files.write(text, lines);
    return TokenStores.prepare(
        List.of(text), Columns.all(), Tokenizers.load(small.model()), 16, null);
  }

  private static Outcome step(int columns, boolean mask, int maxTokens) throws IOException {
    ContrastiveOptions options = new ContrastiveOptions(false, false, mask, Contrast.NO_MARGIN);
    try (ReferenceLoss kernels = new ReferenceLoss(1);
        PreparedStore prepared = store(columns);
        SentenceModel model = small.model(Pooler.AVG, kernels, DType.F32)) {
      TokenStore store = prepared.store();
      BatchSampler sampler =
          new BatchSampler(store, new BatchSettings(GROUPS, 1, false, true, false));
      MemoryBudget all = new MemoryBudget(Long.MAX_VALUE, "", false);
      try (Workspace state = SmallTraining.state(model);
          StepNumbers told = new StepNumbers(kernels, DType.F32, 1, 1, state);
          TrainStep step =
              new TrainStep(
                  model,
                  store,
                  sampler,
                  new ContrastiveObjective(TEMPERATURE, 0, options),
                  new MemoryPlanner(model.memory(), all, options),
                  new MemorySettings(maxTokens, 0),
                  plan -> {})) {
        AdamW optimizer = new AdamW(model, 0, 1, state);
        step.reserve(0, 1);
        step.accumulate(
            0,
            0,
            DropoutKey.of(1, 1),
            1f,
            optimizer.gradients(),
            told.loss(0, 0),
            told.embeddingNorm(0, 0));
        told.read();
        int[][] tokens = new int[GROUPS * columns][];
        for (int i = 0; i < tokens.length; i++) {
          tokens[i] = store.tokens(i % GROUPS * columns + i / GROUPS);
        }
        return new Outcome(told.lossSum(0, 1), kernels.calls().getFirst(), tokens);
      }
    }
  }

  /**
   * The loss with everything left out of the sums that repeats its anchor, its anchor's positive,
   * or whose own anchor does.
   */
  private static double lossWithout(Outcome outcome, boolean mask) {
    double[] queries = outcome.call.queries();
    double[] keys = outcome.call.keys();
    int[][] tokens = outcome.tokens;
    int keyCount = keys.length / HIDDEN;
    // Of one column there are two views of the same sentences.
    int keyColumn = tokens.length == GROUPS ? 0 : GROUPS;
    double loss = 0;
    for (int i = 0; i < GROUPS; i++) {
      double sum = 0;
      for (int j = 0; j < keyCount; j++) {
        boolean repeats =
            Arrays.equals(tokens[i], tokens[keyColumn + j])
                || Arrays.equals(tokens[keyColumn + i], tokens[keyColumn + j])
                || j < GROUPS && Arrays.equals(tokens[i], tokens[j]);
        if (i == j || !mask || !repeats) {
          sum += Math.exp(cosine(queries, i, keys, j) / TEMPERATURE);
        }
      }
      loss += (Math.log(sum) - cosine(queries, i, keys, i) / TEMPERATURE) / GROUPS;
    }
    return loss;
  }

  private static double cosine(double[] a, int i, double[] b, int j) {
    double product = 0;
    double squareA = 0;
    double squareB = 0;
    for (int c = 0; c < HIDDEN; c++) {
      double x = a[i * HIDDEN + c];
      double y = b[j * HIDDEN + c];
      product += x * y;
      squareA += x * x;
      squareB += y * y;
    }
    return product / Math.sqrt(squareA * squareB);
  }

  @Test
  void maskedDuplicatesAreAsIfTheyWereNotInTheSum() throws IOException {
    for (int columns = 1; columns <= 3; columns++) {
      for (int maxTokens : new int[] {0, SmallTraining.LONGEST}) {
        Outcome plain = step(columns, false, maxTokens);
        Outcome masked = step(columns, true, maxTokens);
        String what = columns + " columns, " + maxTokens + " tokens";
        assertEquals(lossWithout(plain, false), plain.loss, 1e-6, what);
        assertEquals(lossWithout(masked, true), masked.loss, 1e-6, what);
        assertTrue(masked.loss < plain.loss - 1e-3, what);
      }
    }
  }

  @Test
  void idsAreEqualWhereSentencesAre() throws IOException {
    assertNull(step(2, false, 0).call.queryIds());
    for (int columns = 1; columns <= 3; columns++) {
      Outcome outcome = step(columns, true, 0);
      long[] ids = outcome.call.queryIds();
      long[] keyIds = outcome.call.keyIds();
      int queries = ids.length;
      ids = Arrays.copyOf(ids, queries + keyIds.length);
      System.arraycopy(keyIds, 0, ids, queries, keyIds.length);
      int sentences = outcome.tokens.length;
      for (int i = 0; i < ids.length; i++) {
        for (int j = 0; j < ids.length; j++) {
          boolean same =
              Arrays.equals(outcome.tokens[i % sentences], outcome.tokens[j % sentences]);
          assertEquals(same, ids[i] == ids[j], columns + " columns: " + i + ", " + j);
        }
      }
    }
  }
}
