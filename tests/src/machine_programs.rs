//! Machine kernels made to be run twice: every op over edge values, and random programs. Each is checked code against
//! the interpreter, for any number of lanes.
//!
//! ```text
//! let k = program(7, 16, 40);          // sixteen lanes, forty vectors alive from the start
//! let wanted = interpreted(&k, &[x, y]);
//! ```

use half::{bf16, f16};
use kgen_ir::machine::{
    interp::{Memory, run},
    parse::parse,
    print::MNEMONICS,
    verify::verify,
    *,
};
use std::fmt::Write;

pub fn kernel(text: &str) -> Kernel {
    let kernel = parse(text).unwrap_or_else(|e| {
        let from = text[..e.span.start.min(text.len())].rfind('\n').unwrap_or(0);
        panic!("{e:?} near {}", &text[from..(from + 80).min(text.len())])
    });
    verify(&kernel).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(parse(&kernel.to_string()).as_ref(), Ok(&kernel), "{kernel}");
    kernel
}

pub fn interpreted(kernel: &Kernel, regions: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut memory = Memory::default();
    let slots: Vec<u64> = regions.iter().map(|r| memory.add(r.clone())).collect();
    run(kernel, &slots, &mut memory, 1).unwrap_or_else(|e| panic!("{e}\n{kernel}"));
    memory.regions
}

pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|c| u32::from_le_bytes(*c)).collect()
}

/// xorshift64*.
pub struct Noise(pub u64);

impl Noise {
    pub fn word(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.word() as usize % n
    }
}

#[rustfmt::skip] // a table
pub const EDGES: &[u32] = &[
    0, 0x8000_0000, 1, 0x8000_0001, 0x007f_ffff, 0x0080_0000, 0x3f80_0000, 0xbf80_0000,
    0x7f7f_ffff, 0xff7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_0001, 0x4f00_0000,
    0xcf00_0000, 0x3f00_0000, 0x3fc0_0000, 0x4020_0000, 0xbf00_0000, 0x4b00_0001, 0x7fff_ffff,
    0xffff_ffff, 0x4eff_ffff, 0xcf00_0001, 0x0000_7c00, 0x0000_03ff, 0x8000_fc01,
];

/// Ops that only some targets have, with no sequence for the others.
pub fn optional(op: &Op) -> bool {
    matches!(
        op,
        Op::LoadPart(_)
            | Op::StorePart(_)
            | Op::Gather
            | Op::Async(_)
            | Op::Squares { .. }
            | Op::Rows(..)
            | Op::PermuteBytes
            | Op::ShuffleBytes
            | Op::PermuteHigh
            | Op::SelectBits
            | Op::Lookup
            | Op::Nibbles
            | Op::Affine
            | Op::PackBf16
            | Op::Float(FloatOp::Scale)
            | Op::FloatUnary(FloatUnary::Fraction)
            | Op::Dot(DotOp::Bf16)
    ) || of_matrices(op)
}

/// Ops of matrices in registers and of arrays: of GPUs, and of CPUs with registers for them.
pub fn of_matrices(op: &Op) -> bool {
    matches!(
        op,
        Op::GatherPart(_)
            | Op::Scatter(_)
            | Op::Pair(_)
            | Op::Half(HalfOp::Float(_))
            | Op::Join(_)
            | Op::Part
            | Op::Mma(_)
            | Op::Async(_)
            | Op::Squares { .. }
            | Op::Rows(..)
            | Op::Load(Width::W64 | Width::W128)
            | Op::Store(Width::W64 | Width::W128)
    )
}

/// Edge values against each other, then noise.
pub fn operands(seed: u64) -> [Vec<u32>; 3] {
    let mut noise = Noise(seed | 1);
    let mut out: [Vec<u32>; 3] = Default::default();
    for a in EDGES {
        for b in EDGES {
            out[0].push(*a);
            out[1].push(*b);
            out[2].push(EDGES[noise.below(EDGES.len())]);
        }
    }
    while out[0].len() < 4096 {
        out.iter_mut().for_each(|v| v.push(noise.word()));
    }
    out
}

