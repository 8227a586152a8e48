//! Inputs of the cases: what each family fills the tensors with.
//!
//! | family | what it shows |
//! |---|---|
//! | small integers | every product and sum is exact: equality |
//! | V is the key index | which keys were used |
//! | two score levels | the scale of the scores: the rare keys alone have values |
//! | peaked scores | which key goes with which head |
//! | NaN where nothing may read | masked, unwritten, unreferenced slots |
//! | NaN and infinity where some rows read | which rows they reach: those that attend them, no others |

mod stored;
mod unseen;

use super::{
    Tensors, indices,
    sizes::{Random, groups_of, lens, list, query_rows},
};
use kgen_ir::{
    dtype::Dtype,
    extent::Dims,
    op::{
        Code, CodeLayout, Codes, Compute, Dim, Kind, KvLayout, Op, RowKind, RowTensor, Storage,
        tensors::{Role, TensorSpec},
    },
    tensor::Tensor,
};
use std::collections::BTreeMap;
use stored::two_levels;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Integers,
    KeyIndex,
    Levels,
    Peaked,
    OneHot,
    Normal,
    Large,
    Hidden,
    Broken,
    Zeros,
}

const ATTENTION: &[Family] = &[
    Family::KeyIndex,
    Family::Levels,
    Family::Normal,
    Family::Peaked,
    Family::Hidden,
    Family::Broken,
    Family::Integers,
    Family::Large,
    Family::Zeros,
];
const PRODUCT: &[Family] = &[
    Family::Integers,
    Family::Normal,
    Family::OneHot,
    Family::Large,
    Family::Broken,
    Family::Zeros,
];

impl Family {
    pub fn of(op: &Op) -> &'static [Family] {
        match op.kind {
            Kind::Attention(_) => ATTENTION,
            Kind::MpGemm(_) | Kind::Rows(_) => PRODUCT,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Family::Integers => "small integers",
            Family::KeyIndex => "V is the key index",
            Family::Levels => "two score levels",
            Family::Peaked => "peaked scores",
            Family::OneHot => "one-hot activations",
            Family::Normal => "normal",
            Family::Large => "large magnitudes",
            Family::Hidden => "NaN where nothing may read",
            Family::Broken => "NaN and infinity where some rows read",
            Family::Zeros => "zeros",
        }
    }

    /// Whether every step of the op is exact on these inputs, at the sizes of reduced ops.
    ///
    /// A product of integers is, also through int8: the largest of each 32 activations is 127, so their scale is 1.
    /// Sums stay below 2^24. Attention never is, because of the exponential.
    pub fn exact(self, op: &Op) -> bool {
        let Kind::MpGemm(g) = &op.kind else { return false };
        let whole = |s: &Storage| match s {
            Storage::Plain(_) | Storage::Block(_) => true,
            Storage::Codes(c) => match &c.code {
                Code::Codebook(table) => table.iter().all(|x| x.fract() == 0.0 && x.abs() < 128.0),
                Code::Int | Code::Uint | Code::Bipolar | Code::Ternary => true,
            },
        };
        // Steps of activations in an order of the weight may lack their 127.
        let ordered = |s: &Storage| match s {
            Storage::Codes(c) => matches!(c.layout, CodeLayout::Gptq { act_order: true, .. }),
            Storage::Plain(_) | Storage::Block(_) => false,
        };
        if g.compute != Compute::Dequant && g.w.iter().any(|w| ordered(&w.storage)) {
            return false;
        }
        // Whole numbers that do not fit are the nearest that do.
        if g.out == Dtype::I8 || g.blocks.is_some() {
            return false;
        }
        // Tables of sums round them; `auto` may take such for codes of one bit.
        let tables = match g.compute {
            Compute::Lut(_) => true,
            Compute::Auto => g.w.iter().any(|w| match &w.storage {
                Storage::Codes(c) => c.code == Code::Bipolar && c.bits == 1,
                Storage::Plain(_) | Storage::Block(_) => false,
            }),
            Compute::Dequant
            | Compute::Bf16
            | Compute::IntDot
            | Compute::GroupInt
            | Compute::Bitplane => false,
        };
        let tables = tables && !matches!(g.a, Storage::Codes(_));
        let plain = g.prologue.is_none() && g.epilogue.is_none();
        let integers = matches!(self, Family::Integers | Family::OneHot | Family::Zeros);
        integers && plain && !tables && whole(&g.a) && g.w.iter().all(|w| whole(&w.storage))
    }
}

