//! Attention beyond the cases: results that do not depend on neighbours, and indices that point to nowhere.

use kgen::{
    Schedule,
    device::Cpu,
    verify::{self, Options},
};
use kgen_ir::{
    dtype::Dtype,
    extent::Dims,
    op::{Op, read},
    tensor::Tensor,
};
use kgen_kernels_ref as reference;
use kgen_passes::schedule::Softmax;
use kgen_runtime::tensors::Strides;
use std::collections::BTreeMap;

type Tensors = BTreeMap<String, Tensor>;

fn op(text: &str) -> Op {
    read::read("test.toml", text).unwrap_or_else(|e| panic!("{e}"))
}

/// A number for each place, the same in every batch.
fn noise(sequence: usize, tensor: usize, i: usize) -> f64 {
    let mut x = (sequence as u64) << 48 ^ (tensor as u64) << 40 ^ i as u64;
    for _ in 0..3 {
        x = (x ^ x >> 31).wrapping_add(1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const DIM: usize = 32;
const PAGE: usize = 16;

/// `(rows, keys)` of eight sequences: some alone need no parts, beside others they do.
const SIZES: [(usize, usize); 8] =
    [(1, 20), (2, 200), (1, 33), (1, 1), (3, 64), (0, 9), (1, 300), (1, 32)];

/// The batch of the sequences `which`, packed or in pages.
fn batch(which: &[usize], paged: bool) -> (Dims, Tensors) {
    let mut dims = Dims::default();
    let sizes: Vec<_> = which.iter().map(|s| SIZES[*s]).collect();
    let list = |of: fn(&(usize, usize)) -> usize| sizes.iter().map(|s| of(s) as i64).collect();
    dims.scalars.insert("b".into(), which.len() as i64);
    dims.ragged.insert("m".into(), list(|s| s.0));
    dims.ragged.insert("n".into(), list(|s| s.1));
    let mut t = Tensors::new();
    let floats = |shape: &[usize], values: Vec<f64>| Tensor::from_f64(Dtype::F16, shape, &values);
    let rows: usize = sizes.iter().map(|s| s.0).sum();
    let offsets = |of: fn(&(usize, usize)) -> usize| {
        let mut sum = 0;
        let rest = sizes.iter().map(|s| {
            sum += of(s);
            sum as f64
        });
        let all: Vec<f64> = std::iter::once(0.0).chain(rest.collect::<Vec<_>>()).collect();
        Tensor::from_f64(Dtype::I32, &[all.len()], &all)
    };
    let width = HEADS * DIM;
    let q = which.iter().flat_map(|s| (0..SIZES[*s].0 * width).map(|i| noise(*s, 0, i)));
    t.insert("q".into(), floats(&[rows, HEADS, DIM], q.collect()));
    t.insert("q.indptr".into(), offsets(|s| s.0));
    let width = KV_HEADS * DIM;
    if !paged {
        let keys: usize = sizes.iter().map(|s| s.1).sum();
        for (at, name) in [(1, "kv.k"), (2, "kv.v")] {
            let all = which.iter().flat_map(|s| (0..SIZES[*s].1 * width).map(|i| noise(*s, at, i)));
            t.insert(name.into(), floats(&[keys, KV_HEADS, DIM], all.collect()));
        }
        t.insert("kv.indptr".into(), offsets(|s| s.1));
        return (dims, t);
    }
    // Pages lie in another order in each batch.
    let most = sizes.iter().map(|s| s.1.div_ceil(PAGE)).max().unwrap_or(0);
    let pages: usize = sizes.iter().map(|s| s.1.div_ceil(PAGE)).sum();
    let mut table = vec![0.0; which.len() * most];
    let mut memory = [vec![f64::NAN; pages * PAGE * width], vec![f64::NAN; pages * PAGE * width]];
    let mut free = (0..pages).rev();
    for (b, s) in which.iter().enumerate() {
        for first in (0..SIZES[*s].1).step_by(PAGE) {
            let page = free.next().unwrap();
            table[b * most + first / PAGE] = page as f64;
            for i in 0..(SIZES[*s].1 - first).min(PAGE) * width {
                for (at, memory) in memory.iter_mut().enumerate() {
                    memory[page * PAGE * width + i] = noise(*s, at + 1, first * width + i);
                }
            }
        }
    }
    dims.scalars.insert("kv.pages".into(), pages as i64);
    dims.scalars.insert("kv.max_pages".into(), most as i64);
    for (name, memory) in ["kv.k_pages", "kv.v_pages"].into_iter().zip(memory) {
        t.insert(name.into(), floats(&[pages, PAGE, KV_HEADS, DIM], memory));
    }
    t.insert("kv.block_table".into(), Tensor::from_f64(Dtype::I32, &[which.len(), most], &table));
    let lens: Vec<f64> = sizes.iter().map(|s| s.1 as f64).collect();
    t.insert("kv.len".into(), Tensor::from_f64(Dtype::I32, &[which.len()], &lens));
    (dims, t)
}

fn text(paged: bool) -> String {
    let layout = if paged { "layout = { paged = 16 }\n" } else { "" };
    format!(
        "op = \"attention\"\nname = \"a\"\ndeterministic = \"batch\"\nlse = true\n\
         q = {{ dtype = \"f16\", heads = {HEADS}, dim = {DIM}, batch = \"b\", len = \"m[b]\" }}\n\
         kv = {{ dtype = \"f16\", heads = {KV_HEADS} }}\nout = \"f32\"\n\
         [[segment]]\nlen = \"n[b]\"\nmask = \"causal\"\n{layout}"
    )
}

#[test]
fn a_sequence_has_the_same_bits_in_every_batch_and_on_any_number_of_threads() {
    let batches: [&[usize]; 3] = [&[], &[6, 4], &[1, 2, 3, 5, 6, 7, 4]];
    for paged in [false, true] {
        let op = op(&text(paged));
        println!(
            "paged {paged}: bits of each sequence, batches of 1, 3 and 8 on 1, 2 and 4 threads"
        );
        let mut known: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for threads in [1, 2, 4] {
            let mut cpu = Cpu::open(Some(threads)).unwrap();
            let base = cpu.schedule.clone();
            cpu.schedule = Schedule { keys: 16, split: 32, ..base };
            let module = cpu.load(&op).unwrap();
            for (first, _) in SIZES.iter().enumerate() {
                for others in batches {
                    // Before and behind its neighbours.
                    let rest: Vec<_> = others.iter().copied().filter(|s| *s != first).collect();
                    let (dims, inputs) = batch(&[&rest[..], &[first]].concat(), paged);
                    let o = cpu.run(&module, &dims, &inputs).unwrap();
                    let (dims, inputs) = batch(&[&[first], &rest[..]].concat(), paged);
                    let p = cpu.run(&module, &dims, &inputs).unwrap();
                    let rows = SIZES[first].0;
                    let mut bits = [Vec::new(), Vec::new()];
                    for (name, width) in [("o", HEADS * DIM * 4), ("lse", HEADS * 4)] {
                        let last = &o[name].bytes;
                        bits[0].extend_from_slice(&last[last.len() - rows * width..]);
                        bits[1].extend_from_slice(&p[name].bytes[..rows * width]);
                    }
                    for bits in bits {
                        let same = known.entry(first).or_insert_with(|| bits.clone());
                        let of = rest.len() + 1;
                        assert!(*same == bits, "sequence {first} of {of} on {threads} threads");
                    }
                }
            }
        }
        for (sequence, bits) in &known {
            let hash =
                bits.iter().fold(0u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
            println!(
                "  sequence {sequence}, {:?} rows and keys: {hash:016x} in all 18",
                SIZES[*sequence]
            );
        }
    }
}

/// What a run says when one element of an index tensor is another.
fn said(op: &Op, (dims, inputs): &(Dims, Tensors), name: &str, at: usize, value: f64) -> String {
    let cpu = Cpu::open(Some(2)).unwrap();
    let module = cpu.load(op).unwrap();
    assert!(cpu.run(&module, dims, inputs).is_ok());
    let mut inputs = inputs.clone();
    inputs.get_mut(name).unwrap().set(at, value);
    cpu.run(&module, dims, &inputs).unwrap_err().to_string()
}

#[test]
fn indices_that_point_to_nowhere_are_told() {
    let paged = (op(&text(true)), batch(&[0, 1, 2], true));
    let packed = (op(&text(false)), batch(&[0, 1, 2], false));
    for ((op, inputs), name, at, value, message) in [
        (&paged, "kv.block_table", 14, 18.0, "`kv.block_table`[1, 1] is 18: it must be in 0..18"),
        (&paged, "kv.block_table", 0, -1.0, "`kv.block_table`[0, 0] is -1: it must be in 0..18"),
        (&paged, "kv.len", 2, 201.0, "`kv.len`[2] is 201: it must be in 0..201"),
        (&paged, "kv.len", 0, -1.0, "`kv.len`[0] is -1: it must be in 0..201"),
        (&paged, "q.indptr", 2, 9.0, "`q.indptr`[2] is 9: there are 4 rows"),
        (&packed, "q.indptr", 0, 1.0, "`q.indptr`[0] is 1: offsets begin at 0"),
        (
            &packed,
            "kv.indptr",
            2,
            19.0,
            "`kv.indptr`[2] is 19: offsets never fall, and 20 stands before it",
        ),
        (&packed, "kv.indptr", 3, 254.0, "`kv.indptr`[3] is 254: there are 253 rows"),
    ] {
        assert_eq!(said(op, inputs, name, at, value), message);
    }
    // Places that no length reaches may hold anything.
    let (op, (dims, mut inputs)) = paged;
    inputs.get_mut("kv.block_table").unwrap().set(12, -7.0);
    let cpu = Cpu::open(Some(2)).unwrap();
    assert!(cpu.run(&cpu.load(&op).unwrap(), &dims, &inputs).is_ok());
}

#[test]
fn rings_and_copies_that_point_to_nowhere_are_told() {
    let head = "op = \"attention\"\nname = \"a\"\n\
        q = { dtype = \"f32\", heads = 1, dim = 8, batch = \"b\" }\n\
        kv = { dtype = \"f32\", heads = 1 }\nout = \"f32\"\n[[segment]]\n";
    let zeros = |shape: &[usize]| Tensor::zeros(Dtype::F32, shape);
    let list = |values: &[f64]| Tensor::from_f64(Dtype::I32, &[values.len()], values);
    let both = |shape: &[usize]| [("kv.k", zeros(shape)), ("kv.v", zeros(shape))];
    let named = |list: Vec<(&str, Tensor)>| -> Tensors {
        list.into_iter().map(|(name, t)| (name.to_owned(), t)).collect()
    };
    let scalars = |list: &[(&str, i64)]| Dims {
        scalars: list.iter().map(|(n, x)| ((*n).to_owned(), *x)).collect(),
        ..Dims::default()
    };
    let ring =
        op(&format!("{head}len = \"n\"\nlayout = {{ ring = {{ keep_first = 1, recent = 3 }} }}"));
    let mut inputs = vec![("q", zeros(&[2, 1, 1, 8])), ("kv.pos", list(&[5.0, 2.0]))];
    inputs.extend(both(&[2, 4, 1, 8]));
    let inputs = (scalars(&[("b", 2), ("n", 5)]), named(inputs));
    let message = "`kv.pos`[1] is 6: it must be in 0..6";
    assert_eq!(said(&ring, &inputs, "kv.pos", 1, 6.0), message);

    let copies = op(&format!("{head}len = \"n\"\nshared = \"copies\""));
    let mut inputs = vec![("q", zeros(&[2, 1, 1, 8])), ("kv.group", list(&[1.0, 0.0]))];
    inputs.extend(both(&[2, 4, 1, 8]));
    let inputs = (scalars(&[("b", 2), ("n", 4), ("copies", 2)]), named(inputs));
    let message = "`kv.group`[0] is 2: it must be in 0..2";
    assert_eq!(said(&copies, &inputs, "kv.group", 0, 2.0), message);
}

#[test]
fn what_no_kernel_computes_is_told() {
    let head = "op = \"attention\"\nname = \"a\"\n\
        q = { dtype = \"f32\", heads = 2, dim = 8, batch = \"b\" }\n\
        kv = { dtype = \"f32\", heads = 1 }\nout = \"f32\"\n[[segment]]\nlen = \"n\"\n";
    let target = kgen::compile::target("x86-64-v3/cranelift").unwrap();
    let say = |rest: &str| kgen::compile::legal(&op(&format!("{head}{rest}")), target);
    let mask = |what: &str| format!("{what} in the mask of segment `kv`");
    for (rest, what) in [
        ("mask = \"j / n < 3\"", mask("the divisor `n`, which is no constant up to 4194304")),
        ("mask = \"i % j < 3\"", mask("the divisor `j`, which is no constant up to 4194304")),
        ("mask = \"j % 0 == 0\"", mask("the divisor `0`, which is no constant up to 4194304")),
        ("mask = \"i * j < n * i\"", mask("the product `i * j`, of which no factor is constant")),
        ("mask = \"j * 9999999 % 2 == 0\"", mask("a number that grows fast with `j`")),
        ("emit = { top_k = 4, as = \"hot\" }", "selections of keys (select, emit)".to_string()),
    ] {
        assert_eq!(say(rest).map_err(|u| u.what), Err(what), "{rest}");
    }
}

/// Keys that rise, so that the maximum moves at many tiles, and numbers that are none among them.
#[test]
fn both_forms_of_the_softmax_mean_the_same() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, -1e30];
    let text = "op = \"attention\"\nname = \"a\"\nlse = true\n\
        q = { dtype = \"f32\", heads = 4, dim = 16, batch = \"b\", len = \"m\" }\n\
        kv = { dtype = \"f32\", heads = 2 }\nout = \"f32\"\n\
        [[segment]]\nlen = \"n\"\nmask = \"causal\"\n";
    let op = op(text);
    // One part, several, and a block of many rows; rows before the first key see none.
    for (m, n, split) in [(1, 75, 0), (2, 75, 32), (2, 1, 32), (40, 75, 0), (40, 7, 0)] {
        for which in 0..=odd.len() {
            let mut dims = Dims::default();
            for (name, size) in [("b", 1), ("m", m), ("n", n)] {
                dims.scalars.insert(name.into(), size);
            }
            let (m, n) = (m as usize, n as usize);
            let mut inputs = Tensors::new();
            for (at, (name, rows, heads)) in
                [("q", m, 4), ("kv.k", n, 2), ("kv.v", n, 2)].into_iter().enumerate()
            {
                let width = heads * 16;
                let value = |i: usize| noise(0, at, i) * (1.0 + (i / width) as f64 / 8.0);
                let values: Vec<f64> = (0..rows * width).map(value).collect();
                inputs.insert(
                    name.into(),
                    Tensor::from_f64(Dtype::F32, &[1, rows, heads, 16], &values),
                );
            }
            if let Some(x) = odd.get(which) {
                for (name, row) in [("kv.k", n / 2), ("kv.v", n / 3)] {
                    inputs.get_mut(name).unwrap().set(row * 32 + 3, *x);
                }
            }
            let mut found: Vec<Tensors> = Vec::new();
            for softmax in Softmax::ALL {
                let mut cpu = Cpu::open(Some(2)).unwrap();
                let base = cpu.schedule.clone();
                cpu.schedule = Schedule { keys: 16, split, softmax, ..base };
                found.push(cpu.run(&cpu.load(&op).unwrap(), &dims, &inputs).unwrap());
            }
            for name in ["o", "lse"] {
                let (x, y) = (&found[0][name], &found[1][name]);
                for i in 0..x.count() {
                    let (x, y) = (x.get(i), y.get(i));
                    let near = (x - y).abs() <= 1e-5 * (1.0 + x.abs());
                    let same = x == y || x.is_nan() && y.is_nan() || near;
                    assert!(same, "{m} rows, {n} keys, {which}: {name}[{i}] is {x} or {y}");
                }
            }
        }
    }
}

#[test]
fn caches_that_lie_head_by_head_mean_the_same() {
    let plain = ("\"f16\"", &["kv.k", "kv.v"][..]);
    let pages = ("\"f16\"", &["kv.k_pages", "kv.v_pages"][..]);
    let blocks = ("\"q8_0\"", plain.1);
    let codes = (
        "{ format = \"int4\", group = 32, scale = \"f16\" }",
        &["kv.k.codes", "kv.k.scale", "kv.v.codes", "kv.v.scale"][..],
    );
    for ((kv, names), layout) in
        [(plain, ""), (blocks, ""), (codes, ""), (pages, "layout = { paged = 16 }\n")]
    {
        let op = op(&format!(
            "op = \"attention\"\nname = \"a\"\n\
             q = {{ dtype = \"f32\", heads = 8, dim = 64, batch = \"b\", len = \"m\" }}\n\
             kv = {{ heads = 2, dtype = {kv} }}\nout = \"f32\"\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n{layout}"
        ));
        let mut cpu = Cpu::open(Some(2)).unwrap();
        cpu.strides = Strides::Swapped(names);
        let summary = verify::verify(&op, &cpu, &Options { cases: 12, seed: 1 });
        assert!(summary.passed >= 12 && summary.failed.is_empty(), "{kv} {layout}");
        cpu.strides = Strides::Swapped(&["keys"]);
        let summary = verify::verify(&op, &cpu, &Options { cases: 1, seed: 1 });
        assert!(!summary.failed.is_empty(), "a tensor that is not there is told");
    }
}

/// A prefix that all sequences share is walked once for all of them: parts of it that end inside a tile, blocks of rows
/// that end inside a panel, sequences without keys of their own, and numbers that are none.
#[test]
fn a_shared_prefix_is_one_level() {
    let rest = "[[segment]]\nname = \"own\"\n";
    let paged = format!("{rest}len = \"s[b]\"\nlayout = {{ paged = 16 }}\n");
    let dense = format!("{rest}len = \"s\"\nmask = \"causal\"\n");
    let forms =
        [("f16", "", "causal", &paged), ("q8_0", "lse = true\nsoftcap = 30.0\n", "none", &dense)];
    for (kv, more, mask, rest) in
        forms.into_iter().chain([("f32", "sink_logit = true\n", "none", &String::new())])
    {
        let len = if mask == "none" && kv == "q8_0" { ", len = \"m\"" } else { "" };
        let op = op(&format!(
            "op = \"attention\"\nname = \"a\"\n{more}\
             q = {{ dtype = \"f32\", heads = 4, dim = 32, batch = \"b\"{len} }}\n\
             kv = {{ heads = 2, dtype = \"{kv}\" }}\nout = \"f32\"\n\
             [[segment]]\nname = \"prefix\"\nlen = \"p\"\nshared = \"batch\"\nmask = \"{mask}\"\n{rest}"
        ));
        let mut cpu = Cpu::open(Some(3)).unwrap();
        cpu.schedule = Schedule { split: 128, block: 32, queries: 100, ..cpu.schedule.clone() };
        let module = cpu.load(&op).unwrap();
        let families: Vec<_> = verify::families(&op).collect();
        let symbols = op.symbols();
        let sizes = |b: i64, p: i64, m: i64| {
            let mut dims = Dims { cores: 3, ..Dims::default() };
            for s in &symbols {
                match (s.name.as_str(), &s.ragged) {
                    ("s", Some(_)) => {
                        let own = (0..b).map(|i| 7 * i % 36).collect();
                        dims.ragged.insert("s".into(), own);
                    }
                    (name, _) => {
                        let known = [("b", b), ("p", p), ("m", m), ("s", 5)];
                        let size = known.into_iter().find(|(n, _)| *n == name);
                        dims.scalars.extend(size.map(|(n, size)| (n.into(), size)));
                    }
                }
            }
            dims
        };
        for (at, (b, p)) in [(24, 32), (25, 33), (49, 128), (50, 257)].into_iter().enumerate() {
            let dims = sizes(b, p, 2);
            for family in families.iter().skip(at).step_by(4) {
                let Ok(case) = verify::example(&op, &dims, family, at as u64) else { continue };
                assert_eq!(module.plan(&case.dims).unwrap().variant(), "level");
                let wanted = reference::run(&op, &case.dims, &case.inputs).unwrap();
                let got = cpu.run(&module, &case.dims, &case.inputs).unwrap();
                for (name, wanted) in &wanted {
                    let compared = reference::compare(name, wanted, &got[name]).unwrap();
                    let far = compared.worst_ratio;
                    assert!(
                        compared.passed(),
                        "{kv} {family} b={b} p={p}: {name} is {far} bounds off"
                    );
                }
            }
        }
        // Few rows, or few keys, walk their keys by themselves.
        for (b, p) in [(2, 300), (24, 31)] {
            let dims = verify::sizes_of(&op, &sizes(b, p, 1));
            assert_ne!(module.plan(&dims).unwrap().variant(), "level");
        }
    }
}
