//! Each row against the formulas of the PTX ISA, element by element.

use super::*;
use kgen_ir::layout::{
    banks::{self, Access},
    convert::{Conversion, convert},
};
use std::collections::BTreeMap;

fn layout(text: &str) -> Layout {
    Layout::parse(text).unwrap()
}

/// Coordinates from lane (or thread of the warpgroup) `t` and element `v`, low elements first.
type Formula = fn(u64, u64) -> Vec<(&'static str, u64)>;

/// An instruction, then elements a lane and formula of its three operands.
type Row = (&'static str, (u64, Formula), (u64, Formula), (u64, Formula));

/// The layout is the formula on all its lanes and elements, and no element is there twice.
fn agree(text: &str, parts: u64, formula: Formula) {
    let l = layout(text);
    assert!(l.is_bijective(), "{text}");
    let sub = ["half", "byte", "nibble", "bit"].into_iter().find(|axis| l.input_bits(axis) > 0);
    let shift = sub.map_or(0, |axis| l.input_bits(axis));
    assert_eq!(1 << (l.input_bits("reg") + shift), parts, "elements a lane of {text}");
    for t in 0..32u64 << l.input_bits("warp") {
        for v in 0..parts {
            let mut index = vec![("lane", t % 32)];
            if l.input_bits("warp") > 0 {
                index.push(("warp", t / 32));
            }
            if l.input_bits("reg") > 0 {
                index.push(("reg", v >> shift));
            }
            if let Some(axis) = sub {
                index.push((axis, v % (1 << shift)));
            }
            let got: BTreeMap<String, u64> = l.apply(&index).unwrap().into_iter().collect();
            let want = formula(t, v).into_iter().map(|(n, x)| (n.to_string(), x)).collect();
            assert_eq!(got, want, "{text}: lane {t}, element {v}");
        }
    }
}

fn m(row: u64, k: u64) -> Vec<(&'static str, u64)> {
    vec![("m", row), ("k", k)]
}

fn n(k: u64, col: u64) -> Vec<(&'static str, u64)> {
    vec![("k", k), ("n", col)]
}

fn mn(row: u64, col: u64) -> Vec<(&'static str, u64)> {
    vec![("m", row), ("n", col)]
}

fn c16(t: u64, v: u64) -> Vec<(&'static str, u64)> {
    mn(t / 4 + 8 * (v >> 1), t % 4 * 2 + (v & 1))
}

fn c8(t: u64, v: u64) -> Vec<(&'static str, u64)> {
    mn(t / 4, t % 4 * 2 + v)
}

#[test]
fn rows_are_the_formulas_of_the_manual() {
    let rows: &[Row] = &[
        (
            "mma.m16n8k8.row.col.f32.f16.f16.f32",
            (4, |t, v| m(t / 4 + 8 * (v >> 1), t % 4 * 2 + (v & 1))),
            (2, |t, v| n(t % 4 * 2 + v, t / 4)),
            (4, c16),
        ),
        (
            "mma.m16n8k16.row.col.f32.bf16.bf16.f32",
            (8, |t, v| m(t / 4 + 8 * (v >> 1 & 1), t % 4 * 2 + (v & 1) + 8 * (v >> 2))),
            (4, |t, v| n(t % 4 * 2 + (v & 1) + 8 * (v >> 1), t / 4)),
            (4, c16),
        ),
        (
            "mma.m16n8k8.row.col.f32.tf32.tf32.f32",
            (4, |t, v| m(t / 4 + 8 * (v & 1), t % 4 + 4 * (v >> 1))),
            (2, |t, v| n(t % 4 + 4 * v, t / 4)),
            (4, c16),
        ),
        (
            "mma.m8n8k16.row.col.s32.u8.s8.s32",
            (4, |t, v| m(t / 4, t % 4 * 4 + v)),
            (4, |t, v| n(t % 4 * 4 + v, t / 4)),
            (2, c8),
        ),
        (
            "mma.m16n8k16.row.col.s32.s8.s8.s32",
            (8, |t, v| m(if v < 4 { t / 4 } else { t / 4 + 8 }, t % 4 * 4 + (v & 3))),
            (4, |t, v| n(t % 4 * 4 + v, t / 4)),
            (4, c16),
        ),
        (
            "mma.m16n8k32.row.col.f32.e4m3.e4m3.f32",
            (16, |t, v| m(t / 4 + 8 * (v >> 2 & 1), t % 4 * 4 + (v & 3) + 16 * (v >> 3))),
            (8, |t, v| n(t % 4 * 4 + (v & 3) + 16 * (v >> 2), t / 4)),
            (4, c16),
        ),
        (
            "mma.m8n8k32.row.col.s32.s4.s4.s32",
            (8, |t, v| m(t / 4, t % 4 * 8 + v)),
            (8, |t, v| n(t % 4 * 8 + v, t / 4)),
            (2, c8),
        ),
        (
            "mma.m16n8k32.row.col.s32.u4.u4.s32",
            (16, |t, v| m(if v < 8 { t / 4 } else { t / 4 + 8 }, t % 4 * 8 + (v & 7))),
            (8, |t, v| n(t % 4 * 8 + v, t / 4)),
            (4, c16),
        ),
        (
            "mma.m16n8k64.row.col.s32.s4.s4.s32",
            (32, |t, v| m(t / 4 + 8 * (v >> 3 & 1), t % 4 * 8 + (v & 7) + 32 * (v >> 4))),
            (16, |t, v| n(t % 4 * 8 + (v & 7) + 32 * (v >> 3), t / 4)),
            (4, c16),
        ),
        (
            "mma.m8n8k128.row.col.s32.b1.b1.s32.xor.popc",
            (32, |t, v| m(t / 4, t % 4 * 32 + v)),
            (32, |t, v| n(t % 4 * 32 + v, t / 4)),
            (2, c8),
        ),
        (
            "mma.m16n8k256.row.col.s32.b1.b1.s32.and.popc",
            (128, |t, v| m(t / 4 + 8 * (v >> 5 & 1), t % 4 * 32 + (v & 31) + 128 * (v >> 6))),
            (64, |t, v| n(t % 4 * 32 + (v & 31) + 128 * (v >> 5), t / 4)),
            (4, c16),
        ),
    ];
    for (name, a, b, c) in rows {
        let row = mma(name).unwrap();
        agree(row.a, a.0, a.1);
        agree(row.b, b.0, b.1);
        agree(row.c, c.0, c.1);
    }
    // Two halves of a register are neighbours in n, the registers eight rows apart.
    for name in ["mma.m16n8k8.row.col.f16.f16.f16.f16", "mma.m16n8k16.row.col.f16.f16.f16.f16"] {
        agree(mma(name).unwrap().c, 4, c16);
    }
    let row = mma("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16").unwrap();
    agree(row.c, 4, |t, v| mn(16 * (t / 32) + t % 32 / 4 + 8 * (v >> 1), t % 4 * 2 + (v & 1)));
    agree(row.a, 8, |t, v| {
        m(16 * (t / 32) + t % 32 / 4 + 8 * (v >> 1 & 1), t % 4 * 2 + (v & 1) + 8 * (v >> 2))
    });
    assert!(mma("mma.m16n8k16.row.col.f32.f16.f16").is_none() && matrices("ldmatrix").is_none());
}

/// Lanes 4q..4q+3 and 16+4q..16+4q+3 are quad pair q.
fn quad(t: u64, rest: [(&'static str, u64); 2]) -> Vec<(&'static str, u64)> {
    rest.into_iter().chain([("q", t % 16 / 4)]).collect()
}

#[test]
fn volta() {
    let row = |name: String| mma(&name).unwrap();
    for (a, b) in [("row", "row"), ("row", "col"), ("col", "row"), ("col", "col")] {
        let f32 = row(format!("mma.m8n8k4.{a}.{b}.f32.f16.f16.f32"));
        let f16 = row(format!("mma.sync.aligned.m8n8k4.{a}.{b}.f16.f16.f16.f16"));
        let of_a: Formula = match a {
            "row" => |t, v| quad(t, [("m", t % 4 + t / 16 * 4), ("k", v)]),
            _ => |t, v| quad(t, [("m", v % 4 + t / 16 * 4), ("k", t % 4)]),
        };
        let of_b: Formula = match b {
            "row" => |t, v| quad(t, [("k", t % 4), ("n", v + t / 16 * 4)]),
            _ => |t, v| quad(t, [("k", v), ("n", t % 4 + t / 16 * 4)]),
        };
        for row in [f32, f16] {
            agree(row.a, 4, of_a);
            agree(row.b, 4, of_b);
        }
        agree(f32.c, 8, |t, v| {
            quad(t, [("m", (t & 1) + (v & 2) + t / 16 * 4), ("n", (v & 4) + (t & 2) + (v & 1))])
        });
        agree(f16.c, 8, |t, v| quad(t, [("m", t % 4 + t / 16 * 4), ("n", v)]));
    }
}

#[test]
fn ldmatrix() {
    for row in MATRICES {
        let (value, address) = (layout(row.value), layout(row.address));
        assert!(value.is_bijective() && address.is_bijective());
        let count = 1u64 << value.input_bits("reg");
        assert_eq!(1 << address.input_bits("lane"), 8 * count);
        for t in 0..8 * count {
            let at: BTreeMap<_, _> = address.apply(&[("lane", t)]).unwrap().into_iter().collect();
            assert_eq!((at["r"], at.get("i").copied().unwrap_or(0)), (t % 8, t / 8));
        }
        for (t, reg, e) in (0..32u64).flat_map(|t| (0..2 * count).map(move |v| (t, v / 2, v % 2))) {
            let index = [("lane", t), ("half", e), ("reg", reg)];
            let used = &index[..if count == 1 { 2 } else { 3 }];
            let at: BTreeMap<_, _> = value.apply(used).unwrap().into_iter().collect();
            let trans = row.names.iter().any(|n| n.contains(".trans"));
            let (r, c) = if trans { (2 * (t % 4) + e, t / 4) } else { (t / 4, 2 * (t % 4) + e) };
            assert_eq!((at["r"], at["c"], at.get("i").copied().unwrap_or(0)), (r, c, reg));
        }
    }
    // Four matrices in the order of rows, then of k are the left operand.
    let x4 = matrices("ldmatrix.sync.aligned.m8n8.x4.shared.b16").unwrap();
    let tiles = layout("r = m0 m1 m2, c = k0 k1 k2, i = m3 k3");
    let a = layout(mma("mma.m16n8k16.row.col.f32.f16.f16.f32").unwrap().a);
    assert_eq!(layout(x4.value).then(&tiles).unwrap(), a);
}

#[test]
fn accumulators_of_any_width() {
    for width in [8, 80, 96, 256] {
        let grid = accumulator(width).unwrap();
        for (t, v) in (0..128).flat_map(|t| (0..width / 2).map(move |v| (t, v))) {
            let index = [("lane", t % 32), ("warp", t / 32), ("reg", v)];
            let row = 16 * (t / 32) + t % 32 / 4 + 8 * (v >> 1 & 1);
            let col = 2 * (t % 4) + (v & 1) + 8 * (v >> 2);
            let want = [("m".to_string(), row), ("n".to_string(), col)];
            assert_eq!(grid.apply(&index).unwrap(), want, "n {width}");
        }
        assert!(grid.apply(&[("reg", width / 2)]).is_err());
    }
    assert!([0, 4, 12, 264].iter().all(|n| accumulator(*n).is_none()));
}

#[test]
fn swizzles_flip_the_chunk() {
    for (bytes, text) in SWIZZLES {
        let l = layout(text);
        assert!(l.is_bijective());
        let (bytes, mask) = (u64::from(*bytes), u64::from(*bytes) / 16 - 1);
        for (r, c) in (0..8u64).flat_map(|r| (0..bytes).map(move |c| (r, c))) {
            // The bits above the 16 bytes are xored with those three higher (PTX ISA, "Swizzling modes").
            let plain = r * bytes + c;
            let offset = plain ^ (plain >> 7 & mask) << 4;
            let at = l.apply(&[("offset", offset)]).unwrap();
            assert_eq!(at, [("c".to_string(), c), ("r".to_string(), r)], "{bytes} bytes");
        }
        // Eight rows of one chunk, as ldmatrix reads them.
        let rows = layout("lane = r0 r1 r2").then(&l.invert().unwrap()).unwrap();
        assert_eq!(banks::wavefronts(&rows, 16).unwrap(), 1);
        let access = Access { lanes: layout("lane = r0 r1 r2"), bytes: 16 };
        let column = bytes.ilog2() as usize;
        assert!(banks::swizzle(("r", 3), ("c", column), &[access]).unwrap().is_bijective());
    }
}

#[test]
fn a_result_becomes_the_next_operand() {
    // Attention: two accumulators side by side are p, of f16, the left operand of p v.
    let row = mma("mma.m16n8k16.row.col.f32.f16.f16.f32").unwrap();
    let p = layout("reg = n0").of(&layout(row.c)).unwrap().rename("n", "k").unwrap();
    assert_eq!(convert(&p, &layout(row.a)).unwrap().to_string(), "nothing to do");
    // With 8-bit operands four accumulators make one, and a lane needs four neighbours where it has two.
    let row = mma("mma.m16n8k32.row.col.s32.s8.s8.s32").unwrap();
    let p = layout("reg = n0 n1").of(&layout(row.c)).unwrap().rename("n", "k").unwrap();
    let program = convert(&p, &layout(row.a)).unwrap();
    let Conversion::Shuffles { rounds, .. } = &program else { panic!("{program}") };
    assert_eq!(rounds.len(), 16);
    // Volta's result is no operand of Volta without shuffles either.
    let row = mma("mma.m8n8k4.row.col.f32.f16.f16.f32").unwrap();
    let a = layout("reg = k0").of(&layout(row.a)).unwrap();
    let p = layout(row.c).rename("n", "k").unwrap();
    assert!(matches!(convert(&p, &a).unwrap(), Conversion::Shuffles { .. }));
}

#[test]
fn operands_have_the_shape_of_the_name() {
    for row in MMA {
        for name in row.names {
            let shape = name
                .split('.')
                .find(|p| p.starts_with('m') && p.contains('k') && p.contains('n'))
                .unwrap();
            let size = |axis: char| {
                let digits = shape.split(axis).nth(1).unwrap();
                let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                digits[..end].parse::<u64>().unwrap()
            };
            for (text, axes) in [(row.a, ['m', 'k']), (row.b, ['k', 'n']), (row.c, ['m', 'n'])] {
                if text == BY_DESCRIPTOR {
                    continue;
                }
                for axis in axes {
                    let bits = layout(text).output_bits(&axis.to_string());
                    assert_eq!(1 << bits, size(axis), "{axis} of {name}");
                }
            }
        }
    }
}

#[test]
fn rows_of_chips_lie_as_here() {
    for chip in crate::ptx::targets::CHIPS {
        for row in chip.target.rows {
            let kgen_ir::machine::Op::Mma(of) = row.op else { continue };
            let name = row.text.split_whitespace().next().unwrap();
            let here = mma(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!([here.a, here.b, here.c].map(layout), of.layouts.map(layout), "{name}");
        }
    }
}
