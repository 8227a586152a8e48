//! PTX from the emitter in the simulator, which was written from the specification by others: every row, random
//! programs, exchanges of lanes, workers that share a counter, and that leaving out a wait is found.

use kgen_ir::{
    machine::{print::MNEMONICS, verify::verify, *},
    target::Target,
};
use kgen_passes::machine::{expand, share};
use kgen_sim::ptx::{Arg, Launch, Memory, Module, Order, Report, run};
use kgen_tests::machine_programs::*;

const LANES: usize = 32;

fn targets() -> impl Iterator<Item = &'static Target> {
    kgen_codegen::targets().filter(|t| t.backend == "ptx")
}

fn target(name: &str) -> &'static Target {
    kgen_codegen::target(name).unwrap_or_else(|| panic!("no {name}"))
}

fn lower(kernel: &Kernel, target: &Target) -> Kernel {
    let out = share(expand(kernel.clone(), target).expect("sequences"), target).expect("shares");
    verify(&out).unwrap_or_else(|e| panic!("{e}\n{kernel}\n{out}"));
    out
}

/// Runs text on copies of the regions, one slot each.
fn simulated(
    text: &str,
    regions: &[Vec<u8>],
    (workers, threads): (usize, usize),
    order: Order,
) -> (Vec<Vec<u8>>, Report) {
    let module = Module::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let entry = module.entries().next().and_then(|name| module.entry(name)).expect("one entry");
    let mut memory = Memory::default();
    let given: Vec<usize> = regions.iter().map(|r| memory.add("x", r.clone(), true)).collect();
    let mut args: Vec<Arg> = given.iter().map(|i| Arg::Buffer(*i, 0)).collect();
    args.push(Arg::Bytes((workers as u64).to_le_bytes().to_vec()));
    let blocks = (workers * LANES).div_ceil(threads) as u32;
    let launch =
        Launch { grid: [blocks, 1, 1], block: [threads as u32, 1, 1], order, ..Launch::default() };
    let report = run(&module, entry, &launch, &args, &mut memory);
    let report = report.unwrap_or_else(|e| panic!("{e}\n{text}"));
    (given.iter().map(|i| memory.bytes(*i).to_vec()).collect(), report)
}

/// What one worker makes of the regions; no finding.
fn ran(kernel: &Kernel, target: &Target, regions: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (text, block) = kgen_codegen::ptx::emit(kernel, target).expect("every op has a row");
    let (out, report) = simulated(&text, regions, (1, block.threads), Order::Latest);
    assert!(report.findings.is_empty(), "{:?}\n{text}", report.findings);
    out
}

fn compare(op: &Op, target: &Target, inputs: &[Vec<u32>; 3]) {
    // A maximum of lanes may lose a NaN and the sign of a zero.
    let told = |x: &u32| match f32::from_bits(*x) {
        y if *op == Op::HMax && (y.is_nan() || y == 0.0) => 1,
        _ => *x,
    };
    let inputs = &inputs.clone().map(|list| list.iter().map(told).collect::<Vec<u32>>());
    for &def in op.signature().def {
        let k = over_arrays(op, def, inputs[0].len(), LANES);
        let mut regions: Vec<Vec<u8>> = inputs.iter().map(|w| bytes(w)).collect();
        regions.push(vec![0; regions[0].len()]);
        let wanted = words(&interpreted(&k, &regions)[3]);
        let lowered = lower(&k, target);
        let got = words(&ran(&lowered, target, &regions)[3]);
        for (i, (x, e)) in got.into_iter().zip(wanted).enumerate() {
            let from: Vec<u32> = inputs.iter().map(|v| v[i]).collect();
            let nan = is_nan(op, def, x) && is_nan(op, def, e);
            let name = target.name;
            assert!(x == e || nan, "{op} on {name}, {from:x?}: {x:#x}, expected {e:#x}\n{lowered}");
        }
    }
}

