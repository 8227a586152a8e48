//! How keys and values are stored: as floats, or as codes with scales, in rows of bytes or in tensors of their own.
//!
//! A kernel gets the parts of codes as parameters of as many elements as a row has, each at its place in memory:
//!
//! ```text
//! kernel attend(kv.k.codes: i8[b, n, 8, 128] field(block 32 stride 272 at 16 step 8),
//!               kv.k.scale: f16[b, n, 8, 128] field(block 32 stride 272 at 0 step 0), ..)
//!   k0 = load(kv.k.codes[seq, j:16, h, 0:128]) : i8[16, 128]
//!   k1 = convert(k0) : f32[16, 128]
//!   ..
//!   k4 = k1 * k3 : f32[16, 128]
//! launch attend(kv.k, kv.k, ..)
//! ```

use super::*;
use kgen_ir::{
    format::{self, FieldElem},
    op::{Code, Codes, Group, Zero},
    tile::field::Field,
};

/// Rows of keys or of values.
#[derive(Clone)]
pub(super) struct Stored {
    /// Of floats; codes have parts instead.
    plain: Option<Dtype>,
    parts: Vec<Part>,
    /// Codes of four bits are two's complement.
    signed: bool,
    /// What every code is less.
    zero: i32,
    width: usize,
}

/// A quantity of the elements of a row.
#[derive(Clone)]
struct Part {
    name: &'static str,
    /// Ends the name of its tensor.
    tensor: &'static str,
    elem: Dtype,
    field: Field,
    /// One a row: its tensor has no dimension for the elements of a row.
    alone: bool,
}

impl Stored {
    pub fn new(storage: &Storage, width: usize, what: &str, choice: &Choice) -> Result<Stored> {
        let found = match storage {
            Storage::Plain(d @ (Dtype::F32 | Dtype::F16 | Dtype::BF16)) => {
                return Ok(Stored::floats(*d, width));
            }
            Storage::Plain(_) => None,
            Storage::Block(format) => Stored::blocks(format, width),
            Storage::Codes(codes) => Stored::codes(codes, width),
        };
        found.ok_or_else(|| {
            let instead =
                "f32, f16, bf16, q8_0, or integers of 8 or 4 bits with a scale a row or group";
            choice.unsupported(format!("{what} of this storage"), instead)
        })
    }

    pub fn floats(elem: Dtype, width: usize) -> Stored {
        Stored { plain: Some(elem), parts: vec![], signed: false, zero: 0, width }
    }

    /// Blocks whose codes stand side by side.
    fn blocks(format: &format::Format, width: usize) -> Option<Stored> {
        let format::Value::Affine { zero } = format.value else { return None };
        let mut parts = Vec::new();
        let mut signed = false;
        for f in format.fields {
            let [slice] = f.slices else { return None };
            let step = match slice.loops {
                [] => 0,
                [format::Loop(count, step, 1)] if *count == f.count => *step,
                _ => return None,
            };
            let (name, elem) = match (f.role, f.elem) {
                (format::Role::Code, FieldElem::Int(bits @ (4 | 8))) => {
                    signed = bits == 4;
                    ("codes", if bits == 8 { Dtype::I8 } else { Dtype::Code(4) })
                }
                (format::Role::Code, FieldElem::Uint(8)) => ("codes", Dtype::U8),
                (format::Role::Code, FieldElem::Uint(4)) => ("codes", Dtype::Code(4)),
                (format::Role::Scale, FieldElem::Float(elem)) => ("scale", elem),
                (_, _) => return None,
            };
            let at = 8 * slice.byte + slice.bit;
            let whole = format.bytes * 8;
            let field = match f.count {
                n if n == format.block => Field { block: n, stride: whole, at, step },
                1 => Field { block: format.block, stride: whole, at, step: 0 },
                _ => return None,
            };
            parts.push(Part { name, tensor: "", elem, field, alone: false });
        }
        Some(Stored { plain: None, parts, signed, zero, width })
    }

