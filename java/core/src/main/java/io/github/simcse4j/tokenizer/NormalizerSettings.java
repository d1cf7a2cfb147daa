package io.github.simcse4j.tokenizer;

/**
 * The switches of the BERT normaliser, in the order in which they act.
 *
 * @param cleanText drop control characters, turn all whitespace into spaces
 * @param handleChineseChars put spaces around ideographs
 * @param stripAccents decompose canonically and drop non-spacing marks
 * @param lowercase lower-case character by character
 */
record NormalizerSettings(
    boolean cleanText, boolean handleChineseChars, boolean stripAccents, boolean lowercase) {

  static final NormalizerSettings NONE = new NormalizerSettings(false, false, false, false);
}
