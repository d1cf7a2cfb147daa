"""Times the operations of libsimcse that run over rows or over parameters, beside a copy of as many bytes.

    python bench/native/rows.py --library native/target/libsimcse.so [--threads 1] [--types f32,bf16] [--rows 3000]
        [--hidden 768] [--feed-forward 3072] [--parameters 110000000] [--only NAME] [--rounds 15]

Bytes are those of the activations, parameters and gradients that an operation must read and write once. The copy is
the C library's memcpy, on one thread, of half as many bytes, which it reads and writes. Both run in turns in every
round; times are the medians over the rounds, of the processor time where one thread is asked for and of the clock
where more are, and the share is the median of the rounds' ratios.
"""
import argparse
import array
import ctypes
import random
import statistics
import time

F32, BF16 = 1, 2
TYPES = {"f32": F32, "bf16": BF16}
SIZE = {F32: 4, BF16: 2}
POINTER, U64, U32, I64, I32 = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_int64, ctypes.c_int32
FLOAT, DOUBLE = ctypes.c_float, ctypes.c_double
VOCABULARY, POSITIONS = 30522, 512
LEAST_SECONDS = 0.02

# The functions of simcse_api in their order.
MEMBERS = ("build last_error device_open device_close device_properties memory_allocate memory_free memory_zero "
           "host_allocate host_free copy_to_device copy_to_host stream_open stream_close stream_synchronize "
           "event_open event_close event_record event_wait event_synchronize event_elapsed weights_hold "
           "weights_release graph_begin graph_end embedding_forward embedding_backward gemm gelu_backward "
           "tanh_backward column_sum dropout_residual_layer_norm_forward dropout_residual_layer_norm_backward "
           "layer_norm_replay attention_forward attention_backward pooling_forward pooling_backward "
           "similarity_softmax_forward similarity_softmax_backward gradient_norm adamw dropout_mask convert").split()


class Api(ctypes.Structure):
    _fields_ = [("struct_size", U64), ("version", U32), ("reserved", U32)] + [(name, POINTER) for name in MEMBERS]


class Options(ctypes.Structure):
    _fields_ = [("struct_size", U64), ("threads", I32), ("reserved", I32), ("context", POINTER), ("stream", POINTER)]


class Properties(ctypes.Structure):
    _fields_ = [("struct_size", U64), ("name", ctypes.c_char * 32), ("tier", ctypes.c_char * 32),
                ("description", ctypes.c_char * 256), ("threads", I32), ("alignment", I32), ("memory_total", I64),
                ("memory_free", I64)]


class Batch(ctypes.Structure):
    _fields_ = [("struct_size", U64), ("ids", POINTER), ("id_count", I64), ("starts", POINTER),
                ("cu_seqlens", POINTER), ("samples", POINTER), ("sentences", I32), ("tokens", I32),
                ("max_length", I32), ("views", I32), ("first_view", I32), ("reserved", I32)]


class Dropout(ctypes.Structure):
    _fields_ = [("key0", U32), ("key1", U32), ("site", I32), ("keep_prob", FLOAT)]


class Norm(ctypes.Structure):
    _fields_ = [("gamma", POINTER), ("beta", POINTER), ("epsilon", FLOAT), ("reserved", I32)]


def struct(fields):
    """A ctypes structure from "name:type" words, struct_size first."""
    types = {"p": POINTER, "q": I64, "i": I32, "f": FLOAT, "d": DOUBLE, "norm": Norm, "dropout": Dropout}
    members = [("struct_size", U64)] + [(name, types[kind]) for name, kind in (f.split(":") for f in fields.split())]
    return type("Arguments", (ctypes.Structure,), {"_fields_": members})


