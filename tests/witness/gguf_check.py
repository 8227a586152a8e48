"""Writes OUT.gguf with tensors of many types, and beside it what the PyPI package gguf says of them.

usage: gguf_check.py OUT ROWS K     writes OUT.gguf, OUT.NAME.f32 (values) and OUT.NAME.src (what was quantised)

Quantised tensors whose types the package can make are made by it; the others are random blocks with finite scales.
"""

import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import quants

ROWS, K = (int(x) for x in sys.argv[2:])
# Offsets of the f16 factors of a block, for the types that the package cannot make.
RANDOM = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
MADE = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "TQ1_0", "TQ2_0", "BF16"]


def random_blocks(rng, name):
    block, size = gguf.GGML_QUANT_SIZES[T[name]]
    blocks = rng.integers(0, 256, (ROWS * K // block, size), dtype=np.uint8)
    for at in RANDOM[name]:
        factor = rng.uniform(-1, 1, (len(blocks), 1)).astype(np.float16)
        blocks[:, at : at + 2] = factor.view(np.uint8)
    return blocks.reshape(ROWS, -1)


def main(out):
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(f"{out}.gguf", "llama")
    writer.add_name("witness")
    writer.add_array("some.numbers", [1, 2, 3])
    writer.add_array("some.texts", ["a", "", "é"])
    values = {}

    def source(name):
        x = rng.standard_normal((ROWS, K)).astype(np.float32)
        x[0, :32] = 0
        x[1, :32] = 1.5
        x[2, :32] *= 1e-3
        x.tofile(f"{out}.{name}.src")
        return x

    x = source("F32")
    writer.add_tensor("F32", x)
    values["F32"] = x
    x = source("F16").astype(np.float16)
    writer.add_tensor("F16", x)
    values["F16"] = x.astype(np.float32)
    for name in MADE:
        data = quants.quantize(source(name), T[name])
        writer.add_tensor(name, data, raw_dtype=T[name])
        values[name] = quants.dequantize(data, T[name])
    for name in RANDOM:
        data = random_blocks(rng, name)
        writer.add_tensor(name, data, raw_dtype=T[name])
        values[name] = quants.dequantize(data, T[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for name, x in values.items():
        assert x.dtype == np.float32 and x.shape == (ROWS, K), name
        x.tofile(f"{out}.{name}.f32")


main(sys.argv[1])
