#!/usr/bin/env python3
"""All evidence that needs an NVIDIA GPU, in three commands of at most ten minutes each.

usage: hardware.py check|time|profile --kgen PATH --out FOLDER [--minutes 9] [--device cuda:0] [--dry-run]

check    known answers of every matrix instruction against the simulator, bit for bit; `kgen verify` of every op file on the
         device; compute-sanitizer's verdict on five planted mistakes beside the simulator's
time     our kernels beside torch's SDPA (flash, cudnn, efficient), Triton, cuBLAS, torch's int4 and int8 products: events
         over replays of graphs, inputs that no cache holds, medians, ours and theirs in turns
profile  counters of our kernels by ncu: tensor pipe, memory, bank conflicts, sectors, stalls

`--dry-run` runs on any machine: known answers and mistakes in the simulator alone, the rest as the command lines that would
run. Each line of FOLDER/NAME.jsonl is one answer; what the minutes did not suffice for is named. Needs Python 3.9 and, but
for the dry run, compute-sanitizer, ncu and torch. Nothing is fetched.
"""

import argparse
import json
import pathlib
import random
import shutil
import statistics
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
LANES = 32

# Bits of an element of a fragment.
BITS = {"f16": 16, "bf16": 16, "tf32": 32, "f64": 64, "f32": 32, "s32": 32, "s8": 8, "u8": 8, "s4": 4, "u4": 4}
BITS |= {"b1": 1, "e4m3": 8, "e5m2": 8}

# Shape, types of result, left, right and accumulator, what follows, first chip and PTX. One row a form.
FORMS = [
    ("m8n8k4", "f32", "f16", "f16", "f32", "", 70, "6.4"),
    ("m8n8k4", "f16", "f16", "f16", "f16", "", 70, "6.4"),
    ("m16n8k8", "f32", "f16", "f16", "f32", "", 75, "6.5"),
    ("m16n8k8", "f16", "f16", "f16", "f16", "", 75, "6.5"),
    ("m8n8k16", "s32", "s8", "s8", "s32", "", 75, "6.5"),
    ("m8n8k16", "s32", "u8", "s8", "s32", ".satfinite", 75, "6.5"),
    ("m8n8k32", "s32", "u4", "s4", "s32", "", 75, "6.5"),
    ("m8n8k128", "s32", "b1", "b1", "s32", ".xor.popc", 75, "7.0"),
    ("m8n8k4", "f64", "f64", "f64", "f64", "", 80, "7.0"),
    ("m16n8k16", "f32", "f16", "f16", "f32", "", 80, "7.0"),
    ("m16n8k16", "f16", "f16", "f16", "f16", "", 80, "7.0"),
    ("m16n8k8", "f32", "bf16", "bf16", "f32", "", 80, "7.0"),
    ("m16n8k16", "f32", "bf16", "bf16", "f32", "", 80, "7.0"),
    ("m16n8k4", "f32", "tf32", "tf32", "f32", "", 80, "7.0"),
    ("m16n8k8", "f32", "tf32", "tf32", "f32", "", 80, "7.0"),
    ("m16n8k16", "s32", "s8", "s8", "s32", "", 80, "7.0"),
    ("m16n8k32", "s32", "s8", "s8", "s32", "", 80, "7.0"),
    ("m16n8k32", "s32", "u8", "s8", "s32", "", 80, "7.0"),
    ("m16n8k32", "s32", "s8", "u8", "s32", ".satfinite", 80, "7.0"),
    ("m16n8k32", "s32", "s4", "s4", "s32", "", 80, "7.0"),
    ("m16n8k64", "s32", "s4", "s4", "s32", "", 80, "7.0"),
    ("m16n8k64", "s32", "u4", "s4", "s32", "", 80, "7.0"),
    ("m16n8k128", "s32", "b1", "b1", "s32", ".xor.popc", 80, "7.0"),
    ("m16n8k256", "s32", "b1", "b1", "s32", ".xor.popc", 80, "7.0"),
    ("m16n8k256", "s32", "b1", "b1", "s32", ".and.popc", 80, "7.1"),
    ("m16n8k32", "f32", "e4m3", "e4m3", "f32", "", 89, "8.4"),
    ("m16n8k32", "f32", "e5m2", "e5m2", "f32", "", 89, "8.4"),
]

