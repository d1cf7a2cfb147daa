package io.github.simcse4j.kernels.ffm;

import java.util.ArrayList;
import java.util.List;

/**
 * The layout of a C struct: its members in order, each at the next multiple of its alignment, the
 * whole rounded up to the largest alignment. That is the rule of the 64-bit ABIs of System V, Arm
 * and Apple. Immutable.
 */
final class Struct {

  /** The types of members. */
  enum Kind {
    CHARS(1, 1),
    INT32(4, 4),
    FLOAT(4, 4),
    INT64(8, 8),
    DOUBLE(8, 8),
    POINTER(8, 8);

    private final int bytes;
    private final int alignment;

    Kind(int bytes, int alignment) {
      this.bytes = bytes;
      this.alignment = alignment;
    }
  }

  /** One member; those of a struct inside are called {@code outer.inner}. */
  record Member(String name, Kind kind, long offset) {}

  private static final Struct EMPTY = new Struct(List.of(), 0, 1);

  private final List<Member> members;
  private final long end;
  private final int alignment;

  private Struct(List<Member> members, long end, int alignment) {
    this.members = members;
    this.end = end;
    this.alignment = alignment;
  }

  /** A struct without members yet. */
  static Struct plain() {
    return EMPTY;
  }

  /** A struct whose first member is its size. */
  static Struct sized() {
    return EMPTY.int64("struct_size");
  }

  Struct int32(String... names) {
    return with(Kind.INT32, names);
  }

  Struct float32(String... names) {
    return with(Kind.FLOAT, names);
  }

  Struct int64(String... names) {
    return with(Kind.INT64, names);
  }

  Struct float64(String... names) {
    return with(Kind.DOUBLE, names);
  }

  Struct pointer(String... names) {
    return with(Kind.POINTER, names);
  }

  /** An array of so many chars. */
  Struct chars(String name, int count) {
    List<Member> more = new ArrayList<>(members);
    more.add(new Member(name, Kind.CHARS, end));
    return new Struct(List.copyOf(more), end + count, alignment);
  }

  /** A struct inside this one. */
  Struct struct(String name, Struct inner) {
    long base = aligned(end, inner.alignment);
    List<Member> more = new ArrayList<>(members);
    for (Member member : inner.members) {
      more.add(new Member(name + "." + member.name, member.kind, base + member.offset));
    }
    return new Struct(List.copyOf(more), base + inner.size(), Math.max(alignment, inner.alignment));
  }

  private Struct with(Kind kind, String... names) {
    List<Member> more = new ArrayList<>(members);
    long at = end;
    for (String name : names) {
      at = aligned(at, kind.alignment);
      more.add(new Member(name, kind, at));
      at += kind.bytes;
    }
    return new Struct(List.copyOf(more), at, Math.max(alignment, kind.alignment));
  }

  List<Member> members() {
    return members;
  }

  /** What {@code sizeof} gives. */
  long size() {
    return aligned(end, alignment);
  }

  /** Where a member lies. */
  long offset(String name) {
    for (Member member : members) {
      if (member.name.equals(name)) {
        return member.offset;
      }
    }
    throw new IllegalArgumentException("no member " + name);
  }

  private static long aligned(long offset, int alignment) {
    return (offset + alignment - 1) & -alignment;
  }
}
