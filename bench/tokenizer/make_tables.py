"""Writes the Unicode tables of the WordPiece tokenizer by asking the reference library about every code point.

    python make_tables.py OUT            (java/core/src/main/resources/io/github/simcse4j/tokenizer/unicode.txt)

Nothing here comes from a Unicode data file: `tokenizers` carries its own, older tables, and ids must follow those.
Sections of OUT, all numbers hexadecimal:

    removed        dropped by clean_text                              ranges  a-b
    whitespace     separates words                                    ranges
    chinese        stands alone under handle_chinese_chars            ranges
    punctuation    stands alone                                       ranges
    mark           dropped by strip_accents (after decomposition)     ranges
    word           counts as \\w beside an added token                 ranges
    combining      canonical combining class, where not 0             class:ranges
    decomposition  full canonical decomposition, without those marks that strip_accents drops
                   and whose combining class is not 0; Hangul syllables follow the arithmetic rule
    lowercase      a-b:+delta, a-b/2:+delta (every second one), or a=sequence
"""

import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def ranges(points):
    found = []
    for c in sorted(points):
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def written(a, b):
    return f"{a:x}" if a == b else f"{a:x}-{b:x}"


def bert(**on):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **on}).normalize_str


def cleaned():
    clean = bert(clean_text=True)
    removed, whitespace = set(), set()
    for c in POINTS:
        out = clean(chr(c))
        if out == "":
            removed.add(c)
        elif out == " ":
            whitespace.add(c)
        else:
            assert out == chr(c), hex(c)
    return removed, whitespace


def split():
    pre = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    whitespace, punctuation = set(), set()
    for c in POINTS:
        parts = [part for part, _ in pre("a" + chr(c) + "b")]
        if parts == ["a", "b"]:
            whitespace.add(c)
        elif parts == ["a", chr(c), "b"]:
            punctuation.add(c)
        else:
            assert parts == ["a" + chr(c) + "b"], hex(c)
    return whitespace, punctuation


def chinese():
    pad = bert(handle_chinese_chars=True)
    found = {c for c in POINTS if pad(chr(c)) != chr(c)}
    assert all(pad(chr(c)) == f" {chr(c)} " for c in found)
    return found


def marks():
    strip = bert(strip_accents=True)
    nfd = normalizers.NFD().normalize_str
    return {c for c in POINTS if strip(chr(c)) == "" and nfd(chr(c)) == chr(c)}


def word_characters(whitespace):
    """Which neighbours make `single_word` tokens no match, and that `lstrip` eats just the whitespace."""
    single, strip = Tokenizer(models.WordLevel({"?": 0}, "?")), Tokenizer(models.WordLevel({"?": 0}, "?"))
    single.add_tokens([AddedToken("<t>", single_word=True, normalized=False)])
    strip.add_tokens([AddedToken("<t>", lstrip=True, rstrip=True, normalized=False)])
    found = set()
    for c in POINTS:
        before = "<t>" not in single.encode(chr(c) + "<t>").tokens
        after = "<t>" not in single.encode("<t>" + chr(c)).tokens
        assert before == after, hex(c)
        if before:
            found.add(c)
        stripped = "?" not in strip.encode(chr(c) + "<t>" + chr(c)).tokens
        assert stripped == (c in whitespace), hex(c)
    return found


def combining_classes():
    """Where NFD orders a character among one of every known class tells its class."""
    nfd = normalizers.NFD().normalize_str
    low, high = "\u0334", "\u0345"
    known = {1: low}
    for c in POINTS:
        if nfd(chr(c) + low) == low + chr(c):
            known.setdefault(unicodedata.combining(chr(c)), chr(c))
    order = sorted(known)
    for a, b in zip(order, order[1:]):
        assert nfd("x" + known[b] + known[a]) == "x" + known[a] + known[b], (a, b)
    found = {}
    for c in POINTS:
        x = chr(c)
        if nfd(x) != x or (nfd("x" + x + low) == "x" + x + low and nfd("x" + high + x) == "x" + high + x):
            continue
        equal = [
            k
            for k in order
            if nfd("x" + known[k] + x) == "x" + known[k] + x and nfd("x" + x + known[k]) == "x" + x + known[k]
        ]
        assert len(equal) == 1, (hex(c), equal)
        found[c] = equal[0]
    return found


