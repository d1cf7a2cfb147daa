package io.github.simcse4j.tokenizer;

import java.util.List;

/**
 * Everything that decides ids, checked by whoever read it.
 *
 * @param vocabulary the model's tokens; the index is the id
 * @param addedTokens tokens cut out of the text; those that the model lacks have the next ids
 * @param normalizer the normaliser's switches
 * @param continuingPrefix stands before every piece of a word but the first
 * @param maxCharsPerWord a longer word is unknown
 * @param padId padding, or -1
 * @param maskId mask, or -1
 */
record WordPieceSettings(
    List<String> vocabulary,
    List<AddedToken> addedTokens,
    NormalizerSettings normalizer,
    String continuingPrefix,
    int maxCharsPerWord,
    int clsId,
    int sepId,
    int unkId,
    int padId,
    int maskId) {

  WordPieceSettings {
    vocabulary = List.copyOf(vocabulary);
    addedTokens = List.copyOf(addedTokens);
  }
}
