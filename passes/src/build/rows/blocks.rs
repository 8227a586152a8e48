//! Tables of blocks: their bytes are a table, the halves of these bytes another, and an element is an expression of both.
//!
//! ```text
//! q8_0, 34 bytes for 32 elements     t[id] = t.half[id, col / 32 * 17] * int8(t[id, col / 32 * 34 + 2 + col % 32])
//! ```
//!
//! The rows of the formats say where bits stand; no format is a case here.

use super::Result;
use crate::Choice;
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::{Field, FieldElem, Format, Role as Part, Slice, Value},
    op::{
        Dim, RowKind, RowOutput, RowTensor, Rows,
        expr::{Binary, Expr, Func, Unary},
        tensors,
    },
    tile::{Role, Store, Tensor, field},
};
use std::cell::RefCell;

/// What moves on inside a byte: a place, bits a step, steps.
type Moving = (Expr, usize, usize);

/// The op without blocks, and the tensors that kernels see in those of the caller: each of them is named `NAME.half`.
pub(super) fn plain(rows: &Rows, choice: &Choice) -> Result<(Rows, Vec<Tensor>)> {
    let mut out = Rows { inputs: vec![], ..rows.clone() };
    let mut halves = Vec::new();
    for t in &rows.inputs {
        let (Some(format), RowKind::Table { rows: lead, width: Dim::Const(width) }) =
            (t.blocks, &t.kind)
        else {
            out.inputs.push(t.clone());
            continue;
        };
        let bytes = *width / format.block as i64 * format.bytes as i64;
        let table = |name: String, dtype, width| {
            let kind = RowKind::Table { rows: lead.clone(), width: Dim::Const(width) };
            RowTensor { name, dtype, kind, blocks: None }
        };
        let name = half(&t.name);
        halves.push(Tensor {
            name: name.clone(),
            role: Role::In,
            elem: Dtype::F16,
            shape: vec![tensors::total(lead), Extent::Lit(bytes / 2)],
            store: Store::Field(field::Field {
                block: (bytes / 2) as usize,
                stride: 8 * bytes as usize,
                at: 0,
                step: 16,
            }),
        });
        out.inputs.push(table(t.name.clone(), Dtype::U8, bytes));
        out.inputs.push(table(name, Dtype::F16, bytes / 2));
    }
    if halves.is_empty() {
        return Ok((out, halves));
    }
    let names = Names::default();
    let of = |e: &Expr| elements(rows, e, &names, choice);
    let lets = rows.lets.iter().map(|(n, e)| Ok((n.clone(), of(e)?)));
    let lets = lets.collect::<Result<Vec<_>>>()?;
    let outputs = rows.outputs.iter().map(|o| Ok(RowOutput { value: of(&o.value)?, ..o.clone() }));
    out.outputs = outputs.collect::<Result<_>>()?;
    // What elements need is named before whoever uses them.
    out.lets = [names.0.into_inner(), lets].concat();
    Ok((out, halves))
}

/// The name of the same bytes as halves.
pub(super) fn half(name: &str) -> String {
    format!("{name}.half")
}

/// `e` with its elements of blocks as expressions.
fn elements(rows: &Rows, e: &Expr, names: &Names, choice: &Choice) -> Result<Expr> {
    let of = |e: &Expr| elements(rows, e, names, choice);
    let boxed = |e: &Expr| of(e).map(Box::new);
    Ok(match e {
        Expr::Number(_) | Expr::Name(_) => e.clone(),
        Expr::Unary(op, a) => Expr::Unary(*op, boxed(a)?),
        Expr::Binary(op, a, b) => Expr::Binary(*op, boxed(a)?, boxed(b)?),
        Expr::Call(func, args) => {
            Expr::Call(*func, args.iter().map(of).collect::<Result<Vec<_>>>()?)
        }
        Expr::Reduce(op, a) => Expr::Reduce(*op, boxed(a)?),
        Expr::At(name, list) => {
            let format = rows.input(name).and_then(|t| t.blocks);
            let (Some(format), Some(row)) = (format, list.first()) else { return Ok(e.clone()) };
            let col = list.get(1).cloned().unwrap_or_else(|| Expr::Name("col".into()));
            if names.value(&col).is_none() {
                let what = format!("`{e}`: an element of blocks at an index that a call tells");
                return Err(choice.unsupported(what, format!("the whole row, `{name}[{row}]`")));
            }
            let block = format.block as f64;
            let at = At {
                format,
                name,
                names,
                row,
                block: divided(&col, block),
                inside: modulo(&col, block),
            };
            at.element().ok_or_else(|| {
                choice.unsupported(format!("tables of {}", format.name), "q8_0, f16 or f32")
            })?
        }
    })
}