#[test]
fn every_row_does_what_it_means() {
    let inputs = operands(7);
    for target in [target("sm70"), target("sm80")] {
        for (_, op) in MNEMONICS {
            let signature = op.signature();
            let approximate =
                matches!(op, Op::FloatUnary(f) if FloatUnary::APPROXIMATE.contains(f));
            let other = signature.mem || approximate || optional(op);
            if other || signature.def.is_empty() || signature.def == [Class::Int] {
                continue; // their own tests
            }
            compare(op, target, &inputs);
        }
    }
}

#[test]
fn lanes_are_exchanged_by_any_table() {
    let inputs = operands(9);
    let tables: [fn(usize) -> usize; 9] = [
        |i| i,
        |i| i + 32,
        |i| i ^ 16,
        |i| 31 - i,
        |i| i * 7 % 64,
        |_| 37,
        |i| i / 2 + 32 * (i % 2),
        |i| i & 8 | 3,
        |i| if i % 3 == 0 { i } else { i + 32 },
    ];
    for of in tables {
        let table = (0..LANES).map(|i| of(i) as u8).collect();
        compare(&Op::Shuffle(table), target("sm80"), &inputs);
    }
}

#[test]
fn shifts_by_constants() {
    for n in [0, 1, 7, 15, 31] {
        for op in ["shl", "shr", "sar", "h.shl", "h.shr", "h.sar"] {
            if op.starts_with('h') && n > 15 {
                continue;
            }
            let k = kernel(&format!(
                "machine s lanes 32 {{ slot 0 = pointer x p = arg 0 : i
                 v = load.w32 [p + 0] : w d = {op} v, {n} : w store.w32 [p + 128], d }}"
            ));
            let words: Vec<u32> = EDGES.iter().chain(&[0xdead_beef; 4]).copied().collect();
            let region = vec![[bytes(&words), vec![0; 128]].concat()];
            assert_eq!(ran(&k, target("sm80"), &region), interpreted(&k, &region), "{op} {n}");
        }
    }
}

/// GPUs access words where words may be: offsets become multiples of 4.
fn aligned(text: &str) -> String {
    let mut parts = text.split(" + ");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |out, part| match part.split_once(']') {
        Some((offset, rest)) => match offset.parse::<u64>() {
            Ok(n) => format!("{out} + {}]{rest}", n / 4 * 4),
            Err(_) => format!("{out} + {part}"),
        },
        None => format!("{out} + {part}"),
    })
}

#[test]
fn random_programs_agree() {
    for seed in 1..=60 {
        let k = kernel(&aligned(&program(seed, LANES, 0)));
        // The vectors of its loads are wider than those it was made for.
        let mut regions = regions(seed).to_vec();
        regions.iter_mut().for_each(|r| r.resize(r.len() + 512, 0));
        for target in [target("sm75"), target("sm90")] {
            let lowered = lower(&k, target);
            let (got, wanted) = (ran(&lowered, target, &regions), interpreted(&k, &regions));
            assert!(got == wanted, "seed {seed} on {}\n{lowered}", target.name);
        }
    }
}

#[test]
fn parts_and_gathers() {
    for n in [0, 1, 17, 32] {
        for width in ["u8", "s8", "u16", "s16", "w32"] {
            let k = kernel(&format!(
                "machine p lanes 32 {{ slot 0 = pointer x slot 1 = pointer y x = arg 0 : i y = arg 1 : i
                 n = const {n} : i a = loadpart.{width} [x + 4], n : w storepart.{width} [y + 8], a, n
                 b = load.{width} [x + 0] : w store.w32 [y + 256], b c = splat.{width} [x + 4] : w
                 store.w32 [y + 384], c k = iota : w g = gather.w32 [x + 0], k : w store.w32 [y + 512], g
                 i = read.{width} [x + 4] : i write.w64 [y + 640], i h = load.f16 [x + 0] : f
                 store.w32 [y + 768], h j = splat.f16 [x + 2] : f store.w32 [y + 896], j }}"
            ));
            // No half is a NaN, whose bits are the machine's own.
            let x: Vec<u8> = (0..160u32).map(|i| (i * 37 % 112 + i % 2 * 128) as u8).collect();
            let regions = vec![x, vec![0; 1024]];
            assert_eq!(ran(&k, target("sm80"), &regions), interpreted(&k, &regions), "{width} {n}");
        }
    }
}

