//! Model files: GGUF is read in place, safetensors go in and out.
//!
//! A file is never trusted: whatever it says, the answer is its contents or a [`FileError`].

pub mod gguf;
pub mod safetensors;
pub mod sample;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// What is wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}, byte {offset}: {what}", path.display())]
    Content { path: PathBuf, offset: usize, what: String },
    #[error("{}: {what}", path.display())]
    Whole { path: PathBuf, what: String },
    #[error("{} has no tensor `{name}`{hint}", path.display())]
    Missing { path: PathBuf, name: String, hint: String },
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> FileError {
    move |source| FileError::Io { path: path.into(), source }
}

/// The bytes of a file, mapped.
#[allow(unsafe_code, reason = "a file can only be mapped so")]
fn map(path: &Path) -> Result<memmap2::Mmap, FileError> {
    let file = fs::File::open(path).map_err(io_error(path))?;
    if !file.metadata().map_err(io_error(path))?.is_file() {
        return Err(FileError::Whole { path: path.into(), what: "this is not a file".into() });
    }
    // SAFETY: the map is only read, and any bits are valid bytes. Whoever writes to a model in use must expect what
    // every reader by map expects: changed weights, or the end of the process where the file was cut.
    unsafe { memmap2::Mmap::map(&file) }.map_err(io_error(path))
}

/// Lets `write` make a file beside `path` and puts it in its place: others see the old file or the whole new one.
fn replace(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), FileError>,
) -> Result<(), FileError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(FileError::Whole {
            path: path.into(),
            what: "this is no name of a file".into(),
        });
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.{count}.part", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let done = write(&temporary).and_then(|()| {
        let file = fs::File::options().write(true).open(&temporary).map_err(io_error(path))?;
        file.sync_all().map_err(io_error(path))?;
        fs::rename(&temporary, path).map_err(io_error(path))
    });
    if done.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    done
}

/// Writes a small file: others see the old one or the whole new one.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, |part| fs::write(part, bytes).map_err(io_error(path)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder of its own for a test, removed at its end.
    pub(crate) struct Folder(PathBuf);

    impl Folder {
        pub fn new() -> Folder {
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("kgen-files-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        pub fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        pub fn names(&self) -> Vec<String> {
            let names = fs::read_dir(&self.0).unwrap();
            names.map(|n| n.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_folder_is_not_a_file() {
        let folder = Folder::new();
        let error = map(&folder.0).unwrap_err().to_string();
        assert!(error.contains("this is not a file") || error.contains("denied"), "{error}");
        let error = replace(Path::new("/"), |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("this is no name of a file"), "{error}");
    }
}