/// Elements that a full-size case is judged by: all corners and some inner ones.
pub fn samples(op: &Op, inputs: &Tensors, seed: u64) -> Vec<(usize, usize)> {
    let mut random = Random::new(seed);
    let size = |name: &str, lead: std::ops::Range<usize>| {
        inputs.get(name).and_then(|t| t.shape.get(lead)).map_or(0, |s| s.iter().product::<usize>())
    };
    let (rows, columns) = match &op.kind {
        Kind::Attention(a) => {
            let lead = if matches!(a.q.len, Dim::Ragged { .. }) { 0..1 } else { 0..2 };
            (size("q", lead), a.q.heads)
        }
        Kind::MpGemm(g) => {
            let name = if matches!(g.a, Storage::Codes(_)) { "a.codes" } else { "a" };
            (size(name, 0..1), g.out_width())
        }
        Kind::Rows(r) => {
            let each = |t: &&RowTensor| matches!(t.kind, RowKind::Matrix | RowKind::Column);
            let full = r.inputs.iter().find(each);
            (full.map_or(0, |t| size(&t.name, 0..1)), r.width)
        }
    };
    let columns = usize::try_from(columns).unwrap_or(0);
    if rows == 0 || columns == 0 {
        return vec![];
    }
    let mut out = vec![(0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1)];
    out.extend((0..12).map(|_| (random.below(rows), random.below(columns))));
    out
}

/// Every input of a case.
pub fn inputs(op: &Op, dims: &Dims, family: Family, seed: u64) -> Result<Tensors, String> {
    let mut random = Random::new(seed);
    let tensor_spoiled = random.below(3);
    let (pages, places) = (Vec::new(), BTreeMap::new());
    let mut maker = Maker { op, dims, family, random, pages, places, tensor_spoiled };
    maker.deal_pages();
    if let Kind::Rows(r) = &op.kind {
        maker.places = indices::draw(r, dims, &mut maker.random)?;
    }
    op.tensors()
        .iter()
        .filter(|t| t.role == Role::In || t.kept)
        .map(|t| maker.tensor(t).map(|made| (t.name.clone(), made)))
        .collect()
}

/// What a tensor is to the op.
#[derive(Clone, Copy)]
enum Part {
    Q,
    K(usize),
    V(usize),
    Activations,
    Other,
}

struct Maker<'a> {
    op: &'a Op,
    dims: &'a Dims,
    family: Family,
    random: Random,
    /// Of each segment and copy: its pages in order.
    pages: Vec<Vec<Vec<usize>>>,
    /// Index tensors of row operations.
    places: BTreeMap<String, Vec<f64>>,
    /// What is no number in [`Family::Broken`]: 0 queries, 1 keys, 2 values.
    tensor_spoiled: usize,
}

