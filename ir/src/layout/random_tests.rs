//! The services of layouts on drawn matrices, against brute force.

use super::{
    banks::{self, Access},
    convert::{Conversion, convert},
    pieces::{pack, place},
    *,
};
use std::collections::{BTreeMap, BTreeSet};

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }
}

fn layout(text: &str) -> Layout {
    Layout::parse(text).unwrap()
}

/// An invertible layout from the axes to `logical`, by row operations on a shuffled identity.
fn drawn(rng: &mut Rng, axes: &[(&str, usize)], logical: &[(&str, usize)]) -> Layout {
    let names: Vec<(String, usize)> =
        logical.iter().flat_map(|(n, bits)| (0..*bits).map(|b| (n.to_string(), b))).collect();
    let mut columns: Vec<u64> = (0..names.len()).map(|b| 1 << b).collect();
    for i in (1..columns.len()).rev() {
        columns.swap(i, rng.below(i + 1));
    }
    for _ in 0..rng.below(2 * columns.len()) {
        let (a, b) = (rng.below(columns.len()), rng.below(columns.len()));
        if a != b {
            columns[a] ^= columns[b];
        }
    }
    let mut words = columns.iter().map(|c| {
        names.iter().enumerate().filter(|(i, _)| c >> i & 1 == 1).map(|(_, n)| n.clone()).collect()
    });
    let axes = axes.iter().map(|(n, bits)| (n.to_string(), words.by_ref().take(*bits).collect()));
    Layout::from_bits(axes.collect()).unwrap()
}

/// All places of a layout with the coordinates that are not 0.
fn all(l: &Layout) -> Vec<(BTreeMap<String, u64>, BTreeMap<String, u64>)> {
    let axes: Vec<(String, usize)> = l.inputs().map(|(n, b)| (n.to_string(), b)).collect();
    let total: usize = axes.iter().map(|(_, b)| b).sum();
    (0..1u64 << total)
        .map(|mut index| {
            let mut at = Vec::new();
            for (name, bits) in &axes {
                at.push((name.as_str(), index & ((1 << bits) - 1)));
                index >>= bits;
            }
            let element = l.apply(&at).unwrap().into_iter().filter(|(_, v)| *v != 0).collect();
            (at.iter().map(|(n, v)| (n.to_string(), *v)).collect(), element)
        })
        .collect()
}

type Element = BTreeMap<String, u64>;

/// What each lane of each warp holds, slot by slot, with the carried parts as one.
fn registers(l: &Layout, carried: &[String]) -> Vec<Vec<Vec<Element>>> {
    let slots = ["bit", "nibble", "byte", "half", "reg"];
    let mut out: Vec<Vec<Vec<Element>>> =
        vec![Vec::new(); 1 << (l.input_bits("lane") + l.input_bits("warp"))];
    let mut places = all(l);
    places.sort_by_key(|(at, _)| {
        let key = |n: &str| at.get(n).copied().unwrap_or(0);
        (key("lane"), slots.iter().rev().map(|s| key(s)).collect::<Vec<_>>())
    });
    let word: usize = carried.iter().map(|axis| l.input_bits(axis)).sum();
    for (at, element) in places {
        let axis = |n: &str| at.get(n).copied().unwrap_or(0) as usize;
        let lane = &mut out[axis("warp") << l.input_bits("lane") | axis("lane")];
        match lane.last_mut() {
            Some(last) if last.len() < 1 << word => last.push(element),
            _ => lane.push(vec![element]),
        }
    }
    out
}

/// Runs the program on registers that hold names of elements.
fn check(from: &Layout, to: &Layout) -> Conversion {
    let program = convert(from, to).unwrap();
    match &program {
        Conversion::Moves { moves, carried } => {
            for (old, new) in registers(from, carried).iter().zip(registers(to, carried)) {
                let got: Vec<_> = moves.iter().map(|m| old[*m].clone()).collect();
                assert_eq!(got, new, "{from} to {to}");
            }
        }
        Conversion::Shuffles { rounds, carried } => {
            let warp = |l: &Layout| 1 << l.input_bits("lane");
            let (old, new) = (registers(from, carried), registers(to, carried));
            for (old, want) in old.chunks(warp(from)).zip(new.chunks(warp(to))) {
                let mut got: Vec<Vec<_>> = want.iter().map(|l| vec![None; l.len()]).collect();
                for round in rounds {
                    let given: Vec<_> = old.iter().zip(&round.give).map(|(l, g)| &l[*g]).collect();
                    for (lane, slots) in got.iter_mut().enumerate() {
                        slots[round.put[lane]] = Some(given[round.from[lane]].clone());
                    }
                }
                let got: Vec<Vec<_>> =
                    got.into_iter().map(|l| l.into_iter().flatten().collect()).collect();
                assert_eq!(got, want, "{from} to {to}");
            }
        }
        Conversion::Shared { store, load } => {
            let mut memory = BTreeMap::new();
            for ((at, offset), (_, element)) in all(store).into_iter().zip(all(from)) {
                if let Some(there) = memory.insert(offset, element.clone()) {
                    assert_eq!(there, element, "{from} stores two elements at {at:?}");
                }
            }
            for ((_, offset), (_, element)) in all(load).into_iter().zip(all(to)) {
                assert_eq!(memory[&offset], element, "{from} to {to}");
            }
        }
    }
    program
}

