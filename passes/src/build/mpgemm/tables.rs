//! Products of weights of one bit by tables: sums of four activations, each with either sign, are looked up.
//!
//! ```text
//! le[q, i] = sum over b of +-a[4 q + b] / 4, plus where bit b of i is set     i from 0 to 15
//! ls = 4 max |le| / 127      lt = round(127 le / max |le|)                    for each step of k
//! out += lookup(lt, w) * (scale * ls)
//! ```
//!
//! A lookup of four codes costs what unpacking and multiplying one bit of them costs: half of all instructions go. At
//! two bits it wants two lookups, and both ways cost the same; above, products of bytes are cheaper.
//! One row of activations is tabulated by every worker for itself, more rows by a launch of their own. Tiles of four
//! rows and four blocks of lanes use each index and each table four times.

use super::{Builder, Experts, Kind, Place, Product, Result, Weight, launch, tensor};
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    extent::Extent,
    format::pack::{Order, Packing},
    machine::Op,
    op::{self, Code, Compute, MpGemm, Storage},
    tile::{
        Binary, Compare, ENTRIES, INDEX, Kernel, Launch, Param, Part, Predicate, Program, Reduce,
        Role, Slice, Value, Variant,
    },
};

/// Blocks of lanes, and activation rows of a tile.
const BLOCKS: usize = 4;
const TOKENS: usize = 4;

/// Activation rows of a tile for those that fill no larger one.
const FEW: usize = 2;

/// Registers beside the sums of a tile.
const BESIDE: usize = 8;

/// Quads of a turn that tabulates.
const QUADS: usize = 4;

/// The smallest range of a table: below it are subnormals.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// Whether the weights of `g` are looked up. `auto` takes lookups where a target permutes bytes by one instruction:
/// there they took 1.4 to 1.5 times less than products of bytes, from cache and for 8 rows; made of shuffles they lose.
pub(super) fn chosen(g: &MpGemm, choice: &Choice) -> Result<bool> {
    match g.compute {
        Compute::Lut(_) => may(g, choice).map(|()| true),
        Compute::Auto => {
            let quick = choice.target.row(&Op::PermuteBytes).is_some();
            Ok(quick && may(g, choice).is_ok())
        }
        Compute::Dequant
        | Compute::Bf16
        | Compute::IntDot
        | Compute::GroupInt
        | Compute::Bitplane => Ok(false),
    }
}

/// Why the weights of `g` are looked up, or are not though they could be; an error if they cannot be.
pub(in crate::build) fn reason(g: &MpGemm, choice: &Choice) -> Result<String> {
    may(g, choice)?;
    let target = choice.target.name;
    Ok(match choice.target.row(&Op::PermuteBytes) {
        Some(_) => format!(
            "`auto` takes it for codes of one bit: {target} permutes bytes, and a lookup serves four products"
        ),
        None => format!(
            "possible; `auto` does not take it: {target} makes a permutation of bytes of shuffles, which costs more than products"
        ),
    })
}

/// Whether lookups can serve `g`, or why not.
fn may(g: &MpGemm, choice: &Choice) -> Result<()> {
    let instead = "`compute = \"int_dot\"`";
    let refuse = |what: String| Err(choice.unsupported(what, instead));
    if let Compute::Lut(count) = g.compute
        && usize::from(count) != INDEX
    {
        let what = format!("tables of {count} activations");
        return Err(choice.unsupported(what, "`compute = { lut = 4 }`"));
    }
    for w in &g.w {
        one_bit(w, choice)?;
    }
    if !matches!(g.a, Storage::Plain(_)) {
        return refuse("tables of activations in codes, whose sums are more than a byte".into());
    }
    let rows = [Op::PermuteBytes, Op::ShuffleBytes];
    let bytes = choice.target.lanes * 4;
    let whole = bytes >= ENTRIES && (INDEX * ENTRIES).is_multiple_of(bytes);
    if !whole || rows.iter().all(|op| choice.target.row(op).is_none()) {
        return refuse("lookups of bytes".into());
    }
    Ok(())
}