impl Maker<'_> {
    fn deal_pages(&mut self) {
        let Kind::Attention(a) = &self.op.kind else { return };
        for s in &a.segments {
            let KvLayout::Paged(page) = s.layout else {
                self.pages.push(vec![]);
                continue;
            };
            let used: Vec<usize> =
                lens(a, s, self.dims).iter().map(|n| n.div_ceil(page.max(1) as usize)).collect();
            // Shuffled, the last one stays free.
            let mut deck: Vec<usize> = (0..used.iter().sum()).collect();
            for i in (1..deck.len()).rev() {
                deck.swap(i, self.random.below(i + 1));
            }
            let mut deck = deck.into_iter();
            self.pages.push(used.iter().map(|&n| deck.by_ref().take(n).collect()).collect());
        }
    }

    fn tensor(&mut self, spec: &TensorSpec) -> Result<Tensor, String> {
        let shape = spec
            .stored_shape()
            .iter()
            .map(|x| {
                let x = x.eval(self.dims).map_err(|e| format!("`{}`: {e}", spec.name))?;
                usize::try_from(x).map_err(|_| format!("`{}`: the size {x}", spec.name))
            })
            .collect::<Result<Vec<usize>, String>>()?;
        match &spec.storage {
            Storage::Block(format) => self.blocks(format, shape),
            Storage::Codes(codes) => Ok(self.codes(codes, spec.dtype, shape)),
            Storage::Plain(Dtype::U32) => {
                let mut t = Tensor::zeros(Dtype::U32, &shape);
                for bytes in t.bytes.chunks_mut(8) {
                    let bits = self.random.bits().to_le_bytes();
                    bytes.iter_mut().zip(bits).for_each(|(to, from)| *to = from);
                }
                Ok(t)
            }
            Storage::Plain(dtype) => {
                if let Some(made) = self.of_tool(&spec.name, *dtype, &shape) {
                    return Ok(made);
                }
                if let Some(values) = self.indices(&spec.name) {
                    let count: usize = shape.iter().product();
                    if values.len() != count {
                        return Err(format!("`{}`: {} of {count}", spec.name, values.len()));
                    }
                    return Ok(Tensor::from_f64(*dtype, &shape, &values));
                }
                match self.component(&spec.name) {
                    Some((codes, true)) => Ok(self.scales(&codes, &shape)),
                    Some((codes, false)) => Ok(self.zeros(&codes, &shape)),
                    None => Ok(self.plain(self.part(&spec.name), *dtype, &shape)),
                }
            }
        }
    }

    fn part(&self, name: &str) -> Part {
        match &self.op.kind {
            Kind::Attention(a) => {
                if name == "q" {
                    return Part::Q;
                }
                for (at, s) in a.segments.iter().enumerate() {
                    match name.strip_prefix(s.name.as_str()) {
                        Some(".k" | ".k_pages") => return Part::K(at),
                        Some(".v" | ".v_pages") => return Part::V(at),
                        Some(_) | None => {}
                    }
                }
                Part::Other
            }
            Kind::MpGemm(_) if name == "a" => Part::Activations,
            Kind::MpGemm(_) | Kind::Rows(_) => Part::Other,
        }
    }

    /// The codes whose `.scale` (true) or `.zero` this is.
    fn component(&self, name: &str) -> Option<(Codes, bool)> {
        let (base, scale) = match name.strip_suffix(".scale") {
            Some(base) => (base, true),
            None => (name.strip_suffix(".zero")?, false),
        };
        let whole = format!("{base}.codes");
        self.op.tensors().into_iter().find(|t| t.name == whole).and_then(|t| match t.storage {
            Storage::Codes(codes) => Some((codes, scale)),
            Storage::Plain(_) | Storage::Block(_) => None,
        })
    }

    /// Tensors that say where things are.
    fn indices(&mut self, name: &str) -> Option<Vec<f64>> {
        match &self.op.kind {
            Kind::Attention(a) => {
                if name == "q.indptr" {
                    return Some(running(&query_rows(a, self.dims)));
                }
                for (at, s) in a.segments.iter().enumerate() {
                    let Some(rest) = name.strip_prefix(s.name.as_str()) else { continue };
                    let lens = lens(a, s, self.dims);
                    match rest {
                        ".indptr" => return Some(running(&lens)),
                        ".len" | ".pos" => return Some(lens.iter().map(|&n| n as f64).collect()),
                        ".group" => return Some(groups_of(a, s, self.dims)),
                        ".block_table" => {
                            let max = self.dims.scalars.get(&format!("{}.max_pages", s.name))?;
                            let spare = self.pages[at].iter().map(Vec::len).sum::<usize>();
                            let row = |pages: &Vec<usize>| {
                                let mut row: Vec<f64> = pages.iter().map(|&p| p as f64).collect();
                                row.resize(usize::try_from(*max).unwrap_or(0), spare as f64);
                                row
                            };
                            return Some(self.pages[at].iter().flat_map(row).collect());
                        }
                        _ => {}
                    }
                }
                None
            }
            Kind::MpGemm(g) => {
                let groups = usize::try_from(g.grouped.as_ref()?.groups).unwrap_or(0);
                match name {
                    "a.indptr" => Some(running(&list(&g.m, groups, self.dims))),
                    "group" => {
                        let m = list(&g.m, 1, self.dims).first().copied().unwrap_or(0);
                        Some((0..m).map(|_| self.random.below(groups) as f64).collect())
                    }
                    _ => None,
                }
            }
            Kind::Rows(_) => self.places.get(name).cloned(),
        }
    }

    fn plain(&mut self, part: Part, dtype: Dtype, shape: &[usize]) -> Tensor {
        let count: usize = shape.iter().product();
        let width = shape.last().copied().unwrap_or(1).max(1);
        let mut t = Tensor::zeros(dtype, shape);
        if self.family == Family::Zeros {
            return t;
        }
        match part {
            Part::Q => self.queries(&mut t, width),
            Part::K(segment) => {
                for i in 0..count {
                    let (row, d) = (i / width, i % width);
                    let x = match self.family {
                        Family::Levels => self.level(segment, row),
                        Family::Peaked => sign(row, d),
                        Family::Integers => self.random.integer(2),
                        Family::Large => 16.0 * self.random.normal(),
                        Family::KeyIndex
                        | Family::OneHot
                        | Family::Normal
                        | Family::Hidden
                        | Family::Broken
                        | Family::Zeros => self.random.normal(),
                    };
                    t.set(i, x);
                }
                self.hide(segment, &mut t, width);
            }
            Part::V(segment) => {
                for i in 0..count {
                    let (row, d) = (i / width, i % width);
                    let x = match self.family {
                        Family::KeyIndex => self.key(segment, row) as f64,
                        Family::Levels => {
                            (1.0 - self.level(segment, row)) / 2.0 * (1 + d % 3) as f64
                        }
                        Family::Peaked | Family::Integers => self.random.integer(3),
                        Family::Large => 1000.0 * self.random.normal(),
                        Family::OneHot
                        | Family::Normal
                        | Family::Hidden
                        | Family::Broken
                        | Family::Zeros => self.random.normal(),
                    };
                    t.set(i, x);
                }
                self.hide(segment, &mut t, width);
            }
            Part::Activations => self.activations(&mut t, width),
            Part::Other => {
                for i in 0..count {
                    let x = match self.family {
                        Family::Integers | Family::OneHot => self.random.integer(3),
                        Family::KeyIndex | Family::Levels => 0.0,
                        Family::Peaked
                        | Family::Normal
                        | Family::Large
                        | Family::Hidden
                        | Family::Broken
                        | Family::Zeros => self.random.normal(),
                    };
                    t.set(i, x);
                }
            }
        }
        self.spoil(part, &mut t, width);
        t
    }

    fn queries(&mut self, t: &mut Tensor, width: usize) {
        let Kind::Attention(a) = &self.op.kind else { return };
        let heads = usize::try_from(a.q.heads).unwrap_or(1).max(1);
        let kv_heads = usize::try_from(a.kv.heads).unwrap_or(1).max(1);
        let scale = a.scale.unwrap_or(1.0 / (width as f64).sqrt());
        let keys = a.segments.first().map_or(0, |s| lens(a, s, self.dims).iter().sum());
        for row in 0..t.count() / width {
            let target = self.random.below(keys) * kv_heads + row % heads * kv_heads / heads;
            let hot = self.random.below(width);
            for d in 0..width {
                let x = match self.family {
                    Family::KeyIndex | Family::Zeros => 0.0,
                    // The levels are LEVELS apart, +1 and -1 times the sum of q times the scale.
                    Family::Levels => LEVELS / 2.0 / (scale * width as f64),
                    Family::Peaked => 2.0 * sign(target, d),
                    Family::Integers | Family::OneHot => f64::from(u8::from(d == hot)) * 3.0,
                    Family::Large => 16.0 * self.random.normal(),
                    Family::Normal | Family::Hidden | Family::Broken => self.random.normal(),
                };
                t.set(row * width + d, x);
            }
        }
    }

    fn activations(&mut self, t: &mut Tensor, width: usize) {
        // With two levels of scales weights reach 4064: 768 of them times 127 would pass 2^24.
        let most = match &self.op.kind {
            Kind::MpGemm(g) if g.w.iter().any(|w| two_levels(&w.storage)) => 1,
            Kind::MpGemm(_) | Kind::Attention(_) | Kind::Rows(_) => 127,
        };
        for start in (0..t.count()).step_by(width) {
            let hot = self.random.below(width);
            for k in 0..width {
                let x = match self.family {
                    // The largest of each 32, and of what is left of a row, is 127: int8 then has the scale 1.
                    Family::Integers
                        if k % 32 == (start / width + k / 32) % 32.min(width - k / 32 * 32) =>
                    {
                        127.0
                    }
                    Family::Integers => self.random.integer(most),
                    Family::OneHot => f64::from(u8::from(k == hot)) * 127.0,
                    Family::Large => 100.0 * self.random.normal(),
                    Family::KeyIndex
                    | Family::Levels
                    | Family::Peaked
                    | Family::Normal
                    | Family::Hidden
                    | Family::Broken
                    | Family::Zeros => self.random.normal(),
                };
                t.set(start + k, x);
            }
        }
    }

    /// The key that lies in row `row` of k or v, heads counted; of a page or a ring, its slot.
    fn key(&self, segment: usize, row: usize) -> usize {
        let Kind::Attention(a) = &self.op.kind else { return 0 };
        let Some(s) = a.segments.get(segment) else { return 0 };
        let slot = row / a.heads_of(s).len().max(1);
        match s.layout {
            KvLayout::Dense => {
                let mut first = 0;
                for n in lens(a, s, self.dims) {
                    if slot < first + n {
                        return slot - first;
                    }
                    first += n;
                }
                slot
            }
            KvLayout::Paged(_) | KvLayout::Ring { .. } => slot % 1024,
        }
    }

    /// +1 or -1, by turns along the keys.
    fn level(&self, segment: usize, row: usize) -> f64 {
        if self.key(segment, row).is_multiple_of(2) { 1.0 } else { -1.0 }
    }
}

