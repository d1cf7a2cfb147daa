"""sentence-transformers beside simcse, on the same GPU.

    train_peer.py model FOLDER VOCAB_TXT SIZE      a BERT of random weights, base or tiny, that both read
    train_peer.py train FOLDER SENTENCES STEPS BATCH cuda|cpu [CHUNK]

The second prints {"seconds": [of each step]}: unsupervised SimCSE, length 32, bf16, SDPA, pooler cls; with CHUNK its
cached loss, which encodes so many sentences at once.
"""
import json
import os
import pathlib
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch

SIZES = {"base": (768, 12, 12), "tiny": (128, 2, 2)}
MAX_LENGTH = 32
VOCABULARY = {"base": 30522, "tiny": 0}


def make(folder, vocab, size):
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = pathlib.Path(folder)
    words = pathlib.Path(vocab).read_text(encoding="utf-8").splitlines()
    words += [f"[unused{number}]" for number in range(len(words), VOCABULARY[size])]
    hidden, layers, heads = SIZES[size]
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), hidden_size=hidden, num_hidden_layers=layers,
                         num_attention_heads=heads, intermediate_size=4 * hidden)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)


def train(folder, sentences, steps, batch, device, chunk=0):
    from datasets import Dataset
    from sentence_transformers import (SentenceTransformer, SentenceTransformerTrainer,
                                       SentenceTransformerTrainingArguments, losses, models)
    from transformers import TrainerCallback

    body = models.Transformer(folder, max_seq_length=MAX_LENGTH, model_args={"attn_implementation": "sdpa"})
    model = SentenceTransformer(modules=[body, models.Pooling(body.get_word_embedding_dimension(), pooling_mode="cls")],
                                device=device)
    lines = pathlib.Path(sentences).read_text(encoding="utf-8").splitlines()
    rows = [lines[i % len(lines)] for i in range(steps * batch)]
    ends = []

    class Clock(TrainerCallback):
        def on_train_begin(self, *_, **__):
            self.note()

        def on_step_end(self, *_, **__):
            self.note()

        def note(self):
            if device == "cuda":
                torch.cuda.synchronize()
            ends.append(time.perf_counter())

    loss = (losses.CachedMultipleNegativesRankingLoss(model, scale=20.0, mini_batch_size=chunk) if chunk
            else losses.MultipleNegativesRankingLoss(model, scale=20.0))
    with tempfile.TemporaryDirectory() as work:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=work, max_steps=steps, per_device_train_batch_size=batch, learning_rate=3e-5, bf16=True,
            use_cpu=device == "cpu", logging_steps=10**6, save_strategy="no", report_to=[], disable_tqdm=True,
            dataloader_drop_last=True, seed=42)
        SentenceTransformerTrainer(model=model, args=arguments, train_dataset=Dataset.from_dict({"a": rows, "b": rows}),
                                   loss=loss, callbacks=[Clock()]).train()
    print(json.dumps({"seconds": [end - start for start, end in zip(ends, ends[1:])]}))


if __name__ == "__main__":
    words = sys.argv[2:]
    if sys.argv[1] == "model":
        make(*words)
    else:
        train(words[0], words[1], int(words[2]), int(words[3]), words[4], *map(int, words[5:6]))
