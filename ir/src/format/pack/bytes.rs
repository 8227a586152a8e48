//! Weights into packings, and single values back: each bit where [`super`] says.

use super::{Order, PackError, Packing, QUAD, Sizes, codes};
use crate::{
    dtype::Dtype,
    format::{self, BlockSize, FieldElem, Fields, Format, Role, parts::Parts},
    tensor::Tensor,
    tile::Part,
};

impl Packing {
    /// Packs `n` rows of `k` elements stored as blocks of `format`, row after row.
    pub fn pack(
        &self,
        format: &Format,
        bytes: &[u8],
        n: usize,
        k: usize,
    ) -> Result<Vec<u8>, PackError> {
        let row = self.source_row(format, k)?;
        let sizes = self.sizes(n, k)?;
        let expected = row.checked_mul(n).ok_or(PackError::Overflow { n, k })?;
        if bytes.len() != expected {
            return Err(PackError::Length { what: "the weight", expected, found: bytes.len() });
        }
        let mut out = vec![0; sizes.bytes];
        if row > 0 {
            let blocks = out.chunks_exact_mut(sizes.block);
            for (rows, out) in bytes.chunks(row * self.lanes).zip(blocks) {
                self.pack_block(format, rows, k, out)?;
            }
        }
        Ok(out)
    }

    /// Packs one block of rows, the last may have fewer than `lanes`, into `block_stride(k)` bytes, all of them
    /// written. Blocks do not touch each other: a caller may pack each on its own thread.
    pub fn pack_block(
        &self,
        format: &Format,
        rows: &[u8],
        k: usize,
        out: &mut [u8],
    ) -> Result<(), PackError> {
        let row = self.source_row(format, k)?;
        let sizes = self.sizes(self.lanes, k)?;
        if out.len() != sizes.block {
            let (what, expected, found) = ("a packed block of rows", sizes.block, out.len());
            return Err(PackError::Length { what, expected, found });
        }
        if row == 0 {
            return Ok(());
        }
        if !rows.len().is_multiple_of(row) || rows.len() / row > self.lanes {
            let (what, expected, found) = ("a block of rows", row * self.lanes, rows.len());
            return Err(PackError::Length { what, expected, found });
        }
        out.fill(0);
        let from = Packing::natural(format, 1).elem;
        let mut fields = Fields::default();
        for (lane, row) in rows.chunks_exact(row).enumerate() {
            for (b, block) in row.chunks_exact(format.bytes).enumerate() {
                if self.elem.is_float() {
                    let Some(bits) = self.offset_codes(&sizes, lane, b) else { continue };
                    let at = bits.first().map_or(0, |b| b.byte);
                    match get_float(block, 0, from) {
                        Some(x) if from != self.elem => put_float(out, at, 0, self.elem, x),
                        // Bits pass as they are: a signalling NaN stays one.
                        Some(_) | None => put_bytes(out, at, block),
                    }
                    continue;
                }
                let length = |e: BlockSize| PackError::Length {
                    what: "a block",
                    expected: e.expected,
                    found: e.found,
                };
                format.read(block, &mut fields).map_err(length)?;
                self.put(&sizes, &fields, b * (format.block / self.group), lane, out);
            }
        }
        Ok(())
    }

