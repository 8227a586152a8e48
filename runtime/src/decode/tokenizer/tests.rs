//! Vocabularies made here; answers by hand, or by the rule written anew.

use super::*;
use crate::files::{
    gguf::{Array, NewTensor, Value, write},
    tests::Folder,
};

type Pairs = Vec<(String, Value)>;

fn texts(list: &[&str]) -> Value {
    Value::Array(Array::from(list))
}

fn open(pairs: Pairs) -> Result<Tokenizer, Error> {
    let folder = Folder::new();
    let path = folder.file("v.gguf");
    let none: [NewTensor; 0] = [];
    write(&path, &pairs, &none).unwrap();
    Tokenizer::open(&Gguf::open(&path).unwrap())
}

/// The keys of a vocabulary of byte pairs.
fn byte_pair_keys() -> Pairs {
    let tokens = [
        "a", "b", "c", "Ġ", "ab", "Ġab", "abc", "<s>", "</s>", "Ċ", "'", "Ã", "©", "Ã©", "bc",
        "漢x",
    ];
    let types: Vec<i32> = tokens.iter().map(|t| if t.starts_with('<') { 3 } else { 1 }).collect();
    let merges = ["a b", "Ġ ab", "ab c", "Ã ©", "c c", "b c"];
    vec![
        (MODEL.into(), Value::Text("gpt2".into())),
        (PRE.into(), Value::Text("gpt-2".into())),
        (TOKENS.into(), texts(&tokens)),
        (TYPES.into(), Value::Array(Array::from(&types[..]))),
        (MERGES.into(), texts(&merges)),
        ("tokenizer.ggml.bos_token_id".into(), Value::U32(7)),
        ("tokenizer.ggml.eos_token_id".into(), Value::U32(8)),
    ]
}

/// The same with keys replaced, or left out where there is no value.
fn changed(mut pairs: Pairs, changes: &[(&str, Option<Value>)]) -> Pairs {
    for (key, value) in changes {
        pairs.retain(|(k, _)| k != key);
        pairs.extend(value.clone().map(|v| (String::from(*key), v)));
    }
    pairs
}

#[test]
fn byte_pairs_are_merged_by_rank() {
    let t = open(byte_pair_keys()).unwrap();
    assert_eq!((t.len(), t.is_empty()), (16, false));
    let cases: [(&str, &[u32]); 6] = [
        ("abc ab", &[6, 5]),
        ("", &[]),
        ("é\n", &[13, 9]),
        // Joined, but no token: its characters are.
        ("ccb", &[2, 2, 1]),
        ("bca'", &[14, 0, 10]),
        // The name of a control token is text like any other, and this vocabulary lacks its signs.
        ("b", &[1]),
    ];
    for (text, ids) in cases {
        assert_eq!(t.encode(text).unwrap(), ids, "{text:?}");
        assert_eq!(t.decode(ids), text);
    }
    assert_eq!(t.encode("<s>").unwrap_err().to_string(), "the vocabulary has no token for \"<\"");
    assert!(t.is_end(8) && !t.is_end(7));
    assert_eq!(t.decode(&[7, 0, 8]), "a");
    assert_eq!(t.bytes(11), [0xc3]);
    assert_eq!(t.decode(&[11]), "\u{fffd}");
    assert_eq!(t.decode(&[15, 99]), "漢x");
}

#[test]
fn texts_begin_and_end_as_the_file_says() {
    let add = |name: &str| (format!("tokenizer.ggml.add_{name}_token"), Value::Bool(true));
    let mut pairs = byte_pair_keys();
    pairs.extend([add("bos"), add("eos")]);
    assert_eq!(open(pairs).unwrap().encode("a").unwrap(), [7, 0, 8]);
    let whole = changed(byte_pair_keys(), &[(PRE, Some(Value::Text("llama-bpe".into())))]);
    let whole = changed(whole, &[(MERGES, Some(texts(&["b c"])))]);
    // A whole piece that is a token needs no merges; this split has texts begin with a token.
    assert_eq!(open(whole).unwrap().encode("abc ab bcc").unwrap(), [7, 6, 5, 3, 14, 2]);
}

fn piece_keys() -> Pairs {
    let tokens =
        ["<unk>", "<s>", "</s>", "<0x0A>", "<0xC3>", "▁", "a", "b", "▁a", "ab", "▁ab", "ba"];
    let types = [2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 1];
    let scores = [0.0, 0.0, 0.0, 0.0, 0.0, -9.0, -8.0, -7.0, -3.0, -2.0, -2.5, -1.0];
    vec![
        (MODEL.into(), Value::Text("llama".into())),
        (TOKENS.into(), texts(&tokens)),
        (TYPES.into(), Value::Array(Array::from(&types[..]))),
        (SCORES.into(), Value::Array(Array::from(&scores[..]))),
        ("tokenizer.ggml.bos_token_id".into(), Value::U32(1)),
        ("tokenizer.ggml.eos_token_id".into(), Value::U32(2)),
    ]
}

