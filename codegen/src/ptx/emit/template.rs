//! The text of a row in pieces, so that it is read once a kernel.
//!
//! ```text
//! @<p0> ld.<S>.<T> <d>, <m4>;   ->   Line { guard: p0, pieces: ["ld.", S, ".", T, " ", d, ", ", m4, ";"] }
//! ```

use super::{Kind, LATER};

/// What copies ask of each lane: that it copies or writes zeros; that it copies. The key is the answer.
const ASKED: [(&str, &str); 2] = [("setp.ge.s32 <p0>", "p0"), ("setp.gt.s32 <p1>", "p1")];

pub(super) struct Template {
    /// Where a lane's own element is, if the row asks.
    pub own: Option<Own>,
    pub now: Vec<Line>,
    pub later: Vec<Line>,
    /// How many registers of its own it has.
    pub temporaries: usize,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Own {
    /// The element of the lane's number, of so many bytes.
    Lane(usize),
    /// As many bytes further as the lane says.
    Told,
}

pub(super) struct Line {
    /// Which of [`ASKED`] the line finds.
    pub finds: Option<usize>,
    /// Which of them the guard is.
    pub asks: Option<usize>,
    /// The predicate it stands behind.
    pub guard: Option<Piece>,
    pub pieces: Vec<Piece>,
}

#[derive(Clone, Copy)]
pub(super) enum Piece {
    Text(&'static str),
    /// An operand.
    Use(usize),
    Def,
    Type,
    Zero,
    /// The immediate, as the bits of a float.
    Bits,
    Immediate,
    Space,
    Base,
    Offset,
    /// The memory operand, and the same at the lane's own element.
    Memory,
    Element,
    Lane,
    Lane64,
    First,
    Worker,
    Temporary(Kind, usize),
}

impl Template {
    /// `None` for a key that is none.
    pub fn of(text: &'static str) -> Option<Template> {
        let (now, later) = text.split_once(LATER).unwrap_or((text, ""));
        let mut keys = Vec::new();
        let mut lines = |text: &'static str| {
            let lines = text.lines().filter(|l| !l.is_empty());
            lines.map(|l| Line::of(l, &mut keys)).collect::<Option<Vec<_>>>()
        };
        let (now, later) = (lines(now)?, lines(later)?);
        let size = text.split_once("<m").and_then(|(_, key)| key.split('>').next()?.parse().ok());
        let told = text.contains("<g>").then_some(Own::Told);
        let own = size.map(Own::Lane).or(told);
        Some(Template { own, now, later, temporaries: keys.len() })
    }
}

impl Line {
    fn of(line: &'static str, keys: &mut Vec<&'static str>) -> Option<Line> {
        let finds = ASKED.iter().position(|(asks, _)| line.starts_with(asks));
        let guard = line.strip_prefix("@<").and_then(|l| l.split_once("> "));
        let asks = guard.and_then(|(key, _)| ASKED.iter().position(|(_, answer)| *answer == key));
        let mut rest = guard.map_or(line, |(_, rest)| rest);
        let guard = match guard {
            Some((key, _)) => Some(Piece::of(key, keys)?),
            None => None,
        };
        let mut pieces = Vec::new();
        while let Some((before, after)) = rest.split_once('<') {
            let (key, after) = after.split_once('>')?;
            pieces.extend([Piece::Text(before), Piece::of(key, keys)?]);
            rest = after;
        }
        pieces.push(Piece::Text(rest));
        Some(Line { finds, asks, guard, pieces })
    }
}

impl Piece {
    fn of(key: &'static str, keys: &mut Vec<&'static str>) -> Option<Piece> {
        Some(match key {
            "a" => Piece::Use(0),
            "b" => Piece::Use(1),
            "c" => Piece::Use(2),
            "e" => Piece::Use(3),
            "d" => Piece::Def,
            "T" => Piece::Type,
            "zero" => Piece::Zero,
            "x" => Piece::Bits,
            "n" => Piece::Immediate,
            "S" => Piece::Space,
            "base" => Piece::Base,
            "o" => Piece::Offset,
            "m" => Piece::Memory,
            "m1" | "m2" | "m4" | "m8" | "m16" | "g" => Piece::Element,
            "lane" => Piece::Lane,
            "lane64" => Piece::Lane64,
            "first" => Piece::First,
            "worker" => Piece::Worker,
            _ => {
                let kind = match key.as_bytes() {
                    [b't', b'0'..=b'9'] => Kind::Word,
                    [b'f', b'0'..=b'9'] => Kind::Float,
                    [b'h', b'0'..=b'9'] => Kind::Half,
                    [b'q', b'0'..=b'9'] => Kind::Quad,
                    [b'p', b'0'..=b'9'] => Kind::Predicate,
                    _ => return None,
                };
                let known = keys.iter().position(|k| *k == key);
                let at = known.unwrap_or_else(|| {
                    keys.push(key);
                    keys.len() - 1
                });
                Piece::Temporary(kind, at)
            }
        })
    }
}
