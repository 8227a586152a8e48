//! Cranelift as the driver of artifacts whose files are CLIF text.

#![allow(unsafe_code)]

use super::{Driver, DriverError, Loaded, cranelift};

/// Backend `cranelift`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clif;

struct File {
    code: cranelift::Code,
    entries: Vec<String>,
}

impl Driver for Clif {
    fn name(&self) -> &'static str {
        "cranelift"
    }

    fn load(&self, text: &str, entries: &[&str]) -> Result<Box<dyn Loaded>, DriverError> {
        let code = cranelift::Code::compile(text)?;
        if let Some(missing) = entries.iter().find(|name| code.entry(name).is_none()) {
            return Err(DriverError::Entry((*missing).into()));
        }
        let entries = entries.iter().map(|name| (*name).to_owned()).collect();
        Ok(Box::new(File { code, entries }))
    }
}

impl From<cranelift::DriverError> for DriverError {
    fn from(e: cranelift::DriverError) -> DriverError {
        match e {
            cranelift::DriverError::Host(_) => DriverError::Unavailable(e.to_string()),
            cranelift::DriverError::Text { .. } | cranelift::DriverError::Compile { .. } => {
                DriverError::Compile(e.to_string())
            }
        }
    }
}

impl Loaded for File {
    unsafe fn call(&self, entry: usize, args: *const u64, worker: u64) {
        if let Some(entry) = self.entries.get(entry).and_then(|name| self.code.entry(name)) {
            // SAFETY: the caller's promise is the same.
            unsafe { entry.call(args, worker) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{module::Module, pool::Pool, tensors::run_tensors};
    use kgen_ir::{
        artifact::{Artifact, Manifest},
        dtype::Dtype,
        extent::Dims,
        tensor::Tensor,
    };

    /// `o[i] = x[i] + x[i]`, the whole by worker 0.
    const DOUBLE: &str = "
function %double(i64, i64) system_v {
block0(v0: i64, v1: i64):
    v2 = load.i64 v0
    v3 = load.i64 v0+8
    v4 = load.i64 v0+16
    v5 = iconst.i64 0
    brif v1, block3, block1(v5)
block1(v6: i64):
    v7 = icmp slt v6, v4
    brif v7, block2, block3
block2:
    v8 = iadd v2, v6
    v9 = iadd v3, v6
    v10 = load.f32 v8
    v11 = fadd v10, v10
    store v11, v9
    v12 = iconst.i64 4
    v13 = iadd v6, v12
    jump block1(v13)
block3:
    return
}
";

    const MANIFEST: &str = r#"
format = 1
kgen = "0.1.0"
name = "double"
target = "any"
backend = "cranelift"
key = ""
features = []
symbols = ["n"]
params = ["in x: f32[n]", "out o: f32[n]"]
prepares = []
buffers = []

[[kernel]]
name = "double"
file = "double.clif"
entry = "double"
params = ["in x: f32[n]", "out o: f32[n]"]
slots = ["pointer x", "pointer o", "extent n * 4"]
scratch = 0
counters = 0

[[variant]]
name = "all"
when = []
launches = ["double(x, o)"]

[contract]
activation = "f32"
accumulation = "f32"
partials = "f32"
order = "none"
bound = "0"

[files]
"double.clif" = ""
"#;

    fn artifact(text: &str) -> Artifact {
        let manifest = Manifest::parse("m", MANIFEST, &|_| None).map_err(|r| r.render()).unwrap();
        Artifact::new(manifest, [("double.clif".to_owned(), text.to_owned())].into())
    }

    #[cfg(unix)]
    #[test]
    fn an_artifact_of_clif_runs() {
        let module = Module::load(&artifact(DOUBLE), &Clif).unwrap();
        let pool = Pool::new(2).unwrap();
        for n in [0, 1, 5] {
            let values: Vec<f64> = (0..n).map(f64::from).collect();
            let x = Tensor::from_f64(Dtype::F32, &[n as usize], &values);
            let dims =
                Dims { scalars: [("n".into(), n.into())].into(), cores: 2, ..Dims::default() };
            let out =
                run_tensors(&module, &dims, &[("x".to_owned(), x)].into(), &[], &pool).unwrap();
            let doubled: Vec<f64> = values.iter().map(|x| x + x).collect();
            assert_eq!(out["o"].to_f64(), doubled);
        }
    }

    #[cfg(not(feature = "llvm"))]
    #[test]
    fn a_build_without_a_backend_says_how_to_get_it() {
        let mut other = artifact(DOUBLE);
        other.manifest.backend = "llvm".into();
        let error = Module::open(&other).err().unwrap().to_string();
        assert!(error.contains("is for backend `llvm`; this build has native"), "{error}");
        assert!(error.ends_with("; build with `--features llvm`"), "{error}");
    }

    #[test]
    fn what_does_not_compile_is_told() {
        let told = |text: &str| Module::load(&artifact(text), &Clif).err().unwrap().to_string();
        let error = told("function %double(");
        assert!(
            error.starts_with("file `double.clif`: cannot compile: CLIF text, line "),
            "{error}"
        );
        let error = told(&DOUBLE.replace("%double", "%other"));
        assert_eq!(error, "file `double.clif`: the code has no symbol `double`");
        let host = cranelift::DriverError::Host("x".into());
        assert!(matches!(DriverError::from(host), DriverError::Unavailable(_)));
    }
}