TABLES = "batch:p dtype:i hidden:i vocabulary:i positions:i word:p position:p type:p norm:norm dropout:dropout "
ARGUMENTS = {
    "embedding_forward": struct(TABLES + "out:p mean:p rstd:p"),
    "embedding_backward": struct(TABLES + "mean:p rstd:p d_out:p d_word:p d_position:p d_type:p d_gamma:p d_beta:p"),
    "gelu_backward": struct("dtype:i reserved:i count:q pre_activation:p gradient:p"),
    "tanh_backward": struct("dtype:i reserved:i count:q activation:p gradient:p"),
    "column_sum": struct("dtype:i reserved:i rows:q columns:q x:p sum:p"),
    "dropout_residual_layer_norm_forward": struct(
        "batch:p dtype:i hidden:i x:p residual:p norm:norm dropout:dropout out:p mean:p rstd:p"),
    "dropout_residual_layer_norm_backward": struct(
        "batch:p dtype:i hidden:i d_out:p sum:p mean:p rstd:p norm:norm dropout:dropout d_residual:p d_x:p d_gamma:p "
        "d_beta:p"),
    "layer_norm_replay": struct("dtype:i hidden:i rows:q sum:p mean:p rstd:p norm:norm out:p"),
    "pooling_forward": struct("batch:p dtype:i out_dtype:i hidden:i mode:i accumulate:i weight:f x:p out:p argmax:p"),
    "pooling_backward": struct(
        "batch:p dtype:i out_dtype:i hidden:i mode:i weight:f reserved:i d_out:p argmax:p d_x:p"),
    "gradient_norm": struct("count:q gradients:p norm:p"),
    "adamw": struct("count:q step:q learning_rate:d beta1:d beta2:d epsilon:d weight_decay:d max_grad_norm:d "
                    "parameters:p gradients:p first_moment:p second_moment:p norm:p bf16_copy:p"),
    "dropout_mask": struct("batch:p channels:i reserved:i dropout:dropout mask:p"),
    "convert": struct("from_dtype:i to_dtype:i count:q from:p to:p"),
}


class Library:
    """libsimcse with one open device and its memory."""

    def __init__(self, path, threads):
        get = ctypes.CDLL(path).simcse_get_api
        get.restype = ctypes.POINTER(Api)
        get.argtypes = [U32]
        self.api = get(1).contents
        self.handle = POINTER()
        self.device = None
        options = Options(ctypes.sizeof(Options), threads, 0)
        self.call("device_open", ctypes.c_char_p(b"cpu"), ctypes.byref(options), ctypes.byref(self.handle))
        self.device = self.handle
        self.properties = Properties(ctypes.sizeof(Properties))
        self.call("device_properties", self.device, ctypes.byref(self.properties))

    def call(self, name, *arguments):
        function = ctypes.cast(getattr(self.api, name), ctypes.CFUNCTYPE(I32, *([POINTER] * len(arguments))))
        if function(*(ctypes.cast(a, POINTER) if not isinstance(a, (int, POINTER)) else a for a in arguments)) != 0:
            error = ctypes.cast(self.api.last_error, ctypes.CFUNCTYPE(ctypes.c_char_p))
            raise SystemExit(f"{name}: {error().decode()}")

    def allocate(self, size):
        memory = POINTER()
        function = ctypes.cast(self.api.memory_allocate, ctypes.CFUNCTYPE(I32, POINTER, I64, POINTER))
        if function(self.device, size, ctypes.cast(ctypes.byref(memory), POINTER)) != 0:
            raise SystemExit(f"memory_allocate: no {size} bytes")
        return memory.value

    def free(self, memory):
        self.call("memory_free", self.device, POINTER(memory))

    def operation(self, name, **members):
        kind = ARGUMENTS[name]
        arguments = kind(struct_size=ctypes.sizeof(kind), **members)
        function = ctypes.cast(getattr(self.api, name), ctypes.CFUNCTYPE(I32, POINTER, POINTER, POINTER))
        self.call(name, self.device, POINTER(), ctypes.byref(arguments))
        return lambda: function(self.device, None, ctypes.byref(arguments))


