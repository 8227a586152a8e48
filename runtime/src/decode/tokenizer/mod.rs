//! Text to tokens and back, by the vocabulary that a model file carries.
//!
//! ```text
//! tokenizer.ggml.model   gpt2: byte pairs by rank           llama: sentence pieces by score
//! "The heap."            "The", "Ġheap", "."                "▁The", "▁heap", "."
//! ```
//! A vocabulary is input like any other: whatever it holds, the answer is tokens or an error that names the key.

mod bytes;
mod letters;
mod merge;
mod split;

use super::{Error, keys::Keys};
use crate::files::gguf::Gguf;
use split::{Split, Way};
use std::collections::HashMap;

/// A vocabulary and its way to cut a text.
#[derive(Debug)]
pub struct Tokenizer {
    /// What a token stands for, by its number.
    texts: Vec<Vec<u8>>,
    way: Kind,
    bos: Option<u32>,
    /// Tokens that end a text.
    ends: Vec<u32>,
    add_bos: bool,
    add_eos: bool,
}

#[derive(Debug)]
enum Kind {
    BytePairs {
        split: Split,
        whole: bool,
        /// By their text in the file.
        numbers: HashMap<String, u32>,
        /// `left right`, as the file says them.
        ranks: HashMap<String, u64>,
    },
    Pieces {
        numbers: HashMap<String, u32>,
        scores: Vec<f32>,
        /// The token of each byte.
        bytes: Vec<Option<u32>>,
        unknown: Option<u32>,
        space_first: bool,
    },
}

/// `tokenizer.ggml.token_type`.
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const UNUSED: u64 = 5;
const BYTE: u64 = 6;

/// How sentence pieces write a space.
const SPACE: char = '\u{2581}';

const MODEL: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
const PRE: &str = "tokenizer.ggml.pre";

