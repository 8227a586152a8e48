"""Trains the model of the examples: a Llama small enough to be committed, whose outputs are words.

usage: train_words.py OUT.gguf     needs the packages torch, numpy and gguf; ten minutes on two cores

Text: documents of this repository as they stood in COMMIT, so that the same commit gives the same text later.
Vocabulary: the 256 bytes, merges of byte pairs learned here, one token that begins and one that ends a text.
Made with Python 3.11, torch 2.15.0, numpy 2.4.6, gguf 0.19.0. The seed says every draw; other versions of torch, or
another CPU, round otherwise, and give a model as good but not the same bytes.

Weights are trained to bear being rounded to blocks of Q4_0: half of the loss is taken with rounded ones, both outputs
are pulled together, also on texts of pieces that do not belong together, and later the weights to what they round to.
A model this small has no redundancy by itself, and its rounded forms would be other models.
"""

import collections
import math
import re
import subprocess
import sys

import gguf
import numpy as np
import torch
import torch.nn.functional as F

COMMIT = "885369b"
TEXTS = ["ARCHITECTURE.md", "README.md", "LICENSE-APACHE", "LICENSE-MIT", "CHANGELOG.md"]
SEED = 20
STEPS = int(sys.argv[2]) if len(sys.argv) > 2 else 2200

VOCABULARY = 512
LAYERS, WIDTH, HEADS, KV_HEADS, HIDDEN = 3, 96, 6, 2, 256
DIM = WIDTH // HEADS
CONTEXT, BATCH = 256, 12
BASE, EPSILON = 10000.0, 1e-5

