//! Symbols of an op may have any name, that of a counter inside its kernels too.

use kgen::{
    device::Cpu,
    verify::{self, Options},
};
use kgen_ir::{op, tile::Stmt};
use kgen_passes::Schedule;
use std::collections::BTreeSet;

/// `S` stands for the symbol.
const OPS: [&str; 6] = [
    "op = \"attention\"\nname = \"x\"\nq = { dtype = \"f32\", heads = 4, dim = 16, batch = \"b\", len = \"S\" }\n\
     kv = { dtype = \"f16\", heads = 2 }\nout = \"f32\"\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n",
    "op = \"attention\"\nname = \"x\"\nq = { dtype = \"f32\", heads = 2, dim = 32, batch = \"b\", len = 1 }\n\
     kv = { dtype = \"q8_0\", heads = 2 }\nout = \"f32\"\n[[segment]]\nlen = \"S[b]\"\nlayout = { paged = 3 }\n",
    "op = \"mpgemm\"\nname = \"x\"\nm = \"S\"\nn = 40\nk = 96\na = \"f32\"\nw = { format = \"q4_0\" }\n\
     out = \"f32\"\ncompute = \"int_dot\"\n",
    "op = \"mpgemm\"\nname = \"x\"\nm = \"S\"\nn = 40\nk = 128\na = \"f16\"\n\
     w = { format = \"int4\", group = 64, scale = \"f16\" }\nout = \"f32\"\ncompute = \"int_dot\"\n",
    "op = \"rows\"\nname = \"x\"\nrows = \"S\"\nwidth = 40\nin = { x = \"f16\" }\n\
     out = { y = { dtype = \"f32\", value = \"x * rsqrt(mean(x * x) + 1e-5)\" } }\n",
    "op = \"rows\"\nname = \"x\"\nrows = \"S\"\nwidth = 40\nin = { x = \"f32\" }\n\
     out = { y = { dtype = \"f32\", value = \"x / sum(exp(x - max(x)))\" } }\n",
];

#[test]
fn symbols_may_be_called_like_counters() {
    let cpu = Cpu::open(None).unwrap();
    let target = kgen::compile::host().unwrap();
    for text in OPS {
        let read = |symbol: &str| {
            op::read::read("x.toml", &text.replace("\"S", &format!("\"{symbol}"))).unwrap()
        };
        let built = kgen::compile::compile(&read("size"), target, &Schedule::default_for(target));
        let mut names = BTreeSet::new();
        built.unwrap().program.kernels.iter().for_each(|k| scalars(&k.body, &mut names));
        assert!(names.contains("t"), "{names:?}");
        // Words of masks can be no symbols, and the op has other symbols.
        let free = |n: &&String| {
            let other = text.contains(&format!("\"{n}\""));
            !other && !n.contains('.') && !["i", "j", "head", "cores"].contains(&n.as_str())
        };
        for name in names.iter().filter(free) {
            let options = Options { cases: 3, seed: 1 };
            let summary = verify::verify(&read(name), &cpu, &options);
            assert_eq!(
                (summary.failed.len(), summary.passed),
                (0, 3),
                "{text}: {name}: {summary:?}"
            );
        }
    }
}

fn scalars(body: &[Stmt], out: &mut BTreeSet<String>) {
    for stmt in body {
        match stmt {
            Stmt::Scalar { name, .. } | Stmt::Read { name, .. } | Stmt::Any { name, .. } => {
                out.insert(name.clone());
            }
            Stmt::Tasks { var, body, .. } => {
                out.insert(var.clone());
                scalars(body, out);
            }
            Stmt::For(f) => {
                out.insert(f.var.clone());
                scalars(&f.body, out);
            }
            Stmt::If(i) => {
                scalars(&i.then, out);
                scalars(&i.otherwise, out);
            }
            Stmt::Let { .. }
            | Stmt::Store { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => {}
        }
    }
}
