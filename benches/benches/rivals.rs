//! Ours beside the best that others have, in one run: interleaved, on the same machine, at the same sizes.
//!
//! ```text
//! cargo bench -p kgen-benches --bench rivals [-- PART OF A ROW'S NAME ...]
//! ```
//!
//! A rival that is not installed is told and left out. ONNX Runtime and OpenVINO run in the Python that `KGEN_PYTHON`
//! names (`pip install numpy onnx onnxruntime openvino`); ggml in the program that `KGEN_GGML` names, built by
//! `RUSTFLAGS="-C target-cpu=native" cargo build --release --manifest-path benches/rivals/ggml/Cargo.toml`, which
//! needs cmake, a C++ compiler and libclang.

use kgen::{
    bench::{self, Beside},
    device::Cpu,
    inputs, sweep,
};
use kgen_benches::rival::Rival;
use kgen_ir::op;
use kgen_runtime::roof::Roof;
use std::{collections::BTreeMap, path::Path, process::Command};

/// Rounds of a case.
const ROUNDS: usize = 11;

/// An operator in our words and in theirs.
struct Row {
    name: &'static str,
    text: String,
    /// What a rival is asked for besides sizes.
    theirs: &'static str,
    sizes: &'static [&'static str],
}

fn product(
    name: &'static str,
    weight: &str,
    theirs: &'static str,
    sizes: &'static [&'static str],
) -> Row {
    let text = format!(
        "op = \"mpgemm\"\nname = \"product\"\nm = \"m\"\nn = 11008\nk = 4096\na = \"f32\"\nw = {{ format = {weight} }}\n\
         out = \"f32\"\ncompute = \"int_dot\"\n"
    );
    Row { name, text, theirs, sizes }
}

fn attention(
    name: &'static str,
    q: &str,
    kv: &str,
    theirs: &'static str,
    sizes: &'static [&'static str],
) -> Row {
    let text = format!(
        "op = \"attention\"\nname = \"attention\"\n\
         q = {{ dtype = \"{q}\", heads = 32, dim = 128, batch = 1, len = \"m\" }}\n\
         kv = {{ heads = 8, dtype = \"{kv}\" }}\nout = \"{q}\"\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n"
    );
    Row { name, text, theirs, sizes }
}

fn rows() -> Vec<Row> {
    let (gemv, few) = (&["m=1"][..], &["m=1", "m=8", "m=32", "m=128"][..]);
    let many = &["m=1", "m=128"][..];
    vec![
        product("q4_0", "\"q4_0\"", "mm weight=q4_0 bits=4 group=32", few),
        product("q8_0", "\"q8_0\"", "mm weight=q8_0 bits=8 group=32", few),
        product("int4 g128", "\"int4\", group = 128, scale = \"f16\"", "mm bits=4 group=128", few),
        product("int8 g128", "\"int8\", group = 128, scale = \"f16\"", "mm bits=8 group=128", many),
        product("int2 g64", "\"int2\", group = 64, scale = \"f16\"", "mm bits=2 group=64", gemv),
        product("q4_1", "\"q4_1\"", "mm weight=q4_1", gemv),
        product("q5_0", "\"q5_0\"", "mm weight=q5_0", gemv),
        product("q5_1", "\"q5_1\"", "mm weight=q5_1", gemv),
        product("q2_k", "\"q2_k\"", "mm weight=q2_k", gemv),
        product("q3_k", "\"q3_k\"", "mm weight=q3_k", gemv),
        product("q4_k", "\"q4_k\"", "mm weight=q4_k", gemv),
        product("q5_k", "\"q5_k\"", "mm weight=q5_k", gemv),
        product("q6_k", "\"q6_k\"", "mm weight=q6_k", gemv),
        product("tq1_0", "\"tq1_0\"", "mm weight=tq1_0", gemv),
        product("tq2_0", "\"tq2_0\"", "mm weight=tq2_0", gemv),
        attention(
            "decode f16",
            "f16",
            "f16",
            "attention kv=f16",
            &["m=1 n=1024", "m=1 n=8192", "m=1 n=32768"],
        ),
        attention("decode q8_0", "f16", "q8_0", "attention kv=q8_0", &["m=1 n=8192"]),
        attention(
            "prompt f32",
            "f32",
            "f32",
            "attention kv=f32",
            &["m=512 n=512", "m=2048 n=2048"],
        ),
        attention(
            "prompt f16",
            "f16",
            "f16",
            "attention kv=f16",
            &["m=512 n=512", "m=2048 n=2048"],
        ),
    ]
}

