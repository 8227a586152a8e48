//! Damaged files of every kind: each reader answers with an error or a value, never with a panic, and what it reads
//! prints to the same again.
//!
//! `KGEN_FUZZ=1000000 cargo test --release --test fuzz` reads so many of each kind (`cargo xtask fuzz`); else each
//! kind has two seconds. Input number `i` of a kind is always the same. Whatever once went wrong is a file of
//! `tests/fuzz/KIND/` and comes first.

use kgen::compile;
use kgen_ir::{
    artifact::Manifest,
    extent::{Dims, Extent},
    format::{pack::Packing, rows},
    layout::Layout,
    lex::Lexer,
    machine, op,
    tensor::Tensor,
    tile::{
        self, Role, Stage, Store,
        interp::{Limits, Mode, Options, Order, interp_with},
    },
};
use kgen_passes::Schedule;
use kgen_runtime::{
    cache::{Cache, Entry},
    decode::{Decoder, KvCache, Tokenizer},
    files::{gguf, safetensors},
    pool::Pool,
};
use kgen_sim::ptx;
use kgen_tests::{models::Contents, mutate::Mutator, reference_kernels::ReferenceKernels};
use std::{
    collections::BTreeMap,
    fs,
    io::{Seek, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

#[path = "../../sim/tests/tile/mod.rs"]
#[allow(dead_code, reason = "its text alone is damaged here")]
mod attention;

/// What a reader makes of a file: nothing to say, or what is wrong with the answer.
type Check = fn(&[u8], &Path) -> Result<(), String>;

macro_rules! readers {
    ($($name:ident: $seeds:expr, $check:expr;)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name), $seeds, $check);
        })*
    };
}

readers! {
    op: op_seeds(), read_op;
    schedule: texts(&["keys = 16\nsplit = 1024\nrows = 16\ntokens = 4\nchunk = 8\nprefetch = 1\nahead = 4\n"]), read_schedule;
    gguf: gguf_seeds(), read_gguf;
    model: model_seeds(), read_model;
    safetensors: safetensors_seeds(), read_safetensors;
    tile: compiled().programs.clone(), read_tile;
    mach: compiled().kernels.clone(), read_mach;
    manifest: compiled().manifests.clone(), read_manifest;
    cache_entry: compiled().manifests.clone(), read_cache_entry;
    layout: texts(&["lane = n1 n2 m0 m1 m2, reg = n0 m3", "lane = k0^n1 k1, warp = m0"]), read_layout;
    packing: texts(&["u4 lanes 8 group 32 scale f16 zero 8", "i8 lanes 16 group 32 scale f32 min f16"]), read_packing;
    extent: texts(&["ceildiv(n, 1024) * 8 - min(n, lo + 1024) % 3", "max_of(n) / cores + sum(n) * len(n)", "0 - 1"]), read_extent;
    settings: texts(&["m=1,16,256", "n=[1000,17]", "n=[1,2],[3,4]", "b = 4"]), read_settings;
    mask: texts(&["k <= q && (q - k < 4096 || k < 4)", "block(q, 64) == block(k, 64)", "min(q, k) % 3 != -1"]), read_mask;
    ptx: compiled().texts.clone(), read_ptx;
    rows_text: texts(&["x * rsqrt(mean(x * x) + 1e-5) * w", "sigmoid(g) * g * u", "max(x, 0) + sum(exp(x - max(x)))"]), read_row;
}

fn texts(list: &[&str]) -> Vec<Vec<u8>> {
    list.iter().map(|t| t.as_bytes().to_vec()).collect()
}

/// An input may take so long and no longer.
const PATIENCE: Duration = Duration::from_secs(20);