/// A kernel that loads an array of each operand of a matrix instruction, lane after lane, and stores the result.
fn matrices(mma: &mma::Mma) -> Kernel {
    let mut text = "machine x lanes 32 {\n".to_string();
    for i in 0..4 {
        text += &format!("slot {i} = pointer p{i} ");
    }
    for i in 0..4 {
        text += &format!("p{i} = arg {i} : i ");
    }
    let classes = ["w", "w", if mma.c == kgen_ir::dtype::Dtype::F32 { "f" } else { "w" }];
    for (i, class) in classes.iter().enumerate() {
        let words = usize::from(mma.words[i]);
        let names: Vec<String> = (0..words).map(|w| format!("x{i}_{w}")).collect();
        for (w, name) in names.iter().enumerate() {
            text += &format!("{name} = load.w32 [p{i} + {}] : {class}\n", 128 * w);
        }
        text += &match words {
            1 => format!("x{i} = part x{i}_0, 0 : {class}\n"),
            _ => format!("x{i} = join.{words} {} : {class}{words}\n", names.join(", ")),
        };
    }
    let (class, words) = (classes[2], mma.words[2]);
    // A turn of a loop and a branch carry the sums.
    text += &format!(
        "s = loop t in 0..2 step 1 carry c = x2 {{ d = mma.{} x0, x1, c : {class}{words} }} yield d\n
         r = if 0 < 1 {{ }} yield s else {{ }} yield x2\n",
        mma.name
    );
    for w in 0..words {
        text +=
            &format!("y{w} = part r, {w} : {class} store.w32 [p3 + {}], y{w}\n", 128 * w as usize);
    }
    kernel(&(text + "}"))
}

#[test]
fn matrices_multiply() {
    let mut noise = Noise(5);
    let mut seen = Vec::new();
    for target in targets() {
        for mma in mma::ALL.into_iter().filter(|m| target.row(&Op::Mma(m)).is_some()) {
            seen.push(mma.name);
            let k = matrices(mma);
            // Finite floats: a NaN has no bits of its own.
            let finite = |word: u32| word & 0x8fff_8fff | 0x3000_3000;
            let small = |noise: &mut Noise| {
                if mma.a.is_float() { finite(noise.word()) } else { noise.word() }
            };
            let region = |words: u8, f: &mut dyn FnMut() -> u32| {
                bytes(&(0..32 * usize::from(words)).map(|_| f()).collect::<Vec<_>>())
            };
            let regions = [
                region(mma.words[0], &mut || small(&mut noise)),
                region(mma.words[1], &mut || small(&mut noise)),
                region(mma.words[2], &mut || noise.word() & 0x8fff_ffff | 0x3000_0000),
                region(mma.words[2], &mut || 0),
            ];
            let got = ran(&k, target, &regions);
            assert_eq!(got, interpreted(&k, &regions), "{} on {}", mma.name, target.name);
        }
    }
    let mut warps = mma::ALL.iter().filter(|m| m.lanes == 32);
    assert!(warps.all(|m| seen.contains(&m.name)), "{seen:?}");
}

#[test]
fn pairs_are_rounded_and_computed() {
    let inputs = operands(11);
    for (name, ops) in [
        ("sm70", [Op::Pair(PairOp::F16), Op::Half(HalfOp::Float(HalfFloat::Add))]),
        ("sm80", [Op::Pair(PairOp::F16), Op::Half(HalfOp::Float(HalfFloat::Sub))]),
        ("sm90", [Op::Pair(PairOp::Bf16), Op::Half(HalfOp::Float(HalfFloat::Mul))]),
    ] {
        // Halves that are no NaN, whose bits are the machine's own; floats that are none.
        let words = |v: &Vec<u32>| v.iter().map(|w| w & 0xbbff_bbff).collect::<Vec<_>>();
        let finite = [words(&inputs[0]), words(&inputs[1]), words(&inputs[2])];
        for op in ops {
            compare(&op, target(name), &finite);
        }
    }
}

