//! How weights are stored, packed and read.

use super::{Builder, Kind, Result, Weight, tensor};
use crate::Choice;
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::{pack::Packing, parts::Parts},
    machine::Op,
    op::{self, Code, CodeLayout, Compute, MpGemm, Storage},
    tile::{Compare, Form, Part, Predicate, Prepare, Program, Role, Slice, Store, Tensor},
};

/// Bytes of a table that one instruction looks up.
const TABLE: usize = 64;

/// How the codes of a weight are packed in so many lanes, and from what.
pub(super) fn stored_weight(
    g: &MpGemm,
    w: &op::Weight,
    copies: Option<usize>,
    lanes: usize,
    choice: &Choice,
) -> Result<(Form, Packing)> {
    Ok(match &w.storage {
        Storage::Plain(d) => {
            return Err(choice.unsupported(
                format!("weights of {d} without scales"),
                "`{ format = \"int8\", per = \"row\", scale = \"f32\" }`",
            ));
        }
        Storage::Block(format) => {
            (Form::Blocks(w.name.clone()), Packing::for_format(format, lanes)?)
        }
        Storage::Codes(codes) => {
            if let Code::Codebook(_) = codes.code {
                return Err(choice
                    .unsupported("weights of a codebook", "int, uint, bipolar or ternary codes"));
            }
            let copies = copies.unwrap_or(1);
            let codes = codes.clone();
            let parts = match codes.layout {
                CodeLayout::Rows if codes.zero.is_none() => &["codes", "scale"][..],
                CodeLayout::Rows => &["codes", "scale", "zero"],
                CodeLayout::Gptq { act_order: true, .. } => {
                    if g.w.len() > 1 {
                        return Err(choice.unsupported(
                            "several weights, one of them in act-order",
                            "an op for each: their activations stand in different orders",
                        ));
                    }
                    &["qweight", "qzeros", "scales", "g_idx"]
                }
                CodeLayout::Gptq { .. } | CodeLayout::Awq => &["qweight", "qzeros", "scales"],
            };
            let sources = parts.iter().map(|part| format!("{}.{part}", w.name)).collect();
            let parts = Parts { codes, copies, n: w.n as usize, k: g.k as usize };
            let packing = Packing::for_parts(&parts, lanes)?;
            (Form::Parts(sources, parts), packing)
        }
    })
}

/// How a weight is read; one of codes is packed first, where it is looked up in `tables` as their indices.
pub(super) fn kind(
    g: &MpGemm,
    w: &op::Weight,
    copies: Option<usize>,
    tables: bool,
    program: &mut Program,
    choice: &Choice,
) -> Result<Kind> {
    let integer = match g.compute {
        // What a prologue makes of int8 activations is not int8; nor is it what an order brings together.
        Compute::Auto | Compute::IntDot | Compute::GroupInt => {
            !(matches!(g.a, Storage::Codes(_)) && (g.prologue.is_some() || act_order(w)))
        }
        // Codes are multiplied as floats, which is more exact.
        Compute::Dequant | Compute::Bf16 => false,
        // Looked up, or no way but this one can serve the weight.
        Compute::Lut(_) => true,
        Compute::Bitplane => {
            return Err(
                choice.unsupported("this way to compute", "`compute = \"int_dot\"` or \"dequant\"")
            );
        }
    };
    if let Storage::Plain(d @ (Dtype::F32 | Dtype::F16 | Dtype::BF16)) = &w.storage {
        return match g.compute {
            Compute::Auto | Compute::Dequant | Compute::Bf16 => Ok(Kind::Floats(*d)),
            Compute::IntDot | Compute::GroupInt | Compute::Lut(_) | Compute::Bitplane => {
                Err(choice.unsupported(
                    format!("integer products of {d} weights"),
                    "`compute = \"dequant\"`, or weights of codes",
                ))
            }
        };
    }
    let lanes = choice.target.lanes;
    let (form, mut packing) = stored_weight(g, w, copies, lanes, choice)?;
    if let (Storage::Block(format), true) = (&w.storage, integer) {
        // Tables of digits are of 64 bytes.
        let tables = [Op::PermuteBytes, Op::PermuteHigh, Op::Affine];
        let tables = lanes == TABLE / 4 && tables.iter().all(|op| choice.target.row(op).is_some());
        packing = Packing::dense(format, lanes, tables)?;
    }
    if tables {
        let none =
            || choice.unsupported(format!("lookups of `{packing}`"), "`compute = \"int_dot\"`");
        packing = packing.nibbles().ok_or_else(none)?;
    }
    if !packing.step().is_multiple_of(lanes) {
        return Err(
            choice.unsupported(format!("groups of {} codes", packing.group), "another format")
        );
    }
    program.prepares.push(Prepare {
        name: format!("{}.packed", w.name),
        form,
        packing: packing.clone(),
    });
    Ok(Kind::Codes { packing, integer })
}