    fn codes(codes: &Codes, width: usize) -> Option<Stored> {
        let (elem, signed) = match (&codes.code, codes.bits) {
            (Code::Int, 8) => (Dtype::I8, false),
            (Code::Uint, 8) => (Dtype::U8, false),
            (Code::Int, 4) => (Dtype::Code(4), true),
            (Code::Uint, 4) => (Dtype::Code(4), false),
            (Code::Int | Code::Uint | Code::Bipolar | Code::Ternary | Code::Codebook(_), _) => {
                return None;
            }
        };
        let bits = usize::from(codes.bits);
        let stride = (width * bits).next_multiple_of(8);
        let field = Field { block: width, stride, at: 0, step: bits };
        let mut parts = vec![Part { name: "codes", tensor: ".codes", elem, field, alone: false }];
        let block = match codes.group {
            Group::K(group) => usize::try_from(group).ok().filter(|g| *g > 0)?,
            Group::Row => width,
            Group::Tensor => return None,
        };
        let shared = |elem: Dtype| {
            let stride = elem.bits() as usize;
            (elem, Field { block, stride, at: 0, step: 0 })
        };
        let alone = codes.group == Group::Row;
        let float = |d: Dtype| matches!(d, Dtype::F32 | Dtype::F16 | Dtype::BF16).then_some(d);
        let (elem, field) = shared(float(codes.scale)?);
        parts.push(Part { name: "scale", tensor: ".scale", elem, field, alone });
        let zero = match codes.zero {
            None => None,
            Some(Zero::Float(d)) => Some(float(d)?),
            Some(Zero::Uint(8)) => Some(Dtype::U8),
            // Those of a row are packed along the heads.
            Some(Zero::Uint(4)) if codes.group != Group::Row => Some(Dtype::Code(4)),
            Some(Zero::Uint(_)) => return None,
        };
        if let Some(zero) = zero {
            let (elem, field) = shared(zero);
            parts.push(Part { name: "zero", tensor: ".zero", elem, field, alone });
        }
        Some(Stored { plain: None, parts, signed, zero: 0, width })
    }

    /// The type of elements that are stored as such.
    pub fn plain(&self) -> Option<Dtype> {
        self.plain
    }

    /// What a worker's copy of a row holds.
    pub fn copied(&self) -> Stored {
        Stored::floats(self.plain.unwrap_or(Dtype::F32), self.width)
    }

    /// Elements of a copied row.
    pub fn elem(&self) -> Dtype {
        self.plain.unwrap_or(Dtype::F32)
    }

    /// The parameter with most of the bytes.
    pub fn main(&self, tensor: &str) -> String {
        self.parts.first().map_or(tensor.into(), |_| format!("{tensor}.codes"))
    }

    /// The parameters that hints name: each memory once.
    pub fn hinted(&self, tensor: &str) -> Vec<String> {
        let own = |p: &&Part| p.name != "codes" && !p.tensor.is_empty() && !p.alone;
        let beside = self.parts.iter().filter(own).map(|p| format!("{tensor}.{}", p.name));
        [self.main(tensor)].into_iter().chain(beside).collect()
    }

    /// The program's tensor with most of the bytes.
    pub fn whole(&self, tensor: &str) -> String {
        let codes = self.parts.iter().find(|p| p.name == "codes");
        codes.map_or(tensor.into(), |p| format!("{tensor}{}", p.tensor))
    }

    /// The first elements of rows as they stand, for a copy.
    pub fn row(&self, b: &mut Builder, tensor: &str, at: Vec<Slice>) -> Value {
        match self.plain {
            Some(elem) => b.load("row", tensor, elem, at, false),
            None => self.load(b, "row", tensor, at, false),
        }
    }

    /// Elements of rows, as floats.
    pub fn load(
        &self,
        b: &mut Builder,
        name: &str,
        tensor: &str,
        at: Vec<Slice>,
        guard: bool,
    ) -> Value {
        let mut names = (0..).map(|i| format!("{name}{i}"));
        let mut next = || names.next().unwrap_or_default();
        if let Some(elem) = self.plain {
            let x = b.load(&next(), tensor, elem, at, guard);
            return b.convert(&next(), x, Dtype::F32);
        }
        let unit = vec![1; at.iter().filter(|s| s.len.is_some()).count()];
        let mut part = |b: &mut Builder, wanted: &str| {
            let part = self.parts.iter().find(|p| p.name == wanted)?;
            let x = b.load(&next(), &format!("{tensor}.{wanted}"), part.elem, at.clone(), guard);
            Some(x)
        };
        let codes = part(b, "codes");
        let scale = part(b, "scale");
        let zero = part(b, "zero");
        let (Some(mut x), Some(scale)) = (codes, scale) else {
            return b.fill(0.0, Dtype::F32, &unit);
        };
        let mut less = self.zero;
        if self.signed {
            // 8 up and modulo 16; 8 down follows.
            x = b.convert(&next(), x, Dtype::I32);
            let eight = b.fill(8.0, Dtype::I32, &unit);
            x = b.binary(&next(), Binary::Add, x, eight);
            let mask = b.fill(15.0, Dtype::I32, &unit);
            x = b.binary(&next(), Binary::And, x, mask);
            less += 8;
        }
        x = b.convert(&next(), x, Dtype::F32);
        if less != 0 {
            let less = b.fill(f64::from(less), Dtype::F32, &unit);
            x = b.binary(&next(), Binary::Sub, x, less);
        }
        if let Some(zero) = zero {
            let zero = b.convert(&next(), zero, Dtype::F32);
            x = b.binary(&next(), Binary::Sub, x, zero);
        }
        let scale = b.convert(&next(), scale, Dtype::F32);
        b.binary(&next(), Binary::Mul, x, scale)
    }

