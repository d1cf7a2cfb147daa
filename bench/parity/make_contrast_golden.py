"""Golden values of the contrastive loss in both directions, computed by PyTorch in double precision.

    make_contrast_golden.py

Prints loss and gradients of four pairs, as ReferenceGoldenTest has them: of NT-Xent over the 2 N x 2 N similarities
(Chen et al. 2020, equation 1), of the mean of both cross entropies (CLIP), and of sentence-transformers' symmetric
loss, which must be the same as CLIP's. Needs torch and sentence-transformers.
"""
import torch
from sentence_transformers.losses import MultipleNegativesSymmetricRankingLoss
from torch.nn.functional import cosine_similarity, cross_entropy

TEMPERATURE = torch.tensor(0.1).double().item()  # as F32 has it
N, HIDDEN = 4, 3


def vectors(step):
    """Numbers that Java makes too."""
    return torch.tensor([[(step * (i * HIDDEN + c) % 11) / 4 - 1.25 for c in range(HIDDEN)] for i in range(N)],
                        dtype=torch.float64, requires_grad=True)


def similarities(a, b):
    return cosine_similarity(a.unsqueeze(1), b.unsqueeze(0), dim=-1) / TEMPERATURE


def nt_xent(queries, keys):
    both = torch.cat([queries, keys])
    logits = similarities(both, both).masked_fill(torch.eye(2 * N, dtype=torch.bool), float("-inf"))
    return cross_entropy(logits, torch.arange(2 * N).roll(N))


def clip(queries, keys):
    logits = similarities(queries, keys)
    return (cross_entropy(logits, torch.arange(N)) + cross_entropy(logits.T, torch.arange(N))) / 2


def sentence_transformers(queries, keys):
    loss = MultipleNegativesSymmetricRankingLoss(None, scale=1 / TEMPERATURE)
    return loss.compute_loss_from_embeddings([queries, keys], None)


for name, loss in (("NT-Xent", nt_xent), ("CLIP", clip), ("sentence-transformers", sentence_transformers)):
    queries, keys = vectors(5), vectors(7)
    value = loss(queries, keys)
    value.backward()
    print(name, value.item(), "dQueries", queries.grad.flatten().tolist(), "dKeys", keys.grad.flatten().tolist(), sep="\n")
