package io.github.simcse4j.data;

import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tokenizer.MalformedTextException;
import io.github.simcse4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** Turns input files into a token store, once: an unchanged input is not tokenised again. */
public final class TokenStores {

  private final Columns columns;
  private final Tokenizer tokenizer;
  private final int maxLength;
  private final Path cacheFolder;

  /**
   * Settings of preparation.
   *
   * @param columns which columns hold the sentences
   * @param tokenizer makes the ids
   * @param maxLength most tokens of a sentence, special ones included, 2 to 65535
   * @param cacheFolder where stores go when the folder of the input is not writable
   */
  public TokenStores(Columns columns, Tokenizer tokenizer, int maxLength, Path cacheFolder) {
    if (maxLength < 2 || maxLength > TokenStoreHeader.LONGEST) {
      throw new InputException(
          "the greatest length is "
              + maxLength
              + "; choose 2 to "
              + TokenStoreHeader.LONGEST
              + ".");
    }
    this.columns = columns;
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
    this.cacheFolder = cacheFolder;
  }

  /** The usual cache folder of a user: {@code ~/.cache/simcse4j}. */
  public static Path userCache() {
    return Path.of(System.getProperty("user.home", "."), ".cache", "simcse4j");
  }

  /** {@link #prepare(List, Path)} with the user's cache folder. */
  public static PreparedStore prepare(
      List<Path> inputs, Columns columns, Tokenizer tokenizer, int maxLength, Path out) {
    return new TokenStores(columns, tokenizer, maxLength, userCache()).prepare(inputs, out);
  }

  /**
   * Opens the token store of the inputs, and writes it first where there is none that fits.
   *
   * @param inputs files whose rows follow each other, all with the same number of columns; or one
   *     token store
   * @param out the file to write; null for one beside the first input
   * @throws InputException at a fault in an input; no file is written or changed then
   */
  public PreparedStore prepare(List<Path> inputs, Path out) {
    long began = System.nanoTime();
    if (inputs.isEmpty()) {
      throw new InputException("no input file is given; name at least one.");
    }
    inputs.forEach(RowReaders::requireFile);
    if (inputs.size() == 1 && out == null && TokenStore.isStore(inputs.get(0))) {
      return summarised(openPrepared(inputs.get(0)), true, began, "");
    }
    Path beside = out == null ? besideFirst(inputs) : out.toAbsolutePath();
    refuseForeign(beside, inputs);
    TokenStore found = reusable(beside, inputs);
    if (found != null) {
      return summarised(found, true, began, "");
    }
    Path target = beside;
    String note = "";
    if (out == null && !Files.isWritable(beside.getParent())) {
      target = cacheFolder.toAbsolutePath().resolve(beside.getFileName());
      note = "its folder is the cache because " + beside.getParent() + " is not writable";
      found = reusable(target, inputs);
      if (found != null) {
        return summarised(found, true, began, note);
      }
    }
    write(inputs, target);
    return summarised(TokenStore.open(target), false, began, note);
  }

  private static PreparedStore summarised(
      TokenStore store, boolean reused, long began, String note) {
    if (store.sentences() == 0) {
      store.close();
      throw empty(store.file());
    }
    return new PreparedStore(
        store,
        new PrepareSummary(
            store.file(),
            store.groups(),
            store.sentences(),
            store.tokens(),
            store.counts().skippedEmpty(),
            store.counts().truncated(),
            reused,
            (System.nanoTime() - began) / 1e9,
            note));
  }

  private static InputException empty(Path file) {
    return InputException.in(file, "", "the input has no sentence", "give text that is not empty");
  }

  private TokenStore openPrepared(Path file) {
    TokenStore store = TokenStore.open(file);
    String problem = mismatch(store.header());
    if (!problem.isEmpty()) {
      store.close();
      throw InputException.in(
          file, "", problem, "give the text it was made from, or prepare again");
    }
    return store;
  }

  private String mismatch(TokenStoreHeader header) {
    if (!header.tokenizer().equals(tokenizer.fingerprint())) {
      return "the token store was made with another tokenizer";
    }
    if (header.maxLength() != maxLength) {
      return "the token store was made for at most "
          + header.maxLength()
          + " tokens, not "
          + maxLength;
    }
    if (!columns.isAll() && !columns.toString().equals(header.selection())) {
      return "the token store holds columns '" + header.selection() + "', not '" + columns + "'";
    }
    return "";
  }

