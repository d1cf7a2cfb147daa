"""Times attention of libsimcse beside PyTorch's scaled_dot_product_attention, in one process, one thread, in turns.

    python bench/native/attention.py --library native/target/libsimcse.so [--types f32,bf16] [--heads 12]
        [--head-size 64] [--sentences 64] [--views 2] [--padded 32] [--mean 22] [--keep 0.9] [--rounds 15]

A step is forward and backward of one layer's attention on a batch of sentences in two views, lengths drawn around the
mean. libsimcse reads the packed rows of q, k and v; PyTorch gets the same sentences padded, as contiguous
(batch, heads, length, head size) tensors with a mask of the pads, and its backward runs through autograd. Each time is
the median of the processor time over the rounds, in each of which both run at least once; the ratio is the median of
the rounds' ratios. The rate counts what has to be multiplied, without pads: 2 products forward and 5 backward of
2 length^2 head_size FLOP a head.
"""
import argparse
import ctypes
import random
import statistics
import time

import torch

TYPES = {"f32": (1, torch.float32), "bf16": (2, torch.bfloat16)}
POINTER = ctypes.c_void_p
LEAST_SECONDS = 0.05


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint64), ("threads", ctypes.c_int32), ("reserved", ctypes.c_int32)]
    _fields_ += [("context", ctypes.c_void_p), ("stream", ctypes.c_void_p)]


class Properties(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint64), ("name", ctypes.c_char * 32), ("tier", ctypes.c_char * 32),
                ("description", ctypes.c_char * 256), ("threads", ctypes.c_int32), ("alignment", ctypes.c_int32),
                ("memory_total", ctypes.c_int64), ("memory_free", ctypes.c_int64)]


class Batch(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint64), ("ids", POINTER), ("id_count", ctypes.c_int64), ("starts", POINTER),
                ("cu_seqlens", POINTER), ("samples", POINTER), ("sentences", ctypes.c_int32),
                ("tokens", ctypes.c_int32), ("max_length", ctypes.c_int32), ("views", ctypes.c_int32),
                ("first_view", ctypes.c_int32), ("reserved", ctypes.c_int32)]


class Dropout(ctypes.Structure):
    _fields_ = [("key0", ctypes.c_uint32), ("key1", ctypes.c_uint32), ("site", ctypes.c_int32),
                ("keep_prob", ctypes.c_float)]


HEAD = [("struct_size", ctypes.c_uint64), ("batch", POINTER), ("dtype", ctypes.c_int32), ("hidden", ctypes.c_int32),
        ("heads", ctypes.c_int32), ("reserved", ctypes.c_int32), ("qkv", POINTER)]


class Forward(ctypes.Structure):
    _fields_ = HEAD + [("dropout", Dropout), ("out", POINTER), ("lse", POINTER)]


class Backward(ctypes.Structure):
    _fields_ = HEAD + [("out", POINTER), ("lse", POINTER), ("d_out", POINTER), ("dropout", Dropout),
                       ("d_qkv", POINTER)]


# The functions of simcse_api in their order; only those called here have a prototype.
MEMBERS = ("build last_error device_open device_close device_properties memory_allocate memory_free memory_zero "
           "host_allocate host_free copy_to_device copy_to_host stream_open stream_close stream_synchronize "
           "event_open event_close event_record event_wait event_synchronize event_elapsed weights_hold "
           "weights_release graph_begin graph_end embedding_forward embedding_backward gemm gelu_backward "
           "tanh_backward column_sum dropout_residual_layer_norm_forward dropout_residual_layer_norm_backward "
           "layer_norm_replay attention_forward attention_backward").split()
OPERATION = ctypes.CFUNCTYPE(ctypes.c_int32, POINTER, POINTER, POINTER)
PROTOTYPES = {
    "last_error": ctypes.CFUNCTYPE(ctypes.c_char_p),
    "device_open": ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p, POINTER, POINTER),
    "device_properties": ctypes.CFUNCTYPE(ctypes.c_int32, POINTER, POINTER),
    "attention_forward": OPERATION,
    "attention_backward": OPERATION,
}


class Api(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint64), ("version", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]
    _fields_ += [(name, PROTOTYPES.get(name, POINTER)) for name in MEMBERS]


class Device:
    def __init__(self, library):
        get = ctypes.CDLL(library).simcse_get_api
        get.restype, get.argtypes = ctypes.POINTER(Api), [ctypes.c_uint32]
        self.api = get(1).contents
        self.handle = POINTER()
        options = Options(ctypes.sizeof(Options), 1, 0)
        self.check(self.api.device_open(b"cpu", ctypes.addressof(options), ctypes.addressof(self.handle)))
        self.properties = Properties(ctypes.sizeof(Properties))
        self.check(self.api.device_properties(self.handle, ctypes.addressof(self.properties)))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.api.last_error().decode())


