"""ONNX Runtime, OpenVINO or PyTorch as a rival that waits for its turns: `worker.py ort`, `openvino` or `torch`.

Words come on standard input, a line each; every line is answered by one:

    name                                                      name onnxruntime 1.23
    case mm bits=4 group=32 m=1 n=11008 k=4096 threads=4      ready
    case attention kv=f16 heads=32 b=1 m=1 n=8192 threads=4   ready
    turn                                                      seconds 3.1e-4
    error                                                     error 4.2e-3

Attention: so many query heads over 8 heads of keys, m queries of each of b sequences over n keys, causal; or one query of
each over p keys that all share and s of its own (`heads=32 b=32 p=8192 s=128`).

A case that the rival does not have is answered by `no REASON`. Weights and keys are random, in as many copies as fill
400 MB where one row or query reads them; a turn uses each once and tells the seconds of one. The error is the root of
the mean square of sampled outputs against f64 over the rival's own weights.

`worker.py onnx FILE bits=4 group=32 m=1 n=11008 k=4096` writes such a product for another program, and the first rows of
its last weight as f32 to `FILE.f32`; it prints how many weights it holds.
"""

import sys
import time

import numpy as np

ROTATED = 400e6
KV, DIM = 8, 128
SAMPLED = 64
RNG = np.random.default_rng(1)


class No(Exception):
    """Why the rival does not have the case."""


def relative(want, got):
    want, got = np.asarray(want, np.float64), np.asarray(got, np.float64)
    return float(np.sqrt(((want - got) ** 2).sum() / (want**2).sum()))


def codes_of(packed, bits):
    """Unsigned codes [n, k] of bytes [n, k * bits / 8], lowest bits first."""
    fields = [(packed >> at) & ((1 << bits) - 1) for at in range(0, 8, bits)]
    return np.stack(fields, -1).reshape(packed.shape[0], -1)


def decoded(packed, scale, bits, group):
    """The first rows of symmetric weights as f64."""
    codes = codes_of(packed[:SAMPLED], bits).astype(np.float64)
    return (codes - (1 << (bits - 1))) * np.repeat(scale[:SAMPLED].astype(np.float64), group, axis=1)


def attended(q, k, v):
    """Softmax attention of one query over keys [n, d] in f64."""
    scores = k.astype(np.float64) @ q.astype(np.float64) / np.sqrt(len(q))
    powers = np.exp(scores - scores.max())
    return powers / powers.sum() @ v.astype(np.float64)


def floats(*shape, dtype):
    """Random numbers: a block of them, repeated, as long as the shape needs."""
    block = RNG.standard_normal(1 << 20).astype(dtype)
    return np.resize(block, shape)