    /// Codes that are bytes, or half of them, without zero points of their own: bits of a code, how many stand side by
    /// side, how many share a scale of f16, and what a byte is more than the number that the scale multiplies.
    pub fn bytes(&self) -> Option<(usize, usize, usize, i32)> {
        let part = |name: &str| self.parts.iter().find(|p| p.name == name);
        let (codes, scale) = (part("codes")?, part("scale").filter(|p| !p.alone)?);
        let alone = self.parts.len() == 2;
        let half = if self.signed { 8 } else { 0 };
        let known = [(Dtype::I8, 8, 128), (Dtype::U8, 8, 0), (Dtype::Code(4), 4, half)];
        let (_, bits, up) = known.into_iter().find(|(elem, ..)| *elem == codes.elem)?;
        let plain = codes.field.step == bits && scale.elem == Dtype::F16;
        let run = codes.field.block.min(self.width);
        (alone && plain).then_some((bits, run, scale.field.block, up + self.zero))
    }

    /// Codes of rows as bytes of a panel, in the order of `places` where that is given.
    pub fn panel(
        &self,
        b: &mut Builder,
        (tensor, lead): &(String, Vec<Slice>),
        places: Option<Vec<usize>>,
    ) -> Value {
        let at = [&lead[..], &[Slice::range(0, self.width)]].concat();
        let elem = self.parts.iter().find(|p| p.name == "codes").map_or(Dtype::U8, |p| p.elem);
        let codes = b.load("codes", &format!("{tensor}.codes"), elem, at, false);
        if elem == Dtype::U8 {
            return codes;
        }
        let mut x = b.convert("word", codes, Dtype::I32);
        if elem == Dtype::I8 || self.signed {
            let up = b.fill(if elem == Dtype::I8 { 128.0 } else { 8.0 }, Dtype::I32, &[1, 1]);
            x = b.binary("up", Binary::Add, x, up);
        }
        if self.signed {
            let mask = b.fill(15.0, Dtype::I32, &[1, 1]);
            x = b.binary("low", Binary::And, x, mask);
        }
        if let Some(places) = places {
            x = b.permute("apart", x, places);
        }
        b.convert("bytes", x, Dtype::U8)
    }

    /// The scales of rows as floats, for every `group` elements one.
    pub fn scales(
        &self,
        b: &mut Builder,
        (tensor, lead): &(String, Vec<Slice>),
        group: usize,
    ) -> Value {
        let at = [&lead[..], &[Slice::range(0, self.width)]].concat();
        let scale = b.load("scale", &format!("{tensor}.scale"), Dtype::F16, at, false);
        let all = b.convert("scale_f", scale, Dtype::F32);
        b.permute("scale_g", all, (0..self.width).step_by(group).collect())
    }

    /// The parameters of a kernel that stand for `t`, if it is a tensor of the codes `base`.
    fn params(&self, base: &str, t: &Tensor) -> Option<Vec<Param>> {
        let parts = self.parts.iter().filter(|p| t.name == format!("{base}{}", p.tensor));
        let one = |p: &Part| {
            let own = t.shape.len() - usize::from(!p.alone);
            let lead = t.shape[..own].iter().cloned();
            Param::Tensor(Tensor {
                name: format!("{base}.{}", p.name),
                role: Role::In,
                elem: p.elem,
                shape: lead.chain([Extent::from(self.width)]).collect(),
                store: Store::Field(p.field),
            })
        };
        let params: Vec<_> = parts.map(one).collect();
        (!params.is_empty()).then_some(params)
    }
}

/// Kernels get the parts of codes, launches give the tensors that hold them.
pub(super) fn views(program: &mut Program, stored: &[(String, &Stored)]) {
    for kernel in &mut program.kernels {
        let old = std::mem::take(&mut kernel.params);
        let mut counts = Vec::new();
        for param in old {
            let parts = match &param {
                Param::Tensor(t) => stored.iter().find_map(|(base, s)| s.params(base, t)),
                Param::Scalar(_) => None,
            };
            let parts = parts.unwrap_or_else(|| vec![param]);
            counts.push(parts.len());
            kernel.params.extend(parts);
        }
        let launches = program.variants.iter_mut().flat_map(|v| &mut v.launches);
        for launch in launches.filter(|l| l.kernel == kernel.name) {
            let args = std::mem::take(&mut launch.args);
            let each = args.into_iter().zip(&counts);
            launch.args = each.flat_map(|(arg, n)| std::iter::repeat_n(arg, *n)).collect();
        }
    }
}
