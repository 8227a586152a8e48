//! Tuning, the cache and `why`, as a user meets them.

use kgen::{
    device::Cpu,
    inputs,
    tune::records::{Record, Store},
};
use kgen_ir::{extent::Dims, op::read::read};
use std::{
    collections::BTreeMap,
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

/// Candidates of a race compute in memory of others what they compute in their own.
#[test]
fn a_session_is_given_to_another_module() {
    let of = |text: &str| read("small.toml", text).unwrap_or_else(|e| panic!("{}", e.render()));
    let op = of(SMALL);
    let dims = Dims { scalars: [("m".into(), 3)].into(), cores: 2, ..Dims::default() };
    let inputs = inputs::complete(&op, &dims, &BTreeMap::new(), 0).unwrap();
    let mut cpu = Cpu::open(Some(2)).unwrap();
    let first = cpu.load(&op).unwrap();
    cpu.schedule.rows = 1;
    cpu.schedule.tokens = 1;
    let second = cpu.load(&op).unwrap();
    assert_ne!(first.manifest(), second.manifest());
    let mut session = cpu.sessions(&first, &dims, &inputs, 1).unwrap().remove(0);
    assert!(session.rebind(&second, &dims).unwrap());
    let wanted = cpu.run(&second, &dims, &inputs).unwrap();
    let mut same = || {
        session.run(cpu.workers()).unwrap();
        assert_eq!(session.outputs().unwrap(), wanted);
        // Weights packed otherwise: nothing changes.
        let other = cpu.load(&of(&SMALL.replace("q4_0", "q8_0"))).unwrap();
        assert!(!session.rebind(&other, &dims).unwrap());
    };
    same();
    same();
}

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
    let told = |o: &Output| -> serde_json::Value { serde_json::from_str(text(o).trim()).unwrap() };
    // No time: nothing is measured, no schedule is written.
    assert_eq!(tune(&["--budget", "0s"]).status.code(), Some(1));
    let first = tune(&["--budget", "3s"]);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let first = told(&first);
    let measured = first["measured"].as_u64().unwrap();
    assert!(measured > 0, "{first}");
    assert_eq!(first["verified"].as_bool(), Some(true));
    let schedule = PathBuf::from(first["file"].as_str().unwrap());
    let used = ["verify", op.to_str().unwrap(), "--cases", "4", "--schedule"];
    let used = used.into_iter().chain([schedule.to_str().unwrap()]).collect::<Vec<_>>();
    assert_eq!(kgen(&dir.join("c"), &used).status.code(), Some(0));
    // Each record says of what it is; finalists went through the cases.
    let file = PathBuf::from(first["records"].as_str().unwrap());
    let read = || Store::existing(&file).unwrap().all().unwrap();
    let records = read();
    assert_eq!(records.len() as u64, measured);
    let target = kgen::compile::host().unwrap().name;
    for r in &records {
        assert_eq!((&*r.target, &*r.kgen, &*r.bucket), (target, env!("CARGO_PKG_VERSION"), "m=1"));
        assert!(r.low <= r.ratio && r.ratio <= r.high && r.rounds > 0, "{r:?}");
        assert_ne!(r.verified, Some(false), "{r:?}");
    }
    assert!(records.iter().any(|r| r.verified == Some(true)));
    // What is recorded is not measured again: without time, the same schedule.
    let again = tune(&["--budget", "0s", "--resume"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(told(&again)["schedule"], first["schedule"]);
    assert_eq!(read(), records);
    // What proved wrong is not taken, however fast.
    let store = Store::existing(&file).unwrap();
    for r in records.iter().filter(|r| r.schedule == first["schedule"].as_str().unwrap()) {
        store.put(&Record { verified: Some(false), ratio: 0.1, ..r.clone() }).unwrap();
    }
    let next = tune(&["--budget", "0s", "--resume"]);
    // On a busy machine the budget may have sufficed for one only.
    if records.len() > 1 {
        assert_eq!(next.status.code(), Some(0), "{next:?}");
        assert_eq!(told(&next)["wrong"].as_u64(), Some(1));
        assert_ne!(told(&next)["schedule"], first["schedule"]);
    }
    assert_eq!(tune(&["--budget", "soon"]).status.code(), Some(2));
    assert_eq!(tune(&["--set", "k=1"]).status.code(), Some(2));
    let text = dir.join("text");
    std::fs::write(&text, "no records, and long enough that SQLite looks at it and says so")
        .unwrap();
    let damaged = tune(&["--budget", "1s", "--records", text.to_str().unwrap()]);
    assert_eq!(damaged.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&damaged.stderr).contains("--records"), "{damaged:?}");
}

#[test]
fn records_are_carried_and_joined() {
    let dir = folder("records");
    let op = dir.join("small.toml");
    std::fs::write(&op, SMALL).unwrap();
    let cache = dir.join("c");
    let path = |name: &str| dir.join(name).to_str().unwrap().to_string();
    let (a, b, lines) = (path("a.sqlite"), path("b.sqlite"), path("a.jsonl"));
    let op = op.to_str().unwrap();
    let tuned = kgen(&cache, &["tune", op, "--set", "m=2", "--budget", "2s", "--records", &a]);
    assert_eq!(tuned.status.code(), Some(0), "{tuned:?}");
    let count = Store::existing(a.as_ref()).unwrap().all().unwrap().len();
    let does = |args: &[&str]| {
        let done = kgen(&cache, args);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        text(&done)
    };
    does(&["records", "export", &a, "-o", &lines]);
    assert_eq!(does(&["records", "export", &a]), std::fs::read_to_string(&lines).unwrap());
    let all = format!("{count} of {count} records were new or better\n");
    assert_eq!(does(&["records", "import", &b, &lines]), all);
    assert_eq!(does(&["records", "merge", &b, &a]), all.replacen(&count.to_string(), "0", 1));
    assert_eq!(does(&["records", "export", &a]), does(&["records", "export", &b]));
    let absent = kgen(&cache, &["records", "export", &path("none")]);
    assert_eq!(absent.status.code(), Some(3), "{absent:?}");
    std::fs::write(&lines, "{\"key\"").unwrap();
    let damaged = kgen(&cache, &["records", "import", &b, &lines]);
    assert_eq!(damaged.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&damaged.stderr).contains("line 1"), "{damaged:?}");
}