# The split of GPT-2, on text without letters beyond ASCII.
SPLIT = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def characters():
    """GPT-2 writes each byte as a character that can be seen."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in seen]
    return {b: chr(b) for b in seen} | {b: chr(256 + i) for i, b in enumerate(hidden)}


def learn(texts):
    """Tokens in the order of their numbers, and the merges."""
    byte = characters()
    words = collections.Counter()
    for text in texts:
        words.update(SPLIT.findall(text))
    words = {tuple(byte[b] for b in w.encode()): n for w, n in words.items()}
    tokens = [byte[b] for b in sorted(byte, key=lambda b: ord(byte[b]))]
    merges = []
    while len(tokens) < VOCABULARY - 2:
        pairs = collections.Counter()
        for w, n in words.items():
            for pair in zip(w, w[1:]):
                pairs[pair] += n
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        tokens.append("".join(best))
        words = {merged(w, best): n for w, n in words.items()}
    return tokens + ["<|begin|>", "<|end|>"], merges


def merged(word, pair):
    out, i = [], 0
    while i < len(word):
        if word[i : i + 2] == pair:
            out.append("".join(pair))
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def encode(text, tokens, merges):
    byte, number = characters(), {t: i for i, t in enumerate(tokens)}
    rank = {m: i for i, m in enumerate(merges)}
    out = []
    for w in SPLIT.findall(text):
        w = tuple(byte[b] for b in w.encode())
        while True:
            pairs = [p for p in zip(w, w[1:]) if p in rank]
            if not pairs:
                break
            w = merged(w, min(pairs, key=rank.get))
        out += [number[t] for t in w]
    return out


def shapes():
    out = {"token_embd": (VOCABULARY, WIDTH), "output": (VOCABULARY, WIDTH), "output_norm": (WIDTH,)}
    for i in range(LAYERS):
        for name, shape in {
            "attn_norm": (WIDTH,), "attn_q": (WIDTH, WIDTH), "attn_k": (KV_HEADS * DIM, WIDTH),
            "attn_v": (KV_HEADS * DIM, WIDTH), "attn_output": (WIDTH, WIDTH), "ffn_norm": (WIDTH,),
            "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH), "ffn_down": (WIDTH, HIDDEN),
        }.items():
            out[f"blk.{i}.{name}"] = shape
    return out


def blocks(w):
    """The values of Q4_0; the gradient passes by."""
    x = w.detach().reshape(-1, 32)
    top = x.gather(1, x.abs().argmax(1, keepdim=True)) / -8
    codes = torch.floor(x * torch.where(top == 0, 0, 1 / top) + 8.5).clamp(0, 15) - 8
    return w + ((codes * top.half().float()).reshape(w.shape) - w).detach()


def norm(x, g):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + EPSILON) * g


def rope(x, cos, sin):
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def forward(p, ids):
    n = ids.shape[1]
    angle = torch.arange(n)[:, None] * BASE ** (-torch.arange(0, DIM, 2) / DIM)
    cos, sin = angle.cos(), angle.sin()
    x = p["token_embd"][ids]
    for i in range(LAYERS):
        w = lambda name: p[f"blk.{i}.{name}"]
        h = norm(x, w("attn_norm"))
        heads = lambda t, count: t.reshape(*t.shape[:2], count, DIM).transpose(1, 2)
        q = rope(heads(h @ w("attn_q").T, HEADS), cos, sin)
        k = rope(heads(h @ w("attn_k").T, KV_HEADS), cos, sin)
        v = heads(h @ w("attn_v").T, KV_HEADS)
        k, v = (t.repeat_interleave(HEADS // KV_HEADS, 1) for t in (k, v))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + o.transpose(1, 2).flatten(2) @ w("attn_output").T
        h = norm(x, w("ffn_norm"))
        x = x + (F.silu(h @ w("ffn_gate").T) * (h @ w("ffn_up").T)) @ w("ffn_down").T
    return norm(x, p["output_norm"]) @ p["output"].T


def train(ids, bos):
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    p = {}
    for name, shape in shapes().items():
        p[name] = torch.ones(shape) if len(shape) == 1 else torch.randn(shape) * (0.6 / math.sqrt(shape[1]))
        p[name].requires_grad_()
    matrices = [w for w in p.values() if w.dim() == 2]
    vectors = [w for w in p.values() if w.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=4e-3, betas=(0.9, 0.98))
    plan = lambda s: min(1, s / 100) * (0.5 + 0.5 * math.cos(math.pi * s / STEPS)) + 0.002
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, plan)
    for step in range(STEPS):
        length = 128 if step % 4 else CONTEXT
        count = BATCH * CONTEXT // length // 2
        starts = torch.randint(0, len(ids) - length, (count,)).tolist()
        rows = torch.stack([ids[s : s + length] for s in starts])
        # Every other row is of pieces from anywhere.
        for row in rows[::2]:
            at = 0
            while at < length:
                size = min(int(torch.randint(4, 40, ())), length - at)
                start = int(torch.randint(0, len(ids) - size, ()))
                row[at : at + size] = ids[start : start + size]
                at += size
        given = torch.cat((torch.full((count, 1), bos), rows[:, :-1]), 1)
        wanted = rows.flatten()
        full = forward(p, given).flatten(0, 1)
        coarse = forward({k: blocks(w) if w.dim() == 2 else w for k, w in p.items()}, given).flatten(0, 1)
        loss = F.cross_entropy(full, wanted) + F.cross_entropy(coarse, wanted)
        apart = F.kl_div(F.log_softmax(coarse, -1), F.log_softmax(full, -1), log_target=True, reduction="batchmean")
        adam.zero_grad()
        (loss + 8 * apart).backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        adam.step()
        schedule.step()
        if step > STEPS // 2:
            with torch.no_grad():
                for w in matrices:
                    w += 0.01 * (blocks(w) - w)
        if step % 100 == 0 or step == STEPS - 1:
            print(f"step {step}: loss {loss.item() / 2:.4f}, apart {apart.item():.5f}", flush=True)
    return {name: w.detach().numpy() for name, w in p.items()}


def write(path, p, tokens, merges):
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("kgen words")
    w.add_description(f"trained by tests/witness/train_words.py on the documents of commit {COMMIT}, seed {SEED}")
    w.add_license("MIT OR Apache-2.0")
    w.add_block_count(LAYERS)
    w.add_context_length(CONTEXT)
    w.add_embedding_length(WIDTH)
    w.add_feed_forward_length(HIDDEN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_layer_norm_rms_eps(EPSILON)
    w.add_rope_dimension_count(DIM)
    w.add_rope_freq_base(BASE)
    w.add_vocab_size(VOCABULARY)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    w.add_token_types([control if t.startswith("<|") else normal for t in tokens])
    w.add_token_merges([" ".join(m) for m in merges])
    w.add_bos_token_id(VOCABULARY - 2)
    w.add_eos_token_id(VOCABULARY - 1)
    w.add_add_bos_token(True)
    for name, x in p.items():
        w.add_tensor(f"{name}.weight", x.astype(np.float16 if x.ndim == 2 else np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


show = lambda name: subprocess.run(["git", "show", f"{COMMIT}:{name}"], check=True, capture_output=True, text=True).stdout
texts = [show(name) for name in TEXTS]
tokens, merges = learn(texts)
ids = []
for text in texts:
    ids += encode(text, tokens, merges) + [VOCABULARY - 1]
print(f"{len(ids)} tokens of {sum(map(len, texts))} characters")
write(sys.argv[1], train(torch.tensor(ids), VOCABULARY - 2), tokens, merges)
