package io.github.simcse4j.eval;

/**
 * What one task says of an encoder. A number that the task cannot give is NaN.
 *
 * @param name the task
 * @param pairs scored pairs
 * @param skipped pairs and lines without a score
 * @param spearman Spearman's rho of cosine similarity and gold score
 * @param pearson Pearson's r of the same
 * @param positives pairs with a gold score above {@value Evaluation#POSITIVE_ABOVE}, which
 *     alignment is taken over
 * @param alignment mean squared distance of the positives, see {@link AlignmentUniformity}
 * @param sentences distinct sentences that uniformity and the spectrum are taken over
 * @param uniformity log mean Gaussian potential of the sentences, see {@link AlignmentUniformity}
 * @param spectrum singular values of the sentences
 */
public record TaskResult(
    String name,
    int pairs,
    int skipped,
    double spearman,
    double pearson,
    int positives,
    double alignment,
    int sentences,
    double uniformity,
    Spectrum spectrum) {}
