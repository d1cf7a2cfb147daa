"""Golden values of the evaluation from SciPy and NumPy: make_eval_golden.py OUT

Writes a text file of records "KEY VALUE...", one a line; a blank line ends a case.
Needs numpy and scipy. The committed copy is java/core/src/test/resources/golden/eval.txt.
"""
import sys
import warnings

import numpy as np
from scipy.stats import pearsonr, spearmanr

warnings.simplefilter("ignore")
rng = np.random.default_rng(20251)


def numbers(values):
    return " ".join(repr(float(v)) for v in np.ravel(values))


def correlation(out, name, x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    print("correlation", name, file=out)
    print("x", numbers(x), file=out)
    print("y", numbers(y), file=out)
    print("spearman", numbers(spearmanr(x, y)[0]), file=out)
    print("pearson", numbers(pearsonr(x, y)[0]), file=out)
    print(file=out)


def effective_rank(values):
    share = values / values.sum()
    share = share[share > 0]
    return np.exp(-(share * np.log(share)).sum())


def vectors(out, name, matrix):
    matrix = matrix.astype(np.float32)
    rows, columns = matrix.shape
    unit = matrix.astype(float)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosine = unit @ unit.T
    later = np.triu_indices(rows, 1)
    half = rows // 2
    values = np.linalg.svd(unit, compute_uv=False) / np.sqrt(rows)
    centred = np.linalg.svd(unit - unit.mean(0), compute_uv=False) / np.sqrt(rows)
    print("vectors", name, file=out)
    print("shape", rows, columns, file=out)
    print("matrix", " ".join(str(v) for v in matrix.ravel()), file=out)
    print("alignment", numbers(((unit[:half] - unit[half : 2 * half]) ** 2).sum(1).mean()), file=out)
    print("uniformity", numbers(np.log(np.exp(-2 * (2 - 2 * cosine[later])).mean())), file=out)
    print("values", numbers(values), file=out)
    print("centred", numbers(centred), file=out)
    print("effectiveRank", numbers(effective_rank(values)), file=out)
    print("meanCosine", numbers(cosine[later].mean()), file=out)
    print(file=out)


with open(sys.argv[1], "w", encoding="ascii") as out:
    x = rng.normal(size=40)
    correlation(out, "independent", x, rng.normal(size=40))
    correlation(out, "related", x, x + 0.3 * rng.normal(size=40))
    correlation(out, "ties-in-both", rng.integers(0, 5, 60), rng.integers(0, 6, 60) / 4)
    correlation(out, "ties-in-one", rng.integers(0, 3, 31), rng.normal(size=31))
    correlation(out, "all-but-one-equal", [1, 1, 1, 1, 2], [3, 5, 4, 4, 1])
    correlation(out, "exact", [1, 2, 3, 4], [10, 20, 30, 40])
    correlation(out, "reversed", [1, 2, 3, 4], [8, 4, 2, 1])
    correlation(out, "two-values", [1, 2], [0.5, 0.25])
    correlation(out, "constant", [2, 2, 2], [1, 2, 3])
    correlation(out, "signed-zeros", [0.0, -0.0, 1.0, 2.0], [1, 2, 3, 5])
    correlation(out, "not-a-number", [1, float("nan"), 3], [1, 2, 3])
    correlation(out, "huge", [-5e210, 5e210, 3e200, -3e200], [1, 2, 3, 4])
    correlation(out, "large-offset", 1e6 + rng.normal(size=50), 1e6 + rng.normal(size=50))
    vectors(out, "tall", rng.normal(size=(23, 6)) + 1.5)
    vectors(out, "wide", rng.normal(size=(7, 12)))
    vectors(out, "low-rank", rng.normal(size=(20, 3)) @ rng.normal(size=(3, 8)))
