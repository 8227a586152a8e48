//! Verify can fail: every mutant of the shipped ops is caught.

use kgen::{
    device::Cpu,
    verify::{
        Options,
        mutants::{MUTANTS, caught},
        verify,
    },
};

#[test]
fn every_mutant_is_caught() {
    let cpu = Cpu::open(Some(2)).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    for file in ["flash_decode.toml", "w4a8_gemv.toml"] {
        let op = kgen::compile::read(&root.join(file)).unwrap();
        let honest = verify(&op, &cpu, &Options { cases: 24, seed: 1 });
        assert!(honest.failed.is_empty() && honest.passed == honest.cases, "{:?}", honest.failed);
        let (mut touched, mut lives) = (0, 0);
        for mutant in MUTANTS.iter().filter(|m| m.applies(&op)) {
            touched += 1;
            let seen = caught(&op, &cpu, mutant);
            println!("{}: {}: {}", op.name, mutant.name, if seen { "caught" } else { "lives" });
            lives += usize::from(!seen);
        }
        assert!(touched >= 2 && lives == 0, "{file}: {lives} of {touched} mutants live");
    }
}
