//! Artifacts as folders: `manifest.toml` and the files it lists.

use kgen_ir::{
    artifact::{Artifact, MANIFEST, Manifest},
    diag::Report,
    format::Format,
};
use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Files above this are no kernel texts.
const MAX_FILE: u64 = 256 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{0}")]
    Manifest(Report),
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ArtifactError + '_ {
    move |source| ArtifactError::Io { path: path.into(), source }
}

/// Finds a storage format by its name in a manifest.
pub type Formats = fn(&str) -> Option<&'static Format>;

/// Reads a folder and checks every file against its hash.
pub fn read_dir(dir: &Path, formats: Formats) -> Result<Artifact, ArtifactError> {
    let path = dir.join(MANIFEST);
    let text = read_text(&path)?;
    let manifest = Manifest::parse(&path.display().to_string(), &text, &formats)
        .map_err(ArtifactError::Manifest)?;
    let mut files = BTreeMap::new();
    for name in manifest.files.keys() {
        files.insert(name.clone(), read_text(&dir.join(name))?);
    }
    let artifact = Artifact { manifest, files };
    match artifact.damage() {
        None => Ok(artifact),
        Some(what) => Err(ArtifactError::Damaged { path: dir.into(), what }),
    }
}

fn read_text(path: &Path) -> Result<String, ArtifactError> {
    let size = fs::metadata(path).map_err(io_at(path))?.len();
    if size > MAX_FILE {
        let what = format!("{size} bytes are too many for a file of an artifact");
        return Err(ArtifactError::Damaged { path: path.into(), what });
    }
    fs::read_to_string(path).map_err(io_at(path))
}

/// Writes `artifact` as the folder `dir`, in one step: whoever looks sees the old folder, none, or the whole new
/// one. An existing folder is replaced.
pub fn write_dir(artifact: &Artifact, dir: &Path) -> Result<(), ArtifactError> {
    write_dir_with(artifact, &BTreeMap::new(), dir)
}

/// As [`write_dir`], with files that the manifest does not list and no loader reads: objects, headers.
pub fn write_dir_with(
    artifact: &Artifact,
    beside: &BTreeMap<String, Vec<u8>>,
    dir: &Path,
) -> Result<(), ArtifactError> {
    let temporary = write_beside(artifact, beside, dir)?;
    let published = replace(&temporary, dir);
    if published.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    published
}

/// Writes the folder under a temporary name in the parent of `dir`, down to the disk.
pub(crate) fn write_beside(
    artifact: &Artifact,
    beside: &BTreeMap<String, Vec<u8>>,
    dir: &Path,
) -> Result<PathBuf, ArtifactError> {
    let temporary = temporary_beside(dir);
    if let Some(parent) = temporary.parent() {
        fs::create_dir_all(parent).map_err(io_at(parent))?;
    }
    fs::create_dir(&temporary).map_err(io_at(&temporary))?;
    let write = || {
        for (name, text) in &artifact.files {
            write_file(&temporary.join(name), text.as_bytes())?;
        }
        for (name, bytes) in beside {
            write_file(&temporary.join(name), bytes)?;
        }
        write_file(&temporary.join(MANIFEST), artifact.manifest.print().as_bytes())?;
        sync_dir(&temporary)
    };
    match write() {
        Ok(()) => Ok(temporary),
        Err(e) => {
            let _ = fs::remove_dir_all(&temporary);
            Err(e)
        }
    }
}

/// `.NAME.PROCESS.NUMBER.tmp`, unique on this machine.
pub(crate) fn temporary_beside(dir: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = dir.file_name().map_or_else(|| "artifact".into(), |n| n.to_string_lossy());
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    dir.with_file_name(format!(".{name}.{}.{number}.tmp", std::process::id()))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
    let mut file = fs::File::create_new(path).map_err(io_at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_at(path))
}

/// Makes the names in a folder durable; folders cannot be opened everywhere.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), ArtifactError> {
    #[cfg(unix)]
    fs::File::open(dir).and_then(|f| f.sync_all()).map_err(io_at(dir))?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// A folder cannot be renamed onto a full one, so the old one moves out of the way first.
fn replace(from: &Path, to: &Path) -> Result<(), ArtifactError> {
    let old = temporary_beside(to);
    let had_old = match fs::rename(to, &old) {
        Ok(()) => true,
        Err(e) if e.kind() == io::ErrorKind::NotFound => false,
        Err(source) => return Err(ArtifactError::Io { path: to.into(), source }),
    };
    if let Err(source) = fs::rename(from, to) {
        if had_old {
            let _ = fs::rename(&old, to);
        }
        return Err(ArtifactError::Io { path: to.into(), source });
    }
    if had_old {
        let _ = fs::remove_dir_all(&old);
    }
    match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use kgen_ir::artifact::FORMAT;

    /// A fresh folder that goes when the test ends.
    pub(crate) struct TempDir(pub PathBuf);

    impl TempDir {
        pub(crate) fn new(name: &str) -> TempDir {
            let dir = temporary_beside(&std::env::temp_dir().join(format!("kgen-test-{name}")));
            fs::create_dir_all(&dir).unwrap();
            TempDir(dir)
        }
    }

    impl Drop for TempDir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub(crate) fn no_formats(_: &str) -> Option<&'static Format> {
        None
    }

    pub(crate) fn sample(text: &str) -> Artifact {
        let manifest = Manifest { format: FORMAT, name: "sample".into(), ..Manifest::default() };
        Artifact::new(manifest, [("a.clif".to_owned(), text.to_owned())].into())
    }

    #[test]
    fn what_is_written_is_read_and_replaced() {
        let dir = TempDir::new("roundtrip");
        let place = dir.0.join("op.x86");
        for text in ["one", "two"] {
            write_dir(&sample(text), &place).unwrap();
            assert_eq!(read_dir(&place, no_formats).unwrap(), sample(text));
        }
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 1, "nothing temporary is left");
    }

    #[test]
    fn damage_is_told() {
        let dir = TempDir::new("damage");
        let place = dir.0.join("op");
        assert!(matches!(read_dir(&place, no_formats), Err(ArtifactError::Io { .. })));
        write_dir(&sample("one"), &place).unwrap();
        fs::write(place.join("a.clif"), "other").unwrap();
        let error = read_dir(&place, no_formats).unwrap_err().to_string();
        assert!(error.contains("file `a.clif` has BLAKE3"), "{error}");
        fs::write(place.join(MANIFEST), "format = 9").unwrap();
        let error = read_dir(&place, no_formats).unwrap_err().to_string();
        assert!(error.contains("this artifact has format 9"), "{error}");
        fs::File::create(place.join(MANIFEST)).unwrap().set_len(MAX_FILE + 1).unwrap();
        let error = read_dir(&place, no_formats).unwrap_err().to_string();
        assert!(error.contains("too many for a file of an artifact"), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = TempDir::new("failed");
        let mut bad = sample("one");
        bad.files.insert("no/such/folder".into(), String::new());
        assert!(matches!(write_dir(&bad, &dir.0.join("op")), Err(ArtifactError::Io { .. })));
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_way_stays() {
        let dir = TempDir::new("in-the-way");
        let place = dir.0.join("op");
        fs::write(&place, "mine").unwrap();
        // The parent of the folder is a file.
        assert!(write_dir(&sample("one"), &place.join("inner")).is_err());
        assert_eq!(fs::read_to_string(&place).unwrap(), "mine");
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 1);
    }
}
