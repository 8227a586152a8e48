//! Accesses to memory: widths, parts of vectors at the end of a page, gathers, operands that instructions read themselves.
#![allow(unsafe_code)] // runs compiled code

use super::{emitted, same, targets};
use kgen_ir::machine::{print::MNEMONICS, *};
use kgen_runtime::driver::{Driver, native::Native};
use kgen_tests::machine_programs::*;
use std::fmt::Write;

#[test]
fn memory_rows_extend_and_truncate() {
    for target in targets() {
        let lanes = target.lanes;
        let v = 4 * lanes;
        let mut text =
            format!("machine memory lanes {lanes} {{ slot 0 = pointer x slot 1 = pointer y\n");
        text += "x = arg 0 : i y = arg 1 : i n = iadd y, 8 : i\n";
        let mut at = 16;
        for w in ["w32", "u16", "s16", "u8", "s8"] {
            let _ = writeln!(text, "l{w} = load.{w} [x + 3] : w store.w32 [y + {at}], l{w}");
            let _ = writeln!(text, "s{w} = splat.{w} [x + 5] : w store.w32 [y + {}], s{w}", at + v);
            let _ = writeln!(text, "store.{w} [n + {}], l{w}", at + 2 * v);
            let _ = writeln!(
                text,
                "r{w} = read.{w} [x + 7] : i write.w64 [y + {}], r{w}",
                at + 3 * v + 8
            );
            let _ = writeln!(text, "write.{w} [n + {}], r{w}", at + 3 * v + 8);
            let _ = writeln!(text, "write.{w} [n + {}], -77", at + 3 * v + 24);
            at += 4 * v + 64;
        }
        text += "q = read.w64 [x + 1] : i write.w64 [n - 8], q\n";
        text += "c = next [y + 0], 5 : i e = next [y + 0], c : i write.w64 [y + 8], e\n";
        text += "prefetch.1 [x + 0] prefetch.2 [x + 0] prefetch.3 [x + 0]\n";
        let _ = writeln!(text, "hl = load.f16 [x + 3] : f store.w32 [y + {at}], hl");
        let _ = writeln!(text, "hs = splat.f16 [x + 5] : f store.w32 [y + {}], hs", at + v);
        at += 2 * v;
        let _ = writeln!(text, "f = load.w32 [x + 1] : f store.w32 [y + {at}], f");
        let _ = writeln!(text, "g = splat.w32 [x + 1] : f store.u16 [y + {}], g", at + v);
        let _ = writeln!(text, "j = worker : i k = spread j : w store.u8 [y + {}], k", at + 2 * v);
        let _ = writeln!(text, "i = iota : w store.w32 [y + {}], i", at + 3 * v);
        let _ = writeln!(text, "u = spread -7 : w store.w32 [y + {}], u", at + 4 * v);
        // Of a target of lanes that are as many as nibbles.
        let nibbles = match target.row(&Op::Nibbles) {
            Some(_) => format!("b = nibbles [x + 6] : w store.w32 [y + {}], b }}", at + 5 * v),
            None => "}".into(),
        };
        text += &nibbles;
        let k = kernel(&text);
        let mut noise = Noise(3);
        let regions: Vec<Vec<u8>> = [96, at + 6 * v]
            .iter()
            .map(|n| (0..*n).map(|_| noise.word() as u8).collect())
            .collect();
        same(&k, target, &regions);
    }
}

/// A page that ends where memory does.
struct Page(*mut u8);

unsafe extern "C" {
    fn mmap(at: *mut u8, len: usize, allowed: i32, flags: i32, file: i32, from: i64) -> *mut u8;
    fn mprotect(at: *mut u8, len: usize, allowed: i32) -> i32;
}

impl Page {
    const BYTES: usize = 4096;