class Bench:
    def __init__(self, options):
        self.options = options
        self.library = Library(options.library, options.threads)
        self.clock = time.thread_time if options.threads == 1 else time.perf_counter
        self.random = random.Random(1)
        self.owned = []
        self.copy_bytes = 256 << 20
        self.source = self.filled(self.copy_bytes // 4, F32)
        self.target = self.filled(self.copy_bytes // 4, F32)
        self.batch = self.sentences(options.rows // 2)

    def filled(self, count, dtype, scale=1.0, offset=0.0):
        """Memory of `count` numbers between offset - scale and offset + scale, in a pattern that repeats."""
        size = count * SIZE[dtype]
        memory = self.library.allocate(size)
        self.owned.append(memory)
        numbers = array.array("f", (offset + self.random.uniform(-scale, scale) for _ in range(1 << 14)))
        if dtype == BF16:
            pattern = array.array("H", array.array("H", numbers.tobytes())[1::2]).tobytes()
        else:
            pattern = numbers.tobytes()
        for start in range(0, size, len(pattern)):
            ctypes.memmove(memory + start, pattern, min(len(pattern), size - start))
        return memory

    def release(self, keep):
        while len(self.owned) > keep:
            self.library.free(self.owned.pop())

    def sentences(self, tokens):
        lengths = []
        while sum(lengths) < tokens:
            lengths.append(min(self.random.randint(3, 43), tokens - sum(lengths)))
        starts = [sum(lengths[:b]) for b in range(len(lengths))]
        ids = [self.random.randrange(VOCABULARY) for _ in range(tokens)]
        for start in starts:
            ids[start] = 101
        arrays = [(I32 * tokens)(*ids), (I64 * len(starts))(*starts), (I32 * (len(starts) + 1))(*starts, tokens),
                  (I32 * len(starts))(*range(len(starts)))]
        self.arrays = arrays
        pointers = [ctypes.addressof(a) for a in arrays]
        return Batch(ctypes.sizeof(Batch), pointers[0], tokens, pointers[1], pointers[2], pointers[3], len(starts),
                     tokens, max(lengths), 2, 0, 0)

    def seconds(self, call):
        """Of one call, from as many as take long enough to be timed."""
        calls = 0
        start = self.clock()
        while True:
            call()
            calls += 1
            elapsed = self.clock() - start
            if elapsed >= LEAST_SECONDS:
                return elapsed / calls

    def measure(self, name, elements, moved, call):
        if self.options.only not in name:
            return
        half = min(int(moved / 2), self.copy_bytes)
        call()
        pairs = []
        for _ in range(self.options.rounds):
            copy = self.seconds(lambda: ctypes.memmove(self.target, self.source, half)) * moved / (2 * half)
            pairs.append((self.seconds(call), copy))
        seconds = statistics.median(pair[0] for pair in pairs)
        share = statistics.median(pair[1] / pair[0] for pair in pairs)
        print(f"{name:46s} {seconds * 1e3:9.3f} ms {seconds * 1e9 / elements:8.3f} ns/element "
              f"{moved / seconds * 1e-9:7.1f} GB/s {100 * share:6.0f} % of a copy", flush=True)

    def activations(self, name, dtype):
        options, library, size = self.options, self.library, SIZE[dtype]
        hidden, rows, wide = options.hidden, self.batch.tokens * 2, options.feed_forward
        numbers, all_bytes = rows * hidden, rows * hidden * size
        keep = len(self.owned)
        batch = ctypes.addressof(self.batch)
        x, y, z, u = (self.filled(rows * wide, dtype) for _ in range(4))
        gamma, beta, d_gamma, d_beta, d_type = (self.filled(wide, F32) for _ in range(5))
        mean, rstd = self.filled(rows, F32), self.filled(rows, F32)
        norm = Norm(gamma, beta, 1e-12, 0)

        def time_one(label, elements, moved, operation, **members):
            self.measure(f"{label}, {name}", elements, moved, library.operation(operation, **members))

        for keep_prob in (0.9, 1.0):
            dropout = Dropout(1, 2, 3, keep_prob)
            time_one(f"layer_norm_forward, keep {keep_prob}", numbers, 4 * all_bytes,
                     "dropout_residual_layer_norm_forward", batch=batch, dtype=dtype, hidden=hidden, x=x, residual=y,
                     norm=norm, dropout=dropout, out=z, mean=mean, rstd=rstd)
            time_one(f"layer_norm_backward, keep {keep_prob}", numbers, 4 * all_bytes,
                     "dropout_residual_layer_norm_backward", batch=batch, dtype=dtype, hidden=hidden, d_out=y, sum=x,
                     mean=mean, rstd=rstd, norm=norm, dropout=dropout, d_residual=z, d_x=u, d_gamma=d_gamma,
                     d_beta=d_beta)
        time_one("layer_norm_replay", numbers, 2 * all_bytes, "layer_norm_replay", dtype=dtype, hidden=hidden,
                 rows=rows, sum=x, mean=mean, rstd=rstd, norm=norm, out=z)
        # What is overwritten again and again must not fade into numbers that some machines are slow with: tanh at 0 and
        # gelu far above it have slope 1.
        time_one("tanh_backward", numbers, 3 * all_bytes, "tanh_backward", dtype=dtype, count=numbers,
                 activation=self.filled(numbers, dtype, scale=0.0), gradient=z)
        time_one("gelu_backward", rows * wide, 4 * rows * wide * size, "gelu_backward", dtype=dtype,
                 count=rows * wide, pre_activation=self.filled(rows * wide, dtype, offset=8.0), gradient=u)
        for columns in (hidden, wide):
            time_one(f"column_sum of {columns}", rows * columns, rows * columns * size, "column_sum", dtype=dtype,
                     rows=rows, columns=columns, x=y, sum=d_gamma)
        time_one("convert from", rows * wide, rows * wide * 6, "convert", from_dtype=dtype, to_dtype=3 - dtype,
                 count=rows * wide, to=self.filled(rows * wide, 3 - dtype), **{"from": y})
        self.embedding_and_pooling(time_one, dtype, norm, (x, y, z), (mean, rstd), (d_gamma, d_beta, d_type))
        self.release(keep)

    def embedding_and_pooling(self, time_one, dtype, norm, arrays, statistics_of_rows, gradients):
        hidden, tokens, size = self.options.hidden, self.batch.tokens, SIZE[dtype]
        x, y, z = arrays
        batch = ctypes.addressof(self.batch)
        position = self.filled(POSITIONS * hidden, dtype)
        tables = dict(batch=batch, dtype=dtype, hidden=hidden, vocabulary=VOCABULARY, positions=POSITIONS,
                      word=self.filled(VOCABULARY * hidden, dtype), position=position, type=position, norm=norm,
                      dropout=Dropout(1, 2, 0, 0.9), mean=statistics_of_rows[0], rstd=statistics_of_rows[1])
        numbers = 2 * tokens * hidden
        time_one("embedding_forward", numbers, (tokens + 2 * tokens) * hidden * size, "embedding_forward", out=z,
                 **tables)
        time_one("embedding_backward", numbers, (2 * tokens + tokens) * hidden * size + 8 * tokens * hidden,
                 "embedding_backward", d_out=y, d_word=self.filled(VOCABULARY * hidden, F32),
                 d_position=self.filled(POSITIONS * hidden, F32), d_type=gradients[2], d_gamma=gradients[0],
                 d_beta=gradients[1], **tables)
        embeddings = 2 * self.batch.sentences * hidden
        out, argmax = self.filled(embeddings, F32), self.filled(embeddings, F32)
        for mode, label in enumerate(("cls", "mean", "max")):
            pooling = dict(batch=batch, dtype=dtype, out_dtype=F32, hidden=hidden, mode=mode, weight=1e-3,
                           argmax=argmax if mode == 2 else None)
            read = embeddings if mode == 0 else numbers
            written = numbers if mode == 1 else embeddings
            time_one(f"pooling_forward {label}", read, read * size + embeddings * 4, "pooling_forward", x=x, out=out,
                     accumulate=0, **pooling)
            time_one(f"pooling_backward {label}", written, 2 * written * size + embeddings * 4, "pooling_backward",
                     d_out=out, d_x=y, **pooling)

    def parameters(self):
        count, keep = self.options.parameters, len(self.owned)
        parameters, gradients = self.filled(count, F32), self.filled(count, F32, 1e-3)
        moments = [self.filled(count, F32, scale=0.0) for _ in range(2)]
        norm, copy = self.filled(1, F32), self.filled(count, BF16)
        self.measure("gradient_norm", count, 4 * count, self.library.operation(
            "gradient_norm", count=count, gradients=gradients, norm=norm))
        for label, bf16_copy, moved in (("adamw", None, 28), ("adamw with bf16 copy", copy, 30)):
            self.measure(label, count, moved * count, self.library.operation(
                "adamw", count=count, step=10, learning_rate=1e-5, beta1=0.9, beta2=0.999, epsilon=1e-8,
                weight_decay=0.01, max_grad_norm=1.0, parameters=parameters, gradients=gradients,
                first_moment=moments[0], second_moment=moments[1], norm=norm, bf16_copy=bf16_copy))
        self.release(keep)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--types", default="f32,bf16")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--feed-forward", type=int, default=3072)
    parser.add_argument("--parameters", type=int, default=110_000_000)
    parser.add_argument("--only", default="", help="operations whose name contains this")
    parser.add_argument("--rounds", type=int, default=15)
    bench = Bench(parser.parse_args())
    properties = bench.library.properties
    print(f"tier {properties.tier.decode()}, {properties.threads} threads: {properties.description.decode()}")
    for name in bench.options.types.split(","):
        bench.activations(name, TYPES[name])
    dropout, rows = Dropout(1, 2, 3, 0.9), 2 * bench.batch.tokens
    mask = bench.filled(rows * bench.options.hidden, BF16)
    bench.measure("dropout_mask", rows * bench.options.hidden, rows * bench.options.hidden, bench.library.operation(
        "dropout_mask", batch=ctypes.addressof(bench.batch), channels=bench.options.hidden, dropout=dropout, mask=mask))
    if bench.options.parameters > 0:
        bench.parameters()


if __name__ == "__main__":
    main()