/// Whether a weight has signs for codes, in groups of whole words, or why it is not looked up.
fn one_bit(w: &op::Weight, choice: &Choice) -> Result<()> {
    let refuse =
        |what: String| Err::<(), Unsupported>(choice.unsupported(what, "`compute = \"int_dot\"`"));
    let wide = |what: &str| {
        refuse(format!("lookups of {what}: from 2 bits on they cost as much as products of bytes"))
    };
    match &w.storage {
        Storage::Plain(d) => wide(&format!("{d} weights")),
        Storage::Block(format) => wide(&format!("{} weights", format.name)),
        Storage::Codes(codes) if codes.bits > 1 => wide(&format!("weights of {} bits", codes.bits)),
        // A table rounds for four activations at once. Of codes of 0 and 1 some do not count, and neither does what
        // rounding them costs: the error would be above the bound.
        Storage::Codes(codes) if codes.code != Code::Bipolar || codes.zero.is_some() => {
            refuse("lookups of codes other than -1 and 1, which round more than their share".into())
        }
        Storage::Codes(codes) => match codes.group {
            op::Group::K(g) if g % WORD != 0 => {
                refuse(format!("lookups of groups of {g}, not of whole words of {WORD}"))
            }
            op::Group::K(_) | op::Group::Row | op::Group::Tensor => Ok(()),
        },
    }
}

/// Codes in a word.
const WORD: i64 = 32;

/// A tile as large as registers allow.
pub(super) fn tokens(rows: usize, choice: &Choice) -> usize {
    let blocks = rows.div_ceil(choice.target.lanes).max(1);
    let most = if choice.target.row(&Op::PermuteBytes).is_some() { TOKENS } else { FEW };
    (sums(choice) / blocks).clamp(1, most).min(choice.schedule.tokens)
}

/// Most blocks of lanes of a tile: shuffles in place of a permutation want a register for each of four parts of a table.
pub(super) fn blocks(choice: &Choice) -> usize {
    let most = if choice.target.row(&Op::PermuteBytes).is_some() { BLOCKS } else { 1 };
    most.min(sums(choice))
}

fn sums(choice: &Choice) -> usize {
    let vectors = choice.target.vectors;
    vectors.saturating_sub(BESIDE).max(vectors / 2)
}

pub(super) fn are_nibbles(kind: &Kind) -> bool {
    match kind {
        Kind::Codes { packing, .. } => packing.order == Order::Nibbles,
        Kind::Floats(_) | Kind::Pairs(_) => false,
    }
}