fn number(x: f64) -> Expr {
    Expr::Number(x)
}

fn binary(op: Binary, a: Expr, b: Expr) -> Expr {
    match (op, &a, &b) {
        (Binary::Add | Binary::Sub, _, Expr::Number(0.0)) => a,
        (Binary::Add, Expr::Number(0.0), _) => b,
        (Binary::Mul, _, Expr::Number(1.0)) => a,
        (_, _, _) => Expr::Binary(op, Box::new(a), Box::new(b)),
    }
}

/// Of an index: rounds down.
fn divided(e: &Expr, by: f64) -> Expr {
    if by == 1.0 { e.clone() } else { binary(Binary::Div, e.clone(), number(by)) }
}

fn modulo(e: &Expr, by: f64) -> Expr {
    binary(Binary::Rem, e.clone(), number(by))
}

fn select(condition: Expr, a: Expr, b: Expr) -> Expr {
    Expr::Call(Func::Select, vec![condition, a, b])
}

fn below(a: &Expr, b: f64) -> Expr {
    binary(Binary::Lt, a.clone(), number(b))
}

/// Values that several others need, each named once.
#[derive(Default)]
struct Names(RefCell<Vec<(String, Expr)>>);

impl Names {
    fn of(&self, e: Expr) -> Expr {
        if let Expr::Number(_) | Expr::Name(_) = e {
            return e;
        }
        let mut list = self.0.borrow_mut();
        let known = list.iter().position(|(_, known)| *known == e);
        let at = known.unwrap_or_else(|| {
            let name = format!("blocks.{}", list.len());
            list.push((name, e));
            list.len() - 1
        });
        Expr::Name(list[at].0.clone())
    }

    /// A value without what is behind its point.
    fn whole(&self, e: Expr) -> Expr {
        let e = self.of(e);
        let rest = modulo(&e, 1.0);
        binary(Binary::Sub, e, rest)
    }

    /// An index that follows `col` alone, as a value: its divisions round down.
    fn value(&self, e: &Expr) -> Option<Expr> {
        let e = match e {
            Expr::Number(_) => e.clone(),
            Expr::Name(name) if name == "col" => e.clone(),
            Expr::Unary(Unary::Neg, a) => Expr::Unary(Unary::Neg, Box::new(self.value(a)?)),
            Expr::Binary(Binary::Div, a, b) => {
                self.whole(binary(Binary::Div, self.value(a)?, self.value(b)?))
            }
            Expr::Binary(op @ (Binary::Add | Binary::Sub | Binary::Mul | Binary::Rem), a, b) => {
                binary(*op, self.value(a)?, self.value(b)?)
            }
            Expr::Name(_)
            | Expr::Unary(Unary::Not, _)
            | Expr::Binary(..)
            | Expr::Call(..)
            | Expr::Reduce(..)
            | Expr::At(..) => return None,
        };
        Some(self.of(e))
    }
}

/// An element: its block, and its place there.
struct At<'a> {
    format: &'a Format,
    name: &'a str,
    names: &'a Names,
    row: &'a Expr,
    block: Expr,
    inside: Expr,
}

