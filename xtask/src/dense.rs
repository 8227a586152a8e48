//! What the dense operators promise: everything that an engine needs on the CPU, and the first tokens of a model.

use crate::must_show::{How, Point, Ran, Verdict, agreed, listed, one_test, succeeded, told};

#[rustfmt::skip] // commands are long
pub const POINTS: &[Point] = &[
    Point {
        name: "verify every op file, 100 cases, the unsupported ones listed",
        how: How::Run {
            command: "cargo test --release -q -p kgen-compiler --test ops -- --nocapture",
            judge: listed,
        },
    },
    Point {
        name: "330 drawn ops, every pair of properties, mean what the reference says or are declined for a reason of the list",
        how: How::Run {
            command: "cargo test --release -q -p kgen-tests --test drawn mean_what_they_say -- --nocapture",
            judge: drawn,
        },
    },
    Point {
        name: "deterministic = batch: bits over batches of 1, 3, 8 and 1, 2, 4 threads",
        how: How::Run {
            command: "cargo test --release -q -p kgen-tests --test attention a_sequence_has_the_same_bits -- --nocapture",
            judge: table,
        },
    },
    Point {
        name: "numpy and ONNX Runtime agree with the reference",
        how: How::Run {
            command: "cargo test -q -p kgen-tests --test witness -- --nocapture",
            judge: agreed,
        },
    },
    Point {
        name: "every mutant is caught",
        how: How::Run { command: "cargo xtask mutants", judge: one_test },
    },
    Point {
        name: "why: a decode of 8K keys",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- why ops/flash_decode.toml --set n=8192",
            judge: chosen,
        },
    },
    Point {
        name: "why: a prompt",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- why ops/flash_prefill.toml",
            judge: chosen,
        },
    },
    Point {
        name: "why: a product of 128 rows",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- why ops/w4a16_gemm.toml --set m=128",
            judge: chosen,
        },
    },
    Point {
        name: "time beside the read roof: 4-bit weights with zero points, one row and 128",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- bench ops/w4a16_gemm.toml --set m=1,128",
            judge: told,
        },
    },
    Point {
        name: "time beside the read roof: decode of 8K keys in q8_0 and int4",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- bench ops/quantised_decode.toml --set n=8192",
            judge: told,
        },
    },
    Point {
        name: "every family beside its floor",
        how: How::Run { command: "cargo bench -q -p kgen-benches --bench rivals -- --alone --out target/rivals/alone", judge: lines },
    },
    Point {
        name: "products, decode and prompts beside the rivals that are installed",
        how: How::Slow { command: "cargo bench -q -p kgen-benches --bench rivals -- --resume", judge: lines },
    },
    Point {
        name: "decode: tokens and logits of a trained model beside numpy in f64; Q8_0 and Q4_0 by KL",
        how: How::Run {
            command: "cargo test -q -p kgen-tests --test decode numpy_says_the_same -- --nocapture",
            judge: witnessed,
        },
    },
    Point {
        name: "decode: words",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- decode examples/words.gguf --prompt Copyright --tokens 48",
            judge: words,
        },
    },
];

/// Which pairs the drawn ops hold, how many passed, and why others were declined.
fn drawn(ran: &Ran) -> Verdict {
    one_test(ran)?;
    let told = [" pairs in ", " ops declined: ", " drawn ops passed; "];
    let lines: Vec<&str> = ran.out.lines().filter(|l| told.iter().any(|t| l.contains(t))).collect();
    match lines.last() {
        Some(last) if last.contains(told[2]) => {
            Ok(lines.iter().map(|l| format!("\n           {l}")).collect())
        }
        Some(_) | None => Err("no count of drawn ops".into()),
    }
}

/// The lines before the result of the test.
fn table(ran: &Ran) -> Verdict {
    one_test(ran)?;
    let rest = ["", "running 1 test", "."];
    let told = ran.out.lines().map(str::trim);
    let told = told.filter(|l| !rest.contains(l) && !l.starts_with("test result"));
    Ok(told.map(|l| format!("\n           {l}")).collect())
}

/// All that was printed.
fn lines(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    Ok(ran.out.lines().map(|l| format!("\n           {l}")).collect())
}

/// What runs, of all candidates.
fn chosen(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let (chosen, other): (Vec<&str>, Vec<&str>) =
        ran.out.lines().partition(|l| l.starts_with("* "));
    match chosen.is_empty() {
        false => Ok(format!("{}; {} others", chosen.join("; "), other.len())),
        true => Err("nothing is chosen".into()),
    }
}

/// A line for each form of the model.
fn witnessed(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let wanted = ["f32: ", "f16: ", "q8_0: ", "q4_0: "];
    let line = |start: &&str| ran.out.lines().find(|l| l.starts_with(*start));
    let lines: Vec<&str> = wanted.iter().filter_map(line).collect();
    match lines.len() == wanted.len() {
        true => Ok(lines.iter().map(|l| format!("\n           {l}")).collect()),
        false => Err("the witness does not speak of every form".into()),
    }
}

/// What was said, and how fast.
fn words(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    match said.contains("Permission is hereby granted") {
        true => Ok(format!("\"{said}\" ({})", ran.err.trim())),
        false => Err(format!("these are not the words of a licence: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(out: &str) -> Ran {
        Ran { code: Some(0), out: out.into(), err: "ready\n".into(), seconds: 1.0 }
    }

    #[test]
    fn verdicts_on_decoding() {
        let all = "running 1 test\nf32: a\nf16: b\nbf16: x\nq8_0: c\nq4_0: d\n";
        let told = witnessed(&ran(all)).unwrap();
        assert_eq!(
            told.split_whitespace().collect::<Vec<_>>().join(" "),
            "f32: a f16: b q8_0: c q4_0: d"
        );
        assert!(witnessed(&ran("f32: a\n")).is_err());
        let said = words(&ran("Copyright\n\nPermission is hereby granted")).unwrap();
        assert_eq!(said, "\"Copyright Permission is hereby granted\" (ready)");
        assert!(words(&ran("Copyright xyzzy")).is_err());
        assert!(words(&Ran { code: Some(4), ..ran("Permission is hereby granted") }).is_err());
    }
}
