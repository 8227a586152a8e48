//! NVIDIA's assembler and disassembler as they come from PyPI: what they tell of one text.
//!
//! ```text
//! ptxas info    : Used 168 registers, used 0 barriers, 13312 bytes smem, 624 bytes cmem[0]
//! /*0450*/      HMMA.16816.F32 R4, R8, R12, R4 ;
//! ```

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Programs of a wheel, with what they can do.
#[derive(Clone, Debug)]
pub struct Tools {
    /// `12.9`, newest last.
    pub assemblers: Vec<(String, PathBuf)>,
    /// Each reads the code of some chips.
    disassemblers: Vec<PathBuf>,
}

/// Where wheels put them, below the folder of a Python's packages.
const ASSEMBLERS: &[&str] = &["nvidia/cuda_nvcc/bin/ptxas", "nvidia/cu13/bin/ptxas"];
/// That of Triton's wheel reads sm_70, too.
const DISASSEMBLERS: &[&str] = &["nvidia/cu13/bin/nvdisasm", "triton/backends/nvidia/bin/nvdisasm"];

/// What to do where there is none.
pub const GET: &str = "pip install nvidia-cuda-nvcc-cu12==12.9.86 nvidia-cuda-nvcc==13.5.37 nvidia-cuda-nvdisasm==13.5.37, and \
                       KGEN_PYTHON for the Python that has them";

impl Tools {
    /// Those of `KGEN_PTXAS` (a path, or several with `:` between), or of the packages of `KGEN_PYTHON`.
    pub fn find() -> Option<Tools> {
        let mut tools = Tools { assemblers: vec![], disassemblers: vec![] };
        if let Ok(list) = std::env::var("KGEN_PTXAS") {
            for path in list.split(':').map(PathBuf::from) {
                tools.disassemblers.extend(path.parent().map(|p| p.join("nvdisasm")));
                tools.add(path);
            }
        }
        let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
        let words = ["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"];
        let told = Command::new(python).args(words).output().ok();
        let told = told.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        if let Some(folder) = told.filter(|f| !f.is_empty()).map(PathBuf::from) {
            if tools.assemblers.is_empty() {
                ASSEMBLERS.iter().for_each(|a| tools.add(folder.join(a)));
            }
            tools.disassemblers.extend(DISASSEMBLERS.iter().map(|d| folder.join(d)));
        }
        tools.disassemblers.retain(|d| d.is_file());
        (!tools.assemblers.is_empty()).then_some(tools)
    }

    fn add(&mut self, path: PathBuf) {
        let told = Command::new(&path).arg("--version").output().ok();
        let told =
            told.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        let version = told.split("release ").nth(1).and_then(|v| v.split(',').next());
        if let Some(version) = version {
            self.assemblers.push((version.trim().to_owned(), path));
        }
    }

    /// Assembles a text for a chip, and looks at the code.
    pub fn assemble(&self, ptxas: &Path, arch: &str, text: &Path, cubin: &Path) -> Told {
        let mut command = Command::new(ptxas);
        command.args(["-v", "-arch", arch]).arg(text).arg("-o").arg(cubin);
        let ran = match command.output() {
            Ok(ran) => ran,
            Err(e) => return Told { error: Some(e.to_string()), ..Told::default() },
        };
        let said = String::from_utf8_lossy(&ran.stderr);
        if !ran.status.success() {
            let line = said.lines().find(|l| l.contains("error") || l.contains("fatal"));
            let line = line.or(said.lines().next()).unwrap_or("no word");
            let place = format!("{}, line ", text.display());
            return Told { error: Some(line.replace(&place, "line ")), ..Told::default() };
        }
        let mut told = read(&said);
        let code = self.disassemblers.iter().find_map(|d| {
            let ran = Command::new(d).arg("-c").arg(cubin).output().ok()?;
            ran.status.success().then(|| String::from_utf8_lossy(&ran.stdout).into_owned())
        });
        let _ = fs::remove_file(cubin);
        (told.looked, told.opcodes) =
            (code.is_some(), code.map(|c| opcodes(&c)).unwrap_or_default());
        told
    }
}

