//! What code asks of a GPU and its driver, held against what is here.
//!
//! ```text
//! features = ["sm_80", "ptx 7.0", "driver 450.36"]
//! ```
//!
//! Code for `sm_80` runs from compute capability 8.0 on; `sm_90a` on 9.0 alone; `sm_100f` on its generation (PTX ISA,
//! ".target"). A driver reads PTX up to that of the CUDA version it is of, which it tells; its own number is for people.

/// A GPU and its driver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    pub name: String,
    /// Compute capability, as in `(8, 0)`.
    pub capability: (u32, u32),
    /// Of CUDA, as in `(12, 4)`.
    pub driver: (u32, u32),
    pub multiprocessors: usize,
    /// Bytes of memory.
    pub memory: usize,
    /// Bytes of its second-level cache.
    pub cache: usize,
    /// Bytes of shared memory that a block may ask for.
    pub shared: usize,
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ((major, minor), (cuda, update)) = (self.capability, self.driver);
        let (gib, count) = (self.memory as f64 / (1u64 << 30) as f64, self.multiprocessors);
        write!(
            f,
            "{}, sm_{major}{minor}, {count} multiprocessors, {gib:.0} GiB, driver of CUDA {cuda}.{update}",
            self.name
        )
    }
}

/// `12.4` as `(12, 4)`.
type Version = (u32, u32);

/// Versions of PTX, each with the CUDA version that brought it (PTX ISA, "Release Notes"). One row each where both count
/// on alike: PTX 7.0 to 7.8 are of CUDA 11.0 to 11.8.
#[rustfmt::skip] // a table
const PTX: &[(Version, Version, u32)] = &[
    // the first, its CUDA, and how many follow
    ((6, 0),  (9, 0), 2),
    ((6, 3), (10, 0), 2),
    ((7, 0), (11, 0), 8),
    ((8, 0), (12, 0), 5),
    ((8, 6), (12, 7), 2),
    ((9, 0), (13, 0), 0),
];

/// The CUDA version that reads a version of PTX, if the table knows it.
fn cuda_of(ptx: (u32, u32)) -> Option<(u32, u32)> {
    PTX.iter().find_map(|(first, cuda, more)| {
        let after = ptx.1.checked_sub(first.1)?;
        (ptx.0 == first.0 && after <= *more).then_some((cuda.0, cuda.1 + after))
    })
}

/// Why code with these features does not run on the GPU; `None` if it does.
pub fn refusal(features: &[String], here: &About) -> Option<String> {
    let floor = features.iter().find_map(|f| f.strip_prefix("driver "));
    for feature in features {
        if let Some(version) = feature.strip_prefix("ptx ").and_then(pair).and_then(cuda_of)
            && version > here.driver
        {
            let (major, minor) = here.driver;
            let floor =
                floor.map_or_else(String::new, |f| format!(", which is driver {f} or newer"));
            let wanted = format!("{}.{}", version.0, version.1);
            return Some(format!(
                "the driver here is of CUDA {major}.{minor}, the code needs that of CUDA {wanted}{floor}"
            ));
        }
        if let Some(chip) = feature.strip_prefix("sm_")
            && !runs(chip, here.capability)
        {
            let (major, minor) = here.capability;
            return Some(format!("the code is for sm_{chip}, {} is sm_{major}{minor}", here.name));
        }
    }
    None
}

/// Whether code for `80`, `90a`, `100f` runs on a chip of this capability.
fn runs(chip: &str, capability: (u32, u32)) -> bool {
    let digits = chip.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let Some(number) = digits.parse::<u32>().ok() else { return false };
    let wanted = (number / 10, number % 10);
    match &chip[digits.len()..] {
        "" => capability >= wanted,
        "f" => capability.0 == wanted.0 && capability >= wanted,
        // `a`, and whatever ties code to one chip.
        _ => capability == wanted,
    }
}

/// `12.4` as two numbers.
fn pair(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(capability: (u32, u32), driver: (u32, u32)) -> About {
        let (memory, multiprocessors) = (80 << 30, 132);
        About {
            name: "H100".into(),
            capability,
            driver,
            memory,
            multiprocessors,
            ..About::default()
        }
    }

    fn told(features: &[&str], about: &About) -> String {
        let features: Vec<String> = features.iter().map(|f| (*f).to_owned()).collect();
        refusal(&features, about).unwrap_or_default()
    }

    #[test]
    fn code_runs_on_its_chip_and_later_ones() {
        for (chip, runs) in [
            ("sm_70", true),
            ("sm_89", true),
            ("sm_90", true),
            ("sm_90a", true),
            ("sm_90f", true),
            ("sm_80a", false),
            ("sm_80f", false),
            ("sm_100", false),
            ("sm_100f", false),
            ("sm_x", false),
        ] {
            let wrong = told(&[chip], &here((9, 0), (12, 0)));
            assert_eq!(wrong.is_empty(), runs, "{chip}: {wrong}");
        }
        assert_eq!(told(&["sm_100f"], &here((10, 3), (13, 0))), "");
        assert_eq!(told(&["sm_100"], &here((12, 0), (13, 0))), "");
        assert_eq!(
            told(&["sm_90a"], &here((8, 0), (13, 0))),
            "the code is for sm_90a, H100 is sm_80"
        );
    }

    #[test]
    fn an_old_driver_is_told_what_will_do() {
        let features = ["sm_80", "ptx 7.0", "driver 450.36"];
        assert_eq!(told(&features, &here((8, 0), (11, 0))), "");
        assert_eq!(told(&features, &here((8, 0), (13, 4))), "");
        assert_eq!(
            told(&features, &here((8, 0), (10, 2))),
            "the driver here is of CUDA 10.2, the code needs that of CUDA 11.0, which is driver 450.36 or newer"
        );
        assert_eq!(
            told(&["ptx 8.7"], &here((8, 0), (12, 7))),
            "the driver here is of CUDA 12.7, the code needs that of CUDA 12.8"
        );
        // What no reader knows is no reason.
        assert_eq!(told(&["ptx new", "ptx 99.9", "avx2", ""], &here((8, 0), (11, 0))), "");
    }

    #[test]
    fn versions_of_ptx_have_their_cuda() {
        for (ptx, cuda) in [
            ((6, 0), (9, 0)),
            ((6, 2), (9, 2)),
            ((6, 3), (10, 0)),
            ((6, 5), (10, 2)),
            ((7, 8), (11, 8)),
            ((8, 5), (12, 5)),
            ((8, 6), (12, 7)),
            ((8, 8), (12, 9)),
            ((9, 0), (13, 0)),
        ] {
            assert_eq!(cuda_of(ptx), Some(cuda), "{ptx:?}");
        }
        assert_eq!(cuda_of((7, 9)), None);
    }

    #[test]
    fn a_gpu_is_one_line() {
        let line = here((9, 0), (12, 4)).to_string();
        assert_eq!(line, "H100, sm_90, 132 multiprocessors, 80 GiB, driver of CUDA 12.4");
    }
}
