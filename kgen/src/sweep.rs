//! `--set` values: what run-time symbols are.
//!
//! ```text
//! m=1            one value
//! m=1,16,256     a sweep: one case each
//! n=[1000,17]    ragged: one value per sequence
//! n=[1,2],[3,4]  a sweep over ragged values
//! ```

use crate::Error;

/// One value of a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    One(i64),
    Ragged(Vec<i64>),
}

/// A symbol and the values it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub symbol: String,
    pub values: Vec<Value>,
}

/// Reads `b=4`, `m=1,16`, `n=[1000,17]`.
pub fn parse(text: &str) -> Result<Setting, Error> {
    let wrong = |why: String| Error::Usage(format!("--set {text}: {why}"));
    let Some((symbol, mut rest)) = text.split_once('=') else {
        return Err(wrong("expected NAME=VALUE, such as b=4 or n=[1000,17]".into()));
    };
    let symbol = symbol.trim();
    // `kv.pages`: a size of a segment's own tensors.
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if symbol.is_empty()
        || !symbol.chars().all(word)
        || symbol.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(wrong(format!("`{symbol}` is not the name of a symbol")));
    }
    let mut values = Vec::new();
    loop {
        rest = rest.trim_start();
        let item_end;
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((list, after)) = inner.split_once(']') else {
                return Err(wrong("a `[` is not closed by `]`".into()));
            };
            let list: Result<Vec<i64>, String> = if list.trim().is_empty() {
                Ok(vec![])
            } else {
                list.split(',').map(size).collect()
            };
            values.push(Value::Ragged(list.map_err(wrong)?));
            item_end = after.trim_start();
        } else {
            let at = rest.find(',').unwrap_or(rest.len());
            let (item, after) = rest.split_at(at);
            values.push(Value::One(size(item).map_err(wrong)?));
            item_end = after;
        }
        if item_end.is_empty() {
            return Ok(Setting { symbol: symbol.into(), values });
        }
        let Some(after) = item_end.strip_prefix(',') else {
            return Err(wrong(format!("expected a comma before `{item_end}`")));
        };
        rest = after;
    }
}

/// All settings of a command line; one symbol may be set once.
pub fn parse_all(texts: &[String]) -> Result<Vec<Setting>, Error> {
    let mut all: Vec<Setting> = Vec::new();
    for text in texts {
        let setting = parse(text)?;
        if all.iter().any(|s| s.symbol == setting.symbol) {
            let why = format!("`{}` is set twice; a sweep is one option: m=1,16", setting.symbol);
            return Err(Error::Usage(format!("--set {text}: {why}")));
        }
        all.push(setting);
    }
    Ok(all)
}

/// Every combination of the settings, the last symbol fastest.
pub fn cases(settings: &[Setting]) -> Vec<Vec<(String, Value)>> {
    let mut all = vec![Vec::new()];
    for s in settings {
        let longer = |case: &Vec<(String, Value)>| {
            let case = case.clone();
            let with = move |v: &Value| {
                let mut case = case.clone();
                case.push((s.symbol.clone(), v.clone()));
                case
            };
            s.values.iter().map(with).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

fn size(text: &str) -> Result<i64, String> {
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(x) if x >= 0 => Ok(x),
        Ok(_) => Err(format!("`{text}` is negative; sizes are 0 or more")),
        Err(_) => Err(format!("`{text}` is not an integer that fits 64 bits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Value::{One, Ragged};

    fn said(text: &str) -> String {
        parse(text).expect_err("a mistake").to_string()
    }

    #[test]
    fn values_sweeps_and_ragged_lists_are_read() {
        let of = |text| parse(text).expect("well formed").values;
        assert_eq!(of("b=4"), [One(4)]);
        assert_eq!(of("m=0, 16 ,256"), [One(0), One(16), One(256)]);
        assert_eq!(of("n=[1000,17]"), [Ragged(vec![1000, 17])]);
        assert_eq!(of("n=[],[3]"), [Ragged(vec![]), Ragged(vec![3])]);
        assert_eq!(of("n=[1,2],5"), [Ragged(vec![1, 2]), One(5)]);
    }

    #[test]
    fn each_mistake_is_named() {
        assert!(said("b").contains("expected NAME=VALUE"));
        assert!(said("=4").contains("not the name of a symbol"));
        assert!(said("4b=4").contains("not the name of a symbol"));
        assert!(said("b=").contains("not an integer"));
        assert!(said("b=1,").contains("not an integer"));
        assert!(said("b=99999999999999999999").contains("not an integer"));
        assert!(said("b=-1").contains("negative"));
        assert!(said("n=[1,2").contains("not closed"));
        assert!(said("n=[1]2").contains("expected a comma"));
        let twice = parse_all(&["b=1".into(), "b=2".into()]).expect_err("set twice");
        assert!(twice.to_string().contains("set twice"));
    }

    #[test]
    fn a_sweep_gives_every_combination() {
        let settings = parse_all(&["a=1,2".into(), "b=3,4".into()]).expect("well formed");
        let all = cases(&settings);
        assert_eq!(all.len(), 4);
        assert_eq!(all[1], [("a".to_string(), One(1)), ("b".to_string(), One(4))]);
        assert_eq!(cases(&[]), [vec![]]);
    }
}
