//! Packing of any bit width: which bit of which byte holds which bit of an element.
//!
//! A width is a sum of powers of two, and each of them is a piece that is packed on its own. Eight
//! elements of 6 bits are their low 4 bits in 4 bytes, then their high 2 bits in 2 bytes:
//!
//! ```text
//! 4 bits from byte 0: bit = e0 e1 k0, byte = k1 k2
//! 2 bits from byte 4: bit = e0 k0 k1, byte = k2
//! ```
//!
//! `e` counts the bits of the piece, `k` the elements. An order of the elements other than their own
//! (Marlin's 0 2 4 6 1 3 5 7) is a layout `slot = k1 k2 k0`.

use super::{Layout, LayoutError};

/// Some bits of all elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The element's bit that is bit 0 of the piece.
    pub low: usize,
    /// A power of two.
    pub bits: usize,
    /// Its first byte in the block.
    pub start: usize,
    /// From `bit` and `byte` to `e` and `k`.
    pub layout: Layout,
}

/// The pieces of a block of as many elements as `order` reaches, from the low bits of an element up.
/// `order` leads from `slot` to `k`.
pub fn pack(width: usize, order: &Layout) -> Result<Vec<Piece>, LayoutError> {
    if width == 0 || width > 64 {
        return Err(LayoutError::ElementBits(width));
    }
    if order.inputs().any(|(axis, _)| axis != "slot") {
        return Err(LayoutError::NoAxis("slot".into()));
    }
    order.invert()?;
    let slots: Vec<_> = order.columns_of("slot").iter().map(|c| order.bits_of(*c)).collect();
    let (mut pieces, mut low, mut start) = (Vec::new(), 0, 0);
    // Wide pieces first: the low four bits of a six-bit element are a nibble.
    for log in (0..7).rev().filter(|log| width >> log & 1 == 1) {
        let within = (0..log).map(|bit| vec![("e".to_string(), bit)]);
        let mut words: Vec<_> = within.chain(slots.iter().cloned()).collect();
        let bytes = words.split_off(words.len().min(3));
        let log_size = bytes.len();
        let axes = [("bit", words), ("byte", bytes)].into_iter().filter(|(_, w)| !w.is_empty());
        let layout = Layout::from_bits(axes.map(|(n, w)| (n.to_string(), w)).collect())?;
        pieces.push(Piece { low, bits: 1 << log, start, layout });
        low += 1 << log;
        start += 1 << log_size;
    }
    Ok(pieces)
}

/// Byte and bit in it of bit `bit` of element `k`.
pub fn place(pieces: &[Piece], k: u64, bit: usize) -> Result<(usize, usize), LayoutError> {
    let width: usize = pieces.iter().map(|p| p.bits).sum();
    let Some(piece) = pieces.iter().find(|p| (p.low..p.low + p.bits).contains(&bit)) else {
        return Err(LayoutError::OutOfRange { axis: "e".into(), index: bit as u64, bits: width });
    };
    let back = piece.layout.invert()?;
    let index = [("e", (bit - piece.low) as u64), ("k", k)];
    let used: Vec<_> =
        index.into_iter().filter(|(n, v)| *v > 0 || back.input_bits(n) > 0).collect();
    let at = back.apply(&used)?;
    let of = |axis: &str| at.iter().find(|(n, _)| n == axis).map_or(0, |(_, v)| *v as usize);
    Ok((piece.start + of("byte"), of("bit")))
}