/// Whether activations must be brought into the order of the weight.
pub(super) fn act_order(w: &op::Weight) -> bool {
    match &w.storage {
        Storage::Codes(codes) => {
            matches!(codes.layout, CodeLayout::Gptq { act_order: true, .. })
        }
        Storage::Plain(_) | Storage::Block(_) => false,
    }
}

impl Kind {
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self, Kind::Codes { packing, .. } if packing.is_fixed())
    }
}

impl Weight {
    /// What a kernel reads of it.
    pub(super) fn tensors(&self, k: usize, copies: Option<usize>) -> Vec<Tensor> {
        let (packing, integer) = match &self.kind {
            Kind::Floats(elem) => {
                let shape = copies.into_iter().chain([self.n, k]).map(Extent::from).collect();
                return vec![tensor(&self.name, Role::In, *elem, shape)];
            }
            Kind::Codes { packing, integer } => (packing, *integer),
            Kind::Pairs(packing) => (packing, false),
        };
        let rows = self.n.next_multiple_of(packing.lanes) * copies.unwrap_or(1);
        let groups = k.div_ceil(packing.group);
        let part = |part: Part, elem: Dtype, shape: [usize; 2]| Tensor {
            name: self.part(part),
            role: Role::Prepared,
            elem,
            shape: shape.iter().map(|x| Extent::from(*x)).collect(),
            store: Store::Packed { of: packing.clone(), part },
        };
        let mut list = vec![part(Part::Codes, packing.elem, [rows, groups * packing.group])];
        list.extend(packing.scale.map(|elem| part(Part::Scale, elem, [groups, rows])));
        list.extend(packing.min.map(|elem| part(Part::Min, elem, [groups, rows])));
        list.extend(packing.zeros.map(|elem| match integer {
            true => part(Part::Zeros, elem, [groups, rows]),
            false => part(Part::RowZeros, elem, [rows, groups]),
        }));
        if let Some(inner) = &packing.inner {
            let inners = groups * (packing.group / inner.group);
            list.push(part(Part::InnerScale, inner.signed(), [inners, rows]));
            list.extend(inner.min.map(|_| part(Part::InnerMin, Dtype::U8, [inners, rows])));
        }
        list
    }

    pub(super) fn part(&self, part: Part) -> String {
        format!("{}.packed.{}", self.name, part.name())
    }

    /// Asks for later codes, `[rows, k]`: at the first tile of activation rows for one half of the weight rows, at the last
    /// tile for the other. All at once they would wait for each other.
    pub(super) fn ask_in_halves(
        &self,
        b: &mut Builder,
        (tile, last): (&Extent, &Extent),
        [rows, along]: [Slice; 2],
        lanes: usize,
    ) {
        let all = rows.len.unwrap_or(1);
        let half = (all / 2).next_multiple_of(lanes).min(all);
        for (which, from, count) in
            [(&Extent::Lit(0), 0, half), (last, half, all - half)].into_iter().filter(|h| h.2 > 0)
        {
            let here = Predicate { left: tile.clone(), cmp: Compare::Eq, right: which.clone() };
            let rows = Slice::range(rows.start.clone() + from, count);
            let at = vec![rows, along.clone()];
            b.choose(here, |b| b.prefetch(&self.part(Part::Codes), at), |_| {});
        }
    }
}
