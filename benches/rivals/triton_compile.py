"""How long Triton takes for flash attention of head size 128: once, with nothing kept, no GPU needed.

usage: triton_compile.py CHIP      prints a line: name, milliseconds to PTX, milliseconds with ptxas (tabs between)

The kernel is the one whose PTX the simulator runs (`tests/witness/triton_ptx.py`). Another one is compiled before, so that
what a process does once is not counted.
"""

import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "witness"))

with tempfile.TemporaryDirectory() as folder:
    os.environ["TRITON_CACHE_DIR"] = folder
    import triton
    import triton_ptx

    chip = int(sys.argv[1])
    cases = triton_ptx.cases()
    stages = []

    def listen(*, times, **_):
        stages[:] = list(times.lowering_stages)

    triton_ptx.build(cases["softmax"], chip)
    triton.knobs.compilation.listener = listen
    start = time.perf_counter()
    triton_ptx.build(cases["attention_128"], chip)
    whole = (time.perf_counter() - start) * 1e3
    after = sum(us for name, us in stages if name == "cubin") / 1e3
    print(f"Triton {triton.__version__} attention_128\t{whole - after:.1f}\t{whole:.1f}")