#[test]
fn drawn_layouts_print_invert_and_divide() {
    let mut rng = Rng(7);
    for _ in 0..300 {
        let l = drawn(&mut rng, &[("lane", 3), ("reg", 2)], &[("m", 2), ("n", 3)]);
        assert_eq!(layout(&l.to_string()), l);
        let back = l.invert().unwrap();
        assert_eq!(back.then(&l).unwrap().to_string(), "m = m0 m1, n = n0 n1 n2", "inverse of {l}");
        assert_eq!(back.invert().unwrap(), l);
        let outer = drawn(&mut rng, &[("reg", 2), ("warp", 1)], &[("k", 1), ("n", 2)]);
        let whole = outer.of(&l).unwrap();
        assert!(whole.is_bijective());
        assert_eq!(whole.divide(&l).unwrap(), outer);
    }
}

#[test]
fn drawn_conversions_give_the_target() {
    let mut rng = Rng(99);
    let logical = [("m", 3), ("n", 3)];
    let mut kinds = BTreeSet::new();
    for i in 0..600 {
        let axes: &[&[(&str, usize)]] = &[
            &[("lane", 3), ("reg", 3)],
            &[("half", 1), ("lane", 3), ("reg", 2)],
            &[("lane", 4), ("reg", 2)],
            &[("lane", 3), ("reg", 2), ("warp", 1)],
            &[("lane", 6)],
            &[("reg", 6)],
        ];
        let first = rng.below(6);
        let from = drawn(&mut rng, axes[first], &logical);
        let again = rng.below(6);
        let mut to = drawn(&mut rng, axes[again], &logical);
        if i % 4 == 0 {
            // The same but for two registers: moves.
            let swap = layout("lane = m0 m1 m2, reg = n2 n0 n1");
            assert!(matches!(
                check(&layout("lane = m0 m1 m2, reg = n0 n1 n2"), &swap),
                Conversion::Moves { .. }
            ));
            to = from.clone();
            assert_eq!(check(&from, &to).to_string(), "nothing to do");
        }
        kinds.insert(match check(&from, &to) {
            Conversion::Moves { .. } => 0,
            Conversion::Shuffles { .. } => 1,
            Conversion::Shared { .. } => 2,
        });
        // Within a warp a bijection never needs memory.
        let (from, to) = (drawn(&mut rng, axes[0], &logical), drawn(&mut rng, axes[1], &logical));
        assert!(!matches!(check(&from, &to), Conversion::Shared { .. }), "{from} to {to}");
    }
    assert_eq!(kinds.len(), 3);
}

#[test]
fn conversions_with_copies() {
    let copies = layout("lane = _ m0 m1, reg = k0");
    let whole = layout("lane = k0 m0 m1");
    check(&copies, &whole);
    check(&whole, &copies);
    check(&layout("lane = _ m0, reg = m0"), &layout("lane = m0 _"));
    // Four elements of one lane to four lanes: more rounds than registers, so by memory.
    let wide = check(&layout("reg = m0 m1"), &layout("lane = m0 m1"));
    assert!(wide.to_string().starts_with("through shared memory and a barrier, cost "), "{wide}");
    let error = convert(&layout("reg = m0"), &layout("reg = m0 m1")).unwrap_err();
    assert_eq!(error.to_string(), "bit 1 of `m` goes into a layout that has 1 bits of it");
    assert!(convert(&layout("reg = m0^m1 m2"), &layout("reg = m0 m1 m2")).is_err());
}

