"""Sentences per second on one thread: Hugging Face `tokenizers` and ours, in the same run, on the same sentences.

    python compare.py --classpath BENCH_CLASSES:CORE_CLASSES:JARS MODEL_FOLDER SENTENCES

Every pass reads all sentences from memory; the best of the passes counts, on both sides. Both cut at --max-length.
Processor time is given beside wall time: other work on the machine disturbs it less.
"""

import argparse
import os
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers  # noqa: E402  (reads the two variables)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("sentences")
    parser.add_argument("--java", default="java")
    parser.add_argument("--classpath", required=True)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--passes", type=int, default=3)
    args = parser.parse_args()

    with open(args.sentences, encoding="utf-8", newline="\n") as lines:
        sentences = [line.rstrip("\n") for line in lines]
    reference = tokenizers.Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
    reference.no_padding()
    reference.enable_truncation(args.max_length)

    rates = {}
    print(f"{'':30} {'sentences/s':>12} {'per CPU second':>15} {'ids':>10}")
    for name in ("encode_batch", "encode_batch_fast"):
        passes = [measure(getattr(reference, name), sentences) for _ in range(args.passes)]
        rates[name] = report(f"tokenizers {tokenizers.__version__} {name}", passes)

    command = [args.java, "-Xmx1g", "-cp", args.classpath, "io.github.simcse4j.bench.TokenizerThroughput"]
    # The first passes also warm the JVM's compiler up.
    command += [args.model, args.sentences, str(args.max_length), str(args.passes + 7)]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()
    ours = [(int(n), int(ids), float(wall), float(cpu)) for n, ids, wall, cpu in map(bytes.split, lines)]
    report("simcse4j, first pass of the JVM", ours[:1])
    best = report("simcse4j", ours)
    assert ours[0][:2] == passes[0][:2], "not the same sentences or ids"
    for name, rate in rates.items():
        print(f"ratio to {name:21} {best[0] / rate[0]:12.1f} {best[1] / rate[1]:15.1f}")


def measure(encode, sentences):
    ids, wall, cpu = 0, 0.0, 0.0
    for start in range(0, len(sentences), 10_000):
        part = sentences[start : start + 10_000]
        wall_start, cpu_start = time.perf_counter(), time.thread_time()
        encodings = encode(part)
        wall += time.perf_counter() - wall_start
        cpu += time.thread_time() - cpu_start
        ids += sum(len(encoding.ids) for encoding in encodings)
    return len(sentences), ids, wall, cpu


def report(name, passes):
    count, ids = passes[0][:2]
    wall, cpu = (count / min(p[i] for p in passes) for i in (2, 3))
    print(f"{name:30} {wall:12,.0f} {cpu:15,.0f} {ids:10}", flush=True)
    return wall, cpu


if __name__ == "__main__":
    main()
