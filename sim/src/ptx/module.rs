//! A text that was read: its kernels, ready to run.

use super::{
    Error, decode,
    op::Kernel,
    parse::parse,
    text::{Space, Text},
};

/// The kernels of a PTX text.
#[derive(Clone, Debug)]
pub struct Module {
    text: String,
    kernels: Vec<Kernel>,
    /// Variables in .global and .const memory: name, bytes, are they constant, are they given a value.
    pub(crate) variables: Vec<(String, Vec<u8>, bool)>,
    version: (u32, u32),
    target: String,
}

/// A kernel of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(usize);

impl Module {
    /// Reads a text and resolves all its kernels: an instruction that the simulator does not know is an error here.
    pub fn parse(text: &str) -> Result<Module, Error> {
        let tree: Text<'_> = parse(text)?;
        let entries = tree.functions.iter().filter(|f| f.entry && f.body.is_some());
        let kernels = entries.map(|f| decode::kernel(&tree, f)).collect::<Result<_, _>>()?;
        let kept =
            tree.variables.iter().filter(|v| matches!(v.space, Space::Global | Space::Const));
        let variables = kept.map(|v| {
            // What has no value starts as zeros.
            let mut bytes = v.bytes.clone();
            bytes.resize(v.size, 0);
            (v.name.to_string(), bytes, v.space == Space::Const)
        });
        Ok(Module {
            variables: variables.collect(),
            text: text.into(),
            kernels,
            version: tree.version,
            target: tree.target.into(),
        })
    }

    pub fn entry(&self, name: &str) -> Option<Entry> {
        self.kernels.iter().position(|k| k.name == name).map(Entry)
    }

    /// Names of all kernels.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.kernels.iter().map(|k| k.name.as_str())
    }

    /// Name and bytes of each parameter of a kernel.
    pub fn params(&self, entry: Entry) -> Vec<(&str, u32)> {
        let params = self.kernel(entry).map(|k| &k.params[..]).unwrap_or(&[]);
        params.iter().map(|(name, _, size)| (name.as_str(), *size)).collect()
    }

    /// Threads a block must have (`.reqntid`), where the kernel says so.
    pub fn required_threads(&self, entry: Entry) -> Option<[u32; 3]> {
        self.kernel(entry)?.required_threads
    }

    /// Bytes of shared memory that a kernel declares with their size.
    pub fn shared(&self, entry: Entry) -> u32 {
        self.kernel(entry).map_or(0, |k| k.shared)
    }

    /// `.version` of the text.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// `.target` of the text, such as `sm_80`.
    pub fn target(&self) -> &str {
        &self.target
    }

    pub(crate) fn kernel(&self, entry: Entry) -> Option<&Kernel> {
        self.kernels.get(entry.0)
    }

    /// A piece of the text in one line.
    pub(crate) fn piece(&self, range: (u32, u32)) -> String {
        let piece = self.text.get(range.0 as usize..range.1 as usize).unwrap_or("");
        piece.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
