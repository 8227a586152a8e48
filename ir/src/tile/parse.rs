//! Reads the text that [`super::print`] writes.

use super::*;
use crate::{
    artifact::text,
    diag::Diagnostic,
    format::rows,
    lex::{Lexer, Parsed, Token},
};
use std::collections::BTreeMap;

/// Loops and branches inside each other.
const DEPTH: usize = 32;

/// A whole program; values are numbered as they appear.
pub fn parse(text: &str) -> Parsed<Program> {
    let mut lexer = Lexer::new(text)?;
    let l = &mut lexer;
    l.expect_word("program")?;
    let name = l.word("the name of the program")?;
    let mut params = tensors(l, Role::In)?;
    l.expect("->")?;
    params.extend(tensors(l, Role::Out)?);
    let mut p = Program {
        name,
        symbols: vec![],
        params,
        prepares: vec![],
        buffers: vec![],
        kernels: vec![],
        variants: vec![],
    };
    if l.eat_word("symbols") {
        p.symbols.push(text::read_symbol(l)?);
        while l.eat(",") {
            p.symbols.push(text::read_symbol(l)?);
        }
    }
    l.expect("{")?;
    while !l.eat("}") {
        if l.eat_word("prepare") {
            p.prepares.push(text::read_prepare(l)?);
        } else if l.eat_word("buffer") {
            p.buffers.push(tensor(l, Role::Workspace)?);
        } else if l.eat_word("kernel") {
            p.kernels.push(kernel(l)?);
        } else if l.eat_word("variant") {
            let variant = variant(l, &p.kernels)?;
            p.variants.push(variant);
        } else {
            return l.error("expected prepare, buffer, kernel, variant or `}`");
        }
    }
    if l.at_end() { Ok(p) } else { l.error("expected the end of the program") }
}

fn tensors(l: &mut Lexer<'_>, role: Role) -> Parsed<Vec<Tensor>> {
    let mut out = Vec::new();
    l.expect("(")?;
    while !l.eat(")") {
        if !out.is_empty() {
            l.expect(",")?;
        }
        out.push(tensor(l, role)?);
    }
    Ok(out)
}

/// `w.codes: u4[n, k] packed(codes, u4 lanes 4 group 32 scale f16 zero 8)`.
fn tensor(l: &mut Lexer<'_>, role: Role) -> Parsed<Tensor> {
    let name = l.word("the name of a tensor")?;
    l.expect(":")?;
    tensor_type(l, name, role)
}

fn tensor_type(l: &mut Lexer<'_>, name: String, role: Role) -> Parsed<Tensor> {
    let span = l.span();
    let kind = l.word("an element type or a storage format")?;
    let (elem, mut store) = match (Dtype::parse(&kind), rows::find(&kind)) {
        (Some(elem), _) => (elem, Store::Strided),
        // Blocks have no elements; by rule they stand as f32.
        (None, Some(format)) => (Dtype::F32, Store::Blocks(format)),
        (None, None) => {
            return Err(Diagnostic::new(
                span,
                format!("`{kind}` is neither an element type nor a storage format"),
            ));
        }
    };
    let mut shape = Vec::new();
    l.expect("[")?;
    while !l.eat("]") {
        if !shape.is_empty() {
            l.expect(",")?;
        }
        shape.push(Extent::read(l)?);
    }
    if l.is_word("packed") && *l.peek_at(1) == Token::Punct("(") {
        l.expect_word("packed")?;
        l.expect("(")?;
        let span = l.span();
        let word = l.word("a part of a packed weight")?;
        let part = text::part_named(&word).ok_or_else(|| {
            Diagnostic::new(span, format!("`{word}` is not a part of a packed weight"))
        })?;
        l.expect(",")?;
        store = Store::Packed { of: Packing::read(l)?, part };
        l.expect(")")?;
    } else if l.eat_word("field") {
        store = Store::Field(field::Field::read(l)?);
    }
    Ok(Tensor { name, role, elem, shape, store })
}

