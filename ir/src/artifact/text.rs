//! Tensors, packings, launches and slots as single lines.
//!
//! ```text
//! in q: f16[b, m, 32, 128]
//! in w: q4_0[4096, 4096]
//! prepared w.codes: u4[4096, 4096] packed(codes, u4 lanes 4 group 32 scale f16 zero 8)
//! w.packed = pack(w) : u4 lanes 4 group 32 scale f16 zero 8
//! stride k 1
//! ```

use crate::{
    dtype::Dtype,
    extent::Extent,
    format::{Format, pack::Packing},
    lex::{Lexer, Parsed},
    machine::Slot,
    tile::field::Field,
    tile::{Arg, Compare, Launch, Param, Part, Predicate, Prepare, Role, Store, Symbol, Tensor},
};

const ROLES: &[(&str, Role)] = &[
    ("in", Role::In),
    ("out", Role::Out),
    ("workspace", Role::Workspace),
    ("prepared", Role::Prepared),
    ("scratch", Role::Scratch),
];

const PARTS: &[(&str, Part)] =
    &[("codes", Part::Codes), ("scale", Part::Scale), ("min", Part::Min)];

/// Most dimensions of a tensor.
pub const MAX_RANK: usize = 16;

fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|x| x.to_string()).collect::<Vec<_>>().join(", ")
}

/// `codes`, `scale`, `min`: what follows the name of a packed weight.
pub fn part(part: Part) -> &'static str {
    PARTS.iter().find(|(_, p)| *p == part).map_or("?", |(n, _)| n)
}

pub fn part_named(name: &str) -> Option<Part> {
    PARTS.iter().find(|(n, _)| *n == name).map(|(_, p)| *p)
}

pub fn tensor(t: &Tensor) -> String {
    let role = ROLES.iter().find(|(_, r)| *r == t.role).map_or("?", |(n, _)| n);
    let shape = join(&t.shape);
    let elem = match &t.store {
        Store::Strided | Store::Packed { .. } | Store::Field(_) => t.elem.name(),
        Store::Blocks(format) => format.name,
    };
    let packed = match &t.store {
        Store::Strided | Store::Blocks(_) => String::new(),
        Store::Packed { of, part: p } => format!(" packed({}, {})", part(*p), packing(of)),
        Store::Field(field) => format!(" {field}"),
    };
    format!("{role} {}: {elem}[{shape}]{packed}", t.name)
}

/// `formats` finds the storage format of a name.
pub fn read_tensor(
    lexer: &mut Lexer<'_>,
    formats: &dyn Fn(&str) -> Option<&'static Format>,
) -> Parsed<Tensor> {
    let span = lexer.span();
    let word = lexer.word("a role: in, out, workspace, prepared or scratch")?;
    let Some((_, role)) = ROLES.iter().find(|(n, _)| *n == word) else {
        return Err(crate::diag::Diagnostic::new(span, format!("`{word}` is not a role"))
            .help("roles are in, out, workspace, prepared, scratch"));
    };
    let name = lexer.word("the name of a tensor")?;
    lexer.expect(":")?;
    let span = lexer.span();
    let kind = lexer.word("an element type or a storage format")?;
    let (elem, blocks) = match (Dtype::parse(&kind), formats(&kind)) {
        (Some(elem), _) => (elem, None),
        // What a block stands for is read as f32.
        (None, Some(format)) => (Dtype::F32, Some(format)),
        (None, None) => {
            return Err(crate::diag::Diagnostic::new(
                span,
                format!("`{kind}` is neither an element type nor a storage format"),
            ));
        }
    };
    let shape = read_shape(lexer)?;
    let store = if let Some(format) = blocks {
        Store::Blocks(format)
    } else if lexer.eat_word("packed") {
        lexer.expect("(")?;
        let span = lexer.span();
        let word = lexer.word("codes, scale or min")?;
        let Some(part) = part_named(&word) else {
            return Err(crate::diag::Diagnostic::new(
                span,
                format!("`{word}` is not a part of a packed weight"),
            )
            .help("parts are codes, scale, min"));
        };
        lexer.expect(",")?;
        let of = read_packing(lexer)?;
        lexer.expect(")")?;
        Store::Packed { of, part }
    } else if lexer.eat_word("field") {
        Store::Field(Field::read(lexer)?)
    } else {
        Store::Strided
    };
    Ok(Tensor { name, role: *role, elem, shape, store })
}

