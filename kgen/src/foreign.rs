//! Artifacts that somebody else has compiled. Whoever runs one runs its code, so it must be trusted by name.

use crate::{Error, device};
use kgen_ir::{
    artifact::{self, Artifact},
    op::{self, Op},
};
use kgen_runtime::{artifact::read_dir, module::Module};
use std::{path::Path, sync::Arc};

/// What names an artifact: BLAKE3 of its manifest, which has those of its files.
pub fn hash(artifact: &Artifact) -> String {
    artifact::hash(&artifact.manifest.print())
}

/// The op and the loaded code of a folder, for this CPU; `trust` as in [`read`].
pub fn load(dir: &Path, trust: Option<Option<&str>>) -> Result<(Op, Arc<Module>), Error> {
    let (op, artifact) = read(dir, trust)?;
    let module = device::open(&artifact, None)?;
    Ok((op, module))
}

/// The op and the artifact of a folder. `trust`: `None` refuses, `Some(None)` takes any artifact,
/// `Some(Some(hash))` that one.
pub fn read(dir: &Path, trust: Option<Option<&str>>) -> Result<(Op, Artifact), Error> {
    let artifact =
        read_dir(dir, kgen_ir::format::rows::find).map_err(|e| Error::Input(e.to_string()))?;
    let (found, shown) = (hash(&artifact), dir.display());
    match trust {
        None => {
            return Err(Error::Unavailable(format!(
                "{shown} holds code, which --trust would run; --trust {found} runs only this one"
            )));
        }
        Some(Some(listed)) if listed != found => {
            return Err(Error::Unavailable(format!(
                "{shown} has the hash {found}, and {listed} is trusted"
            )));
        }
        Some(_) => {}
    }
    let name = dir.join("op.toml").display().to_string();
    let text = artifact.files.get("op.toml").ok_or_else(|| {
        Error::Input(format!("{name}: the artifact does not say what it computes; compile it anew"))
    })?;
    let op = op::read::read(&name, text).map_err(Error::Report)?;
    Ok((op, artifact))
}