fn variant(l: &mut Lexer<'_>, kernels: &[Kernel]) -> Parsed<Variant> {
    let name = l.word("the name of a variant")?;
    let mut when = Vec::new();
    if l.eat_word("when") {
        when.push(text::read_predicate(l)?);
        while l.eat(",") {
            when.push(text::read_predicate(l)?);
        }
    }
    l.expect("{")?;
    let mut launches = Vec::new();
    while !l.eat("}") {
        l.expect_word("launch")?;
        let find =
            |name: &str| kernels.iter().find(|k| k.name == name).map(|k| k.params.as_slice());
        launches.push(text::read_launch(l, &find)?);
    }
    Ok(Variant { name, when, launches })
}

struct Reader {
    values: Arena<ValueData>,
    names: BTreeMap<String, Value>,
}

fn kernel(l: &mut Lexer<'_>) -> Parsed<Kernel> {
    let name = l.word("the name of a kernel")?;
    let mut params = Vec::new();
    l.expect("(")?;
    while !l.eat(")") {
        if !params.is_empty() {
            l.expect(",")?;
        }
        let word = l.word("a parameter")?;
        let role = Role::ALL.into_iter().find(|r| r.prefix() == word);
        let (role, name) = match (role, l.peek()) {
            (Some(role), Token::Word(_)) => (role, l.word("a parameter")?),
            _ => (Role::In, word),
        };
        l.expect(":")?;
        if l.is_word("i64") && *l.peek_at(1) != Token::Punct("[") {
            l.expect_word("i64")?;
            params.push(Param::Scalar(name));
        } else {
            params.push(Param::Tensor(tensor_type(l, name, role)?));
        }
    }
    let mut stage = Stage::Built;
    if l.eat_word("stage") {
        let word = l.word("a stage")?;
        let found = Stage::ALL.into_iter().find(|s| s.name() == word);
        let wrong = || Diagnostic::new(l.last_span(), format!("`{word}` is not a stage"));
        stage = found.ok_or_else(wrong)?;
    }
    l.expect("{")?;
    let mut scratch = Vec::new();
    while l.eat_word("scratch") {
        scratch.push(tensor(l, Role::Scratch)?);
    }
    let mut r = Reader { values: Arena::default(), names: BTreeMap::new() };
    let (body, yields) = r.body(l, 0)?;
    if !yields.is_empty() {
        return l.error("a kernel yields nothing");
    }
    l.expect("}")?;
    Ok(Kernel { name, params, scratch, values: r.values, body, stage })
}

impl Reader {
    fn define(&mut self, name: String, ty: Type) -> Value {
        let value = self.values.add(ValueData { name: name.clone(), ty });
        self.names.insert(name, value);
        value
    }

    fn used(&self, l: &mut Lexer<'_>) -> Parsed<Value> {
        let name = l.word("the name of a tile")?;
        let wrong = || Diagnostic::new(l.last_span(), format!("there is no tile `{name}` here"));
        self.names.get(&name).copied().ok_or_else(wrong)
    }

    /// Statements up to `}`, which stays, and what is yielded.
    fn body(&mut self, l: &mut Lexer<'_>, depth: usize) -> Parsed<(Vec<Stmt>, Vec<Value>)> {
        if depth > DEPTH {
            return l.error("statements are nested too deeply");
        }
        let mut out = Vec::new();
        while !l.is("}") {
            if l.at_end() {
                return l.error("expected `}`");
            }
            if l.eat_word("yield") {
                let mut yields = vec![self.used(l)?];
                while l.eat(",") {
                    yields.push(self.used(l)?);
                }
                return Ok((out, yields));
            }
            out.push(self.stmt(l, depth)?);
        }
        Ok((out, vec![]))
    }