#[test]
fn arrays_are_gathered_and_scattered() {
    // Lane i reads at 16 (7 i mod 32) and writes at 16 (31 - i), where i is not 5.
    let k = |width: &str, words: usize| {
        let array = if words > 1 { format!("w{words}") } else { "w".into() };
        kernel(&format!(
            "machine g lanes 32 {{ slot 0 = pointer x slot 1 = pointer y x = arg 0 : i y = arg 1 : i
             k = iota : w seven = wconst 7 : w r0 = wmul k, seven : w last = wconst 31 : w
             r1 = and r0, last : w r = shl r1, 4 : w five = wconst 5 : w m = wcmp.ne k, five : m
             g = gatherpart.{width} [x + 0], r, m : {array} w0 = wsub last, k : w w = shl w0, 4 : w
             scatter.{} [y + 512], g, w, m h = load.{} [x + 0] : {array} store.{} [y + 0], h }}",
            width.replace('s', "u"),
            if words > 1 { width } else { "w32" },
            if words > 1 { width } else { "w32" },
        ))
    };
    let x: Vec<u8> = (0..512u32).map(|i| (i * 37 % 251) as u8).collect();
    let regions = vec![x, vec![0; 1024]];
    for (width, words) in
        [("u8", 1), ("s8", 1), ("u16", 1), ("s16", 1), ("w32", 1), ("w64", 2), ("w128", 4)]
    {
        let k = k(width, words);
        assert_eq!(ran(&k, target("sm80"), &regions), interpreted(&k, &regions), "{width}");
    }
}

/// The assembler takes no `[%q1-4]`.
#[test]
fn offsets_below_a_register_are_sums() {
    let k = kernel(
        "machine n lanes 32 { slot 0 = pointer x p = arg 0 : i q = iadd p, 256 : i v = load.w32 [q + -256] : w
         store.w32 [q + -128], v }",
    );
    let (text, _) = kgen_codegen::ptx::emit(&k, target("sm80")).expect("it has rows");
    assert!(text.contains("+-256]") && text.contains("+-128]"), "{text}");
    let regions = vec![bytes(&(0..64).collect::<Vec<u32>>())];
    assert_eq!(ran(&k, target("sm80"), &regions), interpreted(&k, &regions));
}

#[test]
fn integers_round_down() {
    for (a, b) in [(7i64, 3i64), (-7, 3), (-6, 3), (0, 5), (i64::MIN, 7), (i64::MAX, 1 << 40)] {
        for given in ["b", &b.to_string()] {
            let k = kernel(&format!(
                "machine d lanes 32 {{ slot 0 = pointer x x = arg 0 : i a = read.w64 [x + 0] : i
                 b = read.w64 [x + 8] : i q = idiv a, {given} : i r = irem a, {given} : i m = imin a, {given} : i
                 n = imax a, {given} : i w = spread a : w store.w32 [x + 64], w write.w64 [x + 16], q
                 write.w64 [x + 24], r write.w64 [x + 32], m write.w64 [x + 40], n }}"
            ));
            let mut region = [a.to_le_bytes(), b.to_le_bytes()].concat();
            region.resize(192, 0);
            let regions = [region];
            assert_eq!(ran(&k, target("sm70"), &regions), interpreted(&k, &regions), "{a} {b}");
        }
    }
}

#[test]
fn workers_share_a_counter() {
    let k = kernel(
        "machine c lanes 32 { slot 0 = pointer x x = arg 0 : i n = next [x + 0], 1 : i
         o = imul n, 8 : i p = iadd x, o : i one = const 1 : i write.w64 [p + 8], one }",
    );
    for target in targets() {
        let (text, block) = kgen_codegen::ptx::emit(&k, target).expect("it has a row");
        let regions = [vec![0; 64]];
        // Five workers of eight warps: those beyond do nothing.
        for order in [Order::Latest, Order::Random] {
            let (out, report) = simulated(&text, &regions, (5, block.threads), order);
            assert!(report.findings.is_empty(), "{:?}\n{text}", report.findings);
            assert_eq!(words(&out[0]), [5, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
        }
    }
}

/// Lanes read what others wrote; a turn of a loop overwrites what the one before read.
const ROUND: &str = "machine round lanes 32 { slot 0 = pointer x x = arg 0 : i
    loop t in 0..3 step 1 { a = load.w32 [x + 0] : w b = splat.w32 [x + 64] : w c = wadd a, b : w
    store.w32 [x + 0], c } }";

