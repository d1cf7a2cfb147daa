"""Checks that a model folder loads elsewhere as it is meant to.

Loads the folder with transformers (BertModel, AutoModel, AutoTokenizer) and with
sentence-transformers, where any warning, as a Python warning or in a log, is a failure. Encodes a
text file both ways, and compares the two with each other and with vectors of ours.

    python check_folder.py MODEL_DIR TEXT_FILE [VECTORS.npy] [--limit N] [--min-cosine C]

TEXT_FILE has one sentence per line; row i of VECTORS.npy is the vector of line i. Exit code 0 when
all is well, 1 with the reasons when not. Needs torch, transformers 5, sentence-transformers 6.
"""

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

BATCH = 64


class Complaints(logging.Handler):
    """Collects every log record at warning level and above."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []
        loggers = [logging.getLogger()]
        loggers += [logging.getLogger(name) for name in ("transformers", "sentence_transformers")]
        for logger in loggers:
            logger.setLevel(logging.WARNING)
            logger.addHandler(self)

    def emit(self, record):
        message = f"{record.name}: {record.getMessage()}"
        if message not in self.messages:
            self.messages.append(message)


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def modules_of(folder):
    """Module kind -> folder, in order."""
    modules = read_json(folder / "modules.json")
    return {m["type"].rsplit(".", 1)[-1]: folder / m["path"] for m in modules}


def pooling_mode(config):
    if "pooling_mode" in config:
        return config["pooling_mode"]
    names = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max"}
    (mode,) = [m for key, m in names.items() if config.get("pooling_mode_" + key)]
    return mode


def layer_weights(modules, layers):
    weights = torch.zeros(layers + 1)
    if "WeightedLayerPooling" not in modules:
        weights[layers] = 1
        return weights
    from safetensors.torch import load_file

    path = modules["WeightedLayerPooling"]
    stored = load_file(path / "model.safetensors")["layer_weights"]
    weights[read_json(path / "config.json")["layer_start"] :] = stored / stored.sum()
    return weights


def encode_with_transformers(model, tokenizer, modules, sentences, max_length):
    """The sentence vectors from the hidden states, without any code of sentence-transformers."""
    mode = pooling_mode(read_json(modules["Pooling"] / "config.json"))
    weights = layer_weights(modules, model.config.num_hidden_layers)
    rows = []
    for start in range(0, len(sentences), BATCH):
        features = tokenizer(
            sentences[start : start + BATCH],
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        )
        with torch.inference_mode():
            output = model(**features, output_hidden_states=True)
        hidden = sum(w * h for w, h in zip(weights, output.hidden_states) if w != 0)
        mask = features["attention_mask"].unsqueeze(-1)
        if "Dense" in modules:
            pooled = output.pooler_output
        elif mode == "cls":
            pooled = hidden[:, 0]
        elif mode == "max":
            pooled = hidden.masked_fill(mask == 0, float("-inf")).max(dim=1).values
        else:
            pooled = (hidden * mask).sum(1) / mask.sum(1)
        rows.append(pooled.numpy())
    vectors = np.concatenate(rows)
    if "Normalize" in modules:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def min_cosine(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(1) / norms).min())


def compare(name, a, b, least, failures):
    if a.shape != b.shape:
        failures.append(f"{name}: shapes {a.shape} and {b.shape}")
        return
    cosine = min_cosine(a, b)
    print(f"{name}: min cosine {cosine:.8f}, max |difference| {np.abs(a - b).max():.2e}")
    if not cosine >= least:
        failures.append(f"{name}: min cosine {cosine} is below {least}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("vectors", type=Path, nargs="?")
    parser.add_argument("--limit", type=int, help="use the first N lines only")
    parser.add_argument("--min-cosine", type=float, default=0.99999)
    args = parser.parse_args()

    warnings.simplefilter("error")
    torch.set_grad_enabled(False)
    complaints = Complaints()
    failures = []

    sentences = args.text.read_text(encoding="utf-8-sig").splitlines()[: args.limit]
    bert, report = transformers.BertModel.from_pretrained(args.model, output_loading_info=True)
    failures += [f"BertModel: {key}: {sorted(names)}" for key, names in report.items() if names]
    model = transformers.AutoModel.from_pretrained(args.model).eval()
    if type(model) is not type(bert):
        failures.append(f"AutoModel made a {type(model).__name__}")
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
    encoder = SentenceTransformer(str(args.model), device="cpu")

    modules = modules_of(args.model)
    print(f"{args.model}: {' -> '.join(modules)}, max_seq_length {encoder.max_seq_length}")
    theirs = encoder.encode(sentences, batch_size=BATCH, show_progress_bar=False)
    plain = encode_with_transformers(model, tokenizer, modules, sentences, encoder.max_seq_length)
    compare("sentence-transformers and transformers", theirs, plain, args.min_cosine, failures)
    if args.vectors:
        ours = np.load(args.vectors)[: args.limit]
        compare("sentence-transformers and ours", theirs, ours, args.min_cosine, failures)

    failures += [f"warning: {message}" for message in complaints.messages]
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    print("failed" if failures else f"passed: {len(sentences)} sentences, no warning")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
