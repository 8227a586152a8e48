//! Products by matrix instructions: activations as whole tiles, weights packed as lanes hold them.
//!
//! | weights | activations | instructions |
//! | --- | --- | --- |
//! | floats of the type of the activations, or `bf16` | `ah`, 16-bit floats | of those |
//! | codes, activations f16 | `ah` | of f16: `code - zero` is exact, scales of groups in f32 |
//! | codes | `aq`, rounded to int8, with scales | of bytes |
//!
//! ```text
//! ah = a in f16 or bf16, zeros behind the last row and element      [rows, k], once, packed where lanes are rows alone
//! for each tile of weight rows and of activation rows:  sum = ah . w^T  over all of k, in registers
//! ```
//!
//! Where that makes few tasks, each takes a part of k, and a launch behind joins the parts.
//!
//! As many activation rows to a tile as there are, at most 64: more are tiles of their own. A row of a tile
//! costs nothing where it is zeros, since the weights are what has to come from memory.

use super::{
    Builder, Kind, Place, Product, Result, Weight, groups, launch, tensor, weights::stored_weight,
};
use crate::{Choice, tile::fragments::Instruction};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::pack::{Order, Packing},
    machine::Op,
    op::{self, Code, Codes, Compute, Group, MpGemm, Storage},
    tile::{
        Arg, Binary, Compare, Form, Launch, Param, Part, Predicate, Prepare, Program, Role, Slice,
        Store, Tensor, Value, Variant,
    },
};

/// Neighbours along k that the lanes of an instruction take together.
const RUNS: usize = 32;

/// Blocks of [`RUNS`] that a turn multiplies at most.
const TURN: usize = 4;

/// Activation rows of a tile: as many as there are. The largest of instructions of four products fills the registers.
const TILES: [usize; 3] = [16, 32, 64];
const TILES_OF_QUADS: [usize; 2] = [16, 32];

/// Weight rows of a tile at most.
const ROWS: usize = 32;

/// Tasks that few rows are cut into, about: several for each scheduler of the largest chips.
const TASKS: usize = 2048;

/// Elements of k that a part has at least.
const PART: usize = 256;

/// Columns that a task joins.
const JOINED: usize = 128;

/// Elements that a task of the launch before moves at once.
const CHUNK: usize = 256;

/// What the instructions multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elements {
    /// Both operands are such floats.
    Floats(Dtype),
    /// Codes as f16.
    Codes,
    /// Both are bytes.
    Bytes,
}

impl Elements {
    /// Of the activations.
    fn dtype(self) -> Dtype {
        match self {
            Elements::Floats(dtype) => dtype,
            Elements::Codes => Dtype::F16,
            Elements::Bytes => Dtype::I8,
        }
    }

    fn order(self) -> Order {
        match self {
            Elements::Floats(_) | Elements::Codes => Order::Halves,
            Elements::Bytes => Order::Bytes,
        }
    }

    pub(super) fn bytes(self) -> bool {
        self == Elements::Bytes
    }
}

