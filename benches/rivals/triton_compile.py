"""How long Triton takes for flash attention of head size 128: once, with nothing kept, no GPU needed.

usage: triton_compile.py CHIP [FILE.ptx]...
    prints a line: name, milliseconds to PTX, milliseconds with ptxas (tabs between); then one for its kernel and one for
    each file: name, registers of a thread, bytes spilled, bytes of shared memory of a block, by the same assembler

The kernel is the one whose PTX the simulator runs (`tests/witness/triton_ptx.py`). Another one is compiled before, so that
what a process does once is not counted.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "witness"))



def told(name, ptx, shared=0):
    """What the assembler in Triton's own wheel tells of a text."""
    file = pathlib.Path(folder) / "one.ptx"
    file.write_text(ptx)
    command = [ptxas(), "-v", f"-arch=sm_{chip}", str(file), "-o", str(file.with_suffix(".cubin"))]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    numbers = [sum(map(int, re.findall(rf"(\d+) {what}", said))) for what in ("registers", "bytes spill", "bytes smem")]
    print(name, numbers[0], numbers[1], numbers[2] + shared, sep="\t")


def ptxas():
    return pathlib.Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"


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
    text, about = triton_ptx.build(cases["attention_128"], chip)
    whole = (time.perf_counter() - start) * 1e3
    after = sum(us for name, us in stages if name == "cubin") / 1e3
    print(f"Triton {triton.__version__} attention_128\t{whole - after:.1f}\t{whole:.1f}")
    told("attention_128", text, about["shared"])
    for path in map(pathlib.Path, sys.argv[2:]):
        told(path.stem, path.read_text())
