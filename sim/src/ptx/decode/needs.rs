//! Which chip and which PTX an instruction needs at least: what a text for less would be refused for.
//!
//! Rows of the PTX ISA, "Target ISA Notes" and "PTX ISA Notes" of each instruction; tried with `ptxas` 12.9.

/// An instruction that some chips lack.
struct Need {
    /// The opcode begins so, and has this part.
    begins: &'static str,
    part: &'static str,
    chip: u32,
    version: (u32, u32),
}

const fn need(begins: &'static str, part: &'static str, chip: u32, version: (u32, u32)) -> Need {
    Need { begins, part, chip, version }
}

#[rustfmt::skip] // one per row; the first that fits counts
const NEEDS: &[Need] = &[
    need("cp.async.bulk",            "",          90, (8, 0)),
    need("cp.async",                 "",          80, (7, 0)),
    need("ldmatrix",                 "",          75, (6, 5)),
    need("movmatrix",                "",          75, (7, 8)),
    need("stmatrix",                 "",          90, (7, 8)),
    need("redux",                    "",          80, (7, 0)),
    need("elect",                    "",          90, (8, 0)),
    need("mbarrier.try_wait",        "",          90, (7, 8)),
    need("mbarrier.expect_tx",       "",          90, (8, 0)),
    need("mbarrier.complete_tx",     "",          90, (8, 0)),
    need("mbarrier.arrive",          "expect_tx", 90, (8, 0)),
    need("mbarrier",                 "parity",    80, (7, 1)),
    need("mbarrier",                 "",          80, (7, 0)),
    need("fence.proxy.async",        "",          90, (8, 0)),
    need("fence.mbarrier_init",      "",          90, (8, 0)),
    need("griddepcontrol",           "",          90, (7, 8)),
    need("tanh.approx",              "",          75, (7, 0)),
    need("ex2.approx.f16",           "",          75, (7, 0)),
    need("ex2.approx.ftz.bf16",      "",          90, (7, 8)),
    need("mma.sync",                 "e4m3",      89, (8, 4)),
    need("mma.sync",                 "e5m2",      89, (8, 4)),
    need("mma.sync",                 "m8n8k4",    70, (6, 4)),
    need("mma.sync.aligned.m16n8k8", "f16",       75, (6, 5)),
    need("mma.sync.aligned.m8n8k16", "",          75, (6, 5)),
    need("mma.sync.aligned.m8n8k32", "",          75, (6, 5)),
    need("mma.sync.aligned.m8n8k128", "xor",      75, (7, 0)),
    need("mma.sync",                 "",          80, (7, 0)),
    need("cvt",                      "e4m3x2",    89, (8, 1)),
    need("cvt",                      "e5m2x2",    89, (8, 1)),
    need("cvt",                      "f16x2",     80, (7, 0)),
    need("cvt",                      "bf16x2",    80, (7, 0)),
    need("cvt",                      "tf32",      80, (7, 0)),
    need("fma",                      "bf16",      80, (7, 0)),
    need("fma",                      "bf16x2",    80, (7, 0)),
    need("add",                      "bf16",      90, (7, 8)),
    need("add",                      "bf16x2",    90, (7, 8)),
    need("sub",                      "bf16",      90, (7, 8)),
    need("sub",                      "bf16x2",    90, (7, 8)),
    need("mul",                      "bf16",      90, (7, 8)),
    need("mul",                      "bf16x2",    90, (7, 8)),
    need("min",                      "f16x2",     80, (7, 0)),
    need("max",                      "f16x2",     80, (7, 0)),
];

/// Instructions of Hopper alone, whose targets end in `a`.
const HOPPER: &[&str] = &["wgmma", "setmaxnreg"];

/// Why a text for this target has no such instruction, and what would help.
pub fn lacking(opcode: &str, target: &str, version: (u32, u32)) -> Option<String> {
    let digits = target.strip_prefix("sm_")?;
    let name = opcode.split('.').next().unwrap_or(opcode);
    if HOPPER.contains(&name) {
        let there = digits == "90a" || name == "setmaxnreg" && digits.ends_with('a');
        return (!there).then(|| format!("`{name}` needs .target sm_90a, not {target}"));
    }
    let chip: u32 = digits.trim_end_matches(char::is_alphabetic).parse().ok()?;
    let need = NEEDS.iter().find(|n| {
        let rest = opcode.strip_prefix(n.begins);
        rest.is_some_and(|r| r.is_empty() || r.starts_with('.') || n.begins.ends_with("f16"))
            && (n.part.is_empty() || opcode.split('.').any(|p| p == n.part))
    })?;
    if chip < need.chip {
        return Some(format!(
            "`{opcode}` needs .target sm_{} or a later one; the text says {target}",
            need.chip
        ));
    }
    let ((major, minor), (of, its)) = (need.version, version);
    (version < need.version)
        .then(|| format!("`{opcode}` needs .version {major}.{minor}; the text says {of}.{its}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_lack_what_came_after_them() {
        let told = |opcode, target| lacking(opcode, target, (8, 4)).unwrap_or_default();
        assert_eq!(
            told("cp.async.cg.shared.global", "sm_75"),
            "`cp.async.cg.shared.global` needs .target sm_80 or a later one; the text says sm_75"
        );
        assert_eq!(told("cp.async.commit_group", "sm_80"), "");
        assert!(
            told("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "sm_75").contains("sm_80")
        );
        assert_eq!(told("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", "sm_75"), "");
        assert_eq!(told("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32", "sm_70"), "");
        assert!(told("wgmma.fence.sync.aligned", "sm_90").contains("sm_90a"));
        assert_eq!(told("wgmma.fence.sync.aligned", "sm_90a"), "");
        assert!(told("cvt.rn.f16x2.f32", "sm_75").contains("sm_80"));
        assert_eq!(told("cvt.rn.f16.f32", "sm_70"), "");
        assert_eq!(told("ex2.approx.f32", "sm_70"), "");
        let old = lacking("ldmatrix.sync.aligned.m8n8.x1.shared.b16", "sm_75", (6, 3));
        let told =
            "`ldmatrix.sync.aligned.m8n8.x1.shared.b16` needs .version 6.5; the text says 6.3";
        assert_eq!(old.as_deref(), Some(told));
    }
}
