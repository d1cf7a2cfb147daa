"""Writes python.safetensors, a small file as the reference implementation makes it.

    python make_safetensors.py        # needs torch and safetensors
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

tensors = {
    "b.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3) - 2.5,
    "a.bias": torch.tensor([0.5, -1.0], dtype=torch.float32),
    "half": torch.tensor([1.5, -0.25, 65504.0], dtype=torch.float16),
    "brain": torch.tensor([3.0, -0.0078125], dtype=torch.bfloat16),
    "ids": torch.tensor([[1, -2]], dtype=torch.int64),
    "empty": torch.zeros((0, 4), dtype=torch.float32),
}
save_file(tensors, Path(__file__).with_name("python.safetensors"), metadata={"format": "pt"})