#[test]
fn fragments_meet() {
    // The accumulator of q k^T is the left operand of p v: half registers are packed, nothing moves.
    let c = layout("lane = n1 n2 m0 m1 m2, reg = n0 m3 n3").rename("n", "k").unwrap();
    let a = layout("half = k0, lane = k1 k2 m0 m1 m2, reg = m3 k3");
    let program = check(&c, &a);
    assert_eq!(program.to_string(), "nothing to do");
    // Of 8 bits the operand wants four neighbours: lanes change.
    let c = layout("lane = n1 n2 m0 m1 m2, reg = n0 m3 n3 n4").rename("n", "k").unwrap();
    let a = layout("byte = k0 k1, lane = k2 k3 m0 m1 m2, reg = m3 k4");
    let program = check(&c, &a);
    assert!(matches!(program, Conversion::Shuffles { .. }), "{program}");
    // Words of packed halves travel whole.
    let from = layout("half = k0, lane = k1 k2, reg = m0");
    let to = layout("half = k0, lane = m0 k2, reg = k1");
    let Conversion::Shuffles { rounds, carried } = check(&from, &to) else { panic!() };
    assert_eq!((rounds.len(), carried), (2, vec!["half".to_string()]));
}

/// Distinct words of the busiest bank, phase by phase.
fn brute(lanes: &Layout, bytes: usize) -> usize {
    let count = 1usize << lanes.input_bits("lane").min(5);
    let together = (128 / bytes.max(4)).min(count);
    let phase = |first: usize| {
        let mut words: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for lane in first..first + together {
            let at = lanes.apply(&[("lane", lane as u64)]).unwrap();
            let offset = at.first().map_or(0, |(_, v)| *v as usize);
            for byte in offset..offset + bytes {
                words.entry(byte / 4 % 32).or_default().insert(byte / 4);
            }
        }
        words.values().map(BTreeSet::len).max().unwrap_or(0)
    };
    (0..count).step_by(together).map(phase).sum()
}

#[test]
fn wavefronts_are_those_counted() {
    let mut rng = Rng(5);
    let mut seen = BTreeSet::new();
    for _ in 0..2000 {
        let log = rng.below(5);
        let words = (0..5).map(|_| {
            let picks =
                (0..rng.below(3)).map(|_| ("offset".to_string(), log + rng.below(11 - log)));
            picks.collect::<BTreeSet<_>>().into_iter().collect()
        });
        let l = Layout::from_bits(vec![("lane".to_string(), words.collect())]).unwrap();
        let count = banks::wavefronts(&l, 1 << log).unwrap();
        assert_eq!(count, brute(&l, 1 << log), "{l}, {} bytes", 1 << log);
        seen.insert(count);
    }
    assert!(seen.contains(&32) && seen.contains(&1));
    let l = layout("lane = offset1");
    for (bytes, text) in [
        (3, "a lane accesses 1, 2, 4, 8 or 16 bytes, not 3"),
        (4, "a lane's 4 bytes do not begin at a multiple of 4"),
    ] {
        assert_eq!(banks::wavefronts(&l, bytes).unwrap_err().to_string(), text);
    }
    let error = banks::ideal(&layout("lane = m0"), 4).unwrap_err();
    assert_eq!(error.to_string(), "an access leads to `offset`, not to `m`");
}

#[test]
fn swizzles_are_free_of_conflicts() {
    // Rows written along, read eight rows at a time as ldmatrix does, and transposed by words.
    for (row_bits, column_bits, expected) in [
        (3, 7, Some("offset = c0 c1 c2 c3 c4 c5 c6 c4^r0 c5^r1 c6^r2")),
        (5, 7, None),
        (4, 6, None),
        (4, 5, None),
        (4, 8, None),
    ] {
        let bits =
            |from: usize, n: usize| (from..from + n).map(|b| format!("c{b}")).collect::<Vec<_>>();
        let mut along = bits(4, (column_bits - 4).min(5));
        along.extend((0..5 - along.len()).map(|r| format!("r{r}")).take(row_bits));
        let accesses = [
            Access { lanes: layout(&format!("lane = {}", along.join(" "))), bytes: 16 },
            Access { lanes: layout("lane = r0 r1 r2"), bytes: 16 },
        ];
        let l = banks::swizzle(("r", row_bits), ("c", column_bits), &accesses).unwrap();
        if let Some(text) = expected {
            assert_eq!(l.to_string(), text);
        }
        assert!(l.is_bijective());
        for access in &accesses {
            let lanes = access.lanes.then(&l.invert().unwrap()).unwrap();
            let ideal = banks::ideal(&lanes, access.bytes).unwrap();
            assert_eq!(brute(&lanes, access.bytes), ideal, "{l} under {}", access.lanes);
        }
    }
}

#[test]
fn no_swizzle_where_a_vector_fills_the_row() {
    // 16-byte rows have no chunk to move: rows 0 and 8 share their banks.
    let access = Access { lanes: layout("lane = r0 r1 r3"), bytes: 16 };
    let error = banks::swizzle(("r", 4), ("c", 4), &[access]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no swizzle frees all accesses of conflicts; store and load with narrower vectors, or pad the rows"
    );
}

