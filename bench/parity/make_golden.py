"""Golden values for the encoder's tests, computed by PyTorch in double precision from F32 weights.

    make_golden.py java/core/src/test/resources/golden
    make_golden.py java/core/src/test/resources/golden_32 32 1 2

Writes a tiny BERT as a Hugging Face folder (config.json, model.safetensors) and golden.safetensors:
the embeddings of every pooler, the loss and all gradients of the unsupervised and the supervised
objective, and ten losses of training. Beside them, under bf16., is how far PyTorch itself is off with
weights and activations in BF16, F32 parameters under AdamW, and everything behind the pooler in double: each a pair,
max|out - ref| / max|ref| and ||out - ref|| / ||ref||. The numbers are width, heads and layers: the second has heads
that GPUs take. Needs torch, transformers and safetensors.
"""
import math
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

OUT = pathlib.Path(sys.argv[1])
WIDTH, HEADS, LAYERS = map(int, sys.argv[2:] or (16, 2, 3))
TEMPERATURE, HARD_NEGATIVE_WEIGHT = (torch.tensor(x).double().item() for x in (0.05, 0.3))  # as F32 has them
SENTENCES, STEPS, WARMUP, PEAK, DECAY, CLIP = 6, 10, 2, 1e-2, 0.01, 1.0

torch.manual_seed(7)
config = BertConfig(vocab_size=50, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                    intermediate_size=40, max_position_embeddings=12, hidden_dropout_prob=0.0,
                    attention_probs_dropout_prob=0.0, initializer_range=0.2)
config._attn_implementation = "eager"
bert = BertModel(config, add_pooling_layer=False)
mlp = torch.nn.Linear(WIDTH, WIDTH)
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


def run(module, dtype, *arguments, **named):
    """The module with its parameters rounded to a type; gradients reach the parameters as they are."""
    rounded = {k: v.to(dtype) for k, v in module.named_parameters()}
    return torch.func.functional_call(module, rounded, arguments, named)


def pooled(ids, lengths, pooler, dtype=torch.float64):
    tokens, mask = padded(ids, lengths)
    h = run(bert, dtype, tokens, attention_mask=mask, output_hidden_states=True).hidden_states
    weight = mask.unsqueeze(-1).double()
    mean = lambda x: (x.double() * weight).sum(1) / weight.sum(1)
    return {
        "cls": lambda: torch.tanh(run(mlp, dtype, h[-1][:, 0]).double()),
        "cls_before_pooler": lambda: h[-1][:, 0],
        "avg": lambda: mean(h[-1]),
        "avg_top2": lambda: mean((h[-1].double() + h[-2]) / 2),
        "avg_first_last": lambda: mean((h[1].double() + h[-1]) / 2),
        "max": lambda: h[-1].masked_fill(mask.unsqueeze(-1) == 0, -math.inf).max(1).values,
    }[pooler]().double()


def contrastive(queries, keys, own_negatives):
    logits = torch.nn.functional.cosine_similarity(queries.unsqueeze(1), keys.unsqueeze(0), dim=-1) / TEMPERATURE
    n = len(queries)
    if own_negatives:
        logits = logits + HARD_NEGATIVE_WEIGHT * torch.cat([torch.zeros(n, n), torch.eye(n)], 1)
    return torch.nn.functional.cross_entropy(logits, torch.arange(n))


def loss_of(ids, lengths, kind, dtype=torch.float64):
    if kind == "unsupervised":
        lengths = lengths[:SENTENCES]
        z = pooled(ids[:int(lengths.sum())], lengths, "cls", dtype)
        return contrastive(z, z.clone(), False)
    z = pooled(ids, lengths, "avg_first_last", dtype)
    return contrastive(z[:SENTENCES], z[SENTENCES:], True)


def parameters():
    return [*bert.named_parameters(), *((f"mlp.dense.{k}", v) for k, v in mlp.named_parameters())]


def gradients(ids, lengths, kind, dtype=torch.float64):
    """The loss, and the gradient of every parameter that has one."""
    loss = loss_of(ids, lengths, kind, dtype)
    loss.backward()
    found = {k: v.grad.clone() for k, v in parameters() if v.grad is not None}
    for _, parameter in parameters():
        parameter.grad = None
    return loss.detach().reshape(1), found


def error(out, reference):
    """Both measures over all tensors together."""
    out, reference = (torch.cat([x.detach().double().flatten() for x in tensors]) for tensors in (out, reference))
    return torch.stack([(out - reference).abs().max() / reference.abs().max(),
                        (out - reference).norm() / reference.norm()])


def train(dtype):
    """Ten losses, from the parameters as they are."""
    plain = lambda name: "bias" in name or "LayerNorm" in name
    named = list(bert.named_parameters())
    optimizer = torch.optim.AdamW([{"params": [v for k, v in named if not plain(k)], "weight_decay": DECAY},
                                   {"params": [v for k, v in named if plain(k)], "weight_decay": 0.0}], lr=PEAK)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: s / WARMUP if s < WARMUP else max(0.0, (STEPS - s) / (STEPS - WARMUP)))
    losses = []
    for step in range(STEPS):
        loss = loss_of(*batch(100 + step), "supervised", dtype)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([v for _, v in named], CLIP)
        optimizer.step()
        schedule.step()
    return torch.tensor(losses, dtype=torch.float64)


bert.double(), mlp.double()
golden = {}
ids, lengths = batch(1)
for kind in ("unsupervised", "supervised"):
    golden[f"{kind}.loss"], found = gradients(ids, lengths, kind)
    golden.update({f"{kind}.gradient.{name}": gradient for name, gradient in found.items()})
    bert.float(), mlp.float()
    _, rounded = gradients(ids, lengths, kind, torch.bfloat16)
    bert.double(), mlp.double()
    golden[f"bf16.{kind}.gradient"] = error(rounded.values(), found.values())
with torch.no_grad():
    for pooler in ("cls", "cls_before_pooler", "avg", "avg_top2", "avg_first_last", "max"):
        golden[f"embeddings.{pooler}"] = pooled(ids, lengths, pooler)
        golden[f"bf16.embeddings.{pooler}"] = error(
            [pooled(ids, lengths, pooler, torch.bfloat16)], [golden[f"embeddings.{pooler}"]])

golden["losses"] = train(torch.float64)
with torch.no_grad():
    bert.float()
    for name, parameter in bert.named_parameters():
        parameter.copy_(start[name])
rounded_losses = train(torch.bfloat16)
golden["bf16.losses"] = error([rounded_losses], [golden["losses"]])
for step in range(STEPS):
    ids, lengths = batch(100 + step)
    golden[f"step{step}.ids"], golden[f"step{step}.lengths"] = ids.int(), lengths.int()
ids, lengths = batch(1)
golden["ids"], golden["lengths"] = ids.int(), lengths.int()

OUT.mkdir(parents=True, exist_ok=True)
config.save_pretrained(OUT)
save_file(start, OUT / "model.safetensors", metadata={"format": "pt"})
save_file({k: v.contiguous() for k, v in golden.items()}, OUT / "golden.safetensors")
print(f"losses {golden['losses'].tolist()}\nin BF16 {rounded_losses.tolist()}")
print(*(f"{k} {v.tolist()}" for k, v in golden.items() if k.startswith("bf16.")), sep="\n")
