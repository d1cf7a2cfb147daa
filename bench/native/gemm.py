"""Times the matrix product of libsimcse beside PyTorch's, in one process and in turns.

    python bench/native/gemm.py --library native/target/libsimcse.so [--threads 1,2] [--rows 3000] [--held]
        [--models bert-base,minilm-l6,bert-mini,bert-tiny] [--types f32,bf16] [--rounds 9] [--peak EXECUTABLE]

Rows are the tokens of 64 packed sentences in two views. The forms are those of a linear layer with weights W (n, k):
forward X W^T, dX = G W, and dW = G^T X, which libsimcse adds to a float gradient and PyTorch writes in the operands'
type. One thread is timed by its processor time, more by the clock. Each rate is the median over the rounds, in each of
which both run at least once; the ratio is the median of the rounds' ratios. The share is that of peak.cpp's loop, which
never leaves the registers, times the threads.
"""
import argparse
import ctypes
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time

# Else PyTorch's threads spin for a while after each of its products, on the cores that libsimcse is then timed on.
os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0", KMP_BLOCKTIME="0")
import torch

HERE = pathlib.Path(__file__).parent
HIDDEN = {"bert-base": 768, "minilm-l6": 384, "bert-mini": 256, "bert-tiny": 128}
F32, BF16 = 1, 2
STORE, ACCUMULATE = 0, 1
LEAST_SECONDS = 0.02


class Gemm(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint64), ("dtype", ctypes.c_int32), ("c_dtype", ctypes.c_int32),
                ("transpose_a", ctypes.c_int32), ("transpose_b", ctypes.c_int32), ("epilogue", ctypes.c_int32),
                ("reserved", ctypes.c_int32), ("m", ctypes.c_int64), ("n", ctypes.c_int64), ("k", ctypes.c_int64),
                ("a", ctypes.c_void_p), ("b", ctypes.c_void_p), ("c", ctypes.c_void_p), ("bias", ctypes.c_void_p),
                ("pre_activation", ctypes.c_void_p), ("residual", ctypes.c_void_p), ("bias_gradient", ctypes.c_void_p)]


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint64), ("threads", ctypes.c_int32), ("reserved", ctypes.c_int32)]
    _fields_ += [("context", ctypes.c_void_p), ("stream", ctypes.c_void_p)]


class Properties(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint64), ("name", ctypes.c_char * 32), ("tier", ctypes.c_char * 32),
                ("description", ctypes.c_char * 256), ("threads", ctypes.c_int32), ("alignment", ctypes.c_int32),
                ("memory_total", ctypes.c_int64), ("memory_free", ctypes.c_int64)]


# The functions of simcse_api in their order; only those called here have a prototype.
MEMBERS = ("build last_error device_open device_close device_properties memory_allocate memory_free memory_zero "
           "host_allocate host_free copy_to_device copy_to_host stream_open stream_close stream_synchronize "
           "event_open event_close event_record event_wait event_synchronize event_elapsed weights_hold "
           "weights_release graph_begin graph_end embedding_forward embedding_backward gemm").split()
POINTER = ctypes.c_void_p
PROTOTYPES = {
    "last_error": ctypes.CFUNCTYPE(ctypes.c_char_p),
    "device_open": ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p, POINTER, POINTER),
    "device_close": ctypes.CFUNCTYPE(ctypes.c_int32, POINTER),
    "device_properties": ctypes.CFUNCTYPE(ctypes.c_int32, POINTER, POINTER),
    "weights_hold": ctypes.CFUNCTYPE(ctypes.c_int32, POINTER, POINTER, ctypes.c_int64),
    "weights_release": ctypes.CFUNCTYPE(ctypes.c_int32, POINTER, POINTER),
    "gemm": ctypes.CFUNCTYPE(ctypes.c_int32, POINTER, POINTER, POINTER),
}


class Api(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint64), ("version", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]
    _fields_ += [(name, PROTOTYPES.get(name, POINTER)) for name in MEMBERS]


class Device:
    def __init__(self, library, threads):
        get = ctypes.CDLL(library).simcse_get_api
        get.restype, get.argtypes = ctypes.POINTER(Api), [ctypes.c_uint32]
        self.api = get(1).contents
        self.handle = POINTER()
        options = Options(ctypes.sizeof(Options), threads, 0)
        self.check(self.api.device_open(b"cpu", ctypes.addressof(options), ctypes.addressof(self.handle)))
        self.properties = Properties(ctypes.sizeof(Properties))
        self.check(self.api.device_properties(self.handle, ctypes.addressof(self.properties)))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.api.last_error().decode())

    def gemm(self, form, a, b, c):
        """A callable that computes c = a b^T (forward), a b (dX) or c += a^T b (dW)."""
        transpose_a, transpose_b = int(form == "dW"), int(form == "forward")
        k, m = a.shape if transpose_a else reversed(a.shape)
        arguments = Gemm(ctypes.sizeof(Gemm), F32 if a.dtype == torch.float32 else BF16,
                         F32 if c.dtype == torch.float32 else BF16, transpose_a, transpose_b,
                         ACCUMULATE if form == "dW" else STORE, 0, m, c.shape[1], k, a.data_ptr(), b.data_ptr(),
                         c.data_ptr(), None, None, None)
        call, handle, address = self.api.gemm, self.handle, ctypes.addressof(arguments)

        def run(_=arguments):
            self.check(call(handle, None, address))

        return run


