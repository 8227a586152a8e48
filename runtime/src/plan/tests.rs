//! A program of two launches with fake kernels: `part[t] = sum of row t of x` by tasks from a counter, with the
//! sum kept in scratch, then `o[r, c] = x[r, c] + part[r] + bias`; for one row, a variant with one launch.

#![allow(unsafe_code)]

use super::*;
use crate::buffer::Buffer;
use crate::{
    driver::fake::{Fake, Function},
    module::LoadError,
    pool::Pool,
    tensors::{Error, run_tensors},
};
use kgen_ir::{
    artifact::{Artifact, Manifest},
    dtype::Dtype,
    tensor::Tensor,
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl std::alloc::GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { std::alloc::System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: std::alloc::Layout) {
        // SAFETY: as the caller promises.
        unsafe { std::alloc::System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MANIFEST: &str = r#"
format = 1
kgen = "0.1.0"
name = "rows"
target = "any"
backend = "fake"
key = ""
features = []
symbols = ["n", "k", "len[b]"]
params = ["in x: f32[n, k]", "in w: f32[n, 64]", "out o: f32[n, k]"]
prepares = ["w.packed = pack(w) : u4 lanes 4 group 32 scale f16 min f16 zero 8"]
buffers = ["workspace part: f32[n]", "workspace unused: f32[n * 1000000000, k]"]

[[bound]]
symbol = "k"
min = 1
max = 4096
multiple_of = 2

[[kernel]]
name = "sum"
file = "rows.txt"
entry = "rows_sum"
params = ["in x: f32[n, k]", "workspace part: f32[n]", "scalar rows"]
slots = ["pointer x", "stride x 0", "pointer part", "extent rows", "extent k", "counter 1", "scratch"]
scratch = 64
counters = 2

[[kernel]]
name = "add"
file = "rows.txt"
entry = "rows_add"
params = ["in x: f32[n, k]", "workspace part: f32[n]", "out o: f32[n, k]", "prepared w: u4[n, 64] packed(scale, u4 lanes 4 group 32 scale f16 min f16 zero 8)"]
slots = ["pointer x", "stride x 0", "pointer part", "pointer o", "stride o 0", "extent n", "extent k", "pointer w", "extent cores"]
scratch = 0
counters = 0

[[variant]]
name = "padded"
when = ["n == 7", "x.stride0 > k"]
launches = []

[[variant]]
name = "all"
when = ["n >= 2", "sum(len) >= 0"]
launches = ["sum(x, part, n)", "add(x, part, o, w.packed.scale)"]

[contract]
activation = "f32"
accumulation = "f32"
partials = "f32"
order = "ascending"
bound = "0"

[files]
"rows.txt" = "HASH"
"#;

fn arg(args: *const u64, i: usize) -> u64 {
    // SAFETY: the manifest above gives each kernel as many slots as it reads.
    unsafe { *args.add(i) }
}

fn float(address: u64, i: u64) -> *mut f32 {
    std::ptr::with_exposed_provenance_mut::<f32>((address + 4 * i) as usize)
}

fn sum(args: *const u64, worker: u64) {
    let [x, stride, part, n, k, counter, scratch] = std::array::from_fn(|i| arg(args, i));
    let own = float(scratch + worker * 64, 0);
    // SAFETY: counter, rows and scratch are where the slots say.
    unsafe {
        let counter = &*std::ptr::with_exposed_provenance::<AtomicI64>(counter as usize);
        loop {
            let t = counter.fetch_add(1, Ordering::Relaxed) as u64;
            if t >= n {
                return;
            }
            *own = 0.0;
            for c in 0..k {
                *own += *float(x + t * stride, c);
            }
            *float(part, t) = *own;
        }
    }
}

fn add(args: *const u64, worker: u64) {
    let [x, xs, part, o, os, n, k, w, cores] = std::array::from_fn(|i| arg(args, i));
    // SAFETY: as above; `w` points to two bytes of a scale at least.
    unsafe {
        let bias = f32::from(*std::ptr::with_exposed_provenance::<u8>(w as usize));
        for r in (worker..n).step_by(cores as usize) {
            for c in 0..k {
                *float(o + r * os, c) = *float(x + r * xs, c) + *float(part, r) + bias;
            }
        }
    }
}

fn spill(args: *const u64, worker: u64) {
    add(args, worker);
    let [_, _, _, o, os, n, ..] = std::array::from_fn::<u64, 9, _>(|i| arg(args, i));
    // SAFETY: behind the output stand canary bytes.
    unsafe { *float(o + n * os, 0) = 1.0 };
}

const GOOD: Fake = Fake(&[("rows_sum", sum as Function), ("rows_add", add)]);
const SPILL: Fake = Fake(&[("rows_sum", sum as Function), ("rows_add", spill)]);

fn artifact(change: (&str, &str), text: &str) -> Artifact {
    let manifest = MANIFEST.replacen(change.0, change.1, 1);
    let manifest = Manifest::parse("m", &manifest, &|_| None).map_err(|r| r.render());
    Artifact::new(manifest.unwrap(), [("rows.txt".to_owned(), text.to_owned())].into())
}

fn module() -> Arc<Module> {
    Module::load(&artifact(("", ""), "good"), &GOOD).unwrap()
}

fn dims(n: i64, k: i64, cores: i64) -> Dims {
    Dims {
        scalars: [("n".into(), n), ("k".into(), k)].into(),
        ragged: [("len".into(), vec![1, 2])].into(),
        cores,
    }
}

fn prepared(module: &Module, rows: usize) -> Arc<Prepared> {
    // Of 4 rows and 32 elements: 64 bytes of codes, 4 scales, 4 mins; the first scale starts with 100.
    let mut bytes = Buffer::zeroed(rows.div_ceil(4) * 2 * 80).unwrap();
    bytes.bytes_mut()[64] = 100;
    Arc::new(Prepared::from_packed(module, "w.packed", &[rows, 64], bytes).unwrap())
}

fn input(n: usize, k: usize) -> Tensor {
    let values: Vec<f64> = (0..n * k).map(|i| i as f64).collect();
    Tensor::from_f64(Dtype::F32, &[n, k], &values)
}

fn expected(x: &Tensor) -> Vec<f64> {
    let k = x.shape[1];
    let sums: Vec<f64> = x.to_f64().chunks(k).map(|row| row.iter().sum()).collect();
    x.to_f64().iter().enumerate().map(|(i, v)| v + sums[i / k] + 100.0).collect()
}

#[test]
fn a_program_runs_with_every_number_of_workers() {
    let module = module();
    for cores in [1, 2, 5] {
        let pool = Pool::new(cores).unwrap();
        for (n, k) in [(2, 2), (3, 64), (33, 10)] {
            let inputs: BTreeMap<_, _> = [("x".to_owned(), input(n, k))].into();
            let dims = dims(n as i64, k as i64, cores as i64);
            let weights = [prepared(&module, n)];
            let out = run_tensors(&module, &dims, &inputs, &weights, &pool).unwrap();
            assert_eq!(out.len(), 1);
            assert_eq!(out["o"].to_f64(), expected(&inputs["x"]), "{n} {k} {cores}");
        }
    }
}

#[test]
fn a_plan_runs_again_and_updates_in_place() {
    let module = module();
    let pool = Pool::new(2).unwrap();
    let mut plan = module.plan(&dims(40, 8, 2)).unwrap();
    let memory = plan.memory.bytes(0).as_ptr();
    for n in [40, 3, 20] {
        plan.update(&dims(n as i64, 8, 2)).unwrap();
        assert_eq!(plan.missing().collect::<Vec<_>>(), ["x", "o", "w.packed"]);
        assert!(matches!(plan.run(&pool), Err(PlanError::NotBound(name)) if name == "x"));
        let (x, mut o) = (input(n, 8), Tensor::zeros(Dtype::F32, &[n, 8]));
        let (shape, bytes) = (o.shape.clone(), o.bytes.len());
        let pointer = o.bytes.as_mut_ptr();
        let out = View { dtype: Dtype::F32, shape: &shape, strides: None, pointer, bytes };
        // SAFETY: both tensors outlive the runs.
        unsafe {
            plan.bind("x", View::of(&x)).unwrap();
            plan.bind("o", out).unwrap();
        }
        plan.bind_prepared(&prepared(&module, n)).unwrap();
        for _ in 0..3 {
            plan.run(&pool).unwrap();
            assert_eq!(o.to_f64(), expected(&x));
        }
        assert_eq!(plan.memory.bytes(0).as_ptr(), memory);
        plan.update(&dims(n as i64, 8, 2)).unwrap();
        assert_eq!(plan.missing().count(), 0, "the same shapes keep their bindings");
    }
    assert_eq!((plan.variant(), plan.module().manifest().name.as_str()), ("all", "rows"));
}

#[test]
fn neither_updates_nor_bindings_nor_runs_allocate() {
    let module = module();
    let pool = Pool::new(2).unwrap();
    let mut plan = module.plan(&dims(40, 8, 2)).unwrap();
    let sizes = [dims(40, 8, 2), dims(3, 8, 2), dims(20, 8, 2)];
    let weights = [40, 3, 20].map(|n| prepared(&module, n));
    let mut memory = vec![0f32; 2 * 40 * 8];
    let before = ALLOCATIONS.get();
    for (d, weight) in sizes.iter().zip(&weights) {
        plan.update(d).unwrap();
        let (x, o) = memory.split_at_mut(320);
        let shape = [weight.shape[0], 8];
        for (name, half) in [("x", x), ("o", o)] {
            let pointer = half.as_mut_ptr().cast();
            let view =
                View { dtype: Dtype::F32, shape: &shape, strides: None, pointer, bytes: 1280 };
            // SAFETY: the memory outlives the run.
            unsafe { plan.bind(name, view).unwrap() };
        }
        plan.bind_prepared(weight).unwrap();
        plan.run(&pool).unwrap();
    }
    assert_eq!(ALLOCATIONS.get(), before);
    assert_eq!(memory[320], 100.0);
}

#[test]
fn strides_are_used_and_pick_the_variant() {
    let module = module();
    let pool = Pool::new(1).unwrap();
    let wide = input(7, 16);
    for n in [6, 7] {
        let mut plan = module.plan(&dims(n as i64, 8, 1)).unwrap();
        assert_eq!(plan.variant(), "all");
        let mut o = vec![0f32; n * 8];
        let view = |strides, pointer, bytes| View {
            dtype: Dtype::F32,
            shape: if n == 6 { &[6, 8] } else { &[7, 8] },
            strides,
            pointer,
            bytes,
        };
        let x = view(Some(&[64, 4]), wide.bytes.as_ptr().cast_mut(), wide.bytes.len());
        // SAFETY: the memory outlives the run.
        unsafe {
            plan.bind("o", view(None, o.as_mut_ptr().cast(), n * 32)).unwrap();
            plan.bind("x", x).unwrap();
        }
        plan.bind_prepared(&prepared(&module, n)).unwrap();
        assert_eq!(plan.variant(), if n == 7 { "padded" } else { "all" });
        plan.run(&pool).unwrap();
        let row1: f32 = (16..24).map(|i| i as f32).sum();
        assert_eq!(o[8], if n == 7 { 0.0 } else { 16.0 + row1 + 100.0 });
    }
}

#[test]
fn workspace_is_aligned_and_counted() {
    let plan = module().plan(&dims(100, 8, 3)).unwrap();
    // Two counters of 128 bytes, three workers of 64 bytes, 100 floats.
    assert_eq!(plan.workspace_bytes(), 256 + 256 + 512);
    let part = plan.memory.bytes(plan.buffers[0].0);
    assert_eq!(part.as_ptr().addr() % 256, plan.memory.bytes(0).as_ptr().addr() % 256);
    assert_eq!(plan.shape("o"), Some(&[100, 8][..]));
    assert_eq!(plan.shape("none"), None);
}

#[test]
fn wrong_sizes_are_told() {
    let module = module();
    let change = |f: &dyn Fn(&mut Dims)| {
        let mut d = dims(4, 8, 2);
        f(&mut d);
        module.plan(&d).err().unwrap().to_string()
    };
    let set = |name: &'static str, x| change(&|d| d.scalars.extend([(name.to_owned(), x)]));
    assert_eq!(
        change(&|d| d.scalars.retain(|name, _| name != "n")),
        "symbol `n` has no value: give one"
    );
    assert_eq!(
        change(&|d| d.ragged.clear()),
        "symbol `len` has no value: give one, a list with one for each of `b`"
    );
    assert_eq!(
        change(&|d| drop(d.ragged.insert("lenn".into(), vec![]))),
        "there is no symbol `lenn`; did you mean `len`?"
    );
    assert_eq!(change(&|d| d.cores = 0), "the plan is for 0 workers: at least one is needed");
    assert_eq!(set("k", 0), "`k` is 0: the op promises at least 1");
    assert_eq!(set("k", 5000), "`k` is 5000: the op promises at most 4096");
    assert_eq!(set("k", 3), "`k` is 3: the op promises a multiple of 2");
    assert_eq!(set("n", -1), "`n` is -1: a size is not negative");
    assert_eq!(set("n", 1), "no variant of `rows` serves these sizes and strides");
    assert_eq!(set("n", i64::MAX), "`x` is larger than this machine can address");
    assert!(set("n", 1 << 50).starts_with("cannot allocate "));
    let load = |from, to| Module::load(&artifact((from, to), "good"), &GOOD).unwrap();
    let ragged = load("\"n\", \"k\"", "\"b\", \"n\", \"k\"");
    let mut d = dims(4, 8, 2);
    d.scalars.insert("b".into(), 3);
    let error = ragged.plan(&d).err().unwrap().to_string();
    assert_eq!(error, "`len` lengths are 2, but `b` is 3");
    let zero = load("part: f32[n]", "part: f32[n / (n - 4)]");
    let error = zero.plan(&dims(4, 8, 2)).err().unwrap().to_string();
    assert_eq!(error, "`part`: `n / (n - 4)` overflows or divides by zero");
    let zero = load("n >= 2", "n / (n - 4) >= 2");
    let error = zero.plan(&dims(4, 8, 2)).err().unwrap().to_string();
    assert_eq!(error, "variant `all`: `n / (n - 4)` overflows or divides by zero");
    let zero = load("extent rows\"", "extent rows / (rows - 4)\"");
    let error = zero.plan(&dims(4, 8, 2)).err().unwrap().to_string();
    assert_eq!(error, "launch of `sum`: `rows / (rows - 4)` overflows or divides by zero");
    let negative = load("part: f32[n]", "part: f32[n - 9]");
    let error = negative.plan(&dims(4, 8, 2)).err().unwrap().to_string();
    assert_eq!(error, "`part` has the size -5 in dimension 0");
    let huge = load("part: f32[n]", "part: f32[n * 2000000000000000000]");
    let error = huge.plan(&dims(4, 8, 2)).err().unwrap().to_string();
    assert_eq!(error, "`part` is larger than this machine can address");
}

#[test]
fn a_failed_update_keeps_the_plan_from_running() {
    let module = module();
    let pool = Pool::new(2).unwrap();
    let mut plan = module.plan(&dims(4, 8, 2)).unwrap();
    assert!(plan.update(&dims(4, 3, 2)).is_err());
    assert!(matches!(plan.run(&pool), Err(PlanError::NotReady)));
    let x = input(4, 8);
    // SAFETY: nothing is bound, the plan does not run.
    assert!(matches!(unsafe { plan.bind("x", View::of(&x)) }, Err(PlanError::NotReady)));
    let weight = prepared(&module, 4);
    assert!(matches!(plan.bind_prepared(&weight), Err(PlanError::NotReady)));
    plan.update(&dims(4, 8, 2)).unwrap();
    plan.bind_prepared(&weight).unwrap();
    let error = plan.run(&Pool::new(3).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "the plan is for 2 workers, the pool has 3");
}

#[test]
fn wrong_bindings_are_told() {
    let module = module();
    let mut plan = module.plan(&dims(4, 8, 1)).unwrap();
    let mut memory = [0u64; 64];
    let good = View {
        dtype: Dtype::F32,
        shape: &[4, 8],
        strides: None,
        pointer: memory.as_mut_ptr().cast(),
        bytes: 512,
    };
    let mut told = |name: &str, view: View<'_>, message: &str| {
        // SAFETY: the plan does not run.
        let result = unsafe { plan.bind(name, view) };
        assert_eq!(result.map_err(|e| e.to_string()), Err(message.to_owned()));
    };
    told("xx", good, "there is no tensor `xx`; did you mean `x`?");
    told("w", good, "`w` is not used with these sizes; nothing to bind");
    told("x", View { dtype: Dtype::F16, ..good }, "`x` is f32, not f16");
    told("x", View { shape: &[8, 4], ..good }, "`x` has the shape [4, 8], not [8, 4]");
    told("x", View { strides: Some(&[4]), ..good }, "`x` has 1 strides for 2 dimensions");
    told(
        "x",
        View { strides: Some(&[4, 32]), ..good },
        "`x`: the last dimension has stride 32, it must be dense (4 bytes)",
    );
    told(
        "x",
        View { strides: Some(&[34, 4]), ..good },
        "`x`: stride 34 of dimension 0 is no multiple of 4 bytes",
    );
    told(
        "o",
        View { strides: Some(&[16, 4]), ..good },
        "`o`: rows of output overlap: stride 16 of dimension 0 is below 32",
    );
    told("x", View { bytes: 127, ..good }, "`x` needs 128 bytes, the memory has 127");
    told(
        "x",
        View { strides: Some(&[usize::MAX & !3, 4]), ..good },
        "`x` is larger than this machine can address",
    );
    let odd = good.pointer.wrapping_add(2);
    told("x", View { pointer: odd, ..good }, "`x` is at an address that is no multiple of 4");
    let error = plan.bind_prepared(&prepared(&module, 5)).unwrap_err().to_string();
    assert_eq!(error, "`w.packed` is packed [5, 64] (rows, k), the plan needs [4, 64]");
    let bytes = || Buffer::zeroed(9).unwrap();
    let error = Prepared::from_packed(&module, "w.packed", &[4, 64], bytes()).unwrap_err();
    assert_eq!(error.to_string(), "`w.packed` needs 160 bytes, the memory has 9");
    let error = Prepared::from_packed(&module, "w.packed", &[64], bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`w.packed` has 1 dimensions; a packed weight has rows and k, before them perhaps copies"
    );
    let error = Prepared::from_packed(&module, "w.pack", &[4, 64], bytes()).unwrap_err();
    assert_eq!(error.to_string(), "there is no tensor `w.pack`; did you mean `w.packed`?");
}

#[test]
fn the_safe_way_checks_everything() {
    let module = module();
    let pool = Pool::new(1).unwrap();
    let d = dims(4, 8, 1);
    let weights = [prepared(&module, 4)];
    let run = |inputs: &[(&str, Tensor)]| {
        let inputs = inputs.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
        run_tensors(&module, &d, &inputs, &weights, &pool).map_err(|e| e.to_string())
    };
    assert_eq!(run(&[]), Err("input `x` is missing".into()));
    assert_eq!(
        run(&[("xx", input(4, 8))]),
        Err("there is no input `xx`; did you mean `x`?".into())
    );
    let mut short = input(4, 8);
    short.bytes.pop();
    assert_eq!(run(&[("x", short)]), Err("`x` holds 127 bytes, its shape [4, 8] needs 128".into()));
    assert_eq!(run(&[("x", input(8, 4))]), Err("`x` has the shape [4, 8], not [8, 4]".into()));
    let inputs = [("x".to_owned(), input(4, 8))].into();
    let error = run_tensors(&module, &d, &inputs, &[], &pool).unwrap_err().to_string();
    assert_eq!(error, "`w.packed` is not bound");
    let spilling = Module::load(&artifact(("", ""), "good"), &SPILL).unwrap();
    let error = run_tensors(&spilling, &d, &inputs, &weights, &pool).unwrap_err();
    assert!(matches!(error, Error::Canary { place: 128.., .. }), "{error}");
}

#[test]
fn artifacts_that_do_not_fit_are_refused() {
    let refused = |from: &str, to: &str, message: &str| {
        let error = Module::load(&artifact((from, to), "good"), &GOOD).err();
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(message), "{to}");
    };
    refused("\"fake\"", "\"ptx\"", "the artifact is for backend `ptx`, the driver is `fake`");
    refused(
        "features = []",
        "features = [\"amx9\"]",
        "the artifact needs the CPU feature `amx9`, which this CPU does not have",
    );
    refused("rows_sum", "rows_sun", "file `rows.txt`: the code has no symbol `rows_sun`");
    refused(
        "sum(x, part, n)",
        "sum(xs, part, n)",
        "variant `all`, launch of `sum`: there is no tensor `xs`; did you mean `x`?",
    );
    refused(
        "sum(x, part, n)",
        "sum(x, x, n)",
        "variant `all`, launch of `sum`: `x` is f32 of 2 dimensions, the kernel's `part` is f32 of 1",
    );
    refused(
        "w.packed.scale)\"",
        "w.packed.codes)\"",
        "variant `all`, launch of `add`: `w.packed.codes` is not packed as the kernel's `w`",
    );
    refused(
        "sum(x, part, n)",
        "sum(x, part, nn)",
        "variant `all`, launch of `sum`: there is no symbol `nn`; did you mean `n`?",
    );
    refused("sum(len)", "sum(lon)", "variant `all`: there is no ragged symbol `lon`");
    refused("extent rows\"", "extent row\"", "kernel `sum`: there is no symbol `row`");
    refused("pointer x", "pointer y", "kernel `sum`: there is no tensor parameter `y`");
    refused("stride x 0", "stride x 2", "kernel `sum`: dimension 2 of `x` has no run-time stride");
    refused("pointer w", "stride w 0", "kernel `add`: dimension 0 of `w` has no run-time stride");
    refused("counter 1", "counter 2", "kernel `sum`: counter 2 of 2");
    refused(
        "pack(w)",
        "pack(v)",
        "prepare `w.packed`: there is no parameter `v`; did you mean `x`?",
    );
    refused("f32[n, 64]", "f32[]", "prepare `w.packed`: `w` has no rows and columns");
    refused(
        "symbol = \"k\"",
        "symbol = \"kk\"",
        "bounds: there is no symbol `kk`; did you mean `k`?",
    );
    refused("\"n\", \"k\"", "\"n\", \"n\"", "symbol `n`: this name stands twice");
    refused("unused:", "part:", "tensor `part`: this name stands twice");
    for (right, wrong) in [
        ("unused: f32", "unused: u4"),
        ("000, k]", "000, k] packed(scale, u4 lanes 8 group 32 scale f32)"),
    ] {
        refused(
            right,
            wrong,
            "buffer `unused`: workspace holds whole-byte elements, one after the other",
        );
    }
    let load = |a: &Artifact| Module::load(a, &GOOD).err().unwrap().to_string();
    let mut newer = artifact(("", ""), "good");
    newer.manifest.format = 99;
    let told = "the artifact has format 99; this runtime reads up to";
    assert!(load(&newer).starts_with(told) && load(&newer).ends_with("use a newer kgen"));
    let mut changed = artifact(("", ""), "good");
    changed.files.insert("rows.txt".into(), "bad".into());
    assert!(load(&changed).starts_with("damaged artifact: file `rows.txt` has BLAKE3 "));
    assert_eq!(
        load(&artifact(("", ""), "bad")),
        "file `rows.txt`: cannot compile: `bad` is not code"
    );
    assert_eq!(
        load(&artifact(("", ""), "elsewhere")),
        "file `rows.txt`: this machine cannot run the code: it is for another CPU"
    );
}

/// What the text of a manifest cannot say but a manifest made in memory can.
#[test]
fn manifests_made_in_memory_are_held_to_the_same() {
    use kgen_ir::tile::{Arg, Store};
    let refused = |change: &dyn Fn(&mut Manifest), message: &str| {
        let mut a = artifact(("", ""), "good");
        change(&mut a.manifest);
        let error = Module::load(&a, &GOOD).err();
        assert!(matches!(
            error,
            Some(LoadError::Mismatch { .. } | LoadError::Unknown { .. } | LoadError::Damaged(_))
        ));
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(message));
    };
    let at = "variant `all`, launch of `sum`";
    refused(
        &|m| m.variants[1].launches[0].kernel = "sun".into(),
        "variant `all`, launch of `sun`: there is no kernel `sun`; did you mean `sum`?",
    );
    refused(
        &|m| drop(m.variants[1].launches[0].args.pop()),
        &format!("{at}: 2 arguments for 3 parameters"),
    );
    refused(
        &|m| m.variants[1].launches[0].args[2] = Arg::Tensor("x".into()),
        &format!("{at}: scalar `rows` cannot be tensor `x`"),
    );
    refused(
        &|m| m.variants[1].launches[0].args[0] = Arg::Scalar("n".into()),
        &format!("{at}: tensor `x` cannot be scalar `n`"),
    );
    refused(&|m| m.kernels[0].scratch = 1, "kernel `sum`: scratch of 1 bytes is no multiple of 64");
    refused(&|m| m.kernels[1].name = "sum".into(), "kernel `sum`: this name stands twice");
    refused(&|m| m.kernels[0].file = "other".into(), "damaged artifact: file `other` is missing");
    refused(&|m| m.params[0].shape = vec!["n".into(); 17], "tensor `x`: more than 16 dimensions");
    let field = kgen_ir::tile::field::Field { block: 1, stride: 8, at: 0, step: 8 };
    refused(
        &|m| {
            if let kgen_ir::tile::Param::Tensor(t) = &mut m.kernels[1].params[0] {
                (t.store, t.elem) = (Store::Field(field), Dtype::I8);
            }
        },
        "variant `all`, launch of `add`: `x` has no field like the kernel's `x`",
    );
    let packing = artifact(("", ""), "good").manifest.prepares[0].packing.clone();
    refused(
        &|m| {
            let of = packing.clone();
            m.params[0].store = Store::Packed { of, part: kgen_ir::tile::Part::Codes };
        },
        &format!("{at}: `x` is stored in blocks: only prepare steps read those"),
    );
}
