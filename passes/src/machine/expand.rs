//! Ops that the target has no row for become sequences of ops which it has.
//!
//! The sequences are machine text: `a` is the operand, `d` the result. They may use ops that are sequences
//! themselves. Sums and maxima over the lanes become shuffles, for any power of two of lanes.
//!
//! ```text
//! s = shl a, 16 : w
//! d = float s : f
//! ```

use kgen_ir::{
    arena::Map,
    diag::Unsupported,
    machine::{parse::parse, print::MNEMONICS, *},
    target::Target,
};

/// Both halves of a register share all but the last three lines.
macro_rules! f16_halves {
    ($half:literal) => {
        concat!(
            "\
top = wconst 2080406528 : w ; 0x7c007c00
x = and a, top : w
s = h.eq x, top : w
g = and s, top : w ; with the bits that are set anyway, an exponent of 255
r = h.sar a, 3 : w
k = wconst 2415890431 : w ; 0x8fff8fff
m = and r, k : w
t = or m, g : w
l = h.shl a, 13 : w
u = ",
            $half,
            " l, t : w
y = float u : f
by = fconst 2004877312 : f ; 2^112
d = fmul y, by : f"
        )
    };
}

/// The sine of `a` and what it takes for the cosine: `a` less quarters of a turn, taken off in three parts of pi/2 (Cody
/// and Waite), and the polynomials of the Cephes library's sinf and cosf; `$turn` says which quarter it is.
macro_rules! wave {
    ($turn:literal) => {
        concat!(
            "\
p = fabs a : f
edge = fconst 1266679808 : f ; 2^24
low = fcmp.lt p, edge : m
none = fsub a, a : f ; NaN of infinities
x = select low, a, none : f
t = fconst 1059256707 : f ; 2/pi
xt = fmul x, t : f
q = nearest xt : f
h1 = fconst 3217625051 : f ; -pi/2, its first 24 bits
r1 = fma q, h1, x : f
h2 = fconst 859553070 : f ; the next
r2 = fma q, h2, r1 : f
h3 = fconst 653733101 : f ; the next
r = fma q, h3, r2 : f
z = fmul r, r : f
s3 = fconst 3108807161 : f ; -1.9515295891e-4
s2 = fconst 1007190942 : f ; 8.3321608736e-3
p2 = fma s3, z, s2 : f
s1 = fconst 3190467235 : f ; -1.6666654611e-1
p1 = fma p2, z, s1 : f
rz = fmul r, z : f
sine = fma p1, rz, r : f
k3 = fconst 936179150 : f ; 2.443315711809948e-5
k2 = fconst 3132491290 : f ; -1.388731625493765e-3
q2 = fma k3, z, k2 : f
k1 = fconst 1026206373 : f ; 4.166664568298827e-2
q1 = fma q2, z, k1 : f
zz = fmul z, z : f
half = fconst 3204448256 : f ; -0.5
one = fconst 1065353216 : f ; 1
c0 = fma half, z, one : f
cosine = fma q1, zz, c0 : f
n = cvt.i32.f32 q : w
",
            $turn,
            "\
b1 = wconst 1 : w
odd = and turn, b1 : w
isodd = wcmp.eq odd, b1 : m
y = select isodd, cosine, sine : f
b2 = wconst 2 : w
back = and turn, b2 : w
sign = shl back, 30 : w
yw = bits y : w
yf = xor yw, sign : w
d = float yf : f"
        )
    };
}

