//! The matrix registers of x86-64, which Linux gives to a process that asks for them: 8 KiB more to save a thread.
//!
//! ```text
//! arch_prctl(ARCH_GET_XCOMP_SUPP, &mask)     which parts of a CPU's state the system can give
//! arch_prctl(ARCH_REQ_XCOMP_PERM, 18)        all threads of the process may use the data of tiles
//! ```
#![allow(unsafe_code)] // a system call

use super::DriverError;

/// CPU features of tiles that can be used here: the CPU has them, and the system gives them to who asks.
pub fn features() -> [(&'static str, bool); 3] {
    let [tile, bytes, halves] = detect();
    [("amx-tile", tile), ("amx-int8", tile && bytes), ("amx-bf16", tile && halves)]
}

/// The process may use tiles from now on; again it changes nothing. An error says what is in the way.
pub fn allow() -> Result<(), DriverError> {
    let no = |why: &str| Err(DriverError::Unavailable(format!("no tiles of AMX: {why}")));
    let [tile, ..] = detect();
    if !tile {
        return no("the CPU has none, or the system does not give them");
    }
    match request() {
        0 => Ok(()),
        // Stacks for signals must have room for what is saved.
        error if error == -NO_SPACE => {
            no("a thread's stack for signals is too small (sigaltstack)")
        }
        error => no(&format!("the system refuses them (error {})", -error)),
    }
}

/// `ENOSPC`.
const NO_SPACE: isize = 28;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod linux {
    use std::{arch::asm, sync::LazyLock};

    const ARCH_PRCTL: isize = 158;
    const ARCH_GET_XCOMP_SUPP: usize = 0x1021;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    /// The data of tiles, among the parts of the state of a CPU.
    const XTILEDATA: usize = 18;

    /// Minus the error, or 0.
    fn arch_prctl(code: usize, address: usize) -> isize {
        let mut result = ARCH_PRCTL;
        // SAFETY: of the two codes, one writes eight bytes at the address, which is that of the caller's word; the other
        // reads no memory. Registers change as the convention of Linux says.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") result,
                in("rdi") code,
                in("rsi") address,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result
    }

    /// Tiles, products of bytes and of bf16.
    pub fn detect() -> [bool; 3] {
        static FOUND: LazyLock<[bool; 3]> = LazyLock::new(|| {
            let bits = if std::arch::x86_64::__cpuid(0).eax >= 7 {
                std::arch::x86_64::__cpuid_count(7, 0).edx
            } else {
                0
            };
            let mut given = 0u64;
            let asked = arch_prctl(ARCH_GET_XCOMP_SUPP, &raw mut given as usize);
            let system = asked == 0 && given >> XTILEDATA & 1 == 1;
            [24, 25, 22].map(|bit| system && bits >> bit & 1 == 1)
        });
        *FOUND
    }

    pub fn request() -> isize {
        arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use linux::{detect, request};

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn detect() -> [bool; 3] {
    [false; 3]
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn request() -> isize {
    -1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_given_where_they_are() {
        let [(_, tile), ..] = features();
        match allow() {
            Ok(()) => assert!(tile && allow().is_ok()),
            Err(error) => {
                let error = error.to_string();
                let begin = "this machine cannot run the code: no tiles of AMX: ";
                assert!(error.starts_with(begin), "{error}");
                assert_eq!(
                    !tile,
                    error.ends_with("the CPU has none, or the system does not give them")
                );
            }
        }
        let known = crate::device::features();
        assert!(features().iter().all(|f| !cfg!(target_arch = "x86_64") || known.contains(f)));
    }
}