def hangul(c):
    s = c - 0xAC00
    return [0x1100 + s // 588, 0x1161 + s % 588 // 28] + ([0x11A7 + s % 28] if s % 28 else [])


def decompositions(mark, combining):
    nfd = normalizers.NFD().normalize_str
    found = {}
    for c in POINTS:
        full = [ord(x) for x in nfd(chr(c))]
        if full == [c]:
            continue
        if 0xAC00 <= c <= 0xD7A3:
            assert full == hangul(c), hex(c)
            continue
        found[c] = [x for x in full if not (x in mark and x in combining)]
    return found


def lowercase():
    lower = normalizers.Lowercase().normalize_str
    assert lower("\u0391\u03a3") == "\u03b1\u03c3", "one character at a time: no final sigma"
    found = {c: [ord(x) for x in lower(chr(c))] for c in POINTS}
    return {c: to for c, to in found.items() if to != [c]}


def lower_entries(mapping):
    single = {c: to[0] - c for c, to in mapping.items() if len(to) == 1}
    entries, done = [], set()
    for c in sorted(single):
        if c in done:
            continue
        runs = []
        for step in (1, 2):
            end = c
            while single.get(end + step) == single[c] and end + step not in done:
                end += step
            runs.append((len(range(c, end + 1, step)), step, end))
        _, step, end = max(runs, key=lambda run: (run[0], -run[1]))
        done.update(range(c, end + 1, step))
        entries.append(f"{written(c, end)}{'/2' if step == 2 else ''}:{single[c]:+x}")
    entries += [f"{c:x}={sequence(to)}" for c, to in sorted(mapping.items()) if len(to) != 1]
    return entries


def sequence(points):
    return "+".join(f"{x:x}" for x in points)


def decomposition_entries(mapping):
    entries, run = [], None
    for c in sorted(mapping):
        to = sequence(mapping[c])
        if run and run[1] == c - 1 and run[2] == to:
            run[1] = c
            continue
        if run:
            entries.append(f"{written(run[0], run[1])}={run[2]}")
        run = [c, c, to]
    return entries + [f"{written(run[0], run[1])}={run[2]}"]


def check_lengths(mapping):
    """Ids never outnumber input bytes, which callers may rely on to size their arrays."""
    for c, to in mapping.items():
        assert len(to) <= len(chr(c).encode()), hex(c)


def main():
    removed, cleaned_whitespace = cleaned()
    whitespace, punctuation = split()
    assert cleaned_whitespace == whitespace - removed
    mark, combining = marks(), combining_classes()
    decomposition, lower = decompositions(mark, combining), lowercase()
    check_lengths(decomposition)
    check_lengths(lower)
    sections = {
        "removed": [written(*r) for r in ranges(removed)],
        "whitespace": [written(*r) for r in ranges(whitespace)],
        "chinese": [written(*r) for r in ranges(chinese())],
        "punctuation": [written(*r) for r in ranges(punctuation)],
        "mark": [written(*r) for r in ranges(mark)],
        "word": [written(*r) for r in ranges(word_characters(whitespace))],
        "combining": [
            f"{k:x}:{written(*r)}"
            for k in sorted(set(combining.values()))
            for r in ranges(c for c in combining if combining[c] == k)
        ],
        "decomposition": decomposition_entries(decomposition),
        "lowercase": lower_entries(lower),
    }
    with open(sys.argv[1], "w", encoding="ascii", newline="\n") as out:
        out.write(f"# Made by bench/tokenizer/make_tables.py from tokenizers {tokenizers.__version__}; do not edit.\n")
        for name, entries in sections.items():
            out.write(f"[{name}]\n")
            line = ""
            for entry in entries:
                if len(line) + 1 + len(entry) > 100:
                    out.write(line + "\n")
                    line = entry
                else:
                    line = f"{line} {entry}" if line else entry
            out.write(line + "\n")
            print(f"{name:14} {len(entries):5} entries")


if __name__ == "__main__":
    main()
