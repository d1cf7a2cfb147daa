"""run bench: the ladder's programs, PyTorch beside them, the contrastive loss, and whole training steps beside
sentence-transformers, in one record with floors and targets."""
import json
import pathlib
import random
import sys
import tempfile

import records
from bundle import DEVICE, chosen
from checks import MINUTES

IN_USE = "product"  # the ladder's name for the version that libsimcse_cuda.so has
MEMORY_BOUND = 0.85
# Bound by arithmetic as well, and with targets of their own.
ARITHMETIC = ("attention", "dropout_mask")
# Microseconds of a floor below which launches and what waits for memory once cost more than the bytes.
SMALL = 20
GENERATED = 1 << 17  # sentences
SHORT, LONG = 64, 512  # tokens of a sentence, of two targets of attention
LARGE, MILLION = 65536, 1048576  # queries, of targets of the loss


def lines_of(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


class Bench:
    def __init__(self, it, work, sentences, quick):
        self.it, self.work, self.quick = it, pathlib.Path(work), quick
        self.sentences, self.results, self.notes = sentences, [], []
        self.torch = "cpu" if it.rehearsal else "cuda"
        self.kernels, self.peers, self.loss, self.peer_losses, self.steps, self.peer_steps = [], [], [], [], [], []
        self.profiles = []

    def step(self, result):
        self.results.append(result)
        result.say()
        return result.passed

    def measure_kernels(self):
        for program in sorted(self.it.programs.glob("dev/*")):
            out = self.work / f"{program.name}.jsonl"
            options = ["--check"] if self.it.rehearsal else []
            self.step(self.it.run(f"ladder/{program.name}", [program, *options, "--json", out], 5 * MINUTES))
            self.kernels += lines_of(out)
        if not self.kernels:
            self.notes.append("no program of the ladder is in this bundle: no kernel was timed on its own")

        self.measure_peers()

    def measure_peers(self):
        shapes, out = self.work / "shapes.jsonl", self.work / "peers.jsonl"
        timed = [line for line in self.kernels if line["operation"] != "ceiling" and
                 (line["microseconds"] or self.it.rehearsal)]
        shapes.write_text("".join(json.dumps(line) + "\n" for line in timed), encoding="utf-8")
        done = self.it.run("PyTorch", [sys.executable, self.it.gpu / "peers.py", shapes, out, self.torch], 9 * MINUTES)
        if self.step(done):
            self.notes.append(next(line for line in done.text.splitlines() if line.startswith("PyTorch")))
        self.peers = lines_of(out)

    def measure_loss(self):
        """The million in a process of its own, since it has no other size's rate to expect too little from."""
        width = 64 if self.it.rehearsal else 768
        sizes = [LARGE if self.quick else f"1024,16384,{LARGE},262144", MILLION] if not self.it.rehearsal else ["32,64"]
        for number, some in enumerate(sizes):
            self.loss += self.table(f"loss-{number + 1}", ["bench", "loss", "--n", some, "--dim", width])
        out = self.work / "peer-losses.jsonl"
        count = 64 if self.it.rehearsal else LARGE
        self.step(self.it.run("PyTorch's and sentence-transformers' loss", [
            sys.executable, self.it.gpu / "loss_peer.py", out, count, width, self.torch], 5 * MINUTES))
        self.peer_losses = lines_of(out)

    def measure_training(self):
        """Both sides from one model of random weights, with the same sentences."""
        made = self.work / "quickstart"
        size = "tiny" if self.it.rehearsal else "base"
        if not self.step(self.it.simcse("data", ["quickstart", "--out", made, "--device", "cpu"], 10 * MINUTES)):
            return
        sentences, model = self.sentences or self.generated(made), self.work / "model"
        script = [sys.executable, self.it.gpu / "train_peer.py"]
        if not self.step(self.it.run("model", [*script, "model", model, self.vocabulary(made), size], 5 * MINUTES)):
            return
        batches = [8] if self.it.rehearsal else [64, 512] if self.quick else [64, 512, 4096, 65536]
        with open(sentences, encoding="utf-8") as lines:
            count = sum(1 for _ in lines)
        batches = [batch for batch in batches if batch <= count]
        self.steps = self.table("training", ["bench", "train", "--profile", "--model", model, "--batch-size",
                                             ",".join(map(str, batches)), "--input", sentences])
        for batch in batches:
            # As many steps as take some seconds; the cached loss where a batch does not fit.
            steps, chunk = (3, 0) if self.it.rehearsal else (60, 0) if batch <= 512 else (4, 512)
            steps = 2 if batch > 8192 else steps
            words = [*script, "train", model, sentences, steps, batch, self.torch, *([chunk] if chunk else [])]
            done = self.it.run(f"sentence-transformers/{batch}", words, 9 * MINUTES)
            if self.step(done):
                told = next(line for line in done.text.splitlines() if line.startswith('{"seconds"'))
                peer = json.loads(told)
                self.peer_steps.append({"batch": batch, "cached": bool(chunk), "steps": peer["steps"],
                                        "tokenizing": peer["tokenizing"], "rate": batch / peer["seconds"]})

    def generated(self, made):
        """Sentences of the quickstart's words, about as long as those of prose."""
        drawn = random.Random(1)
        words = sorted(set((made / "sentences.txt").read_text(encoding="utf-8").split()))
        file = self.work / "generated.txt"
        with open(file, "w", encoding="utf-8") as out:
            for _ in range(256 if self.it.rehearsal else GENERATED):
                out.write(" ".join(drawn.choices(words, k=max(3, round(20 * drawn.lognormvariate(0, 0.5))))) + "\n")
        return file

    def vocabulary(self, made):
        """The words of the model: of the given sentences where they are not the generated ones."""
        if not self.sentences:
            return made / "vocab.txt"
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        text = self.sentences.read_text(encoding="utf-8").lower()
        counts = {}
        for word in "".join(c if c.isalnum() else f" {c} " for c in text).split():
            counts[word] = counts.get(word, 0) + 1
        frequent = sorted(counts, key=lambda word: (-counts[word], word))[:30000]
        letters = sorted(set("".join(frequent)))
        words = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *frequent])
        file = self.work / "vocab.txt"
        file.write_text("\n".join(list(words)[:30522]) + "\n", encoding="utf-8")
        return file

    def table(self, name, words):
        """The rows of the first table that simcse bench writes; what stands below it is kept for the record."""
        out = self.work / name
        options = ["--device", DEVICE, "--precision", "bf16", "--out", out, "--seconds", 2 if self.it.rehearsal else 60]
        if not self.step(self.it.simcse(name, [*words, *options], 9 * MINUTES)):
            return []
        written, _, profiles = next(out.glob("*.md")).read_text(encoding="utf-8").partition("\n## Where the time goes\n")
        self.profiles += profiles.strip().splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")]
                for line in written.splitlines() if line.startswith("|")]
        return [dict(zip(rows[0], row)) for row in rows[2:]]