/// Those that start, each with what is added to its cases.
fn rivals() -> Vec<(Rival, &'static str)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals");
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let worker = |which: &str| {
        let mut command = Command::new(&python);
        command.arg(folder.join("worker.py")).arg(which);
        command
    };
    let built = folder.join("ggml/target/release/kgen-rival-ggml");
    let ggml = || match std::env::var("KGEN_GGML") {
        Ok(path) => Command::new(path),
        Err(_) => Command::new(&built),
    };
    let all = [(worker("ort"), ""), (worker("openvino"), ""), (ggml(), ""), (ggml(), " repack=1")];
    all.into_iter()
        .filter_map(|(command, more)| match Rival::start(command) {
            Ok(rival) => Some((rival, more)),
            Err(reason) => {
                println!("left out{more}: {reason}");
                None
            }
        })
        .collect()
}

fn main() {
    let cpu = Cpu::open(None).expect("this CPU");
    let threads = cpu.workers().count();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let roof = Roof::new(bench::ROTATED).expect("memory");
    let mut rivals = rivals();
    println!(
        "{} on {threads} threads, {ROUNDS} rounds: medians in ms, ours over the best rival",
        cpu.target.name
    );
    for row in rows() {
        if !wanted.is_empty() && !wanted.iter().any(|w| row.name.contains(w.as_str())) {
            continue;
        }
        let op =
            op::read::read("rivals.toml", &row.text).unwrap_or_else(|e| panic!("{}", e.render()));
        let module = cpu.load(&op).expect("the op compiles");
        for sizes in row.sizes {
            let set: Vec<String> = sizes.split(' ').map(Into::into).collect();
            let values = sweep::cases(&sweep::parse_all(&set).expect("sizes")).remove(0);
            let dims = inputs::dims(&op, &values, &BTreeMap::new()).expect("its symbols");
            let shape = if row.theirs.starts_with("mm") { " n=11008 k=4096" } else { "" };
            let asked = format!("{} {sizes}{shape} threads={threads}", row.theirs);
            let ready: Vec<Result<(), String>> =
                rivals.iter_mut().map(|(r, more)| r.prepare(&format!("{asked}{more}"))).collect();
            let mut beside: Vec<&mut dyn Beside> = rivals
                .iter_mut()
                .zip(&ready)
                .filter(|(_, ready)| ready.is_ok())
                .map(|((rival, _), _)| rival as &mut dyn Beside)
                .collect();
            let measured =
                bench::measure_beside(&cpu, &module, &op, &dims, &roof, (ROUNDS, 1), &mut beside);
            let (m, theirs) = measured.expect("it runs");
            let mut theirs = theirs.into_iter();
            println!(
                "{} {sizes}: ours {:.3} +- {:.3} ms, {:.2} of the roof {:.1} GB/s, {:.0} GFLOP/s, error/bound {:.2}",
                row.name,
                m.median * 1e3,
                m.ci95 * 1e3,
                m.share(),
                m.roof / 1e9,
                m.flops / m.median / 1e9,
                m.error_ratio
            );
            for ((rival, more), ready) in rivals.iter_mut().zip(ready) {
                let timed = ready.and_then(|()| theirs.next().unwrap_or(Err("no turn".into())));
                match timed.and_then(|seconds| Ok((seconds, rival.error()?))) {
                    Ok((seconds, error)) => println!(
                        "    {}{more}: {:.3} ms, {:.2}x ours, error {error:.1e}",
                        rival.name,
                        seconds * 1e3,
                        seconds / m.median
                    ),
                    Err(reason) => println!("    {}{more}: {reason}", rival.name),
                }
            }
        }
    }
}