impl Tokenizer {
    pub fn open(gguf: &Gguf) -> Result<Tokenizer, Error> {
        let keys = Keys::new(gguf);
        let tokens = keys.texts(TOKENS)?;
        if tokens.is_empty() {
            return Err(keys.wrong(TOKENS, "it has no tokens"));
        }
        let types = match keys.numbers(TYPES)? {
            Some(types) if types.len() == tokens.len() => types,
            None => vec![1; tokens.len()],
            Some(types) => {
                let what = format!("{} types for {} tokens", types.len(), tokens.len());
                return Err(keys.wrong(TYPES, what));
            }
        };
        let mut out = match keys.text(MODEL)? {
            "gpt2" => byte_pairs(&keys, &tokens, &types)?,
            "llama" => pieces(&keys, &tokens, &types)?,
            other => {
                let what =
                    format!("`{other}` is a way kgen does not know; it knows gpt2 and llama");
                return Err(keys.wrong(MODEL, what));
            }
        };
        let special = |name: &str| -> Result<Option<u32>, Error> {
            let key = format!("tokenizer.ggml.{name}_token_id");
            match keys.count(&key)? {
                None => Ok(None),
                Some(id) if id < tokens.len() => Ok(Some(id as u32)),
                Some(id) => {
                    Err(keys.wrong(&key, format!("{id} is none of {} tokens", tokens.len())))
                }
            }
        };
        out.bos = special("bos")?;
        for name in ["eos", "eot"] {
            out.ends.extend(special(name)?);
        }
        if let Kind::Pieces { unknown, .. } = &mut out.way {
            *unknown = special("unknown")?.or(*unknown);
        }
        if let Some(add) = keys.truth("tokenizer.ggml.add_bos_token")? {
            out.add_bos = add;
        }
        out.add_eos = keys.truth("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
        if out.add_bos && out.bos.is_none() {
            let what = "the text should begin with this token, but the file has none";
            return Err(keys.wrong("tokenizer.ggml.bos_token_id", what));
        }
        Ok(out)
    }

    /// Tokens of the vocabulary.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether a text ends here.
    pub fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// The bytes that a token stands for; control tokens stand for none.
    pub fn bytes(&self, token: u32) -> &[u8] {
        self.texts.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// The text of tokens; what is no UTF-8 is replaced.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> = tokens.iter().flat_map(|t| self.bytes(*t)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The tokens of a text, with the token for beginnings where the model wants one. Names of control tokens in the
    /// text are text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut out: Vec<u32> = self.bos.filter(|_| self.add_bos).into_iter().collect();
        match &self.way {
            Kind::BytePairs { split, whole, numbers, ranks } => {
                for piece in split.pieces(text) {
                    let word: String = piece.bytes().map(bytes::character).collect();
                    match numbers.get(&word) {
                        Some(id) if *whole => out.push(*id),
                        Some(_) | None => pairs_of(&word, numbers, ranks, &mut out)?,
                    }
                }
            }
            Kind::Pieces { numbers, scores, bytes, unknown, space_first } => {
                let mut written: String =
                    text.chars().map(|c| if c == ' ' { SPACE } else { c }).collect();
                if *space_first && !text.is_empty() {
                    written.insert(0, SPACE);
                }
                let rank = |a: &str, b: &str| {
                    let id = numbers.get(&format!("{a}{b}"))?;
                    scores.get(*id as usize).map(|score| descending(*score))
                };
                for piece in merge::merge(&written, rank) {
                    if let Some(id) = numbers.get(piece) {
                        out.push(*id);
                        continue;
                    }
                    for byte in piece.bytes() {
                        let id = bytes.get(usize::from(byte)).copied().flatten().or(*unknown);
                        out.push(id.ok_or_else(|| none_for(piece))?);
                    }
                }
            }
        }
        if self.add_eos {
            out.extend(self.ends.first());
        }
        Ok(out)
    }
}

fn none_for(piece: &str) -> Error {
    Error::NoToken { text: piece.into() }
}

/// Larger scores first.
fn descending(score: f32) -> u64 {
    let bits = score.to_bits();
    // Ascending order of floats as integers, turned round.
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(!ascending)
}

fn pairs_of(
    word: &str,
    numbers: &HashMap<String, u32>,
    ranks: &HashMap<String, u64>,
    out: &mut Vec<u32>,
) -> Result<(), Error> {
    for piece in merge::merge(word, |a, b| ranks.get(&format!("{a} {b}")).copied()) {
        if let Some(id) = numbers.get(piece) {
            out.push(*id);
            continue;
        }
        // A pair that is joined on the way to a token, but is none itself.
        for c in piece.chars() {
            let id = numbers.get(c.encode_utf8(&mut [0; 4]));
            out.push(*id.ok_or_else(|| none_for(piece))?);
        }
    }
    Ok(())
}

/// Numbers of the tokens that a text may be cut into; of equal ones the first.
fn numbers(tokens: &[String], types: &[u64]) -> HashMap<String, u32> {
    let mut out = HashMap::with_capacity(tokens.len());
    for ((id, token), sort) in (0u32..).zip(tokens).zip(types) {
        if !matches!(*sort, CONTROL | UNUSED | BYTE | UNKNOWN) {
            out.entry(token.clone()).or_insert(id);
        }
    }
    out
}

fn with(texts: Vec<Vec<u8>>, way: Kind, add_bos: bool) -> Tokenizer {
    Tokenizer { texts, way, bos: None, ends: vec![], add_bos, add_eos: false }
}

fn byte_pairs(keys: &Keys<'_>, tokens: &[String], types: &[u64]) -> Result<Tokenizer, Error> {
    let name = keys.text(PRE)?;
    let Some(Way { split, whole, bos }) = split::way(name) else {
        let known = split::names().join(", ");
        let what = format!("`{name}` is a split kgen does not know; it knows {known}");
        return Err(keys.wrong(PRE, what));
    };
    let mut ranks = HashMap::new();
    for (merge, rank) in keys.texts(MERGES)?.into_iter().zip(0u64..) {
        ranks.entry(merge).or_insert(rank);
    }
    let text = |(token, sort): (&String, &u64)| match *sort {
        CONTROL => Vec::new(),
        // Added tokens may be written as they are.
        _ => match token.chars().map(bytes::byte).collect() {
            Some(bytes) => bytes,
            None => token.clone().into_bytes(),
        },
    };
    let texts = tokens.iter().zip(types).map(text).collect();
    let way = Kind::BytePairs { split, whole, numbers: numbers(tokens, types), ranks };
    Ok(with(texts, way, bos))
}

fn pieces(keys: &Keys<'_>, tokens: &[String], types: &[u64]) -> Result<Tokenizer, Error> {
    let scores = keys.floats(SCORES)?;
    if scores.len() != tokens.len() {
        let what = format!("{} scores for {} tokens", scores.len(), tokens.len());
        return Err(keys.wrong(SCORES, what));
    }
    let mut bytes = vec![None; 256];
    let mut texts = Vec::with_capacity(tokens.len());
    for ((id, token), sort) in (0u32..).zip(tokens).zip(types) {
        let byte = token.strip_prefix("<0x").and_then(|t| t.strip_suffix('>'));
        let byte = byte.filter(|_| *sort == BYTE).and_then(|t| u8::from_str_radix(t, 16).ok());
        if let Some(place) = byte.and_then(|b| bytes.get_mut(usize::from(b))) {
            *place = Some(id);
        }
        texts.push(match (byte, *sort) {
            (Some(byte), _) => vec![byte],
            (None, CONTROL) => Vec::new(),
            (None, UNKNOWN) => "\u{fffd}".into(),
            (None, _) => token.replace(SPACE, " ").into_bytes(),
        });
    }
    let unknown = (0u32..).zip(types).find(|(_, sort)| **sort == UNKNOWN).map(|(id, _)| id);
    let space_first = keys.truth("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let numbers = numbers(tokens, types);
    Ok(with(texts, Kind::Pieces { numbers, scores, bytes, unknown, space_first }, true))
}

#[cfg(test)]
mod tests;