    /// Writes the groups of one source block, the first of which is group `first` of the row.
    fn put(&self, s: &Sizes, fields: &Fields, first: usize, lane: usize, out: &mut [u8]) {
        let bias = self.zero - fields.zero;
        let planes = self.planes();
        for (g, codes) in fields.codes.chunks_exact(self.group).enumerate() {
            let Some(out) = out.get_mut((first + g) * s.group..(first + g + 1) * s.group) else {
                return;
            };
            if self.in_fragments() {
                for (k, &code) in codes.iter().enumerate() {
                    let spot = self.spot(lane, k);
                    let byte = self.word_byte(spot) + spot.bit as usize / 8;
                    if let Some(place) = out.get_mut(byte) {
                        *place |= ((code + bias) << (spot.bit % 8)) as u8;
                    }
                }
            }
            let units = if self.in_fragments() { &[][..] } else { codes };
            for (u, codes) in units.chunks(self.word()).enumerate() {
                let at = u * s.container + lane * QUAD;
                if self.trits {
                    put_bytes(out, at, &codes::trits(codes, bias));
                    continue;
                }
                if self.order == Order::Nibbles {
                    put_bytes(out, at, &codes::nibbles(codes, bias).to_le_bytes());
                    continue;
                }
                for plane in &planes {
                    for (c, codes) in codes.chunks(QUAD * plane.fields()).enumerate() {
                        let word = plane.word(codes, bias);
                        put_bytes(out, at + (plane.first + c) * s.word(self), &word.to_le_bytes());
                    }
                }
            }
            let source = g * self.group / fields.group;
            let mut factors = [&fields.scale, &fields.min, &fields.zeros].map(|f| f.get(source));
            if let (Some(inner), Some(at), Some(levels)) = (&self.inner, s.inner, &fields.levels) {
                factors = [levels.scale.get(g), levels.min.get(g), None];
                let count = self.group / inner.group;
                for (part, list) in
                    [(Part::InnerScale, &levels.inner_scale), (Part::InnerMin, &levels.inner_min)]
                {
                    for (i, x) in list.iter().skip(g * count).take(count).enumerate() {
                        let Some(f) = self.factor(part, i) else { continue };
                        if let Some(place) = out.get_mut(at + f.byte + lane) {
                            *place |= inner.stored(part, *x, f.bit);
                        }
                    }
                }
            }
            for ((at, dtype), x) in
                [(s.scale, self.scale), (s.min, self.min), (s.zeros, self.zeros)]
                    .into_iter()
                    .zip(factors)
            {
                if let (Some(at), Some(dtype), Some(&x)) = (at, dtype, x) {
                    put_float(out, at, lane, dtype, x);
                }
            }
        }
    }

    /// Packs a weight that comes as several tensors: copy after copy, each in whole blocks of rows.
    pub fn pack_parts(&self, parts: &Parts, tensors: &[&Tensor]) -> Result<Vec<u8>, PackError> {
        let open = parts.open(tensors)?;
        let sizes = self.sizes(parts.n, parts.k)?;
        let too_large = || PackError::Overflow { n: parts.n, k: parts.k };
        let mut out = vec![0; sizes.bytes.checked_mul(parts.copies.max(1)).ok_or_else(too_large)?];
        let padded = parts.k.next_multiple_of(self.group);
        let mut fields = Fields::default();
        for copy in 0..parts.copies {
            for row in 0..parts.n {
                open.row(copy, row, &mut fields);
                // What is behind the last element adds nothing: activations there are 0.
                fields.codes.resize(padded, fields.zero - self.zero);
                let start = copy * sizes.bytes + row / self.lanes * sizes.block;
                if let Some(block) = out.get_mut(start..start + sizes.block) {
                    self.put(&sizes, &fields, 0, row % self.lanes, block);
                }
            }
        }
        // Behind the weights: which k stands where.
        out.extend(open.order().iter().flat_map(|k| k.to_le_bytes()));
        Ok(out)
    }

    /// Bytes of a row of the source, if this packing holds its format.
    fn source_row(&self, format: &Format, k: usize) -> Result<usize, PackError> {
        self.check().map_err(|why| PackError::Packing { packing: self.to_string(), why })?;
        self.holds(format).map_err(|why| {
            let packing = self.to_string();
            PackError::Format { packing, format: format.name, why }
        })?;
        if !k.is_multiple_of(format.block) {
            return Err(PackError::Ragged { k, what: "blocks", of: format.block });
        }
        format.row_bytes(k).ok_or(PackError::Overflow { n: 1, k })
    }

