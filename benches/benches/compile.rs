//! How long the shipped ops take from op file to artifact text, and to code.

use criterion::{Criterion, criterion_group, criterion_main};
use kgen_runtime::module::Module;
use std::path::Path;

fn compile(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let target = kgen::compile::host().expect("a target fits this CPU");
    let schedule = kgen::Schedule::default_for(target);
    for file in ["flash_decode.toml", "w4a8_gemv.toml"] {
        let op = kgen::compile::read(&root.join(file)).expect("shipped ops read");
        c.bench_function(&format!("{} to text", op.name), |b| {
            b.iter(|| kgen::compile::compile(&op, target, &schedule).expect("shipped ops compile"));
        });
        let artifact = kgen::compile::compile(&op, target, &schedule).expect("as above").artifact;
        c.bench_function(&format!("{} text to code", op.name), |b| {
            b.iter(|| Module::open(&artifact).expect("our text is right"));
        });
    }
}

criterion_group!(benches, compile);
criterion_main!(benches);
