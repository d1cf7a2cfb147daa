"""Times large batches on this machine and writes a record, in up to three parts (--what):

    compare  simcse4j beside sentence-transformers' CachedMultipleNegativesRankingLoss, in turns, from the same folder
             and on the same sentences. The peer takes the fastest of --mini-batches; simcse4j takes what it chooses
             itself, what fits in --memory, and the peer's way, which keeps no chunk.
    replay   the price of chunks: the same batch whole, in chunks that are all kept, and in chunks that are run again.
    memory   peak memory against the batch, all chunks but the last run again.

    large_batch.py --simcse target/simcse/bin/simcse --model DIR --sentences FILE [--peer-python PYTHON]
                   [--what compare,replay,memory] [--precisions fp32,bf16] [--out FILE.md] [-- OPTIONS OF SIMCSE]

PYTHON has the packages of peers/requirements.txt. Training is unsupervised SimCSE, length 32, the vector of [CLS]; one
epoch over the first sentences of FILE, as many as the steps need. A rate is the median over the steps after a warm-up;
peak memory is the largest resident set of the process.
"""
import argparse
import itertools
import json
import pathlib
import re
import statistics
import tempfile

from side_by_side import HERE, head, kernels, run, warm

MAX_LENGTH = 32


def sentences(a, count):
    """A file of the first sentences, made once."""
    file = a.work / f"{a.sentences.stem}-{count}.txt"
    if not file.exists():
        with open(a.sentences, encoding="utf-8") as lines:
            file.write_text("".join(itertools.islice(lines, count)), encoding="utf-8")
    with open(file, encoding="utf-8") as lines:
        found = sum(1 for _ in lines)
    if found < count:
        file.unlink()
        raise SystemExit(f"{a.sentences} has {found} sentences, fewer than the {count} that the steps need")
    return file


def peer(a, precision, mini_batch):
    """Sentences a second and peak memory."""
    text = sentences(a, a.batch_size * a.steps)
    out, _, memory = run([a.peer_python, HERE / "peers/st_train.py", a.model, text, a.steps, a.batch_size, MAX_LENGTH,
                          precision, mini_batch])
    return a.batch_size / statistics.median(warm(json.loads(out.splitlines()[-1])["seconds"])), memory


def ours(a, precision, batch, steps, *options):
    """Sentences a second, peak memory, chunks, how many of them are kept, and the lines of the plan by their names."""
    text, metrics = sentences(a, batch * steps), a.work / "metrics.jsonl"
    _, err, memory = run([a.simcse, "train", "--model", a.model, "--train", text, "--tokens", f"{text}.arrow",
                          "--out", a.work / "out", "--metrics", metrics, "--max-steps", steps, "--batch-size", batch,
                          "--max-length", MAX_LENGTH, "--pooler", "cls_before_pooler", "--precision", precision,
                          *options, *a.ours])
    told = [json.loads(line) for line in metrics.read_text().splitlines()]
    told = [line for line in told if line["event"] == "step"]
    rates = [line["sentencesPerSecond"] for line in told]
    chunks = max(line["chunks"] for line in told)
    plan = dict(re.findall(r"^(embeddings and loss|activations|total) +([\d.,]+ [kMG]?B)", err, re.MULTILINE))
    kept = re.search(r" chunks, ([\d,]+) kept", err)
    a.line = kernels(err)
    return (statistics.median(warm(rates) or rates), memory, chunks,
            min(chunks, int(kept[1].replace(",", ""))) if kept else chunks, plan)


def add(table, row):
    table.append(row)
    print(row, flush=True)


def middle(rows, column):
    return statistics.median(row[column] for row in rows)


def compare(a, precision):
    table = []
    add(table, f"## Batch {a.batch_size:,} beside the cached loss, {precision}\n")
    add(table, "| | sentences/s | ratio | chunks | kept | peak memory, GB | of the peer's |")
    add(table, "|---|---:|---:|---:|---:|---:|---:|")
    rates = {size: peer(a, precision, size)[0] for size in a.mini_batches}
    best = max(rates, key=rates.get)
    ways = {"chosen (auto)": [], f"--memory {a.memory}": ["--memory", a.memory],
            "nothing kept": ["--max-tokens-per-chunk", a.chunk, "--max-kept-chunks", 1]}
    theirs, mine = [], {way: [] for way in ways}
    for _ in range(a.rounds):
        theirs.append(peer(a, precision, best))
        for way, options in ways.items():
            mine[way].append(ours(a, precision, a.batch_size, a.steps, *options))
    memory = middle(theirs, 1)
    add(table, f"| sentence-transformers, mini-batch {best} | {middle(theirs, 0):,.1f} | 1 | | | {memory:.2f} | |")
    for way, rows in mine.items():
        ratio = statistics.median(row[0] / peer_row[0] for row, peer_row in zip(rows, theirs))
        add(table, f"| simcse4j, {way} | {middle(rows, 0):,.1f} | {ratio:.2f}x | {rows[0][2]} | {rows[0][3]} "
                   f"| {middle(rows, 1):.2f} | {middle(rows, 1) / memory:.2f} |")
    tried = ", ".join(f"{size}: {rate:,.1f}" for size, rate in rates.items())
    add(table, f"\nThe peer's mini-batches, sentences/s, one run each: {tried}.\n")
    return table


