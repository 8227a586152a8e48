//! Reads the metadata of a model file: each value has the type that is asked for, or the error names its key.

use super::Error;
use crate::files::gguf::{Array, Gguf, Value};
use kgen_ir::diag::did_you_mean;

pub struct Keys<'a> {
    gguf: &'a Gguf,
}

impl<'a> Keys<'a> {
    pub fn new(gguf: &'a Gguf) -> Keys<'a> {
        Keys { gguf }
    }

    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.gguf.metadata().get(key)
    }

    fn need(&self, key: &str) -> Result<&'a Value, Error> {
        self.value(key).ok_or_else(|| self.missing(key))
    }

    pub fn missing(&self, key: &str) -> Error {
        let near = did_you_mean(key, self.gguf.metadata().keys().map(String::as_str));
        Error::NoKey { key: key.into(), near: near.map(Into::into) }
    }

    pub fn wrong(&self, key: &str, what: impl Into<String>) -> Error {
        Error::Key { key: key.into(), what: what.into() }
    }

    fn not(&self, key: &str, value: &Value, wanted: &str) -> Error {
        let found = if let Value::Array(list) = value {
            format!("a list of {} values", list.len())
        } else if let Some(text) = value.as_text() {
            format!("the text `{}`", text.chars().take(40).collect::<String>())
        } else {
            format!("{value:?}")
        };
        self.wrong(key, format!("it is {found}, not {wanted}"))
    }

    pub fn text(&self, key: &str) -> Result<&'a str, Error> {
        let value = self.need(key)?;
        value.as_text().ok_or_else(|| self.not(key, value, "a text"))
    }

    /// A whole number, if the key is there.
    pub fn count(&self, key: &str) -> Result<Option<usize>, Error> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let count = value.as_u64().and_then(|x| usize::try_from(x).ok());
        count.map(Some).ok_or_else(|| self.not(key, value, "a whole number"))
    }

    /// A size: a whole number that is not 0.
    pub fn size(&self, key: &str) -> Result<usize, Error> {
        match self.count(key)? {
            None => Err(self.missing(key)),
            Some(0) => Err(self.wrong(key, "it is 0")),
            Some(x) => Ok(x),
        }
    }

    /// The same, if the key is there.
    pub fn size_if(&self, key: &str) -> Result<Option<usize>, Error> {
        if self.value(key).is_none() { Ok(None) } else { self.size(key).map(Some) }
    }

    /// A finite number that is not negative, if the key is there.
    pub fn number(&self, key: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value.as_f64();
        match number.filter(|x| x.is_finite() && *x >= 0.0) {
            Some(x) => Ok(Some(x)),
            None => Err(self.not(key, value, "a finite number of at least 0")),
        }
    }

    pub fn truth(&self, key: &str) -> Result<Option<bool>, Error> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(x)) => Ok(Some(*x)),
            Some(other) => Err(self.not(key, other, "true or false")),
        }
    }

    fn list(&self, key: &str) -> Result<Option<&'a Array>, Error> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(self.not(key, other, "a list")),
        }
    }

    fn each<T>(
        &self,
        key: &str,
        list: &Array,
        wanted: &str,
        one: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let mut out = Vec::with_capacity(list.len());
        for value in list.values() {
            out.push(one(&value).ok_or_else(|| self.not(key, &value, wanted))?);
        }
        Ok(out)
    }

    pub fn texts(&self, key: &str) -> Result<Vec<String>, Error> {
        let list = self.list(key)?.ok_or_else(|| self.missing(key))?;
        self.each(key, list, "a list of texts", |v| v.as_text().map(Into::into))
    }

    /// A list of whole numbers, if the key is there.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<u64>>, Error> {
        let Some(list) = self.list(key)? else { return Ok(None) };
        self.each(key, list, "a list of whole numbers", Value::as_u64).map(Some)
    }

    pub fn floats(&self, key: &str) -> Result<Vec<f32>, Error> {
        let list = self.list(key)?.ok_or_else(|| self.missing(key))?;
        let one = |v: &Value| if let Value::F32(x) = v { Some(*x) } else { None };
        self.each(key, list, "a list of f32", one)
    }
}
