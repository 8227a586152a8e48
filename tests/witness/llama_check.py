"""A Llama-family network in numpy and float64, written from its papers alone: a second opinion on `kgen decode`.

usage: llama_check.py FOLDER      FOLDER/runs.json: [{"name", "model", "prompt", "tokens", "logits", "kind", "cache"}, ...]

Weights and metadata come by the package gguf. Keys and values are rounded as the cache keeps them. For each
run, the logits of kgen behind every token after the prompt are beside those computed here for the same tokens:
  kind "own"     kgen chose the tokens: each is the likeliest here, too, unless the gap is below twice the bound
  kind "forced"  the tokens of another run: how far the distributions are apart (Kullback-Leibler, in nats), from
                 those of these weights and from those of the run whose tokens they are
"""

import json
import pathlib
import sys

import gguf
import numpy as np

# What a logit may be off, by the type of the cache: f32 products and sums of some hundred terms, and keys that fall to
# the other side when they are rounded, through a few layers.
BOUND = {"f16": 5e-3, "bf16": 4e-2, "f32": 1e-4}
# Nats that rounding weights, and activations to 8 bits, may cost.
APART = 1e-2


def rounded(x, elem):
    """To nearest, ties to even."""
    if elem == "f16":
        return x.astype(np.float16).astype(np.float64)
    if elem == "bf16":
        bits = x.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).view(np.float32).astype(np.float64)
    return x.astype(np.float32).astype(np.float64)


class Model:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.t = {}
        for t in reader.tensors:
            values = gguf.dequantize(t.data, t.tensor_type).astype(np.float64)
            self.t[t.name] = values.reshape([int(x) for x in reversed(t.shape)])
        arch = reader.get_field("general.architecture").contents()
        self.halves = arch == "qwen2"

        def key(name, default=None):
            field = reader.get_field(f"{arch}.{name}")
            return default if field is None else field.contents()

        self.layers, self.width = key("block_count"), key("embedding_length")
        self.heads = key("attention.head_count")
        each = key("attention.head_count_kv", self.heads)
        self.kv_heads = each if isinstance(each, int) else each[0]
        self.epsilon = key("attention.layer_norm_rms_epsilon")
        self.dim = key("attention.key_length", self.width // self.heads)
        self.turned = key("rope.dimension_count", self.dim)
        i = np.arange(0, self.turned, 2)
        self.frequencies = key("rope.freq_base", 10000.0) ** (-i / self.turned) / key("rope.scaling.factor", 1.0)
        if "rope_freqs.weight" in self.t:
            self.frequencies = self.frequencies / self.t["rope_freqs.weight"]

    def weight(self, name, x):
        y = x @ self.t[f"{name}.weight"].T
        return y + self.t[f"{name}.bias"] if f"{name}.bias" in self.t else y

    def norm(self, name, x):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.t[f"{name}.weight"]

    def rope(self, x):
        """x [tokens, heads, dim]"""
        angle = np.arange(len(x))[:, None, None] * self.frequencies
        cos, sin = np.cos(angle), np.sin(angle)
        half = self.turned // 2
        first = slice(0, half) if self.halves else slice(0, self.turned, 2)
        second = slice(half, self.turned) if self.halves else slice(1, self.turned, 2)
        y = x.copy()
        y[..., first] = x[..., first] * cos - x[..., second] * sin
        y[..., second] = x[..., first] * sin + x[..., second] * cos
        return y

    def logits(self, ids, cache="f16"):
        n = len(ids)
        x = self.t["token_embd.weight"][ids]
        hidden = np.triu(np.ones((n, n), bool), 1)
        for i in range(self.layers):
            b = f"blk.{i}."
            h = self.norm(b + "attn_norm", x)
            q = self.rope(self.weight(b + "attn_q", h).reshape(n, self.heads, -1))
            k = self.rope(self.weight(b + "attn_k", h).reshape(n, self.kv_heads, -1))
            v = self.weight(b + "attn_v", h).reshape(n, self.kv_heads, -1)
            k, v = rounded(k, cache), rounded(v, cache)
            out = []
            for head in range(self.heads):
                kv = head // (self.heads // self.kv_heads)
                s = q[:, head] @ k[:, kv].T / np.sqrt(self.dim)
                s[hidden] = -np.inf
                p = np.exp(s - s.max(-1, keepdims=True))
                out.append(p / p.sum(-1, keepdims=True) @ v[:, kv])
            x = x + self.weight(b + "attn_output", np.concatenate(out, -1))
            h = self.norm(b + "ffn_norm", x)
            gate = self.weight(b + "ffn_gate", h)
            x = x + self.weight(b + "ffn_down", gate / (1 + np.exp(-gate)) * self.weight(b + "ffn_up", h))
        x = self.norm("output_norm", x)
        last = "output.weight" if "output.weight" in self.t else "token_embd.weight"
        return x @ self.t[last].T


def apart(a, b):
    """Of the distributions of two lists of logits."""
    log = lambda x: x - x.max(-1, keepdims=True) - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True))
    a, b = log(a), log(b)
    return (np.exp(a) * (a - b)).sum(-1)


