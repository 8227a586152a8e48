//! Reads what stands before the data. Every count is checked against the bytes that are left before anything is
//! allocated for it.

use super::{ALIGNMENT, ALIGNMENT_KEY, Array, Contents, Entry, MAGIC, MAX_RANK, Value};
use kgen_ir::format::rows;

/// Arrays in arrays in arrays: no model has more.
const MAX_DEPTH: usize = 4;

/// What is wrong at a place.
#[derive(Debug, PartialEq)]
pub struct Bad {
    pub offset: usize,
    pub what: String,
}

type Read<T> = Result<T, Bad>;

fn bad<T>(offset: usize, what: impl Into<String>) -> Read<T> {
    Err(Bad { offset, what: what.into() })
}

/// All but the data.
pub fn contents(bytes: &[u8]) -> Read<Contents> {
    let mut c = Cursor::new(bytes);
    if bytes.get(..MAGIC.len()) != Some(MAGIC) {
        return bad(0, "this is not a GGUF file: it does not begin with `GGUF`");
    }
    c.at = MAGIC.len();
    let version = c.u32("the version")?;
    match version {
        2 | 3 => {}
        _ if version.swap_bytes() <= 3 => {
            return bad(
                4,
                "this GGUF file is big-endian; kgen reads little-endian ones, convert it",
            );
        }
        _ => return bad(4, format!("GGUF version {version}; kgen reads versions 2 and 3")),
    }
    // A tensor is at least a name, a rank, a type and an offset; a key a name, a type and a byte.
    let tensors = c.count("tensors", 8 + 4 + 4 + 8)?;
    let keys = c.count("keys", 8 + 4 + 1)?;
    let mut out = Contents { version, ..Contents::default() };
    for _ in 0..keys {
        let start = c.at;
        let name = c.name("a key")?;
        let kind = c.u32("the type of a value")?;
        let value = c.value(kind, 0)?;
        if out.metadata.insert(name.clone(), value).is_some() {
            return bad(start, format!("the key `{name}` stands twice"));
        }
    }
    let alignment = alignment(&out)?;
    let mut offsets = Vec::new();
    for i in 0..tensors {
        let start = c.at;
        let (entry, offset) = entry(&mut c)?;
        if out.names.insert(entry.name.clone(), i).is_some() {
            return bad(start, format!("the tensor `{}` stands twice", entry.name));
        }
        out.tensors.push(entry);
        offsets.push((start, offset));
    }
    let Some(data) = c.at.checked_next_multiple_of(alignment) else {
        return bad(c.at, format!("an alignment of {alignment} leads beyond the file"));
    };
    for (entry, (start, offset)) in out.tensors.iter_mut().zip(offsets) {
        place(entry, start, offset, data, alignment, bytes.len())?;
    }
    Ok(out)
}

fn alignment(contents: &Contents) -> Read<usize> {
    let Some(value) = contents.metadata.get(ALIGNMENT_KEY) else { return Ok(ALIGNMENT) };
    match value.as_u64().and_then(|x| usize::try_from(x).ok()) {
        Some(x) if x.is_power_of_two() => Ok(x),
        Some(_) | None => {
            bad(0, format!("`{ALIGNMENT_KEY}` must be a power of two, not {value:?}"))
        }
    }
}

/// A tensor without its place in the file, and its offset from the start of the data.
fn entry(c: &mut Cursor<'_>) -> Read<(Entry, u64)> {
    let name = c.name("the name of a tensor")?;
    let at = c.at;
    let rank = c.u32("a number of dimensions")? as usize;
    if rank > MAX_RANK {
        return bad(at, format!("`{name}` has {rank} dimensions; GGUF has at most {MAX_RANK}"));
    }
    let mut dims = Vec::with_capacity(rank);
    for _ in 0..rank {
        let at = c.at;
        let size = c.u64("a dimension")?;
        match usize::try_from(size) {
            Ok(size) => dims.push(size),
            Err(_) => return bad(at, format!("`{name}` has a dimension of {size}")),
        }
    }
    dims.reverse();
    let number = c.u32("the type of a tensor")?;
    let offset = c.u64("the offset of a tensor")?;
    let format = rows::by_gguf(number);
    Ok((Entry { name, dims, number, format, bytes: 0..0 }, offset))
}

/// Finds the bytes of a tensor, whose description is at `at`.
fn place(e: &mut Entry, at: usize, offset: u64, data: usize, align: usize, end: usize) -> Read<()> {
    let name = &e.name;
    if !offset.is_multiple_of(align as u64) {
        return bad(at, format!("`{name}` lies at offset {offset}, no multiple of {align}"));
    }
    let start = usize::try_from(offset).ok().and_then(|o| o.checked_add(data));
    let Some(start) = start.filter(|&s| s <= end || e.format.is_none()) else {
        return bad(at, format!("`{name}` begins at offset {offset}, beyond the end of the file"));
    };
    let count = e.dims.iter().try_fold(1usize, |count, n| count.checked_mul(*n));
    let uncounted = || format!("`{name}` {:?} has more elements than can be counted", e.dims);
    let Some(format) = e.format else {
        return if count.is_some() { Ok(()) } else { bad(at, uncounted()) };
    };
    let (k, rows) = e.dims.split_last().map_or((1, &[][..]), |(k, rows)| (*k, rows));
    if !k.is_multiple_of(format.block) {
        let (f, block) = (format.name, format.block);
        return bad(
            at,
            format!("rows of `{name}` have {k} elements, no multiple of {block} as {f} needs"),
        );
    }
    let row = format.row_bytes(k);
    let size = rows.iter().try_fold(row, |size, &n| Some(size?.checked_mul(n))).flatten();
    match size.and_then(|size| start.checked_add(size)) {
        // A dimension of 0 makes few bytes of any others.
        Some(last) if last <= end && count.is_none() => bad(at, uncounted()),
        Some(last) if last <= end => {
            e.bytes = start..last;
            Ok(())
        }
        Some(_) | None => bad(
            at,
            format!(
                "`{name}` {:?} {} from byte {start} on is longer than the file",
                e.dims, format.name
            ),
        ),
    }
}