/// `op` with its result in class `def`, one vector at a time over whole arrays.
pub fn over_arrays(op: &Op, def: Class, len: usize, lanes: usize) -> Kernel {
    let signature = op.signature();
    let mut text = format!("machine row lanes {lanes} {{\n");
    for i in 0..4 {
        let _ = writeln!(text, "slot {i} = pointer p{i}");
    }
    let _ = writeln!(text, "p0 = arg 0 : i p1 = arg 1 : i p2 = arg 2 : i p3 = arg 3 : i");
    let _ = writeln!(text, "loop o in 0..{} step {} {{ q = iadd p3, o : i", 4 * len, 4 * lanes);
    let mut list = Vec::new();
    for (i, wanted) in signature.uses.iter().enumerate() {
        let class = match wanted {
            Use::Of(class) => *class,
            Use::Same | Use::Vector => def,
            Use::Imm => {
                list.push("13".to_string());
                continue;
            }
        };
        let _ = writeln!(text, "a{i} = iadd p{i}, o : i");
        let load = if class == Class::Float { "f" } else { "w" };
        let _ = writeln!(text, "l{i} = load.w32 [a{i} + 0] : {load}");
        list.push(format!("l{i}"));
        if class == Class::Mask {
            let _ = writeln!(text, "z{i} = wconst 0 : w m{i} = wcmp.lt l{i}, z{i} : m");
            list[i] = format!("m{i}");
        }
        if class == Class::Int {
            let _ = writeln!(text, "i{i} = read.w32 [a{i} + 0] : i");
            list[i] = format!("i{i}");
        }
    }
    let _ = writeln!(text, "d = {op} {} : {}", list.join(", "), def.letter());
    if def == Class::Mask {
        text += "yes = wconst 1 : w no = wconst 0 : w e = select d, yes, no : w\n";
        text += "store.w32 [q + 0], e }}";
    } else {
        text += "store.w32 [q + 0], d }}";
    }
    kernel(&text)
}

pub fn is_nan(op: &Op, def: Class, x: u32) -> bool {
    if *op == Op::Cvt(Cvt::F16FromFloat) {
        x <= 0xffff && f16::from_bits(x as u16).is_nan()
    } else if *op == Op::Cvt(Cvt::Bf16FromFloat) {
        x <= 0xffff && bf16::from_bits(x as u16).is_nan()
    } else {
        def == Class::Float && f32::from_bits(x).is_nan()
    }
}

/// A random kernel: nested loops and ifs with carried values over an input of 512 bytes and an output of [`OUTPUT`].
struct Program {
    noise: Noise,
    text: String,
    /// Live registers of each class.
    live: [Vec<String>; 4],
    names: usize,
    stores: usize,
    lanes: usize,
    /// How many of the youngest values are used.
    window: usize,
}

