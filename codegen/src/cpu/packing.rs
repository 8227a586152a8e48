//! Operands of the dot and matrix instructions of CPUs: which neighbours in `k` share a lane.
//!
//! One row an instruction, three layouts a row. `vpdpbusd` of 512 bits multiplies four neighbours in
//! `k` for each of sixteen `n` (VNNI packing of the weights), with the left operand broadcast:
//!
//! ```text
//! a: lane = _ _ _ _, byte = k0 k1    b: lane = n0 n1 n2 n3, byte = k0 k1    c: lane = n0 n1 n2 n3
//! ```
//!
//! `lane` counts 32-bit lanes, `byte` and `half` the elements in one, `row` the rows of an AMX tile.
//! Sources: Intel SDM and intrinsics guide (`VPDPBUSD`, `VDPBF16PS`, `TDPBSSD`, `TDPBF16PS`), Arm ARM
//! DDI 0487 (`SDOT`, `SMMLA`, `BFDOT`, `BFMMLA`).

/// Where the operands of a dot instruction sit; axes `m`, `n` and `k`.
#[derive(Debug)]
pub struct Packing {
    pub name: &'static str,
    /// Bits of a vector, or of a tile's row.
    pub bits: u32,
    pub a: &'static str,
    pub b: &'static str,
    pub c: &'static str,
}

#[rustfmt::skip] // a table
pub static PACKINGS: &[Packing] = &[
    Packing { name: "vpdpbusd", bits: 128, a: "lane = _ _, byte = k0 k1", b: "lane = n0 n1, byte = k0 k1", c: "lane = n0 n1" },
    Packing { name: "vpdpbusd", bits: 256, a: "lane = _ _ _, byte = k0 k1", b: "lane = n0 n1 n2, byte = k0 k1", c: "lane = n0 n1 n2" },
    Packing { name: "vpdpbusd", bits: 512, a: "lane = _ _ _ _, byte = k0 k1", b: "lane = n0 n1 n2 n3, byte = k0 k1", c: "lane = n0 n1 n2 n3" },
    Packing { name: "vdpbf16ps", bits: 128, a: "lane = _ _, half = k0", b: "lane = n0 n1, half = k0", c: "lane = n0 n1" },
    Packing { name: "vdpbf16ps", bits: 256, a: "lane = _ _ _, half = k0", b: "lane = n0 n1 n2, half = k0", c: "lane = n0 n1 n2" },
    Packing { name: "vdpbf16ps", bits: 512, a: "lane = _ _ _ _, half = k0", b: "lane = n0 n1 n2 n3, half = k0", c: "lane = n0 n1 n2 n3" },
    Packing { name: "tdpbssd", bits: 512, a: "row = m0 m1 m2 m3, lane = k2 k3 k4 k5, byte = k0 k1", b: "row = k2 k3 k4 k5, lane = n0 n1 n2 n3, byte = k0 k1", c: "row = m0 m1 m2 m3, lane = n0 n1 n2 n3" },
    Packing { name: "tdpbf16ps", bits: 512, a: "row = m0 m1 m2 m3, lane = k1 k2 k3 k4, half = k0", b: "row = k1 k2 k3 k4, lane = n0 n1 n2 n3, half = k0", c: "row = m0 m1 m2 m3, lane = n0 n1 n2 n3" },
    Packing { name: "sdot", bits: 128, a: "lane = _ _, byte = k0 k1", b: "lane = n0 n1, byte = k0 k1", c: "lane = n0 n1" },
    Packing { name: "bfdot", bits: 128, a: "lane = _ _, half = k0", b: "lane = n0 n1, half = k0", c: "lane = n0 n1" },
    Packing { name: "smmla", bits: 128, a: "lane = k2 m0, byte = k0 k1", b: "lane = k2 n0, byte = k0 k1", c: "lane = n0 m0" },
    Packing { name: "bfmmla", bits: 128, a: "lane = k1 m0, half = k0", b: "lane = k1 n0, half = k0", c: "lane = n0 m0" },
];