/// The elements of the products, where the target has an instruction and the op allows it.
pub(super) fn fit(g: &MpGemm, choice: &Choice) -> Option<Elements> {
    if g.grouped.is_some() {
        return None;
    }
    let has = |a: Dtype, b: Dtype| {
        let fits = |op: &Op| matches!(op, Op::Mma(m) if m.a == a && m.b == b && !m.by_rows());
        choice.target.rows.iter().any(|row| fits(&row.op))
    };
    let all = |f: &dyn Fn(&Storage) -> bool| g.w.iter().all(|w| f(&w.storage));
    let float = |s: &Storage| matches!(s, Storage::Plain(Dtype::F32 | Dtype::F16 | Dtype::BF16));
    let packed = |elements: Elements| {
        let one = |w: &op::Weight| {
            stored_weight(g, w, None, block(choice), choice).ok()?.1.ordered(elements.order())
        };
        g.w.iter().map(one).collect::<Option<Vec<Packing>>>()
    };
    let auto = matches!(g.compute, Compute::Auto | Compute::Dequant);
    let as_given = g.prologue.is_none();
    match (&g.a, g.compute) {
        (_, Compute::Bf16) if all(&float) => {
            has(Dtype::BF16, Dtype::BF16).then_some(Elements::Floats(Dtype::BF16))
        }
        // Nothing is rounded.
        (Storage::Plain(d @ (Dtype::F16 | Dtype::BF16)), _)
            if auto && as_given && all(&|s| *s == Storage::Plain(*d)) =>
        {
            has(*d, *d).then_some(Elements::Floats(*d))
        }
        (Storage::Plain(Dtype::F16), _) if auto && as_given && !all(&float) => {
            let list = packed(Elements::Codes).filter(|_| has(Dtype::F16, Dtype::F16))?;
            // Differences that f16 holds.
            let exact = |p: &Packing| matches!(p.zeros, None | Some(Dtype::U8));
            list.iter().all(exact).then_some(Elements::Codes)
        }
        (_, Compute::Auto | Compute::IntDot | Compute::GroupInt) => {
            // Scales of the activations change where steps do.
            let given = match &g.a {
                Storage::Codes(Codes { code: Code::Int, group: Group::K(size), .. }) => {
                    1 << size.trailing_zeros().min(16)
                }
                Storage::Plain(_) | Storage::Codes(_) | Storage::Block(_) => usize::MAX,
            };
            let floats = matches!(g.a, Storage::Codes(_)) && g.prologue.is_some();
            let list = packed(Elements::Bytes).filter(|_| has(Dtype::I8, Dtype::U8))?;
            let step = list.iter().map(Packing::step).min().unwrap_or(1).min(given);
            let whole = list.iter().all(|p| step.is_multiple_of(p.word().max(RUNS)));
            (whole && !floats).then_some(Elements::Bytes)
        }
        (_, Compute::Dequant | Compute::Bf16 | Compute::Lut(_) | Compute::Bitplane) => None,
    }
}

pub(super) fn kind(
    g: &MpGemm,
    elements: Elements,
    w: &op::Weight,
    program: &mut Program,
    choice: &Choice,
) -> Result<Kind> {
    let no = |why: String| choice.unsupported(why, "`compute = \"dequant\"`");
    let (form, packing) = match elements {
        Elements::Floats(elem) => {
            let packing =
                Packing::halves_of(elem, block(choice), RUNS).map_err(|e| no(e.to_string()))?;
            (Form::Blocks(w.name.clone()), packing)
        }
        Elements::Codes | Elements::Bytes => {
            let (form, packing) = stored_weight(g, w, None, block(choice), choice)?;
            let ordered = packing.ordered(elements.order());
            (form, ordered.ok_or_else(|| no(format!("codes packed as `{packing}`")))?)
        }
    };
    program.prepares.push(Prepare {
        name: format!("{}.packed", w.name),
        form,
        packing: packing.clone(),
    });
    Ok(match elements {
        Elements::Floats(_) => Kind::Pairs(packing),
        Elements::Codes => Kind::Codes { packing, integer: false },
        Elements::Bytes => Kind::Codes { packing, integer: true },
    })
}

/// Weight rows of a block: as many as an instruction takes.
fn block(choice: &Choice) -> usize {
    let mut rows = choice.target.rows.iter();
    let first = rows.find_map(|r| if let Op::Mma(m) = r.op { Instruction::of(m) } else { None });
    first.map_or(8, |by| by.n)
}

/// How halved activations lie. Where a load takes 16 bytes of 16 rows and nothing beside them, these are neighbours.
fn activations(elem: Dtype, choice: &Choice) -> Store {
    let packing = |rows| Packing::halves_of(elem, rows, RUNS).ok();
    match packing(block(choice)).filter(|of| of.lanes > 8) {
        Some(of) => Store::Packed { of, part: Part::Codes },
        None => Store::Strided,
    }
}