impl At<'_> {
    fn element(&self) -> Option<Expr> {
        let part = |wanted: Part| self.format.fields.iter().find(|f| f.role == wanted);
        let times = |a: Expr, b: Expr| binary(Binary::Mul, a, b);
        let code = self.quantity(part(Part::Code)?)?;
        let mut scale = self.quantity(part(Part::Scale)?)?;
        let mut min = match part(Part::Min) {
            Some(f) => Some(self.quantity(f)?),
            None => None,
        };
        let (zero, sign) = match self.format.value {
            Value::Plain => return None,
            Value::Affine { zero } => (zero, Binary::Add),
            Value::TwoLevel { zero } => {
                scale = times(scale, self.quantity(part(Part::InnerScale)?)?);
                min = match (min, part(Part::InnerMin)) {
                    (Some(min), Some(inner)) => Some(times(min, self.quantity(inner)?)),
                    (min, _) => min,
                };
                (zero, Binary::Sub)
            }
        };
        let code = binary(Binary::Sub, code, number(f64::from(zero)));
        let product = times(code, scale);
        Some(match min {
            Some(min) => binary(sign, product, min),
            None => product,
        })
    }

    /// The number of a field that belongs to the element.
    fn quantity(&self, f: &Field) -> Option<Expr> {
        let shared = (self.format.block / f.count.max(1)).max(1);
        let place = divided(&self.inside, shared as f64);
        let all = |out: &dyn Fn(&Slice) -> Option<Expr>| {
            let mut sum: Option<Expr> = None;
            for slice in f.slices {
                let count: usize = slice.loops.iter().map(|l| l.0).product();
                let mut x = out(slice)?;
                if count < f.count {
                    let place = self.names.value(&place)?;
                    let end = below(&place, (slice.first + count) as f64);
                    x = select(end, x, number(0.0));
                    if slice.first > 0 {
                        x = select(below(&place, slice.first as f64), number(0.0), x);
                    }
                }
                sum = Some(match sum {
                    Some(sum) => binary(Binary::Add, sum, x),
                    None => x,
                });
            }
            sum
        };
        let bits = || all(&|slice| self.bits(slice, &place));
        Some(match f.elem {
            FieldElem::Float(Dtype::F16) => {
                let [slice] = f.slices else { return None };
                let index = binary(
                    Binary::Add,
                    binary(Binary::Mul, self.block.clone(), number(self.format.bytes as f64 / 2.0)),
                    number((slice.byte / 2) as f64),
                );
                let even = slice.byte.is_multiple_of(2)
                    && self.format.bytes.is_multiple_of(2)
                    && f.count == 1;
                even.then(|| Expr::At(half(self.name), vec![self.row.clone(), index]))?
            }
            FieldElem::Float(_) => return None,
            FieldElem::Uint(_) | FieldElem::Ternary => bits()?,
            FieldElem::Int(width) => {
                let x = self.names.of(bits()?);
                let end = f64::from(width).exp2();
                let negative = binary(Binary::Sub, x.clone(), number(end));
                select(below(&x, end / 2.0), x, negative)
            }
            FieldElem::Biased(_, bias) => {
                let (op, x) = if bias < 0 { (Binary::Add, -bias) } else { (Binary::Sub, bias) };
                binary(op, bits()?, number(f64::from(x)))
            }
            FieldElem::Trit => all(&|slice| {
                // The byte is so many 243rds of 256; a digit is what passes 256 next.
                let power = number(3f64.powi(i32::from(slice.to)));
                let (byte, _) = self.byte(slice, &place)?;
                let rest = modulo(&binary(Binary::Mul, byte, power), 256.0);
                let next = binary(Binary::Mul, rest, number(3.0 / 256.0));
                Some(self.names.whole(next))
            })?,
        })
    }

    /// The bits of a slice, where they stand in the code.
    fn bits(&self, slice: &Slice, place: &Expr) -> Option<Expr> {
        let (mut x, steps) = self.byte(slice, place)?;
        for (digit, step, count) in steps {
            // Which part of the byte, by the place.
            let digit = self.names.value(&digit)?;
            let last = number(2f64.powi((step * (count - 1)) as i32));
            let unit = (0..count - 1).rev().fold(last, |unit, i| {
                select(below(&digit, (i + 1) as f64), number(2f64.powi((step * i) as i32)), unit)
            });
            x = binary(Binary::Div, x, unit);
        }
        let shift = f64::from(1u32 << slice.bit.min(8));
        if shift != 1.0 {
            x = binary(Binary::Div, x, number(shift));
        }
        let x = modulo(&self.names.whole(x), f64::from(slice.bits).exp2());
        Some(binary(Binary::Mul, x, number(f64::from(slice.to).exp2())))
    }

    /// The byte with the bits of a slice, and what moves on inside it: place, bits a step, steps.
    fn byte(&self, slice: &Slice, place: &Expr) -> Option<(Expr, Vec<Moving>)> {
        let mut index = binary(Binary::Mul, self.block.clone(), number(self.format.bytes as f64));
        index = binary(Binary::Add, index, number(slice.byte as f64));
        let mut steps = Vec::new();
        let from = binary(Binary::Sub, place.clone(), number(slice.first as f64));
        // A loop over bits that goes on in the next byte is one over bits and one over bytes.
        let loops = slice.loops.iter().flat_map(|l| match (l.1, 8 / l.1.max(1)) {
            (1..8, inside) if l.0 > inside => {
                vec![(inside, l.1, l.2), (l.0 / inside, 8, l.2 * inside)]
            }
            (_, _) => vec![(l.0, l.1, l.2)],
        });
        for (count, bits, elements) in loops {
            let digit = modulo(&divided(&from, elements as f64), count as f64);
            if bits % 8 == 0 {
                let on = binary(Binary::Mul, digit, number((bits / 8) as f64));
                index = binary(Binary::Add, index, on);
            } else {
                steps.push((digit, bits, count));
            }
        }
        let byte = Expr::At(self.name.into(), vec![self.row.clone(), index]);
        (slice.bits <= 8).then_some((byte, steps))
    }
}