/// A place in the bytes.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    fn take(&mut self, count: usize, what: &str) -> Read<&'a [u8]> {
        let end = self.at.checked_add(count);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => bad(self.at, format!("the file ends within {what}")),
        }
    }

    fn fixed<const N: usize>(&mut self, what: &str) -> Read<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    fn u32(&mut self, what: &str) -> Read<u32> {
        Ok(u32::from_le_bytes(self.fixed(what)?))
    }

    fn u64(&mut self, what: &str) -> Read<u64> {
        Ok(u64::from_le_bytes(self.fixed(what)?))
    }

    /// A number of things of at least so many bytes each, which must fit into the rest of the file.
    fn count(&mut self, what: &str, least: usize) -> Read<usize> {
        let at = self.at;
        let count = self.u64("a number of things")?;
        let left = self.bytes.len() - at;
        match usize::try_from(count).ok().filter(|&n| n <= left / least) {
            Some(n) => Ok(n),
            None => {
                bad(at, format!("{count} {what} do not fit into the {left} bytes that are left"))
            }
        }
    }

    fn text(&mut self, what: &str) -> Read<&'a [u8]> {
        let length = self.count("bytes of text", 1)?;
        self.take(length, what)
    }

    fn name(&mut self, what: &str) -> Read<String> {
        let at = self.at;
        let bytes = self.text(what)?;
        match std::str::from_utf8(bytes) {
            Ok(name) => Ok(name.into()),
            Err(_) => bad(at, format!("{what} is no UTF-8")),
        }
    }

    /// A value of the type that GGUF calls by this number.
    pub fn value(&mut self, kind: u32, depth: usize) -> Read<Value> {
        let what = "a value";
        Ok(match kind {
            0 => Value::U8(u8::from_le_bytes(self.fixed(what)?)),
            1 => Value::I8(i8::from_le_bytes(self.fixed(what)?)),
            2 => Value::U16(u16::from_le_bytes(self.fixed(what)?)),
            3 => Value::I16(i16::from_le_bytes(self.fixed(what)?)),
            4 => Value::U32(self.u32(what)?),
            5 => Value::I32(i32::from_le_bytes(self.fixed(what)?)),
            6 => Value::F32(f32::from_le_bytes(self.fixed(what)?)),
            7 => {
                let [byte] = self.fixed(what)?;
                if byte > 1 {
                    return bad(self.at - 1, format!("a truth value is 0 or 1, not {byte}"));
                }
                Value::Bool(byte == 1)
            }
            8 => Value::Text(String::from_utf8_lossy(self.text(what)?).into()),
            9 => {
                let of = self.u32("the type of an array")?;
                let least = width(of).ok_or_else(|| unknown(self.at - 4, of))?;
                let count = self.count("values", least)?;
                let start = self.at;
                self.skip(of, count, depth)?;
                Value::Array(Array { of, count, bytes: self.bytes[start..self.at].to_vec() })
            }
            10 => Value::U64(self.u64(what)?),
            11 => Value::I64(i64::from_le_bytes(self.fixed(what)?)),
            12 => Value::F64(f64::from_le_bytes(self.fixed(what)?)),
            _ => return Err(unknown(self.at - 4, kind)),
        })
    }

    /// Walks over the values of an array, checking them, keeping none.
    fn skip(&mut self, of: u32, count: usize, depth: usize) -> Read<()> {
        for _ in 0..count {
            match of {
                8 => {
                    self.text("a text of an array")?;
                }
                9 if depth + 1 < MAX_DEPTH => {
                    let of = self.u32("the type of an array")?;
                    let least = width(of).ok_or_else(|| unknown(self.at - 4, of))?;
                    let count = self.count("values", least)?;
                    self.skip(of, count, depth + 1)?;
                }
                9 => {
                    return bad(
                        self.at,
                        format!("arrays lie more than {MAX_DEPTH} deep in arrays"),
                    );
                }
                _ => {
                    self.value(of, depth)?;
                }
            }
        }
        Ok(())
    }
}

fn unknown(offset: usize, kind: u32) -> Bad {
    Bad { offset, what: format!("{kind} is no type of a value; types are 0 to 12") }
}

/// Fewest bytes of a value of a type.
fn width(kind: u32) -> Option<usize> {
    [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8].get(kind as usize).copied()
}
