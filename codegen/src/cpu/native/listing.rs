//! Code as text: what an artifact ships, and what people read.
//!
//! ```text
//! native 1 kernel axpy target x86-64-v3/native features avx2,fma,f16c bytes 96
//! 0000: 488b07             mov rax,[rdi]
//! 0003: c5fc1004 88        vmovups ymm0,[rax+rcx*4]
//! 0040: 0000803f           constant
//! ```

use super::encode::{Encoded, Piece, What};
use iced_x86::FastFormatter;
use kgen_ir::target::Target;
use std::fmt::Write;

/// Version of the text form.
pub const FORMAT: u32 = 1;

/// The hexadecimal column is at least so wide.
const WIDTH: usize = 22;

pub fn listing(name: &str, target: &Target, e: &Encoded, formatter: &mut FastFormatter) -> String {
    let mut out = String::with_capacity(64 * e.pieces.len() + 128);
    let _ = writeln!(
        out,
        "native {FORMAT} kernel {name} target {} features {} bytes {}",
        target.name,
        target.features.join(","),
        e.code.len()
    );
    for piece in &e.pieces {
        line(&mut out, piece, e.code.get(piece.at..piece.at + piece.len).unwrap_or(&[]), formatter);
    }
    out
}

fn line(out: &mut String, piece: &Piece, bytes: &[u8], formatter: &mut FastFormatter) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: usize| char::from(DIGITS[n & 15]);
    let mut shift = 16;
    while shift < 32 && piece.at >> shift > 0 {
        shift += 4;
    }
    while shift > 0 {
        shift -= 4;
        out.push(digit(piece.at >> shift));
    }
    out.push_str(": ");
    for b in bytes {
        out.push(digit(usize::from(b >> 4)));
        out.push(digit(usize::from(*b)));
    }
    for _ in 2 * bytes.len()..WIDTH {
        out.push(' ');
    }
    out.push(' ');
    match &piece.what {
        What::Instr(i) => formatter.format(i, out),
        What::Jump(name, to) => {
            let _ = write!(out, "{name} {to:04x}");
        }
        What::Nop => out.push_str("nop"),
        What::Constant => out.push_str("constant"),
    }
    out.push('\n');
}
