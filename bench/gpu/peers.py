"""PyTorch beside the kernels: reads the shapes that the ladder's programs timed and times the same operations, in the
same way: 256 MB are read before each run, and the median of the runs is taken, by CUDA events. The GPU is kept busy
while Python asks for a run, so that its kernels follow each other and Python's time is not counted.

    peers.py SHAPES.jsonl OUT.jsonl [cuda|cpu]

Lines of both are {"operation", "shape", "microseconds", ...}; OUT has a "version" for each peer. cpu is to rehearse.
"""
import json
import math
import random
import statistics
import sys
import time

import torch
from torch.nn import functional as F

try:
    import flash_attn
except ImportError:
    flash_attn = None

RUNS, WARM_UP = 20, 3
ASKING = 2_000_000  # clocks of the GPU, about a millisecond
LARGEST = 40e9  # bytes of a matrix of similarities and its gradient


class Clock:
    def __init__(self, device):
        self.device, self.cuda = device, device == "cuda"
        self.evicting = torch.zeros((256 if self.cuda else 1) << 18, device=device)
        self.runs, self.warm_up = (RUNS, WARM_UP) if self.cuda else (2, 1)

    def once(self, run):
        self.evicting.sum()
        if not self.cuda:
            start = time.perf_counter()
            run()
            return (time.perf_counter() - start) * 1e6
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda._sleep(ASKING)
        start.record()
        run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e3

    def median(self, run):
        for _ in range(self.warm_up):
            run()
        return statistics.median(self.once(run) for _ in range(self.runs))


def extents_of(shape):
    words = shape.split()
    dtype = torch.bfloat16 if "bf16" in words else torch.float32
    return dtype, {name: int(number) for name, number in (word.split("=") for word in words if "=" in word)}


def lengths_of(x):
    """As the ladder draws them."""
    if "B" in x:
        return [x["L"]] * x["B"]
    drawn, longest, lengths = random.Random(1), x.get("longest", 64), []
    while sum(lengths) < x["T"]:
        length = round(20 * math.exp(0.5 * drawn.gauss(0, 1)))
        lengths.append(min(max(length, 1), longest, x["T"] - sum(lengths)))
    return lengths


def rows_of(x):
    return (x["T"] if "T" in x else x["B"] * x["L"]) * x.get("views", 1)


def keep_of(x):
    return x.get("keep", 90) / 100


def backward(forward, *inputs):
    """The gradients of a forward pass that was run already."""
    out = forward()
    d_out = torch.randn_like(out)
    return lambda: torch.autograd.grad(out, inputs, d_out, retain_graph=True)


def both(name, forward, *inputs):
    """Either pass, whichever the operation names."""
    return backward(forward, *inputs) if name.endswith("backward") else forward


