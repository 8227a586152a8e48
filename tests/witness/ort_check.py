"""ONNX Runtime's GroupQueryAttention and MatMulNBits on the dense cases, against what the reference wrote.

usage: ort_check.py FOLDER     each FOLDER/N holds op.toml, inputs.safetensors, NAME.ref.f64 and NAME.bound.f64

Contrib operators of domain com.microsoft, in f32 on the CPU; prints how many cases of each agree, and the worst error in
bounds. Each output must keep the bound that the reference allows to any f32 kernel,

    u |y| + (2 u + 2 u (ceil(log2 n) + sqrt(n))) sum |p||v|,    u = 2^-24, for a product sum |a||w|

where attention adds what errors of the scores do to the weights p. That the bound itself is no excuse is checked, too:
it may be at most CAP of the largest sum at stake. Products here have n = 128 terms, so the bound is
2^-24 (1 + 2 + 2 (7 + 11.3)) = 2.4e-6 of it. Scores of attention have 64 terms and pass 4 roundings of values up to the
largest |s|: their error is delta = 2^-24 (2 (6 + 8) sum |q||k| scale + 4 (2 |s| + |max|) + 8). In these cases
|s| <= sum |q||k| scale <= 16 (peaked scores: 64 products of 2 and 1 over 8), so that delta <= 2^-24 * 648 = 3.9e-5, and
an output, a mean of values with weights off by delta, is off by at most 2 delta max |v|.
"""

import json
import pathlib
import sys
import tomllib

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

F, I = TensorProto.FLOAT, TensorProto.INT32


def read(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    kinds = {"F32": np.float32, "F16": np.float16, "U8": np.uint8}
    out = {}
    for name, info in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + x for x in info["data_offsets"])
        out[name] = np.frombuffer(data[begin:end], kinds[info["dtype"]]).reshape(info["shape"])
    return out


def run(op, feeds, outputs, **attributes):
    kinds = {np.dtype(np.float32): F, np.dtype(np.int32): I, np.dtype(np.uint8): TensorProto.UINT8}
    node = helper.make_node(op, [n if x is not None else "" for n, x in feeds.items()], outputs, domain="com.microsoft", **attributes)
    feeds = {n: x for n, x in feeds.items() if x is not None}
    ins = [helper.make_tensor_value_info(n, kinds[x.dtype], x.shape) for n, x in feeds.items()]
    outs = [helper.make_tensor_value_info(n, F, None) for n in outputs]
    graph = helper.make_graph([node], "g", ins, outs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, feeds)


def attention(op, t):
    q, k, v = (t[n].astype(np.float32) for n in ("q", "kv.k", "kv.v"))
    b, m, heads, d = q.shape
    n, kvh = k.shape[1:3]
    mask = op["segment"][0].get("mask")
    # The operator itself refuses several sequences with several rows behind a past.
    if m == 0 or b == 0 or n < m or mask is None or (b > 1 and m > 1 and n > m):
        return None
    extra = {}
    if isinstance(mask, dict):
        if "window" not in mask:
            return None
        extra["local_window_size"] = mask["window"]
    if "softcap" in op:
        extra["softcap"] = float(op["softcap"])
    past = n - m
    feeds = {
        "query": q.reshape(b, m, heads * d),
        "key": k[:, past:].reshape(b, m, kvh * d),
        "value": v[:, past:].reshape(b, m, kvh * d),
        "past_key": np.ascontiguousarray(k[:, :past].transpose(0, 2, 1, 3)),
        "past_value": np.ascontiguousarray(v[:, :past].transpose(0, 2, 1, 3)),
        "seqlens_k": np.full(b, n - 1, np.int32),
        "total_sequence_length": np.array(n, np.int32),
    }
    extra["scale"] = float(op.get("scale", 1 / np.sqrt(d)))
    names = ["output", "present_key", "present_value"]
    out = run("GroupQueryAttention", feeds, names, num_heads=heads, kv_num_heads=kvh, **extra)[0]
    return out.reshape(b, m, heads, d), np.abs(v).max(initial=0)


def product(op, t):
    w, a = t["w"], t["a"].astype(np.float32)
    n, k = op["n"], op["k"]
    blocks = w.reshape(n, k // 32, 18)
    scales = blocks[..., :2].copy().view(np.float16).astype(np.float32).reshape(-1)
    codes = np.concatenate([blocks[..., 2:] & 15, blocks[..., 2:] >> 4], -1)
    packed = (codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8)
    out = run("MatMulNBits", {"A": a, "B": packed, "scales": scales}, ["Y"], K=k, N=n, bits=4, block_size=32)[0]
    weights = np.abs((codes.astype(np.float64) - 8) * scales.reshape(n, k // 32, 1)).reshape(n, k)
    return out, (np.abs(a) @ weights.T).max(initial=0)


U = 2.0**-24
CAP = {"attention": 8e-5, "mpgemm": 40 * U}
agree, worst = {}, 0.0
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    op = tomllib.loads((folder / "op.toml").read_text())
    t = read(folder / "inputs.safetensors")
    if not all(np.isfinite(x).all() for x in t.values()):
        continue
    kind, name = (attention, "o") if op["op"] == "attention" else (product, "out")
    got = kind(op, t)
    if got is None or got[0].size == 0:
        continue
    out, size = got
    wanted = np.fromfile(folder / f"{name}.ref.f64").reshape(out.shape)
    bound = np.fromfile(folder / f"{name}.bound.f64").reshape(out.shape)
    assert bound.max() <= CAP[op["op"]] * max(size, 1e-3), f"{folder} {op['name']}: a bound of {bound.max()} for {size}"
    error = np.abs(out - wanted)
    ratio = np.where(error == 0, 0, error / np.maximum(bound, 1e-300)).max()
    assert ratio <= 1, f"{folder} {op['name']}: {error.max()}, {ratio} times the bound"
    worst = max(worst, ratio)
    agree[op["name"]] = agree.get(op["name"], 0) + 1
print(", ".join(f"{n} {c}" for n, c in agree.items()), f"worst {worst:.2f} of the bound")