class Packed:
    """The sentences without pads, and the two calls of libsimcse on them."""

    def __init__(self, device, lengths, options, type_name, keep):
        self.device = device
        dtype, torch_type = TYPES[type_name]
        hidden, tokens = options.heads * options.head_size, sum(lengths)
        rows = tokens * options.views
        offsets = [0]
        for length in lengths:
            offsets.append(offsets[-1] + length)
        self.arrays = [torch.zeros(tokens, dtype=torch.int32), torch.tensor(offsets[:-1]),
                       torch.tensor(offsets, dtype=torch.int32), torch.arange(len(lengths), dtype=torch.int32)]
        ids, starts, ends, samples = (array.data_ptr() for array in self.arrays)
        self.batch = Batch(ctypes.sizeof(Batch), ids, tokens, starts, ends, samples, len(lengths), tokens,
                           max(lengths), options.views, 0, 0)
        dropout = Dropout(17, 42, 1, keep)
        self.qkv = torch.randn(rows, 3 * hidden).to(torch_type)
        self.out = torch.empty(rows, hidden, dtype=torch_type)
        self.d_out = torch.randn(rows, hidden).to(torch_type)
        self.d_qkv = torch.empty_like(self.qkv)
        self.lse = torch.empty(rows, options.heads)
        head = (ctypes.addressof(self.batch), dtype, hidden, options.heads, 0, self.qkv.data_ptr())
        self.forward_arguments = Forward(ctypes.sizeof(Forward), *head, dropout, self.out.data_ptr(),
                                         self.lse.data_ptr())
        self.backward_arguments = Backward(ctypes.sizeof(Backward), *head, self.out.data_ptr(), self.lse.data_ptr(),
                                           self.d_out.data_ptr(), dropout, self.d_qkv.data_ptr())

    def forward(self):
        api = self.device.api
        self.device.check(api.attention_forward(self.device.handle, None, ctypes.addressof(self.forward_arguments)))

    def backward(self):
        api = self.device.api
        self.device.check(api.attention_backward(self.device.handle, None, ctypes.addressof(self.backward_arguments)))

    def step(self):
        self.forward()
        self.backward()


class Padded:
    """The same sentences with pads, in PyTorch."""

    def __init__(self, packed, lengths, options, keep):
        self.keep, self.lengths, self.views = keep, lengths, options.views
        batch, tokens = len(lengths) * options.views, sum(lengths)
        shape = (batch, options.padded, options.heads, options.head_size)
        self.rows = torch.zeros(batch, options.padded, dtype=torch.bool)
        for b in range(batch):
            self.rows[b, :lengths[b % len(lengths)]] = True
        assert int(self.rows.sum()) == tokens * options.views

        def pad(rows):
            tensor = torch.zeros(shape, dtype=rows.dtype)
            tensor[self.rows] = rows.reshape(-1, options.heads, options.head_size)
            return tensor.transpose(1, 2).contiguous()

        hidden = options.heads * options.head_size
        self.q, self.k, self.v = (pad(packed.qkv[:, i * hidden:(i + 1) * hidden]).requires_grad_() for i in range(3))
        self.d_out = pad(packed.d_out)
        self.mask = self.rows[:, None, None, :]

    def forward(self):
        self.out = torch.nn.functional.scaled_dot_product_attention(self.q, self.k, self.v, self.mask, 1 - self.keep)
        return self.out

    def step(self):
        self.q.grad = self.k.grad = self.v.grad = None
        self.forward().backward(self.d_out)

    def packed(self, tensor):
        return tensor.transpose(1, 2)[self.rows].flatten(1)


def agree(device, lengths, options, type_name):
    """The largest difference of a result to PyTorch's without dropout, as a share of the largest number."""
    ours = Packed(device, lengths, options, type_name, 1.0)
    theirs = Padded(ours, lengths, options, 1.0)
    ours.step()
    theirs.step()
    gradient = torch.cat([theirs.packed(x.grad) for x in (theirs.q, theirs.k, theirs.v)], 1)
    pairs = (ours.out, theirs.packed(theirs.out.detach())), (ours.d_qkv, gradient)
    return max(((a.float() - b.float()).abs().max() / b.float().abs().max()).item() for a, b in pairs)


def once(run):
    count, start = 0, time.process_time()
    while True:
        run()
        count += 1
        seconds = time.process_time() - start
        if seconds >= LEAST_SECONDS:
            return seconds / count


def race(ours, theirs, rounds):
    for run in (ours, theirs):
        run()
    pairs = [(once(ours), once(theirs)) for _ in range(rounds)]
    return (statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs),
            statistics.median(b / a for a, b in pairs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--types", default="f32,bf16")
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--head-size", type=int, default=64)
    parser.add_argument("--sentences", type=int, default=64)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--padded", type=int, default=32)
    parser.add_argument("--mean", type=float, default=22)
    parser.add_argument("--keep", type=float, default=0.9)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    draw = random.Random(1)
    lengths = [min(options.padded, max(2, round(draw.gauss(options.mean, 0.3 * options.mean))))
               for _ in range(options.sentences)]
    device = Device(options.library)
    print(f"{device.properties.description.decode()}; PyTorch {torch.__version__}; 1 thread")
    print(f"{len(lengths)} sentences x {options.views} views of {min(lengths)} to {max(lengths)} tokens, mean "
          f"{statistics.mean(lengths):.1f}, PyTorch's padded to {options.padded}; {options.heads} heads of "
          f"{options.head_size}")
    product = 2 * sum(n * n for n in lengths) * options.head_size * options.heads * options.views
    for type_name in options.types.split(","):
        difference = agree(device, lengths, options, type_name)
        print(f"{type_name}: largest difference to PyTorch without dropout {difference:.1e}")
        for keep in sorted({options.keep, 1.0}):
            ours = Packed(device, lengths, options, type_name, keep)
            theirs = Padded(ours, lengths, options, keep)
            with torch.no_grad():
                forward = race(ours.forward, theirs.forward, options.rounds)
            step = race(ours.step, theirs.step, options.rounds)
            for name, (a, b, ratio), products in (("forward", forward, 2), ("forward + backward", step, 7)):
                print(f"{type_name:5} keep {keep:<4} {name:19} {a * 1e3:8.2f} ms {product * products / a * 1e-9:6.1f} "
                      f"GFLOP/s   PyTorch {b * 1e3:8.2f} ms   {ratio:5.2f} times as fast")


if __name__ == "__main__":
    main()
