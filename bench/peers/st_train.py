"""Unsupervised SimCSE in sentence-transformers: prints one JSON object with the seconds of every step.

    st_train.py MODEL SENTENCES STEPS BATCH MAX_LENGTH [fp32|bf16 [MINI_BATCH]]

With a mini-batch the loss is the cached one, which encodes so many sentences at a time.
"""
import json
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from datasets import Dataset
from sentence_transformers import (SentenceTransformer, SentenceTransformerTrainer,
                                   SentenceTransformerTrainingArguments, losses, models)
from transformers import TrainerCallback

folder, sentences = sys.argv[1:3]
steps, batch, max_length = map(int, sys.argv[3:6])
precision = sys.argv[6] if len(sys.argv) > 6 else "fp32"
mini_batch = int(sys.argv[7]) if len(sys.argv) > 7 else None
torch.set_num_threads(os.cpu_count())
body = models.Transformer(folder, max_seq_length=max_length)
model = SentenceTransformer(modules=[body, models.Pooling(body.get_embedding_dimension(), pooling_mode="cls")],
                            device="cpu")
with open(sentences, encoding="utf-8") as lines:
    rows = [line.rstrip("\n") for line, _ in zip(lines, range(steps * batch))]
ends = []


class Clock(TrainerCallback):
    def on_train_begin(self, *args, **kwargs):
        ends.append(time.time())

    def on_step_end(self, *args, **kwargs):
        ends.append(time.time())


arguments = SentenceTransformerTrainingArguments(
    output_dir="/tmp/simcse4j-peer", max_steps=steps, per_device_train_batch_size=batch, learning_rate=3e-5,
    bf16=precision == "bf16", use_cpu=True, logging_steps=10**6, save_strategy="no", report_to=[], disable_tqdm=True,
    dataloader_drop_last=True, seed=42)
if mini_batch is None:
    loss = losses.MultipleNegativesRankingLoss(model, scale=20.0)
else:
    loss = losses.CachedMultipleNegativesRankingLoss(model, scale=20.0, mini_batch_size=mini_batch)
SentenceTransformerTrainer(model=model, args=arguments, train_dataset=Dataset.from_dict({"a": rows, "b": rows}),
                           loss=loss, callbacks=[Clock()]).train()
print(json.dumps({"seconds": [end - start for start, end in zip(ends, ends[1:])]}))