def replay(a, precision):
    table = []
    add(table, f"## The price of chunks, batch {a.batch_size:,}, {precision}\n")
    add(table, "| | sentences/s | time of unchunked | chunks | kept | peak memory, GB |")
    add(table, "|---|---:|---:|---:|---:|---:|")
    chunks = ["--max-tokens-per-chunk", a.chunk]
    whole = ["--max-tokens-per-chunk", 2 * a.batch_size * MAX_LENGTH]
    ways = {"unchunked": whole, "all kept": chunks, "nothing kept": [*chunks, "--max-kept-chunks", 1]}
    rows = {way: [] for way in ways}
    for _ in range(a.rounds):
        for way, options in ways.items():
            rows[way].append(ours(a, precision, a.batch_size, a.steps, *options))
    for way, own in rows.items():
        price = statistics.median(first[0] / row[0] for first, row in zip(rows["unchunked"], own))
        add(table, f"| {way} | {middle(own, 0):,.1f} | {price:.2f} | {own[0][2]} | {own[0][3]} "
                   f"| {middle(own, 1):.2f} |")
    add(table, "\nOf chunks of which nothing is kept, the last alone is not run again.\n")
    return table


def memory(a, precision):
    table = []
    add(table, f"## Peak memory against the batch, {precision}\n")
    add(table, "| batch | s a step | chunks | embeddings and loss | planned in all | peak memory, GB |")
    add(table, "|---:|---:|---:|---:|---:|---:|")
    for batch in a.batch_sizes:
        rate, peak, chunks, _, plan = ours(a, precision, batch, 1, "--max-tokens-per-chunk", a.chunk,
                                           "--max-kept-chunks", 1)
        add(table, f"| {batch:,} | {batch / rate:,.1f} | {chunks:,} | {plan.get('embeddings and loss', '')} "
                   f"| {plan.get('total', '')} | {peak:.2f} |")
    add(table, f"\nOne step, the first of its process, in chunks of {a.chunk:,} tokens of which one is kept.\n")
    return table


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--simcse", required=True)
    p.add_argument("--model", type=pathlib.Path, required=True)
    p.add_argument("--sentences", type=pathlib.Path, required=True)
    p.add_argument("--peer-python", help="needed by compare")
    p.add_argument("--what", default="compare,replay,memory")
    p.add_argument("--precisions", default="fp32,bf16")
    p.add_argument("--batch-size", type=int, default=1024, help="of compare and replay")
    p.add_argument("--batch-sizes", type=numbers, default=[1024, 4096, 16384, 65536], help="of memory")
    p.add_argument("--mini-batches", type=numbers, default=[32, 64, 128, 256], help="of the peer")
    p.add_argument("--memory", default="0.5", help="GB, of compare")
    p.add_argument("--chunk", type=int, default=8192, help="tokens")
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "simcse4j-large-batch")
    p.add_argument("--out", type=pathlib.Path)
    p.add_argument("ours", nargs="*", help="further options for simcse, after --")
    a = p.parse_args()
    parts = {"compare": compare, "replay": replay, "memory": memory}
    what = a.what.split(",")
    if not set(what) <= set(parts):
        p.error(f"--what takes {', '.join(parts)}")
    if "compare" in what and not a.peer_python:
        p.error("compare needs --peer-python")
    if a.steps < 3:
        p.error("--steps must be at least 3: two warm up")
    a.work.mkdir(parents=True, exist_ok=True)
    tables = [parts[part](a, precision) for part in what for precision in a.precisions.split(",")]
    settings = (f"model {a.model.resolve().name}, length {MAX_LENGTH}, {a.steps} steps, median over {a.rounds} rounds "
                "in turns; see bench/large_batch.py")
    if a.out:
        lines = head("Large batches", a.line, settings) + [line for table in tables for line in table]
        a.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


main()
