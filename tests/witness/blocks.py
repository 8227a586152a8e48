"""Random blocks of every GGUF format and their values by the package `gguf`: `name hex value value ...` a line."""
import numpy as np
from gguf import GGMLQuantizationType as T, quants, GGML_QUANT_SIZES

# Places of f16 scales in a block; all other bytes are random.
SCALES = {
    "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
    "Q5_K": [0, 2], "Q6_K": [208], "TQ1_0": [52], "TQ2_0": [64],
}
rng = np.random.default_rng(1)
for name, places in SCALES.items():
    kind = T[name]
    for _ in range(8):
        b = rng.integers(0, 256, GGML_QUANT_SIZES[kind][1], dtype=np.uint8)
        for p in places:
            b[p : p + 2] = rng.normal(size=1).astype(np.float16).view(np.uint8)
        v = quants.dequantize(b.reshape(1, -1), kind).ravel()
        print(name, b.tobytes().hex(), *[repr(float(x)) for x in v])