def copies(size, m):
    """How many fill the rotation; of small ones no more than a graph of them is quickly built."""
    return min(max(2, int(ROTATED // size) + 1), 64) if m <= 8 else 2


def quantised_product(m, n, k, bits, group):
    """Products of one input with many weights as ONNX Runtime's operator: how many, the graph's parts, a weight."""
    from onnx import TensorProto, helper, numpy_helper

    size = n * (k * bits // 8 + 4 * k // group)
    count = copies(size, m)
    scale = (RNG.random((n, k // group)) * 0.01 + 0.005).astype(np.float32)
    nodes, constants, outputs, packed = [], [], [], None
    for i in range(count):
        packed = RNG.integers(0, 256, (n, k * bits // 8), dtype=np.uint8)
        blocks = packed.reshape(n, k // group, group * bits // 8)
        constants += [numpy_helper.from_array(blocks, f"B{i}"), numpy_helper.from_array(scale.reshape(-1), f"S{i}")]
        shape = dict(K=k, N=n, bits=bits, block_size=group, accuracy_level=4)
        nodes.append(
            helper.make_node("MatMulNBits", ["X", f"B{i}", f"S{i}"], [f"Y{i}"], domain="com.microsoft", **shape)
        )
        outputs.append(helper.make_tensor_value_info(f"Y{i}", TensorProto.FLOAT, [m, n]))
    given = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [m, k])]
    return count, nodes, given, outputs, constants, decoded(packed, scale, bits, group)


def onnx_model(nodes, inputs, outputs, constants):
    from onnx import helper

    graph = helper.make_graph(nodes, "rival", inputs, outputs, constants)
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=sets)
    model.ir_version = 10
    return model.SerializeToString()


class Ort:
    def __init__(self):
        import onnxruntime

        self.ort = onnxruntime
        self.name = "onnxruntime " + onnxruntime.__version__

    def session(self, nodes, inputs, outputs, constants, threads):
        options = self.ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spins within a run, as it does by default, but not while another has the turn.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        model = onnx_model(nodes, inputs, outputs, constants)
        return self.ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def product(self, m, n, k, bits, group, threads):
        count, nodes, given, outputs, constants, weight = quantised_product(m, n, k, bits, group)
        try:
            session = self.session(nodes, given, outputs, constants, threads)
        except Exception as e:
            raise No(str(e).splitlines()[0][:120])
        x = RNG.standard_normal((m, k)).astype(np.float32)
        out = []

        def turn():
            out[:] = session.run(None, {"X": x})

        return count, turn, lambda: relative(x.astype(np.float64) @ weight.T, out[-1][:, :SAMPLED])

    def attention(self, heads, b, m, n, kv, threads):
        from onnx import TensorProto, helper

        if kv not in ("f16", "f32"):
            raise No(f"no keys in {kv}")
        dtype, kind = (np.float16, TensorProto.FLOAT16) if kv == "f16" else (np.float32, TensorProto.FLOAT)
        size = 2 * b * KV * n * DIM * dtype().itemsize
        count = copies(size, m) if m == 1 else 1
        info = lambda name, shape, kind=kind: helper.make_tensor_value_info(name, kind, shape)
        node = helper.make_node(
            "GroupQueryAttention",
            ["q", "k", "v", "old_k", "old_v", "last", "total"],
            ["out", "new_k", "new_v"],
            domain="com.microsoft",
            num_heads=heads,
            kv_num_heads=KV,
        )
        cache = [b, KV, n, DIM]
        given = [info("q", [b, m, heads * DIM]), info("k", [b, m, KV * DIM]), info("v", [b, m, KV * DIM])]
        given += [info("old_k", cache), info("old_v", cache)]
        given += [info("last", [b], TensorProto.INT32), info("total", [], TensorProto.INT32)]
        outputs = [info("out", [b, m, heads * DIM]), info("new_k", cache), info("new_v", cache)]
        session = self.session([node], given, outputs, [], threads)
        q = floats(b, m, heads * DIM, dtype=dtype)
        new = [floats(b, m, KV * DIM, dtype=dtype) for _ in range(2)]
        values = [q, *new, np.full(b, n - 1, np.int32), np.array(n, np.int32)]
        bindings, kept = [], []
        for _ in range(count):
            old = [self.ort.OrtValue.ortvalue_from_numpy(floats(*cache, dtype=dtype)) for _ in range(2)]
            out = self.ort.OrtValue.ortvalue_from_numpy(np.zeros((b, m, heads * DIM), dtype))
            ours = [self.ort.OrtValue.ortvalue_from_numpy(a) for a in values]
            binding = session.io_binding()
            for name, value in zip(["q", "k", "v", "last", "total", "old_k", "old_v"], ours + old):
                binding.bind_ortvalue_input(name, value)
            # The cache is updated where it lies, as a decode loop has it.
            for name, value in zip(["out", "new_k", "new_v"], [out] + old):
                binding.bind_ortvalue_output(name, value)
            bindings.append(binding)
            kept.append((old, out, ours))

        def turn():
            for binding in bindings:
                session.run_with_iobinding(binding)

        def error():
            (k, v), out, _ = kept[-1]
            head, group = 5, 5 // (heads // KV)
            at = slice(head * DIM, (head + 1) * DIM)
            want = attended(q[-1, -1, at], k.numpy()[-1, group], v.numpy()[-1, group])
            return relative(want, out.numpy()[-1, -1, at])

        return count, turn, error


class OpenVino:
    def __init__(self):
        import openvino

        self.ov, self.core = openvino, openvino.Core()
        self.name = "openvino " + openvino.__version__.split("-")[0]

    def compiled(self, model, threads, group, precision="f32"):
        config = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        if group is not None:
            config["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = group
        return self.core.compile_model(model, "CPU", config)

    def product(self, m, n, k, bits, group, threads):
        from openvino import Type
        from openvino import opset13 as op

        if bits not in (4, 8):
            raise No(f"no {bits}-bit weights")
        size = n * (k * bits // 8 + 2 * k // group)
        count = copies(size, m)
        scale = (RNG.random((n, k // group)) * 0.01 + 0.005).astype(np.float16)
        x = op.parameter([m, k], Type.f32)
        kind = Type.u4 if bits == 4 else Type.u8
        results, kept = [], []
        for _ in range(count):
            packed = RNG.integers(0, 256, (n, k * bits // 8), dtype=np.uint8)
            kept.append(packed)
            codes = self.ov.op.Constant(self.ov.Tensor(packed.reshape(-1), [n, k // group, group], kind))
            middle = op.constant(np.full((1, 1, 1), 1 << (bits - 1), np.uint8))
            w = op.subtract(op.convert(codes, Type.f16), op.convert(middle, Type.f16))
            w = op.multiply(w, op.constant(scale.reshape(n, k // group, 1)))
            w = op.convert(op.reshape(w, op.constant(np.array([n, k], np.int64)), False), Type.f32)
            results.append(op.result(op.matmul(x, w, False, True)))
        try:
            request = self.compiled(self.ov.Model(results, [x], "rival"), threads, group).create_infer_request()
        except Exception as e:
            raise No(str(e).splitlines()[0][:120])
        given = RNG.standard_normal((m, k)).astype(np.float32)
        request.set_input_tensor(0, self.ov.Tensor(given))
        weight = decoded(kept[-1], scale, bits, group)

        def error():
            # `kept` holds what constants only point to.
            got = request.get_output_tensor(len(kept) - 1).data[:, :SAMPLED]
            return relative(given.astype(np.float64) @ weight.T, got)

        return count, request.infer, error

    def attention(self, heads, b, m, n, kv, threads):
        from openvino import Type
        from openvino import opset13 as op

        if kv != "f32":
            raise No("keys are f32 there")
        if m == 1:
            raise No("no grouped decode over a cache outside of a whole model")
        # Every query head has keys of its own: what the operator takes.
        inputs = [op.parameter([b, heads, rows, DIM], Type.f32) for rows in (m, n, n)]
        out = op.result(op.scaled_dot_product_attention(*inputs, causal=True))
        request = self.compiled(self.ov.Model([out], inputs, "rival"), threads, None).create_infer_request()
        q, k, v = (floats(b, heads, rows, DIM, dtype=np.float32) for rows in (m, n, n))
        for i, a in enumerate((q, k, v)):
            request.set_input_tensor(i, self.ov.Tensor(a))
        error = lambda: relative(attended(q[0, 5, -1], k[0, 5], v[0, 5]), request.get_output_tensor(0).data[0, 5, -1])
        return 1, request.infer, error


class Torch:
    PLAIN = ("f32", "bf16", "f16")

    def __init__(self):
        import torch

        self.torch = torch
        torch.set_grad_enabled(False)
        self.name = "torch " + torch.__version__.split("+")[0]
        self.types = dict(zip(self.PLAIN, (torch.float32, torch.bfloat16, torch.float16)))

    def many(self, count, call):
        def turn():
            for i in range(count):
                call(i)

        return turn

    def plain(self, m, n, k, weight, threads):
        torch = self.torch
        if weight not in self.types:
            raise No("no such weights")
        torch.set_num_threads(threads)
        kind = self.types[weight]
        count = copies(n * k * kind.itemsize, m)
        base = (torch.randn(n, k) * 0.02).to(kind)
        weights = [base.clone() for _ in range(count)]
        x = torch.randn(m, k).to(kind)
        linear = torch.nn.functional.linear
        got = lambda: linear(x, weights[-1])[:, :SAMPLED].double().numpy()
        want = lambda: x.double().numpy() @ base[:SAMPLED].double().numpy().T
        return count, self.many(count, lambda i: linear(x, weights[i])), lambda: relative(want(), got())

    def product(self, m, n, k, bits, group, threads):
        torch = self.torch
        if bits != 4:
            raise No(f"no {bits}-bit weights with groups")
        torch.set_num_threads(threads)
        size = n * (k // 2 + 4 * k // group)
        count = copies(size, m)
        codes = torch.randint(0, 16, (n, k), dtype=torch.int32)
        scale = torch.rand(k // group, n, 1) * 0.01 + 0.005
        pairs = torch.cat([scale, torch.zeros(k // group, n, 1)], 2).bfloat16().contiguous()
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 1)
        weights = [packed.clone() for _ in range(count)]
        x = torch.randn(m, k).bfloat16()
        multiply = lambda i: torch.ops.aten._weight_int4pack_mm_for_cpu(x, weights[i], group, pairs)
        rows = (codes[:SAMPLED].double() - 8) * pairs[:, :SAMPLED, 0].double().t().repeat_interleave(group, 1)
        got = lambda: multiply(count - 1)[:, :SAMPLED].double().numpy()
        return count, self.many(count, multiply), lambda: relative(x.double().numpy() @ rows.numpy().T, got())

    def attention(self, heads, b, m, n, kv, threads):
        return self.timed_attention(heads, b, m, n, kv, threads, None)

    def shared(self, heads, b, p, s, kv, threads):
        own = np.repeat(np.arange(b), s)
        seen = np.concatenate([np.ones((b, p), bool), own == np.arange(b)[:, None]], 1)
        return self.timed_attention(heads, 1, b, p + b * s, kv, threads, seen)

    def timed_attention(self, heads, b, m, n, kv, threads, seen):
        torch = self.torch
        if kv not in self.types:
            raise No(f"no keys in {kv}")
        torch.set_num_threads(threads)
        kind = self.types[kv]
        count = copies(2 * b * KV * n * DIM * kind.itemsize, m) if m == 1 else 1
        q = torch.randn(b, heads, m, DIM).to(kind)
        cache = [[torch.randn(b, KV, n, DIM).to(kind) for _ in range(2)] for _ in range(count)]
        mask = None if seen is None else torch.from_numpy(seen)
        attend = torch.nn.functional.scaled_dot_product_attention
        call = lambda i: attend(q, *cache[i], attn_mask=mask, is_causal=m > 1 and mask is None, enable_gqa=True)

        def error():
            head, group = 5, 5 // (heads // KV)
            last = slice(None) if seen is None else seen[-1]
            k, v = (a[-1, group].double().numpy()[last] for a in cache[-1])
            return relative(attended(q[-1, head, -1].double().numpy(), k, v), call(count - 1)[-1, head, -1].double().numpy())

        return count, self.many(count, call), error


def write_onnx(file, words):
    given = {name: int(value) for name, value in (w.split("=") for w in words)}
    count, *parts, weight = quantised_product(*(given[name] for name in ("m", "n", "k", "bits", "group")))
    with open(file, "wb") as out:
        out.write(onnx_model(*parts))
    weight.astype(np.float32).tofile(file + ".f32")
    print(count)


def main():
    if sys.argv[1] == "onnx":
        return write_onnx(sys.argv[2], sys.argv[3:])
    rival = {"ort": Ort, "openvino": OpenVino, "torch": Torch}[sys.argv[1]]()
    case = None
    for line in sys.stdin:
        words = line.split()
        try:
            if words[:1] == ["name"]:
                answer = "name " + rival.name
            elif words[:1] == ["case"]:
                case = None
                given = dict(w.split("=") for w in words[2:])
                size = lambda name: int(given[name])
                if words[1] == "mm":
                    if "bits" not in given:
                        if not hasattr(rival, "plain"):
                            raise No("no such weights")
                        case = rival.plain(*map(size, "mnk"), given["weight"], size("threads"))
                    else:
                        case = rival.product(*map(size, ["m", "n", "k", "bits", "group", "threads"]))
                elif "p" in given:
                    if not hasattr(rival, "shared"):
                        raise No("no mask of a shared prefix")
                    case = rival.shared(*map(size, ["heads", "b", "p", "s"]), given["kv"], size("threads"))
                else:
                    case = rival.attention(*map(size, ["heads", "b", "m", "n"]), given["kv"], size("threads"))
                answer = "ready"
            elif case is None:
                answer = "no case"
            elif words == ["turn"]:
                count, turn, _ = case
                start = time.perf_counter()
                turn()
                answer = f"seconds {(time.perf_counter() - start) / count:e}"
            elif words == ["error"]:
                answer = f"error {case[2]():e}"
            else:
                answer = "no such word"
        except No as reason:
            answer = f"no {reason}"
        print(answer, flush=True)


main()