impl Product<'_> {
    /// Entries of a step of activations.
    fn entries(&self) -> usize {
        self.step / INDEX * ENTRIES
    }

    pub(super) fn in_tables(&self, before: Vec<Launch>, program: &mut Program) {
        let then = |list: &[&Kernel]| {
            before.iter().cloned().chain(list.iter().map(|k| launch(k))).collect::<Vec<_>>()
        };
        if self.experts == Experts::None {
            let mut b = self.kernel("product_one", vec![self.a.clone()]);
            b.scratch("lt", Dtype::I8, &[self.steps, 1, self.entries()]);
            b.scratch("ls", Dtype::F32, &[self.steps, 1, 1]);
            self.tabulate(&mut b, &Extent::Lit(0));
            self.tasks(&mut b, true);
            let one = b.finish();
            let when =
                vec![Predicate { left: self.m.clone(), cmp: Compare::Eq, right: Extent::Lit(1) }];
            program.variants.push(Variant { name: "one".into(), when, launches: then(&[&one]) });
            program.kernels.push(one);
        }
        // Whole tiles of the smaller kind.
        let rows = self.m.clone().ceil_div(FEW) * FEW;
        let work = |name: &str, elem, width: usize| {
            let shape = vec![self.steps.into(), rows.clone(), Extent::from(width)];
            tensor(name, Role::Workspace, elem, shape)
        };
        let made = [work("lt", Dtype::I8, self.entries()), work("ls", Dtype::F32, 1)];
        program.buffers.extend(made.iter().cloned());
        let params = [vec![self.a.clone()], made.to_vec()].concat();
        let params = params.into_iter().map(Param::Tensor).collect();
        let mut b = Builder::new("tabulate", params, &self.symbols);
        b.tasks("i", rows, 1, |b| self.tabulate(b, &b.var("i")));
        let tabulate = b.finish();
        let mut b = self.kernel("product", made.to_vec());
        match self.experts {
            Experts::None => self.tiles_of_lookups(&mut b),
            Experts::Sorted(_) | Experts::Each(_) => self.tasks(&mut b, false),
        }
        let many = b.finish();
        let launches = then(&[&tabulate, &many]);
        program.variants.push(Variant { name: "many".into(), when: vec![], launches });
        program.kernels.extend([tabulate, many]);
    }

    /// Tasks of tiles of weight rows, which pass by all activation rows: in tiles, then in small ones, the last of which
    /// may end behind them.
    fn tiles_of_lookups(&self, b: &mut Builder) {
        for unit in self.units() {
            let (rows, tiles) = (unit[0].rows, unit[0].n.div_ceil(unit[0].rows));
            let ragged = !unit[0].n.is_multiple_of(rows);
            b.tasks("t", tiles.into(), self.choice.schedule.chunk, |b| {
                let place = Place { expert: Extent::Lit(0), column: b.var("t") * rows };
                let tile = |b: &mut Builder, i: Extent, tokens: usize, guard: bool| {
                    let sums: Vec<Value> =
                        unit.iter().map(|w| self.sum(b, w, &i, tokens, &place)).collect();
                    self.give(b, unit, &place, &i, &sums, guard);
                    vec![]
                };
                let mut first = Extent::Lit(0);
                if self.tokens > FEW {
                    let whole = self.m.clone() / self.tokens * self.tokens;
                    first = b.scalar("whole", whole);
                    let all = (Extent::Lit(0), first.clone(), self.tokens);
                    b.for_each("i", all, &[], |b, _| tile(b, b.var("i"), self.tokens, ragged));
                }
                let few = self.tokens.min(FEW);
                let rest = (first, self.m.clone(), few);
                b.for_each("j", rest, &[], |b, _| tile(b, b.var("j"), few, ragged || few > 1));
            });
        }
    }

    /// Tables of row `i` of the activations; of the last, where there are no more. A NaN or an infinity makes the scale of
    /// its step NaN, and so every result of its row. Behind the last activation stand zeros.
    fn tabulate(&self, b: &mut Builder, i: &Extent) {
        let step = self.step;
        let guard = self.steps * step != self.k;
        let row = b.scalar("from", i.clone().min(self.m.clone() - 1));
        b.scratch("lx", Dtype::F32, &[1, step]);
        b.scratch("le", Dtype::F32, &[step / INDEX, ENTRIES]);
        let steps = Extent::from(self.steps);
        b.for_each("u", (Extent::Lit(0), steps, 1), &[], |b, _| {
            let u = b.var("u");
            let at = vec![Slice::range(row.clone(), 1), Slice::range(u.clone() * step, step)];
            let x0 = b.load("x0", &self.a.name, self.a.elem, at, guard);
            let x = b.convert("x", x0, Dtype::F32);
            let none = b.binary("none", Binary::Sub, x, x);
            let trouble = b.reduce("trouble", Reduce::Sum, none, 1);
            b.store("lx", vec![Slice::range(0, 1), Slice::range(0, step)], x, false);
            let signs: Vec<Value> = (0..INDEX).map(|bit| sign(b, bit)).collect();
            let turns = (Extent::Lit(0), Extent::from(step / INDEX), QUADS);
            let nothing = b.fill(0.0, Dtype::F32, &[1, ENTRIES]);
            let most = b.for_each("q", turns.clone(), &[("most", nothing)], |b, most| {
                let mut most = most[0];
                for quad in 0..QUADS {
                    let q = b.var("q") + quad;
                    let mut sum = None;
                    for (bit, sign) in signs.iter().enumerate() {
                        let place = Slice::range(q.clone() * INDEX + bit, 1);
                        let at = vec![Slice::range(0, 1), place];
                        let x = b.load("xs", "lx", Dtype::F32, at, false);
                        let x = b.binary("signed", Binary::Mul, x, *sign);
                        sum = Some(match sum {
                            None => x,
                            Some(sum) => b.binary("entry", Binary::Add, sum, x),
                        });
                    }
                    let Some(sum) = sum else { continue };
                    b.store("le", vec![Slice::range(q, 1), Slice::range(0, ENTRIES)], sum, false);
                    most = b.binary("larger", Binary::Max, most, sum);
                }
                vec![most]
            })[0];
            // Tables have an entry and its opposite: the largest is that of the sizes.
            let largest = b.reduce("largest", Reduce::Max, most, 1);
            let least = b.fill(LEAST, Dtype::F32, &[1, 1]);
            let range = b.binary("range", Binary::Max, largest, least);
            let one = b.fill(1.0, Dtype::F32, &[1, 1]);
            let unit = b.binary("unit", Binary::Div, one, range);
            let top = b.fill(127.0, Dtype::F32, &[1, 1]);
            let all = b.fill(f64::from(INDEX as u32), Dtype::F32, &[1, 1]);
            let scale = b.binary("scale0", Binary::Div, range, top);
            let scale = b.binary("scale1", Binary::Mul, scale, all);
            let scale = b.binary("scale", Binary::Add, scale, trouble);
            let own = |first: Extent, width: usize| {
                vec![
                    Slice::point(u.clone()),
                    Slice::range(i.clone(), 1),
                    Slice::range(first, width),
                ]
            };
            b.store("ls", own(Extent::Lit(0), 1), scale, false);
            b.for_each("r", turns, &[], |b, _| {
                for quad in 0..QUADS {
                    let q = b.var("r") + quad;
                    let at = vec![Slice::range(q.clone(), 1), Slice::range(0, ENTRIES)];
                    let x = b.load("e", "le", Dtype::F32, at, false);
                    let part = b.binary("part", Binary::Mul, x, unit);
                    let most = b.fill(127.0, Dtype::F32, &[1, 1]);
                    let scaled = b.binary("scaled", Binary::Mul, part, most);
                    let entry = b.convert("t", scaled, Dtype::I8);
                    b.store("lt", own(q * ENTRIES, ENTRIES), entry, false);
                }
                vec![]
            });
            vec![]
        });
    }

    /// The products of `tokens` activation rows from `i` on and the rows of a task.
    pub(super) fn looked_up(
        &self,
        b: &mut Builder,
        w: &Weight,
        packing: &Packing,
        (i, tokens): (&Extent, usize),
        row: &Extent,
    ) -> Value {
        let none = b.fill(0.0, Dtype::F32, &[tokens, w.rows]);
        let steps = Extent::from(self.k.div_ceil(packing.group) * (packing.group / self.step));
        b.for_each("u", (Extent::Lit(0), steps, 1), &[("acc", none)], |b, acc| {
            let u = b.var("u");
            let rows = Slice::range(row.clone(), w.rows);
            let along = Slice::range(u.clone() * self.step, self.step);
            let codes =
                b.load("w", &w.part(Part::Codes), packing.elem, vec![rows.clone(), along], false);
            let own = |width: usize| {
                vec![
                    Slice::point(u.clone()),
                    Slice::range(i.clone(), tokens),
                    Slice::range(0, width),
                ]
            };
            let tables = b.load("t", "lt", Dtype::I8, own(self.entries()), false);
            let found = b.lookup("d", tables, codes, None);
            let f = b.convert("f", found, Dtype::F32);
            let group = match packing.group == self.step {
                true => u.clone(),
                false => u.clone() * self.step / packing.group,
            };
            let scale = packing.scale.unwrap_or(Dtype::F32);
            let at = vec![Slice::range(group, 1), rows];
            let sw = b.load("scale", &w.part(Part::Scale), scale, at, false);
            let sw = b.convert("scale_f", sw, Dtype::F32);
            let sx = b.load("sx", "ls", Dtype::F32, own(1), false);
            let factor = b.binary("factor", Binary::Mul, sw, sx);
            let product = b.binary("product", Binary::Mul, f, factor);
            vec![b.binary("sum", Binary::Add, acc[0], product)]
        })[0]
    }
}

/// A quarter for each entry, of the sign that its bit says.
fn sign(b: &mut Builder, bit: usize) -> Value {
    let number = b.iota(&[1, ENTRIES], 1, Extent::Lit(0));
    let mask = b.fill(f64::from(1u32 << bit), Dtype::I32, &[1, 1]);
    let part = b.binary("bit", Binary::And, number, mask);
    let zero = b.fill(0.0, Dtype::I32, &[1, 1]);
    let clear = b.binary("clear", Binary::Cmp(Compare::Eq), part, zero);
    let [less, more] = [-0.25, 0.25].map(|x| b.fill(x, Dtype::F32, &[1, 1]));
    b.select("sign", clear, less, more)
}
