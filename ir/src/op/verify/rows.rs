//! What a row op must keep to: names above, values that fit their tensors, indices inside.

use super::{Checker, MAX_SIZE};
use crate::{
    diag,
    dtype::Dtype,
    op::{
        Dim, RowKind, RowTensor, Rows, Storage,
        expr::{Binary, Expr, Func},
        indices::{self, Varies},
    },
};

/// Wider rows are not looked at element by element.
const MAX_WALK: i64 = 1 << 20;

/// Names that a row op has anyway.
const OWN: [&str; 2] = ["row", "col"];

impl Checker<'_> {
    pub(super) fn rows(&mut self, rows: &Rows) {
        self.size("rows", "`rows`", &rows.rows);
        self.in_range("width", "`width`", rows.width, 1, MAX_SIZE);
        for t in &rows.inputs {
            match &t.kind {
                RowKind::Matrix | RowKind::Vector | RowKind::Column | RowKind::Scalar => {}
                RowKind::Table { rows, width } => {
                    self.own_size(&format!("in.{}.rows", t.name), "`rows`", rows);
                    let place = format!("in.{}.width", t.name);
                    self.own_size(&place, "`width`", width);
                    match (t.blocks, width) {
                        (Some(format), Dim::Const(width)) => {
                            let path = format!("in.{}.dtype", t.name);
                            let blocks = Storage::Block(format);
                            self.storage(&path, &blocks, "width", *width, "width");
                        }
                        (Some(format), Dim::Sym(_) | Dim::Ragged { .. }) => {
                            let message = format!("rows of {} have a known width", format.name);
                            self.fail(&place, &[], message, "give it as an integer");
                        }
                        (None, _) => {}
                    }
                }
                RowKind::List(len) => self.own_size(&format!("in.{}.len", t.name), "`len`", len),
            }
        }
        if rows.outputs.is_empty() {
            let message = "nothing is computed".to_string();
            self.fail("out", &["in"], message, "add an output with a `value`");
        }
        // Values that may be named, with along what they differ.
        let mut known: Vec<(&str, Varies)> =
            rows.inputs.iter().map(|t| (t.name.as_str(), Varies::of(&t.kind))).collect();
        for (name, value) in &rows.lets {
            let path = format!("let.{name}");
            if known.iter().any(|k| k.0 == name) {
                let message = format!("two values are called `{name}`");
                self.fail(&path, &[], message, "give one of them another name");
            }
            let found = self.row_value(rows, &path, value, &known);
            known.push((name, found.unwrap_or_default()));
        }
        for out in &rows.outputs {
            let path = format!("out.{}.value", out.name);
            let found = self.row_value(rows, &path, &out.value, &known);
            let own = Varies::of(&out.kind);
            if let Some(found) = found.filter(|v| !v.fits(own)) {
                let message = format!(
                    "the value is a {}, but `{}` is a {}",
                    word(found),
                    out.name,
                    word(own)
                );
                let help = format!("reduce it, or say `kind = \"{}\"`", word(found));
                self.fail(&path, &["in", "let", &format!("out.{}", out.name)], message, help);
            }
            if let Some(target) = &out.at {
                let base = format!("out.{}", out.name);
                self.own_size(&format!("{base}.rows"), "`rows`", &target.rows);
                self.index(rows, &format!("{base}.at"), &target.at, false);
                if !own.row {
                    let message = format!("`{}` has no rows to be written", out.name);
                    let help = "remove `at`, or let it be a matrix or a column";
                    self.fail(&format!("{base}.at"), &[&base], message, help);
                }
            }
            if rows.lets.iter().any(|l| l.0 == out.name) {
                let message = format!("two values are called `{}`", out.name);
                self.fail(
                    &format!("out.{}", out.name),
                    &[],
                    message,
                    "give one of them another name",
                );
            }
            known.push((&out.name, own));
        }
    }

    /// The size of a table, a list or a target: one number.
    fn own_size(&mut self, path: &str, what: &str, d: &Dim) {
        self.size(path, what, d);
        if let Dim::Ragged { symbol, .. } = d {
            let message = format!("{what} cannot be ragged");
            self.fail(path, &[], message, format!("give the total: `\"{symbol}\"`"));
        }
    }

    /// Along what a value differs, if all in it is known.
    fn row_value(
        &mut self,
        rows: &Rows,
        path: &str,
        e: &Expr,
        known: &[(&str, Varies)],
    ) -> Option<Varies> {
        let before = self.list.len();
        self.read(rows, path, e, known);
        if self.list.len() > before {
            return None;
        }
        let named =
            |name: &str| known.iter().find(|k| k.0 == name).map(|k| k.1).unwrap_or_default();
        let found = indices::varies(rows, e, &named);
        if found.is_none() {
            let message = "only what runs along the row can be reduced".to_string();
            let help = "matrices and vectors have many numbers a row, columns have one";
            self.fail(path, &["in", "let"], message, help);
        }
        found
    }

    /// Names and elements of a value, but for those in its indices.
    fn read(&mut self, rows: &Rows, path: &str, e: &Expr, known: &[(&str, Varies)]) {
        match e {
            Expr::Number(_) => {}
            Expr::Name(name) => match rows.input(name).map(|t| &t.kind) {
                Some(RowKind::Table { .. } | RowKind::List(_)) => {
                    let message = format!("`{name}` is read by index");
                    let help = format!("say which: `{name}[0]`, `{name}[row]`");
                    self.fail(&format!("{path}:{name}"), &[path, "in"], message, help);
                }
                Some(_) | None => {
                    let names: Vec<&str> = known.iter().map(|k| k.0).collect();
                    self.named(path, name, &names, "inputs, and outputs above");
                }
            },
            Expr::Unary(_, a) | Expr::Reduce(_, a) => self.read(rows, path, a, known),
            Expr::Binary(_, a, b) => {
                self.read(rows, path, a, known);
                self.read(rows, path, b, known);
            }
            Expr::Call(_, args) => args.iter().for_each(|a| self.read(rows, path, a, known)),
            Expr::At(name, list) => self.element(rows, path, name, list),
        }
    }

    fn named(&mut self, path: &str, name: &str, known: &[&str], otherwise: &str) {
        if known.contains(&name) || OWN.contains(&name) {
            return;
        }
        let help = match diag::did_you_mean(name, known.iter().copied()) {
            Some(near) if name.len() > 1 => format!("did you mean `{near}`?"),
            Some(_) | None => {
                format!("known here: {} {}; {otherwise}", known.join(" "), OWN.join(" "))
            }
        };
        self.fail(&format!("{path}:{name}"), &[path], format!("unknown name `{name}`"), help);
    }

    /// `name[list]`.
    fn element(&mut self, rows: &Rows, path: &str, name: &str, list: &[Expr]) {
        let place = format!("{path}:{name}");
        let Some(t) = rows.input(name) else {
            let inputs: Vec<&str> = rows.inputs.iter().map(|t| t.name.as_str()).collect();
            let message = format!("`{name}` is no input, so it has no elements to read by index");
            let help = match diag::did_you_mean(name, inputs.iter().copied()) {
                Some(near) if name.len() > 1 => format!("did you mean `{near}`?"),
                Some(_) | None => format!("inputs: {}", inputs.join(" ")),
            };
            return self.fail(&place, &[path, "in"], message, help);
        };
        // Sizes that the op knows, and whether the first index may follow `col`.
        let constant = |d: &Dim| match d {
            Dim::Const(x) => Some(*x),
            Dim::Sym(_) | Dim::Ragged { .. } => None,
        };
        let (sizes, most) = match &t.kind {
            RowKind::Matrix | RowKind::Vector => (vec![Some(rows.width)], 1),
            RowKind::List(len) => (vec![constant(len)], 1),
            RowKind::Table { rows, width } => (vec![constant(rows), constant(width)], 2),
            RowKind::Column | RowKind::Scalar => {
                let message = format!("`{name}` has one number a row");
                let help = "say `kind = \"list\"` to read it by index";
                return self.fail(&place, &[path, "in"], message, help);
            }
        };
        if list.len() > most {
            let message = format!("`{name}` has {most} indices, not {}", list.len());
            return self.fail(&place, &[path, "in"], message, "a table has two, the rest have one");
        }
        for (nth, e) in list.iter().enumerate() {
            let along = most == 1 || nth == 1;
            if !self.index(rows, path, e, along) {
                continue;
            }
            if let (Some(size), false) = (sizes[nth], indices::uses_call(e)) {
                self.inside(rows, &place, &format!("{name}[{e}]"), e, size);
            }
        }
        if let (2, [_], Some(width)) = (most, list, sizes[most - 1])
            && width < rows.width
        {
            let message =
                format!("rows of `{name}` have {width} elements, those of the op {}", rows.width);
            let help = format!("say which of them: `{name}[{}, col % {width}]`", list[0]);
            self.fail(&place, &[path, "in", "width"], message, help);
        }
    }

    /// An index that `col` alone says reaches no element that is not there.
    fn inside(&mut self, rows: &Rows, place: &str, site: &str, e: &Expr, size: i64) {
        let cols = if indices::uses_col(e) { rows.width } else { 1 };
        for col in 0..cols.min(MAX_WALK) {
            let Ok(index) = indices::at_col(e, col) else { return };
            if !(0..size).contains(&index) {
                let message =
                    format!("`{site}` asks for element {index} of {size} where col = {col}");
                let help = "wrap it, as in `x[(col + 64) % 128]`, or choose with `select`";
                return self.fail(place, &["in", "width"], message, help);
            }
        }
    }

    /// Names, types and divisors of an index; `false` where something is wrong.
    fn index(&mut self, rows: &Rows, path: &str, e: &Expr, along: bool) -> bool {
        let before = self.list.len();
        let symbols = self.op.symbols();
        let symbols: Vec<&str> =
            symbols.iter().filter(|s| s.ragged.is_none()).map(|s| s.name.as_str()).collect();
        self.index_part(rows, path, e, &symbols);
        if !along && indices::uses_col(e) {
            let message = "which row it is cannot depend on `col`".to_string();
            let help = "rows are read and written as a whole";
            self.fail(&format!("{path}:col"), &[path], message, help);
        }
        self.list.len() == before
    }

    fn index_part(&mut self, rows: &Rows, path: &str, e: &Expr, symbols: &[&str]) {
        let whole = |t: &RowTensor| matches!(t.dtype, Dtype::I32 | Dtype::I64);
        match e {
            Expr::Number(_) => {}
            Expr::Name(name) => {
                let wanted = |t: &&RowTensor| {
                    matches!(t.kind, RowKind::Column | RowKind::Scalar) && whole(t)
                };
                if let Some(t) = rows.input(name).filter(|t| !wanted(t)) {
                    let message = format!("`{}` is no index", t.name);
                    let help =
                        "an index is of `row`, `col`, symbols, and i32 or i64 columns and scalars";
                    return self.fail(&format!("{path}:{name}"), &[path, "in"], message, help);
                }
                let inputs = rows.inputs.iter().filter(wanted).map(|t| t.name.as_str());
                let known: Vec<&str> = inputs.chain(symbols.iter().copied()).collect();
                self.named(path, name, &known, "a new symbol is declared under `[dims]`");
            }
            Expr::At(name, list) => {
                self.element(rows, path, name, list);
                if let Some(t) = rows.input(name).filter(|t| !whole(t)) {
                    let message = format!("`{}` holds {}, which is no index", t.name, t.dtype);
                    let help = "indices are i32 or i64";
                    self.fail(&format!("{path}:{name}"), &[path, "in"], message, help);
                }
                if let (Some(RowKind::Table { .. }), [_]) =
                    (rows.input(name).map(|t| &t.kind), &list[..])
                {
                    let message = format!("`{name}[{}]` is a row, not an index", list[0]);
                    let help = format!("say which element: `{name}[{}, 0]`", list[0]);
                    self.fail(&format!("{path}:{name}"), &[path, "in"], message, help);
                }
            }
            Expr::Unary(_, a) => self.index_part(rows, path, a, symbols),
            Expr::Reduce(..) => {
                let message = "an index reduces nothing".to_string();
                self.fail(path, &[], message, "give it as a column of its own");
            }
            Expr::Binary(op, a, b) => {
                self.index_part(rows, path, a, symbols);
                self.index_part(rows, path, b, symbols);
                if matches!(op, Binary::Div | Binary::Rem) {
                    self.divisor(path, b);
                }
            }
            Expr::Call(func, args) => {
                args.iter().for_each(|a| self.index_part(rows, path, a, symbols));
                if let (Func::Block, [_, b]) = (func, &args[..]) {
                    self.divisor(path, b);
                }
            }
        }
    }

    fn divisor(&mut self, path: &str, b: &Expr) {
        if let Expr::Number(x) = b
            && *x < 1.0
        {
            let message = format!("an index cannot be divided by {x}");
            self.fail(path, &[], message, "divide by 1 or more");
        }
    }
}

fn word(v: Varies) -> &'static str {
    match (v.row, v.col) {
        (true, true) => "matrix",
        (false, true) => "vector",
        (true, false) => "column",
        (false, false) => "scalar",
    }
}