#[test]
fn runs_and_quotients() {
    let l = layout("lane = n1 n2 m0 m1 m2, reg = n0 m3 n3 n4");
    assert_eq!((l.run("reg", "n"), l.run("lane", "n"), l.run("reg", "m")), (1, 0, 0));
    assert_eq!(layout("lane = n2, reg = n0 n1").run("reg", "n"), 2);
    assert_eq!(layout("lane = n2^n0, reg = n0 n1").run("reg", "n"), 0);
    assert_eq!(layout("lane = n2").run("reg", "n"), 0);
    let tile = layout("lane = n1 n2 m0 m1 m2, reg = n0 m3");
    let quotient = l.divide(&tile).unwrap();
    assert_eq!(quotient.to_string(), "reg = n0 n1");
    assert_eq!(quotient.of(&tile).unwrap(), l);
    for (text, error) in [
        (
            "lane = n1 n2 m0 m1 m2, reg = m3",
            "the tile does not divide the layout: it differs at bit 0 of `reg`",
        ),
        ("warp = n0", "the layout has no hardware axis `warp`"),
        (
            "lane = n1 n2 m0 m1 m2, reg = n0 m3 n3 n4 n5",
            "the tile does not divide the layout: it differs at bit 4 of `reg`",
        ),
    ] {
        assert_eq!(l.divide(&layout(text)).unwrap_err().to_string(), error);
    }
    let grid = Grid { atom: tile, by: "reg".into(), along: "n".into(), count: 10 };
    let at = grid.apply(&[("lane", 5), ("reg", 38)]).unwrap();
    assert_eq!(at, [("m".to_string(), 9), ("n".to_string(), 74)]);
    let error = grid.apply(&[("reg", 40)]).unwrap_err();
    assert_eq!(error.to_string(), "index 40 of `reg` is beyond the grid's 40");
}

#[test]
fn elements_of_any_width_have_their_place() {
    for text in ["slot = k0 k1 k2", "slot = k1 k2 k0", "slot = k0 k1 k2 k3 k4"] {
        let order = layout(text);
        let count = 1u64 << order.input_bits("slot");
        for width in 1..=16usize {
            let pieces = pack(width, &order).unwrap();
            let mut seen = BTreeSet::new();
            for k in 0..count {
                let (_, slot) = order.invert().unwrap().apply(&[("k", k)]).unwrap()[0].clone();
                for bit in 0..width {
                    let at = place(&pieces, k, bit).unwrap();
                    // By hand: pieces from wide to narrow, each a dense stream of its own.
                    let (mut low, mut start) = (0, 0);
                    let mut part = 16;
                    loop {
                        if width & part != 0 {
                            if bit < low + part {
                                break;
                            }
                            low += part;
                            start += part * count as usize;
                        }
                        part /= 2;
                    }
                    let stream = start + slot as usize * part + bit - low;
                    assert_eq!(at, (stream / 8, stream % 8), "{text}, {width} bits, {k}.{bit}");
                    assert!(seen.insert(at));
                }
            }
            assert_eq!(seen.len(), width * count as usize);
        }
    }
    let order = layout("slot = k0");
    for width in [0, 65] {
        let error = pack(width, &order).unwrap_err();
        assert_eq!(error.to_string(), format!("an element has 1 to 64 bits, not {width}"));
    }
    assert!(pack(4, &layout("reg = k0")).is_err());
    let pieces = pack(3, &order).unwrap();
    assert!(place(&pieces, 0, 3).is_err() && place(&pieces, 2, 0).is_err());
}

#[test]
fn damaged_layouts_never_panic_the_services() {
    let text = "lane = n1 n2^m3 m0, reg = n0 _ offset2";
    let whole = layout(text);
    for at in 0..text.len() {
        for with in ["", " ", "^", ",", "_", "9", "63", "m0", "offset", "half = n3, "] {
            let mut damaged = text.to_string();
            damaged.replace_range(at..at + 1, with);
            let Ok(l) = Layout::parse(&damaged) else { continue };
            let _ = (convert(&l, &whole), convert(&whole, &l), convert(&l, &l));
            let _ = (l.divide(&whole), whole.divide(&l), l.of(&whole), l.run("reg", "n"));
            let _ = (banks::wavefronts(&l, 16), pack(6, &l), l.rename("n", "m"));
            let lanes = Access { lanes: l.clone(), bytes: 8 };
            let _ = banks::swizzle(("m", 3), ("n", 5), &[lanes]);
            let grid = Grid { atom: l, by: "reg".into(), along: "n".into(), count: u64::MAX };
            let _ = (grid.apply(&[("reg", u64::MAX)]), grid.apply(&[("reg", 0)]));
        }
    }
}