  /** The place of a store depends on all settings, so that runs with others do not displace it. */
  private Path besideFirst(List<Path> inputs) {
    Path first = inputs.get(0).toAbsolutePath();
    StringBuilder key = new StringBuilder(TokenStoreHeader.FORMAT);
    key.append('\n').append(tokenizer.fingerprint());
    key.append('\n').append(maxLength).append('\n').append(columns);
    for (Path input : inputs) {
      Path absolute = input.toAbsolutePath();
      boolean sameRoot = absolute.getRoot().equals(first.getRoot());
      key.append('\n').append(sameRoot ? first.getParent().relativize(absolute) : absolute);
    }
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256")
              .digest(key.toString().getBytes(StandardCharsets.UTF_8));
      String name = first.getFileName() + "." + HexFormat.of().formatHex(hash, 0, 5);
      return first.resolveSibling(name + ".tokens.arrow");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  /** Never overwrites what is not a token store, least of all an input. */
  private static void refuseForeign(Path target, List<Path> inputs) {
    if (!RowReaders.isArrow(target)) {
      throw InputException.in(
          target, "", "the output is an Arrow file", "give it a name that ends with .arrow");
    }
    if (!Files.exists(target)) {
      return;
    }
    try {
      for (Path input : inputs) {
        if (Files.isSameFile(input, target)) {
          throw InputException.in(
              target, "", "the output would overwrite the input", "name another output");
        }
      }
    } catch (IOException e) {
      throw new InputException(target + ": cannot be read: " + e + ".", e);
    }
    if (!target.getFileName().toString().endsWith(".tokens.arrow") && !isStoreOrFalse(target)) {
      throw InputException.in(
          target,
          "",
          "a file that is no token store is there already",
          "name another output or delete it");
    }
  }

  private static boolean isStoreOrFalse(Path file) {
    try {
      return TokenStore.isStore(file);
    } catch (InputException e) {
      return false;
    }
  }

  /** The store at a place when it was made from these inputs with these settings, or null. */
  private TokenStore reusable(Path file, List<Path> inputs) {
    if (!Files.exists(file)) {
      return null;
    }
    TokenStore store;
    try {
      store = TokenStore.open(file);
    } catch (InputException e) {
      return null;
    }
    if (fits(store.header(), inputs)) {
      return store;
    }
    store.close();
    return null;
  }

  private boolean fits(TokenStoreHeader header, List<Path> inputs) {
    boolean same =
        header.tokenizer().equals(tokenizer.fingerprint())
            && header.vocabularySize() == tokenizer.vocabularySize()
            && header.maxLength() == maxLength
            && header.selection().equals(columns.toString())
            && header.sources().size() == inputs.size();
    for (int i = 0; same && i < inputs.size(); i++) {
      SourceFile source = header.sources().get(i);
      same =
          source.name().equals(inputs.get(i).getFileName().toString())
              && source.isContentOf(inputs.get(i));
    }
    return same;
  }

  private void write(List<Path> inputs, Path target) {
    List<SourceFile> sources = new ArrayList<>();
    inputs.forEach(input -> sources.add(SourceFile.of(input)));
    try {
      AtomicFile.write(
          target,
          channel -> {
            tokenise(inputs, sources, channel);
            refuseChanged(inputs, sources);
          });
    } catch (IOException e) {
      throw new InputException(target + ": cannot be written: " + e + ".", e);
    }
  }

  private static void refuseChanged(List<Path> inputs, List<SourceFile> sources) {
    for (int i = 0; i < inputs.size(); i++) {
      if (!sources.get(i).isContentOf(inputs.get(i))) {
        throw InputException.in(
            inputs.get(i), "", "the file changed while it was read", "start again when it is done");
      }
    }
  }

  private void tokenise(List<Path> inputs, List<SourceFile> sources, FileChannel channel)
      throws IOException {
    StoreCounts counts = new StoreCounts(0, 0);
    int width = 0;
    TokenStoreWriter writer = null;
    try {
      for (Path input : inputs) {
        try (RowReader rows = RowReaders.open(input, columns)) {
          if (writer == null) {
            width = rows.columns();
            writer = new TokenStoreWriter(channel, header(width, sources));
          }
          if (rows.columns() != width) {
            throw InputException.in(
                input,
                "",
                "expected "
                    + width
                    + " columns as in "
                    + inputs.get(0)
                    + ", found "
                    + rows.columns(),
                "give files of one kind or choose columns with --columns");
          }
          counts = addRows(rows, writer, counts);
        }
      }
      if (writer.isEmpty()) {
        throw empty(inputs.get(0));
      }
      writer.finish(counts);
    } finally {
      if (writer != null) {
        writer.close();
      }
    }
  }

  private TokenStoreHeader header(int width, List<SourceFile> sources) {
    return new TokenStoreHeader(
        width,
        tokenizer.fingerprint(),
        tokenizer.vocabularySize(),
        maxLength,
        columns.toString(),
        sources);
  }

  private StoreCounts addRows(RowReader rows, TokenStoreWriter writer, StoreCounts before)
      throws IOException {
    int width = rows.columns();
    int room = maxLength + 1;
    int[] ids = new int[width * room];
    int[] lengths = new int[width];
    long skipped = before.skippedEmpty();
    long truncated = before.truncated();
    while (rows.next()) {
      if (anyBlank(rows)) {
        skipped++;
        continue;
      }
      for (int column = 0; column < width; column++) {
        lengths[column] = encode(rows, column, ids, column * room);
        if (lengths[column] > maxLength) {
          // With room for one id more, the last one that stays is a piece where [SEP] belongs.
          ids[column * room + maxLength - 1] = tokenizer.sepId();
          lengths[column] = maxLength;
          truncated++;
        }
      }
      for (int column = 0; column < width; column++) {
        writer.add(ids, column * room, lengths[column]);
      }
    }
    return new StoreCounts(skipped, truncated);
  }

  private static boolean anyBlank(RowReader rows) {
    for (int column = 0; column < rows.columns(); column++) {
      if (rows.isBlank(column)) {
        return true;
      }
    }
    return false;
  }

  private int encode(RowReader rows, int column, int[] ids, int at) {
    try {
      return tokenizer.encode(
          rows.bytes(column), rows.from(column), rows.to(column), ids, at, maxLength + 1);
    } catch (MalformedTextException e) {
      throw rows.notUtf8();
    }
  }
}