class Peers:
    """By operation: the versions of a shape, as functions to time."""

    def __init__(self, device):
        self.device = device

    def make(self, dtype, *extents, trained=True):
        return torch.randn(*extents, dtype=dtype, device=self.device, requires_grad=trained)

    def attention(self, name, dtype, x):
        lengths = lengths_of(x) * x.get("views", 1)
        count, longest, heads, size = len(lengths), max(lengths), x["A"], x["D"]
        q, k, v = (self.make(dtype, count, heads, longest, size) for _ in range(3))
        mask = None
        if min(lengths) < longest:
            kept = torch.arange(longest)[None, :] < torch.tensor(lengths)[:, None]
            mask = kept[:, None, None, :].to(self.device)

        def padded():
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=1 - keep_of(x))
        yield "SDPA, padded", both(name, padded, q, k, v)
        if dtype != torch.bfloat16 or self.device != "cuda":
            return
        starts = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32).to(self.device)
        if flash_attn:
            packed = self.make(dtype, sum(lengths), 3, heads, size)

            def varlen():
                return flash_attn.flash_attn_varlen_qkvpacked_func(packed, starts, longest, dropout_p=1 - keep_of(x))
            yield "FlashAttention, packed", both(name, varlen, packed)
        q, k, v = (self.make(dtype, sum(lengths), heads, size) for _ in range(3))

        def of_pytorch():
            """FlashAttention 2 as PyTorch brings it: its varlen_attn calls the same, and has no dropout."""
            return torch.ops.aten._flash_attention_forward(q, k, v, starts, starts, longest, longest, 1 - keep_of(x),
                                                           False, False)[0]
        yield "FlashAttention of PyTorch, packed", both(name, of_pytorch, q, k, v)

    attention_forward = attention_backward = attention

    def dropout_residual_layer_norm(self, name, dtype, x):
        rows, hidden = rows_of(x), x["H"]
        a, b = self.make(dtype, rows, hidden), self.make(dtype, rows, hidden)
        gamma, beta = self.make(dtype, hidden), self.make(dtype, hidden)

        def forward():
            return F.layer_norm(F.dropout(a, 1 - keep_of(x)) + b, (hidden,), gamma, beta)
        yield "dropout, +, layer_norm", both(name, forward, a, b, gamma, beta)
        compiled = torch.compile(forward) if self.device == "cuda" else forward
        yield "compiled", both(name, compiled, a, b, gamma, beta)

    dropout_residual_layer_norm_forward = dropout_residual_layer_norm_backward = dropout_residual_layer_norm

    def dropout_mask(self, name, dtype, x):
        mask = torch.empty(rows_of(x), x["H"], dtype=torch.uint8, device=self.device)
        yield "bernoulli_", lambda: mask.bernoulli_(keep_of(x))

    dropout_mask_bits = dropout_mask

    def activation(self, name, dtype, x):
        a = self.make(dtype, x["T"], x["F"])
        yield "gelu" if name.startswith("gelu") else "tanh", both(
            name, (lambda: F.gelu(a)) if name.startswith("gelu") else (lambda: torch.tanh(a)), a)

    gelu_forward = gelu_backward = tanh_forward = tanh_backward = activation

    def adamw(self, name, dtype, x):
        parameter = torch.nn.Parameter(torch.zeros(x["P"], device=self.device))
        parameter.grad = torch.ones_like(parameter)
        optimizer = torch.optim.AdamW([parameter], fused=True)
        yield "fused AdamW", optimizer.step

    def gradient_norm(self, name, dtype, x):
        gradients = self.make(torch.float32, x["P"], trained=False)
        yield "vector_norm", lambda: torch.linalg.vector_norm(gradients)

    def convert(self, name, dtype, x):
        wide = self.make(torch.float32, x["P"], trained=False)
        narrow = wide.to(torch.bfloat16)
        yield "copy_", (lambda: wide.copy_(narrow)) if name.endswith("f32") else (lambda: narrow.copy_(wide))

    convert_to_bf16 = convert_to_f32 = convert

    def column_sum(self, name, dtype, x):
        a = self.make(dtype, x["T"], x["H"], trained=False)
        yield "sum", lambda: a.sum(0, dtype=torch.float32)

    def gemm(self, name, dtype, x):
        a = self.make(dtype, *((x["k"], x["m"]) if x.get("ta") else (x["m"], x["k"])), trained=False)
        b = self.make(dtype, *((x["n"], x["k"]) if x.get("tb") else (x["k"], x["n"])), trained=False)
        left, right = a.t() if x.get("ta") else a, b.t() if x.get("tb") else b
        bias = self.make(dtype, x["n"], trained=False)
        if x.get("sums"):
            yield "matmul, sum", lambda: (left @ right, a.sum(0, dtype=torch.float32))
        elif x.get("epilogue") == 6:
            before = self.make(dtype, x["m"], x["n"], trained=False)
            yield "matmul, gelu_backward", lambda: torch.ops.aten.gelu_backward(left @ right, before)
        elif x.get("epilogue") == 3:
            yield "addmm, gelu", lambda: F.gelu(torch.addmm(bias, left, right))
        elif x.get("epilogue", 0) >= 2:
            yield "addmm", lambda: torch.addmm(bias, left, right)
        else:
            yield "matmul", lambda: left @ right

    def cross_entropy(self, name, dtype, x):
        logits = self.make(dtype, x["T"], x["C"])
        targets = torch.randint(x["C"], (x["T"],), device=self.device)
        yield "cross_entropy", both(name, lambda: F.cross_entropy(logits, targets), logits)

    cross_entropy_forward = cross_entropy_backward = cross_entropy

    def similarity_softmax(self, name, dtype, x):
        queries, keys, hidden = x["N"], x.get("M", x["N"]), x["H"]
        if queries * keys * 12.0 > LARGEST:
            return
        q, k = self.make(dtype, queries, hidden), self.make(dtype, keys, hidden)
        targets = torch.arange(queries, device=self.device)

        def forward():
            logits = F.normalize(q, dim=1) @ F.normalize(k, dim=1).t() / 0.05
            return F.cross_entropy(logits, targets)
        yield "normalize, matmul, cross_entropy", both(name, forward, q, k)

    similarity_softmax_forward = similarity_softmax_backward = similarity_softmax


def measure(peers, clock, operation, shape):
    dtype, x = extents_of(shape)
    for version, run in getattr(peers, operation)(operation, dtype, x):
        yield {"operation": operation, "version": version, "shape": shape, "microseconds": clock.median(run)}


def main():
    source, target, device = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "cuda"
    with open(source, encoding="utf-8") as lines:
        timed = [json.loads(line) for line in lines]
    wanted = dict.fromkeys((line["operation"], line["shape"]) for line in timed)
    peers, clock = Peers(device), Clock(device)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    print(f"PyTorch {torch.__version__} on {name}, flash_attn {getattr(flash_attn, '__version__', 'not installed')}")
    with open(target, "w", encoding="utf-8") as out:
        for operation, shape in wanted:
            if not hasattr(Peers, operation):
                continue
            try:
                for line in measure(peers, clock, operation, shape):
                    out.write(json.dumps(line) + "\n")
            except (AttributeError, KeyError, RuntimeError, TypeError) as error:
                print(f"{operation} {shape}: {type(error).__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
