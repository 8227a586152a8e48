//! The shipped ops at every level: what is printed parses, verifies, and is the same again; at full size, too, they
//! mean what the reference says.

use kgen::{device::Cpu, inputs};
use kgen_ir::{extent::Dims, machine};
use kgen_passes::Schedule;

#[test]
fn machine_text_of_the_shipped_ops_reads_back() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    for file in ["flash_decode.toml", "w4a8_gemv.toml"] {
        let op = kgen::compile::read(&root.join(file)).unwrap();
        // Chips of one family differ in a word of their text.
        let one = |t: &&kgen_ir::target::Target| t.backend != "ptx" || t.name == "sm80";
        for target in kgen::compile::targets().into_iter().filter(one) {
            let compiled =
                kgen::compile::compile(&op, target, &Schedule::default_for(target)).unwrap();
            for kernel in &compiled.kernels {
                machine::verify::verify(kernel)
                    .unwrap_or_else(|e| panic!("{file} {}: {e:?}", target.name));
                let text = kernel.to_string();
                let back = machine::parse::parse(&text).unwrap_or_else(|e| panic!("{file}: {e:?}"));
                assert_eq!(back.to_string(), text, "{file} {}", target.name);
            }
        }
    }
}

#[test]
fn the_artifact_on_disk_is_the_artifact() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    for file in ["flash_decode.toml", "w4a8_gemv.toml"] {
        let op = kgen::compile::read(&root.join(file)).unwrap();
        let target = kgen::compile::host().unwrap();
        let artifact =
            kgen::compile::compile(&op, target, &Schedule::default_for(target)).unwrap().artifact;
        let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(&op.name);
        kgen_runtime::artifact::write_dir(&artifact, &dir).unwrap();
        let back = kgen_runtime::artifact::read_dir(&dir, kgen_ir::format::rows::find).unwrap();
        assert_eq!(back, artifact, "{file}");
    }
}

#[test]
fn full_size_means_what_the_reference_says() {
    let cpu = Cpu::open(None).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let attention = [("b", 1), ("m", 1), ("n", 1500)];
    for (file, sizes) in [("flash_decode.toml", &attention[..]), ("w4a8_gemv.toml", &[("m", 1)])] {
        let op = kgen::compile::read(&root.join(file)).unwrap();
        let mut dims = Dims { cores: 4, ..Dims::default() };
        dims.scalars = sizes.iter().map(|(n, x)| (n.to_string(), *x)).collect();
        let tensors = inputs::complete(&op, &dims, &Default::default(), 1).unwrap();
        let expected = kgen_kernels_ref::run(&op, &dims, &tensors).unwrap();
        let module = cpu.load(&op).unwrap();
        let got = cpu.run(&module, &dims, &tensors).unwrap();
        for (name, expected) in &expected {
            let c = kgen_kernels_ref::compare(name, expected, &got[name]).unwrap();
            assert!(c.passed(), "{file}: {name}: {c:?}");
        }
    }
}
