//! Tensors, packings, launches and slots as single lines.
//!
//! ```text
//! in q: f16[b, m, 32, 128]
//! in w: q4_0[4096, 4096]
//! prepared w.codes: u4[4096, 4096] packed(codes, u4 lanes 4 group 32 scale f16 zero 8)
//! w.packed = pack(w) : u4 lanes 4 group 32 scale f16 zero 8
//! w.packed = pack(w.codes, w.scale as int4 group 128 scale f16 [1, 64, 256]) : u4 lanes 4 group 128 scale f16 zero 8
//! stride k 1
//! ```

use crate::{
    dtype::Dtype,
    extent::Extent,
    format::{Format, pack::Packing, parts::Parts},
    lex::{Lexer, Parsed},
    machine::Slot,
    tile::field::Field,
    tile::{
        Arg, Compare, Form, Launch, Param, Part, Predicate, Prepare, Role, Store, Symbol, Tensor,
    },
};

const ROLES: &[(&str, Role)] = &[
    ("in", Role::In),
    ("out", Role::Out),
    ("workspace", Role::Workspace),
    ("prepared", Role::Prepared),
    ("scratch", Role::Scratch),
];

/// Most dimensions of a tensor.
pub const MAX_RANK: usize = 16;

fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|x| x.to_string()).collect::<Vec<_>>().join(", ")
}

/// `codes`, `scale`, `min`: what follows the name of a packed weight.
pub fn part(part: Part) -> &'static str {
    part.name()
}

pub fn part_named(name: &str) -> Option<Part> {
    Part::ALL.into_iter().find(|p| p.name() == name)
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
        Store::Packed { of, part: p } => format!(" packed({}, {})", part(*p), of),
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
        let word = lexer.word("a part of a packed weight")?;
        let Some(part) = part_named(&word) else {
            return Err(crate::diag::Diagnostic::new(
                span,
                format!("`{word}` is not a part of a packed weight"),
            )
            .help(format!("parts are {}", join(Part::ALL.map(Part::name)))));
        };
        lexer.expect(",")?;
        let of = Packing::read(lexer)?;
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
    match &p.form {
        Form::Blocks(source) => format!("{} = pack({source}) : {}", p.name, p.packing),
        Form::Parts(sources, parts) => {
            format!("{} = pack({} as {parts}) : {}", p.name, join(sources), p.packing)
        }
    }
}

pub fn read_prepare(lexer: &mut Lexer<'_>) -> Parsed<Prepare> {
    let name = lexer.word("the name of a packed weight")?;
    lexer.expect("=")?;
    lexer.expect_word("pack")?;
    lexer.expect("(")?;
    let source = lexer.word("the name of a weight")?;
    let mut sources = vec![source.clone()];
    while lexer.eat(",") {
        sources.push(lexer.word("the name of a weight")?);
    }
    let form = if sources.len() == 1 && !lexer.is_word("as") {
        Form::Blocks(source)
    } else {
        lexer.expect_word("as")?;
        Form::Parts(sources, Parts::read(lexer)?)
    };
    lexer.expect(")")?;
    lexer.expect(":")?;
    Ok(Prepare { name, form, packing: Packing::read(lexer)? })
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
        Slot::End(name) => format!("end {name}"),
        Slot::Report => "report".into(),
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
    let word = lexer.word("pointer, stride, extent, counter, scratch, end or report")?;
    Ok(match word.as_str() {
        "pointer" => Slot::Pointer(lexer.word("the name of a tensor")?),
        "stride" => {
            let name = lexer.word("the name of a tensor")?;
            Slot::Stride(name, index(lexer, "dimension", MAX_RANK)?)
        }
        "extent" => Slot::Extent(Extent::read(lexer)?),
        "counter" => Slot::Counter(index(lexer, "counter", super::MAX_COUNTERS)?),
        "scratch" => Slot::Scratch,
        "end" => Slot::End(lexer.word("the name of a tensor")?),
        "report" => Slot::Report,
        other => {
            return Err(crate::diag::Diagnostic::new(span, format!("`{other}` is not a slot"))
                .help("slots are pointer, stride, extent, counter, scratch, end, report"));
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