/// Weight rows of a tile: whole blocks, all tiles alike.
pub(super) fn rows(n: usize, choice: &Choice) -> usize {
    let block = block(choice);
    let blocks = n.div_ceil(block).max(1);
    let per_tile = (1..=ROWS / block).rev().find(|r| blocks.is_multiple_of(*r)).unwrap_or(1);
    block * per_tile
}

impl Product<'_> {
    pub(super) fn in_matrices(&self, elements: Elements, before: &[Launch], program: &mut Program) {
        let whole = |tile: usize| self.m.clone().ceil_div(tile) * tile;
        let tiles = if block(self.choice) > 8 { &TILES_OF_QUADS[..] } else { &TILES[..] };
        let largest = tiles.last().copied().unwrap_or(1);
        let most = whole(largest);
        let work =
            |name: &str, elem, shape: Vec<Extent>| tensor(name, Role::Workspace, elem, shape);
        let group = |w: &Weight| match &w.kind {
            Kind::Codes { packing, .. } | Kind::Pairs(packing) => packing.group,
            Kind::Floats(_) => 1,
        };
        let wide = self.weights.iter().map(|w| self.k.next_multiple_of(group(w))).max();
        let wide = wide.unwrap_or(self.k);
        let (sources, made) = if elements.bytes() {
            let made = |name: &str, elem, width: usize| {
                work(name, elem, vec![self.steps.into(), most.clone(), width.into()])
            };
            let made = vec![
                made("aq", Dtype::I8, self.step),
                made("as", Dtype::F32, 1),
                made("az", Dtype::I32, 1),
            ];
            (self.sources(), made)
        } else {
            let elem = elements.dtype();
            let ah = work("ah", elem, vec![most.clone(), wide.into()]);
            let ah = Tensor { store: activations(elem, self.choice), ..ah };
            (vec![self.a.clone()], vec![ah])
        };
        program.buffers.extend(made.iter().cloned());
        let names: Vec<Arg> =
            sources.iter().chain(&made).map(|t| Arg::Tensor(t.name.clone())).collect();
        let params = sources.into_iter().chain(made.clone()).map(Param::Tensor);
        let params = params.chain([Param::Scalar("rows".into())]).collect();
        let name = if elements.bytes() { "quantise" } else { "halve" };
        let mut b = Builder::new(name, params, &self.symbols);
        b.tasks("i", Extent::Sym("rows".into()), 1, |b| match elements {
            Elements::Bytes => self.quantise(b, &b.var("i"), true),
            Elements::Floats(_) | Elements::Codes => self.halve_row(b, elements.dtype(), wide),
        });
        program.kernels.push(b.finish());
        for tokens in tiles.iter().copied() {
            let tiled = Product { tokens, ..self.clone() };
            let split = if tokens == TILES[0] { self.split() } else { 1 };
            let parts: Vec<Tensor> = if split > 1 {
                self.weights.iter().map(|w| self.parts(w, split)).collect()
            } else {
                vec![]
            };
            program.buffers.extend(parts.iter().cloned());
            let params = [made.clone(), parts.clone()].concat();
            let mut b = self.kernel(&format!("product_{tokens}"), params);
            tiled.tiles_of_matrices(&mut b, elements, split);
            let mut kernels = vec![b.finish()];
            if split > 1 {
                let mut b = self.kernel("join", parts);
                tiled.joined(&mut b, split);
                kernels.push(b.finish());
            }
            if let Some(error) = tiled.failed.take() {
                self.failed.replace(Some(error));
            }
            let args = names.iter().cloned().chain([Arg::Scalar(whole(tokens))]).collect();
            let first = Launch { kernel: name.into(), args };
            let right = Extent::from(tokens);
            let few = Predicate { left: self.m.clone(), cmp: Compare::Le, right };
            let when = if tokens == largest { vec![] } else { vec![few] };
            let after: Vec<Launch> = kernels.iter().map(launch).collect();
            let launches = [before, &[first], &after].concat();
            program.variants.push(Variant { name: format!("rows_{tokens}"), when, launches });
            program.kernels.extend(kernels);
        }
    }

    /// Turns or groups that a walk along k has.
    fn turns(&self, w: &Weight) -> usize {
        match &w.kind {
            Kind::Codes { packing, .. } => self.k.div_ceil(packing.group),
            Kind::Floats(_) | Kind::Pairs(_) => self.k.div_ceil(RUNS) / self.turn(),
        }
    }

    /// Groups of a turn: as many as keep loads under way, of few rows.
    fn together(&self, w: &Weight) -> usize {
        match &w.kind {
            Kind::Codes { packing, .. } if self.tokens <= TILES[1] => {
                (TURN * RUNS / packing.group).max(1)
            }
            Kind::Codes { .. } | Kind::Floats(_) | Kind::Pairs(_) => 1,
        }
    }

    /// Blocks of a turn.
    fn turn(&self) -> usize {
        let blocks = self.k.div_ceil(RUNS);
        (1..=TURN).rev().find(|t| blocks.is_multiple_of(*t)).unwrap_or(1)
    }

    /// Parts of k, so that few activation rows make enough tasks.
    fn split(&self) -> usize {
        let tiles: usize = self.weights.iter().map(|w| w.n.div_ceil(w.rows)).sum();
        let turns = self.weights.iter().map(|w| self.turns(w)).min().unwrap_or(1);
        (TASKS / tiles.max(1)).min(turns).min(self.k / PART).max(1)
    }

    /// Sums of the parts of k.
    fn parts(&self, w: &Weight, split: usize) -> Tensor {
        let shape = vec![split.into(), self.m.clone(), w.n.into()];
        tensor(&format!("{}.parts", w.name), Role::Workspace, Dtype::F32, shape)
    }

    /// The sum of all parts, and what becomes of it.
    fn joined(&self, b: &mut Builder, split: usize) {
        for unit in self.units() {
            let tiles = unit[0].n.div_ceil(JOINED);
            let ragged = !unit[0].n.is_multiple_of(JOINED);
            b.tasks("t", self.m.clone() * tiles, 1, |b| {
                let row = b.scalar("row", b.var("t") / tiles);
                let column = b.scalar("column", b.var("t") % tiles * JOINED);
                let mut sums = Vec::new();
                for w in unit {
                    let none = b.fill(0.0, Dtype::F32, &[1, JOINED]);
                    let all = (Extent::Lit(0), Extent::from(split), 1);
                    let sum = b.for_each("s", all, &[("sum", none)], |b, acc| {
                        let at = vec![
                            Slice::point(b.var("s")),
                            Slice::range(row.clone(), 1),
                            Slice::range(column.clone(), JOINED),
                        ];
                        let name = format!("{}.parts", w.name);
                        let x = b.load("x", &name, Dtype::F32, at, ragged);
                        vec![b.binary("more", Binary::Add, acc[0], x)]
                    });
                    sums.push(sum[0]);
                }
                let place = Place { expert: Extent::Lit(0), column };
                self.give(b, unit, &place, &row, &sums, ragged);
            });
        }
    }

    /// Row `i` of the activations.
    fn halve_row(&self, b: &mut Builder, elem: Dtype, wide: usize) {
        let chunk = match activations(elem, self.choice) {
            Store::Packed { .. } => 1 << wide.trailing_zeros().min(CHUNK.ilog2()),
            Store::Strided | Store::Blocks(_) | Store::Field(_) => CHUNK.min(wide).max(1),
        };
        let (row, all) = (b.var("i"), (Extent::Lit(0), Extent::from(wide), chunk));
        b.for_each("u", all, &[], |b, _| {
            let at = vec![Slice::range(row.clone(), 1), Slice::range(b.var("u"), chunk)];
            let x0 = b.load("x0", &self.a.name, self.a.elem, at.clone(), true);
            let y = if self.a.elem == elem {
                x0
            } else {
                let x = b.convert("x", x0, Dtype::F32);
                b.convert("y", x, elem)
            };
            b.store("ah", at, y, !wide.is_multiple_of(chunk));
            vec![]
        });
    }

    fn tiles_of_matrices(&self, b: &mut Builder, elements: Elements, split: usize) {
        for unit in self.units() {
            let rows = unit[0].rows;
            let tiles = unit[0].n.div_ceil(rows);
            let all = self.m.clone().ceil_div(self.tokens) * tiles * split;
            b.tasks("t", all, 1, |b| {
                // Neighbours share weights.
                let high = self.m.clone().ceil_div(self.tokens);
                let tile = b.scalar("tile", b.var("t") / split);
                let part = b.scalar("part", b.var("t") % split);
                let column = b.scalar("column", tile.clone() / high.clone() * rows);
                let first = b.scalar("first", tile % high * self.tokens);
                let range = |w: &Weight| {
                    let turns = self.turns(w);
                    let each = turns.div_ceil(split);
                    let lo = part.clone() * each;
                    let hi = if split > 1 { (lo.clone() + each).min(turns) } else { turns.into() };
                    let alike = |t: &usize| turns.is_multiple_of(each) && each.is_multiple_of(*t);
                    let together = (1..=self.together(w)).rev().find(alike).unwrap_or(1);
                    ((lo, hi), together)
                };
                let mut sum = |w: &Weight| match &w.kind {
                    Kind::Codes { packing, integer } => {
                        let half = (elements == Elements::Codes).then_some(Dtype::F16);
                        let (tokens, row) = (self.tokens, &column);
                        let (groups, together) = range(w);
                        let tile = groups::Tile {
                            product: self,
                            weight: w,
                            packing,
                            i: &first,
                            tokens,
                            row,
                            group: Extent::Lit(0),
                            half,
                            hints: groups::Hints::Own,
                        };
                        tile.sum(b, *integer, groups, together)
                    }
                    Kind::Floats(_) | Kind::Pairs(_) => {
                        self.matrix_sum(b, w, elements.dtype(), (&first, &column), range(w).0)
                    }
                };
                let sums: Vec<Value> = unit.iter().map(&mut sum).collect();
                if split > 1 {
                    for (w, sum) in unit.iter().zip(sums) {
                        let at = vec![
                            Slice::point(part.clone()),
                            Slice::range(first.clone(), self.tokens),
                            Slice::range(column.clone(), rows),
                        ];
                        b.store(&format!("{}.parts", w.name), at, sum, true);
                    }
                    return;
                }
                let place = Place { expert: Extent::Lit(0), column: column.clone() };
                self.give(b, unit, &place, &first, &sums, true);
            });
        }
    }

    fn matrix_sum(
        &self,
        b: &mut Builder,
        w: &Weight,
        elem: Dtype,
        (first, row): (&Extent, &Extent),
        (lo, hi): (Extent, Extent),
    ) -> Value {
        let turn = self.turn();
        let none = b.fill(0.0, Dtype::F32, &[self.tokens, w.rows]);
        b.for_each("u", (lo, hi, 1), &[("d", none)], |b, acc| {
            let along = Slice::range(b.var("u") * (turn * RUNS), turn * RUNS);
            let at = vec![Slice::range(first.clone(), self.tokens), along.clone()];
            let x = b.load("x", "ah", elem, at, false);
            let at = vec![Slice::range(row.clone(), w.rows), along];
            let w = b.load("w", &w.part(Part::Codes), elem, at, false);
            vec![b.dot("d", x, w, true, Some(acc[0]))]
        })[0]
    }
}
