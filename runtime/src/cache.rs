//! Compiled artifacts on disk, by the hash of everything they depend on.
//!
//! Each entry is a folder named by its key. It appears by one rename, so readers see whole entries only, however
//! many processes write and whenever one is killed. What is found is executed, so the folder must be private.

use crate::artifact::{ArtifactError, Formats, read_dir, write_beside, write_dir};
use kgen_ir::artifact::Artifact;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

/// A temporary folder this old belongs to a process that was killed.
const STALE: Duration = Duration::from_secs(3600);

pub struct Cache {
    dir: PathBuf,
    formats: Formats,
    locked: bool,
    /// One compilation a key at a time.
    flights: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
}

/// What stands under a key.
#[derive(Debug)]
pub enum Entry {
    Found(Box<Artifact>),
    Missing,
    /// Counts as missing; the text says what is wrong.
    Damaged(String),
}

#[derive(Debug)]
pub struct Outcome {
    pub artifact: Artifact,
    pub compiled: bool,
    /// Something to tell the user that did not stop us.
    pub note: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("cache {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("cache {} is writable by others (mode {mode:o}): `chmod 700` it or name another", path.display())]
    NotPrivate { path: PathBuf, mode: u32 },
    #[error("`{0}` is not a key: 64 hexadecimal digits")]
    Key(String),
    #[error("the artifact has key `{found}`, it cannot be put under `{wanted}`")]
    OtherKey { wanted: String, found: String },
    #[error("`{key}` is not in the cache and compiling is forbidden{}", why(.note))]
    Locked { key: String, note: Option<String> },
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

fn why(note: &Option<String>) -> String {
    note.as_ref().map_or_else(String::new, |n| format!(" ({n})"))
}

/// Of [`Cache::get_or_compile`].
#[derive(Debug, thiserror::Error)]
pub enum CompileError<E> {
    #[error(transparent)]
    Cache(CacheError),
    #[error("{0}")]
    Compile(E),
}

/// BLAKE3 of what an artifact depends on: printed op, schedule, name and rows of the target, compiler version.
pub fn key(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // Lengths keep ("ab", "c") apart from ("a", "bc").
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Entries of the cache folder `dir` and their bytes; a folder that is not there has none.
pub fn usage(dir: &Path) -> Result<(usize, u64), CacheError> {
    let failed = |source| CacheError::Io { path: dir.into(), source };
    let list = match fs::read_dir(dir) {
        Ok(list) => list,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        Err(e) => return Err(failed(e)),
    };
    let (mut entries, mut bytes) = (0, 0);
    for entry in list {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_str().is_some_and(is_key) {
            continue;
        }
        // Another process may replace it meanwhile: what is gone is not counted.
        let Ok(files) = fs::read_dir(entry.path()) else { continue };
        entries += 1;
        bytes += files.filter_map(|f| f.ok()?.metadata().ok()).map(|m| m.len()).sum::<u64>();
    }
    Ok((entries, bytes))
}

fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl Cache {
    /// Opens or makes the folder `dir`. A `locked` cache never compiles.
    pub fn open(dir: &Path, formats: Formats, locked: bool) -> Result<Cache, CacheError> {
        let failed = |source| CacheError::Io { path: dir.into(), source };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(failed)?;
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(dir).map_err(failed)?);
            if mode & 0o022 != 0 {
                return Err(CacheError::NotPrivate { path: dir.into(), mode: mode & 0o777 });
            }
        }
        let cache = Cache { dir: dir.into(), formats, locked, flights: Mutex::default() };
        cache.sweep().map_err(failed)?;
        Ok(cache)
    }

    /// Where it is: private, as it was opened.
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// Removes what killed processes left.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let temporary = name.starts_with('.') && name.ends_with(".tmp");
            // Another process may sweep too: what is gone is gone.
            let modified = entry.metadata().and_then(|m| m.modified());
            let old = modified
                .is_ok_and(|t| SystemTime::now().duration_since(t).is_ok_and(|age| age > STALE));
            if temporary && old {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    pub fn get(&self, key: &str) -> Result<Entry, CacheError> {
        let place = self.place(key)?;
        Ok(match read_dir(&place, self.formats) {
            Ok(artifact) if artifact.manifest.key == key => Entry::Found(Box::new(artifact)),
            Ok(artifact) => {
                let found = artifact.manifest.key;
                Entry::Damaged(format!("{} holds the artifact `{found}`", place.display()))
            }
            Err(ArtifactError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && !place.exists() =>
            {
                Entry::Missing
            }
            Err(e) => Entry::Damaged(e.to_string()),
        })
    }

    /// Publishes an entry. If another process was first, its entry stays and ours is discarded; a damaged entry
    /// is replaced.
    pub fn put(&self, key: &str, artifact: &Artifact) -> Result<(), CacheError> {
        let place = self.place(key)?;
        if artifact.manifest.key != key {
            let (wanted, found) = (key.to_owned(), artifact.manifest.key.clone());
            return Err(CacheError::OtherKey { wanted, found });
        }
        let temporary = write_beside(artifact, &BTreeMap::new(), &place)?;
        let first = fs::rename(&temporary, &place);
        let Err(source) = first else {
            crate::artifact::sync_dir(&self.dir)?;
            return Ok(());
        };
        let _ = fs::remove_dir_all(&temporary);
        if !place.exists() {
            return Err(CacheError::Io { path: place, source });
        }
        if let Entry::Found(_) = self.get(key)? {
            return Ok(());
        }
        match write_dir(artifact, &place) {
            Ok(()) => Ok(()),
            // Somebody else may have repaired it meanwhile.
            Err(e) => match self.get(key)? {
                Entry::Found(_) => Ok(()),
                Entry::Missing | Entry::Damaged(_) => Err(e.into()),
            },
        }
    }

    /// The entry, or what `compile` makes of it; of several threads that ask at once, one compiles.
    pub fn get_or_compile<E>(
        &self,
        key: &str,
        compile: impl FnOnce() -> Result<Artifact, E>,
    ) -> Result<Outcome, CompileError<E>> {
        let flight = Arc::clone(lock(&self.flights).entry(key.to_owned()).or_default());
        let outcome = {
            let _turn = lock(&flight);
            self.look_or_compile(key, compile)
        };
        let mut flights = lock(&self.flights);
        drop(flight);
        // Nobody can take another reference while we hold the map.
        if flights.get(key).is_some_and(|f| Arc::strong_count(f) == 1) {
            flights.remove(key);
        }
        outcome
    }

    fn look_or_compile<E>(
        &self,
        key: &str,
        compile: impl FnOnce() -> Result<Artifact, E>,
    ) -> Result<Outcome, CompileError<E>> {
        let mut note = match self.get(key).map_err(CompileError::Cache)? {
            Entry::Found(artifact) => {
                return Ok(Outcome { artifact: *artifact, compiled: false, note: None });
            }
            Entry::Missing => None,
            Entry::Damaged(what) => Some(format!("damaged cache entry: {what}")),
        };
        if self.locked {
            return Err(CompileError::Cache(CacheError::Locked { key: key.into(), note }));
        }
        let artifact = compile().map_err(CompileError::Compile)?;
        match self.put(key, &artifact) {
            Ok(()) => {}
            Err(e @ CacheError::OtherKey { .. }) => return Err(CompileError::Cache(e)),
            // A full disk does not stop whoever has the artifact in hand.
            Err(
                e @ (CacheError::Io { .. }
                | CacheError::NotPrivate { .. }
                | CacheError::Key(_)
                | CacheError::Locked { .. }
                | CacheError::Artifact(_)),
            ) => note = Some(format!("not kept in the cache: {e}")),
        }
        Ok(Outcome { artifact, compiled: true, note })
    }

    fn place(&self, key: &str) -> Result<PathBuf, CacheError> {
        if is_key(key) { Ok(self.dir.join(key)) } else { Err(CacheError::Key(key.into())) }
    }
}

/// The locks guard no data that a panic of `compile` could leave half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::tests::{TempDir, no_formats, sample};
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    fn entry(key: &str, text: &str) -> Artifact {
        let mut artifact = sample(text);
        artifact.manifest.key = key.into();
        artifact
    }

    fn open(dir: &TempDir, locked: bool) -> Cache {
        Cache::open(&dir.0.join("cache"), no_formats, locked).unwrap()
    }

    #[test]
    fn a_key_depends_on_every_part() {
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
    }

    #[test]
    fn what_is_put_is_found_and_first_wins() {
        let dir = TempDir::new("cache");
        let (cache, k) = (open(&dir, false), key(&["op"]));
        assert!(matches!(cache.get(&k), Ok(Entry::Missing)));
        for text in ["one", "two"] {
            cache.put(&k, &entry(&k, text)).unwrap();
            let Ok(Entry::Found(found)) = cache.get(&k) else { panic!("not found") };
            assert_eq!(*found, entry(&k, "one"));
        }
        assert_eq!(fs::read_dir(&cache.dir).unwrap().count(), 1);
    }

    #[test]
    fn whole_entries_are_counted() {
        let dir = TempDir::new("usage");
        assert_eq!(usage(&dir.0.join("none")).unwrap(), (0, 0));
        let (cache, k) = (open(&dir, false), key(&["op"]));
        cache.put(&k, &entry(&k, "one")).unwrap();
        fs::create_dir(cache.dir.join(".half.tmp")).unwrap();
        fs::write(cache.dir.join("note.txt"), "not an entry").unwrap();
        let place = cache.place(&k).unwrap();
        let bytes = |f: io::Result<fs::DirEntry>| f.unwrap().metadata().unwrap().len();
        let bytes: u64 = fs::read_dir(place).unwrap().map(bytes).sum();
        assert_eq!(usage(&cache.dir).unwrap(), (1, bytes));
        let file = dir.0.join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(usage(&file), Err(CacheError::Io { .. })));
    }

    #[test]
    fn damaged_entries_count_as_missing_and_are_replaced() {
        let dir = TempDir::new("damaged");
        let (cache, k) = (open(&dir, false), key(&["op"]));
        let place = cache.place(&k).unwrap();
        let damages: [&dyn Fn(); 4] = [
            &|| fs::write(place.join("a.clif"), "changed").unwrap(),
            &|| fs::remove_file(place.join("a.clif")).unwrap(),
            &|| fs::remove_file(place.join("manifest.toml")).unwrap(),
            &|| {
                let text = fs::read_to_string(place.join("manifest.toml")).unwrap();
                fs::write(place.join("manifest.toml"), text.replace(&k, "other")).unwrap();
            },
        ];
        for damage in damages {
            cache.put(&k, &entry(&k, "one")).unwrap();
            damage();
            assert!(matches!(cache.get(&k), Ok(Entry::Damaged(_))));
            let compile = || Ok::<_, Infallible>(entry(&k, "one"));
            let outcome = cache.get_or_compile(&k, compile).unwrap();
            assert!(outcome.compiled && outcome.note.unwrap().starts_with("damaged cache entry: "));
            assert!(matches!(cache.get(&k), Ok(Entry::Found(_))));
        }
    }

    #[test]
    fn half_written_entries_are_not_seen_and_swept_when_old() {
        let dir = TempDir::new("half");
        let (cache, k) = (open(&dir, false), key(&["op"]));
        let half = crate::artifact::temporary_beside(&cache.place(&k).unwrap());
        fs::create_dir(&half).unwrap();
        fs::write(half.join("manifest.toml"), "format = ").unwrap();
        assert!(matches!(cache.get(&k), Ok(Entry::Missing)));
        cache.put(&k, &entry(&k, "one")).unwrap();
        assert!(matches!(cache.get(&k), Ok(Entry::Found(_))));
        open(&dir, false);
        assert!(half.exists(), "it may belong to a living process");
        #[cfg(unix)]
        {
            let long_ago = SystemTime::now() - 2 * STALE;
            fs::File::open(&half).unwrap().set_modified(long_ago).unwrap();
            open(&dir, false);
            assert!(!half.exists());
        }
    }

    #[test]
    fn one_thread_compiles_for_all() {
        let dir = TempDir::new("flight");
        let (cache, k) = (open(&dir, false), key(&["op"]));
        let compiled = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    let compile = || {
                        compiled.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(20));
                        Ok::<_, Infallible>(entry(&k, "one"))
                    };
                    let outcome = cache.get_or_compile(&k, compile).unwrap();
                    assert_eq!(outcome.artifact, entry(&k, "one"));
                });
            }
        });
        assert_eq!(compiled.into_inner(), 1);
        assert!(lock(&cache.flights).is_empty());
    }

    /// Caches of their own, as of several processes.
    #[test]
    fn many_writers_leave_one_whole_entry() {
        let dir = TempDir::new("writers");
        let k = key(&["op"]);
        thread::scope(|s| {
            for i in 0..8 {
                let cache = open(&dir, false);
                let k = &k;
                s.spawn(move || {
                    for _ in 0..20 {
                        cache.put(k, &entry(k, &format!("text {i}"))).unwrap();
                        assert!(matches!(cache.get(k), Ok(Entry::Found(_))));
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.0.join("cache")).unwrap().count(), 1);
    }

    #[test]
    fn refusals_are_told() {
        let dir = TempDir::new("refusals");
        let (cache, k) = (open(&dir, false), key(&["op"]));
        let compile = || Err::<Artifact, _>("no such row");
        assert_eq!(cache.get_or_compile(&k, compile).unwrap_err().to_string(), "no such row");
        let compile = || Ok::<_, Infallible>(entry("0", "one"));
        let error = cache.get_or_compile(&k, compile).unwrap_err().to_string();
        assert_eq!(error, format!("the artifact has key `0`, it cannot be put under `{k}`"));
        let error = cache.get("../../etc").unwrap_err().to_string();
        assert_eq!(error, "`../../etc` is not a key: 64 hexadecimal digits");
        let compile = || Ok::<_, Infallible>(entry(&k, "one"));
        let error = open(&dir, true).get_or_compile(&k, compile).unwrap_err().to_string();
        assert_eq!(error, format!("`{k}` is not in the cache and compiling is forbidden"));
        let file = dir.0.join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Cache::open(&file, no_formats, false), Err(CacheError::Io { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new("private");
        let place = open(&dir, false).dir;
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
        let error = Cache::open(&place, no_formats, false).err().unwrap().to_string();
        assert!(error.contains("is writable by others (mode 777)"), "{error}");
    }

    #[test]
    fn a_disk_that_says_no_does_not_stop_the_caller() {
        let dir = TempDir::new("full");
        let (cache, k) = (open(&dir, false), key(&["op"]));
        let mut bad = entry(&k, "one");
        bad.files.insert("no/such/folder".into(), String::new());
        let outcome = cache.get_or_compile(&k, || Ok::<_, Infallible>(bad)).unwrap();
        assert!(outcome.note.unwrap().starts_with("not kept in the cache: "));
    }
}
