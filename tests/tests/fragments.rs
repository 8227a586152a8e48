//! Two tables of where matrix instructions of PTX hold their elements: the rows that the emitter reads, and the formulas of
//! the simulator. Each was written from the specification without the other; they must agree on every element.

use kgen_codegen::ptx::fragments::{self, MATRICES, MMA, SWIZZLES};
use kgen_ir::layout::Layout;
use kgen_sim::ptx::matrix::{Matrix, Mma, Wgmma, ldmatrix, stmatrix};
use std::collections::BTreeMap;

/// Every hardware index of a layout and its coordinates.
fn walk(text: &str, mut visit: impl FnMut(BTreeMap<&str, usize>, BTreeMap<String, u64>)) {
    let layout = Layout::parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    let axes: Vec<(&str, usize)> = layout.inputs().collect();
    let bits: usize = axes.iter().map(|(_, b)| b).sum();
    for index in 0..1u64 << bits {
        let mut rest = index;
        let mut at = vec![];
        for (axis, bits) in &axes {
            at.push((*axis, rest & ((1 << bits) - 1)));
            rest >>= bits;
        }
        let logical = layout.apply(&at).unwrap();
        visit(at.iter().map(|(a, i)| (*a, *i as usize)).collect(), logical.into_iter().collect());
    }
}

/// The elements in a register, by the name of their axis.
const PARTS: &[(&str, usize)] = &[("half", 2), ("byte", 4), ("nibble", 8), ("bit", 32)];

/// The number of an element, counted from the low bits of the first register.
fn element(at: &BTreeMap<&str, usize>) -> usize {
    let register = at.get("reg").copied().unwrap_or(0);
    let part = PARTS.iter().find_map(|(axis, per)| at.get(axis).map(|x| (per, x)));
    part.map_or(register, |(per, x)| per * register + x)
}

fn logical(of: &BTreeMap<String, u64>, axis: &str) -> usize {
    of.get(axis).copied().unwrap_or(0) as usize
}

#[test]
fn fragments_of_mma() {
    let mut forms = 0;
    for row in MMA {
        for name in row.names.iter().filter(|n| n.starts_with("mma.")) {
            let mma = Mma::parse(&name.replace("mma.", "mma.sync.aligned.")).unwrap();
            let matrices = [
                (row.a, Matrix::A, "m", "k"),
                (row.b, Matrix::B, "k", "n"),
                (row.c, Matrix::C, "m", "n"),
                (row.c, Matrix::D, "m", "n"),
            ];
            for (text, of, rows, cols) in matrices {
                walk(text, |at, element_of| {
                    let place = mma.place(of, at["lane"], element(&at));
                    let ours = (place.product, place.row, place.col);
                    let theirs = (
                        logical(&element_of, "q"),
                        logical(&element_of, rows),
                        logical(&element_of, cols),
                    );
                    assert_eq!(ours, theirs, "{name} {of:?} {at:?}");
                });
            }
            forms += 1;
        }
    }
    assert!(forms > 40, "{forms} forms");
}

#[test]
fn fragments_of_wgmma() {
    let of =
        |name: &str| Wgmma::parse(&name.replace("mma_async.", "mma_async.sync.aligned.")).unwrap();
    for row in MMA {
        for name in row.names.iter().filter(|n| n.starts_with("wgmma.")) {
            let wgmma = of(name);
            let lane = |at: &BTreeMap<&str, usize>| 32 * at["warp"] + at["lane"];
            walk(row.a, |at, element_of| {
                let theirs = (logical(&element_of, "m"), logical(&element_of, "k"));
                assert_eq!(wgmma.place_a(lane(&at), element(&at)), theirs, "{name} {at:?}");
            });
            walk(row.c, |at, element_of| {
                let theirs = (logical(&element_of, "m"), logical(&element_of, "n"));
                assert_eq!(wgmma.place(lane(&at), element(&at)), theirs, "{name} {at:?}");
            });
        }
    }
    for n in (8..=256).step_by(8) {
        let grid = fragments::accumulator(n).unwrap();
        let wgmma = of(&format!("wgmma.mma_async.m64n{n}k16.f32.f16.f16"));
        for lane in 0..128 {
            for i in 0..n as usize / 2 {
                let at = [("lane", lane % 32), ("warp", lane / 32), ("reg", i as u64)];
                let theirs: BTreeMap<_, _> = grid.apply(&at).unwrap().into_iter().collect();
                let theirs = (logical(&theirs, "m"), logical(&theirs, "n"));
                assert_eq!(wgmma.place(lane as usize, i), theirs, "n = {n} {at:?}");
            }
        }
    }
}

/// Matrix, row and column as the value of each element.
#[test]
fn fragments_of_matrix_moves() {
    for row in MATRICES {
        for name in row.names {
            let trans = name.contains(".trans");
            let count = name.split(".x").nth(1).unwrap()[..1].parse().unwrap();
            let rows: Vec<[u8; 16]> = (0..8 * count)
                .map(|row| {
                    std::array::from_fn(|b| {
                        let code = (row * 8 + b / 2) as u16;
                        code.to_le_bytes()[b % 2]
                    })
                })
                .collect();
            let registers = ldmatrix(count, trans, &rows);
            walk(row.value, |at, of| {
                let register = at.get("reg").copied().unwrap_or(0);
                let code = registers[register][at["lane"]] >> (16 * at["half"]) & 0xffff;
                let row = 8 * logical(&of, "i") + logical(&of, "r");
                assert_eq!(code as usize, 8 * row + logical(&of, "c"), "{name} {at:?}");
            });
            assert_eq!(stmatrix(count, trans, &registers), rows, "{name}");
            // The simulator takes the rows by lane: row r of matrix i from lane 8 i + r.
            walk(row.address, |at, of| {
                assert_eq!(at["lane"], 8 * logical(&of, "i") + logical(&of, "r"), "{name}");
            });
        }
    }
}

/// Descriptors without anything but a start, a stride of eight rows and the mode, against the swizzles by bytes.
#[test]
fn swizzles() {
    let wgmma = Wgmma::parse("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16").unwrap();
    for (bytes, text) in SWIZZLES {
        let mode = match bytes {
            128 => 1u64,
            64 => 2,
            _ => 3,
        };
        let layout = Layout::parse(text).unwrap().invert().unwrap();
        let mut found = 0;
        for start in (0..u64::from(*bytes)).step_by(32) {
            let stride = 8 * u64::from(*bytes);
            let descriptor = (1024 + start) >> 4 | stride >> 4 << 32 | mode << 62;
            for (at, address) in wgmma.addresses_b(descriptor, false).unwrap().iter().enumerate() {
                let (r, c) = (at as u64 / 2, start + at as u64 % 2 * 16);
                let offset = &layout.apply(&[("r", r), ("c", c)]).unwrap()[0];
                assert_eq!(u64::from(*address), 1024 + offset.1, "{bytes} {r} {c}");
                found += 1;
            }
        }
        assert_eq!(found, 8 * bytes / 16);
    }
}