    fn stmt(&mut self, l: &mut Lexer<'_>, depth: usize) -> Parsed<Stmt> {
        let call = *l.peek_at(1) == Token::Punct("(");
        let named = matches!(l.peek_at(1), Token::Word(_));
        if l.is_word("let") && named {
            l.expect_word("let")?;
            let name = l.word("a name")?;
            l.expect("=")?;
            return Ok(Stmt::Scalar { name, value: Extent::read(l)? });
        }
        if l.is_word("read") && named {
            l.expect_word("read")?;
            let name = l.word("a name")?;
            l.expect("=")?;
            let (tensor, at) = access(l)?;
            return Ok(Stmt::Read { name, tensor, at: at.into_iter().map(|s| s.start).collect() });
        }
        if l.is_word("any") && named {
            l.expect_word("any")?;
            let name = l.word("a name")?;
            l.expect("=")?;
            return Ok(Stmt::Any { name, value: self.used(l)? });
        }
        if l.is_word("store") && call {
            l.expect_word("store")?;
            l.expect("(")?;
            let (tensor, at) = access(l)?;
            l.expect(",")?;
            let value = self.used(l)?;
            l.expect(")")?;
            return Ok(Stmt::Store { tensor, at, value, guard: l.eat_word("guard") });
        }
        if l.is_word("stage") && call {
            l.expect_word("stage")?;
            l.expect("(")?;
            let (tensor, at) = access(l)?;
            l.expect(",")?;
            let (from, source) = access(l)?;
            l.expect(")")?;
            l.expect_word("rows")?;
            let lo = Extent::read(l)?;
            l.expect("..")?;
            let hi = Extent::read(l)?;
            return Ok(Stmt::Stage(Box::new(Staged { tensor, at, from, source, lo, hi })));
        }
        let assigned = *l.peek_at(1) == Token::Punct("=") || *l.peek_at(1) == Token::Punct(",");
        if l.is_word("commit") && !assigned {
            l.expect_word("commit")?;
            return Ok(Stmt::Commit);
        }
        if l.is_word("wait") && !assigned {
            l.expect_word("wait")?;
            return Ok(Stmt::Wait(small(l, "a number of groups")?));
        }
        if l.is_word("prefetch") && call {
            l.expect_word("prefetch")?;
            l.expect("(")?;
            let (tensor, at) = access(l)?;
            l.expect(",")?;
            let level = l.int("a cache level")?;
            l.expect(")")?;
            let level = u8::try_from(level)
                .map_err(|_| Diagnostic::new(l.last_span(), "a cache level is 1 to 3"))?;
            return Ok(Stmt::Prefetch { tensor, at, level });
        }
        if l.is_word("tasks") && named {
            l.expect_word("tasks")?;
            let var = l.word("a name")?;
            l.expect_word("in")?;
            let lo = l.int("0")?;
            l.expect("..")?;
            if lo != 0 {
                return l.error("tasks start at 0");
            }
            let count = Extent::read(l)?;
            let share = if l.eat_word("static") {
                Share::Static
            } else {
                l.expect_word("dynamic")?;
                Share::Dynamic(l.int("a chunk")?)
            };
            let next = if l.eat_word("next") { Some(l.word("a name")?) } else { None };
            l.expect("{")?;
            let (body, _) = self.body(l, depth + 1)?;
            l.expect("}")?;
            return Ok(Stmt::Tasks { var, count, share, next, body });
        }
        if l.is_word("for") || l.is_word("if") {
            return self.control(l, vec![], depth);
        }
        let mut results = vec![self.result(l)?];
        while l.eat(",") {
            results.push(self.result(l)?);
        }
        l.expect("=")?;
        if (l.is_word("for") || l.is_word("if")) && *l.peek_at(1) != Token::Punct("(") {
            return self.control(l, results, depth);
        }
        let [(name, None)] = &results[..] else {
            return l.error("an expression gives one tile, whose type stands behind it");
        };
        let expr = self.expr(l)?;
        l.expect(":")?;
        let ty = tile_type(l)?;
        Ok(Stmt::Let { value: self.define(name.clone(), ty), expr })
    }

    fn result(&mut self, l: &mut Lexer<'_>) -> Parsed<(String, Option<Type>)> {
        let name = l.word("a statement")?;
        let ty = if l.eat(":") { Some(tile_type(l)?) } else { None };
        Ok((name, ty))
    }

