package io.github.simcse4j.cli;

import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.train.TrainConfig;
import picocli.CommandLine.Option;

/** What is changed in the published loss. */
final class LossOptions {

  @Option(
      names = {"--both-directions", "--symmetric"},
      negatable = true,
      description =
          "Let each positive find its query too: the symmetric loss of CLIP, the mean of both"
              + " directions.")
  private Boolean bothDirections;

  @Option(
      names = "--same-side-negatives",
      negatable = true,
      description =
          "Count the other queries as negatives of a query, and with --both-directions the other"
              + " keys as those of a positive: both together are NT-Xent, the loss of SimCLR.")
  private Boolean sameSideNegatives;

  @Option(
      names = "--mask-duplicates",
      negatable = true,
      description =
          "Never count sentences of the same tokens as negatives of each other. The published loss"
              + " does; in large batches of repetitive text it tears equal sentences apart.")
  private Boolean maskDuplicates;

  @Option(
      names = "--false-negative-margin",
      paramLabel = "X",
      description =
          "Leave out negatives that are more similar than the positive by more than X, as a cosine"
              + " (default: none is left out).")
  private Float falseNegativeMargin;

  /** The options with the changes. */
  ContrastiveOptions in(ContrastiveOptions base) {
    ContrastiveOptions changed =
        new ContrastiveOptions(
            TrainOptions.or(bothDirections, base.bothDirections()),
            TrainOptions.or(sameSideNegatives, base.sameSideNegatives()),
            TrainOptions.or(maskDuplicates, base.maskDuplicates()),
            TrainOptions.or(falseNegativeMargin, base.falseNegativeMargin()));
    TrainConfig.requireLossOptions(changed);
    return changed;
  }
}