    /// It is never given back.
    fn new() -> Page {
        let (read_write, private_anonymous) = (3, 0x22);
        // SAFETY: new memory, where the system likes; the second page of it may not be touched.
        unsafe {
            let at =
                mmap(std::ptr::null_mut(), 2 * Page::BYTES, read_write, private_anonymous, -1, 0);
            assert!(!at.is_null() && at as isize != -1, "no memory");
            assert_eq!(mprotect(at.add(Page::BYTES), Page::BYTES, 0), 0);
            Page(at)
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the page is ours, and nobody else sees it while the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.0, Page::BYTES) }
    }

    /// Where the last bytes begin, which are these.
    fn end(&mut self, bytes: &[u8]) -> u64 {
        let at = Page::BYTES - bytes.len();
        self.bytes()[at..].copy_from_slice(bytes);
        self.0 as u64 + at as u64
    }
}

#[test]
fn parts_of_vectors_touch_nothing_behind_them() {
    let (mut from, mut to) = (Page::new(), Page::new());
    let mut noise = Noise(21);
    for target in targets() {
        let (lanes, v) = (target.lanes, 4 * target.lanes);
        for (width, size) in [("w32", 4), ("u16", 2), ("s16", 2), ("u8", 1), ("s8", 1)] {
            if size < 4 && lanes < 16 {
                continue;
            }
            for n in 0..=lanes {
                for count in ["n".to_owned(), n.to_string()] {
                    let class = if size == 4 && count == "n" { "f" } else { "w" };
                    let k = kernel(&format!(
                        "machine part lanes {lanes} {{ slot 0 = pointer x slot 1 = pointer y
                         slot 2 = pointer z x = arg 0 : i y = arg 1 : i z = arg 2 : i
                         n = read.w64 [y + 0] : i v = load.w32 [y + 8] : {class}
                         a = loadpart.{width} [x + 64], {count} : {class} store.w32 [y + 8], a
                         storepart.{width} [z + 64], v, {count} }}"
                    ));
                    let mut fill =
                        |n: usize| (0..n).map(|_| noise.word() as u8).collect::<Vec<u8>>();
                    let mut y = [(n as u64).to_le_bytes().to_vec(), fill(v)].concat();
                    let (x, z) = (fill(64 + size * n), fill(64 + size * n));
                    let wanted = interpreted(&k, &[x.clone(), y.clone(), z.clone()]);
                    to.bytes().fill(7);
                    let args = [from.end(&x), y.as_mut_ptr() as u64, to.end(&z)];
                    let e = emitted(&k, target);
                    let code = Native::default().load(&e.text, &["part"]).expect("code");
                    // SAFETY: the interpreter has run the same without leaving the regions.
                    unsafe { code.call(0, args.as_ptr(), 0) };
                    let at = Page::BYTES - z.len();
                    let place = format!("{} {width} {n}\n{}", target.name, e.text);
                    assert_eq!(y, wanted[1], "{place}");
                    assert_eq!(to.bytes()[at..], wanted[2], "{place}");
                    assert!(to.bytes()[..at].iter().all(|b| *b == 7), "{place}");
                }
            }
        }
    }
}

#[test]
fn gathers_leave_their_places_alone() {
    for target in targets() {
        let (lanes, v) = (target.lanes, 4 * target.lanes);
        let k = kernel(&format!(
            "machine g lanes {lanes} {{ slot 0 = pointer x slot 1 = pointer y
             x = arg 0 : i y = arg 1 : i i = load.w32 [y + 0] : w
             loop t in 0..3 step 1 {{
               o = imul t, {v} : i p = iadd x, o : i q = iadd y, o : i
               a = gather.w32 [p + 256], i : w b = wadd a, i : w store.w32 [q + {v}], b
               j = wadd i, i : w c = gather.w32 [x + 252], j : f store.w32 [q + {}], c
             }} }}",
            4 * v
        ));
        let mut noise = Noise(31);
        let x: Vec<u32> = (0..128 + 3 * lanes).map(|_| noise.word()).collect();
        let index = (0..lanes).map(|_| (noise.below(60) as u32).wrapping_sub(30));
        let y: Vec<u32> = index.chain(vec![0; 7 * lanes]).collect();
        let e = emitted(&k, target);
        assert_eq!((e.stats.inner_moves, e.stats.inner_stack), (0, 0), "{}", e.text);
        same(&k, target, &[bytes(&x), bytes(&y)]);
    }
}