/// The row of an instruction on vectors, or tile rows, of so many bits.
pub fn packing(name: &str, bits: u32) -> Option<&'static Packing> {
    PACKINGS.iter().find(|row| row.name == name && row.bits == bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::layout::Layout;
    use std::collections::BTreeMap;

    /// Registers as the manual sees them: elements in order, a tile row after row.
    type Formula = fn(lanes: usize, a: &[i64], b: &[i64]) -> Vec<i64>;

    /// Position in the register and coordinates, of every place.
    fn places(text: &str) -> Vec<(usize, BTreeMap<String, u64>)> {
        let l = Layout::parse(text).unwrap();
        let sub = l.input_bits("byte") + l.input_bits("half");
        let part = if l.input_bits("byte") > 0 { "byte" } else { "half" };
        let (lane, row) = (l.input_bits("lane"), l.input_bits("row"));
        (0..1usize << (sub + lane + row))
            .map(|at| {
                let index = [
                    (part, at & ((1 << sub) - 1), sub),
                    ("lane", at >> sub & ((1 << lane) - 1), lane),
                    ("row", at >> (sub + lane), row),
                ];
                let used = index.iter().filter(|(_, _, bits)| *bits > 0);
                let used: Vec<_> = used.map(|(n, v, _)| (*n, *v as u64)).collect();
                (at, l.apply(&used).unwrap().into_iter().collect())
            })
            .collect()
    }

    /// Fills registers from matrices by the layouts, runs the formula, reads the product back.
    fn multiplies(row: &Packing, formula: Formula) {
        let coordinate =
            |at: &BTreeMap<String, u64>, n: &str| at.get(n).copied().unwrap_or(0) as i64;
        let left = |m: i64, k: i64| (m * 37 + k * 11) % 251 - 40;
        let right = |k: i64, n: i64| (k * 53 + n * 29) % 127 - 63;
        let fill = |text: &str, of: &dyn Fn(&BTreeMap<String, u64>) -> i64| -> Vec<i64> {
            places(text).iter().map(|(_, at)| of(at)).collect()
        };
        let a = fill(row.a, &|at| left(coordinate(at, "m"), coordinate(at, "k")));
        let b = fill(row.b, &|at| right(coordinate(at, "k"), coordinate(at, "n")));
        let depth = 1 << Layout::parse(row.b).unwrap().output_bits("k");
        let c = formula(row.bits as usize / 32, &a, &b);
        let seen = places(row.c);
        assert_eq!(c.len(), seen.len(), "{}", row.name);
        for (at, element) in seen {
            let (m, n) = (coordinate(&element, "m"), coordinate(&element, "n"));
            let want: i64 = (0..depth).map(|k| left(m, k) * right(k, n)).sum();
            assert_eq!(c[at], want, "{} {} at {element:?}", row.name, row.bits);
        }
    }

    /// `dst.dword[i] += a.byte[4i] * b.byte[4i] + .. + a.byte[4i+3] * b.byte[4i+3]`, 2 for bf16.
    fn dots(by: usize, lanes: usize, a: &[i64], b: &[i64]) -> Vec<i64> {
        (0..lanes).map(|i| (0..by).map(|j| a[by * i + j] * b[by * i + j]).sum()).collect()
    }

    /// `C.row[m].dword[n] += A.row[m].part[by*k + j] * B.row[k].part[by*n + j]` for 16 rows of 64 bytes.
    fn tiles(by: usize, a: &[i64], b: &[i64]) -> Vec<i64> {
        let mut c = vec![0; 256];
        for (m, k, n, j) in (0..16)
            .flat_map(|m| (0..16).map(move |k| (m, k)))
            .flat_map(|(m, k)| (0..16).map(move |n| (m, k, n)))
            .flat_map(|(m, k, n)| (0..by).map(move |j| (m, k, n, j)))
        {
            c[16 * m + n] += a[m * 16 * by + by * k + j] * b[k * 16 * by + by * n + j];
        }
        c
    }

    /// `result[2*i + j] += sum over k of a[depth*i + k] * b[depth*j + k]`: 2 x depth by its like.
    fn blocks(depth: usize, a: &[i64], b: &[i64]) -> Vec<i64> {
        let sum = |i, j| (0..depth).map(|k| a[depth * i + k] * b[depth * j + k]).sum();
        vec![sum(0, 0), sum(0, 1), sum(1, 0), sum(1, 1)]
    }

    #[test]
    fn rows_multiply_by_the_formulas_of_the_manuals() {
        for row in PACKINGS {
            let formula: Formula = match row.name {
                "vpdpbusd" | "sdot" => |lanes, a, b| dots(4, lanes, a, b),
                "vdpbf16ps" | "bfdot" => |lanes, a, b| dots(2, lanes, a, b),
                "tdpbssd" => |_, a, b| tiles(4, a, b),
                "tdpbf16ps" => |_, a, b| tiles(2, a, b),
                "smmla" => |_, a, b| blocks(8, a, b),
                "bfmmla" => |_, a, b| blocks(4, a, b),
                name => panic!("no formula for {name}"),
            };
            multiplies(row, formula);
            for text in [row.b, row.c] {
                assert!(Layout::parse(text).unwrap().is_bijective(), "{}: {text}", row.name);
            }
            assert!(Layout::parse(row.a).unwrap().is_surjective(), "{}: {}", row.name, row.a);
            assert!(std::ptr::eq(packing(row.name, row.bits).unwrap(), row));
        }
        assert!(packing("vpdpbusd", 64).is_none());
    }

    /// A row may multiply right under its own wrong layout; the order in memory is checked by itself.
    #[test]
    fn weights_lie_as_vnni_wants_them() {
        for (name, bits, by, wide) in [
            ("vpdpbusd", 512, 4, 16),
            ("vdpbf16ps", 512, 2, 16),
            ("tdpbssd", 512, 4, 16),
            ("tdpbf16ps", 512, 2, 16),
            ("sdot", 128, 4, 4),
        ] {
            for (at, element) in places(packing(name, bits).unwrap().b) {
                let (j, n, block) = (at % by, at / by % wide, at / by / wide);
                assert_eq!(
                    (element["k"], element["n"]),
                    ((block * by + j) as u64, n as u64),
                    "{name}"
                );
            }
        }
    }
}