def main(folder):
    models, wrong = {}, []
    own, forced = {}, {}
    for run in json.loads((folder / "runs.json").read_text()):
        if run["model"] not in models:
            models[run["model"]] = Model(run["model"])
        prompt, tokens = run["prompt"], run["tokens"]
        ours = np.fromfile(folder / run["logits"], np.float32).reshape(len(tokens), -1).astype(np.float64)
        full = lambda model: models[model].logits(prompt + tokens, run["cache"])[len(prompt) - 1 : -1]
        bound = BOUND[run["cache"]]
        theirs = full(run["model"])
        off = np.abs(ours - theirs).max()
        if run["kind"] == "own":
            sum_ = own.setdefault(run["name"], [0, 0, 0.0])
            sum_[0] += len(tokens)
            sum_[2] = max(sum_[2], off)
            for step, (token, row) in enumerate(zip(tokens, theirs)):
                gap = row.max() - row[token]
                sum_[1] += gap > 0
                if gap > 2 * bound:
                    wrong.append(f"{run['name']}, step {step}: token {token}, here {row.argmax()}, gap {gap}")
            if not off <= bound:
                wrong.append(f"{run['name']}: a logit is off by {off}")
        else:
            whole = full(run["of"])
            all_ = forced.setdefault(run["name"], {"own": [], "whole": [], "format": [], "other": None})
            all_["own"] += list(apart(theirs, ours))
            all_["whole"] += list(apart(whole, ours))
            all_["format"] += list(apart(whole, theirs))
            for step, (token, row) in enumerate(zip(tokens, ours)):
                if all_["other"] is None and row.argmax() != token:
                    best = np.sort(whole[step])
                    gap = f"{best[-1] - best[-2]:.3f}"
                    all_["other"] = f"prompt {run['number']}, step {step}, logit gap of the whole model {gap}"
    for name, (count, flips, off) in own.items():
        print(f"{name}: {count} tokens agree with numpy, {flips} of them within the bound; logits within {off:.1e}")
    for name, all_ in forced.items():
        mean = {k: np.mean(all_[k]) for k in ("own", "whole", "format")}
        worst = {k: np.max(all_[k]) for k in ("own", "whole", "format")}
        print(
            f"{name}: KL {mean['whole']:.1e} from f32 (worst {worst['whole']:.1e}), of which the format {mean['format']:.1e}; "
            f"{mean['own']:.1e} from numpy on the same blocks (worst {worst['own']:.1e}); "
            f"first other token: {all_['other'] or 'none'}"
        )
        for what in ("own", "whole"):
            if not mean[what] <= APART:
                wrong.append(f"{name}: {mean[what]} nats apart ({what})")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