fn run(name: &'static str, mut seeds: Vec<Vec<u8>>, check: Check) {
    let wanted =
        std::env::var("KGEN_FUZZ").ok().map(|n| n.parse::<u64>().expect("KGEN_FUZZ is a number"));
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    fs::create_dir_all(&place).unwrap();
    let file = place.join("input");
    let mut kept_open = fs::File::create(&file).unwrap();
    let mut one = |what: &str, bytes: &[u8]| {
        // In the file before it is read: even the end of the process leaves it.
        kept_open.set_len(bytes.len() as u64).unwrap();
        kept_open.rewind().unwrap();
        kept_open.write_all(bytes).unwrap();
        let timed = || {
            let start = Instant::now();
            let answer = catch_unwind(AssertUnwindSafe(|| check(bytes, &file)));
            (answer, start.elapsed())
        };
        let (answer, took) = timed();
        // The machine itself may have stood still: slow is what is slow twice.
        let took = if took < PATIENCE { took } else { took.min(timed().1) };
        let wrong = match answer {
            Ok(Ok(())) if took < PATIENCE => return,
            Ok(Ok(())) => format!("took {took:?}"),
            Ok(Err(wrong)) => wrong,
            Err(_) => "panicked".into(),
        };
        let kept = place.join("wrong");
        fs::write(&kept, bytes).unwrap();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]);
        panic!("{name}, {what} ({}): {wrong}\n{shown}", kept.display());
    };
    for seed in &seeds {
        one("a seed", seed);
    }
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name);
    let mut known: Vec<PathBuf> =
        fs::read_dir(known).map(|d| d.map(|f| f.unwrap().path()).collect()).unwrap_or_default();
    known.sort();
    for path in known {
        let bytes = fs::read(&path).unwrap();
        one(&path.display().to_string(), &bytes);
        seeds.push(bytes);
    }
    let start = Instant::now();
    let mut i = 0;
    while wanted.map_or_else(|| start.elapsed() < Duration::from_secs(2), |n| i < n) {
        one(&format!("input {i}"), &Mutator::new(i).damaged(&seeds));
        i += 1;
    }
    eprintln!("{name}: {i} inputs in {:?}", start.elapsed());
}

/// The shipped ops, compiled for every target: what seeds of the lower levels are.
struct Compiled {
    programs: Vec<Vec<u8>>,
    kernels: Vec<Vec<u8>>,
    manifests: Vec<Vec<u8>>,
    /// PTX.
    texts: Vec<Vec<u8>>,
}

const AXPY: &str = "program axpy(x: f32[n], y: f32[n]) -> (o: f32[n]) symbols n {
  kernel main(x: f32[n], y: f32[n], out o: f32[n]) {
    tasks t in 0..ceildiv(n, 2) dynamic 4 {
      a = load(x[t * 2:2]) guard : f32[2]
      b = load(y[t * 2:2]) guard : f32[2]
      c = a * b : f32[2]
      s = reduce_sum(c, 0) : f32[1]
      d = c + s : f32[2]
      store(o[t * 2:2], d) guard
    }
  }
  variant all when n > 0 {
    launch main(x, y, o)
  }
}
";

fn compiled() -> &'static Compiled {
    static ALL: OnceLock<Compiled> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut out = Compiled {
            programs: vec![AXPY.as_bytes().to_vec()],
            kernels: vec![],
            manifests: vec![],
            texts: vec![attention::text().into_bytes()],
        };
        for seed in op_seeds() {
            let op = op::read::read("seed", std::str::from_utf8(&seed).unwrap()).unwrap();
            // Chips of one family differ in a word of their text.
            let one = |t: &&kgen_ir::target::Target| t.backend != "ptx" || t.name == "sm80";
            for target in compile::targets().into_iter().filter(one) {
                let Ok(c) = compile::compile(&op, target, &Schedule::default_for(target)) else {
                    continue;
                };
                out.programs.push(c.program.to_string().into_bytes());
                out.kernels.extend(c.kernels.iter().map(|k| k.to_string().into_bytes()));
                out.manifests.push(c.artifact.manifest.print().into_bytes());
                let ptx = c.artifact.files.into_iter().filter(|(name, _)| name.ends_with(".ptx"));
                out.texts.extend(ptx.map(|(_, text)| text.into_bytes()));
            }
        }
        for list in [&mut out.programs, &mut out.kernels, &mut out.manifests, &mut out.texts] {
            list.retain(|x| x.len() < 20_000);
            assert!(!list.is_empty());
        }
        out
    })
}

fn op_seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|p| fs::read(p).unwrap()).collect()
}

/// Sizes for a run: every symbol is 3, every ragged one 2 and 1.
fn sizes<'a>(symbols: impl IntoIterator<Item = &'a tile::Symbol>) -> Dims {
    let mut dims = Dims { cores: 2, ..Dims::default() };
    for s in symbols {
        match &s.ragged {
            Some(_) => drop(dims.ragged.insert(s.name.clone(), vec![2, 1])),
            None => drop(dims.scalars.insert(s.name.clone(), 3)),
        }
    }
    dims
}

