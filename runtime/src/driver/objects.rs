//! Objects on disk by the hash of what they are made from.
//!
//! ```text
//! FOLDER/5f0c..e1.o       32 bytes: the hash of the rest; the rest: the object
//! ```
//!
//! What is found is executed, so the folder must be private. A file appears by one rename; a damaged one is made again.

use super::DriverError;
use crate::cache::key;
use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The object kept for `parts`, or what `make` makes, which is then kept if the disk allows.
pub fn kept(
    folder: &Path,
    parts: &[&str],
    make: impl FnOnce() -> Result<Vec<u8>, DriverError>,
) -> Result<Vec<u8>, DriverError> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let key = key(parts);
    let place = folder.join(format!("{key}.o"));
    if let Ok(bytes) = fs::read(&place)
        && let Some((hash, object)) = bytes.split_first_chunk::<32>()
        && blake3::hash(object) == *hash
    {
        return Ok(object.to_vec());
    }
    let object = make()?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{key}.{}.{number}.tmp", std::process::id()));
    let whole = [blake3::hash(&object).as_bytes(), object.as_slice()].concat();
    // Whoever has the object in hand needs no disk.
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&temporary, whole))
        .and_then(|()| fs::rename(&temporary, &place));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::tests::TempDir;

    #[test]
    fn objects_are_made_once() {
        let dir = TempDir::new("objects");
        let folder = dir.0.join("below");
        let ask = |parts: &[&str], made: &[u8]| kept(&folder, parts, || Ok(made.to_vec())).unwrap();
        assert_eq!(ask(&["a"], b"one"), b"one");
        assert_eq!(ask(&["a"], b"two"), b"one");
        assert_eq!(ask(&["b"], b"two"), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        // A damaged one counts as missing and is replaced.
        let place = folder.join(format!("{}.o", key(&["a"])));
        for damaged in [&b""[..], b"short", &[7; 40]] {
            fs::write(&place, damaged).unwrap();
            assert_eq!(ask(&["a"], b"again"), b"again");
            assert_eq!(ask(&["a"], b"never"), b"again");
        }
        let failed = || Err(DriverError::Entry("x".into()));
        assert!(kept(&folder, &["c"], failed).is_err());
        // Nowhere to keep it.
        let file = dir.0.join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(kept(&file, &["a"], || Ok(vec![1])).unwrap(), [1]);
    }
}
