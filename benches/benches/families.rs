//! Every family of operators at sizes of models, beside what memory and multipliers allow.
//!
//! The floor is the longer of two times: bytes, each read or written once, at the rate that memory reads, measured
//! between the rounds; multiplications at the rate of a loop of the instruction that the op may use.
//!
//! ```text
//! q4_0 n 11008 k 4096, m=1                    0.33 ms   floor 0.29 ms (memory)   0.88
//! ```

use kgen::{bench, device::Cpu, inputs, sweep};
use kgen_benches::probe::Loop;
use kgen_ir::op;
use kgen_runtime::roof::Roof;
use std::collections::BTreeMap;

/// What multiplies.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Fma,
    Bytes,
    Bf16,
}

/// A row of the table: op file, sizes, what multiplies, and the share that the project wants.
type Case = (String, Vec<&'static str>, By, f64);

fn product(weight: &str, compute: &str, sizes: &[&'static str], by: By, aim: f64) -> Case {
    let (n, k) = (11008, 4096);
    let text = format!(
        "op = \"mpgemm\"\nname = \"product\"\nm = \"m\"\nn = {n}\nk = {k}\na = \"f32\"\nw = {{ format = {weight} }}\n\
         out = \"f32\"\ncompute = \"{compute}\"\n"
    );
    (text, sizes.to_vec(), by, aim)
}

fn attention(q: &str, kv: &str, layout: &str, sizes: &[&'static str], aim: f64) -> Case {
    let text = format!(
        "op = \"attention\"\nname = \"attention\"\n\
         q = {{ dtype = \"{q}\", heads = 32, dim = 128, batch = 1, len = \"m\" }}\n\
         kv = {{ heads = 8, {kv} }}\nout = \"{q}\"\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n{layout}"
    );
    (text, sizes.to_vec(), By::Fma, aim)
}

fn row(text: &str, sizes: &[&'static str]) -> Case {
    (
        format!("op = \"rows\"\nname = \"row\"\nrows = \"m\"\nwidth = 4096\n{text}"),
        sizes.to_vec(),
        By::Fma,
        0.85,
    )
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let eight_or_four = ["q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"];
    for format in eight_or_four {
        all.push(product(&format!("\"{format}\""), "int_dot", &["m=1"], By::Bytes, 0.85));
    }
    for format in ["q2_k", "q3_k", "tq1_0", "tq2_0"] {
        all.push(product(&format!("\"{format}\""), "int_dot", &["m=1"], By::Bytes, 0.75));
    }
    for format in ["int8", "int4"] {
        for group in [32, 128] {
            let weight = format!("\"{format}\", group = {group}, scale = \"f16\"");
            all.push(product(&weight, "int_dot", &["m=1"], By::Bytes, 0.85));
        }
    }
    all.push(product(
        "\"int2\", group = 64, scale = \"f16\"",
        "int_dot",
        &["m=1"],
        By::Bytes,
        0.75,
    ));
    for weight in [
        "\"q8_0\"",
        "\"q4_0\"",
        "\"int4\", group = 128, scale = \"f16\"",
        "\"int8\", group = 128, scale = \"f16\"",
    ] {
        all.push(product(weight, "int_dot", &["m=8", "m=32", "m=128"], By::Bytes, 0.55));
    }
    all.push(product("\"bf16\"", "bf16", &["m=1", "m=128"], By::Bf16, 0.55));
    all.push(product("\"f16\"", "dequant", &["m=1", "m=128"], By::Fma, 0.55));
    let f16 = "dtype = \"f16\"";
    all.push(attention("f16", f16, "", &["m=1 n=1024", "m=1 n=8192", "m=1 n=32768"], 0.65));
    all.push(attention("f16", f16, "layout = { paged = 64 }\n", &["m=1 n=8192"], 0.65));
    all.push(attention("f16", f16, "layout = { paged = 16 }\n", &["m=1 n=8192"], 0.65));
    all.push(attention("f16", "dtype = \"q8_0\"", "", &["m=1 n=8192"], 0.65));
    all.push(attention(
        "f16",
        "dtype = { format = \"int4\", group = 64, scale = \"f16\" }",
        "",
        &["m=1 n=8192"],
        0.65,
    ));
    all.push(attention("f32", "dtype = \"f32\"", "", &["m=512 n=512", "m=2048 n=2048"], 0.55));
    all.push(row("in = { x = \"f16\", g = { dtype = \"f32\", kind = \"vector\" } }\n\
                  out = { y = { dtype = \"f16\", value = \"x * rsqrt(mean(x * x) + 1e-5) * g\" } }\n", &["m=4096"]));
    all.push(row("in = { x = \"f32\" }\nout = { y = { dtype = \"f32\", value = \"exp(x - max(x)) / sum(exp(x - max(x)))\" } }\n", &["m=4096"]));
    all.push(row("in = { g = \"f16\", u = \"f16\" }\nout = { y = { dtype = \"f16\", value = \"g * sigmoid(g) * u\" } }\n", &["m=4096"]));
    all
}

fn main() {
    let cpu = Cpu::open(None).expect("this CPU");
    let threads = cpu.workers().count();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let fma = Loop { op: "fma", class: "f", zero: "fconst", sums: 16 };
    let bytes = Loop { op: "dot.u8s8", class: "w", zero: "wconst", sums: 16 };
    let bf16 = Loop { op: "dot.bf16", class: "f", zero: "fconst", sums: 16 };
    let has = |l: &Loop| {
        let op = kgen_ir::machine::print::MNEMONICS.iter().find(|(n, _)| *n == l.op);
        op.is_some_and(|(_, op)| cpu.target.row(op).is_some()) && cpu.target.backend == "native"
    };
    // Multiplications and additions a second.
    let peak = |by: By| {
        let (l, k) = match by {
            By::Fma => (&fma, 1),
            By::Bytes => (&bytes, 4),
            By::Bf16 => (&bf16, 2),
        };
        if has(l) { l.flops(cpu.target, threads, k) } else { f64::INFINITY }
    };
    let roof = Roof::new(bench::ROTATED).expect("memory");
    println!(
        "{} on {threads} threads; time, floor and what it is, their ratio, the aim",
        cpu.target.name
    );
    for (text, sizes, by, aim) in cases() {
        let op = op::read::read("family.toml", &text).unwrap_or_else(|e| panic!("{}", e.render()));
        let label = label(&text);
        if !wanted.is_empty() && !wanted.iter().any(|w| label.contains(w.as_str())) {
            continue;
        }
        let module = match cpu.load(&op) {
            Ok(module) => module,
            Err(error) => {
                println!("{label:58} {error}");
                continue;
            }
        };
        for set in sizes {
            let set: Vec<String> = set.split(' ').map(Into::into).collect();
            let values = sweep::cases(&sweep::parse_all(&set).expect("sizes")).remove(0);
            let dims = inputs::dims(&op, &values, &BTreeMap::new()).expect("its symbols");
            let limit = peak(by);
            let m = bench::measure(&cpu, &module, &op, &dims, &roof, (9, 1)).expect("it runs");
            let (read, multiplied) = (m.bytes as f64 / m.roof, m.flops / limit);
            let (floor, what) =
                if read > multiplied { (read, "memory") } else { (multiplied, "multipliers") };
            println!(
                "{:58} {:9.3} ms  floor {:9.3} ms ({what}, {:.1} GB/s, {:.0} GFLOP/s)  {:.2}  aim {aim:.2}{}{}",
                format!("{label}, {}", set.join(" ")),
                m.median * 1e3,
                floor * 1e3,
                m.roof / 1e9,
                limit / 1e9,
                floor / m.median,
                if m.error_ratio > 1.0 { "  WRONG" } else { "" },
                if m.disturbed() { "  disturbed" } else { "" },
            );
        }
    }
}

/// What tells an op from others.
fn label(text: &str) -> String {
    let lines = ["w = ", "kv = ", "layout = ", "compute = ", "q = ", "out = { "];
    let told = lines.iter().filter_map(|start| text.lines().find(|l| l.starts_with(start)));
    let told: Vec<&str> = told.map(|l| l.split_once(" = ").map_or(l, |(_, v)| v)).collect();
    told.join(" ")
        .replace(['"', '{', '}'], "")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(56)
        .collect()
}