/// What is told of one kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub error: Option<String>,
    pub registers: usize,
    /// Bytes stored and loaded again.
    pub spilled: usize,
    pub stack: usize,
    pub shared: usize,
    /// Of instructions that had to be kept in order.
    pub notes: Vec<String>,
    /// The code was disassembled.
    pub looked: bool,
    /// Matrix instructions and calls of the code: how many.
    pub opcodes: BTreeMap<String, usize>,
}

impl Told {
    pub fn to_json(&self) -> Value {
        json!({
            "error": self.error, "registers": self.registers, "spilled": self.spilled, "stack": self.stack,
            "shared": self.shared, "notes": self.notes, "looked": self.looked, "opcodes": self.opcodes,
        })
    }

    pub fn from_json(v: &Value) -> Option<Told> {
        let number = |key: &str| v[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let opcodes = v["opcodes"].as_object()?.iter();
        Some(Told {
            error: v["error"].as_str().map(Into::into),
            registers: number("registers")?,
            spilled: number("spilled")?,
            stack: number("stack")?,
            shared: number("shared")?,
            notes: v["notes"]
                .as_array()?
                .iter()
                .filter_map(|n| n.as_str())
                .map(Into::into)
                .collect(),
            looked: v["looked"].as_bool()?,
            opcodes: opcodes
                .filter_map(|(k, n)| Some((k.clone(), usize::try_from(n.as_u64()?).ok()?)))
                .collect(),
        })
    }

    /// What is wrong with the code of a text.
    pub fn faults(&self, ptx: &str) -> Vec<String> {
        let mut out: Vec<String> = self.error.iter().cloned().collect();
        if self.error.is_some() {
            return out;
        }
        if self.spilled > 0 {
            out.push(format!("{} bytes are spilled", self.spilled));
        }
        out.extend(self.notes.iter().cloned());
        if !self.looked {
            return out;
        }
        let has = |names: &[&str]| self.opcodes.keys().any(|o| names.iter().any(|n| o == n));
        for (instruction, kind, native) in NATIVE {
            let asked = ptx.lines().any(|l| {
                let l = l.trim_start();
                l.contains(instruction)
                    && !l.starts_with("//")
                    && kind.iter().any(|k| l.contains(k))
            });
            if asked && !has(native) {
                out.push(format!("{instruction} of {}, but no {}", kind[0], native.join(" or ")));
            }
        }
        let called = self.opcodes.keys().filter_map(|o| o.strip_prefix("CALL "));
        for name in called.filter(|n| !LIBRARY.iter().any(|l| n.contains(l))) {
            out.push(format!("calls `{name}`"));
        }
        out
    }
}

/// An instruction of PTX, types of it, and the opcodes that do it natively, one of which must be there. What a chip
/// emulates has another: `mma` of 4-bit integers on sm_90 becomes shifts and 8-bit products.
#[rustfmt::skip] // a table
const NATIVE: &[(&str, &[&str], &[&str])] = &[
    ("mma.sync",       &[".f16.f16", ".bf16.bf16"],      &["HMMA"]),
    ("mma.sync",       &[".tf32.tf32"],                  &["HMMA"]),
    ("mma.sync",       &[".f64.f64"],                    &["DMMA"]),
    ("mma.sync",       &[".s8.s8", ".u8.s8", ".s8.u8", ".u8.u8"], &["IMMA"]),
    ("mma.sync",       &[".s4.s4", ".u4.s4", ".s4.u4", ".u4.u4"], &["IMMA.S4", "IMMA.U4"]),
    ("mma.sync",       &[".b1.b1"],                      &["BMMA"]),
    ("mma.sync",       &[".e4m3.e4m3", ".e5m2.e5m2"],    &["QMMA", "HMMA"]),
    ("wgmma.mma_async", &[".f16.f16", ".bf16.bf16", ".tf32.tf32"], &["HGMMA"]),
    ("wgmma.mma_async", &[".s8.s8", ".u8.u8", ".u8.s8", ".s8.u8"], &["IGMMA"]),
    ("wgmma.mma_async", &[".e4m3.e4m3", ".e5m2.e5m2"],   &["QGMMA"]),
    ("wgmma.mma_async", &[".b1.b1"],                     &["BGMMA"]),
];

/// Functions that stand for an instruction no chip has: exact division, 64-bit integer division, square roots.
const LIBRARY: &[&str] = &["div", "rem", "sqrt", "rcp"];

/// The numbers before their names, as `ptxas -v` tells them, and its notes on matrix instructions.
fn read(said: &str) -> Told {
    let before = |what: &str| {
        let found = said.split_once(what).map(|(before, _)| before);
        found
            .and_then(|b| b.split_whitespace().next_back())
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    };
    // C7510 and its fellows: wgmma one after the other, waits put in.
    let notes = said.lines().filter(|l| l.contains("(C75") || l.contains("serialized"));
    Told {
        registers: before(" registers"),
        spilled: before(" bytes spill stores") + before(" bytes spill loads"),
        stack: before(" bytes stack frame"),
        shared: before(" bytes smem"),
        notes: notes.map(|l| l.trim().to_owned()).collect(),
        ..Told::default()
    }
}

/// Matrix instructions of a listing, those of 4-bit integers apart, and what it calls.
fn opcodes(listing: &str) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    for line in listing.lines() {
        let Some((_, code)) = line.split_once("*/") else { continue };
        let mut words = code.split_whitespace().skip_while(|w| w.starts_with('@'));
        let Some(opcode) = words.next() else { continue };
        let base = opcode.split('.').next().unwrap_or(opcode);
        let name = if base.ends_with("MMA") {
            let small = ["S4", "U4"].into_iter().find(|t| opcode.split('.').any(|p| p == *t));
            small.map_or_else(|| base.to_owned(), |t| format!("{base}.{t}"))
        } else if base == "CALL" {
            // Without `$` it is a place of the same function, where lanes meet.
            let Some((_, to)) = code.split_once("($") else { continue };
            format!("CALL {}", to.split(['`', ')', ' ']).next().unwrap_or_default())
        } else {
            continue;
        };
        *out.entry(name).or_insert(0) += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_before_their_names() {
        let said = "ptxas info    : Function properties for attend\n    24 bytes stack frame, 28 bytes spill stores, 20 \
                    bytes spill loads\nptxas info    : Used 255 registers, used 0 barriers, 40960 bytes smem, 624 bytes cmem[0]\n";
        let told =
            Told { registers: 255, spilled: 48, stack: 24, shared: 40960, ..Told::default() };
        assert_eq!(read(said), told);
        assert_eq!(told.faults(""), ["48 bytes are spilled"]);
        assert_eq!(read("ptxas info    : Used 8 registers").shared, 0);
        let serial = "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to \
                      insufficient register resources for the wgmma pipeline in the function 'f'\n";
        assert_eq!(read(serial).faults(""), [serial.trim()]);
    }

    #[test]
    fn code_has_the_instructions_that_the_text_asks_for() {
        let listing = "        /*0450*/                   HMMA.16816.F32 R4, R8, R12, R4 ;\n\
                       \t/*0460*/              @P0  IMMA.16864.U4.S4 R4, R8.ROW, R12.COL, R4 ;\n\
                       \t/*0470*/                   CALL.REL.NOINC `($__internal_0_$__cuda_sm20_div_s64) ;\n\
                       \t/*0480*/                   FFMA R1, R2, R3, R4 ;\n.L_x_1:\n\
                       \t/*0490*/                   CALL.REL.NOINC `(.L_x_1) ;\n";
        let found = opcodes(listing);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["CALL __internal_0_$__cuda_sm20_div_s64", "HMMA", "IMMA.S4"]);
        let mut told = Told { looked: true, opcodes: found, ..Told::default() };
        let f16 =
            "    mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f0}, {%r0}, {%r1}, {%f0};";
        let u4 = "    mma.sync.aligned.m16n8k64.row.col.s32.u4.s4.s32 {%r0}, {%r0}, {%r1}, {%r0};";
        let s8 = "    mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r0}, {%r0}, {%r1}, {%r0};";
        assert!(told.faults(&[f16, u4].join("\n")).is_empty());
        assert_eq!(told.faults(s8), ["mma.sync of .s8.s8, but no IMMA"]);
        assert!(told.faults(&format!("// {}", s8.trim())).is_empty());
        told.opcodes.insert("CALL __internal_1_$__cuda_sm_mma_emulated".into(), 1);
        assert_eq!(told.faults(""), ["calls `__internal_1_$__cuda_sm_mma_emulated`"]);
        told.looked = false;
        assert!(told.faults(s8).is_empty());
        assert_eq!(Told::from_json(&told.to_json()), Some(told));
    }
}
