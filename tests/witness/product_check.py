"""Holds products that `kgen run` wrote against numpy on the weights that the package gguf decoded.

usage: product_check.py LIST      each line of LIST: OUTPUTS.safetensors INPUTS.safetensors WEIGHT.f32 N K COMPUTE

`a [m, k]` stands in the inputs, `out [m, n]` in the outputs, all f32. The bound is that of an f32 product: rounding of
the result, and of each step of a sum of k terms (log2 k for the tree, sqrt k for sequential parts, whose errors have
mean zero); `int_dot` adds half a step of activations rounded to int8 in groups of 32. Prints the worst error / bound.
"""

import json
import math
import sys

import numpy as np

U = 2.0**-24


def read(path, name):
    with open(path, "rb") as f:
        data = f.read()
    size = int.from_bytes(data[:8], "little")
    info = json.loads(data[8 : 8 + size])[name]
    assert info["dtype"] == "F32", info
    begin, end = (8 + size + x for x in info["data_offsets"])
    return np.frombuffer(data[begin:end], np.float32).reshape(info["shape"]).astype(np.float64)


worst = 0.0
for line in open(sys.argv[1]):
    outputs, inputs, weight, n, k, compute = line.split()
    n, k = int(n), int(k)
    w = np.fromfile(weight, np.float32).astype(np.float64).reshape(n, k)
    a, out = read(inputs, "a"), read(outputs, "out")
    y = a @ w.T
    size = np.abs(a) @ np.abs(w).T
    bound = U * np.abs(y) + U * (math.ceil(math.log2(k)) + math.sqrt(k) + 2) * size
    if compute == "int_dot":
        step = np.abs(a).reshape(len(a), -1, 32).max(-1, keepdims=True) / 127
        half = np.broadcast_to(step / 2, (len(a), k // 32, 32)).reshape(len(a), k)
        bound += half @ np.abs(w).T * (1 + 2.0**-10)
    assert out.shape == y.shape, (out.shape, y.shape)
    error = np.abs(out - y)
    ratio = np.where(error == 0, 0, error / np.maximum(bound, 1e-300)).max()
    print(f"{outputs} {ratio:.3f}")
    worst = max(worst, ratio)
print(f"worst {worst:.3f}")
sys.exit(0 if worst <= 1 else 1)