/// Zeros for a shape, if it is small.
fn zeros(elem: kgen_ir::dtype::Dtype, shape: &[Extent], dims: &Dims) -> Option<Tensor> {
    let shape: Option<Vec<usize>> =
        shape.iter().map(|e| usize::try_from(e.eval(dims).ok()?).ok()).collect();
    let shape = shape?;
    let count = shape.iter().try_fold(elem.bytes()?, |a, n| a.checked_mul(*n))?;
    (count < 1 << 14).then(|| Tensor::zeros(elem, &shape))
}

/// An error has a place in the text; what reads runs to an end, with findings or without.
fn read_ptx(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let module = match ptx::Module::parse(text) {
        Ok(module) => module,
        Err(
            ptx::Error::Text { line, column, message }
            | ptx::Error::Unsupported { line, column, message },
        ) => {
            let there = (1..=text.lines().count() as u32 + 1).contains(&line) && column > 0;
            return if there && !message.is_empty() {
                Ok(())
            } else {
                Err(format!("{line}:{column}: {message}"))
            };
        }
        Err(ptx::Error::Launch(why)) => return Err(why),
    };
    let Some(entry) = module.entries().next().and_then(|name| module.entry(name)) else {
        return Ok(());
    };
    let mut memory = ptx::Memory::default();
    let buffer = memory.add("x", vec![1; 4096], true);
    let argument = |(_, size): (&str, u32)| match size {
        8 => ptx::Arg::Buffer(buffer, 0),
        _ => ptx::Arg::Bytes(vec![0; size as usize]),
    };
    let args: Vec<_> = module.params(entry).into_iter().map(argument).collect();
    let block = module.required_threads(entry).unwrap_or([64, 1, 1]);
    for follow in [false, true] {
        let launch = ptx::Launch { block, limit: 3000, follow, ..ptx::Launch::default() };
        // What is wrong with it is for others to say.
        let _ = ptx::run(&module, entry, &launch, &args, &mut memory);
    }
    Ok(())
}

fn read_op(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let op = match op::read::read("fuzz.toml", text) {
        Ok(op) => op,
        Err(report) if report.list.is_empty() => return Err("refused without a reason".into()),
        Err(report) => {
            return if report.render().is_empty() { Err("no report".into()) } else { Ok(()) };
        }
    };
    let printed = op::print::print(&op);
    let back = op::read::read("printed", &printed).map_err(|e| format!("{e}\n{printed}"))?;
    if op::print::print(&back) != printed {
        return Err(format!("prints as\n{printed}"));
    }
    // Each op is built for one target, as its text falls.
    let targets = compile::targets();
    let target = targets[bytes.iter().map(|b| *b as usize).sum::<usize>() % targets.len()];
    let _ = compile::compile(&op, target, &Schedule::default_for(target));
    let dims = sizes(&op.symbols());
    let small = op.tensors().iter().all(|t| zeros(t.dtype, t.stored_shape(), &dims).is_some());
    if small && let Ok(inputs) = kgen::inputs::complete(&op, &dims, &BTreeMap::new(), 1) {
        let _ = kgen_kernels_ref::run(&op, &dims, &inputs);
    }
    Ok(())
}

fn read_schedule(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let base = Schedule::default_for(compile::targets()[0]);
    match Schedule::parse("fuzz", text, &base) {
        Ok(s) => same(Ok(s.clone()), Schedule::parse("printed", &s.print(), &base)),
        Err(report) => {
            if report.render().is_empty() {
                Err("no report".into())
            } else {
                Ok(())
            }
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug, E: std::fmt::Debug + PartialEq>(
    a: Result<T, E>,
    b: Result<T, E>,
) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("{a:?}\nreads back as\n{b:?}")) }
}

fn gguf_seeds() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz.gguf");
    let mut next = kgen_ir::format::random::numbers(3);
    let format = |name| rows::find(name).unwrap();
    let new = |name: &str, dims: &[usize], f: &'static kgen_ir::format::Format, next: &mut _| {
        let blocks = dims.iter().product::<usize>() / f.block;
        let bytes = (0..blocks).flat_map(|_| f.random_block(next)).collect();
        gguf::NewTensor { name: name.into(), dims: dims.into(), format: f, bytes }
    };
    let tensors = vec![
        new("a", &[2, 64], format("q4_0"), &mut next),
        new("b.weight", &[3], format("f32"), &mut next),
        new("c", &[1, 256], format("q6_k"), &mut next),
    ];
    let metadata = [
        ("general.architecture".to_string(), gguf::Value::Text("llama".into())),
        ("x".to_string(), gguf::Value::U64(7)),
    ];
    gguf::write(&path, &metadata, &tensors).unwrap();
    vec![fs::read(path).unwrap()]
}

