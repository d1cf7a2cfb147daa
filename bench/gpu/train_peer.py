"""sentence-transformers beside simcse, on the same GPU.

    train_peer.py model FOLDER VOCAB_TXT SIZE      a BERT of random weights, base or tiny, that both read
    train_peer.py train FOLDER SENTENCES STEPS BATCH cuda|cpu [CHUNK]

The second prints {"seconds": a step, "tokenizing": a batch}: unsupervised SimCSE, length 32, bf16, SDPA, pooler cls,
fused AdamW; with CHUNK its cached loss, which encodes so many sentences at once. Model and loss are the library's. Its
trainer, and what that costs, are left out; so is the time of its tokenizer, which comes before the steps here and
between them there. The host waits for the GPU after the last step alone. A third of the steps warm up.
"""
import json
import os
import pathlib
import sys
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
    from sentence_transformers import SentenceTransformer, losses, models

    body = models.Transformer(folder, max_seq_length=MAX_LENGTH, model_args={"attn_implementation": "sdpa"})
    width = body.auto_model.config.hidden_size
    model = SentenceTransformer(modules=[body, models.Pooling(width, pooling_mode="cls")], device=device).train()
    loss = (losses.CachedMultipleNegativesRankingLoss(model, scale=20.0, mini_batch_size=chunk) if chunk
            else losses.MultipleNegativesRankingLoss(model, scale=20.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-5, fused=True)
    lines = pathlib.Path(sentences).read_text(encoding="utf-8").splitlines()
    start = time.perf_counter()
    batches = [features_of(model, [lines[i % len(lines)] for i in range(step * batch, (step + 1) * batch)])
               for step in range(steps)]
    tokenizing = (time.perf_counter() - start) / steps
    warm = steps // 3
    for step, features in enumerate(batches):
        if step == warm:
            start = now(device)
        features = {name: tensor.to(device, non_blocking=True) for name, tensor in features.items()}
        with torch.autocast(device, torch.bfloat16):
            value = loss([dict(features), dict(features)], None)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    seconds = (now(device) - start) / (steps - warm)
    print(json.dumps({"seconds": seconds, "steps": steps - warm, "tokenizing": tokenizing, "loss": value.item()}))


def features_of(model, texts):
    return {name: tensor for name, tensor in model.tokenize(texts).items() if isinstance(tensor, torch.Tensor)}


def now(device):
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    words = sys.argv[2:]
    if sys.argv[1] == "model":
        make(*words)
    else:
        train(words[0], words[1], int(words[2]), int(words[3]), words[4], *map(int, words[5:6]))
