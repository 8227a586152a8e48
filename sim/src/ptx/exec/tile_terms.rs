//! Terms of matrices: of what is loaded, stored and multiplied.

use super::{
    Machine, Product, Warp,
    access::Place,
    terms::{KNOWN, Term, mix, of, split},
};
use crate::ptx::{
    matrix::{self, Matrix},
    op::{SINK, Slot, WarpMatrix},
};

impl<'a> Machine<'a> {
    /// Terms of what `ldmatrix` gives each lane, by the places of the rows.
    pub(super) fn matrix_terms(
        &self,
        warp: &mut Warp<'a>,
        (count, transposed): (usize, bool),
        places: &[Option<Place>; 32],
        registers: &[Slot],
    ) {
        let (mut rows, mut bytes) = ([[0u8; 16]; 32], [[0u8; 16]; 32]);
        for (lane, (row, byte)) in rows.iter_mut().zip(&mut bytes).enumerate() {
            *row = [lane as u8; 16];
            *byte = std::array::from_fn(|b| b as u8);
        }
        let rows = matrix::ldmatrix(count, transposed, &rows[..8 * count]);
        let bytes = matrix::ldmatrix(count, transposed, &bytes[..8 * count]);
        for ((slot, rows), bytes) in registers.iter().zip(rows).zip(bytes) {
            for lane in 0..32 {
                let at = |i: u32| (rows[lane] >> (8 * i) & 255, bytes[lane] >> (8 * i) & 255);
                let part = |i: u32, size: usize| {
                    let (row, byte) = at(i);
                    let place = places[row as usize].map(|p| p.on(byte as usize));
                    place.map_or(KNOWN, |p| self.term_at(warp, row as usize, p, size))
                };
                let term = if at(0).0 == at(2).0 {
                    part(0, 4)
                } else {
                    let (low, high) = (part(0, 2), part(2, 2));
                    if low == KNOWN && high == KNOWN { KNOWN } else { mix(mix(13, low), high) }
                };
                warp.terms.registers[*slot as usize][lane] = term;
            }
        }
    }

    /// Terms of what a product of the warpgroup gives: of all that it reads.
    pub(super) fn product_terms(&self, warp: &mut Warp<'a>, product: &Product<'a>) {
        let of_it = product.of;
        let a = if of_it.a_in_memory {
            of_it.mma.addresses_a(product.a, of_it.trans[0]).unwrap_or_default()
        } else {
            vec![]
        };
        let b = of_it.mma.addresses_b(product.b, of_it.trans[1]).unwrap_or_default();
        let mut known = true;
        let mut hash = self.names[product.pc as usize];
        for at in a.into_iter().chain(b) {
            let at = at as usize;
            let bytes = self.shared.get(at..at + 16).unwrap_or(&[]);
            let terms = self.shared_terms.get(at..at + 16).unwrap_or(&[]);
            known &= terms.iter().all(|t| *t == KNOWN);
            hash = terms.iter().zip(bytes).fold(hash, |h, (t, b)| mix(h, of(*t, (*b).into())));
        }
        let registers = if of_it.a_in_memory { &[][..] } else { &of_it.a };
        for slot in registers {
            for lane in 0..32 {
                let term = warp.terms.registers[*slot as usize][lane];
                known &= term == KNOWN;
                hash = mix(hash, of(term, warp.registers[*slot as usize][lane]));
            }
        }
        for (r, slot) in of_it.d.iter().enumerate().filter(|(_, s)| **s != SINK) {
            for lane in 0..32 {
                let old = warp.terms.registers[*slot as usize][lane];
                let value = warp.registers[*slot as usize][lane];
                let here = mix(mix(hash, r as u64), lane as u64);
                let before = if product.keep { of(old, value) } else { 0 };
                let stays = known && (old == KNOWN || !product.keep);
                warp.terms.registers[*slot as usize][lane] =
                    if stays { KNOWN } else { mix(here, before) };
            }
        }
    }