    fn control(
        &mut self,
        l: &mut Lexer<'_>,
        results: Vec<(String, Option<Type>)>,
        depth: usize,
    ) -> Parsed<Stmt> {
        // Results are numbered before what is inside, as they appear; their types follow from it.
        let dummy = || Type::new(Dtype::Bool, &[]);
        let ids: Vec<Value> = results
            .iter()
            .map(|(name, ty)| {
                let ty = ty.clone().unwrap_or_else(dummy);
                self.values.add(ValueData { name: name.clone(), ty })
            })
            .collect();
        let span = l.span();
        let count = |found: usize| {
            let text = format!("{} results, {found} values yielded", results.len());
            if found == results.len() { Ok(()) } else { Err(Diagnostic::new(span.clone(), text)) }
        };
        let stmt = if l.eat_word("for") {
            let var = l.word("a name")?;
            l.expect_word("in")?;
            let lo = Extent::read(l)?;
            l.expect("..")?;
            let hi = Extent::read(l)?;
            l.expect_word("step")?;
            let step = l.int("a step")?;
            let mut params = Vec::new();
            if l.eat_word("with") {
                loop {
                    let name = l.word("a name")?;
                    l.expect("=")?;
                    let init = self.used(l)?;
                    let ty = if l.eat(":") { tile_type(l)? } else { self.values[init].ty.clone() };
                    params.push((name, init, ty));
                    if !l.eat(",") {
                        break;
                    }
                }
            }
            count(params.len())?;
            l.expect("{")?;
            let inits: Vec<Value> = params.iter().map(|p| p.1).collect();
            let params: Vec<Value> =
                params.into_iter().map(|(n, _, ty)| self.define(n, ty)).collect();
            let (body, yields) = self.body(l, depth + 1)?;
            l.expect("}")?;
            count(yields.len())?;
            for ((id, param), (_, ty)) in ids.iter().zip(&params).zip(&results) {
                if ty.is_none() {
                    self.values[*id].ty = self.values[*param].ty.clone();
                }
            }
            let carried = (0..ids.len())
                .map(|i| Carried {
                    result: ids[i],
                    param: params[i],
                    init: inits[i],
                    yielded: yields[i],
                })
                .collect();
            Stmt::For(Box::new(For { var, lo, hi, step, carried, body }))
        } else {
            l.expect_word("if")?;
            let cond = text::read_predicate(l)?;
            l.expect("{")?;
            let (then, first) = self.body(l, depth + 1)?;
            l.expect("}")?;
            count(first.len())?;
            let (mut otherwise, mut second) = (vec![], vec![]);
            if l.eat_word("else") {
                l.expect("{")?;
                (otherwise, second) = self.body(l, depth + 1)?;
                l.expect("}")?;
            }
            count(second.len())?;
            for ((id, value), (_, ty)) in ids.iter().zip(&first).zip(&results) {
                if ty.is_none() {
                    self.values[*id].ty = self.values[*value].ty.clone();
                }
            }
            let yields = (0..ids.len()).map(|i| (ids[i], first[i], second[i])).collect();
            Stmt::If(Box::new(If { cond, then, otherwise, yields }))
        };
        for ((name, _), id) in results.into_iter().zip(ids) {
            self.names.insert(name, id);
        }
        Ok(stmt)
    }

