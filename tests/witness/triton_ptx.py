"""PTX that another compiler made: kernels of Triton, their inputs, and what they should give in f64.

usage: triton_ptx.py FOLDER [CHIP ..]     chips are compute capabilities; without any: 80 90

Triton compiles without a GPU. Writes for each kernel KERNEL.safetensors: the inputs, the outputs as they are before the
launch (poisoned, unless the kernel adds to them), `expected.NAME` and `bound.NAME` in f64; and for each chip CHIP.KERNEL.ptx
and CHIP.KERNEL.json: entry, grid, block, bytes of shared memory, and the arguments in order. Pointers of Triton's own
scratch memory come last. A kernel that Triton itself does not compile for a chip is named and left out.

The bounds follow from the roundings of the kernels, u = 2^-24 for f32 and h = 2^-11 for f16:
a product of depth k adds up in any order, cut instead of rounded as matrix units do, within 2 k u sum |a||b|;
ex2.approx.f32 is within 4 u (PTX ISA), a shift of its argument by d changes it by d ln 2.
"""

import json
import pathlib
import struct
import sys

import numpy as np
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.compiler.errors import CompilationError

U, H = 2.0**-24, 2.0**-11


@triton.jit
def attention(q, k, v, o, scale, n, D: tl.constexpr, M: tl.constexpr, N: tl.constexpr):
    start = tl.program_id(0)
    base = tl.program_id(1) * n * D
    rows = start * M + tl.arange(0, M)
    d = tl.arange(0, D)
    qt = tl.load(q + base + rows[:, None] * D + d[None, :], mask=rows[:, None] < n, other=0.0)
    top = tl.full([M], float("-inf"), tl.float32)
    total = tl.zeros([M], tl.float32)
    acc = tl.zeros([M, D], tl.float32)
    for j in range(0, (start + 1) * M, N):
        cols = j + tl.arange(0, N)
        kt = tl.load(k + base + cols[None, :] * D + d[:, None], mask=cols[None, :] < n, other=0.0)
        s = tl.dot(qt, kt) * (scale * 1.4426950408889634)
        s = tl.where(cols[None, :] <= rows[:, None], s, float("-inf"))
        new = tl.maximum(top, tl.max(s, 1))
        p = tl.exp2(s - new[:, None])
        alpha = tl.exp2(top - new)
        vt = tl.load(v + base + cols[:, None] * D + d[None, :], mask=cols[:, None] < n, other=0.0)
        acc = tl.dot(p.to(tl.float16), vt, acc * alpha[:, None])
        total = total * alpha + tl.sum(p, 1)
        top = new
    acc = acc / total[:, None]
    to = o + base + rows[:, None] * D + d[None, :]
    tl.store(to, acc.to(tl.float16), mask=rows[:, None] < n)


@triton.jit
def matmul(a, b, c, m, n, k, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, ACC: tl.constexpr):
    rows = tl.program_id(0) * M + tl.arange(0, M)
    cols = tl.program_id(1) * N + tl.arange(0, N)
    deep = tl.arange(0, K)
    acc = tl.zeros([M, N], ACC)
    for j in range(0, k, K):
        ks = j + deep
        at = tl.load(a + rows[:, None] * k + ks[None, :], mask=(rows[:, None] < m) & (ks[None, :] < k), other=0.0)
        bt = tl.load(b + ks[:, None] * n + cols[None, :], mask=(ks[:, None] < k) & (cols[None, :] < n), other=0.0)
        acc = tl.dot(at, bt, acc, out_dtype=ACC)
    to = c + rows[:, None] * n + cols[None, :]
    tl.store(to, acc.to(c.dtype.element_ty), mask=(rows[:, None] < m) & (cols[None, :] < n))


