//! A hint to the memory system: a cache line will be read soon.
#![allow(unsafe_code)] // a function of one instruction

// SAFETY: of both: the hint has no effect but on caches, whatever the address; no register changes, so the function
// keeps the C convention and `preserve_all`, in which kernels call it, alike.
#[cfg(all(target_arch = "x86_64", unix))]
#[unsafe(naked)]
extern "C" fn prefetch(_address: *const u8) {
    core::arch::naked_asm!("prefetcht0 [rdi]", "ret")
}

// SAFETY: as above.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
extern "C" fn prefetch(_address: *const u8) {
    core::arch::naked_asm!("prfm pldl1keep, [x0]", "ret")
}

#[cfg(not(any(all(target_arch = "x86_64", unix), target_arch = "aarch64")))]
extern "C" fn prefetch(_address: *const u8) {}

/// The function itself, for kernels that call it.
pub fn address() -> *const u8 {
    prefetch as *const u8
}

/// The line of `byte` will be read soon.
#[inline]
pub fn soon(byte: &u8) {
    prefetch(byte);
}