/// Four processes write one file, one is killed: no record is lost or damaged.
#[test]
fn many_processes_share_the_records() {
    let dir = folder("processes");
    let op = dir.join("small.toml");
    std::fs::write(&op, SMALL).unwrap();
    let file = dir.join("r.sqlite");
    let start = |m: usize| {
        let sets = format!("m={m}");
        let out = dir.join(format!("{m}.sched.toml"));
        let args =
            ["tune", op.to_str().unwrap(), "--set", &sets, "--budget", "4s", "--threads", "1"];
        std::process::Command::new(env!("CARGO_BIN_EXE_kgen"))
            .args(args)
            .args(["--format", "json", "-o", out.to_str().unwrap()])
            .args(["--records", file.to_str().unwrap()])
            .env("KGEN_CACHE", "")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut running: Vec<_> = [1, 2, 3, 4].map(start).into_iter().collect();
    let bucket = |m: usize| format!("m={}", m.next_power_of_two());
    let told = |m: usize| {
        let all = Store::existing(&file).and_then(|s| s.all()).unwrap_or_default();
        all.into_iter().filter(|r| r.bucket == bucket(m)).collect::<Vec<_>>()
    };
    // The first is killed in the middle of its work.
    while told(1).len() < 2 && running[0].try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let before = told(1);
    // It may have ended by itself on a busy machine.
    let _ = running[0].kill();
    let mut measured = Vec::new();
    for (m, child) in (1..=4).zip(running) {
        let done = child.wait_with_output().unwrap();
        if m > 1 {
            let error = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(0), "m = {m}: {error}");
            let line: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
            measured.push(line["measured"].as_u64().unwrap() as usize);
        }
    }
    for r in before {
        assert!(told(1).iter().any(|now| now.key == r.key), "lost: {r:?}");
    }
    assert!(told(2).len() >= measured[0]);
    // Sizes 3 and 4 are one bucket.
    assert!(told(4).len() >= measured[1].max(measured[2]));
    let damage = Store::existing(&file).unwrap().damage().unwrap();
    assert_eq!(damage, None);
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