@triton.jit
def matmul_w4(a, w, s, c, m, n, k, G: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    """Eight codes of k in a word of w[k / 8][n]; a scale for G of k."""
    rows = tl.program_id(0) * M + tl.arange(0, M)
    cols = tl.program_id(1) * N + tl.arange(0, N)
    deep = tl.arange(0, K)
    acc = tl.zeros([M, N], tl.float32)
    for j in range(0, k, K):
        ks = j + deep
        at = tl.load(a + rows[:, None] * k + ks[None, :], mask=rows[:, None] < m, other=0)
        words = tl.load(w + (ks[:, None] // 8) * n + cols[None, :], mask=cols[None, :] < n, other=0)
        codes = (words >> ((ks % 8) * 4)[:, None]) & 15
        scale = tl.load(s + (j // G) * n + cols, mask=cols < n, other=0.0)
        bt = (codes - 8).to(tl.float16) * scale[None, :]
        acc = tl.dot(at, bt, acc)
    to = c + rows[:, None] * n + cols[None, :]
    tl.store(to, acc.to(tl.float16), mask=(rows[:, None] < m) & (cols[None, :] < n))


@triton.jit
def softmax(x, y, n, N: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, N)
    value = tl.load(x + row * n + cols, mask=cols < n, other=float("-inf"))
    value = tl.exp(value - tl.max(value, 0))
    tl.store(y + row * n + cols, value / tl.sum(value, 0), mask=cols < n)


@triton.jit
def layernorm(x, w, b, y, mean, rstd, n, eps, N: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, N)
    value = tl.load(x + row * n + cols, mask=cols < n, other=0.0).to(tl.float32)
    mu = tl.sum(value, 0) / n
    centred = tl.where(cols < n, value - mu, 0.0)
    scale = 1 / tl.sqrt(tl.sum(centred * centred, 0) / n + eps)
    tl.store(mean + row, mu)
    tl.store(rstd + row, scale)
    weight = tl.load(w + cols, mask=cols < n, other=0.0)
    bias = tl.load(b + cols, mask=cols < n, other=0.0)
    tl.store(y + row * n + cols, centred * scale * weight + bias, mask=cols < n)


@triton.jit
def histogram(x, counts, n, N: tl.constexpr):
    at = tl.program_id(0) * N + tl.arange(0, N)
    bins = tl.load(x + at, mask=at < n, other=0)
    tl.atomic_add(counts + bins, 1, mask=at < n)


@triton.jit
def gather(table, index, y, rows, n, R: tl.constexpr, N: tl.constexpr):
    r = tl.program_id(0) * R + tl.arange(0, R)
    cols = tl.arange(0, N)
    at = tl.load(index + r, mask=r < rows, other=-1)
    inside = (r[:, None] < rows) & (cols[None, :] < n)
    value = tl.load(table + at[:, None] * n + cols[None, :], mask=inside & (at[:, None] >= 0), other=0.0)
    tl.store(y + r[:, None] * n + cols[None, :], value, mask=inside)


@triton.jit
def scan(x, sums, order, best, n, N: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, N)
    value = tl.load(x + row * n + cols, mask=cols < n, other=-(2**30))
    tl.store(best + row, tl.argmax(value, 0))
    tl.store(order + row * N + cols, tl.sort(value))
    tl.store(sums + row * n + cols, tl.cumsum(tl.where(cols < n, value, 0), 0), mask=cols < n)


@triton.jit
def atomics(x, sums, halves, top, mask, n, N: tl.constexpr):
    """Each program adds its row."""
    row = tl.program_id(0)
    cols = tl.arange(0, N)
    value = tl.load(x + row * n + cols, mask=cols < n, other=0.0)
    tl.atomic_add(sums + cols, value, mask=cols < n, sem="relaxed")
    tl.atomic_add(halves + cols, value.to(tl.float16), mask=cols < n, sem="relaxed")
    whole = (value * 16).to(tl.int32)
    tl.atomic_max(top + cols, whole, mask=cols < n)
    tl.atomic_xor(mask + cols, whole, mask=cols < n)


class Case:
    """A kernel, its arguments in order (arrays, and numbers or codes with their type), and how it is launched."""

    def __init__(self, fn, arguments, constants, grid, warps, stages, expected):
        self.fn, self.arguments, self.constants = fn, arguments, constants
        self.grid, self.warps, self.stages, self.expected = grid, warps, stages, expected


def poison(shape, dtype):
    """What no kernel gives: NaN, or a number out of range."""
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else -(2**30), dtype)


def attention_case(rng, dim, warps, stages):
    # Three tiles of queries, the last with two rows: the ring of key tiles goes round.
    heads, n, m, step = 2, 130, 64, 64 if dim == 64 else 32
    q, k, v = ((rng.standard_normal((heads, n, dim))).astype(np.float16) for _ in range(3))
    # Every other row has scores far apart: who misses the largest, has weights that are infinite.
    q[:, 1::2] *= 16
    scale = np.float32(dim**-0.5)
    q64, k64, v64 = (x.astype(np.float64) for x in (q, k, v))
    s = np.einsum("hid,hjd->hij", q64, k64) * float(scale)
    size = np.einsum("hid,hjd->hij", abs(q64), abs(k64)) * float(scale)
    s = np.where(np.tril(np.ones((n, n), bool)), s, -np.inf)
    p = np.exp(s - s.max(2, keepdims=True))
    p /= p.sum(2, keepdims=True)
    y, sizes = p @ v64, p @ abs(v64)
    # A score: the product, two roundings of it, one of its difference to the maximum.
    top = np.where(np.isfinite(s), abs(s), 0).max(2, keepdims=True)
    error = (2 * dim * U * size).max(2, keepdims=True) + 8 * U * top
    steps = n / step + 1
    relative = H + 2 * error + (2 * n + 12 * steps) * U
    # Weights below 2^-14 are subnormal in f16: 2^-25 each, against a largest weight of 1 before the division.
    tiny = n * 2.0**-25 * abs(v64).max()
    bound = relative * sizes * 2 + tiny + H * abs(y) + 2.0**-25
    return Case(
        attention,
        {"q": q, "k": k, "v": v, "o": poison(q.shape, np.float16), "scale": ("fp32", scale), "n": ("i32", n)},
        {"D": dim, "M": m, "N": step},
        (-(-n // m), heads, 1),
        warps,
        stages,
        {"o": (y, bound)},
    )


def matmul_case(rng):
    m, n, k = 66, 80, 144
    a, b = rng.standard_normal((m, k)).astype(np.float16), rng.standard_normal((k, n)).astype(np.float16)
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    y = a64 @ b64
    bound = 2 * k * U * (abs(a64) @ abs(b64)) + H * abs(y)
    arguments = {"a": a, "b": b, "c": poison((m, n), np.float16)}
    sizes = {"m": ("i32", m), "n": ("i32", n), "k": ("i32", k)}
    constants = {"M": 64, "N": 64, "K": 32, "ACC": tl.float32}
    return Case(matmul, arguments | sizes, constants, (2, 2, 1), 4, 3, {"c": (y, bound)})


def bf16_case(rng):
    """Eight warps, of which Hopper makes two groups."""
    m, n, k = 130, 144, 320
    a, b = ((rng.standard_normal(shape).astype(np.float32).view(np.uint32) >> 16) for shape in [(m, k), (k, n)])
    a64, b64 = ((x << 16).view(np.float32).astype(np.float64) for x in (a, b))
    y = a64 @ b64
    bound = 2 * k * U * (abs(a64) @ abs(b64))
    codes = {"a": ("bf16", a.astype(np.uint16)), "b": ("bf16", b.astype(np.uint16))}
    sizes = {"c": poison((m, n), np.float32), "m": ("i32", m), "n": ("i32", n), "k": ("i32", k)}
    constants = {"M": 128, "N": 128, "K": 64, "ACC": tl.float32}
    return Case(matmul, codes | sizes, constants, (2, 2, 1), 8, 3, {"c": (y, bound)})


def tf32_case(rng):
    """Numbers of f16, so that nothing is lost on the way to tf32."""
    m, n, k = 66, 80, 112
    a, b = (rng.standard_normal(shape).astype(np.float16).astype(np.float32) for shape in [(m, k), (k, n)])
    y = a.astype(np.float64) @ b.astype(np.float64)
    bound = 2 * k * U * (abs(a.astype(np.float64)) @ abs(b.astype(np.float64)))
    arguments = {"a": a, "b": b, "c": poison((m, n), np.float32)}
    sizes = {"m": ("i32", m), "n": ("i32", n), "k": ("i32", k)}
    constants = {"M": 64, "N": 64, "K": 32, "ACC": tl.float32}
    return Case(matmul, arguments | sizes, constants, (2, 2, 1), 4, 3, {"c": (y, bound)})


def fp8_case(rng):
    m, n, k = 66, 80, 160
    codes = np.arange(256)
    exponent, mantissa = codes >> 3 & 15, codes & 7
    value = np.where(exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * 2.0 ** (exponent - 10.0))
    value = np.where(codes < 128, value, -value)
    # All codes but the largest, and NaN.
    a, b = (rng.integers(0, 112, shape) | rng.integers(0, 2, shape) << 7 for shape in [(m, k), (k, n)])
    y = value[a] @ value[b]
    bound = 2 * k * U * (abs(value[a]) @ abs(value[b]))
    codes = {"a": ("fp8e4nv", a.astype(np.uint8)), "b": ("fp8e4nv", b.astype(np.uint8))}
    sizes = {"c": poison((m, n), np.float32), "m": ("i32", m), "n": ("i32", n), "k": ("i32", k)}
    constants = {"M": 64, "N": 64, "K": 64, "ACC": tl.float32}
    return Case(matmul, codes | sizes, constants, (2, 2, 1), 4, 3, {"c": (y, bound)})


def scan_case(rng):
    rows, n, width = 3, 200, 256
    x = np.stack([rng.permutation(1000)[:n] - 400 for _ in range(rows)]).astype(np.int32)
    padded = np.full((rows, width), -(2**30), np.int32)
    padded[:, :n] = x
    expected = {"sums": np.cumsum(x, 1), "order": np.sort(padded, 1), "best": x.argmax(1)}
    arguments = {"x": x, "sums": poison(x.shape, np.int32), "order": poison(padded.shape, np.int32)}
    arguments |= {"best": poison(rows, np.int32), "n": ("i32", n)}
    expected = {name: (y.astype(np.float64), np.zeros(y.shape)) for name, y in expected.items()}
    return Case(scan, arguments, {"N": width}, (rows, 1, 1), 4, 2, expected)


def atomics_case(rng):
    rows, n = 4, 100
    x = rng.standard_normal((rows, n)).astype(np.float32)
    halves = x.astype(np.float16).astype(np.float64)
    whole = (x * np.float32(16)).astype(np.int32)
    # Each sum of some of the numbers is rounded once.
    size = rows * abs(x.astype(np.float64)).sum(0)
    expected = {
        "sums": (x.astype(np.float64).sum(0), U * size),
        "halves": (halves.sum(0), H * size),
        "top": (np.maximum(whole.max(0), 0).astype(np.float64), np.zeros(n)),
        "mask": (np.bitwise_xor.reduce(whole, 0).astype(np.float64), np.zeros(n)),
    }
    arguments = {"x": x, "sums": np.zeros(n, np.float32), "halves": np.zeros(n, np.float16)}
    arguments |= {"top": np.zeros(n, np.int32), "mask": np.zeros(n, np.int32), "n": ("i32", n)}
    return Case(atomics, arguments, {"N": 128}, (rows, 1, 1), 4, 2, expected)


def int8_case(rng):
    m, n, k = 66, 80, 320
    a = rng.integers(-128, 128, (m, k)).astype(np.int8)
    b = rng.integers(-128, 128, (k, n)).astype(np.int8)
    y = a.astype(np.float64) @ b.astype(np.float64)
    arguments = {"a": a, "b": b, "c": poison((m, n), np.int32)}
    sizes = {"m": ("i32", m), "n": ("i32", n), "k": ("i32", k)}
    constants = {"M": 64, "N": 64, "K": 64, "ACC": tl.int32}
    return Case(matmul, arguments | sizes, constants, (2, 2, 1), 4, 3, {"c": (y, np.zeros_like(y))})


def w4_case(rng):
    m, n, k, group = 34, 80, 384, 64
    a = rng.standard_normal((m, k)).astype(np.float16)
    codes = rng.integers(0, 16, (k, n)).astype(np.uint32)
    shifts = (np.arange(8, dtype=np.uint32) * 4)[None, :, None]
    words = np.bitwise_or.reduce(codes.reshape(k // 8, 8, n) << shifts, axis=1).astype(np.int32)
    scales = rng.uniform(0.01, 0.1, (k // group, n)).astype(np.float16)
    # The kernel rounds the dequantised weight to f16, as its text says.
    b = (codes.astype(np.int32) - 8).astype(np.float16) * np.repeat(scales, group, 0)
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    y = a64 @ b64
    bound = 2 * k * U * (abs(a64) @ abs(b64)) + H * abs(y)
    arguments = {"a": a, "w": words, "s": scales, "c": poison((m, n), np.float16)}
    sizes = {"m": ("i32", m), "n": ("i32", n), "k": ("i32", k)}
    constants = {"G": group, "M": 32, "N": 64, "K": 64}
    return Case(matmul_w4, arguments | sizes, constants, (2, 2, 1), 4, 3, {"c": (y, bound)})


def softmax_case(rng):
    rows, n = 4, 1000
    x = (rng.standard_normal((rows, n)) * 4).astype(np.float32)
    # One far above the others: who misses it, has weights that are infinite.
    x[1, 313] += 180
    x[3, 600] += 150
    x64 = x.astype(np.float64)
    shifted = x64 - x64.max(1, keepdims=True)
    y = np.exp(shifted)
    y /= y.sum(1, keepdims=True)
    # The difference and its product with log2 e round once each, all weights alike; then sum and quotient.
    relative = 2 * 2 * U * abs(shifted).max() + (2 * 4 + n / 128 + 12 + 2) * U
    arguments = {"x": x, "y": poison(x.shape, np.float32), "n": ("i32", n)}
    return Case(softmax, arguments, {"N": 1024}, (rows, 1, 1), 4, 2, {"y": (y, relative * y + 2.0**-126)})


def layernorm_case(rng):
    rows, n, eps = 4, 700, np.float32(1e-5)
    x = (rng.standard_normal((rows, n)) * 2 + 0.5).astype(np.float16)
    w, b = (rng.standard_normal(n).astype(np.float32) for _ in range(2))
    x64 = x.astype(np.float64)
    mean = x64.mean(1, keepdims=True)
    rstd = 1 / np.sqrt(x64.var(1, keepdims=True) + float(eps))
    y = (x64 - mean) * rstd * w + b
    # A sum adds n / 128 terms in a lane and then 10 more times; the mean is off by that much of the mean size.
    depth = n / 128 + 12
    shift = depth * U * abs(x64).mean(1, keepdims=True)
    relative = (2 * depth + 8) * U
    bound = ((relative * abs(x64 - mean) + 2 * shift) * rstd + 2 * U) * abs(w) + 2 * U * (abs(b) + abs(y))
    arguments = {"x": x, "w": w, "b": b, "y": poison(x.shape, np.float32)}
    arguments |= {"mean": poison(rows, np.float32), "rstd": poison(rows, np.float32)}
    arguments |= {"n": ("i32", n), "eps": ("fp32", eps)}
    expected = {
        "y": (y, bound),
        "mean": (mean[:, 0], shift[:, 0] + U * abs(mean[:, 0])),
        "rstd": (rstd[:, 0], (relative + shift[:, 0] * rstd[:, 0]) * rstd[:, 0]),
    }
    return Case(layernorm, arguments, {"N": 1024}, (rows, 1, 1), 4, 2, expected)


def histogram_case(rng):
    n, bins = 2100, 37
    x = np.minimum(rng.geometric(0.1, n), bins - 1).astype(np.int32)
    y = np.bincount(x, minlength=bins).astype(np.float64)
    arguments = {"x": x, "counts": np.zeros(bins, np.int32), "n": ("i32", n)}
    return Case(histogram, arguments, {"N": 1024}, (3, 1, 1), 4, 2, {"counts": (y, np.zeros(bins))})


def gather_case(rng):
    rows, n, height = 50, 96, 33
    table = rng.standard_normal((height, n)).astype(np.float16)
    index = rng.integers(-1, height, rows).astype(np.int32)
    y = np.where(index[:, None] >= 0, table[index], 0).astype(np.float64)
    arguments = {"table": table, "index": index, "y": poison((rows, n), np.float16)}
    sizes = {"rows": ("i32", rows), "n": ("i32", n)}
    return Case(gather, arguments | sizes, {"R": 16, "N": 128}, (4, 1, 1), 4, 2, {"y": (y, np.zeros_like(y))})


def cases():
    rng = np.random.default_rng(5)
    return {
        "attention_64": attention_case(rng, 64, 4, 3),
        "attention_128": attention_case(rng, 128, 4, 2),
        "matmul_f16": matmul_case(rng),
        "matmul_int8": int8_case(rng),
        "matmul_w4": w4_case(rng),
        "softmax": softmax_case(rng),
        "layernorm": layernorm_case(rng),
        "histogram": histogram_case(rng),
        "gather": gather_case(rng),
        # More instructions.
        "matmul_bf16": bf16_case(rng),
        "matmul_tf32": tf32_case(rng),
        "matmul_fp8": fp8_case(rng),
        "scan": scan_case(rng),
        "atomics": atomics_case(rng),
    }


KINDS = {"float16": ("fp16", "F16"), "float32": ("fp32", "F32"), "float64": ("fp64", "F64")}
KINDS |= {"int8": ("i8", "I8"), "int32": ("i32", "I32"), "uint8": ("u8", "U8"), "uint16": ("u16", "U16")}


def array(value):
    """The array of an argument: itself, or codes of a type that numpy lacks."""
    value = value[1] if isinstance(value, tuple) else value
    return value if isinstance(value, np.ndarray) else None


def write(path, tensors):
    """safetensors: the length of the header, the header, the bytes."""
    header, data = {}, b""
    for name, x in tensors.items():
        raw = np.ascontiguousarray(x).tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": KINDS[x.dtype.name][1], "shape": list(x.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def build(case, chip):
    """PTX, and how to launch it."""
    signature, hints, order = {}, {}, []
    for at, (name, value) in enumerate(case.arguments.items()):
        if array(value) is not None:
            signature[name] = "*" + (value[0] if isinstance(value, tuple) else KINDS[value.dtype.name][0])
            order.append({"tensor": name})
            hints[(at,)] = [["tt.divisibility", 16]]
        else:
            kind, number = value
            signature[name] = kind
            order.append({kind: number.item() if isinstance(number, np.generic) else number})
            if kind == "i32" and number % 16 == 0:
                hints[(at,)] = [["tt.divisibility", 16]]
    signature |= {name: "constexpr" for name in case.constants}
    source = ASTSource(fn=case.fn, signature=signature, constexprs=case.constants, attrs=hints)
    options = {"num_warps": case.warps, "num_stages": case.stages}
    compiled = triton.compile(source, target=GPUTarget("cuda", chip, 32), options=options)
    about = compiled.metadata
    scratch = [("global_scratch", about.global_scratch_size), ("profile_scratch", about.profile_scratch_size)]
    return compiled.asm["ptx"], {
        "entry": about.name,
        "grid": list(case.grid),
        "block": [32 * about.num_warps, 1, 1],
        "shared": about.shared,
        "arguments": order + [{"scratch": size * int(np.prod(case.grid))} for _, size in scratch],
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    chips = [int(c) for c in sys.argv[2:]] or [80, 90]
    for name, case in cases().items():
        tensors = {n: array(x) for n, x in case.arguments.items() if array(x) is not None}
        for out, (y, bound) in case.expected.items():
            tensors |= {f"expected.{out}": y, f"bound.{out}": bound}
        write(folder / f"{name}.safetensors", tensors)
        for chip in chips:
            try:
                ptx, launch = build(case, chip)
            except (RuntimeError, CompilationError) as error:
                # Triton 3.6 has no product of int8 for sm_75, and none of fp8 before sm_89.
                print(f"Triton does not compile {name} for {chip}: {str(error).splitlines()[-1]}")
                continue
            (folder / f"{chip}.{name}.ptx").write_text(ptx)
            (folder / f"{chip}.{name}.json").write_text(json.dumps(launch, indent=1))
    print(f"{len(cases())} kernels for {', '.join(map(str, chips))} by Triton {triton.__version__}")


if __name__ == "__main__":
    main()