fn read_gguf(_: &[u8], path: &Path) -> Result<(), String> {
    let Ok(file) = gguf::Gguf::open(path) else { return Ok(()) };
    for t in file.tensors() {
        let count: usize = t.dims.iter().product();
        let Some(format) = t.format else { continue };
        if t.bytes.len() != count / format.block * format.bytes {
            return Err(format!("{} has {} bytes for {:?}", t.name, t.bytes.len(), t.dims));
        }
        for block in t.bytes.chunks(format.bytes.max(1)).take(64) {
            format.decode(block).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// The head alone is damaged: what stands in the tensors is numbers, whatever they are.
fn model_seeds() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-model.gguf");
    let save = |pieces| {
        Contents::least(pieces).save(&path);
        fs::read(&path).unwrap()
    };
    vec![save(false), save(true)]
}

fn read_model(_: &[u8], path: &Path) -> Result<(), String> {
    let Ok(file) = gguf::Gguf::open(path) else { return Ok(()) };
    if let Ok(tokenizer) = Tokenizer::open(&file) {
        for text in ["a ab\nb", "", "\u{2581}é<s>"] {
            let Ok(tokens) = tokenizer.encode(text) else { continue };
            if let Some(t) = tokens.iter().find(|t| **t as usize >= tokenizer.len()) {
                return Err(format!("{t} is no token"));
            }
            let _ = tokenizer.decode(&tokens);
        }
    }
    let pool = Pool::new(1).map_err(|e| e.to_string())?;
    if let Ok(mut decoder) =
        Decoder::new(&Arc::new(file), &ReferenceKernels, &pool, KvCache::f16(3))
    {
        let next = decoder.feed(&[1, 0], &pool).map_err(|e| e.to_string())?;
        decoder.feed(&[next], &pool).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn safetensors_seeds() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz.safetensors");
    let f32 = kgen_ir::dtype::Dtype::F32;
    let tensors = BTreeMap::from([
        ("q".to_string(), Tensor::from_f64(f32, &[2, 3], &[1.0; 6])),
        ("n".to_string(), Tensor::from_i32(&[2], &[3, 4])),
        ("empty".to_string(), Tensor::zeros(f32, &[0, 4])),
    ]);
    safetensors::write(&path, &tensors).unwrap();
    vec![fs::read(path).unwrap()]
}

fn read_safetensors(_: &[u8], path: &Path) -> Result<(), String> {
    let Ok(tensors) = safetensors::read(path) else { return Ok(()) };
    for (name, t) in &tensors {
        let width = t.dtype.bytes().ok_or("a tensor of codes")?;
        if t.bytes.len() != t.count() * width {
            return Err(format!("{name}: {} bytes for {:?}", t.bytes.len(), t.shape));
        }
    }
    Ok(())
}

fn read_tile(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let Ok(program) = tile::parse::parse(text) else { return Ok(()) };
    let printed = program.to_string();
    let back = tile::parse::parse(&printed).map_err(|e| format!("{e:?}\n{printed}"))?;
    if back.to_string() != printed {
        return Err(format!("prints as\n{printed}\nthen as\n{back}"));
    }
    if tile::verify::verify(&program, Stage::Built).is_err() {
        return Ok(());
    }
    let dims = sizes(&program.symbols);
    let mut inputs = BTreeMap::new();
    for t in program.params.iter().filter(|t| t.role == Role::In) {
        let input = match &t.store {
            Store::Strided | Store::Packed { .. } | Store::Field(_) => {
                zeros(t.elem, &t.shape, &dims)
            }
            Store::Blocks(_) => zeros(kgen_ir::dtype::Dtype::U8, &t.shape, &dims),
        };
        let Some(input) = input else { return Ok(()) };
        inputs.insert(t.name.clone(), input);
    }
    let limits = Limits { steps: 1 << 14, elements: 1 << 14 };
    for (mode, order) in [(Mode::Exact, Order::Shuffled(1)), (Mode::Rounded, Order::Reversed)] {
        let _ = interp_with(&program, &dims, &inputs, &Options { mode, order, limits });
    }
    Ok(())
}

fn read_mach(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let Ok(kernel) = machine::parse::parse(text) else { return Ok(()) };
    let printed = kernel.to_string();
    let back = machine::parse::parse(&printed).map_err(|e| format!("{e:?}\n{printed}"))?;
    if back.to_string() != printed {
        return Err(format!("prints as\n{printed}\nthen as\n{back}"));
    }
    if machine::verify::verify(&kernel).is_err() {
        return Ok(());
    }
    let mut memory = machine::interp::Memory::default();
    let slots: Vec<u64> = kernel
        .slots
        .iter()
        .map(|s| match s {
            machine::Slot::Pointer(_)
            | machine::Slot::Counter(_)
            | machine::Slot::Scratch
            | machine::Slot::Report => memory.add(vec![0; 1024]),
            machine::Slot::Stride(..) | machine::Slot::Extent(_) | machine::Slot::End(_) => 3,
        })
        .collect();
    let _ = machine::interp::run_within(&kernel, &slots, &mut memory, 2, 1 << 12);
    Ok(())
}

fn read_manifest(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let read = |text: &str| Manifest::parse("fuzz", text, &rows::find);
    match read(text) {
        Ok(m) => {
            let printed = m.print();
            let back = read(&printed).map_err(|e| format!("{e}\n{printed}"))?;
            if back == m { Ok(()) } else { Err(format!("prints as\n{printed}")) }
        }
        Err(report) if report.render().is_empty() => Err("no report".into()),
        Err(_) => Ok(()),
    }
}

fn read_cache_entry(bytes: &[u8], file: &Path) -> Result<(), String> {
    let folder = file.with_file_name("cache");
    let cache = Cache::open(&folder, rows::find, false).map_err(|e| e.to_string())?;
    let key = kgen_runtime::cache::key(&["fuzz"]);
    let entry = folder.join(&key);
    fs::create_dir_all(&entry).map_err(|e| e.to_string())?;
    fs::write(entry.join("manifest.toml"), bytes).map_err(|e| e.to_string())?;
    match cache.get(&key).map_err(|e| e.to_string())? {
        Entry::Damaged(why) if !why.is_empty() => Ok(()),
        Entry::Found(_) | Entry::Missing | Entry::Damaged(_) => {
            Err("an entry without its files is not called damaged".into())
        }
    }
}

fn read_layout(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let Ok(layout) = Layout::parse(text) else { return Ok(()) };
    let _ = (layout.rank(), layout.kernel(), layout.is_bijective());
    if let Ok(inverse) = layout.invert() {
        inverse.then(&layout).map_err(|e| e.to_string())?;
    }
    same(Ok(layout.clone()), Layout::parse(&layout.to_string()))
}

fn read_packing(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let read = |text: &str| Lexer::new(text).and_then(|mut l| Packing::read(&mut l));
    let Ok(packing) = read(text) else { return Ok(()) };
    let _ = packing.sizes(usize::MAX / 2, 1 << 40);
    let _ = packing.sizes(17, 64);
    same(Ok(packing.clone()), read(&packing.to_string()))
}

fn read_extent(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let Ok(extent) = Extent::parse(text) else { return Ok(()) };
    let printed = extent.to_string();
    let back = Extent::parse(&printed).map_err(|e| format!("{e:?}: {printed}"))?;
    if back.to_string() != printed {
        return Err(format!("prints as {printed}, then as {back}"));
    }
    for n in [0, 1, -1, i64::MAX, i64::MIN] {
        let value = |e: &Extent| {
            let dims = Dims {
                ragged: BTreeMap::from([("n".into(), vec![n, 1])]),
                cores: n,
                ..Dims::default()
            };
            e.eval_with(&|_| Some(n), &dims).ok()
        };
        if value(&extent) != value(&back) {
            return Err(format!("{printed} at {n}: {:?}, {:?}", value(&extent), value(&back)));
        }
    }
    Ok(())
}

fn read_settings(bytes: &[u8], _: &Path) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    if let Ok(setting) = kgen::sweep::parse(text) {
        kgen::sweep::cases(&[setting]);
    }
    Ok(())
}

fn read_mask(bytes: &[u8], _: &Path) -> Result<(), String> {
    expression(bytes, op::expr::Dialect::Mask)
}

fn read_row(bytes: &[u8], _: &Path) -> Result<(), String> {
    expression(bytes, op::expr::Dialect::Row)?;
    expression(bytes, op::expr::Dialect::Index)
}

fn expression(bytes: &[u8], dialect: op::expr::Dialect) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let Ok(parsed) = op::expr::parse(text, dialect) else { return Ok(()) };
    let printed = parsed.expr.to_string();
    let back = op::expr::parse(&printed, dialect).map_err(|e| format!("{e:?}: {printed}"))?;
    if back.expr == parsed.expr { Ok(()) } else { Err(format!("prints as {printed}")) }
}
