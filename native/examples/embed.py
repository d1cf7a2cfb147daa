"""Embedding libsimcse in Python with ctypes alone: what embed.c computes, checked against NumPy.

    python3 embed.py path/to/libsimcse.so
"""

import ctypes as c
import sys

import numpy as np

B, T, VIEWS, H, A = 3, 8, 2, 8, 2
D, R = H // A, VIEWS * T
F32, POOLING_MEAN, INVALID_ARGUMENT = 1, 1, 1

# The table of version 1, in the order of simcse.h.
FUNCTIONS = """build last_error device_open device_close device_properties memory_allocate memory_free memory_zero
    host_allocate host_free copy_to_device copy_to_host stream_open stream_close stream_synchronize event_open
    event_close event_record event_wait event_synchronize event_elapsed weights_hold weights_release graph_begin
    graph_end embedding_forward embedding_backward gemm gelu_backward tanh_backward column_sum
    dropout_residual_layer_norm_forward dropout_residual_layer_norm_backward layer_norm_replay attention_forward
    attention_backward pooling_forward pooling_backward similarity_softmax_forward similarity_softmax_backward
    gradient_norm adamw dropout_mask convert gemm_epilogue""".split()


class Api(c.Structure):
    _fields_ = [("struct_size", c.c_uint64), ("version", c.c_uint32), ("reserved", c.c_uint32)]
    _fields_ += [(name, c.c_void_p) for name in FUNCTIONS]


class Struct(c.Structure):
    """An argument struct: arrays are passed by their address, struct_size fills itself in."""

    def __init__(self, **members):
        self.kept = [value for value in members.values() if isinstance(value, np.ndarray)]
        for name, value in members.items():
            setattr(self, name, value.ctypes.data if isinstance(value, np.ndarray) else value)
        if hasattr(self, "struct_size"):
            self.struct_size = c.sizeof(self)


Pointer = c.c_void_p


def fields(**members):
    return list(members.items())


class Dropout(Struct):
    _fields_ = fields(key0=c.c_uint32, key1=c.c_uint32, site=c.c_int32, keep_prob=c.c_float)


class Contrast(Struct):
    _fields_ = fields(
        temperature=c.c_float, own_negative_bias=c.c_float, own_negative_offset=c.c_int64, both_directions=c.c_int32,
        same_side_negatives=c.c_int32, has_margin=c.c_int32, false_negative_margin=c.c_float, query_ids=Pointer,
        key_ids=Pointer,
    )


class Options(Struct):
    _fields_ = fields(
        struct_size=c.c_uint64, threads=c.c_int32, reserved=c.c_int32, context=c.c_void_p, stream=c.c_void_p
    )


class Batch(Struct):
    _fields_ = fields(
        struct_size=c.c_uint64, ids=Pointer, id_count=c.c_int64, starts=Pointer, cu_seqlens=Pointer, samples=Pointer,
        sentences=c.c_int32, tokens=c.c_int32, max_length=c.c_int32, views=c.c_int32, first_view=c.c_int32,
        reserved=c.c_int32,
    )


class AttentionForward(Struct):
    _fields_ = fields(
        struct_size=c.c_uint64, batch=Pointer, dtype=c.c_int32, hidden=c.c_int32, heads=c.c_int32, reserved=c.c_int32,
        qkv=Pointer, dropout=Dropout, out=Pointer, lse=Pointer,
    )


class PoolingForward(Struct):
    _fields_ = fields(
        struct_size=c.c_uint64, batch=Pointer, dtype=c.c_int32, out_dtype=c.c_int32, hidden=c.c_int32, mode=c.c_int32,
        accumulate=c.c_int32, weight=c.c_float, x=Pointer, out=Pointer, argmax=Pointer,
    )


class SimilarityForward(Struct):
    _fields_ = fields(
        struct_size=c.c_uint64, dtype=c.c_int32, hidden=c.c_int32, queries_count=c.c_int64, keys_count=c.c_int64,
        queries=Pointer, keys=Pointer, targets=Pointer, contrast=Contrast, loss=Pointer, lse=Pointer,
        query_norm=Pointer, key_norm=Pointer, key_lse=Pointer,
    )


class SimilarityBackward(Struct):
    _fields_ = fields(
        struct_size=c.c_uint64, dtype=c.c_int32, hidden=c.c_int32, queries_count=c.c_int64, keys_count=c.c_int64,
        queries=Pointer, keys=Pointer, targets=Pointer, contrast=Contrast, lse=Pointer, query_norm=Pointer,
        key_norm=Pointer, key_lse=Pointer, loss_scale=c.c_float, reserved=c.c_int32, d_queries=Pointer, d_keys=Pointer,
    )


