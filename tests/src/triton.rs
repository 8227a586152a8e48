//! Kernels of Triton, compiled without a GPU, with inputs, outputs and their bounds: `tests/witness/triton_ptx.py`.

use kgen_sim::ptx::{Arg, Launch, Memory, Module, Report, run};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A kernel for a chip, and all it needs to run.
#[derive(Clone)]
pub struct Kernel {
    pub name: String,
    pub chip: String,
    pub ptx: String,
    about: Value,
    tensors: PathBuf,
}

/// The kernels in a folder of their own, or nothing where they cannot be made.
pub fn kernels(folder: &Path, chips: &[&str]) -> Option<Vec<Kernel>> {
    if std::env::var_os("KGEN_FULL").is_none() {
        println!("skipped: KGEN_FULL is not set");
        return None;
    }
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let probe = Command::new(&python).args(["-c", "import numpy, triton"]).output();
    if !probe.is_ok_and(|p| p.status.success()) {
        println!("SKIPPED: PyPI numpy or triton is missing: {python} cannot import them");
        return None;
    }
    let _ = fs::remove_dir_all(folder);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/witness/triton_ptx.py");
    let made = Command::new(python)
        .arg(script)
        .arg(folder)
        .args(chips)
        .env("TRITON_CACHE_DIR", folder.join("cache"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    print!("{}", String::from_utf8_lossy(&made.stdout));
    let mut found = vec![];
    for file in fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()) {
        let file_name = file.file_name().unwrap().to_string_lossy().into_owned();
        let Some(stem) = file_name.strip_suffix(".ptx") else { continue };
        let (chip, name) = stem.split_once('.').unwrap();
        found.push(Kernel {
            name: name.into(),
            chip: format!("sm_{chip}"),
            ptx: fs::read_to_string(&file).unwrap(),
            about: serde_json::from_slice(&fs::read(file.with_extension("json")).unwrap()).unwrap(),
            tensors: folder.join(format!("{name}.safetensors")),
        });
    }
    found.sort_by(|a, b| (&a.chip, &a.name).cmp(&(&b.chip, &b.name)));
    for chip in chips.iter().filter(|c| matches!(**c, "80" | "90")) {
        let count = found.iter().filter(|k| k.chip == format!("sm_{chip}")).count();
        assert!(count >= 13, "{count} kernels for sm_{chip}");
    }
    Some(found)
}

fn three(of: &Value) -> [u32; 3] {
    let n: Vec<u32> = of.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as u32).collect();
    n.try_into().unwrap()
}

/// What a run gave: the worst error of all outputs, in bounds, and the report.
pub struct Ran {
    pub worst: f64,
    pub report: Report,
    /// Of the outputs, where terms are followed.
    pub terms: Vec<Vec<u64>>,
}

/// Runs a text in place of the kernel's own; an error where it cannot be read or launched.
///
/// Of the launch, what the kernel does not say is taken as given; integers are `places` and no data where that is asked.
pub fn simulate(kernel: &Kernel, ptx: &str, how: &Launch, places: bool) -> Result<Ran, String> {
    let bytes = fs::read(&kernel.tensors).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let about = &kernel.about;
    let module = Module::parse(ptx).map_err(|e| e.to_string())?;
    let entry = module.entry(about["entry"].as_str().unwrap()).ok_or("no such entry")?;
    let mut memory = Memory::default();
    let (mut args, mut buffers) = (vec![], BTreeMap::new());
    for argument in about["arguments"].as_array().unwrap() {
        let (kind, value) = argument.as_object().unwrap().iter().next().unwrap();
        args.push(match kind.as_str() {
            "tensor" => {
                let name = value.as_str().unwrap();
                let index = memory.add(name, tensors.tensor(name).unwrap().data().to_vec(), true);
                let kind = tensors.tensor(name).unwrap().dtype();
                if places && matches!(kind, Dtype::I32 | Dtype::I64) {
                    memory.decides(index);
                }
                buffers.insert(name.to_string(), index);
                Arg::Buffer(index, 0)
            }
            "i32" => Arg::Bytes((value.as_i64().unwrap() as i32).to_le_bytes().into()),
            "fp32" => Arg::Bytes((value.as_f64().unwrap() as f32).to_le_bytes().into()),
            "scratch" => match value.as_u64().unwrap() {
                0 => Arg::Bytes(vec![0; 8]),
                size => Arg::Buffer(memory.add("scratch", vec![0; size as usize], false), 0),
            },
            other => panic!("argument of kind {other}"),
        });
    }
    let launch = Launch {
        grid: three(&about["grid"]),
        block: three(&about["block"]),
        shared: about["shared"].as_u64().unwrap() as u32,
        ..how.clone()
    };
    let report = run(&module, entry, &launch, &args, &mut memory).map_err(|e| e.to_string())?;
    let mut worst = 0f64;
    let mut terms = vec![];
    for (name, index) in buffers {
        let Ok(expected) = tensors.tensor(&format!("expected.{name}")) else { continue };
        let bound = tensors.tensor(&format!("bound.{name}")).unwrap();
        terms.push(memory.terms(index));
        let got = numbers(tensors.tensor(&name).unwrap().dtype(), memory.bytes(index));
        let expected = numbers(Dtype::F64, expected.data());
        let bound = numbers(Dtype::F64, bound.data());
        assert_eq!((got.len(), got.len()), (expected.len(), bound.len()));
        for ((got, expected), bound) in got.iter().zip(expected).zip(bound) {
            let error = (got - expected).abs();
            // A NaN is no number within any bound.
            let within = if error == 0.0 { 0.0 } else { error / bound };
            worst = if within.is_nan() { f64::INFINITY } else { worst.max(within) };
        }
    }
    Ok(Ran { worst, report, terms })
}

fn numbers(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    /// What holds the numbers, and how they are read.
    type Reader = (Dtype, fn(&[u8]) -> Vec<f64>);
    let known: &[Reader] = &[
        (Dtype::F16, |b| each(b, |x| half::f16::from_le_bytes(x).into())),
        (Dtype::F32, |b| each(b, |x| f32::from_le_bytes(x).into())),
        (Dtype::F64, |b| each(b, f64::from_le_bytes)),
        (Dtype::I32, |b| each(b, |x| i32::from_le_bytes(x).into())),
    ];
    let (_, read) = known.iter().find(|(of, _)| *of == dtype).expect("a type of outputs");
    read(bytes)
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks::<N>().0.iter().map(|b| read(*b)).collect()
}