# wgmma, left operand in registers: as above, and what stands behind the operands.
GROUPS = [
    ("m64n8k16", "f32", "f16", "f16", "p, 1, 1, 0"),
    ("m64n8k16", "f32", "bf16", "bf16", "p, 1, 1, 0"),
    ("m64n8k8", "f32", "tf32", "tf32", "p, 1, 1"),
    ("m64n8k32", "s32", "s8", "s8", "p"),
    ("m64n8k32", "s32", "u8", "u8", "p"),
    ("m64n8k32", "f32", "e4m3", "e4m3", "p, 1, 1"),
    ("m64n8k256", "s32", "b1", "b1", "p"),
]


def shape(text):
    """m, n and k of `m16n8k16`."""
    m, rest = text[1:].split("n")
    n, k = rest.split("k")
    return int(m), int(n), int(k)


def numbers(kind, count, rng):
    """Codes of numbers whose products and sums are exact in any order: small integers, or any bits of integers."""
    codes = []
    for _ in range(count):
        x = rng.randint(-4, 4)
        if kind in ("s8", "u8", "s4", "u4", "b1"):
            codes.append(rng.getrandbits(BITS[kind]))
        elif kind == "s32":
            codes.append(rng.randint(-1000, 1000) & 0xFFFFFFFF)
        elif kind == "f64":
            codes.append(struct.unpack("<Q", struct.pack("<d", x))[0])
        elif kind == "f16":
            codes.append(struct.unpack("<H", struct.pack("<e", x))[0])
        elif kind == "bf16":
            codes.append(struct.unpack("<I", struct.pack("<f", x))[0] >> 16)
        elif kind in ("f32", "tf32"):
            codes.append(struct.unpack("<I", struct.pack("<f", x))[0])
        else:
            # 1, 2, 3, 4 by exponent and first bits of the fraction; 3 is 1.5 * 2.
            exponent, half = {0: (None, 0), 1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (2, 0)}[abs(x)]
            bits, bias = (3, 7) if kind == "e4m3" else (2, 15)
            code = 0 if exponent is None else (exponent + bias) << bits | half << (bits - 1)
            codes.append(code | (0x80 if x < 0 else 0))
    return codes


