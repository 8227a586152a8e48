//! Machine code as its listing: read, checked, mapped, called.
//!
//! ```text
//! native 1 kernel axpy target x86-64-v3/native features avx2,fma,f16c bytes 4
//! 0000: c5f877             vzeroupper
//! 0003: c3                 ret
//! ```
//!
//! Only offsets and bytes count; what stands behind them is for people. Memory is never writable and executable at
//! once.

#![allow(unsafe_code)]

use super::{Driver, DriverError, Loaded};
use crate::device;
use memmap2::{Mmap, MmapMut};
use std::{io::Write, path::PathBuf};

/// The version of the listing that this reads.
const FORMAT: &str = "1";

/// No kernel is larger.
const MOST_BYTES: usize = 1 << 24;

/// What the constants of a kernel ask for: a whole vector of the widest.
pub(super) const ALIGN: u64 = 64;

/// Backend `native`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native {
    /// Each kernel gets a line `ADDRESS SIZE kgen:NAME` in the file where Linux' perf looks for the names of code that
    /// no file has, `perf-PID.map`.
    pub perf_map: bool,
}

/// Code in memory that can only be read and run.
struct Code {
    map: Mmap,
}

impl Driver for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn load(&self, text: &str, entries: &[&str]) -> Result<Box<dyn Loaded>, DriverError> {
        let listing = read(text)?;
        if let Some(missing) = entries.iter().find(|name| **name != listing.kernel) {
            return Err(DriverError::Entry((*missing).into()));
        }
        if !cfg!(all(target_arch = "x86_64", unix)) {
            return Err(DriverError::Unavailable("it is of x86-64".into()));
        }
        if let Some(feature) = listing.features.iter().find(|f| !device::has(f)) {
            return Err(DriverError::Unavailable(format!("it lacks {feature}")));
        }
        let map = map(&listing.code).map_err(|e| DriverError::Unavailable(e.to_string()))?;
        if self.perf_map {
            tell_perf(&map, listing.kernel)
                .map_err(|e| DriverError::Unavailable(format!("perf's map: {e}")))?;
        }
        Ok(Box::new(Code { map }))
    }
}

fn map(code: &[u8]) -> std::io::Result<Mmap> {
    let mut map = MmapMut::map_anon(code.len())?;
    map.copy_from_slice(code);
    map.make_exec()
}

/// Perf looks nowhere else (`tools/perf/Documentation/jit-interface.txt` of Linux).
fn perf_map() -> PathBuf {
    PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()))
}

/// Names code for perf. The line is written at once, so that those of threads do not mix.
fn tell_perf(code: &[u8], kernel: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(perf_map())?;
    let line = format!("{:x} {:x} kgen:{kernel}\n", code.as_ptr() as usize, code.len());
    file.write_all(line.as_bytes())
}

impl Loaded for Code {
    unsafe fn call(&self, _entry: usize, args: *const u64, worker: u64) {
        #[cfg(all(target_arch = "x86_64", unix))]
        {
            // SAFETY: the map holds the code of a function of this convention from its first byte on, which this
            // CPU has the features for; it stays mapped as long as `self` lives. The rest is the caller's promise.
            unsafe {
                let run: unsafe extern "sysv64" fn(*const u64, u64) =
                    std::mem::transmute(self.map.as_ptr());
                run(args, worker);
            }
        }
        #[cfg(not(all(target_arch = "x86_64", unix)))]
        let _ = (&self.map, args, worker);
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct Listing<'a> {
    pub kernel: &'a str,
    features: Vec<&'a str>,
    pub code: Vec<u8>,
}

pub(super) fn read(text: &str) -> Result<Listing<'_>, DriverError> {
    let wrong = |line: usize, what: String| {
        DriverError::Compile(format!("native code, line {}: {what}", line + 1))
    };
    let mut lines = text.lines().enumerate();
    let head = lines.next().map_or("", |(_, l)| l);
    let words: Vec<&str> = head.split(' ').collect();
    if let ["native", version, ..] = words[..]
        && version != FORMAT
    {
        return Err(wrong(0, format!("version {version}, but this reads version {FORMAT}")));
    }
    let ["native", _, "kernel", kernel, "target", _, "features", features, "bytes", bytes] =
        words[..]
    else {
        let what = "expected `native 1 kernel NAME target T features F,.. bytes N`";
        return Err(wrong(0, what.into()));
    };
    let bytes: usize = bytes.parse().map_err(|_| wrong(0, format!("`{bytes}` is no size")))?;
    if bytes == 0 || bytes > MOST_BYTES {
        return Err(wrong(0, format!("{bytes} bytes, expected 1 to {MOST_BYTES}")));
    }
    let mut code = Vec::new();
    for (n, line) in lines {
        let (offset, rest) = line
            .split_once(": ")
            .ok_or_else(|| wrong(n, "expected `OFFSET: BYTES  text`".into()))?;
        let offset = usize::from_str_radix(offset, 16)
            .map_err(|_| wrong(n, format!("`{offset}` is no offset")))?;
        if offset != code.len() {
            return Err(wrong(n, format!("offset {offset:#x}, expected {:#x}", code.len())));
        }
        let hex = rest.split(' ').next().unwrap_or("").as_bytes();
        let pairs = hex.chunks(2).map(|pair| match pair {
            [a, b] => Some(digit(*a)? << 4 | digit(*b)?),
            _ => None,
        });
        let before = code.len();
        for byte in pairs {
            code.push(byte.ok_or_else(|| wrong(n, "the bytes are not pairs of digits".into()))?);
        }
        if code.len() == before {
            return Err(wrong(n, "no bytes".into()));
        }
        if code.len() > bytes {
            return Err(wrong(n, format!("more than the {bytes} bytes of the head")));
        }
    }
    if code.len() != bytes {
        return Err(wrong(0, format!("{bytes} bytes, but {} are listed", code.len())));
    }
    let features = features.split(',').filter(|f| !f.is_empty()).collect();
    Ok(Listing { kernel, features, code })
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores the worker's number at the first argument.
    const STORE: &str = "\
native 1 kernel store target x86-64-v3/native features  bytes 7
0000: 488b07             mov rax,[rdi]
0003: 488930             mov [rax],rsi
0006: c3                 ret
";