#[test]
fn pieces_are_joined_by_score() {
    let t = open(piece_keys()).unwrap();
    let cases: [(&str, &[u32]); 6] = [
        // `ba` has the best score, then nothing joins `▁a` and it.
        ("aba", &[1, 8, 11]),
        ("ab", &[1, 10]),
        ("a ab", &[1, 8, 10]),
        ("", &[1]),
        // Bytes where no piece is: of `é` the vocabulary has the first alone.
        ("\né", &[1, 5, 3, 4, 0]),
        ("  a", &[1, 5, 5, 8]),
    ];
    for (text, ids) in cases {
        assert_eq!(t.encode(text).unwrap(), ids, "{text:?}");
    }
    assert_eq!(t.decode(&[1, 10, 8, 3]), " ab a\n");
    assert_eq!(t.decode(&[0]), "\u{fffd}");
    let pairs =
        changed(piece_keys(), &[("tokenizer.ggml.add_space_prefix", Some(Value::Bool(false)))]);
    assert_eq!(open(pairs).unwrap().encode("ab").unwrap(), [1, 9]);
}

#[test]
fn scores_are_ordered_as_numbers() {
    let mut list = [-1e9f32, -2.5, -0.0, 0.0, 1e-20, 3.0, f32::INFINITY, f32::NEG_INFINITY];
    list.sort_by_key(|x| descending(*x));
    assert!(list.windows(2).all(|p| p[0] >= p[1]), "{list:?}");
}

#[test]
fn what_is_wrong_names_its_key() {
    let text = |x: &str| Some(Value::Text(x.into()));
    let list = |x: &[i32]| Some(Value::Array(Array::from(x)));
    let many = "`rwkv` is a way kgen does not know; it knows gpt2 and llama";
    let split = "`x` is a split kgen does not know; it knows gpt-2, smollm, llama-bpe, llama3, llama-v3, qwen2";
    let bos = "tokenizer.ggml.bos_token_id";
    let add = "tokenizer.ggml.add_bos_token";
    let cases: Vec<(Pairs, String)> = vec![
        (vec![], format!("the file has no key `{TOKENS}`")),
        (changed(byte_pair_keys(), &[(MODEL, text("rwkv"))]), format!("key `{MODEL}`: {many}")),
        (changed(byte_pair_keys(), &[(PRE, text("x"))]), format!("key `{PRE}`: {split}")),
        (
            changed(byte_pair_keys(), &[(PRE, None)]),
            format!("the file has no key `{PRE}`; did you mean `{MERGES}`?"),
        ),
        (
            changed(byte_pair_keys(), &[(TOKENS, list(&[3]))]),
            format!("key `{TOKENS}`: it is I32(3), not a list of texts"),
        ),
        (
            changed(byte_pair_keys(), &[(TOKENS, Some(texts(&[])))]),
            format!("key `{TOKENS}`: it has no tokens"),
        ),
        (
            changed(byte_pair_keys(), &[(TOKENS, text("a"))]),
            format!("key `{TOKENS}`: it is the text `a`, not a list"),
        ),
        (
            changed(byte_pair_keys(), &[(TYPES, list(&[1]))]),
            format!("key `{TYPES}`: 1 types for 16 tokens"),
        ),
        (
            changed(byte_pair_keys(), &[(TYPES, list(&[-1]))]),
            format!("key `{TYPES}`: it is I32(-1), not a list of whole numbers"),
        ),
        (
            changed(byte_pair_keys(), &[(bos, Some(Value::U32(16)))]),
            format!("key `{bos}`: 16 is none of 16 tokens"),
        ),
        (
            changed(byte_pair_keys(), &[(bos, Some(Value::F32(1.5)))]),
            format!("key `{bos}`: it is F32(1.5), not a whole number"),
        ),
        (
            changed(byte_pair_keys(), &[(add, Some(Value::U32(1)))]),
            format!("key `{add}`: it is U32(1), not true or false"),
        ),
        (
            changed(byte_pair_keys(), &[(add, Some(Value::Bool(true))), (bos, None)]),
            format!("key `{bos}`: the text should begin with this token, but the file has none"),
        ),
        (
            changed(piece_keys(), &[(SCORES, None)]),
            format!("the file has no key `{SCORES}`; did you mean `{MODEL}`?"),
        ),
        (
            changed(piece_keys(), &[(SCORES, Some(Value::Array(Array::from(&[1f32][..]))))]),
            format!("key `{SCORES}`: 1 scores for 12 tokens"),
        ),
        (
            changed(piece_keys(), &[(SCORES, list(&[1]))]),
            format!("key `{SCORES}`: it is I32(1), not a list of f32"),
        ),
        (
            changed(piece_keys(), &[(MODEL, Some(Value::Array(Array::from(&[1i32][..]))))]),
            format!("key `{MODEL}`: it is a list of 1 values, not a text"),
        ),
    ];
    for (pairs, told) in cases {
        assert_eq!(open(pairs).unwrap_err().to_string(), told);
    }
}

#[test]
fn a_vocabulary_without_unknown_says_so() {
    let types = [1, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 1];
    let pairs = changed(piece_keys(), &[(TYPES, Some(Value::Array(Array::from(&types[..]))))]);
    let error = open(pairs).unwrap().encode("x").unwrap_err().to_string();
    assert_eq!(error, "the vocabulary has no token for \"x\"");
}