    /// Whether each value of `format` has its place: codes may be wider, groups smaller, factors f32.
    fn holds(&self, format: &Format) -> Result<(), String> {
        let natural = match &self.inner {
            None => Packing::natural(format, self.lanes),
            Some(_) => Packing::leveled(format, self.lanes)
                .filter(|p| p.inner == self.inner && p.group == self.group)
                .ok_or_else(|| String::from("it has no such inner groups"))?,
        };
        let digits = format.field(Role::Code).map(|f| f.elem);
        if self.trits && !matches!(digits, Some(FieldElem::Trit | FieldElem::Ternary)) {
            return Err("its codes are more than three".into());
        }
        if self.signs {
            return Err("its codes are more than two".into());
        }
        // Pairs take all floats, to nearest even.
        if (self.is_pairs() || self.has_halves()) && natural.elem.is_float() {
            return Ok(());
        }
        let wider = |ours: Option<Dtype>, need: Option<Dtype>| {
            ours == need || (ours == Some(Dtype::F32) && need.is_some())
        };
        if !wider(self.scale, natural.scale) {
            return Err(format!("its scales are {}", named(natural.scale)));
        }
        if !wider(self.min, natural.min) {
            return Err(format!("its mins are {}", named(natural.min)));
        }
        let codes = !self.elem.is_float() && !natural.elem.is_float();
        if self.elem != natural.elem && !(codes && self.elem.bits() > natural.elem.bits()) {
            return Err(format!("its elements are {}", natural.elem));
        }
        if self.zero != natural.zero {
            return Err(format!("its zero is {}", natural.zero));
        }
        if !natural.group.is_multiple_of(self.group) {
            return Err(format!("its groups are {}", natural.group));
        }
        Ok(())
    }

    /// The value of element (n, k) of a packed weight; `None` outside it.
    pub fn unpack_value(&self, s: &Sizes, packed: &[u8], n: usize, k: usize) -> Option<f32> {
        let bits = self.offset_codes(s, n, k)?;
        if self.elem.is_float() {
            return get_float(packed, bits.first()?.byte, self.elem);
        }
        let code = bits.iter().try_fold(0, |code, b| {
            let byte = *packed.get(b.byte)?;
            Some(if self.trits { codes::trit(byte, b.low) } else { code | b.of(byte) })
        })?;
        let own = match self.zeros {
            None => 0.0,
            Some(Dtype::U8) => f32::from(*packed.get(self.offset_zeros(s, n, k)?)?),
            Some(dtype) => get_float(packed, self.offset_zeros(s, n, k)?, dtype)?,
        };
        let factor = |part: Part| -> Option<f32> {
            let Some(inner) = &self.inner else { return Some(1.0) };
            let f = self.factor(part, k % self.group / inner.group)?;
            let (start, lane) = self.group_at(s, n, k)?;
            Some(inner.value(part, f, *packed.get(start + s.inner? + f.byte + lane)?) as f32)
        };
        let scale = get_float(packed, self.offset_scale(s, n, k)?, self.scale?)?;
        let product = scale * factor(Part::InnerScale)? * ((code - self.zero) as f32 - own);
        match self.min {
            None => Some(product),
            Some(dtype) => {
                let min = get_float(packed, self.offset_min(s, n, k)?, dtype)?;
                Some(product + min * factor(Part::InnerMin)?)
            }
        }
    }
}

fn put_bytes(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = out.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// A float, or a small integer as u8.
fn put_float(out: &mut [u8], at: usize, lane: usize, dtype: Dtype, x: f32) {
    let width = dtype.bits() as usize / 8;
    let bits = format::encode::float_bits(dtype, x).unwrap_or(x as u32).to_le_bytes();
    put_bytes(out, at + lane * width, bits.get(..width).unwrap_or(&[]));
}

fn get_float(bytes: &[u8], at: usize, dtype: Dtype) -> Option<f32> {
    let bytes = bytes.get(at..at.checked_add(dtype.bytes()?)?)?;
    let bits = bytes.iter().rev().fold(0u32, |bits, &b| bits << 8 | u32::from(b));
    Some(format::float(dtype, bits))
}

fn named(dtype: Option<Dtype>) -> &'static str {
    dtype.map_or("absent", Dtype::name)
}
