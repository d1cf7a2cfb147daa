"""Compares our ids with those of the Hugging Face `tokenizers` library and fails on the first differences.

    python check_exact.py --classpath CLASSES:TEST_CLASSES:JARS --sentences FILE --vectors FILE \\
        --vocabulary uncased=vocab.txt --vocabulary cased=vocab.txt --vocabulary chinese=vocab.txt

A vocabulary whose name starts with "uncased" is lower-cased. On top of the given vocabularies, one that spells every
character shows what a real one hides behind [UNK]. Every vocabulary goes through `tokenizer.json`; the given
ones also through `vocab.txt`.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import tempfile
import unicodedata

import numpy
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def reference(vocabulary, added=(), prefix="##", max_chars=100, **normalizer):
    tokenizer = Tokenizer(
        models.WordPiece(
            vocabulary, unk_token="[UNK]", continuing_subword_prefix=prefix, max_input_chars_per_word=max_chars
        )
    )
    tokenizer.normalizer = normalizers.BertNormalizer(**normalizer)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL if t in vocabulary])
    tokenizer.add_tokens(list(added))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(t, vocabulary[t]) for t in ("[CLS]", "[SEP]")]
    )
    return tokenizer


def ours(folder, texts, args, max_length):
    source, target = os.path.join(folder, "texts"), os.path.join(folder, "ids")
    with open(source, "wb") as out:
        for text in texts:
            utf8 = text.encode()
            out.write(len(utf8).to_bytes(4, "big") + utf8)
        out.write((-1).to_bytes(4, "big", signed=True))
    command = [args.java, "-Xmx3g", "-cp", args.classpath, "io.github.simcse4j.tokenizer.TokenDump"]
    subprocess.run(command + [folder, source, target, str(max_length)], check=True)
    return numpy.fromfile(target, dtype=">i4")


def compare(name, tokenizer, texts, args, max_length=1 << 20, folder=None):
    """`folder` is a model folder already written; otherwise the reference is saved into one."""
    with tempfile.TemporaryDirectory() as temporary:
        if folder is None:
            folder = temporary
            tokenizer.save(os.path.join(folder, "tokenizer.json"))
        found = ours(folder, texts, args, max_length)
    if max_length < 1 << 20:
        tokenizer.enable_truncation(max_length)
    wrong, at, ids = 0, 0, 0
    for start in range(0, len(texts), 50_000):
        for text, encoding in zip(texts[start:], tokenizer.encode_batch(texts[start : start + 50_000])):
            got = found[at + 1 : at + 1 + found[at]].tolist()
            at += 1 + found[at]
            ids += len(got)
            if got != encoding.ids:
                wrong += 1
                if wrong <= 5:
                    print(f"  {ascii(text)[:200]}\n    expected {encoding.ids}\n    found    {got}")
    tokenizer.no_truncation()
    print(f"{name:58} {len(texts):8} texts {ids:9} ids {wrong:6} differ", flush=True)
    args.wrong += wrong


def every_code_point():
    for c in range(0x110000):
        if not 0xD800 <= c <= 0xDFFF:
            x = chr(c)
            yield f"{x}a{x}b {x} x {x} y {x}\u0301 a{x}\u0327\u0301b \U0001d16d{x}\U0001d165\u0316 \u302e{x} [MASK]{x}"


def pools():
    rng = random.Random(1)
    by_category = {}
    for c in range(0x110000):
        by_category.setdefault(unicodedata.category(chr(c)), []).append(chr(c))
    del by_category["Cs"]
    found = [rng.sample(v, min(len(v), 60)) for v in by_category.values()]
    combining = [chr(c) for c in range(0x110000) if unicodedata.combining(chr(c))]
    found.append([c for c in combining if unicodedata.category(c) != "Mn"] + ["\U0001d15e", "\U0001d1bb"])
    found.append(rng.sample(combining, 100))
    decomposed = [chr(c) for c in range(0x110000) if unicodedata.decomposition(chr(c))[:1] not in ("", "<")]
    found.append(rng.sample(decomposed, 200))
    found.append([chr(0xAC00 + rng.randrange(11172)) for _ in range(50)])
    found.append([chr(0x4E00 + rng.randrange(2000)) for _ in range(30)])
    found += [list("abcdefgXYZ"), list("abcde"), list(" \t\n\r\x00\x85\xa0\u3000"), list(".,!-'[]#_")]
    found.append(SPECIAL + ["[mask]", "Foo", "foo", "New York", "<x>", " <y> ", "\u0130", "\u03a3", "##a"])
    return found


def fuzz(count, seed):
    rng, sets = random.Random(seed), pools()
    for _ in range(count):
        weights = [rng.random() ** 4 for _ in sets]
        yield "".join(rng.choice(s) for s in rng.choices(sets, weights, k=rng.randint(0, 40)))


def every_character(points):
    return {t: i for i, t in enumerate(SPECIAL + [p + chr(c) for c in points for p in ("", "##")])}


def check_fuzz(args):
    texts = list(fuzz(args.fuzz, 7))
    chars = {x for t in texts for x in t}
    chars |= {y for x in chars for y in unicodedata.normalize("NFD", x) + unicodedata.normalize("NFD", x.lower())}
    vocabulary = every_character(sorted(ord(x) for x in chars))
    added = [
        AddedToken("Foo", normalized=True),
        AddedToken("New York", normalized=True, single_word=True),
        AddedToken("<x>", normalized=False, lstrip=True, rstrip=True),
        AddedToken("<y>", normalized=True, lstrip=True),
        AddedToken("\u00e9\u0301", normalized=True, rstrip=True, single_word=True),
        AddedToken("abc", normalized=False, single_word=True),
        AddedToken(" b", normalized=True),
        AddedToken("a ", normalized=True),
    ]
    settings = list(itertools.product((True, False), (True, False), (None, True, False), (True, False)))
    step = len(texts) // len(settings)
    for i, (clean, chinese, strip, lower) in enumerate(settings):
        normalizer = dict(clean_text=clean, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower)
        name = f"fuzz clean={clean:d} chinese={chinese:d} strip={strip} lower={lower:d}"
        part = texts[i * step : (i + 1) * step]
        compare(name, reference(vocabulary, **normalizer), part, args)
        compare(name + " added", reference(vocabulary, added, **normalizer), part, args)
    for lower in (True, False):
        name = f"fuzz all, lower={lower:d}"
        compare(name, reference(vocabulary, lowercase=lower), texts, args)
        compare(name + " max_length 7", reference(vocabulary, added, lowercase=lower), texts, args, 7)
    compare("fuzz prefix '', 3 chars per word", reference(vocabulary, prefix="", max_chars=3), texts[:step], args)


def check_vectors(args):
    with open(args.vectors, encoding="utf-8") as file:
        vectors = json.load(file)
    for i, case in enumerate(vectors["full"]):
        vocabulary = {t: i for i, t in enumerate(case["vocab"])}
        got = reference(vocabulary)
        assert got.encode(case["in"], add_special_tokens=False).ids == case["ids"]
        compare(f"vectors full[{i}]", got, [case["in"]], args)
    for case in vectors["wordpiece"]:
        vocabulary = {t: i for i, t in enumerate(case["vocab"])}
        compare("vectors wordpiece", reference(vocabulary), [text for text, _ in case["cases"]], args)
    for lower, strip in {(c["lower"], c.get("strip_accents")) for c in vectors["basic"]}:
        cases = [c for c in vectors["basic"] if (c["lower"], c.get("strip_accents")) == (lower, strip)]
        words = dict.fromkeys(SPECIAL + [w for c in cases for w in c["out"]])
        tokenizer = reference({w: i for i, w in enumerate(words)}, lowercase=lower, strip_accents=strip)
        for case in cases:
            assert tokenizer.encode(case["in"], add_special_tokens=False).tokens == case["out"], case
        compare(f"vectors basic lower={lower:d} strip={strip}", tokenizer, [c["in"] for c in cases], args)


def check_vocabulary(name, file, args, sentences):
    with open(file, encoding="utf-8") as lines:
        vocabulary = {line.rstrip("\n"): i for i, line in enumerate(lines)}
    lower = name.startswith("uncased")
    tokenizer = reference(vocabulary, lowercase=lower)
    compare(f"{name}: every code point in contexts", tokenizer, list(every_code_point()), args)
    compare(f"{name}: sentences", tokenizer, sentences, args)
    compare(f"{name}: sentences, max_length 32", tokenizer, sentences, args, 32)
    compare(f"{name}: fuzz", tokenizer, list(fuzz(args.fuzz, 8)), args)
    with tempfile.TemporaryDirectory() as folder:
        with open(file, "rb") as source, open(os.path.join(folder, "vocab.txt"), "wb") as target:
            target.write(source.read())
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as config:
            json.dump({"do_lower_case": lower, "strip_accents": None, "tokenize_chinese_chars": True}, config)
        compare(f"{name}: fuzz through vocab.txt", tokenizer, list(fuzz(args.fuzz, 9)), args, folder=folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--java", default="java")
    parser.add_argument("--classpath", required=True)
    parser.add_argument("--vectors")
    parser.add_argument("--sentences")
    parser.add_argument("--vocabulary", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--fuzz", type=int, default=100_000)
    args = parser.parse_args()
    args.wrong = 0
    if args.vectors:
        check_vectors(args)
    check_fuzz(args)
    everything = every_character(c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)
    for lower in (True, False):
        tokenizer = reference(everything, lowercase=lower)
        compare(f"every character, lower={lower:d}: in contexts", tokenizer, list(every_code_point()), args)
    sentences = []
    if args.sentences:
        with open(args.sentences, encoding="utf-8", newline="\n") as lines:
            sentences = [line.rstrip("\n") for line in lines]
    for entry in args.vocabulary:
        check_vocabulary(*entry.split("=", 1), args, sentences)
    print("all the same" if args.wrong == 0 else f"{args.wrong} texts differ")
    raise SystemExit(args.wrong != 0)


if __name__ == "__main__":
    main()
