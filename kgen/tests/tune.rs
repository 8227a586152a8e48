//! Tuning, the cache and `why`, as a user meets them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn kgen(cache: &Path, args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Command::new(env!("CARGO_BIN_EXE_kgen"))
        .args(args)
        .env("KGEN_CACHE", cache)
        .current_dir(root)
        .output()
        .expect("kgen starts")
}

fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const SMALL: &str = "op = \"mpgemm\"\nname = \"small\"\nm = \"m\"\nn = 64\nk = 64\na = \"f32\"\nw = \"q4_0\"\nout = \"f32\"\n";

#[test]
fn the_second_compilation_is_found() {
    let dir = folder("cache");
    let (cache, out) = (dir.join("c"), dir.join("o"));
    let args = ["compile", "ops/w8a8_gemv.toml", "--target", "host", "--format", "json", "-o"];
    let args: Vec<&str> = args.into_iter().chain([out.to_str().unwrap()]).collect();
    let locked: Vec<&str> = args.iter().copied().chain(["--locked"]).collect();
    // Nothing is there yet, and compiling is forbidden.
    assert_eq!(kgen(&cache, &locked).status.code(), Some(4));
    assert!(text(&kgen(&cache, &args)).contains("\"cached\":false"));
    assert!(text(&kgen(&cache, &args)).contains("\"cached\":true"));
    assert_eq!(kgen(&cache, &locked).status.code(), Some(0));
    // A damaged entry is told and made anew.
    let only = |dir: &Path| std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let entry = only(&only(&cache));
    let files = std::fs::read_dir(&entry).unwrap().map(|f| f.unwrap().file_name());
    let kernel = files.map(|f| f.into_string().unwrap()).find(|f| f.starts_with("product_one."));
    std::fs::write(entry.join(kernel.expect("the kernel of one row")), "x").unwrap();
    let again = kgen(&cache, &args);
    assert!(text(&again).contains("\"cached\":false"));
    assert!(String::from_utf8_lossy(&again.stderr).contains("damaged"), "{again:?}");
    assert!(text(&kgen(&cache, &args)).contains("\"cached\":true"));
    let doctor = text(&kgen(&cache, &["doctor", "--format", "json"]));
    let told: serde_json::Value = serde_json::from_str(doctor.trim()).unwrap();
    let folder = only(&cache);
    assert_eq!(told["cache"].as_str(), folder.to_str());
    assert_eq!(told["cache_entries"].as_u64(), Some(1));
    assert!(told["cache_bytes"].as_u64().unwrap() > 0);
    assert!(text(&kgen(&cache, &["doctor"])).contains("(entries: 1, "));
    // `run` takes the same entry.
    let run = kgen(&cache, &["run", "ops/w8a8_gemv.toml", "--locked"]);
    assert_eq!(run.status.code(), Some(0), "{run:?}");
}