/// Every op with one operand at a time from where an instruction can read it itself.
#[test]
fn what_is_read_once_may_come_from_memory() {
    for target in targets() {
        let lanes = target.lanes;
        let v = 4 * lanes;
        for (_, op) in MNEMONICS {
            let signature = op.signature();
            let vectors = signature.uses.iter().all(|u| {
                matches!(
                    u,
                    Use::Of(Class::Float | Class::Word) | Use::Same | Use::Vector | Use::Imm
                )
            });
            if signature.mem
                || !vectors
                || signature.uses.is_empty()
                || signature.def == [Class::Int]
                || target.row(op).is_none() && !matches!(op, Op::Shuffle(_))
            {
                continue;
            }
            for (place, how) in (0..signature.uses.len()).flat_map(|p| (0..6).map(move |h| (p, h)))
            {
                for &def in signature.def {
                    let mut text = format!("machine fold lanes {lanes} {{ slot 0 = pointer x\n");
                    text += "x = arg 0 : i y = iadd x, 4 : i\n";
                    let mut list = Vec::new();
                    for (i, wanted) in signature.uses.iter().enumerate() {
                        let class = match wanted {
                            Use::Of(class) => class.letter(),
                            Use::Same | Use::Vector => def.letter(),
                            Use::Imm => {
                                list.push("5".to_owned());
                                continue;
                            }
                        };
                        list.push(format!("o{i}"));
                        let constant = if class == "f" { "fconst" } else { "wconst" };
                        let made = match if i == place { how } else { 9 } {
                            0 => format!("load.w32 [y + {}]", 8 * i + 1),
                            1 => format!("splat.w32 [y + {}]", 8 * i),
                            2 => format!("{constant} 1077936129"),
                            3 if class == "w" => format!("load.u16 [y + {}]", 2 * i),
                            4 if class == "w" => format!("splat.s8 [y + {}]", 2 * i),
                            _ => format!("load.w32 [x + {}]", v * i),
                        };
                        let _ = writeln!(text, "o{i} = {made} : {class}");
                        if how == 5 {
                            let _ = writeln!(text, "store.w32 [x + {}], o{i}", 512 + v * i);
                        }
                    }
                    // The same, with what is read written over before.
                    if how == 5 || place == 0 {
                        let _ = writeln!(text, "z = iota : w store.w32 [x + 0], z");
                    }
                    let _ = writeln!(text, "d = {op} {} : {}", list.join(", "), def.letter());
                    if def == Class::Mask {
                        text += "yes = wconst 1 : w no = wconst 0 : w e = select d, yes, no : w\n";
                        let _ = writeln!(text, "store.w32 [x + {}], e }}", 1024);
                    } else {
                        let _ = writeln!(text, "store.w32 [x + {}], d }}", 1024);
                    }
                    let k = kernel(&text);
                    let small = |i: u32| f32::to_bits((i % 37) as f32 - 17.5);
                    let region: Vec<u32> = (0..300).map(small).collect();
                    same(&k, target, &[bytes(&region)]);
                }
            }
        }
    }
}

#[test]
fn halves_are_converted_from_memory() {
    for target in targets() {
        let (lanes, v) = (target.lanes, 4 * target.lanes);
        for (between, loads) in [("", 2), ("store.w32 [p + 0], zero", 1)] {
            let k = kernel(&format!(
                "machine h lanes {lanes} {{ slot 0 = pointer p p = arg 0 : i zero = wconst 7 : w
                 w = load.w32 [p + 2] : w
                 a = cvt.f32.f16lo w : f {between}
                 b = cvt.f32.f16hi w : f
                 store.w32 [p + {v}], a store.w32 [p + {}], b }}",
                2 * v
            ));
            let e = emitted(&k, target);
            let from_memory = e.text.lines().filter(|l| l.contains("vcvtph2ps") && l.contains('['));
            assert_eq!(from_memory.count(), if loads == 2 { 2 } else { 0 }, "{}", e.text);
            let region: Vec<u32> =
                (0..3 * lanes as u32).map(|i| i.wrapping_mul(0x3c01_2e57)).collect();
            same(&k, target, &[bytes(&region)]);
        }
    }
}
