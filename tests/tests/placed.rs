//! Plans whose tensors stay on a device, in the simulator: launched again with other contents, as a graph is replayed.

use kgen_ir::{
    extent::Dims,
    op::{Op, read},
    tensor::Tensor,
};
use kgen_kernels_ref as reference;
use kgen_passes::Schedule;
use kgen_runtime::{
    driver::{Device, sim::Sim},
    module::Module,
    plan::{Held, Placed, Plan, View},
};
use std::{collections::BTreeMap, sync::Arc};

const PAGED: &str = "op = \"attention\"\nname = \"paged\"\nq = { dtype = \"f32\", heads = 2, dim = 16, batch = \"b\" }\n\
    kv = { dtype = \"f16\", heads = 1 }\nout = \"f32\"\n[[segment]]\nlen = \"n[b]\"\nlayout = { paged = 4 }\n";

/// Sequences of the plan, and the lengths that it is for.
const LONGEST: [i64; 3] = [37, 20, 9];

struct Paged {
    op: Op,
    dims: Dims,
    inputs: BTreeMap<String, Tensor>,
    module: Arc<Module>,
}

fn paged() -> Paged {
    compiled(PAGED)
}

fn compiled(text: &str) -> Paged {
    let op = read::read("paged", text).unwrap_or_else(|e| panic!("{e}"));
    let mut dims = Dims { cores: 8, ..Dims::default() };
    dims.scalars.insert("b".into(), LONGEST.len() as i64);
    dims.ragged.insert("n".into(), LONGEST.to_vec());
    let e = kgen::verify::example(&op, &dims, "normal", 3).unwrap_or_else(|e| panic!("{e}"));
    let target = kgen::compile::target("sm80").unwrap_or_else(|e| panic!("{e}"));
    // Sequences longer than a split are cut into parts.
    let schedule = Schedule { keys: 32, split: 16, ..Schedule::default_for(target) };
    let compiled = kgen::compile::compile(&op, target, &schedule);
    let artifact = compiled.unwrap_or_else(|e| panic!("{e}")).artifact;
    let module = Module::for_device(&artifact).unwrap_or_else(|e| panic!("{e}"));
    Paged { op, dims: e.dims, inputs: e.inputs, module }
}

