package io.github.simcse4j.model;

import io.github.simcse4j.files.InputException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The sizes and constants of a BERT encoder (Devlin et al. 2019), as {@code config.json} of a
 * Hugging Face folder states them.
 *
 * @param vocabularySize V, rows of the word embedding
 * @param hiddenSize H, width of the hidden vectors; a multiple of {@code heads}
 * @param layers L, transformer layers
 * @param heads A, attention heads in a layer
 * @param intermediateSize F, width of the feed-forward layer
 * @param maxPositions rows of the position embedding: the longest sentence, in tokens
 * @param typeVocabularySize rows of the token-type embedding
 * @param layerNormEps added to the variance in a layer norm
 * @param hiddenKeepProb probability in (0, 1] that dropout keeps an element of the embedding,
 *     attention output or feed-forward output
 * @param attentionKeepProb probability in (0, 1] that dropout keeps an attention weight
 * @param padTokenId the token id that means no token
 * @param initializerRange standard deviation of freshly made weights
 */
public record EncoderConfig(
    int vocabularySize,
    int hiddenSize,
    int layers,
    int heads,
    int intermediateSize,
    int maxPositions,
    int typeVocabularySize,
    double layerNormEps,
    double hiddenKeepProb,
    double attentionKeepProb,
    int padTokenId,
    double initializerRange) {

  /** Far above any encoder, and low enough that the bytes of a whole model fit in a long. */
  private static final int MAX_SIZE = 1 << 24;

  private static final int MAX_LAYERS = 1 << 12;

  /**
   * @throws IllegalArgumentException where a value is out of its range
   */
  public EncoderConfig {
    size("vocabulary size", vocabularySize, MAX_SIZE);
    size("hidden size", hiddenSize, MAX_SIZE);
    size("number of layers", layers, MAX_LAYERS);
    size("number of heads", heads, MAX_SIZE);
    size("intermediate size", intermediateSize, MAX_SIZE);
    size("number of positions", maxPositions, MAX_SIZE);
    size("type vocabulary size", typeVocabularySize, MAX_SIZE);
    require(
        hiddenSize % heads == 0,
        "the hidden size " + hiddenSize + " is not a multiple of the number of heads " + heads);
    require(
        layerNormEps > 0 && layerNormEps < 1,
        "the layer norm epsilon is " + layerNormEps + ", expected a number between 0 and 1");
    keepProb("hidden", hiddenKeepProb);
    keepProb("attention", attentionKeepProb);
    require(
        padTokenId >= 0 && padTokenId < vocabularySize,
        "the pad token id " + padTokenId + " is not in the vocabulary of " + vocabularySize);
    require(
        initializerRange >= 0 && initializerRange < Double.POSITIVE_INFINITY,
        "the initializer range is " + initializerRange + ", expected a number of 0 or more");
  }

  /**
   * Reads {@code config.json}.
   *
   * @throws InputException where the file is not JSON, the model is not a BERT encoder that the
   *     project computes, or a value is out of its range
   */
  public static EncoderConfig read(Path configJson) {
    return of(JsonObject.read(configJson));
  }

  static EncoderConfig of(JsonObject json) {
    requireBert(json);
    int hiddenSize = json.integer("hidden_size");
    try {
      return new EncoderConfig(
          json.integer("vocab_size"),
          hiddenSize,
          json.integer("num_hidden_layers"),
          json.integer("num_attention_heads"),
          json.integer("intermediate_size"),
          json.integer("max_position_embeddings"),
          json.integer("type_vocab_size", 2),
          json.decimal("layer_norm_eps", "1e-12").doubleValue(),
          keepProb(json, "hidden_dropout_prob"),
          keepProb(json, "attention_probs_dropout_prob"),
          json.integer("pad_token_id", 0),
          json.decimal("initializer_range", "0.02").doubleValue());
    } catch (IllegalArgumentException e) {
      throw InputException.in(json.file(), "", e.getMessage(), "correct the value");
    }
  }

  /** D, the width of one attention head. */
  public int headSize() {
    return hiddenSize / heads;
  }

  /** The same encoder with other dropout. */
  public EncoderConfig withKeepProb(double hidden, double attention) {
    return new EncoderConfig(
        vocabularySize,
        hiddenSize,
        layers,
        heads,
        intermediateSize,
        maxPositions,
        typeVocabularySize,
        layerNormEps,
        hidden,
        attention,
        padTokenId,
        initializerRange);
  }

  /** The members of a {@code config.json} that says the same. */
  Map<String, Object> toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("architectures", List.of("BertModel"));
    json.put("attention_probs_dropout_prob", dropout(attentionKeepProb));
    json.put("dtype", "float32");
    json.put("hidden_act", "gelu");
    json.put("hidden_dropout_prob", dropout(hiddenKeepProb));
    json.put("hidden_size", hiddenSize);
    json.put("initializer_range", initializerRange);
    json.put("intermediate_size", intermediateSize);
    json.put("layer_norm_eps", layerNormEps);
    json.put("max_position_embeddings", maxPositions);
    json.put("model_type", "bert");
    json.put("num_attention_heads", heads);
    json.put("num_hidden_layers", layers);
    json.put("pad_token_id", padTokenId);
    json.put("position_embedding_type", "absolute");
    json.put("type_vocab_size", typeVocabularySize);
    json.put("vocab_size", vocabularySize);
    return json;
  }

  private static void requireBert(JsonObject json) {
    only(json, "model_type", json.string("model_type"), "bert", "BERT encoders can be used");
    only(
        json,
        "hidden_act",
        json.string("hidden_act", "gelu"),
        "gelu",
        "the GELU with the error function is computed, other activations give other vectors");
    only(
        json,
        "position_embedding_type",
        json.string("position_embedding_type", "absolute"),
        "absolute",
        "learned absolute positions are computed");
    for (String key : List.of("is_decoder", "add_cross_attention")) {
      if (json.bool(key, false)) {
        throw json.fault(key, true, "false: an encoder sees the whole sentence");
      }
    }
    if (json.has("quantization_config")) {
      throw InputException.in(
          json.file(),
          "key 'quantization_config'",
          "says that the weights are quantised, expected F32, F16 or BF16",
          "use the model that it was made from");
    }
  }

  private static void only(JsonObject json, String key, String found, String wanted, String why) {
    if (!found.equals(wanted)) {
      throw InputException.in(
          json.file(),
          "key '" + key + "'",
          "is \"" + found + "\", expected \"" + wanted + "\" (only " + why + ")",
          "choose such a model, for example bert-base-uncased");
    }
  }

  /** Decimal arithmetic, so that a dropout of 0.1 gives the double nearest to 0.9. */
  private static double keepProb(JsonObject json, String dropoutKey) {
    BigDecimal dropout = json.decimal(dropoutKey, "0.1");
    return BigDecimal.ONE.subtract(dropout, MathContext.DECIMAL64).doubleValue();
  }

  private static BigDecimal dropout(double keepProb) {
    return BigDecimal.ONE.subtract(BigDecimal.valueOf(keepProb));
  }

  private static void keepProb(String name, double value) {
    require(
        value > 0 && value <= 1,
        "the " + name + " keep probability (1 - dropout) is " + value + ", expected one in (0, 1]");
  }

  private static void size(String name, int value, int max) {
    require(value >= 1 && value <= max, "the " + name + " is " + value + ", expected 1 to " + max);
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }
}