fn read_shape(lexer: &mut Lexer<'_>) -> Parsed<Vec<Extent>> {
    let mut shape = Vec::new();
    lexer.expect("[")?;
    while !lexer.eat("]") {
        if !shape.is_empty() {
            lexer.expect(",")?;
        }
        if shape.len() == MAX_RANK {
            return lexer.error(format!("a tensor has at most {MAX_RANK} dimensions"));
        }
        shape.push(Extent::read(lexer)?);
    }
    Ok(shape)
}

pub fn packing(p: &Packing) -> String {
    let mut text = format!("{} lanes {} group {}", p.elem, p.lanes, p.group);
    for (word, elem) in [("scale", p.scale), ("min", p.min)] {
        if let Some(elem) = elem {
            text += &format!(" {word} {elem}");
        }
    }
    if p.zero != 0 {
        text += &format!(" zero {}", p.zero);
    }
    text
}

pub fn read_packing(lexer: &mut Lexer<'_>) -> Parsed<Packing> {
    let elem = read_dtype(lexer)?;
    lexer.expect_word("lanes")?;
    let lanes = read_size(lexer, 1 << 10)?;
    lexer.expect_word("group")?;
    let group = read_size(lexer, 1 << 20)?;
    let scale = if lexer.eat_word("scale") { Some(read_dtype(lexer)?) } else { None };
    let min = if lexer.eat_word("min") { Some(read_dtype(lexer)?) } else { None };
    let zero = if lexer.eat_word("zero") {
        let x = lexer.int("a zero point")?;
        match i32::try_from(x) {
            Ok(x) => x,
            Err(_) => return lexer.error(format!("the zero point {x} does not fit 32 bits")),
        }
    } else {
        0
    };
    Ok(Packing { elem, lanes, group, scale, min, zero })
}

fn read_dtype(lexer: &mut Lexer<'_>) -> Parsed<Dtype> {
    let span = lexer.span();
    let word = lexer.word("an element type")?;
    Dtype::parse(&word).ok_or_else(|| {
        crate::diag::Diagnostic::new(span, format!("`{word}` is not an element type"))
            .help(format!("element types are {}", join(Dtype::all())))
    })
}

fn read_size(lexer: &mut Lexer<'_>, most: usize) -> Parsed<usize> {
    let span = lexer.span();
    let x = lexer.int("a size")?;
    match usize::try_from(x) {
        Ok(size) if (1..=most).contains(&size) => Ok(size),
        Ok(_) | Err(_) => {
            Err(crate::diag::Diagnostic::new(span, format!("{x} is not between 1 and {most}")))
        }
    }
}

pub fn symbol(s: &Symbol) -> String {
    match &s.ragged {
        Some(over) => format!("{}[{over}]", s.name),
        None => s.name.clone(),
    }
}

pub fn read_symbol(lexer: &mut Lexer<'_>) -> Parsed<Symbol> {
    let name = lexer.word("a symbol")?;
    let mut ragged = None;
    if lexer.eat("[") {
        ragged = Some(lexer.word("a symbol")?);
        lexer.expect("]")?;
    }
    Ok(Symbol { name, ragged })
}

pub fn prepare(p: &Prepare) -> String {
    format!("{} = pack({}) : {}", p.name, p.source, packing(&p.packing))
}

pub fn read_prepare(lexer: &mut Lexer<'_>) -> Parsed<Prepare> {
    let name = lexer.word("the name of a packed weight")?;
    lexer.expect("=")?;
    lexer.expect_word("pack")?;
    lexer.expect("(")?;
    let source = lexer.word("the name of a weight")?;
    lexer.expect(")")?;
    lexer.expect(":")?;
    Ok(Prepare { name, source, packing: read_packing(lexer)? })
}