#[test]
fn lanes_wait_for_each_other_and_leaving_it_out_is_found() {
    let k = kernel(ROUND);
    let regions = [bytes(&(0..32).collect::<Vec<u32>>())];
    let (text, block) = kgen_codegen::ptx::emit(&k, target("sm80")).expect("it has a row");
    assert_eq!(ran(&k, target("sm80"), &regions), interpreted(&k, &regions));
    let without = text.replace("    bar.warp.sync -1;\n", "");
    assert_ne!(text, without);
    let (_, report) = simulated(&without, &regions, (1, block.threads), Order::Latest);
    assert!(!report.findings.is_empty(), "{without}");
}

#[test]
fn what_a_gpu_lacks_is_refused_with_a_way_out() {
    let refused = |text: &str, target: &Target| {
        kgen_codegen::ptx::emit(&kernel(text), target).expect_err("no row").to_string()
    };
    let sm80 = target("sm80");
    assert_eq!(
        refused("machine m lanes 4 { }", sm80),
        "sm80 cannot do 4 lanes; instead: lower for the lanes of a warp"
    );
    assert_eq!(
        refused("machine m lanes 32 { a = iota : w b = permb a, a : w }", sm80),
        "sm80 cannot do `permb`; instead: expand it into ops of the target, or choose another schedule"
    );
    let cpu = kgen_codegen::target("x86-64-v3/native").expect("it is there");
    assert!(refused("machine m lanes 32 { }", cpu).contains("PTX for `x86-64-v3/native`"));
}

const ALL: &[&str] = &["sm70", "sm75", "sm80", "sm90"];

/// Op files that a GPU does not compute, or whose outputs nobody can judge: on which chips, and why.
#[rustfmt::skip] // one per row
const UNSUPPORTED: &[(&str, &[&str], &str)] = &[
    ("hybrid_topk_decode", ALL, "the reference cannot do `emit`"),
    ("squeezed_attention", ALL, "the reference cannot do a `select` other than all"),
    ("onebit_lut_gemv",    ALL, "cannot do lookups of bytes; instead: `compute = \"int_dot\"`"),
    ("ternary_lut_gemv",   ALL, "cannot do lookups of weights of 2 bits: from 2 bits on they cost as much as products of bytes"),
    ("w6a8_bitplane_gemm", ALL, "cannot do this way to compute; instead: `compute = \"int_dot\"` or \"dequant\""),
];

/// Small cases of each op file, the sanitiser on: what is not in [`UNSUPPORTED`] means what the reference says, and what is
/// there is refused for that reason.
#[test]
fn op_files_mean_the_same_on_simulated_gpus() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("ops/").map(|f| f.expect("a file").path()).collect();
    files.sort();
    std::thread::scope(|scope| {
        for &chip in ALL {
            let files = &files;
            scope.spawn(move || files.iter().for_each(|file| means_the_same(file, chip)));
        }
    });
}

fn means_the_same(file: &std::path::Path, chip: &str) {
    let device = kgen::device::Simulated::open(&format!("sim:{chip}")).expect("a chip");
    let op = kgen::compile::read(file).expect("every op file reads");
    let row = UNSUPPORTED.iter().find(|(name, chips, _)| *name == op.name && chips.contains(&chip));
    // Seed 9 once took for ever with `kv_append_int8`.
    for seed in [1, 2, 9] {
        // One case: the full size would be the last of more.
        let options = kgen::verify::Options { cases: 1, seed };
        let s = kgen::verify::verify(&op, &device, &options);
        assert!(s.failed.is_empty(), "{} on {chip}: {}", op.name, s.failed[0]);
        let reason = s.unsupported.map(|u| u.to_string()).unwrap_or_default();
        match row {
            Some((_, _, why)) => assert!(reason.contains(why), "{} on {chip}: {reason}", op.name),
            None => assert_eq!(reason, "", "{} on {chip}", op.name),
        }
    }
}