def packed(codes, bits):
    """Bytes of codes, lowest first."""
    whole = 0
    for i, code in enumerate(codes):
        whole |= code << (i * bits)
    return whole.to_bytes(len(codes) * bits // 8, "little")


def write_tensors(path, tensors):
    """safetensors of 32-bit words."""
    header, data = {}, b""
    for name, raw in tensors.items():
        header[name] = {"dtype": "I32", "shape": [len(raw) // 4], "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_tensor(path, name):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    begin, end = json.loads(raw[8 : 8 + size])[name]["data_offsets"]
    return raw[8 + size + begin : 8 + size + end]


def header(version, chip, name):
    return (
        f".version {version}\n.target sm_{chip}\n.address_size 64\n\n.visible .entry {name}(.param .u64 a, .param .u64 b, "
        ".param .u64 c, .param .u64 d)\n{\n"
    )


def loads(what, count, wide, threads):
    """Register i of a thread lies at i times the threads, plus its number."""
    size, kind = (8, "b64") if wide else (4, "b32")
    lines = [f"    ld.param.u64 %q0, [{what}];", f"    mad.wide.u32 %q1, %tid.x, {size}, %q0;"]
    lines[1:] = [f"    mov.u32 %r0, %tid.x;\n    mad.wide.u32 %q1, %r0, {size}, %q0;"]
    lines += [f"    ld.global.{kind} %{what}{i}, [%q1+{i * size * threads}];" for i in range(count)]
    return "\n".join(lines) + "\n"


def registers(form):
    """32-bit registers (64-bit of f64) of a lane: result, left, right."""
    size, d, a, b = form[:4]
    m, n, k = shape(size)
    products = 4 if size == "m8n8k4" and a == "f16" else 1
    count = lambda elements, kind: products * elements * BITS[kind] // LANES // (64 if kind == "f64" else 32)
    return count(m * n, d), count(m * k, a), count(k * n, b)


def answer(form):
    """PTX that does one `mma` on registers from memory."""
    size, d, a, b, c, tail, chip, version = form
    nd, na, nb = registers(form)
    wide = a == "f64"
    kind = ".b64" if wide else ".b32"
    layout = "row.col"
    head = tail if tail == ".satfinite" else ""
    name = f"mma.sync.aligned.{size}.{layout}{head}.{d}.{a}.{b}.{c}" + (tail if "popc" in tail else "")
    types = {"f32": ".f32", "f64": ".f64"}
    group = lambda what, n: "{" + ", ".join(f"%{what}{i}" for i in range(n)) + "}"
    text = header(version, chip, "answer")
    text += "    .reg .b32 %r<1>;\n    .reg .b64 %q<2>;\n"
    text += f"    .reg {types.get(a, kind)} %a<{na}>;\n    .reg {types.get(b, kind)} %b<{nb}>;\n"
    text += f"    .reg {types.get(c, kind)} %c<{nd}>;\n    .reg {types.get(d, kind)} %d<{nd}>;\n"
    text += loads("a", na, wide, LANES) + loads("b", nb, wide, LANES) + loads("c", nd, wide, LANES)
    text += f"    {name} {group('d', nd)}, {group('a', na)}, {group('b', nb)}, {group('c', nd)};\n"
    step = 8 if wide else 4
    text += f"    ld.param.u64 %q0, [d];\n    mad.wide.u32 %q1, %r0, {step}, %q0;\n"
    text += "".join(f"    st.global{kind} [%q1+{i * step * LANES}], %d{i};\n" for i in range(nd))
    return name, text + "    ret;\n}\n", (nd, na, nb), wide


def group_answer(form):
    """PTX of one `wgmma`: the right operand in shared memory, 8 columns of 16-byte rows one after the other."""
    size, d, a, b, tail = form
    m, n, k = shape(size)
    threads = 128
    nd, na = m * n // threads, m * k * BITS[a] // threads // 32
    words = k * n * BITS[b] // 32
    tail = tail.replace("p", "1")
    after = ".and.popc" if a == "b1" else ""
    name = f"wgmma.mma_async.sync.aligned.{size}.{d}.{a}.{b}{after}"
    kind = ".f32" if d == "f32" else ".b32"
    text = header("8.0", "90a", "answer")
    text += "    .reg .b32 %r<4>;\n    .reg .b64 %q<6>;\n    .reg .pred %p<2>;\n"
    text += f"    .reg .b32 %a<{na}>;\n    .reg .b32 %b<1>;\n    .reg {kind} %c<{nd}>;\n"
    text += f"    .shared .align 128 .b8 tile[{words * 4}];\n"
    text += loads("a", na, False, threads) + loads("c", nd, False, threads)
    # Each of the first threads brings a word; the generic proxy's writes are fenced before the asynchronous reads.
    text += f"    setp.lt.u32 %p0, %r0, {words};\n    ld.param.u64 %q0, [b];\n    mad.wide.u32 %q1, %r0, 4, %q0;\n"
    text += "    mov.u32 %r1, tile;\n    shl.b32 %r2, %r0, 2;\n    add.u32 %r3, %r1, %r2;\n"
    text += "    @%p0 ld.global.b32 %b0, [%q1];\n    @%p0 st.shared.b32 [%r3], %b0;\n"
    text += "    fence.proxy.async;\n    bar.sync 0;\n"
    # Core matrices of 8 columns by 16 bytes, 128 bytes apart along k.
    text += "    shr.u32 %r2, %r1, 4;\n    cvt.u64.u32 %q2, %r2;\n    and.b64 %q3, %q2, 16383;\n"
    text += f"    or.b64 %q4, %q3, {(128 >> 4) << 16 | (256 >> 4) << 32};\n"
    group = lambda what, n: "{" + ", ".join(f"%{what}{i}" for i in range(n)) + "}"
    text += "    wgmma.fence.sync.aligned;\n"
    text += f"    {name} {group('c', nd)}, {group('a', na)}, %q4, {tail};\n"
    text += "    wgmma.commit_group.sync.aligned;\n    wgmma.wait_group.sync.aligned 0;\n"
    text += "    ld.param.u64 %q0, [d];\n    mad.wide.u32 %q1, %r0, 4, %q0;\n"
    text += "".join(f"    st.global{kind} [%q1+{i * 4 * threads}], %c{i};\n" for i in range(nd))
    return name, text + "    ret;\n}\n", (nd, na, words), threads


# Five mistakes, each found by one tool of compute-sanitizer: name, tool, arguments, body. x has 64 words, y is never written.
PLANTED = [
    ("a store behind the end", "memcheck", "", "    st.global.b32 [%q1+256], %r0;\n"),
    ("a misaligned load", "memcheck", "", "    ld.global.b32 %r1, [%q0+2];\n    st.global.b32 [%q1], %r1;\n"),
    (
        "no barrier between a store and another thread's load",
        "racecheck",
        "    .shared .align 4 .b8 s[256];\n",
        "    mov.u32 %r1, s;\n    shl.b32 %r2, %r0, 2;\n    add.u32 %r3, %r1, %r2;\n    st.shared.b32 [%r3], %r0;\n"
        "    sub.u32 %r4, 252, %r2;\n    add.u32 %r5, %r1, %r4;\n    ld.shared.b32 %r6, [%r5];\n"
        "    st.global.b32 [%q1], %r6;\n",
    ),
    (
        "a load of what nobody wrote",
        "initcheck",
        "",
        "    ld.param.u64 %q2, [y];\n    ld.global.b32 %r1, [%q2];\n    st.global.b32 [%q1], %r1;\n",
    ),
    (
        "a barrier that half of the threads reach",
        "synccheck",
        "",
        "    setp.lt.u32 %p0, %r0, 16;\n    @%p0 bra WAIT;\n    bra END;\nWAIT:\n    bar.sync 0;\nEND:\n"
        "    st.global.b32 [%q1], %r0;\n",
    ),
]


def mistake(shared, body):
    return (
        ".version 7.0\n.target sm_80\n.address_size 64\n\n.visible .entry planted(.param .u64 x, .param .u64 y)\n{\n"
        "    .reg .b32 %r<8>;\n    .reg .b64 %q<4>;\n    .reg .pred %p<2>;\n" + shared + "    mov.u32 %r0, %tid.x;\n"
        "    ld.param.u64 %q0, [x];\n    mad.wide.u32 %q1, %r0, 4, %q0;\n" + body + "    ret;\n}\n"
    )


class Run:
    """Where answers go, and how long there is."""

    def __init__(self, args):
        self.args = args
        self.end = time.monotonic() + 60 * args.minutes
        self.folder = pathlib.Path(args.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = open(self.folder / f"{args.what}.jsonl", "w", encoding="utf-8")
        self.bad = 0
        self.left_out = []

    def tell(self, **answer):
        self.bad += answer.get("ok") is False
        line = json.dumps(answer)
        self.file.write(line + "\n")
        self.file.flush()
        print(line, flush=True)

    def late(self, what, seconds=20):
        """Whether there is no time for it any more."""
        if time.monotonic() + seconds < self.end:
            return False
        self.left_out.append(what)
        return True

    def call(self, words, limit=120):
        """Exit code, stdout, stderr."""
        words = [str(w) for w in words]
        left = max(5, min(limit, self.end - time.monotonic()))
        try:
            ran = subprocess.run(words, capture_output=True, text=True, timeout=left, check=False)
        except subprocess.TimeoutExpired:
            return 124, "", f"longer than {left:.0f} s"
        return ran.returncode, ran.stdout, ran.stderr

    def finish(self):
        self.tell(left_out=self.left_out, wrong=self.bad)
        return 1 if self.bad else 0


def known_answers(run):
    """Every form: the device's bits and the simulator's."""
    args, rng = run.args, random.Random(1)
    folder = run.folder / "answers"
    folder.mkdir(exist_ok=True)
    made = []
    for form in FORMS:
        name, text, counts, wide = answer(form)
        made.append((name, text, counts, wide, LANES, form[1:5]))
    for form in GROUPS:
        name, text, (nd, na, words), threads = group_answer(form)
        made.append((name, text, (nd, na, words), False, threads, (form[1], form[2], form[3], form[1])))
    for number, (name, text, (nd, na, nb), wide, threads, (d, a, b, c)) in enumerate(made):
        if run.late(name, 5):
            continue
        path = folder / f"{number}.ptx"
        path.write_text(text)
        bits = 64 if wide else 32
        of = lambda kind, regs, t: packed(numbers(kind, regs * t * bits // BITS[kind], rng), BITS[kind])
        # The right operand of a group is one tile of words.
        right = of(b, nb, 1) if threads == 128 else of(b, nb, threads)
        zeros = bytes(nd * threads * bits // 8)
        tensors = {"a": of(a, na, threads), "b": right, "c": of(c, nd, threads), "d": zeros}
        inputs = folder / f"{number}.in.safetensors"
        write_tensors(inputs, tensors)
        got = {}
        for where in ["sim"] + ([] if args.dry_run else [args.device]):
            out = folder / f"{number}.{where.replace(':', '')}.safetensors"
            words = [args.kgen, "sim", path, "--block", threads, "--inputs", inputs, "--outputs", out]
            words += [w for name_ in "abcd" for w in ("--arg", f"buf:{name_}")]
            code, _, said = run.call(words + ([] if where == "sim" else ["--on", where]))
            got[where] = read_tensor(out, "d") if code == 0 else f"exit {code}: {said.strip()[-300:]}"
        ours, theirs = got["sim"], got.get(args.device)
        ok = isinstance(ours, bytes) and ours != zeros and (args.dry_run or theirs == ours)
        more = {} if ok else {"told": {k: v if isinstance(v, str) else v.hex() for k, v in got.items()}}
        run.tell(answer=name, ok=ok, against="the simulator alone" if args.dry_run else args.device, **more)


def verify(run):
    """Every op file on the device against the reference."""
    for op in sorted((ROOT / "ops").glob("*.toml")):
        words = [run.args.kgen, "--format", "json", "--no-cache", "verify", op, "--on", run.args.device, "--cases", 6]
        if run.args.dry_run:
            run.tell(would=" ".join(map(str, words)))
            continue
        if run.late(f"verify {op.stem}"):
            continue
        code, out, said = run.call(words)
        answers = [json.loads(line) for line in out.splitlines()] or [{"op": op.stem, "told": said.strip()[-300:]}]
        run.tell(verify=answers[0], ok=code in (0, 4))


def planted(run):
    """Five mistakes: what the simulator and compute-sanitizer say."""
    args = run.args
    folder = run.folder / "planted"
    folder.mkdir(exist_ok=True)
    write_tensors(folder / "x.safetensors", {"x": bytes(256)})
    tool = shutil.which("compute-sanitizer")
    for number, (name, check, shared, body) in enumerate(PLANTED):
        path = folder / f"{number}.ptx"
        path.write_text(mistake(shared, body))
        words = [args.kgen, "sim", path, "--block", 64, "--inputs", folder / "x.safetensors"]
        words += ["--buffer", "y=i32[64]", "--arg", "buf:x", "--arg", "buf:y"]
        code, out, said = run.call(words)
        # The finding that the tool's name promises, where there are several.
        lines = sorted(out.splitlines()[:-1], key=lambda line: check[:4] not in line)
        ours = lines[0] if code == 1 and lines else f"exit {code}: {said.strip()}"
        sanitizer = [tool or "compute-sanitizer", "--tool", check, "--error-exitcode", 9, *words, "--on", args.device]
        if args.dry_run:
            theirs, found = "would run: " + " ".join(map(str, sanitizer)), True
        elif tool is None:
            theirs, found = "compute-sanitizer is not there", True
        else:
            other, out, said = run.call(sanitizer)
            lines = [line for line in (out + said).splitlines() if line.startswith("=========")]
            theirs, found = " ".join(lines[1:3]) or f"exit {other}", other == 9
        run.tell(planted=name, tool=check, ours=ours, theirs=theirs, both=code == 1 and found, ok=code == 1)


ATTENTION = """op = "attention"
name = "{name}"
q = {{ dtype = "f16", heads = {heads}, dim = {dim}, batch = "b"{rows} }}
kv = {{ dtype = "f16", heads = {kv} }}
out = "f16"

[[segment]]
len = "n"
{mask}
"""

GEMM = """op = "mpgemm"
name = "{name}"
m = "m"
n = {n}
k = {k}
a = "{a}"
w = {w}
out = "{out}"
"""


def cells():
    """What is timed: op file, sizes, what rivals compute."""
    for dim in (64, 128, 256):
        for n in (1024, 4096, 16384):
            heads = 2048 // dim
            text = ATTENTION.format(
                name=f"prefill_{dim}", heads=heads, dim=dim, kv=heads, rows=', len = "m"', mask='mask = "causal"'
            )
            yield text, {"b": 1, "m": n, "n": n}, ("attention", 1, n, n, heads, heads, dim, True)
    for batch in (1, 16, 64):
        for n in (4096, 32768):
            for group in (1, 4, 8):
                if batch * n * (32 // group) * 128 * 4 > 24 << 30:
                    continue
                text = ATTENTION.format(name=f"decode_g{group}", heads=32, dim=128, kv=32 // group, rows="", mask="")
                yield text, {"b": batch, "n": n}, ("attention", batch, 1, n, 32, 32 // group, 128, False)
    for n, k in ((14336, 4096), (28672, 8192)):
        for m in (1, 16, 64, 512, 4096):
            w4 = '{ format = "uint4", group = 128, scale = "f16", zero = "uint4" }'
            yield GEMM.format(name="w4a16", n=n, k=k, a="f16", w=w4, out="f16"), {"m": m}, ("int4", m, n, k)
            w8 = '{ format = "int8", group = 128, scale = "f16" }'
            text = GEMM.format(name="w8a8", n=n, k=k, a="f32", w=w8, out="f32") + 'compute = "int_dot"\n'
            yield text, {"m": m}, ("int8", m, n, k)
    for size in (4096, 8192):
        text = GEMM.format(name="bf16", n=size, k=size, a="bf16", w='"bf16"', out="bf16")
        yield text, {"m": size}, ("bf16", size, size, size)


def rivals(what):
    """Names of functions on fresh tensors, and those tensors; the functions are captured and replayed."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    torch.manual_seed(1)
    on = {"device": "cuda"}
    half = lambda *s: torch.randn(*s, dtype=torch.float16, **on)
    kind, *sizes = what
    if kind == "attention":
        b, m, n, heads, kv, dim, causal = sizes
        make = lambda: (half(b, heads, m, dim), half(b, kv, n, dim), half(b, kv, n, dim))

        def sdpa(backend):
            def run(q, k, v):
                with sdpa_kernel(backend):
                    f = torch.nn.functional.scaled_dot_product_attention
                    return f(q, k, v, is_causal=causal, enable_gqa=heads != kv)

            return run

        list_ = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
        list_ |= {"efficient": SDPBackend.EFFICIENT_ATTENTION}
        out = {f"sdpa {name}": sdpa(backend) for name, backend in list_.items()}
        if causal and dim in (64, 128) and heads == kv:
            out["triton"] = triton_attention(n, heads, dim)
        return out, make
    m, n, k = sizes
    if kind == "bf16":
        make = lambda: (torch.randn(m, k, dtype=torch.bfloat16, **on), torch.randn(k, n, dtype=torch.bfloat16, **on))
        return {"cublas bf16": torch.mm}, make
    if kind == "int8":
        make = lambda: tuple(torch.randint(-127, 127, s, dtype=torch.int8, **on) for s in ((max(m, 32), k), (k, n)))
        return {"torch._int_mm": torch._int_mm}, make

    def make():
        codes = torch.randint(0, 255, (n, k // 2), dtype=torch.uint8, **on)
        packed_ = torch._convert_weight_to_int4pack(codes, 8)
        scales = torch.randn(k // 128, n, 2, dtype=torch.bfloat16, **on)
        return torch.randn(m, k, dtype=torch.bfloat16, **on), packed_, scales, torch.randn(k, n, dtype=torch.bfloat16, **on)

    int4 = lambda a, w, s, _: torch._weight_int4pack_mm(a, w, 128, s)
    return {"torch int4": int4, "cublas bf16": lambda a, w, s, d: torch.mm(a, d)}, make


def triton_attention(n, heads, dim):
    """The kernel of the witness, in its own layout [heads, n, dim]."""
    sys.path.insert(0, str(ROOT / "tests" / "witness"))
    import torch
    import triton_ptx

    def run(q, k, v):
        o = torch.empty_like(q)
        grid = (-(-n // 128), heads)
        triton_ptx.attention[grid](q, k, v, o, dim**-0.5, n, D=dim, M=128, N=64, num_warps=8, num_stages=2)
        return o

    return run


def theirs(function, make, budget=0.2):
    """Median seconds of a call: graphs over copies of the tensors that no cache holds."""
    import torch

    first = make()
    size = sum(t.numel() * t.element_size() for t in first)
    copies = [first] + [make() for _ in range(min(64, max(2, (512 << 20) // max(size, 1))))]
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(2):
            function(*first)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            for tensors in copies:
                function(*tensors)
        times, start = [], time.monotonic()
        while len(times) < 5 or (time.monotonic() - start < budget and len(times) < 50):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record(stream)
            graph.replay()
            end.record(stream)
            end.synchronize()
            times.append(begin.elapsed_time(end) / 1e3 / len(copies))
    return statistics.median(times)


def ours(run, path, sizes):
    words = [run.args.kgen, "--format", "json", "bench", path, "--on", run.args.device, "--reps", 15]
    words += [w for name, value in sizes.items() for w in ("--set", f"{name}={value}")]
    if run.args.dry_run:
        return {"would": " ".join(map(str, words))}
    code, out, said = run.call(words)
    return json.loads(out.splitlines()[-1]) if out else {"reason": f"exit {code}: {said.strip()[-200:]}"}


def timing(run):
    folder = run.folder / "timed"
    folder.mkdir(exist_ok=True)
    for number, (text, sizes, what) in enumerate(cells()):
        path = folder / f"{number}.toml"
        path.write_text(text)
        name = f"{what[0]} {sizes}"
        if run.args.dry_run:
            code, _, said = run.call([run.args.kgen, "check", path])
            run.tell(cell=name, ok=code == 0, **({} if code == 0 else {"told": said}), **ours(run, path, sizes))
            continue
        if run.late(name, 30):
            continue
        seen = {}
        # In turns: ours, theirs, ours; the better of our two and all of them are told.
        mine = [ours(run, path, sizes)]
        functions, make = rivals(what)
        for rival, function in functions.items():
            try:
                seen[rival] = theirs(function, make)
            except Exception as error:  # pylint: disable=broad-except
                seen[rival] = str(error).splitlines()[0][:200]
        mine.append(ours(run, path, sizes))
        seconds = [m["median_s"] for m in mine if "median_s" in m]
        ratios = {r: round(t / min(seconds), 3) for r, t in seen.items() if seconds and isinstance(t, float)}
        run.tell(cell=name, ours=mine, theirs=seen, ratios=ratios)


METRICS = ",".join(
    [
        "sm__inst_executed_pipe_tensor.sum",
        "sm__throughput.avg.pct_of_peak_sustained_elapsed",
        "dram__throughput.avg.pct_of_peak_sustained_elapsed",
        "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum",
        "smsp__sass_average_data_bytes_per_sector_mem_global_op_ld.pct",
        "launch__registers_per_thread",
        "sm__warps_active.avg.pct_of_peak_sustained_active",
    ]
)


def profile(run):
    folder = run.folder / "timed"
    folder.mkdir(exist_ok=True)
    chosen = [0, 4, 9, 13, 24, 27, 32, 33]
    for number, (text, sizes, what) in enumerate(cells()):
        if number not in chosen:
            continue
        path = folder / f"{number}.toml"
        path.write_text(text)
        words = ["ncu", "--clock-control", "none", "--csv", "--launch-count", 3, "--metrics", METRICS, run.args.kgen]
        words += ["run", path, "--on", run.args.device] + [w for n, v in sizes.items() for w in ("--set", f"{n}={v}")]
        if run.args.dry_run:
            run.tell(would=" ".join(map(str, words)))
        elif not run.late(f"ncu {what[0]} {sizes}", 30):
            code, out, said = run.call(words)
            run.tell(profile=f"{what[0]} {sizes}", code=code, csv=out[-6000:], told=said[-300:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["check", "time", "profile"])
    parser.add_argument("--kgen", required=True, type=pathlib.Path, help="the binary, built with --release")
    parser.add_argument("--out", required=True, help="folder of the answers")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--dry-run", action="store_true")
    args = parser.parse_args()
    if not args.kgen.is_file():
        parser.error(f"--kgen {args.kgen}: no such file")
    if args.minutes <= 0:
        parser.error("--minutes: more than none")
    args.kgen = args.kgen.resolve()
    if not args.dry_run:
        told = subprocess.run([str(args.kgen), "targets"], capture_output=True, text=True, check=False).stdout
        mine = [line for line in told.splitlines() if line.startswith(args.device + ":")]
        if not mine:
            reason = next((line for line in told.splitlines() if line.startswith("cuda")), "kgen sees none")
            print(f"no GPU at hand: {reason}", file=sys.stderr)
            return 4
        print(mine[0], flush=True)
    run = Run(args)
    if args.what == "check":
        known_answers(run)
        planted(run)
        verify(run)
    elif args.what == "time":
        timing(run)
    else:
        profile(run)
    return run.finish()


if __name__ == "__main__":
    sys.exit(main())