    /// Terms of the rows that `stmatrix` writes.
    pub(super) fn row_terms(
        warp: &Warp<'_>,
        count: usize,
        transposed: bool,
        registers: &[Slot],
    ) -> Vec<[Term; 16]> {
        let codes: Vec<[u32; 32]> = (0..count as u32)
            .map(|r| {
                std::array::from_fn(|l| (64 * r + 2 * l as u32) | (64 * r + 2 * l as u32 + 1) << 16)
            })
            .collect();
        let term = |code: u16| {
            let (register, lane) = (usize::from(code / 64), usize::from(code % 64 / 2));
            let slot = registers.get(register).copied().unwrap_or(SINK);
            match warp.terms.registers[slot as usize][lane] {
                KNOWN => KNOWN,
                term => mix(term, u64::from(code % 2)),
            }
        };
        let rows = matrix::stmatrix(count, transposed, &codes);
        let row = |bytes: [u8; 16]| {
            let mut out = [KNOWN; 16];
            for (to, code) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes.as_chunks::<2>().0) {
                let term = term(u16::from_le_bytes(*code));
                to.iter_mut().zip(split(term, 2)).for_each(|(to, t)| *to = t);
            }
            out
        };
        rows.into_iter().map(row).collect()
    }
}

/// Terms of the product of a warp: each element, added up in any order.
pub fn multiplied(warp: &mut Warp<'_>, product: &WarpMatrix, name: u64) {
    let mma = &product.mma;
    let [m, n, k] = mma.shape();
    // Volta's form has four products.
    let count = if m == 8 && k == 4 && !product.wide { 4 } else { 1 };
    let gather = |slots: &[Slot], of: Matrix, (rows, cols): (usize, usize)| {
        let per = mma.elements(of);
        let bits = if per == 1 { 64 } else { 32 / per };
        let mut out = vec![(KNOWN, 0); count * rows * cols];
        for (r, slot) in slots.iter().enumerate() {
            let (terms, values) =
                (&warp.terms.registers[*slot as usize], &warp.registers[*slot as usize]);
            for lane in 0..32 {
                for x in 0..per {
                    let place = mma.place(of, lane, r * per + x);
                    let term =
                        if terms[lane] == KNOWN { KNOWN } else { mix(terms[lane], x as u64) };
                    let value = values[lane] >> (x * bits) & (u64::MAX >> (64 - bits));
                    out[(place.product * rows + place.row) * cols + place.col] = (term, value);
                }
            }
        }
        out
    };
    let a = gather(&product.a, Matrix::A, (m, k));
    let b = gather(&product.b, Matrix::B, (k, n));
    let c = gather(&product.c, Matrix::C, (m, n));
    let element = |q: usize, row: usize, col: usize| {
        let (mut known, mut sum) = (true, 0u64);
        for i in 0..k {
            let (x, y) = (a[(q * m + row) * k + i], b[(q * k + i) * n + col]);
            known &= x.0 == KNOWN && y.0 == KNOWN;
            sum = sum.wrapping_add(mix(of(x.0, x.1), of(y.0, y.1)));
        }
        let c = c[(q * m + row) * n + col];
        if known && c.0 == KNOWN { KNOWN } else { mix(mix(name, sum), of(c.0, c.1)) }
    };
    let per = mma.elements(Matrix::D);
    for (r, slot) in product.d.iter().enumerate().filter(|(_, s)| **s != SINK) {
        for lane in 0..32 {
            let (mut known, mut hash) = (true, 17);
            for x in 0..per {
                let place = mma.place(Matrix::D, lane, r * per + x);
                let term = element(place.product, place.row, place.col);
                known &= term == KNOWN;
                hash = if per == 1 { term } else { mix(hash, term) };
            }
            warp.terms.registers[*slot as usize][lane] = if known { KNOWN } else { hash };
        }
    }
}