def ceilings_of(kernels):
    """Bytes and FLOPs a second, the best that any program of the ladder found."""
    copy = [line["bytes"] / line["microseconds"] * 1e6 for line in kernels if line["version"] == "copy"]
    product = [line["flops"] / line["microseconds"] * 1e6 for line in kernels
               if line["operation"] == "ceiling" and line["version"] == "product"]
    return max(copy, default=0), max(product, default=0)


def best_peer(peers, line):
    fitting = [peer for peer in peers if (peer["operation"], peer["shape"]) == (line["operation"], line["shape"])]
    return min(fitting, key=lambda peer: peer["microseconds"], default=None)


def number(text):
    return float(text.split()[0].replace(",", ""))


def rates(rows, key, value):
    return {int(number(row[key])): number(row[value]) for row in rows}


def longest_of(shape):
    extents = dict(word.split("=") for word in shape.split() if "=" in word)
    return int(extents.get("L", extents.get("longest", 64)))


def ratio_to_peers(bench, wanted):
    """The least of peer / ours over the kernels in use that are wanted, or None."""
    ratios = []
    for line in bench.kernels:
        peer = best_peer(bench.peers, line)
        if line["version"] == IN_USE and line["microseconds"] and peer and wanted(line):
            ratios.append(peer["microseconds"] / line["microseconds"])
    return min(ratios, default=None)


def targets(bench):
    """What is to be reached, what was, and how the two are written."""
    ours = rates(bench.steps, "batch", "sentences/s")
    peers = {peer["batch"]: peer["rate"] for peer in bench.peer_steps}
    _, product = ceilings_of(bench.kernels)
    memory_bound = [line["floor"] / line["microseconds"] for line in bench.kernels
                    if line["version"] == IN_USE and not line["operation"].startswith(("ceiling", *ARITHMETIC)) and
                    line["microseconds"] and (line["floor"] or 0) >= SMALL and
                    not (product and line["flops"] / product * 1e6 > 0.9 * line["floor"])]
    shares, milliseconds = rates(bench.loss, "N", "of gemm"), rates(bench.loss, "N", "ms")

    def beside(batch):
        return ours[batch] / peers[batch] if batch in ours and batch in peers else None

    def loss_beside(name):
        theirs = [peer["ms"] for peer in bench.peer_losses if peer["n"] == LARGE and peer["version"].startswith(name)]
        return min(theirs) / milliseconds[LARGE] if theirs and LARGE in milliseconds else None

    def attention(line):
        return line["operation"].startswith("attention")
    return [
        ("sentences/s at batch 64", ours.get(64), 8000),
        ("sentences/s at batch 512", ours.get(512), 20000),
        ("sentences/s beside sentence-transformers, batch 64", beside(64), 3),
        ("sentences/s beside sentence-transformers, batch 512", beside(512), 3),
        ("the same beside its cached loss, batch 65,536", beside(65536), 3),
        (f"attention beside the best peer, up to {SHORT} tokens",
         ratio_to_peers(bench, lambda line: attention(line) and longest_of(line["shape"]) <= SHORT), 2),
        (f"attention beside the best peer, {LONG} tokens and more",
         ratio_to_peers(bench, lambda line: attention(line) and longest_of(line["shape"]) >= LONG), 1),
        ("dropout mask beside PyTorch",
         ratio_to_peers(bench, lambda line: line["operation"].startswith("dropout_mask")), 3),
        ("least share of the copy bandwidth of a kernel bound by memory", min(memory_bound, default=None),
         MEMORY_BOUND),
        (f"loss of N = {LARGE:,}, percent of the rate of a product", shares.get(LARGE), 50),
        (f"loss of N = {LARGE:,} beside PyTorch in one piece", loss_beside("PyTorch"), 1),
        (f"loss of N = {LARGE:,} beside sentence-transformers' cached loss", loss_beside("sentence-transformers"), 3),
        (f"loss of N = {MILLION:,} runs", 1.0 if MILLION in milliseconds else None, 1),
    ]


