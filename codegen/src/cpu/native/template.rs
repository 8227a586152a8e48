//! Row templates, read once in a process.
//!
//! ```text
//! {t0} = VEX_Vpcmpgtd_ymm_ymm_ymmm256 {a}, {b}
//! {d} = VEX_Vpxor_ymm_ymm_ymmm256 {t0}, {=ffffffff}
//! ```

use super::instr::{self, File, Instr, Role};
use kgen_ir::{
    arena::Map,
    machine::{Op, Row},
};

/// The instructions of a row.
#[derive(Debug)]
pub struct Template {
    pub steps: Vec<Step>,
    /// For each operand: how it could come from memory instead.
    pub fold: [Option<Fold>; 3],
}

/// A source that is read once, by an instruction that could read it from memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fold {
    pub bytes: usize,
    /// Bytes of an element that memory may give to all lanes, or 0.
    pub broadcast: usize,
}

#[derive(Debug)]
pub struct Step {
    pub instr: &'static Instr,
    pub def: Option<Slot>,
    /// For each operand; none where the result is.
    pub sources: Vec<Option<Source>>,
    /// A write mask, and whether it writes zeros where it is false.
    pub mask: Option<(Slot, bool)>,
    /// What stays where the mask is false.
    pub merge: Option<Slot>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    Result,
    Operand(usize),
    Temporary(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Slot(Slot),
    /// The memory operand.
    Memory,
    /// As much of it as a lane of the instruction takes, in all of them.
    Spread,
    /// The immediate.
    Immediate,
    Literal(i64),
    /// A word in all lanes.
    Word(u32),
    /// The immediate as a word in all lanes.
    ImmediateWord,
    /// A constant vector: these bytes over and over.
    Bytes(Vec<u8>),
}

/// The templates of a target's rows by op.
pub type Templates = Map<&'static Op, Template>;

/// Reads the rows; the error names the row.
pub fn read(rows: &'static [Row], bytes: usize) -> Result<Templates, String> {
    let mut out = Templates::default();
    for row in rows {
        let told = |e: String| format!("row `{}`: {e}", row.op);
        out.insert(&row.op, template(row.text, bytes).map_err(told)?);
    }
    Ok(out)
}

fn template(text: &str, bytes: usize) -> Result<Template, String> {
    let steps = text.lines().map(|l| step(l, bytes)).collect::<Result<Vec<_>, _>>()?;
    let fold = [0, 1, 2].map(|n| fold(&steps, Slot::Operand(n)));
    Ok(Template { steps, fold })
}

fn fold(steps: &[Step], slot: Slot) -> Option<Fold> {
    let mut found = None;
    for step in steps {
        if step.mask.is_some_and(|(mask, _)| mask == slot) || step.merge == Some(slot) {
            return None;
        }
        for (form, source) in step.instr.operands.iter().zip(&step.sources) {
            let Some(Source::Slot(s)) = source else { continue };
            if *s != slot {
                continue;
            }
            if found.is_some() || form.memory == 0 || form.role != Role::Use {
                return None;
            }
            found =
                Some(Fold { bytes: form.memory.into(), broadcast: step.instr.broadcast.into() });
        }
    }
    found
}

/// The source of each operand of the instruction; none where its result is.
fn bind(instr: &Instr, def: bool, sources: Vec<Source>) -> Option<Vec<Option<Source>>> {
    let mut sources = sources.into_iter().peekable();
    let mut bound = false;
    let mut out = Vec::with_capacity(instr.operands.len());
    for form in instr.operands {
        let memory = form.memory > 0 && sources.peek() == Some(&Source::Memory);
        let here = def && !bound && !memory;
        bound |= here;
        out.push(match form.role {
            Role::Def if here => None,
            Role::Def | Role::Use | Role::Tied | Role::Address => Some(sources.next()?),
        });
    }
    sources.next().is_none().then_some(out)
}

fn step(line: &str, bytes: usize) -> Result<Step, String> {
    let (def, right) = match line.split_once(" = ") {
        Some((def, right)) => (Some(def), right),
        None => (None, line),
    };
    let (right, merge, mask) = match right.split_once(" /") {
        None => (right, None, None),
        Some((right, how)) => match how.split_once(' ') {
            Some(("", mask)) => (right, None, Some((mask, false))),
            Some(("z", mask)) => (right, None, Some((mask, true))),
            Some(("m", both)) => match both.split_once(' ') {
                Some((merge, mask)) => (right, Some(merge), Some((mask, false))),
                None => return Err(format!("`{line}` names no mask")),
            },
            Some(_) | None => return Err(format!("`{line}` has another kind of mask")),
        },
    };
    let (name, sources) = right.split_once(' ').unwrap_or((right, ""));
    let instr = instr::named(name).ok_or_else(|| format!("there is no instruction `{name}`"))?;
    let slot = |text: &str| match source(text, bytes)? {
        Source::Slot(slot) => Ok(slot),
        Source::Memory
        | Source::Spread
        | Source::Immediate
        | Source::Literal(_)
        | Source::Word(_)
        | Source::ImmediateWord
        | Source::Bytes(_) => Err(format!("`{text}` is no register")),
    };
    let misfit = || format!("`{line}` does not fit its instruction");
    let sources = sources
        .split(", ")
        .filter(|s| !s.is_empty())
        .map(|s| source(s, bytes))
        .collect::<Result<_, _>>()?;
    let step = Step {
        instr,
        def: def.map(slot).transpose()?,
        sources: bind(instr, def.is_some(), sources).ok_or_else(misfit)?,
        mask: mask.map(|(text, zero)| Ok::<_, String>((slot(text)?, zero))).transpose()?,
        merge: merge.map(slot).transpose()?,
    };
    let fits = |(form, source): (&instr::Form, &Option<Source>)| {
        let number = matches!(
            form.file,
            File::Imm8 | File::Imm8S | File::Imm32 | File::Imm32S | File::Imm64
        );
        match source {
            None | Some(Source::Slot(_)) => !number && form.file != File::Mem,
            Some(Source::Immediate | Source::Literal(_)) => number,
            Some(Source::Spread) => form.memory > 0 && instr.broadcast > 0,
            Some(Source::Memory | Source::Word(_) | Source::ImmediateWord | Source::Bytes(_)) => {
                form.memory > 0
            }
        }
    };
    if instr.operands.iter().zip(&step.sources).all(fits) { Ok(step) } else { Err(misfit()) }
}

fn source(text: &str, bytes: usize) -> Result<Source, String> {
    let bad = || format!("`{text}` is no operand");
    if let Ok(x) = text.parse() {
        return Ok(Source::Literal(x));
    }
    let key = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(bad)?;
    Ok(match key {
        "d" => Source::Slot(Slot::Result),
        "a" => Source::Slot(Slot::Operand(0)),
        "b" => Source::Slot(Slot::Operand(1)),
        "c" => Source::Slot(Slot::Operand(2)),
        "m" => Source::Memory,
        "*m" => Source::Spread,
        "n" => Source::Immediate,
        "=n" => Source::ImmediateWord,
        "iota" => Source::Bytes(words(0..bytes as u32 / 4)),
        // From which bit of its 64 on each byte is: those of lane i from bit 4 i on.
        "nibbles" => {
            Source::Bytes((0..bytes).map(|i| (i / 4 * 4 + i % 4 * 8) as u8 % 64).collect())
        }
        // Half i of a beside half i of b; the halves of b are counted behind those of a.
        "low" => Source::Bytes(interleaved(bytes, 0)),
        "high" => Source::Bytes(interleaved(bytes, bytes / 4)),
        _ => {
            if let Some(n) = key.strip_prefix('t').and_then(|n| n.parse().ok()) {
                Source::Slot(Slot::Temporary(n))
            } else if let Some(word) = key.strip_prefix('=') {
                Source::Word(u32::from_str_radix(word, 16).map_err(|_| bad())?)
            } else if let Some(hex) = key.strip_prefix("v:") {
                let byte = |i: usize| {
                    hex.get(2 * i..2 * i + 2).and_then(|h| u8::from_str_radix(h, 16).ok())
                };
                Source::Bytes((0..hex.len() / 2).map(byte).collect::<Option<_>>().ok_or_else(bad)?)
            } else {
                return Err(bad());
            }
        }
    })
}

pub fn words(list: impl IntoIterator<Item = u32>) -> Vec<u8> {
    list.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn interleaved(bytes: usize, from: usize) -> Vec<u8> {
    let halves = bytes / 2;
    let pair = |i: usize| words([(from + i) as u32 | ((halves + from + i) as u32) << 16]);
    (0..halves / 2).flat_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads() {
        for target in crate::cpu::targets::NATIVE {
            let read = read(target.rows, 4 * target.lanes);
            assert_eq!(read.map(|t| t.len()), Ok(target.rows.len()), "{}", target.name);
        }
    }

    #[test]
    fn what_a_template_says_wrong_is_told() {
        let told = |text: &str| template(text, 32).map(|_| ()).unwrap_err();
        for (text, error) in [
            ("{d} = Nothing {a}", "there is no instruction `Nothing`"),
            ("{d} = VEX_Vaddps_ymm_ymm_ymmm256 {a}", "does not fit its instruction"),
            ("{d} = VEX_Vaddps_ymm_ymm_ymmm256 {a}, 3", "does not fit its instruction"),
            ("{d} = VEX_Vaddps_ymm_ymm_ymmm256 {a}, {x}", "`{x}` is no operand"),
            ("{d} = EVEX_Vpermb_zmm_k1z_zmm_zmmm512 {a}, {b} /m {c}", "names no mask"),
            ("{d} = EVEX_Vpermb_zmm_k1z_zmm_zmmm512 {a}, {b} /x {c}", "has another kind of mask"),
            ("{m} = VEX_Vaddps_ymm_ymm_ymmm256 {a}, {b}", "`{m}` is no register"),
        ] {
            assert!(told(text).ends_with(error), "{text}: {}", told(text));
        }
    }

    #[test]
    fn the_last_source_may_come_from_memory() {
        let t = template("{d} = VEX_Vaddps_ymm_ymm_ymmm256 {a}, {b}", 32).unwrap();
        assert_eq!(t.fold, [None, Some(Fold { bytes: 32, broadcast: 0 }), None]);
        let t = template("{d} = VEX_Vaddps_ymm_ymm_ymmm256 {a}, {a}", 32).unwrap();
        assert_eq!(t.fold, [None; 3]);
    }
}