    fn expr(&mut self, l: &mut Lexer<'_>) -> Parsed<Expr> {
        if *l.peek_at(1) != Token::Punct("(") {
            let a = self.used(l)?;
            let op = Binary::INFIX.iter().find(|(_, text)| l.is(text));
            let Some((op, text)) = op else { return l.error("expected an operator") };
            l.expect(text)?;
            return Ok(Expr::Binary(*op, a, self.used(l)?));
        }
        let span = l.span();
        let name = l.word("an expression")?;
        l.expect("(")?;
        let one = |r: &Self, l: &mut Lexer<'_>| r.used(l);
        let expr = match name.as_str() {
            "fill" => Expr::Fill(l.number("a number")?),
            "iota" => {
                let dim = small(l, "a dimension")?;
                l.expect(",")?;
                Expr::Iota { dim, start: Extent::read(l)? }
            }
            "load" => {
                let (tensor, at) = access(l)?;
                l.expect(")")?;
                return Ok(Expr::Load { tensor, at, guard: l.eat_word("guard") });
            }
            "dot" => {
                let a = one(self, l)?;
                l.expect(",")?;
                let b = one(self, l)?;
                let transpose = l.eat("^");
                if transpose {
                    l.expect_word("T")?;
                }
                let acc = if l.eat(",") { Some(one(self, l)?) } else { None };
                Expr::Dot { a, b, transpose, acc }
            }
            "lookup" => {
                let tables = one(self, l)?;
                l.expect(",")?;
                let codes = one(self, l)?;
                let acc = if l.eat(",") { Some(one(self, l)?) } else { None };
                Expr::Lookup { tables, codes, acc }
            }
            "select" => {
                let c = one(self, l)?;
                l.expect(",")?;
                let a = one(self, l)?;
                l.expect(",")?;
                Expr::Select(c, a, one(self, l)?)
            }
            "bits" => Expr::Bits(one(self, l)?),
            "permute" => {
                let a = one(self, l)?;
                l.expect(",")?;
                l.expect("[")?;
                let mut table = Vec::new();
                while !l.is("]") {
                    if !table.is_empty() {
                        l.expect(",")?;
                    }
                    table.push(small(l, "a place")?);
                }
                l.expect("]")?;
                Expr::Permute(a, table)
            }
            "convert" => Expr::Convert(one(self, l)?),
            "transpose" => Expr::Transpose(one(self, l)?),
            other => {
                if let Some(op) = Unary::ALL.into_iter().find(|u| u.name() == other) {
                    Expr::Unary(op, one(self, l)?)
                } else if let Some(op) = Reduce::ALL.into_iter().find(|r| r.name() == other) {
                    let a = one(self, l)?;
                    l.expect(",")?;
                    Expr::Reduce(op, a, small(l, "a dimension")?)
                } else if let Some((op, _)) = Binary::CALLS.iter().find(|(_, n)| *n == other) {
                    let a = one(self, l)?;
                    l.expect(",")?;
                    Expr::Binary(*op, a, one(self, l)?)
                } else {
                    return Err(Diagnostic::new(span, format!("`{other}` is not an expression")));
                }
            }
        };
        l.expect(")")?;
        Ok(expr)
    }
}

fn small(l: &mut Lexer<'_>, what: &str) -> Parsed<usize> {
    let x = l.int(what)?;
    let wrong = |_| Diagnostic::new(l.last_span(), format!("{what} is 0 to {}", u16::MAX));
    u16::try_from(x).map(usize::from).map_err(wrong)
}

/// `q[t, 0:128]`.
fn access(l: &mut Lexer<'_>) -> Parsed<(String, Vec<Slice>)> {
    let tensor = l.word("the name of a tensor")?;
    let mut at = Vec::new();
    l.expect("[")?;
    while !l.eat("]") {
        if !at.is_empty() {
            l.expect(",")?;
        }
        let start = Extent::read(l)?;
        let len = if l.eat(":") { Some(small(l, "a tile's size")?) } else { None };
        at.push(Slice { start, len });
    }
    Ok((tensor, at))
}

/// `f32[4, 16] @register lanes 1`.
fn tile_type(l: &mut Lexer<'_>) -> Parsed<Type> {
    let span = l.span();
    let word = l.word("an element type")?;
    let elem = Dtype::parse(&word)
        .ok_or_else(|| Diagnostic::new(span, format!("`{word}` is not an element type")))?;
    let mut shape = Vec::new();
    l.expect("[")?;
    while !l.eat("]") {
        if !shape.is_empty() {
            l.expect(",")?;
        }
        shape.push(small(l, "a tile's size")?);
    }
    let mut ty = Type { elem, shape, space: None, lanes: None };
    if l.eat("@") {
        let word = l.word("register, scratch or inline")?;
        let found = Space::ALL.into_iter().find(|s| s.name() == word);
        let wrong = || Diagnostic::new(l.last_span(), format!("`{word}` is not a space"));
        ty.space = Some(found.ok_or_else(wrong)?);
    }
    if l.eat_word("lanes") {
        ty.lanes = Some(if l.eat_word("splat") {
            LaneDim::Splat
        } else if matches!(l.peek(), Token::Word(_)) {
            LaneDim::Bits(LaneBits::read(l)?)
        } else {
            LaneDim::Dim(small(l, "a dimension")?)
        });
    }
    Ok(ty)
}
