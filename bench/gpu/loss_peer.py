"""The contrastive loss of random vectors, forward and backward, by PyTorch and by sentence-transformers' cached loss.

    loss_peer.py OUT.jsonl N DIM cuda|cpu

OUT has a line {"n", "version", "ms", "peakMB"} for each that fits in memory: bf16, temperature 0.05, a key for each
query, the median of the passes after one to warm up. The cached loss takes the best of three sizes of its mini-batches.
peakMB is what PyTorch allocated at most, in 10^6 bytes, vectors and gradients included.
"""
import json
import os
import statistics
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from torch.nn import functional as F

RUNS = 5
MINI_BATCHES = (512, 2048, 8192)


def in_one_piece(queries, keys):
    logits = F.normalize(queries, dim=1) @ F.normalize(keys, dim=1).t() / 0.05
    F.cross_entropy(logits, torch.arange(len(queries), device=queries.device)).backward()


def cached(device, size):
    """The loss alone: its model is not called."""
    from sentence_transformers import SentenceTransformer, losses, models

    loss = losses.CachedMultipleNegativesRankingLoss(
        SentenceTransformer(modules=[models.Normalize()], device=device), scale=20.0, mini_batch_size=size)
    return lambda queries, keys: loss.calculate_loss([[queries], [keys]], with_backward=True)


def timed(run, count, width, device):
    """Seconds of a pass, and bytes."""
    cuda = device == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    vectors = [torch.randn(count, width, dtype=torch.bfloat16, device=device, requires_grad=True) for _ in range(2)]
    seconds = []
    for _ in range(1 + RUNS):
        for each in vectors:
            each.grad = None
        start = time.perf_counter()
        run(*vectors)
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:]), torch.cuda.max_memory_allocated() if cuda else 0


def main():
    target, count, width, device = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    versions = {"PyTorch, in one piece": in_one_piece}
    for size in MINI_BATCHES:
        versions[f"sentence-transformers, cached, {size} at a time"] = cached(device, size)
    with open(target, "w", encoding="utf-8") as out:
        for version, run in versions.items():
            try:
                seconds, peak = timed(run, count, width, device)
            except torch.OutOfMemoryError as error:
                print(f"{version}: {error}", file=sys.stderr)
                continue
            out.write(json.dumps({"n": count, "version": version, "ms": seconds * 1e3, "peakMB": peak * 1e-6}) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