impl Program {
    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("r{}", self.names)
    }

    fn pick(&mut self, class: Class) -> String {
        let list = &self.live[class as usize];
        let from = list.len().saturating_sub(self.window);
        list[from + self.noise.below(list.len() - from)].clone()
    }

    fn op(&mut self) {
        let op = loop {
            let (_, op) = &MNEMONICS[self.noise.below(MNEMONICS.len())];
            let bad = matches!(op, Op::Arg | Op::Int(_))
                || matches!(op, Op::Bits | Op::Cvt(Cvt::F16FromFloat | Cvt::Bf16FromFloat))
                || matches!(
                    op,
                    Op::FloatUnary(
                        FloatUnary::Exp2
                            | FloatUnary::Log2
                            | FloatUnary::Tanh
                            | FloatUnary::Sin
                            | FloatUnary::Cos
                    )
                );
            if !op.signature().mem && !bad && !optional(op) {
                break op.clone();
            }
        };
        let signature = op.signature();
        let def = signature.def[self.noise.below(signature.def.len())];
        let mut uses: Vec<String> = signature
            .uses
            .iter()
            .map(|u| match u {
                Use::Of(class) => self.pick(*class),
                Use::Same | Use::Vector => self.pick(def),
                Use::Imm if op == Op::FloatConst => {
                    EDGES[self.noise.below(EDGES.len())].to_string()
                }
                Use::Imm if matches!(op, Op::Half(_)) => self.noise.below(16).to_string(),
                Use::Imm => self.noise.below(32).to_string(),
            })
            .collect();
        if let (Op::HMax, [x]) = (&op, &mut uses[..]) {
            // It may lose a NaN and the sign of a zero: here are none.
            let [m, one, zero, y, z] = std::array::from_fn(|_| self.fresh());
            let _ = writeln!(self.text, "{m} = fcmp.eq {x}, {x} : m");
            let _ = writeln!(self.text, "{one} = fconst {} : f", 1f32.to_bits());
            let _ = writeln!(self.text, "{zero} = fconst 0 : f");
            let _ = writeln!(self.text, "{y} = select {m}, {x}, {one} : f");
            let _ = writeln!(self.text, "{z} = fadd {y}, {zero} : f");
            *x = z;
        }
        let name = self.fresh();
        let _ = writeln!(self.text, "{name} = {op} {} : {}", uses.join(", "), def.letter());
        self.live[def as usize].push(name);
    }

    fn memory(&mut self) {
        let class = if self.noise.below(2) == 0 { Class::Float } else { Class::Word };
        // The targets of four lanes have neither.
        if self.lanes > 4 && self.noise.below(4) == 0 {
            return self.some_lanes(class);
        }
        if self.noise.below(3) > 0 && self.stores < 60 {
            let at = 4 * self.lanes * self.stores;
            self.stores += 1;
            let value = self.pick(class);
            // A NaN's payload is not promised: one NaN is stored for all.
            if class == Class::Float {
                let (m, n, v) = (self.fresh(), self.fresh(), self.fresh());
                let _ = writeln!(self.text, "{m} = fcmp.eq {value}, {value} : m");
                let _ = writeln!(self.text, "{n} = fconst {} : f", 0x7fc0_0000);
                let _ = writeln!(self.text, "{v} = select {m}, {value}, {n} : f");
                let _ = writeln!(self.text, "store.w32 [y + {at}], {v}");
            } else {
                let _ = writeln!(self.text, "store.w32 [y + {at}], {value}");
            }
        } else {
            let name = self.fresh();
            let kind = if class == Class::Float {
                "load.w32"
            } else {
                ["load.w32", "load.u8", "load.s16", "splat.s8"][self.noise.below(4)]
            };
            let at = self.noise.below(448);
            let _ = writeln!(self.text, "{name} = {kind} [x + {at}] : {}", class.letter());
            self.live[class as usize].push(name);
        }
    }

    /// A gather, or the first lanes alone.
    fn some_lanes(&mut self, class: Class) {
        let (name, help, at) = (self.fresh(), self.fresh(), self.noise.below(192));
        if self.noise.below(2) == 0 {
            let index = self.pick(Class::Word);
            let _ =
                writeln!(self.text, "k{help} = wconst 63 : w {help} = and {index}, k{help} : w");
            let _ =
                writeln!(self.text, "{name} = gather.w32 [x + {at}], {help} : {}", class.letter());
        } else {
            let n = self.pick(Class::Int);
            let _ = writeln!(self.text, "k{help} = imin {n}, {} : i", self.lanes);
            let _ = writeln!(self.text, "{help} = imax k{help}, 0 : i");
            let _ = writeln!(
                self.text,
                "{name} = loadpart.w32 [x + {at}], {help} : {}",
                class.letter()
            );
            let value = self.pick(Class::Word);
            let _ = writeln!(self.text, "storepart.w32 [y + {at}], {value}, {help}");
        }
        self.live[class as usize].push(name);
    }

    fn block(&mut self, depth: usize) {
        for _ in 0..3 + self.noise.below(8) {
            match self.noise.below(if depth < 3 { 12 } else { 9 }) {
                0..7 => self.op(),
                7..9 => self.memory(),
                9..11 => self.loop_(depth),
                _ => self.if_(depth),
            }
        }
    }

    fn carried(&mut self) -> Vec<(Class, String)> {
        let classes = [Class::Int, Class::Float, Class::Word, Class::Mask];
        (0..self.noise.below(4)).map(|_| (classes[self.noise.below(4)], self.fresh())).collect()
    }

    fn yields(&mut self, results: &[(Class, String)]) -> String {
        let list: Vec<String> = results.iter().map(|(class, _)| self.pick(*class)).collect();
        if list.is_empty() { String::new() } else { format!(" yield {}", list.join(", ")) }
    }

    fn head(&mut self, results: &[(Class, String)]) {
        let names: Vec<&str> = results.iter().map(|(_, name)| name.as_str()).collect();
        if !names.is_empty() {
            let _ = write!(self.text, "{} = ", names.join(", "));
        }
    }

    fn loop_(&mut self, depth: usize) {
        let results = self.carried();
        self.head(&results);
        let var = self.fresh();
        let (lo, n, step) = (self.noise.below(3), self.noise.below(5), 1 + self.noise.below(3));
        let _ = write!(self.text, "loop {var} in {lo}..{} step {step}", lo + n);
        let mut inside = Vec::new();
        for (i, (class, _)) in results.iter().enumerate() {
            let (param, init) = (self.fresh(), self.pick(*class));
            let word = if i == 0 { " carry" } else { "," };
            let _ = write!(self.text, "{word} {param} = {init}");
            inside.push((*class, param));
        }
        let _ = writeln!(self.text, " {{");
        let outer = self.live.clone();
        self.live[Class::Int as usize].push(var);
        for (class, param) in inside {
            self.live[class as usize].push(param);
        }
        self.block(depth + 1);
        let yields = self.yields(&results);
        self.live = outer;
        let _ = writeln!(self.text, "}}{yields}");
        for (class, name) in results {
            self.live[class as usize].push(name);
        }
    }

    fn if_(&mut self, depth: usize) {
        let results = self.carried();
        self.head(&results);
        let (a, b) = (self.pick(Class::Int), self.noise.below(4));
        let cmp = kgen_ir::tile::Compare::ALL[self.noise.below(6)];
        let _ = writeln!(self.text, "if {a} {} {b} {{", cmp.symbol());
        let outer = self.live.clone();
        self.block(depth + 1);
        let yields = self.yields(&results);
        self.live = outer.clone();
        let _ = writeln!(self.text, "}}{yields} else {{");
        self.block(depth + 1);
        let yields = self.yields(&results);
        self.live = outer;
        let _ = writeln!(self.text, "}}{yields}");
        for (class, name) in results {
            self.live[class as usize].push(name);
        }
    }
}

