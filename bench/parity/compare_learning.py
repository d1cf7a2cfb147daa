"""Trains from the same start on the same data with simcse4j and scores the result in sentence-transformers.

    compare_learning.py --simcse target/simcse/bin/simcse --model DIR --train FILE --dev sts-dev.csv
                        [--pooler avg] [--steps 380] [--learning-rate 1e-4] [--limit N] [--seeds 1,2,3] [--peer]
                        [--precision fp32,bf16] [--kernels auto]

simcse4j is trained for each seed in each precision. With --peer sentence-transformers is trained on the same rows with
the same settings as well, for each seed. The score is Spearman's on an STS-B file (tab separated: score 4, texts 5 and
6), as SciPy and sentence-transformers compute it from the saved folder, and beside it what simcse eval says of that
folder.
"""
import argparse
import csv
import os
import pathlib
import subprocess
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from datasets import Dataset
from scipy.stats import spearmanr
from sentence_transformers import (SentenceTransformer, SentenceTransformerTrainer,
                                   SentenceTransformerTrainingArguments, losses, models)

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in ("--simcse", "--model", "--train", "--dev"):
    p.add_argument(name, required=True)
p.add_argument("--pooler", choices=["avg", "cls_before_pooler"], default="avg")
p.add_argument("--steps", type=int, default=380)
p.add_argument("--batch", type=int, default=64)
p.add_argument("--learning-rate", type=float, default=1e-4)
p.add_argument("--limit", type=int, help="rows of the data to use, from the start")
p.add_argument("--seeds", default="1,2,3")
p.add_argument("--peer", action="store_true")
p.add_argument("--precision", default="fp32", help="fp32, bf16 or both, with a comma")
p.add_argument("--kernels", default="auto", help="as simcse takes them")
a = p.parse_args()
work = pathlib.Path(tempfile.mkdtemp())
torch.set_num_threads(os.cpu_count())

if a.train.endswith(".csv"):
    with open(a.train, encoding="utf-8", newline="") as f:
        rows = list(csv.reader(f))[1:]
else:
    with open(a.train, encoding="utf-8") as f:
        rows = [[line.rstrip("\n")] for line in f]
rows = rows[:a.limit]
data = work / "train.csv"
with open(data, "w", encoding="utf-8", newline="") as f:
    csv.writer(f).writerows([[f"column{i}" for i in range(len(rows[0]))], *rows])
with open(a.dev, encoding="utf-8") as f:
    dev = [line.rstrip("\n").split("\t") for line in f]


def score(model):
    left = model.encode([r[5] for r in dev], normalize_embeddings=True)
    right = model.encode([r[6] for r in dev], normalize_embeddings=True)
    return float(spearmanr((left * right).sum(1), [float(r[4]) for r in dev])[0])


def ours(seed, precision):
    out = work / f"out{seed}-{precision}"
    computing = ["--kernels", a.kernels, "--precision", precision]
    subprocess.run([a.simcse, "train", "--model", a.model, "--train", data, "--out", out, "--max-steps", str(a.steps),
                    "--batch-size", str(a.batch), "--learning-rate", str(a.learning_rate), "--max-length", "32",
                    "--eval-max-length", "32", "--pooler", a.pooler, "--seed", str(seed), *computing],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    again = subprocess.run([a.simcse, "eval", "--model", out, "--tasks", a.dev, *computing],
                           check=True, capture_output=True, text=True)
    return score(SentenceTransformer(str(out), device="cpu")), float(again.stdout.splitlines()[1].split()[-6])


def peer(seed):
    body = models.Transformer(a.model, max_seq_length=32)
    mode = "mean" if a.pooler == "avg" else "cls"
    model = SentenceTransformer(
        modules=[body, models.Pooling(body.get_embedding_dimension(), pooling_mode=mode)], device="cpu")
    columns = [[row[i] for row in rows] for i in range(len(rows[0]))]
    columns = columns if len(columns) > 1 else columns * 2
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(work / "st"), max_steps=a.steps, per_device_train_batch_size=a.batch,
        learning_rate=a.learning_rate, use_cpu=True, logging_steps=10**6, save_strategy="no", report_to=[],
        disable_tqdm=True, dataloader_drop_last=True, seed=seed)
    SentenceTransformerTrainer(model=model, args=arguments, loss=losses.MultipleNegativesRankingLoss(model, scale=20.0),
                               train_dataset=Dataset.from_dict(dict(zip("abc", columns)))).train()
    return score(model)


scores = {}
for seed in map(int, a.seeds.split(",")):
    said = []
    for precision in a.precision.split(","):
        scored, self_scored = ours(seed, precision)
        scores.setdefault(f"simcse4j {precision}", []).append(scored)
        said.append(f"simcse4j {precision} {scored:.4f} (its own eval {self_scored:.4f})")
    if a.peer:
        scores.setdefault("sentence-transformers", []).append(peer(seed))
        said.append(f"sentence-transformers {scores['sentence-transformers'][-1]:.4f}")
    print(f"seed {seed}: {', '.join(said)}", flush=True)
print("mean: " + ", ".join(f"{name} {sum(found) / len(found):.4f}" for name, found in scores.items()))