def once(run, clock, count):
    start = clock()
    for _ in range(count):
        run()
    return (clock() - start) / count


def race(ours, theirs, flops, threads, rounds):
    """GFLOP/s of both and their ratio: medians over rounds in which both run."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    for run in (ours, theirs):
        once(run, clock, 2)
    count = max(1, int(LEAST_SECONDS / once(theirs, clock, 1)))
    pairs = []
    for round_ in range(rounds):
        order = (ours, theirs) if round_ % 2 == 0 else (theirs, ours)
        times = {run: once(run, clock, count) for run in order}
        pairs.append((times[ours], times[theirs]))
    rates = [flops / statistics.median(pair[i] for pair in pairs) * 1e-9 for i in (0, 1)]
    return *rates, statistics.median(theirs / ours for ours, theirs in pairs)


def operands(form, rows, n, k, dtype):
    x = torch.randn(rows, k).to(dtype)
    g = torch.randn(rows, n).to(dtype)
    w = torch.randn(n, k).to(dtype)
    if form == "forward":
        a, b, c = x, w, torch.empty(rows, n, dtype=dtype)
        theirs = lambda: torch.mm(a, b.t(), out=c)
        ours = c
    elif form == "dX":
        a, b, c = g, w, torch.empty(rows, k, dtype=dtype)
        theirs = lambda: torch.mm(a, b, out=c)
        ours = c
    else:
        a, b, c = g, x, torch.empty(n, k, dtype=dtype)
        theirs = lambda: torch.mm(a.t(), b, out=c)
        ours = torch.zeros(n, k)
    return a, b, ours, theirs


def peaks(executable):
    """GFLOP/s of one thread by (type, tier)."""
    with tempfile.TemporaryDirectory() as folder:
        if executable is None:
            executable = pathlib.Path(folder, "peak")
            compiler = os.environ.get("CXX", "c++")
            subprocess.run([compiler, "-O2", "-o", executable, HERE / "peak.cpp"], check=True)
        lines = subprocess.run([executable], check=True, capture_output=True, text=True).stdout.splitlines()
    return {tuple(line.split()[:2]): float(line.split()[2]) for line in lines}


def peak_of(rates, dtype, tier):
    """The unit that a tier computes a type with: tiers without bf16 arithmetic widen it."""
    if dtype == "bf16" and ("bf16", tier) in rates:
        return rates["bf16", tier]
    return rates.get(("f32", "avx2" if tier == "avx2" else "avx512"), float("nan"))


def shapes(models):
    for model in models:
        h = HIDDEN[model]
        yield from ((h, h), (3 * h, h), (4 * h, h), (h, 4 * h))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--threads", default="1")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--models", default="bert-base,minilm-l6,bert-mini,bert-tiny")
    parser.add_argument("--types", default="f32,bf16")
    parser.add_argument("--forms", default="forward,dX,dW")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--held", action="store_true", help="announce the weights, so that their packed form is kept")
    parser.add_argument("--peak", help="peak.cpp built; else it is built now")
    options = parser.parse_args()
    rates = peaks(options.peak)
    print(f"PyTorch {torch.__version__}, {platform.machine()}; register-only GFLOP/s of a core: "
          + ", ".join(f"{t} {tier} {rate:.0f}" for (t, tier), rate in rates.items()))
    print(f"{options.rows} rows, {options.rounds} rounds{', weights held' if options.held else ''}")
    for threads in map(int, options.threads.split(",")):
        torch.set_num_threads(threads)
        device = Device(options.library, threads)
        tier = device.properties.tier.decode()
        for name in options.types.split(","):
            dtype = torch.float32 if name == "f32" else torch.bfloat16
            peak = peak_of(rates, name, tier) * threads
            print(f"\n{name}, {threads} thread(s), tier {tier}\n\n| n x k | form | ours | PyTorch | ratio | share |")
            print("|---|---|---:|---:|---:|---:|")
            ratios = []
            for n, k in shapes(options.models.split(",")):
                for form in options.forms.split(","):
                    a, b, c, theirs = operands(form, options.rows, n, k, dtype)
                    held = options.held and form != "dW"
                    if held:
                        device.check(device.api.weights_hold(device.handle, b.data_ptr(), b.nbytes))
                    ours, other, ratio = race(device.gemm(form, a, b, c), theirs, 2.0 * options.rows * n * k, threads,
                                              options.rounds)
                    if held:
                        device.check(device.api.weights_release(device.handle, b.data_ptr()))
                    ratios.append(ratio)
                    print(f"| {n} x {k} | {form} | {ours:.0f} | {other:.0f} | {ratio:.2f} | {ours / peak:.0%} |",
                          flush=True)
            print(f"\nratio: median {statistics.median(ratios):.2f}, least {min(ratios):.2f}")
        device.check(device.api.device_close(device.handle))


if __name__ == "__main__":
    main()
