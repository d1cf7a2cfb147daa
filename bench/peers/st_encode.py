"""Encoding with sentence-transformers: prints one JSON object with the seconds of every repetition.

    st_encode.py MODEL SENTENCES COUNT REPETITIONS [fp32|bf16]
"""
import json
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from sentence_transformers import SentenceTransformer

folder, sentences = sys.argv[1:3]
count, repetitions = map(int, sys.argv[3:5])
precision = sys.argv[5] if len(sys.argv) > 5 else "fp32"
torch.set_num_threads(os.cpu_count())
options = {"torch_dtype": torch.bfloat16} if precision == "bf16" else {}
model = SentenceTransformer(folder, device="cpu", model_kwargs=options)
with open(sentences, encoding="utf-8") as lines:
    rows = [line.rstrip("\n") for line, _ in zip(lines, range(count))]
model.encode(rows[:64], batch_size=32)
seconds = []
for _ in range(repetitions):
    start = time.time()
    model.encode(rows, batch_size=32, show_progress_bar=False)
    seconds.append(time.time() - start)
print(json.dumps({"seconds": seconds}))
