"""Writes a Hugging Face BERT folder with random weights, to time with.

    make_model.py OUT VOCAB_TXT HIDDEN LAYERS HEADS
"""
import pathlib
import shutil
import sys

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

out, vocab, hidden, layers, heads = pathlib.Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])
torch.manual_seed(0)
size = sum(1 for _ in open(vocab, encoding="utf-8"))
BertModel(BertConfig(vocab_size=size, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
                     intermediate_size=4 * hidden)).save_pretrained(out)
shutil.copy(vocab, out / "vocab.txt")
BertTokenizerFast.from_pretrained(out).save_pretrained(out)
