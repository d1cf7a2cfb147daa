package io.github.simcse4j.tokenizer;

/**
 * A token that is cut out of the text before the model sees it.
 *
 * @param id its id
 * @param content its text
 * @param singleWord no match where a letter, digit, mark or underscore touches it
 * @param lstrip eats the whitespace before it
 * @param rstrip eats the whitespace after it
 * @param normalized is looked for in normalised text, itself normalised; else in the text as given
 */
record AddedToken(
    int id,
    String content,
    boolean singleWord,
    boolean lstrip,
    boolean rstrip,
    boolean normalized) {}
