"""What the ops mean, written from the design of the op language alone, in numpy and float64.

usage: reference.py FOLDER     each FOLDER/N holds op.toml, dims.json, inputs.safetensors; writes N/NAME.f64

Attention over plain floats: several segments, heads by list and `rest`, dense, packed ragged, paged and ring keys,
shared copies, masks on positions, by expressions and by ancestor bits, scale, softcap, ALiBi, sink, weights of keys,
log-sum-exp, v as a prefix of k.
Products: plain floats, GGUF blocks (decoded by the package gguf), codes with scales, GPTQ and AWQ tensors, int8
activations, several weights side by side, experts, bias, residual, prologues and epilogues. Row operations.
An op beyond this leaves no outputs and its reason in N/skipped.
"""

import ast
import json
import pathlib
import sys
import tomllib

import numpy as np

PLAIN = {"I8": np.int8, "F32": np.float32, "F16": np.float16, "I32": np.int32, "I64": np.int64, "U32": np.uint32, "U8": np.uint8, "F64": np.float64}
GGUF = {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "tq1_0", "tq2_0"}


class Skip(Exception):
    pass


def read(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    out = {}
    for name, info in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + x for x in info["data_offsets"])
        raw = data[begin:end]
        if info["dtype"] == "BF16":
            x = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        elif info["dtype"] in PLAIN:
            x = np.frombuffer(raw, PLAIN[info["dtype"]])
        else:
            raise Skip(f"elements {info['dtype']}")
        out[name] = x.reshape(info["shape"])
    return out


def size(value, dims, batch):
    """A length for each sequence."""
    if isinstance(value, int):
        return [value] * batch
    name = value.split("[")[0]
    return dims["ragged"][name] if "[" in value else [dims["scalars"][name]] * batch