def kernel_table(bench):
    if not bench.kernels:
        return ["## Kernels", "", "Not measured.", ""]
    copy, product = ceilings_of(bench.kernels)
    lines = ["## Ceilings", "", f"Copy {copy / 1e12:.2f} TB/s, bf16 product by cuBLASLt {product / 1e12:.0f} TFLOP/s.", "",
             "## Kernels", "", "Floor: bytes by the copy or FLOPs by the product, whichever takes longer; share: floor by "
             "time.", "",
             "| operation | version | shape | us | GB/s | TFLOP/s | floor us | share | best peer | us | ratio |",
             "|---|---|---|---:|---:|---:|---:|---:|---|---:|---:|"]
    for line in bench.kernels:
        us = line["microseconds"]
        if line["operation"] == "ceiling" or not us:
            continue
        peer = best_peer(bench.peers, line) if line["version"] == IN_USE else None
        floor = line["floor"] or 0
        lines.append(f"| {line['operation']} | {line['version']} | {line['shape']} | {us:.1f} | "
                     f"{line['bytes'] / us * 1e-3:.0f} | {line['flops'] / us * 1e-6:.1f} | {floor:.1f} | "
                     f"{floor / us:.0%} | " + (f"{peer['version']} | {peer['microseconds']:.1f} | "
                                               f"{peer['microseconds'] / us:.2f} |" if peer else "| | |"))
    return lines + [""]


def rows_table(title, rows):
    if not rows:
        return [f"## {title}", "", "Not measured.", ""]
    heads = list(rows[0])
    return [f"## {title}", "", "| " + " | ".join(heads) + " |", "|" + "---:|" * len(heads),
            *("| " + " | ".join(str(row[head]) for head in heads) + " |" for row in rows), ""]


def markdown(record, bench):
    lines = records.heading(record, "Kernels, loss and training steps")
    lines += [f"- {note}" for note in bench.notes]
    lines += ["", "## Targets", "", "| target | wanted | reached | |", "|---|---:|---:|---|"]
    for target in record["targets"]:
        reached = "" if target["reached"] is None else f"{target['reached']:,.4g}"
        lines.append(f"| {target['name']} | {target['wanted']:,} | {reached} | {target['result']} |")
    peers = [{"batch": f"{peer['batch']:,}", "cached": "yes" if peer["cached"] else "no", "steps": peer["steps"],
              "ms": f"{1e3 * peer['batch'] / peer['rate']:,.4g}", "sentences/s": f"{peer['rate']:,.0f}",
              "tokenizing ms, left out": f"{1e3 * peer['tokenizing']:,.4g}"} for peer in bench.peer_steps]
    losses = [{"N": f"{peer['n']:,}", "version": peer["version"], "ms": f"{peer['ms']:,.4g}",
               "peak MB": f"{peer['peakMB']:,.0f}"} for peer in bench.peer_losses]
    lines += ["", *kernel_table(bench), *rows_table("Contrastive loss, forward and backward", bench.loss),
              *rows_table("The same by its peers", losses),
              *rows_table("Training steps, BERT-base, length 32, bf16", bench.steps),
              *rows_table("The same by sentence-transformers", peers)]
    if bench.profiles:
        lines += ["## Where the time of a step goes", "", *bench.profiles, ""]
    failed = [result for result in bench.results if not result.passed]
    for result in failed:
        lines += [f"{result.name} failed:", "", "```", result.text[-1500:].strip(), "```", ""]
    return "\n".join(lines)


def outcome(reached, wanted, rehearsal):
    if reached is None or rehearsal:
        return "not measured"
    return "met" if reached >= wanted else "missed"


def run(it, folder, sentences, quick, only=""):
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(it, work, sentences, quick)
        for part in chosen(["kernels", "loss", "training"], only):
            getattr(bench, f"measure_{part}")()
    record = {**it.record("bench"), "passed": all(result.passed for result in bench.results),
              "targets": [{"name": name, "reached": reached, "wanted": wanted,
                           "result": outcome(reached, wanted, it.rehearsal)}
                          for name, reached, wanted in targets(bench)],
              "kernels": bench.kernels, "peers": bench.peers, "loss": bench.loss,
              "peers of the loss": bench.peer_losses, "training": bench.steps,
              "sentence-transformers": bench.peer_steps}
    text = markdown(record, bench)
    kept = records.keep(folder, record, text)
    print(text)
    print(kept)
    return 0 if record["passed"] else 1
