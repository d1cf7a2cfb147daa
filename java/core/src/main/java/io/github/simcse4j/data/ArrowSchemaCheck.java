package io.github.simcse4j.data;

import java.nio.ByteBuffer;
import org.apache.arrow.flatbuf.Endianness;
import org.apache.arrow.flatbuf.Field;
import org.apache.arrow.flatbuf.KeyValue;
import org.apache.arrow.flatbuf.Schema;

/**
 * Looks through a schema before Arrow makes objects of it. Its offsets may point anywhere in the
 * metadata, so that a few bytes can describe fields in a circle or one string a million times: what
 * is described may not be larger than the bytes that describe it, nor nested deeply.
 */
final class ArrowSchemaCheck {

  private static final int DEEPEST = 32;

  private long budget;

  private ArrowSchemaCheck(long budget) {
    this.budget = budget;
  }

  /**
   * Refuses a schema that should not be read.
   *
   * @param bytes size of the metadata that holds it
   * @throws IllegalArgumentException with the reason
   */
  static void check(Schema schema, long bytes) {
    if (schema == null) {
      throw new IllegalArgumentException("it has no schema");
    }
    if (schema.endianness() != Endianness.Little) {
      throw new IllegalArgumentException("its numbers are big-endian");
    }
    var check = new ArrowSchemaCheck(bytes);
    for (int i = 0, count = schema.fieldsLength(); i < count; i++) {
      check.field(schema.fields(i), 0);
    }
    for (int i = 0, count = schema.customMetadataLength(); i < count; i++) {
      check.keyValue(schema.customMetadata(i));
    }
  }

  private void field(Field field, int depth) {
    if (depth > DEEPEST) {
      throw new IllegalArgumentException("its fields are nested deeper than " + DEEPEST);
    }
    spend(field.nameAsByteBuffer());
    for (int i = 0, count = field.customMetadataLength(); i < count; i++) {
      keyValue(field.customMetadata(i));
    }
    for (int i = 0, count = field.childrenLength(); i < count; i++) {
      field(field.children(i), depth + 1);
    }
  }

  private void keyValue(KeyValue entry) {
    spend(entry.keyAsByteBuffer());
    spend(entry.valueAsByteBuffer());
  }

  private void spend(ByteBuffer text) {
    budget -= 1 + (text == null ? 0 : text.remaining());
    if (budget < 0) {
      throw new IllegalArgumentException("its schema describes more than it holds");
    }
  }
}
