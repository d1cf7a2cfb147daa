"""Times simcse4j beside sentence-transformers on this machine, in turns, and writes a record.

    compare.py --peer-python PYTHON --simcse target/simcse/bin/simcse --sentences FILE --vocab VOCAB_TXT
               [--models bert-base,minilm-l6,bert-mini,bert-tiny] [--rounds 2] [--what train,encode] [--out FILE.md]

PYTHON has the packages of peers/requirements.txt. Models are made with random weights in --work. Both sides read
the same model folder and the same sentences. Training is unsupervised SimCSE, batch 64, length 32, pooler cls: the
rate is the median over the steps after a warm-up. Encoding is whole sentences with the mean pooler: the rate is the
best of the repetitions, warm. Peak memory is the largest resident set of the process.
"""
import argparse
import json
import pathlib
import statistics
import tempfile

from side_by_side import HERE, head, kernels, run, warm

SHAPES = {"bert-base": (768, 12, 12), "minilm-l6": (384, 6, 12), "bert-mini": (256, 4, 4), "bert-tiny": (128, 2, 2)}
STEPS = {"bert-base": (6, 8), "minilm-l6": (12, 20), "bert-mini": (30, 60), "bert-tiny": (60, 200)}
COUNT = {"bert-base": 400, "minilm-l6": 3000, "bert-mini": 8000, "bert-tiny": 20000}
BATCH, MAX_LENGTH, REPETITIONS = 64, 32, 3


def peer_train(a, name, folder):
    out, _, memory = run([a.peer_python, HERE / "peers/st_train.py", folder, a.sentences, STEPS[name][0], BATCH,
                          MAX_LENGTH, a.precision])
    return BATCH / statistics.median(warm(json.loads(out.splitlines()[-1])["seconds"])), memory


def our_train(a, name, folder):
    metrics, out = a.work / "metrics.jsonl", a.work / "out"
    _, err, memory = run([a.simcse, "train", "--model", folder, "--train", a.sentences, "--out", out, "--metrics", metrics,
                          "--max-steps", STEPS[name][1], "--batch-size", BATCH, "--max-length", MAX_LENGTH,
                          "--pooler", "cls_before_pooler", "--precision", a.precision, *a.ours])
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    rates = [line["sentencesPerSecond"] for line in lines if line["event"] == "step"]
    a.line = kernels(err)
    return statistics.median(warm(rates)), memory


def peer_encode(a, name, folder):
    out, _, memory = run([a.peer_python, HERE / "peers/st_encode.py", folder, a.sentences, COUNT[name], REPETITIONS,
                          a.precision])
    return COUNT[name] / min(json.loads(out.splitlines()[-1])["seconds"]), memory


def our_encode(a, name, folder):
    out, err, memory = run([a.simcse, "bench", "encode", "--model", folder, "--input", a.sentences, "--count", COUNT[name],
                            "--repetitions", REPETITIONS + 2, "--pooler", "avg", "--precision", a.precision, *a.ours])
    a.line = kernels(err)
    return max(float(line.split(": ")[1].split()[0]) for line in out.splitlines()), memory


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peer-python", required=True)
    p.add_argument("--simcse", required=True)
    p.add_argument("--sentences", required=True)
    p.add_argument("--vocab", required=True)
    p.add_argument("--models", default=",".join(SHAPES))
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--what", default="train,encode")
    p.add_argument("--precision", default="fp32")
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "simcse4j-compare")
    p.add_argument("--out", type=pathlib.Path)
    p.add_argument("ours", nargs="*", help="further options for simcse, after --")
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    table = ["| task | model | sentence-transformers | simcse4j | ratio | peak memory, GB | of the peer's |",
             "|---|---|---:|---:|---:|---:|---:|"]
    print("\n".join(table), flush=True)
    for what in a.what.split(","):
        peer, ours = (peer_train, our_train) if what == "train" else (peer_encode, our_encode)
        for name in a.models.split(","):
            folder = a.work / name
            if not (folder / "tokenizer.json").exists():
                run([a.peer_python, HERE / "peers/make_model.py", folder, a.vocab, *SHAPES[name]])
            rows = [(peer(a, name, folder), ours(a, name, folder)) for _ in range(a.rounds)]
            theirs, mine = (statistics.median(r[i][0] for r in rows) for i in (0, 1))
            ratio = statistics.median(r[1][0] / r[0][0] for r in rows)
            memory = [statistics.median(r[i][1] for r in rows) for i in (0, 1)]
            table.append(f"| {what} {a.precision} | {name} | {theirs:,.1f}/s | {mine:,.1f}/s | {ratio:.2f}x "
                         f"| {memory[1]:.2f} | {memory[1] / memory[0]:.2f} of {memory[0]:.2f} |")
            print(table[-1], flush=True)
    settings = f"batch {BATCH}, length {MAX_LENGTH}, median over {a.rounds} rounds in turns; see bench/compare.py"
    top = head(f"simcse4j beside sentence-transformers, {a.precision}", a.line, settings)
    if a.out:
        a.out.write_text("\n".join(top + table) + "\n", encoding="utf-8")


main()