/// Distance of the two levels of scores: a scale of 1.001 moves the rare keys by 0.01, 20 roundings of f16.
const LEVELS: f64 = 10.0;

/// +1 or -1, by chance, the same for the same place.
fn sign(row: usize, d: usize) -> f64 {
    let bits = Random::new(row as u64 * 4096 + d as u64).bits();
    if bits & 1 == 0 { 1.0 } else { -1.0 }
}

/// 0 and the sums so far.
fn running(list: &[usize]) -> Vec<f64> {
    let mut sum = 0;
    let sums = list.iter().map(|n| {
        sum += n;
        sum as f64
    });
    std::iter::once(0.0).chain(sums.collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_of_whole_numbers_has_its_largest() {
        for k in [1, 31, 32, 33, 70] {
            let text = format!(
                "op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nn = 2\nk = {k}\na = \"f32\"\nout = \"f32\"\n\
                 w = {{ format = \"int4\", per = \"tensor\", scale = \"f32\" }}\n"
            );
            let op = kgen_ir::op::read::read("p.toml", &text).unwrap();
            let mut dims = Dims::default();
            dims.scalars.insert("m".into(), 40);
            let a = inputs(&op, &dims, Family::Integers, 1).unwrap()["a"].to_f64();
            for (i, row) in a.chunks(k).enumerate() {
                assert!(row.chunks(32).all(|step| step.contains(&127.0)), "k = {k}, row {i}");
            }
        }
    }
}