    fn told(text: &str) -> String {
        Native::default().load(text, &["store"]).err().map_or(String::new(), |e| e.to_string())
    }

    #[cfg(all(target_arch = "x86_64", unix))]
    #[test]
    fn a_listing_runs() {
        let code = Native::default().load(STORE, &["store"]).unwrap();
        let mut out = 0u64;
        let args = [&raw mut out as u64];
        // SAFETY: the code writes the eight bytes at its first argument.
        unsafe { code.call(0, args.as_ptr(), 42) };
        assert_eq!(out, 42);
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn perf_is_told_where_kernels_are_if_asked() {
        let path = perf_map();
        let _ = std::fs::remove_file(&path);
        Native::default().load(STORE, &["store"]).unwrap();
        assert!(!std::fs::exists(&path).unwrap());
        let _code = Native { perf_map: true }.load(STORE, &["store"]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let [address, size, name] = text.trim_end().split(' ').collect::<Vec<_>>()[..] else {
            panic!("{text}")
        };
        assert_ne!(usize::from_str_radix(address, 16).unwrap(), 0);
        assert_eq!((size, name), ("7", "kgen:store"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (from, to, error) in [
            ("native 1", "native 2", "line 1: version 2, but this reads version 1"),
            (
                "native 1",
                "clif",
                "line 1: expected `native 1 kernel NAME target T features F,.. bytes N`",
            ),
            ("bytes 7", "bytes x", "line 1: `x` is no size"),
            ("bytes 7", "bytes 0", "line 1: 0 bytes, expected 1 to 16777216"),
            ("bytes 7", "bytes 99999999", "line 1: 99999999 bytes, expected 1 to 16777216"),
            ("bytes 7", "bytes 8", "line 1: 8 bytes, but 7 are listed"),
            ("bytes 7", "bytes 6", "line 4: more than the 6 bytes of the head"),
            ("0003: ", "0003 ", "line 3: expected `OFFSET: BYTES  text`"),
            ("0003:", "zz:", "line 3: `zz` is no offset"),
            ("0003:", "0004:", "line 3: offset 0x4, expected 0x3"),
            ("488930", "48893", "line 3: the bytes are not pairs of digits"),
            ("488930", "48893G", "line 3: the bytes are not pairs of digits"),
            ("488930", "", "line 3: no bytes"),
        ] {
            let error = format!("cannot compile: native code, {error}");
            assert_eq!(told(&STORE.replace(from, to)), error, "{from} {to}");
        }
        assert_eq!(told(&STORE.replace("store", "other")), "the code has no symbol `store`");
        assert!(told("").starts_with("cannot compile: native code, line 1: expected"));
        let lacks = told(&STORE.replace("features ", "features nothing"));
        assert!(lacks.starts_with("this machine cannot run the code: it"), "{lacks}");
    }

    #[test]
    fn damaged_listings_never_panic() {
        let mut noise = 1u64;
        let mut next = |n: usize| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 33) as usize % n
        };
        let other = ["", "0", "f", " ", ":", "\n", "ffffffffffffffffff", "é", "native", "-1"];
        for _ in 0..20_000 {
            let mut text: Vec<char> = STORE.chars().collect();
            for _ in 0..1 + next(3) {
                let at = next(text.len());
                let end = (at + next(4)).min(text.len());
                text.splice(at..end, other[next(other.len())].chars());
            }
            let text: String = text.into_iter().collect();
            if let Ok(listing) = read(&text) {
                assert!(!listing.code.is_empty());
            }
        }
    }
}