/// Mnemonic and sequence. Constants are bits; their values stand beside them.
#[rustfmt::skip] // a table
static SEQUENCES: &[(&str, &str)] = &[
    // The exponent moves by 2^112, exactly, for subnormals too. That of an infinity or a NaN becomes 255 before:
    // with the bits that it has, those from 27 to 30 make it so. The high half may hold anything.
    ("cvt.f32.f16", "\
top = wconst 2080406528 : w ; 0x7c007c00
x = and a, top : w
o = h.eq x, top : w
i = shl o, 28 : w
g = shr i, 1 : w
s = shl a, 16 : w
e = sar s, 3 : w
k = wconst 2415919103 : w ; 0x8fffffff
m = and e, k : w
t = or m, g : w
y = float t : f
by = fconst 2004877312 : f ; 2^112
d = fmul y, by : f"),
    // The same for two halves at once, as far as they fit: the exponent of an infinity or a NaN becomes
    // 255 before the scaling, which keeps it.
    ("cvt.f32.f16lo", f16_halves!("h.low")),
    ("cvt.f32.f16hi", f16_halves!("h.high")),
    // Normals round in the integers, subnormals by adding one half, whose last place is 2^-24.
    ("cvt.f16.f32", "\
w = bits a : w
k = wconst 2147483647 : w ; 0x7fffffff
p = and w, k : w
sign = xor w, p : w
last = shr p, 13 : w
one = wconst 1 : w
odd = and last, one : w
bias = wconst 3355447295 : w ; 0xc8000fff: the exponent less 112, and just below half of the last place
n0 = wadd p, bias : w
n1 = wadd n0, odd : w
normal = shr n1, 13 : w
h = fconst 1056964608 : f ; 0.5
x = float p : f
y = fadd x, h : f
z = bits y : w
hw = bits h : w
small = wsub z, hw : w
least = wconst 947912704 : w ; 2^-14
tiny = wcmp.lt p, least : m
r = select tiny, small, normal : w
top = wconst 1199570943 : w ; below 65536
over = wcmp.gt p, top : m
inf = wconst 2139095040 : w
isnan = wcmp.gt p, inf : m
hinf = wconst 31744 : w ; infinity
hnan = wconst 32256 : w ; a quiet NaN
o = select isnan, hnan, hinf : w
q = select over, o, r : w
sh = shr sign, 16 : w
d = or q, sh : w"),
    ("cvt.f32.bf16", "\
s = shl a, 16 : w
d = float s : f"),
    ("cvt.bf16.f32", "\
w = bits a : w
t = shr w, 16 : w
one = wconst 1 : w
odd = and t, one : w
half = wconst 32767 : w ; 0x7fff
x = wadd w, half : w
y = wadd x, odd : w
r = shr y, 16 : w
quiet = wconst 64 : w
n = or t, quiet : w
isnan = fcmp.ne a, a : m
d = select isnan, n, r : w"),
    // 2^a = 2^n 2^r, |r| <= 1/2, n by adding 1.5 * 2^23; 2^r by its series (the rest is below
    // 5.3e-9); 2^n in two factors, so that subnormal results round once. The constants come first
    // in the limits, so NaN passes.
    ("exp2", "\
lo = fconst 3273654272 : f ; -160
hi = fconst 1126170624 : f ; 160
x0 = fmax lo, a : f
x = fmin hi, x0 : f
magic = fconst 1262485504 : f ; 1.5 * 2^23
nm = fadd x, magic : f
n = fsub nm, magic : f
r = fsub x, n : f
c7 = fconst 931128830 : f ; ln(2)^7 / 7!
c6 = fconst 958497929 : f ; ln(2)^6 / 6!
p6 = fma c7, r, c6 : f
c5 = fconst 984531967 : f ; ln(2)^5 / 5!
p5 = fma p6, r, c5 : f
c4 = fconst 1008571739 : f ; ln(2)^4 / 4!
p4 = fma p5, r, c4 : f
c3 = fconst 1029920839 : f ; ln(2)^3 / 3!
p3 = fma p4, r, c3 : f
c2 = fconst 1047920112 : f ; ln(2)^2 / 2!
p2 = fma p3, r, c2 : f
c1 = fconst 1060205080 : f ; ln(2)^1 / 1!
p1 = fma p2, r, c1 : f
c0 = fconst 1065353216 : f ; ln(2)^0 / 0!
p = fma p1, r, c0 : f
nw = bits nm : w
mw = bits magic : w
e = wsub nw, mw : w
e1 = sar e, 1 : w
e2 = wsub e, e1 : w
bias = wconst 127 : w
b1 = wadd e1, bias : w
b2 = wadd e2, bias : w
s1 = shl b1, 23 : w
s2 = shl b2, 23 : w
f1 = float s1 : f
f2 = float s2 : f
y = fmul p, f1 : f
d = fmul y, f2 : f"),
    // a = m 2^n, m in [sqrt(1/2), sqrt(2)); log(1 + x) = x - x^2/2 + x^3 q(x) with the
    // coefficients of the Cephes library's logf; log2(e) is 1 and a rest.
    ("log2", "\
tiny = fconst 8388608 : f ; 2^-126
sub = fcmp.lt a, tiny : m
up = fconst 1258291200 : f ; 2^23
big = fmul a, up : f
a1 = select sub, big, a : f
w = bits a1 : w
root = wconst 1060439283 : w ; sqrt(1/2)
o = wsub w, root : w
n0 = sar o, 23 : w
ns = shl n0, 23 : w
mw = wsub w, ns : w
m = float mw : f
zero = wconst 0 : w
less = wconst 23 : w
shift = select sub, less, zero : w
n1 = wsub n0, shift : w
n = cvt.f32.i32 n1 : f
one = fconst 1065353216 : f ; 1
x = fsub m, one : f
k0 = fconst 1032855995 : f ; 0.070376836292
k1 = fconst 3186348472 : f ; -0.1151461031
q1 = fma k0, x, k1 : f
k2 = fconst 1039082778 : f ; 0.1167699874
q2 = fma q1, x, k2 : f
k3 = fconst 3187563855 : f ; -0.12420140846
q3 = fma q2, x, k3 : f
k4 = fconst 1041361343 : f ; 0.14249322787
q4 = fma q3, x, k4 : f
k5 = fconst 3190468176 : f ; -0.16668057665
q5 = fma q4, x, k5 : f
k6 = fconst 1045221036 : f ; 0.20000714765
q6 = fma q5, x, k6 : f
k7 = fconst 3196059644 : f ; -0.24999993993
q7 = fma q6, x, k7 : f
k8 = fconst 1051372202 : f ; 0.33333331174
q8 = fma q7, x, k8 : f
z = fmul x, x : f
z3 = fmul z, x : f
half = fconst 3204448256 : f ; -0.5
hz = fmul half, z : f
y = fma z3, q8, hz : f
l = fconst 1055041773 : f ; log2(e) - 1
t0 = fmul y, l : f
t1 = fma x, l, t0 : f
t2 = fadd t1, y : f
t3 = fadd t2, x : f
t4 = fadd t3, n : f
fz = float zero : f
iszero = fcmp.eq a, fz : m
minus = fconst 4286578688 : f ; -infinity
t5 = select iszero, minus, t4 : f
inf = fconst 2139095040 : f ; infinity
isinf = fcmp.eq a, inf : m
t6 = select isinf, inf, t5 : f
ok = fcmp.ge a, fz : m
nan = fconst 2143289344 : f ; NaN
d = select ok, t6, nan : f"),
    // By exponentials; near zero by the odd polynomial of the Cephes library's tanhf.
    ("tanh", "\
p = fabs a : f
scale = fconst 1077455419 : f ; 2 log2(e)
x = fmul p, scale : f
e = exp2 x : f
one = fconst 1065353216 : f ; 1
e1 = fadd e, one : f
two = fconst 3221225472 : f ; -2
t = fdiv two, e1 : f
far = fadd t, one : f
w = bits a : w
top = wconst 2147483648 : w
sign = and w, top : w
fw = bits far : w
fs = or fw, sign : w
far1 = float fs : f
z = fmul a, a : f
k0 = fconst 3149590762 : f ; -0.00570498872745
k1 = fconst 1017713486 : f ; 0.0206390887954
q1 = fma k0, z, k1 : f
k2 = fconst 3176930861 : f ; -0.0537397155531
q2 = fma q1, z, k2 : f
k3 = fconst 1040745363 : f ; 0.133314422036
q3 = fma q2, z, k3 : f
k4 = fconst 3198855833 : f ; -0.333332819422
q4 = fma q3, z, k4 : f
az = fmul a, z : f
near = fma q4, az, a : f
edge = fconst 1059061760 : f ; 0.625
small = fcmp.lt p, edge : m
d = select small, near, far1 : f"),
    // Off by at most 2^-23 (1 + |a|): a quarter too many or too few of a large angle is within its own rounding.
    ("sin", wave!("turn = and n, n : w\n")),
    ("cos", wave!("ahead = wconst 1 : w\nturn = wadd n, ahead : w\n")),
];

/// Shorter ones for targets that have rows for these ops.
#[rustfmt::skip] // one line an instruction
static SHORTER: &[(&str, &[Op], &str)] = &[
    // 2^a = 2^floor(a) 2^r, r in [0, 1): a polynomial that is 1 at 0, its relative error evened out to 2.1e-9 (Remez).
    // Infinite a have r = 0; the last op does not round twice, in subnormals either.
    ("exp2", &[Op::FloatUnary(FloatUnary::Fraction), Op::Float(FloatOp::Scale)], "\
r = fraction a : f
c6 = fconst 962764986 : f
c5 = fconst 983788327 : f
c4 = fconst 1008633289 : f
c3 = fconst 1029915785 : f
c2 = fconst 1047920300 : f
c1 = fconst 1060205078 : f
c0 = fconst 1065353216 : f
p5 = fma c6, r, c5 : f
p4 = fma p5, r, c4 : f
p3 = fma p4, r, c3 : f
p2 = fma p3, r, c2 : f
p1 = fma p2, r, c1 : f
p0 = fma p1, r, c0 : f
d = fscale p0, a : f"),
];

/// Ops across lanes and the step of their tree.
static TREES: &[(Op, Op)] = &[
    (Op::HSum, Op::Float(FloatOp::Add)),
    (Op::HMax, Op::Float(FloatOp::Max)),
    (Op::WordHSum, Op::Word(WordOp::Add)),
];

/// Lanes of the 16 bytes that shuffles of bytes stay in, and of vectors whose bytes they permute.
const WORDS: usize = 4;
const PERMUTED: [usize; 3] = [4, 8, 16];

/// The kernel with every op in the target's rows.
pub fn expand(mut kernel: Kernel, target: &Target) -> Result<Kernel, Unsupported> {
    let body = std::mem::take(&mut kernel.body);
    let (native, parsed) = (Map::default(), Map::default());
    let mut e = Expander { kernel, target, native, parsed };
    e.kernel.body = e.block(body, 0)?;
    Ok(e.kernel)
}

/// A sequence may use ops that are sequences: tanh uses exp2. More is a loop in the table.
const MAX_DEPTH: usize = 4;

struct Expander<'a> {
    kernel: Kernel,
    target: &'a Target,
    /// Which ops need no sequence, as far as they were met.
    native: Map<Op, bool>,
    /// Sequences that were read, by their text.
    parsed: Map<String, Kernel>,
}

impl Expander<'_> {
    fn block(&mut self, list: Vec<Stmt>, depth: usize) -> Result<Vec<Stmt>, Unsupported> {
        let mut all_native = |s: &Stmt| match s {
            Stmt::Inst(inst) => self.native(&inst.op),
            Stmt::Loop(_) | Stmt::If(_) => false,
        };
        if list.iter().all(&mut all_native) {
            return Ok(list);
        }
        let mut out = Vec::with_capacity(list.len());
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) if self.native(&inst.op) => out.push(Stmt::Inst(inst)),
                Stmt::Inst(inst) => {
                    let sequence = self.sequence(&inst, depth)?;
                    out.extend(self.block(sequence, depth + 1)?);
                }
                Stmt::Loop(mut l) => {
                    l.body = self.block(l.body, depth)?;
                    out.push(Stmt::Loop(l));
                }
                Stmt::If(mut i) => {
                    i.then = self.block(i.then, depth)?;
                    i.otherwise = self.block(i.otherwise, depth)?;
                    out.push(Stmt::If(i));
                }
            }
        }
        Ok(out)
    }

    /// Rows, and the few ops with parameters of their own that every emitter writes itself.
    fn native(&mut self, op: &Op) -> bool {
        if matches!(op, Op::Arg | Op::Prefetch(_) | Op::Shuffle(_) | Op::Join(_) | Op::Part) {
            return true;
        }
        if let Some(known) = self.native.get(op) {
            return *known;
        }
        let native = self.target.row(op).is_some();
        self.native.insert(op.clone(), native);
        native
    }

    fn sequence(&mut self, inst: &Inst, depth: usize) -> Result<Vec<Stmt>, Unsupported> {
        let refuse = |e: &Self, instead: &str| Unsupported {
            what: format!("`{}`", inst.op),
            target: e.target.name.into(),
            instead: instead.into(),
        };
        if let Some((_, step)) = TREES.iter().find(|(op, _)| *op == inst.op) {
            let (Some(def), [Operand::Reg(a)], true) =
                (inst.def, inst.uses.as_slice(), self.kernel.lanes.is_power_of_two())
            else {
                return Err(refuse(self, "a power of two of lanes"));
            };
            return Ok(self.tree(step, *a, def));
        }
        if let (Op::PermuteBytes, true, Some(def), [Operand::Reg(a), Operand::Reg(b)]) = (
            &inst.op,
            self.target.row(&Op::ShuffleBytes).is_some() && PERMUTED.contains(&self.kernel.lanes),
            inst.def,
            inst.uses.as_slice(),
        ) {
            return Ok(self.permuted(*a, *b, def));
        }
        let name = MNEMONICS.iter().find(|(_, op)| *op == inst.op).map(|(name, _)| *name);
        let able = |ops: &[Op]| ops.iter().all(|op| self.target.row(op).is_some());
        let shorter = SHORTER.iter().find(|(n, ops, _)| Some(*n) == name && able(ops));
        let text = SEQUENCES.iter().find(|(n, _)| Some(*n) == name).map(|(_, text)| text);
        let text = shorter.map(|(_, _, text)| text).or(text);
        let (Some(text), Some(def), [Operand::Reg(a)]) = (text, inst.def, inst.uses.as_slice())
        else {
            return Err(refuse(self, "another schedule that does not need it"));
        };
        let sequence = if depth < MAX_DEPTH { self.inline(text, *a, def) } else { None };
        sequence.ok_or_else(|| refuse(self, "a target with a row for it"))
    }

    fn fresh(&mut self, name: &str, class: Class) -> Reg {
        let name = format!("{name}_{}", self.kernel.regs.len()).as_str().into();
        self.kernel.regs.add(RegData { name, class, words: 1 })
    }

    /// The statements of a sequence with fresh registers, from `a` to `def`.
    fn inline(&mut self, text: &str, a: Reg, def: Reg) -> Option<Vec<Stmt>> {
        let lanes = self.kernel.lanes;
        let (input, zero) = match self.kernel.regs[a].class {
            Class::Float => ("f", "fconst"),
            Class::Word => ("w", "wconst"),
            Class::Int | Class::Mask => return None,
        };
        let text = format!("machine sequence lanes {lanes} {{ a = {zero} 0 : {input}\n{text}\n}}");
        let sequence = match self.parsed.get(&text) {
            Some(known) => known.clone(),
            None => {
                let parsed = parse(&text).ok()?;
                self.parsed.insert(text, parsed.clone());
                parsed
            }
        };
        let mut names: Map<Reg, Reg> = Map::default();
        for (reg, data) in sequence.regs.iter() {
            let to = match data.name.to_string().as_str() {
                "a" => a,
                "d" => def,
                name => self.fresh(name, data.class),
            };
            names.insert(reg, to);
        }
        let mut out = Vec::new();
        for stmt in sequence.body.into_iter().skip(1) {
            let Stmt::Inst(mut inst) = stmt else { return None };
            inst.def = inst.def.and_then(|d| names.get(&d).copied());
            for operand in inst.uses.iter_mut() {
                if let Operand::Reg(reg) = operand {
                    *reg = *names.get(reg)?;
                }
            }
            out.push(Stmt::Inst(inst));
        }
        Some(out)
    }

    /// Each 16 bytes of `a`, everywhere, by those bytes of `b` that name one of them; others give 0. That a byte is none
    /// of them is bit 7 of `(b ^ first) + 0x70`: what is below 16 stays below 0x80, and keeps its low bits.
    fn permuted(&mut self, a: Reg, b: Reg, def: Reg) -> Vec<Stmt> {
        let lanes = self.kernel.lanes;
        let mut out = Vec::new();
        let mut put = |e: &mut Self, op: Op, uses: &[Operand]| {
            let def = e.fresh("p", Class::Word);
            out.push(Stmt::Inst(Inst { op, def: Some(def), uses: uses.into(), mem: None }));
            Operand::Reg(def)
        };
        let bytes = |x: usize| [Operand::Imm((x * 0x0101_0101) as i64)];
        let mask = put(self, Op::WordConst, &bytes(4 * lanes - 1));
        let index = put(self, Op::Word(WordOp::And), &[Operand::Reg(b), mask]);
        let over = put(self, Op::WordConst, &bytes(0x70));
        let mut all = None;
        for part in 0..lanes / WORDS {
            let own = match part {
                0 => index,
                _ => {
                    let first = put(self, Op::WordConst, &bytes(part * 4 * WORDS));
                    put(self, Op::Word(WordOp::Xor), &[index, first])
                }
            };
            let own = put(self, Op::Word(WordOp::Add), &[own, over]);
            let words = (0..lanes).map(|l| (part * WORDS + l % WORDS) as u8).collect();
            let table = put(self, Op::Shuffle(words), &[Operand::Reg(a); 2]);
            let some = put(self, Op::ShuffleBytes, &[table, own]);
            all = Some(match all {
                None => some,
                Some(all) => put(self, Op::Word(WordOp::Or), &[all, some]),
            });
        }
        if let Some(Stmt::Inst(last)) = out.last_mut() {
            last.def = Some(def);
        }
        out
    }

    /// Lane i meets lane i + L/2, then i + L/4; lane 0 has the result and gives it to all.
    fn tree(&mut self, step: &Op, a: Reg, def: Reg) -> Vec<Stmt> {
        let (lanes, class) = (self.kernel.lanes, self.kernel.regs[a].class);
        let mut out = Vec::new();
        let mut x = a;
        let mut put = |op: Op, def: Reg, a: Reg, b: Reg| {
            let uses = [Operand::Reg(a), Operand::Reg(b)].into();
            out.push(Stmt::Inst(Inst { op, def: Some(def), uses, mem: None }));
        };
        let mut half = lanes / 2;
        while half > 0 {
            let table = (0..lanes).map(|l| ((l + half) % lanes) as u8).collect();
            let (high, sum) = (self.fresh("high", class), self.fresh("both", class));
            put(Op::Shuffle(table), high, x, x);
            put(step.clone(), sum, x, high);
            x = sum;
            half /= 2;
        }
        put(Op::Shuffle(vec![0; lanes]), def, x, x);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::machine::verify::verify;

    fn row(op: Op) -> Row {
        Row { op, text: "", layouts: None, latency: 1 }
    }

    /// A target of the given lanes that has only what the test kernels keep.
    fn target(lanes: usize, ops: Vec<Op>) -> Target {
        let rows: Vec<Row> = ops.into_iter().map(row).collect();
        Target {
            name: "test",
            backend: "none",
            lanes,
            vectors: 16,
            reorders: false,
            rows: rows.leak(),
            features: &[],
            about: "",
        }
    }

    #[test]
    fn a_sequence_takes_the_place_of_its_op() {
        let kernel =
            parse("machine m lanes 4 { w = iota : w h = cvt.f32.bf16 w : f s = hsum h : f }")
                .unwrap();
        let ops = vec![Op::Iota, Op::Shift(ShiftOp::Left), Op::FromBits, Op::Float(FloatOp::Add)];
        let out = expand(kernel.clone(), &target(4, ops)).unwrap();
        verify(&out).unwrap();
        let expected = "machine m lanes 4 {
  w = iota : w
  s_3 = shl w, 16 : w
  h = float s_3 : f
  high_4 = shuffle[2,3,0,1] h, h : f
  both_5 = fadd h, high_4 : f
  high_6 = shuffle[1,2,3,0] both_5, both_5 : f
  both_7 = fadd both_5, high_6 : f
  s = shuffle[0,0,0,0] both_7, both_7 : f
}
";
        assert_eq!(out.to_string(), expected);
    }

    #[test]
    fn every_sequence_reads_and_verifies() {
        for (name, _) in SEQUENCES {
            let op = MNEMONICS.iter().find(|(n, _)| n == name).map(|(_, op)| op).unwrap();
            let zero = match op.signature().uses {
                [Use::Of(Class::Float)] => "fconst 0 : f",
                _ => "wconst 0 : w",
            };
            let def = op.signature().def[0].letter();
            let text = format!("machine m lanes 4 {{ x = {zero} y = {name} x : {def} }}");
            let kernel = parse(&text).unwrap();
            // Everything but the op itself is a row.
            let ops = MNEMONICS.iter().map(|(_, o)| o.clone()).filter(|o| o != op).collect();
            let out = expand(kernel.clone(), &target(4, ops)).unwrap();
            verify(&out).unwrap_or_else(|e| panic!("{e}\n{out}"));
            assert!(out.body.len() > 2, "{out}");
        }
    }

    /// By shuffles inside of 16 bytes, for every index: bits too many do not count.
    #[test]
    fn permutations_of_bytes_are_shuffles() {
        use kgen_ir::machine::interp::{Memory, run};
        for lanes in PERMUTED {
            let bytes = 4 * lanes;
            let text = format!(
                "machine m lanes {lanes} {{ slot 0 = pointer x x = arg 0 : i a = load.w32 [x + 0] : w
                 loop o in 0..{} step {bytes} {{ y = iadd x, o : i b = load.w32 [y + {bytes}] : w
                 d = permb a, b : w store.w32 [y + {}], d }} }}",
                256,
                bytes + 256
            );
            let kernel = parse(&text).unwrap();
            let ops = MNEMONICS.iter().map(|(_, o)| o.clone()).filter(|o| *o != Op::PermuteBytes);
            let out = expand(kernel.clone(), &target(lanes, ops.collect())).unwrap();
            verify(&out).unwrap_or_else(|e| panic!("{e}\n{out}"));
            assert!(!out.to_string().contains("permb"), "{out}");
            let table = (0..bytes).map(|i| (i * 37 + 11) as u8);
            let region: Vec<u8> = table.chain(0..=255).chain([0; 256]).collect();
            let ran = |k: &Kernel| {
                let mut memory = Memory::default();
                let x = memory.add(region.clone());
                run(k, &[x], &mut memory, 1).unwrap_or_else(|e| panic!("{e}\n{k}"));
                memory.region(x).unwrap_or_default().to_vec()
            };
            assert_eq!(ran(&out), ran(&kernel), "{out}");
        }
    }

    #[test]
    fn what_has_no_sequence_is_refused() {
        let refused = |text: &str, ops: Vec<Op>| {
            let kernel = parse(text).unwrap();
            expand(kernel.clone(), &target(kernel.lanes, ops)).unwrap_err().to_string()
        };
        assert_eq!(
            refused("machine m lanes 4 { w = iota : w }", vec![]),
            "test cannot do `iota`; instead: another schedule that does not need it"
        );
        assert_eq!(
            refused("machine m lanes 3 { w = iota : w s = whsum w : w }", vec![Op::Iota]),
            "test cannot do `whsum`; instead: a power of two of lanes"
        );
    }
}