pub fn param(p: &Param) -> String {
    match p {
        Param::Tensor(t) => tensor(t),
        Param::Scalar(name) => format!("scalar {name}"),
    }
}

pub fn read_param(
    lexer: &mut Lexer<'_>,
    formats: &dyn Fn(&str) -> Option<&'static Format>,
) -> Parsed<Param> {
    if lexer.eat_word("scalar") {
        return Ok(Param::Scalar(lexer.word("the name of a scalar")?));
    }
    Ok(Param::Tensor(read_tensor(lexer, formats)?))
}

pub fn slot(s: &Slot) -> String {
    match s {
        Slot::Pointer(name) => format!("pointer {name}"),
        Slot::Stride(name, dim) => format!("stride {name} {dim}"),
        Slot::Extent(extent) => format!("extent {extent}"),
        Slot::Counter(i) => format!("counter {i}"),
        Slot::Scratch => "scratch".into(),
    }
}

pub fn read_slot(lexer: &mut Lexer<'_>) -> Parsed<Slot> {
    let index = |lexer: &mut Lexer<'_>, what: &str, end: usize| -> Parsed<usize> {
        let span = lexer.span();
        let x = lexer.int(what)?;
        usize::try_from(x).ok().filter(|i| *i < end).ok_or_else(|| {
            crate::diag::Diagnostic::new(
                span,
                format!("{what} {x} is not between 0 and {}", end - 1),
            )
        })
    };
    let span = lexer.span();
    let word = lexer.word("pointer, stride, extent, counter or scratch")?;
    Ok(match word.as_str() {
        "pointer" => Slot::Pointer(lexer.word("the name of a tensor")?),
        "stride" => {
            let name = lexer.word("the name of a tensor")?;
            Slot::Stride(name, index(lexer, "dimension", MAX_RANK)?)
        }
        "extent" => Slot::Extent(Extent::read(lexer)?),
        "counter" => Slot::Counter(index(lexer, "counter", super::MAX_COUNTERS)?),
        "scratch" => Slot::Scratch,
        other => {
            return Err(crate::diag::Diagnostic::new(span, format!("`{other}` is not a slot"))
                .help("slots are pointer, stride, extent, counter, scratch"));
        }
    })
}

pub fn predicate(p: &Predicate) -> String {
    format!("{} {} {}", p.left, p.cmp.symbol(), p.right)
}

pub fn read_predicate(lexer: &mut Lexer<'_>) -> Parsed<Predicate> {
    let left = Extent::read(lexer)?;
    let Some(cmp) = Compare::ALL.into_iter().find(|c| lexer.eat(c.symbol())) else {
        return lexer.error("expected a comparison: < <= == != >= >");
    };
    Ok(Predicate { left, cmp, right: Extent::read(lexer)? })
}

pub fn launch(l: &Launch) -> String {
    let args = l.args.iter().map(|a| match a {
        Arg::Tensor(name) => name.clone(),
        Arg::Scalar(extent) => extent.to_string(),
    });
    format!("{}({})", l.kernel, join(args))
}

/// `params` finds the parameters of a kernel: they tell tensors from scalars.
pub fn read_launch<'a>(
    lexer: &mut Lexer<'_>,
    params: &dyn Fn(&str) -> Option<&'a [Param]>,
) -> Parsed<Launch> {
    let span = lexer.span();
    let kernel = lexer.word("the name of a kernel")?;
    let Some(params) = params(&kernel) else {
        return Err(crate::diag::Diagnostic::new(span, format!("there is no kernel `{kernel}`")));
    };
    lexer.expect("(")?;
    let mut args = Vec::new();
    for (i, param) in params.iter().enumerate() {
        if i > 0 {
            lexer.expect(",")?;
        }
        args.push(match param {
            Param::Tensor(_) => Arg::Tensor(lexer.word("the name of a tensor")?),
            Param::Scalar(_) => Arg::Scalar(Extent::read(lexer)?),
        });
    }
    lexer.expect(")")?;
    Ok(Launch { kernel, args })
}
