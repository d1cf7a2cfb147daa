"""Trains without dropout in simcse4j and in PyTorch, on the same batches, and compares the losses step by step.

    compare_losses.py --simcse target/simcse/bin/simcse --model DIR --sentences FILE [--steps 20] [--pooler avg]

PyTorch's side is written out here: BertModel, the same batches in the order of the file, InfoNCE, AdamW, linear
schedule, clipping at 1. Without dropout the two views of a sentence are equal, so that the losses are small; what is
compared is their course. FILE may also be a CSV of three columns with a header: triples.
"""
import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from transformers import AutoTokenizer, BertModel

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--simcse", required=True)
p.add_argument("--model", required=True)
p.add_argument("--sentences", required=True)
p.add_argument("--steps", type=int, default=20)
p.add_argument("--batch", type=int, default=64)
p.add_argument("--pooler", choices=["avg", "cls_before_pooler"], default="avg")
p.add_argument("--learning-rate", type=float, default=1e-4)
p.add_argument("--tolerance", type=float, default=1e-3, help="largest difference relative to the loss")
a = p.parse_args()
work = pathlib.Path(tempfile.mkdtemp())

if a.sentences.endswith(".csv"):
    with open(a.sentences, encoding="utf-8", newline="") as f:
        columns = list(zip(*list(csv.reader(f))[1:a.steps * a.batch + 1]))
else:
    with open(a.sentences, encoding="utf-8") as f:
        columns = [[line.rstrip("\n") for line, _ in zip(f, range(a.steps * a.batch))]]
data = work / "data.csv"
with open(data, "w", encoding="utf-8", newline="") as f:
    csv.writer(f).writerows([[f"column{i}" for i in range(len(columns))], *zip(*columns)])
subprocess.run([a.simcse, "train", "--model", a.model, "--train", data, "--out", work / "out", "--metrics", work / "metrics",
                "--max-steps", str(a.steps), "--batch-size", str(a.batch), "--max-length", "32", "--dropout", "0",
                "--learning-rate", str(a.learning_rate), "--pooler", a.pooler, "--no-shuffle"], check=True,
               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
ours = [json.loads(line) for line in open(work / "metrics")]
ours = [line["loss"] for line in ours if line["event"] == "step"]

tokenizer = AutoTokenizer.from_pretrained(a.model)
model = BertModel.from_pretrained(a.model, add_pooling_layer=False, hidden_dropout_prob=0.0,
                                  attention_probs_dropout_prob=0.0).train()
plain = [v for k, v in model.named_parameters() if "bias" in k or "LayerNorm" in k]
rest = [v for k, v in model.named_parameters() if not ("bias" in k or "LayerNorm" in k)]
optimizer = torch.optim.AdamW([{"params": rest}, {"params": plain}], lr=a.learning_rate, weight_decay=0.0)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (a.steps - step) / a.steps)


def embed(sentences):
    inputs = tokenizer(list(sentences), padding=True, truncation=True, max_length=32, return_tensors="pt")
    hidden = model(**inputs).last_hidden_state
    if a.pooler == "cls_before_pooler":
        return hidden[:, 0]
    mask = inputs["attention_mask"].unsqueeze(-1)
    return (hidden * mask).sum(1) / mask.sum(1)


worst = 0
for step in range(a.steps):
    rows = slice(step * a.batch, (step + 1) * a.batch)
    views = [embed(column[rows]) for column in columns] if len(columns) > 1 else [embed(columns[0][rows])] * 2
    normal = [torch.nn.functional.normalize(view, dim=-1) for view in views]
    loss = torch.nn.functional.cross_entropy(normal[0] @ torch.cat(normal[1:]).T / 0.05, torch.arange(len(normal[0])))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    difference = abs(ours[step] - loss.item()) / max(abs(loss.item()), 1e-3)
    worst = max(worst, difference)
    print(f"step {step + 1:3d}  simcse4j {ours[step]:.6f}  PyTorch {loss.item():.6f}  relative difference {difference:.1e}")
print(f"largest relative difference {worst:.1e} over {a.steps} steps")
sys.exit(worst > a.tolerance)
