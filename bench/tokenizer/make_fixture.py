"""Writes the tokenizer's golden fixture: texts with the ids that Hugging Face `tokenizers` gives them.

    python make_fixture.py OUT           (java/core/src/test/resources/io/github/simcse4j/tokenizer/golden.json)

The vocabulary is made here: every character that can come out of the texts, alone and as a continuation, and a few
longer pieces.
"""

import json
import random
import sys
import unicodedata

from check_exact import SPECIAL, fuzz, reference
from tokenizers import AddedToken

PIECES = ["want", "##want", "##ed", "wa", "un", "runn", "##ing", "low", "##lo", "Foo", "foo", "hello", "caf", "##\u00e9"]

TEXTS = [
    "",
    "   ",
    "UNwant\u00e9d,running",
    "ah\u535a\u63a8zz",
    " \tHeLLo!how  \n Are yoU?  ",
    "a\n'll !!to?'d of, can't.",
    "\u200e\u200f",
    "\u00ad",
    "caf\u00e9 cafe\u0301 CAFE\u0301 \u0130stanbul \u0131 \u1e9e\u00df",
    "\u039f\u03a3 \u03a3\u03b1\u03c2",  # no final sigma
    "\ud55c\uad6d\uc5b4 \uac00 \u1112\u1161\u11ab",  # Hangul, composed and not
    "\uf900\ufa0e\U0002f800 \u3400\U0002a6d6\u9fff\u30a2\u3042",  # ideographs, some of which decompose
    "\u212b\u2126\u212a \u1fef \u037e \u2000x\u3000y\u00a0z\u1680w",  # decompose to letter, punctuation, space
    "a\u0315\u0300\u05ae\u0300b e\u0323\u0307\u0302 \u0340\u0341\u0344",
    "\u1d16 \U0001d15e \U0001d1bb\U0001d165\U0001d16d \U0001d160x",  # marks that stay and are ordered
    "x\u302e\U0001d16d\u0327\U0001d165y \u094d\U0001d16d\u09cd a\U0001d165\u0000\U0001d16d",
    "\x00\x01a\x7fb\x85c\ufffdd\u0008e\x0bf\x0cg",
    "\u1b44\u302f\u0f39 \u0e38\u0e48 \u0f71\u0f72\u0f73",
    "$+<=>^`|~ \u00a1\u00ab\u2026\u3002\uff01\U00010100",
    "[CLS] [SEP] [MASK][PAD]x[UNK] [mask] [MASK",
    "Foo foo FOO Foox New York new york xNew Yorky <x> a <x>b  <y> c <y>",
    "a zq b z q <x> z q <x>z q\u3000<x>\u00a0z",  # what <x> eats decides whether " z" and "q " are there
    "\U0001f600\U0001f1e9\u200d\u20ac\U000e0001\U0010ffff\ue000\u0378",
    "a" * 100 + " " + "b" * 101 + " " + "\u00e9" * 100 + " " + "\u00e9" * 101,
    "un" * 60,
]

CASES = {
    "uncased": (dict(lowercase=True), False, 512),
    "cased": (dict(lowercase=False), False, 512),
    "lower-cased with accents": (dict(lowercase=True, strip_accents=False), False, 512),
    "cased without accents": (dict(lowercase=False, strip_accents=True), False, 512),
    "not cleaned": (dict(clean_text=False, handle_chinese_chars=False, lowercase=True), False, 512),
    "added tokens": (dict(lowercase=True), True, 512),
    "cut": (dict(lowercase=True), True, 6),
}

ADDED = [
    AddedToken("Foo", normalized=True),
    AddedToken("New York", normalized=True, single_word=True),
    AddedToken("<x>", normalized=False, lstrip=True, rstrip=True),
    AddedToken("<y>", normalized=True, lstrip=True),
    AddedToken("unw", normalized=False, single_word=True),
    AddedToken(" z", normalized=True),
    AddedToken("q ", normalized=True),
]


def vocabulary(texts):
    chars = {x for text in texts for x in text}
    for _ in range(2):
        chars |= {y for x in chars for y in unicodedata.normalize("NFD", x) + x.lower()}
    chars -= set(random.Random(3).sample(sorted(chars), len(chars) // 20))  # some words stay unknown
    tokens = dict.fromkeys(SPECIAL + PIECES + sorted(chars) + ["##" + c for c in sorted(chars)])
    return {token: i for i, token in enumerate(tokens)}


def main():
    # Five characters of each fuzz text keep the vocabulary, and so the file, small.
    texts = TEXTS + [text[:5] for text in fuzz(150, 5)]
    tokens = vocabulary(texts)
    cases = []
    for name, (normalizer, with_added, max_length) in CASES.items():
        tokenizer = reference(tokens, ADDED if with_added else (), **normalizer)
        tokenizer.enable_truncation(max_length)
        described = json.loads(tokenizer.to_str())
        cases.append(
            {
                "name": name,
                "normalizer": described["normalizer"],
                "added_tokens": described["added_tokens"],
                "max_length": max_length,
                "ids": [tokenizer.encode(text).ids for text in texts],
            }
        )
    golden = {"vocabulary": list(tokens), "post_processor": described["post_processor"], "texts": texts}
    with open(sys.argv[1], "w", encoding="ascii", newline="\n") as out:
        fields = [f'"{k}": {json.dumps(v, separators=(",", ":"))}' for k, v in golden.items()]
        lines = [json.dumps(case, separators=(",", ":")) for case in cases]
        out.write("{" + ",\n".join(fields) + ',\n"cases": [\n' + ",\n".join(lines) + "]}\n")


if __name__ == "__main__":
    main()