class Segment:
    """Keys and values of one segment, for its own kv heads."""

    def __init__(self, s, op, tensors, dims, batch, heads):
        self.name, self.heads, self.mask = s.get("name", "kv"), heads, s.get("mask")
        if "select" in s or "emit" in s:
            raise Skip("selections")
        self.weighted = s.get("weight", False)
        self.t = lambda part: tensors.get(f"{self.name}.{part}")
        self.layout, self.shared = s.get("layout", "dense"), s.get("shared")
        self.len = size(s.get("len", 1), dims, max(batch, dims["scalars"].get(self.shared, 1)))
        forms = [s.get(x, op["kv"].get(x, op["kv"].get("dtype"))) for x in ("k", "v")]
        if any(not isinstance(form, str) or form in GGUF for form in forms):
            raise Skip("keys and values of codes")
        v = op["kv"].get("v", op["kv"].get("dtype"))
        self.prefix = int(v[4:-1]) if isinstance(v, str) and v.startswith("k[") else None

    def copy(self, b):
        if self.shared is None:
            return b
        group = self.t("group")
        return 0 if group is None else int(group[b])

    def weight(self, b):
        """Logarithms of the weights of the keys, numbered copy after copy."""
        c = self.copy(b)
        flat = self.t("weight").reshape(-1).astype(np.float64)
        return flat[sum(self.len[:c]) :][: self.len[c]]

    def keys(self, b):
        """Of a sequence: places of its keys, their number (those that a ring has lost, too), k [len, heads, dim], v."""
        c = self.copy(b)
        n = self.len[c]
        ring = self.layout.get("ring") if isinstance(self.layout, dict) else None
        held = np.arange(n)
        if ring is not None:
            keep, recent = ring["keep_first"], ring["recent"]
            n = int(self.t("pos")[c])
            # Written one after the other: what a slot holds at the end.
            slots = {}
            for token in range(n):
                slots[token if token < keep else keep + (token - keep) % recent] = token
            held = np.array(sorted(slots.values()), np.int64)
            where = {token: slot for slot, token in slots.items()}

        def take(part):
            if ring is not None:
                x = self.t(part)[c]
                return np.array([x[where[i]] for i in held], np.float64).reshape(len(held), *x.shape[1:])
            if isinstance(self.layout, dict):
                page = self.layout["paged"]
                pages, table, lens = self.t(f"{part}_pages"), self.t("block_table"), self.t("len")
                count = int(lens[c]) if lens is not None else n
                rows = [pages[int(table[c, i // page]), i % page] for i in range(count)]
                return np.array(rows, np.float64).reshape(count, *pages.shape[2:])
            x = self.t(part)
            if x.ndim == 4:
                return x[c, :n].astype(np.float64)
            begin, end = self.t("indptr")[c : c + 2]
            return x[begin:end].astype(np.float64)

        k = take("k")
        return held, n, k, (k[..., : self.prefix] if self.prefix else take("v"))


def sees(text, names):
    """A condition of integers."""
    words = {"block": lambda x, size: x // size, "max": max, "min": min, "abs": abs}
    text = text.replace("!=", "<>").replace("!", " not ").replace("<>", "!=")
    text = text.replace("&&", " and ").replace("||", " or ").replace("/", "//")
    return bool(eval(text, {"__builtins__": {}}, words | names))


def visible(segment, i, j, own, head, row, dims):
    mask = segment.mask
    if mask == "tree":
        bits = segment.t("tree")[row]
        return np.array([bool(int(bits[t // 32]) >> (int(t) % 32) & 1) for t in own], bool)
    if isinstance(mask, str) and mask not in ("none", "causal"):
        names = dims["scalars"] | {"i": int(i), "head": head}
        return np.array([sees(mask, names | {"j": int(x)}) for x in j], bool)
    if mask is None or mask == "none":
        return np.ones(j.shape, bool)
    if mask == "causal":
        return j <= i
    if isinstance(mask, dict):
        if "window" in mask:
            return (j <= i) & (j > i - mask["window"])
        if "keep_first" in mask:
            return (j <= i) & ((j < mask["keep_first"]) | (j > i - mask["recent"]))
        if "prefix" in mask:
            return (j <= i) | (j < mask["prefix"])
        if "block" in mask:
            return j // mask["block"] <= i // mask["block"]
    raise Skip(f"the mask {mask}")


def attention(op, dims, t):
    q = t["q"]
    qh, dim, kvh = op["q"]["heads"], op["q"]["dim"], op["kv"]["heads"]
    ragged = "q.indptr" in t
    batch = len(t["q.indptr"]) - 1 if ragged else q.shape[0]
    named = {h for s in op["segment"] if isinstance(s.get("heads"), list) for h in s["heads"]}
    segments = []
    for s in op["segment"]:
        h = s.get("heads", "all")
        heads = list(range(kvh)) if h == "all" else h if isinstance(h, list) else [x for x in range(kvh) if x not in named]
        segments.append(Segment(s, op, t, dims, batch, heads))
    scale = op.get("scale", 1 / np.sqrt(dim))
    v_dim = segments[0].prefix or op["kv"].get("v_dim", dim)
    o = np.zeros((*q.shape[:-1], v_dim))
    lse = np.zeros(q.shape[:-1])
    for b in range(batch):
        rows = slice(*t["q.indptr"][b : b + 2]) if ragged else b
        for head in range(qh):
            kv = head // (qh // kvh)
            own = [s for s in segments if kv in s.heads]
            ks, vs, places, held_by, weights, total = [], [], [], [], [], 0
            for s in own:
                held, n, k, v = s.keys(b)
                at = s.heads.index(kv)
                ks.append(k[:, at])
                vs.append(v[:, at])
                places.append(total + held)
                held_by.append(held)
                weights.append(s.weight(b)[held] if s.weighted else np.zeros(len(held)))
                total += n
            x = q[rows].astype(np.float64)[:, head]
            for i, row in enumerate(x):
                pos = total - len(x) + i
                at = t["q.indptr"][b] + i if ragged else (b, i)
                seen = [visible(s, pos, j, h, head, at, dims) for s, j, h in zip(own, places, held_by)]
                seen = np.concatenate(seen) if seen else np.zeros(0, bool)
                j = np.concatenate(places) if places else np.zeros(0)
                keys = np.concatenate(ks)[seen] if ks else np.zeros((0, dim))
                values = np.concatenate(vs)[seen] if vs else np.zeros((0, v_dim))
                score = scale * (keys @ row)
                if "softcap" in op:
                    score = op["softcap"] * np.tanh(score / op["softcap"])
                if op.get("alibi"):
                    score = score + float(t["alibi"][head]) * (j[seen] - pos)
                score = score + (np.concatenate(weights)[seen] if weights else 0)
                every = score
                if op.get("sink_logit"):
                    every = np.append(score, float(t["sink_logit"][head]))
                if np.all(score == -np.inf):
                    # A row without keys, or of keys that weigh nothing, whatever the sink.
                    y, l = np.zeros(v_dim), -np.inf
                else:
                    m = every.max()
                    m = m if np.isfinite(m) else 0.0
                    den = np.exp(every - m).sum()
                    p = np.exp(score - m) / den
                    y, l = p @ values, m + np.log(den)
                if ragged:
                    o[t["q.indptr"][b] + i, head], lse[t["q.indptr"][b] + i, head] = y, l
                else:
                    o[b, i, head], lse[b, i, head] = y, l
    out = {"o": o}
    if op.get("lse"):
        out["lse"] = lse
    return out


def fields(data, count, bits):
    """Codes of so many bits in the last dimension, little-endian, lowest bit first."""
    flat = np.unpackbits(np.ascontiguousarray(data).view(np.uint8), axis=-1, bitorder="little")
    codes = flat[..., : count * bits].reshape(*flat.shape[:-1], count, bits)
    return (codes * (1 << np.arange(bits))).sum(-1).astype(np.float64)


def coded(t, name, form, k):
    """Codes with scales and zero points, `[.., n, k]`."""
    family = form["format"].rstrip("0123456789")
    bits = int(form["format"][len(family) :] or 2)
    c = fields(t[f"{name}.codes"], k, bits)
    end = 1 << bits
    means = {
        "int": lambda: np.where(2 * c >= end, c - end, c), "uint": lambda: c, "bipolar": lambda: 2 * c - end + 1,
        "ternary": lambda: c - 1,
    }
    if family not in means:
        raise Skip(f"codes of {family}")
    scale = t[f"{name}.scale"].astype(np.float64)
    zero = np.zeros_like(scale)
    if "zero" in form:
        z = t[f"{name}.zero"]
        whole = form["zero"].startswith("uint")
        zero = fields(z, scale.shape[-1], int(form["zero"][4:])) if whole else z.astype(np.float64)
    if "group" in form:
        scale, zero = (np.repeat(x, form["group"], axis=-1) for x in (scale, zero))
    elif scale.shape != (1,) or c.shape[:-1] == (1,):
        scale, zero = scale[..., None], zero[..., None]
    return scale * (means[family]() - zero)


def of_tool(t, name, form):
    """GPTQ: streams of codes in words; AWQ: nibbles of a word are columns 0 2 4 6 1 3 5 7 of eight."""
    scale = t[f"{name}.scales"].astype(np.float64)
    groups, n = scale.shape
    if form["format"] == "awq":
        order = [0, 4, 1, 5, 2, 6, 3, 7]
        c, z = (fields(t[f"{name}.{x}"], n, 4).reshape(-1, n // 8, 8)[..., order].reshape(-1, n) for x in ("qweight", "qzeros"))
        index = np.arange(len(c)) * groups // len(c)
    else:
        bits = form.get("bits", 4)
        words = np.ascontiguousarray(t[f"{name}.qweight"].T)
        k = words.shape[1] * 32 // bits
        c = fields(words, k, bits).T
        z = fields(t[f"{name}.qzeros"], n, bits) + (1 if form.get("version", 1) == 1 else 0)
        index = t[f"{name}.g_idx"] if form.get("act_order") else np.arange(k) * groups // k
    return (scale[index] * (c - z[index])).T


def weight(t, name, form, k):
    if isinstance(form, dict) and form["format"] in ("gptq", "awq"):
        return of_tool(t, name, form)
    if isinstance(form, dict) and f"{name}.codes" in t:
        return coded(t, name, form, k)
    form = form if isinstance(form, str) else form.get("format", "codes")
    if form in GGUF:
        from gguf import GGMLQuantizationType, quants

        return quants.dequantize(t[name], GGMLQuantizationType[form.upper()]).astype(np.float64)
    if name not in t or t[name].dtype == np.uint8:
        raise Skip(f"weights of {form}")
    return t[name].astype(np.float64)


def functions():
    return {
        "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "abs": np.abs,
        "rsqrt": lambda x: 1 / np.sqrt(x), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "f16bits": lambda x: np.asarray(x, np.float64).astype(np.float16).view(np.uint16).astype(np.float64),
        "sum": lambda x: x.sum(-1, keepdims=True), "mean": lambda x: x.mean(-1, keepdims=True),
        "max": lambda x, y=None: x.max(-1, keepdims=True) if y is None else np.where(x > y, x, y),
        "min": lambda x, y=None: x.min(-1, keepdims=True) if y is None else np.where(x < y, x, y),
        "argmax": lambda x: x.argmax(-1)[..., None].astype(np.float64), "select": np.where,
        "block": lambda x, y: x // np.maximum(y, 1),
    }


class Names:
    """What names and elements are: values in float64, or whole numbers inside brackets."""

    def __init__(self, values, whole=None, element=None):
        self.values, self.whole, self.element = values, whole or {}, element


def expression(text, names):
    """Elementwise along the last axis; reductions keep it, with size 1."""
    names = names if isinstance(names, Names) else Names(names)
    text = text.replace("&&", " and ").replace("||", " or ").replace("!=", "<>").replace("!", " not ")
    return walk(ast.parse(text.replace("<>", "!=").strip(), mode="eval").body, names, False)


def walk(node, names, index):
    go = lambda n: walk(n, names, index)
    if isinstance(node, ast.Constant):
        return np.int64(node.value) if index else np.float64(node.value)
    if isinstance(node, ast.Name):
        return (names.whole if index else names.values)[node.id]
    if isinstance(node, ast.Subscript):
        list_ = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        found = names.element(node.value.id, [walk(n, names, True) for n in list_])
        return found.astype(np.int64 if index else np.float64)
    if isinstance(node, ast.UnaryOp):
        return np.logical_not(go(node.operand)) if isinstance(node.op, ast.Not) else -go(node.operand)
    if isinstance(node, ast.BoolOp):
        parts = [go(n) for n in node.values]
        return (np.logical_and if isinstance(node.op, ast.And) else np.logical_or).reduce(np.broadcast_arrays(*parts))
    if isinstance(node, ast.Compare):
        a, b = go(node.left), go(node.comparators[0])
        return {ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
                ast.Eq: np.equal, ast.NotEq: np.not_equal}[type(node.ops[0])](a, b)
    if isinstance(node, ast.Call):
        return functions()[node.func.id](*[go(n) for n in node.args])
    a, b, op = go(node.left), go(node.right), type(node.op)
    if op in (ast.Div, ast.Mod) and index:
        b = np.maximum(b, 1)
        return a // b if op is ast.Div else a % b
    return {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Mod: np.mod}[op](a, b)


def rows(op, dims, t):
    width = op["width"]
    kinds = {n: f.get("kind", "matrix") if isinstance(f, dict) else "matrix" for n, f in op["in"].items()}
    count = dims["scalars"][op["rows"]] if isinstance(op["rows"], str) else op["rows"]
    row, col = np.arange(count)[:, None], np.arange(width)[None, :]
    shaped = {n: t[n][:, None] if k == "column" else t[n] for n, k in kinds.items() if k not in ("table", "list")}
    values = {n: x.astype(np.float64) for n, x in shaped.items()} | {"row": row * 1.0, "col": col * 1.0}
    whole = {n: x.astype(np.int64) for n, x in shaped.items() if x.dtype in (np.int32, np.int64)}
    whole |= {n: np.int64(x) for n, x in dims["scalars"].items()} | {"row": row, "col": col}

    def element(name, at):
        if kinds[name] == "matrix":
            return t[name][row, at[0]]
        if kinds[name] == "table":
            return t[name][at[0], at[1] if len(at) > 1 else col]
        return np.atleast_2d(t[name][at[0]])

    names, out = Names(values, whole, element), {}
    for name, value in op.get("let", {}).items():
        values[name] = expression(value, names)
    for name, form in op["out"].items():
        kind = form.get("kind", "matrix")
        y = np.asarray(expression(form["value"], names), np.float64)
        y = np.broadcast_to(y, (count if kind in ("matrix", "column") else 1, width if kind in ("matrix", "vector") else 1))
        values[name] = y
        if "at" in form:
            tree = ast.parse(form["at"].replace("&&", " and ").replace("||", " or "), mode="eval").body
            at = np.broadcast_to(walk(tree, names, True), (count, 1))[:, 0]
            full = t[name].astype(np.float64).reshape(len(t[name]), int(np.prod(t[name].shape[1:]))).copy()
            full[at[at >= 0]] = y[at >= 0]
            y = full
        out[name] = y
    return out


def product(op, dims, t):
    names = op["w"] if isinstance(op["w"], list) else ["w"]
    if isinstance(op["w"], list) and op["w"] and isinstance(op["w"][0], dict):
        forms = {w["name"]: w if set(w) & {"scale", "group", "per"} else w.get("format", op.get("format")) for w in op["w"]}
        names = list(forms)
    else:
        forms = {n: op.get("format") if isinstance(op["w"], list) else op["w"] for n in names}
    a = t["a"].astype(np.float64) if "a" in t else coded(t, "a", op["a"], op["k"])
    if "prologue" in op:
        a = np.broadcast_to(expression(op["prologue"], {"a": a}), a.shape)
    if "groups" in op:
        # Each row by the weights of its expert.
        counts = np.diff(t["a.indptr"]) if "a.indptr" in t else None
        group = t["group"] if counts is None else np.repeat(np.arange(len(counts)), counts)
        every = {n: weight(t, n, forms[n], op["k"]) for n in names}
        rows = lambda w: np.array([x @ w[g].T for x, g in zip(a, group)]).reshape(len(a), w.shape[1])
        parts = {n: rows(w) for n, w in every.items()}
        if op.get("bias") and t["bias"].ndim == 2:
            t = t | {"bias": t["bias"][group]}
    else:
        parts = {n: a @ weight(t, n, forms[n], op["k"]).T for n in names}
    if "epilogue" in op:
        named = parts if len(names) > 1 else {"x": parts[names[0]]}
        named |= {n: t[n].astype(np.float64) for n in ("bias", "residual") if op.get(n)}
        return {"out": expression(op["epilogue"], named)}
    y = np.concatenate(list(parts.values()), 1)
    for name in ("bias", "residual"):
        if op.get(name):
            y = y + t[name].astype(np.float64)
    return {"out": y}


np.seterr(all="ignore")
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        op = tomllib.loads((folder / "op.toml").read_text())
        dims = json.loads((folder / "dims.json").read_text())
        kinds = {"attention": attention, "mpgemm": product, "rows": rows}
        if op["op"] not in kinds:
            raise Skip(f"ops of kind {op['op']}")
        for name, x in kinds[op["op"]](op, dims, read(folder / "inputs.safetensors")).items():
            np.ascontiguousarray(x, np.float64).tofile(folder / f"{name}.f64")
    except Skip as reason:
        (folder / "skipped").write_text(str(reason))
