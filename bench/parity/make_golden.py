"""Golden values for the encoder's tests, computed by PyTorch in double precision from F32 weights.

    make_golden.py OUT_DIR

Writes a tiny BERT as a Hugging Face folder (config.json, model.safetensors) and golden.safetensors:
the embeddings of every pooler, the loss and all gradients of the unsupervised and the supervised
objective, and ten losses of training. Needs torch, transformers and safetensors.
"""
import math
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

OUT = pathlib.Path(sys.argv[1])
TEMPERATURE, HARD_NEGATIVE_WEIGHT = (torch.tensor(x).double().item() for x in (0.05, 0.3))  # as F32 has them
SENTENCES, STEPS, WARMUP, PEAK, DECAY, CLIP = 6, 10, 2, 1e-2, 0.01, 1.0

torch.manual_seed(7)
config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=3, num_attention_heads=2,
                    intermediate_size=40, max_position_embeddings=12, hidden_dropout_prob=0.0,
                    attention_probs_dropout_prob=0.0, initializer_range=0.2)
config._attn_implementation = "eager"
bert = BertModel(config, add_pooling_layer=False)
mlp = torch.nn.Linear(16, 16)
for name, parameter in [*bert.named_parameters(), *mlp.named_parameters()]:
    torch.nn.init.normal_(parameter, std=0.2)
    if "LayerNorm.weight" in name:
        parameter.data += 1
bert.eval()
start = {**{k: v.detach().clone() for k, v in bert.named_parameters()},
         **{f"mlp.dense.{k}": v.detach().clone() for k, v in mlp.named_parameters()}}


def batch(seed):
    """3 x SENTENCES sentences of 1 to 12 tokens: ids in one row, and their lengths. Id 0 is the pad, never learnt."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, 13, (3 * SENTENCES,), generator=generator)
    lengths[0], lengths[1] = 12, 1
    return torch.randint(1, 50, (int(lengths.sum()),), generator=generator), lengths


def padded(ids, lengths):
    width = int(lengths.max())
    tokens = torch.zeros(len(lengths), width, dtype=torch.long)
    mask = torch.zeros(len(lengths), width, dtype=torch.long)
    at = 0
    for row, length in enumerate(lengths.tolist()):
        tokens[row, :length] = ids[at:at + length]
        mask[row, :length] = 1
        at += length
    return tokens, mask


def pooled(ids, lengths, pooler):
    tokens, mask = padded(ids, lengths)
    h = bert(tokens, attention_mask=mask, output_hidden_states=True).hidden_states
    weight = mask.unsqueeze(-1).double()
    mean = lambda x: (x * weight).sum(1) / weight.sum(1)
    return {
        "cls": lambda: torch.tanh(mlp(h[-1][:, 0])),
        "cls_before_pooler": lambda: h[-1][:, 0],
        "avg": lambda: mean(h[-1]),
        "avg_top2": lambda: mean((h[-1] + h[-2]) / 2),
        "avg_first_last": lambda: mean((h[1] + h[-1]) / 2),
        "max": lambda: h[-1].masked_fill(mask.unsqueeze(-1) == 0, -math.inf).max(1).values,
    }[pooler]()


def contrastive(queries, keys, own_negatives):
    logits = torch.nn.functional.cosine_similarity(queries.unsqueeze(1), keys.unsqueeze(0), dim=-1) / TEMPERATURE
    n = len(queries)
    if own_negatives:
        logits = logits + HARD_NEGATIVE_WEIGHT * torch.cat([torch.zeros(n, n), torch.eye(n)], 1)
    return torch.nn.functional.cross_entropy(logits, torch.arange(n))


def loss_of(ids, lengths, kind):
    if kind == "unsupervised":
        lengths = lengths[:SENTENCES]
        z = pooled(ids[:int(lengths.sum())], lengths, "cls")
        return contrastive(z, z.clone(), False)
    z = pooled(ids, lengths, "avg_first_last")
    return contrastive(z[:SENTENCES], z[SENTENCES:], True)


def parameters():
    return [*bert.named_parameters(), *((f"mlp.dense.{k}", v) for k, v in mlp.named_parameters())]


bert.double(), mlp.double()
golden = {}
ids, lengths = batch(1)
for kind in ("unsupervised", "supervised"):
    loss = loss_of(ids, lengths, kind)
    loss.backward()
    golden[f"{kind}.loss"] = loss.detach().reshape(1)
    for name, parameter in parameters():
        if parameter.grad is not None:
            golden[f"{kind}.gradient.{name}"] = parameter.grad.clone()
            parameter.grad = None
with torch.no_grad():
    for pooler in ("cls", "cls_before_pooler", "avg", "avg_top2", "avg_first_last", "max"):
        golden[f"embeddings.{pooler}"] = pooled(ids, lengths, pooler)

plain = lambda name: "bias" in name or "LayerNorm" in name
named = [(k, v) for k, v in bert.named_parameters()]
optimizer = torch.optim.AdamW([{"params": [v for k, v in named if not plain(k)], "weight_decay": DECAY},
                               {"params": [v for k, v in named if plain(k)], "weight_decay": 0.0}], lr=PEAK)
schedule = torch.optim.lr_scheduler.LambdaLR(
    optimizer, lambda s: s / WARMUP if s < WARMUP else max(0.0, (STEPS - s) / (STEPS - WARMUP)))
losses = []
for step in range(STEPS):
    loss = loss_of(*batch(100 + step), "supervised")
    losses.append(loss.item())
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([v for _, v in named], CLIP)
    optimizer.step()
    schedule.step()
    ids, lengths = batch(100 + step)
    golden[f"step{step}.ids"], golden[f"step{step}.lengths"] = ids.int(), lengths.int()
golden["losses"] = torch.tensor(losses, dtype=torch.float64)
ids, lengths = batch(1)
golden["ids"], golden["lengths"] = ids.int(), lengths.int()

OUT.mkdir(parents=True, exist_ok=True)
config.save_pretrained(OUT)
save_file(start, OUT / "model.safetensors", metadata={"format": "pt"})
save_file({k: v.contiguous() for k, v in golden.items()}, OUT / "golden.safetensors")
print(f"losses {losses}")
