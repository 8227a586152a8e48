//! Verify can fail: every mutant of the shipped ops is caught.

use kgen::{
    device::Cpu,
    verify::{
        Options,
        mutants::{MUTANTS, applies, caught},
        verify,
    },
};

#[test]
fn every_mutant_is_caught() {
    let cpu = Cpu::open(Some(2)).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let options = Options { cases: 48, seed: 1 };
    for file in ["flash_decode.toml", "w4a8_gemv.toml"] {
        let op = kgen::compile::read(&root.join(file)).unwrap();
        let honest = verify(&op, &cpu, &Options { cases: 24, seed: 1 });
        assert!(honest.failed.is_empty() && honest.unsupported.is_none(), "{:?}", honest.failed);
        let (mut touched, mut lives) = (0, 0);
        for mutant in MUTANTS.iter().filter(|m| applies(&op, m)) {
            touched += 1;
            let seen = caught(&op, &cpu, mutant, &options);
            println!("{}: {}: {}", op.name, mutant.name, if seen { "caught" } else { "lives" });
            lives += usize::from(!seen);
        }
        assert!(touched >= 2 && lives == 0, "{file}: {lives} of {touched} mutants live");
    }
}