class Simcse:
    """The table, with its functions callable by name and their failures as exceptions."""

    def __init__(self, path):
        library = c.CDLL(path)
        library.simcse_get_api.restype = c.POINTER(Api)
        table = library.simcse_get_api(c.c_uint32(1))
        if not table or table.contents.struct_size != c.sizeof(Api):
            raise SystemExit(f"{path} has no table of version 1")
        self.table = table.contents

    def text(self, name):
        return c.CFUNCTYPE(c.c_char_p)(getattr(self.table, name))().decode()

    def call(self, name, *arguments):
        types = [c.c_char_p if isinstance(a, bytes) else c.c_void_p for a in arguments]
        status = c.CFUNCTYPE(c.c_int32, *types)(getattr(self.table, name))(*arguments)
        if status != 0:
            raise SimcseError(status, self.text("last_error"))

    def operation(self, name, device, arguments):
        self.call(name, device, None, c.addressof(arguments))


class SimcseError(Exception):
    pass


def numbers(count, state=1):
    """The numbers of embed.c."""
    values = []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append((state >> 8) / 8388608 - 1)
    return np.array(values, np.float32)


def attention(qkv, ends):
    out = np.zeros((R, H))
    for view in range(VIEWS):
        for start, end in zip(ends[:-1], ends[1:]):
            rows = slice(view * T + start, view * T + end)
            q, k, v = qkv[rows].reshape(end - start, 3, A, D).transpose(1, 2, 0, 3)
            weight = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(D))
            out[rows] = (weight / weight.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(end - start, H)
    return out


def loss_and_gradient(query, key, temperature):
    query_norm, key_norm = (np.linalg.norm(x, axis=1, keepdims=True) for x in (query, key))
    q, k = query / query_norm, key / key_norm
    weight = np.exp(q @ k.T / temperature)
    probability = weight / weight.sum(1, keepdims=True)
    d_cosine = (probability - np.eye(B)) / temperature / B
    d_q = d_cosine @ k
    return -np.log(np.diag(probability)).mean(), (d_q - q * (d_q * q).sum(1, keepdims=True)) / query_norm


def compare(name, found, want):
    found, want = np.asarray(found, np.float64), np.asarray(want)
    apart = np.abs(found - want).max() / np.abs(want).max()
    print(f"{name:10} {found.flat[0]:10.6f} {found.flat[-1]:10.6f} ... differs from NumPy by {apart:.1e}")
    if not apart <= 1e-5:
        raise SystemExit(1)


def main(path):
    simcse = Simcse(path)
    device = c.c_void_p()
    options = Options(threads=2)
    simcse.call("device_open", b"cpu", c.addressof(options), c.addressof(device))
    print(simcse.text("build"))

    ends = np.array([0, 3, 4, 8], np.int32)
    batch = Batch(ids=np.array([101, 7592, 102, 101, 101, 2088, 999, 102], np.int32), id_count=T,
                  starts=np.array([0, 3, 4], np.int64), cu_seqlens=ends, samples=np.arange(B, dtype=np.int32),
                  sentences=B, tokens=T, max_length=4, views=VIEWS)
    qkv = numbers(R * 3 * H).reshape(R, 3 * H)
    out, vectors = np.empty((R, H), np.float32), np.empty((VIEWS * B, H), np.float32)
    attend = AttentionForward(batch=c.addressof(batch), dtype=F32, hidden=H, heads=A, qkv=qkv,
                              dropout=Dropout(keep_prob=1), out=out)
    simcse.operation("attention_forward", device, attend)
    pool = PoolingForward(batch=c.addressof(batch), dtype=F32, out_dtype=F32, hidden=H, mode=POOLING_MEAN, weight=1,
                          x=out, out=vectors)
    simcse.operation("pooling_forward", device, pool)

    loss, lse = np.empty(1, np.float32), np.empty(B, np.float32)
    query_norm, key_norm = np.empty(B, np.float32), np.empty(B, np.float32)
    d_queries, d_keys = np.empty((B, H), np.float32), np.empty((B, H), np.float32)
    shared = dict(dtype=F32, hidden=H, queries_count=B, keys_count=B, queries=vectors[:B], keys=vectors[B:],
                  targets=np.arange(B, dtype=np.int32), contrast=Contrast(temperature=0.05), lse=lse,
                  query_norm=query_norm, key_norm=key_norm)
    simcse.operation("similarity_softmax_forward", device, SimilarityForward(loss=loss, **shared))
    simcse.operation("similarity_softmax_backward", device,
                     SimilarityBackward(loss_scale=1, d_queries=d_queries, d_keys=d_keys, **shared))

    want_out = attention(qkv.astype(np.float64), ends)
    want_vectors = np.array([want_out[view * T + a:view * T + b].mean(0)
                             for view in range(VIEWS) for a, b in zip(ends[:-1], ends[1:])])
    want_loss, want_gradient = loss_and_gradient(want_vectors[:B], want_vectors[B:], 0.05)
    compare("attention", out, want_out)
    compare("vectors", vectors, want_vectors)
    compare("loss", loss, want_loss)
    compare("gradient", d_queries, want_gradient)

    attend.heads = 3
    try:
        simcse.operation("attention_forward", device, attend)
    except SimcseError as error:
        print("a mistake:", *error.args)
        if error.args[0] != INVALID_ARGUMENT:
            raise SystemExit(1)
    else:
        raise SystemExit("a wrong number of heads was accepted")
    simcse.call("device_close", device)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "libsimcse.so")