/// Bytes of the two regions of a random program.
pub const INPUT: usize = 512;
pub const OUTPUT: usize = 64 * 128;

/// A program with so many vectors alive from its first line to its last.
pub fn program(seed: u64, lanes: usize, alive: usize) -> String {
    let mut p = Program {
        noise: Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        text: format!(
            "machine random lanes {lanes} {{ slot 0 = pointer x slot 1 = pointer y
             x = arg 0 : i y = arg 1 : i two = const 2 : i
             f0 = load.w32 [x + 0] : f w0 = load.w32 [x + 16] : w m0 = wcmp.lt w0, w0 : m\n"
        ),
        live: [vec!["two".into()], vec!["f0".into()], vec!["w0".into()], vec!["m0".into()]],
        names: 0,
        stores: 0,
        lanes,
        window: if alive > 0 { alive } else { 12 },
    };
    for i in 0..alive {
        let _ = writeln!(p.text, "v{i} = load.w32 [x + {}] : w", 8 * i);
        p.live[Class::Word as usize].push(format!("v{i}"));
    }
    p.block(0);
    p.memory();
    for i in 0..alive {
        let _ = writeln!(p.text, "store.w32 [y + {}], v{i}", 4 * lanes * (60 + i));
    }
    p.text += "}";
    p.text
}

/// The two regions of a random program.
pub fn regions(seed: u64) -> [Vec<u8>; 2] {
    let mut noise = Noise(seed | 1);
    let word =
        |i: usize| if i.is_multiple_of(3) { noise.word() } else { EDGES[noise.below(EDGES.len())] };
    [bytes(&(0..INPUT / 4).map(word).collect::<Vec<_>>()), vec![0; OUTPUT]]
}

/// Runs a kernel on memory regions and gives them as it leaves them.
pub type Run<'a> = &'a dyn Fn(&Kernel, &[Vec<u8>]) -> Vec<Vec<u8>>;

/// Largest error in units of the last place, over a million floats of all magnitudes.
pub fn sweep(op: FloatUnary, meaning: fn(f64) -> f64, lanes: usize, run: Run) -> f64 {
    let mut floats: Vec<u32> = (0..1u32 << 20).map(|i| i << 12 | ((i * 37) & 0xfff)).collect();
    floats.extend(EDGES.iter().map(|e| e & !3));
    floats.extend((0..1 << 16).map(|i| (0.5f32 + i as f32 / 32768.0).to_bits()));
    floats.extend((0..1 << 16).map(|i| (-151.0f32 + i as f32 / 200.0).to_bits()));
    floats.resize(floats.len().next_multiple_of(lanes), 0);
    let op = Op::FloatUnary(op);
    let k = over_arrays(&op, Class::Float, floats.len(), lanes);
    let region = bytes(&floats);
    let regions = vec![region.clone(), Vec::new(), Vec::new(), region];
    let got = words(&run(&k, &regions)[3]);
    let mut worst = (0f64, 0f32);
    for (x, g) in floats.iter().zip(got) {
        let (x, g) = (f32::from_bits(*x), f32::from_bits(g));
        let wanted = meaning(f64::from(x));
        let e = wanted as f32;
        if e.is_finite() && g.is_finite() {
            let ulp = (f64::from(e.abs().max(f32::MIN_POSITIVE)).log2().floor() - 23.0).exp2();
            let error = (f64::from(g) - wanted).abs() / ulp;
            if error > worst.0 {
                worst = (error, x);
            }
        } else {
            assert!(g == e || g.is_nan() && e.is_nan(), "{op} {x:e}: {g:e}, expected {e:e}");
        }
    }
    println!("{op}: {} ulp at {:e}", worst.0, worst.1);
    worst.0
}