#[allow(unsafe_code)]
fn plan(p: &Paged, output: &Tensor) -> Plan {
    let mut plan = p.module.plan(&p.dims).unwrap_or_else(|e| panic!("{e}"));
    for (name, tensor) in p.inputs.iter().map(|(n, t)| (n.as_str(), t)).chain([("o", output)]) {
        // SAFETY: the tensors outlive the plan; nothing runs on them here, and the output is read only when it is copied
        // to the device.
        unsafe { plan.bind(name, View::of(tensor)) }.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    plan
}

fn outputs(placed: &Placed, device: &mut Sim, like: &Tensor) -> Tensor {
    let mut bytes = vec![0; like.bytes.len()];
    placed.read(device, "o", &mut bytes).unwrap_or_else(|e| panic!("{e}"));
    Tensor { bytes, ..like.clone() }
}

#[test]
fn lengths_in_memory_change_from_run_to_run() {
    let p = paged();
    let mut output = Tensor::zeros(p.inputs["q"].dtype, &p.inputs["q"].shape);
    output.bytes.fill(0xff);
    let plan = plan(&p, &output);
    let mut device = Sim::default();
    let placed = plan.place_on(&mut device, &|name| Held::Copied { known: name != "o" });
    let placed = placed.unwrap_or_else(|e| panic!("{e}"));
    for lengths in [LONGEST, [5, 20, 0], [1, 1, 9], [37, 3, 2], LONGEST] {
        let len: Vec<u8> = lengths.iter().flat_map(|n| (*n as i32).to_le_bytes()).collect();
        placed.write(&mut device, "kv.len", &len).unwrap_or_else(|e| panic!("{e}"));
        placed.enqueue(&mut device).unwrap_or_else(|e| panic!("{lengths:?}: {e}"));
        let got = outputs(&placed, &mut device, &output);
        let mut dims = p.dims.clone();
        dims.ragged.insert("n".into(), lengths.to_vec());
        let mut inputs = p.inputs.clone();
        if let Some(t) = inputs.get_mut("kv.len") {
            t.bytes = len;
        }
        let wanted = reference::run(&p.op, &dims, &inputs).unwrap_or_else(|e| panic!("{e}"));
        let compared =
            reference::compare("o", &wanted["o"], &got).unwrap_or_else(|e| panic!("{e}"));
        assert!(compared.worst_ratio <= 1.0, "{lengths:?}: {}", compared.worst_ratio);
    }
}

#[test]
fn tensors_that_the_caller_keeps_there_are_used_where_they_are() {
    let p = paged();
    let output = Tensor::zeros(p.inputs["q"].dtype, &p.inputs["q"].shape);
    let plan = plan(&p, &output);
    let mut device = Sim::default();
    let there = device.put("the caller's", &p.inputs["q"].bytes, true).unwrap();
    let held = |name: &str| match name {
        "q" => Held::There(there),
        name => Held::Copied { known: name != "o" },
    };
    let placed = plan.place_on(&mut device, &held).unwrap_or_else(|e| panic!("{e}"));
    placed.enqueue(&mut device).unwrap_or_else(|e| panic!("{e}"));
    let once = outputs(&placed, &mut device, &output);
    // He changes it without a word.
    device.write(there, &vec![0; p.inputs["q"].bytes.len()]).unwrap();
    placed.enqueue(&mut device).unwrap_or_else(|e| panic!("{e}"));
    assert_ne!(outputs(&placed, &mut device, &output), once);
    assert_eq!(placed.kernels().count(), 3, "lists, parts, merge");
}

/// Copies take 16 bytes at once: a tensor that begins between two such places is refused by its name.
#[test]
fn addresses_are_multiples_of_what_is_copied() {
    let dense = PAGED.replace("f32", "f16").replace("layout = { paged = 4 }", "");
    let p = compiled(&dense);
    let q = &p.inputs["q"];
    let output = Tensor::zeros(q.dtype, &q.shape);
    let plan = plan(&p, &output);
    assert_eq!(plan.variant(), "matrix");
    let mut device = Sim::default();
    let start = device.put("the caller's", &vec![0; q.bytes.len() + 16], true).unwrap();
    let mut place = |address: u64| {
        let held = |name: &str| match name {
            "q" => Held::There(address),
            name => Held::Copied { known: name != "o" },
        };
        plan.place_on(&mut device, &held).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(place(start + 16), Ok(()));
    let told = place(start + 8).unwrap_err();
    assert!(told.starts_with("`q` is at 0x"), "{told}");
    let way = "which is no multiple of 16, as variant `matrix` wants it; copy it to one";
    assert!(told.ends_with(way), "{told}");
}

#[test]
fn what_does_not_fit_is_told() {
    let p = paged();
    let output = Tensor::zeros(p.inputs["q"].dtype, &p.inputs["q"].shape);
    let plan = plan(&p, &output);
    let mut device = Sim::default();
    let placed = plan.place_on(&mut device, &|_| Held::Copied { known: true });
    let placed = placed.unwrap_or_else(|e| panic!("{e}"));
    let told = placed.write(&mut device, "kv.len", &[0; 13]).unwrap_err().to_string();
    assert_eq!(told, "`kv.len` needs 13 bytes, the memory has 12");
    let told = placed.read(&mut device, "kv.lem", &mut []).unwrap_err().to_string();
    assert_eq!(told, "`kv.lem` is not used with these sizes; nothing to bind");
    let told = device.launch(99, 1, &[]).unwrap_err().to_string();
    assert_eq!(told, "no kernel 99");
    let unbound = p.module.plan(&p.dims).unwrap_or_else(|e| panic!("{e}"));
    let told = unbound.place_on(&mut device, &|_| Held::Copied { known: true }).err();
    assert_eq!(told.map(|e| e.to_string()).as_deref(), Some("`kv.block_table` is not bound"));
}