#[test]
fn what_may_not_be_kept_or_compiled() {
    let dir = folder("caching");
    let cache = dir.join("c");
    let out = dir.join("o");
    let out = out.to_str().unwrap();
    let args = ["compile", "ops/w8a8_gemv.toml", "--target", "host", "--no-cache", "-o", out];
    assert_eq!(kgen(&cache, &args).status.code(), Some(0));
    assert!(!cache.exists());
    for command in ["verify", "tune"] {
        let told = kgen(&cache, &[command, "ops/w8a8_gemv.toml", "--locked"]);
        assert_eq!(told.status.code(), Some(4));
        assert!(String::from_utf8_lossy(&told.stderr).contains("leave --locked out"), "{told:?}");
    }
    let both = kgen(&cache, &["run", "ops/w8a8_gemv.toml", "--locked", "--no-cache"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn tuning_writes_a_schedule_and_records() {
    let dir = folder("tune");
    let op = dir.join("small.toml");
    std::fs::write(&op, SMALL).unwrap();
    let tune = |more: &[&str]| {
        let args = ["tune", op.to_str().unwrap(), "--set", "m=1", "--format", "json"];
        kgen(&dir.join("c"), &args.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    };
    // No time: nothing is measured, nothing is written.
    assert_eq!(tune(&["--budget", "0s"]).status.code(), Some(1));
    let first = tune(&["--budget", "2s"]);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let told: serde_json::Value = serde_json::from_str(text(&first).trim()).unwrap();
    let measured = told["measured"].as_u64().unwrap();
    assert!(measured > 0);
    let schedule = PathBuf::from(told["file"].as_str().unwrap());
    let records = PathBuf::from(told["records"].as_str().unwrap());
    let lines = || std::fs::read_to_string(&records).unwrap().lines().count() as u64;
    assert_eq!(lines(), measured);
    let journal = kgen::tune::journal(&records);
    assert!(!journal.exists());
    // Each record says of what it is; only the winner went through the cases.
    let read = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&records).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let target = kgen::compile::host().unwrap().name;
    for (i, record) in read().iter().enumerate() {
        assert_eq!(record["target"].as_str(), Some(target));
        assert_eq!(record["kgen"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(record["verified"].as_bool(), (i == 0).then_some(true), "{record}");
    }
    assert_eq!(told["verified"].as_bool(), Some(true));
    let used = ["verify", op.to_str().unwrap(), "--cases", "4", "--schedule"];
    let used = used.into_iter().chain([schedule.to_str().unwrap()]).collect::<Vec<_>>();
    assert_eq!(kgen(&dir.join("c"), &used).status.code(), Some(0));
    // What is recorded is not measured again.
    let more = tune(&["--budget", "0s", "--resume"]);
    assert_eq!(more.status.code(), Some(0), "{more:?}");
    assert_eq!(lines(), measured);
    // Of a run that was ended early: taken over with --resume, left out without.
    let before = std::fs::read_to_string(&records).unwrap();
    let (one, rest) = before.split_once('\n').unwrap();
    std::fs::write(&records, rest).unwrap();
    std::fs::write(&journal, format!("{one}\n")).unwrap();
    assert_eq!(tune(&["--budget", "0s", "--resume"]).status.code(), Some(0));
    assert_eq!((lines(), journal.exists()), (measured, false));
    std::fs::write(&journal, format!("{one}\n")).unwrap();
    // Nothing measured: what was known stays, also without --resume.
    assert_eq!(tune(&["--budget", "0s"]).status.code(), Some(1));
    assert_eq!((lines(), journal.exists()), (measured, false));
    // Other sizes stay when these are measured again.
    let other = tune(&["--budget", "1s", "--set", "m=2"]);
    assert_eq!(other.status.code(), Some(2), "m is set twice: {other:?}");
    let of_two = one.replace("m=1", "m=2");
    std::fs::write(&records, format!("{before}{of_two}\n")).unwrap();
    assert_eq!(tune(&["--budget", "1s"]).status.code(), Some(0));
    let dims: Vec<_> = read().iter().map(|r| r["dims"].as_str().unwrap().to_owned()).collect();
    assert_eq!(dims.iter().filter(|d| *d == "m=2").count(), 1, "{dims:?}");
    assert!(dims.iter().any(|d| d == "m=1"), "{dims:?}");
    // A schedule that proved wrong is not the best, however fast.
    let wrong = one.replace("\"verified\":true", "\"verified\":false");
    assert_ne!(wrong, one);
    std::fs::write(&records, format!("{wrong}\n{rest}")).unwrap();
    let next = tune(&["--budget", "0s", "--resume"]);
    assert_eq!(next.status.code(), Some(0), "{next:?}");
    let best = &read()[0];
    assert_eq!(best["verified"].as_bool(), Some(true));
    let first: serde_json::Value = serde_json::from_str(one).unwrap();
    // On a busy machine the budget may have sufficed for one only.
    assert!(rest.is_empty() || best["key"] != first["key"], "{best}");
    std::fs::write(&records, "{\"key\"").unwrap();
    let damaged = tune(&["--budget", "1s", "--resume"]);
    assert_eq!(damaged.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&damaged.stderr).contains("line 1"), "{damaged:?}");
    assert_eq!(tune(&["--budget", "soon"]).status.code(), Some(2));
    assert_eq!(tune(&["--set", "k=1"]).status.code(), Some(2));
}

#[test]
fn why_names_every_candidate() {
    let dir = folder("why");
    let told = text(&kgen(&dir, &["why", "ops/w4a8_gemv.toml"]));
    for target in kgen::compile::targets() {
        assert!(told.contains(&format!("target {}: ", target.name)), "{told}");
    }
    for word in
        ["* compute int_dot", "compute bitplane: ", "* variant one: when m == 1", "4-byte dots"]
    {
        assert!(told.contains(word), "{word}\n{told}");
    }
    assert_eq!(told.lines().filter(|l| l.starts_with("* target ")).count(), 1, "{told}");
    // One variant runs, as the sizes say.
    for (set, runs) in [("m=1", "* variant one: "), ("m=8", "* variant many: ")] {
        let told = text(&kgen(&dir, &["why", "ops/w4a8_gemv.toml", "--set", set]));
        let marked: Vec<_> = told.lines().filter(|l| l.starts_with("* variant ")).collect();
        assert!(matches!(&marked[..], [one] if one.starts_with(runs)), "{set}: {told}");
    }
    // Long contexts have more than one way, as targets and cores go.
    for (n, short) in [("n=1", true), ("n=100000", false)] {
        let told = text(&kgen(&dir, &["why", "ops/flash_decode.toml", "--set", n]));
        let marked: Vec<_> = told.lines().filter(|l| l.starts_with("* variant ")).collect();
        let short_runs = |one: &str| one.starts_with("* variant short: ");
        assert!(matches!(&marked[..], [one] if short_runs(one) == short), "{n}: {told}");
    }
    for bad in ["m=1,2", "k=3", "m"] {
        let told = kgen(&dir, &["why", "ops/w4a8_gemv.toml", "--set", bad]);
        assert_eq!(told.status.code(), Some(2), "{bad}: {told:?}");
    }
    let told = text(&kgen(&dir, &["why", "ops/paged_decode.toml", "--format", "json"]));
    assert!(told.lines().all(|l| l.contains("\"chosen\":")), "{told}");
}

#[test]
fn there_are_schedules_enough() {
    for (file, least) in [("flash_decode", 200), ("w4a8_gemv", 200)] {
        let op = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../ops/{file}.toml"));
        let op = kgen::compile::read(&op).unwrap();
        for target in kgen::compile::targets() {
            let list = kgen::Schedule::legal(&op, target);
            let distinct: std::collections::HashSet<_> = list.iter().collect();
            assert!(list.len() == distinct.len() && list.len() >= least, "{file}: {}", list.len());
            assert_eq!(list[0], kgen::Schedule::default_for(target));
        }
    }
}
