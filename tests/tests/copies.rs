//! Copies that go on while a kernel computes: the interpreter and the simulator agree, and both find a missing wait.

use kgen_ir::{
    layout::banks::Chunks,
    machine::{interp, verify::verify, *},
    target::Target,
};
use kgen_sim::ptx::{Arg, Launch, Memory, Module, Order, Report, run};

fn target(name: &str) -> &'static Target {
    kgen_codegen::target(name).unwrap_or_else(|| panic!("no {name}"))
}

fn kernel(body: &str) -> Kernel {
    let text = format!(
        "machine copies lanes 32 scratch 1024 {{
           slot 0 = pointer x slot 1 = pointer y slot 2 = scratch
           x = arg 0 : i y = arg 1 : i first = arg 2 : i w = worker : i o = imul w, 1024 : i
           s = iadd first, o : i lane = iota : w way = shl lane, 4 : w
           top = wconst 31 : w turned = wsub top, lane : w back = shl turned, 4 : w
           all = wconst 16 : w none = wconst 0 : w not = wconst 4294967295 : w
           two = wconst 20 : w some = wcmp.lt lane, two : m how = select some, all, none : w
           {body} }}"
    );
    let k = parse::parse(&text).unwrap_or_else(|e| panic!("{} in {text}", e.message));
    verify(&k).unwrap_or_else(|e| panic!("{e}"));
    k
}

fn source() -> Vec<u8> {
    (0..2048u32).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// The output, or what went wrong.
fn interpreted(k: &Kernel) -> Result<Vec<u8>, String> {
    let mut memory = interp::Memory::default();
    let slots = [source(), vec![0; 1024], vec![0; 1024]].map(|r| memory.add(r));
    interp::run(k, &slots, &mut memory, 1).map_err(|e| e.what)?;
    Ok(memory.region(slots[1]).expect("it was added").to_vec())
}

fn simulated(k: &Kernel, target: &Target, order: Order) -> (Vec<u8>, Report, String) {
    let (text, block) = kgen_codegen::ptx::emit(k, target).unwrap_or_else(|e| panic!("{e}"));
    let module = Module::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let entry = module.entries().next().and_then(|name| module.entry(name)).expect("one entry");
    let mut memory = Memory::default();
    let x = memory.add("x", source(), true);
    let y = memory.add("y", vec![0; 1024], true);
    let bytes = |n: u64| Arg::Bytes(n.to_le_bytes().to_vec());
    let args = [Arg::Buffer(x, 0), Arg::Buffer(y, 0), bytes(0), bytes(1)];
    let (grid, block) = ([1, 1, 1], [block.threads as u32, 1, 1]);
    let launch = Launch { grid, block, order, ..Launch::default() };
    let report = run(&module, entry, &launch, &args, &mut memory);
    let report = report.unwrap_or_else(|e| panic!("{e}\n{text}"));
    (memory.bytes(y).to_vec(), report, text)
}

/// Two groups of copies, the first turned round; what is behind lane 20 is zeros.
const PIPELINE: &str = "
    copy.16 [s + 0], back, x, way, how commit
    p = iadd x, 1024 : i copy.16 [s + 512], way, p, way, all commit
    a = load.w32 [x + 0] : w
    wait 1
    b = load.w32 [s + 0] : w c = wadd a, b : w store.w32 [y + 0], c
    d = load.w32 [s + 384] : w store.w32 [y + 128], d
    wait 0
    e = load.w32 [s + 512] : w store.w32 [y + 256], e
    copy.16 [s + 0], way, p, back, not commit wait 0
    f = load.w32 [s + 0] : w store.w32 [y + 384], f";

#[test]
fn copies_arrive_where_they_are_waited_for() {
    let k = kernel(PIPELINE);
    assert_eq!(parse::parse(&k.to_string()), Ok(k.clone()));
    let wanted = interpreted(&k).unwrap();
    for name in ["sm70", "sm75", "sm80", "sm90"] {
        for order in [Order::Latest, Order::Earliest] {
            let (out, report, text) = simulated(&k, target(name), order);
            assert!(report.findings.is_empty(), "{:?}\n{text}", report.findings);
            assert!(out == wanted, "{name}\n{text}");
            assert_eq!(text.contains("cp.async.cg"), !matches!(name, "sm70" | "sm75"));
            // Once behind each wait whose copies are read; that before the copy to what was read is one of them.
            assert_eq!(text.matches("bar.warp.sync").count(), 3, "{text}");
        }
    }
}

#[test]
fn plain_copies_keep_their_registers_until_the_wait() {
    let (_, _, text) = simulated(&kernel(PIPELINE), target("sm70"), Order::Latest);
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
    // The load that stands between the copies and the wait comes before what they store.
    assert!(place("ld.global.v4.b32") < place("ld.global.b32"));
    assert!(place("ld.global.b32") < place("st.shared.v4.b32"));
}

#[test]
fn a_missing_wait_is_found() {
    for (from, to) in [("wait 1", ""), ("wait 0\n", "wait 1\n"), ("wait 1", "wait 2")] {
        let k = kernel(&PIPELINE.replacen(from, to, 1));
        let told = interpreted(&k).unwrap_err();
        assert_eq!(told, "touches what a copy writes that nobody waited for", "{from}");
        let (_, report, text) = simulated(&k, target("sm80"), Order::Latest);
        assert!(!report.findings.is_empty(), "{from}\n{text}");
    }
}

#[test]
fn wrong_copies_are_refused() {
    for (body, message) in [
        ("copy.16 [s + 8], way, x, way, all", "is no multiple of 16"),
        ("copy.16 [s + 0], way, x, lane, all", "is no multiple of 16"),
        ("copy.16 [s + 0], way, x, way, two", "20 of 16 bytes"),
        ("p = iadd x, 2048 : i copy.16 [s + 0], way, p, way, all", "are not there"),
        ("copy.16 [s + 0], way, x, way, all copy.16 [s + 0], way, x, way, all", "nobody waited"),
    ] {
        let told = interpreted(&kernel(body)).unwrap_err();
        assert!(told.contains(message), "{told}");
    }
    let mut large = kernel(PIPELINE);
    large.scratch = 64 << 10;
    let told = kgen_codegen::ptx::emit(&large, target("sm80")).unwrap_err().to_string();
    assert!(told.contains("copies to 65536 bytes of scratch"), "{told}");
}

/// Passes that a copy of rows of so many chunks takes, as the simulator counts them.
#[test]
fn the_simulator_counts_what_the_layout_says() {
    for chunks in [1, 2, 5, 8, 10, 12, 16, 24, 32] {
        let bytes = chunks * 16;
        let c = Chunks::of(bytes).unwrap();
        let rows = 32 / chunks;
        // Rows of 32 bytes and more in 1024.
        let place = |lane: usize| c.place(bytes, lane / chunks, lane % chunks);
        let flips = (0..rows * chunks).map(place).collect::<Vec<_>>();
        let mut body = String::from("to0 = wconst 0 : w ");
        // A table of places, lane by lane.
        for (lane, to) in flips.iter().enumerate() {
            body += &format!(
                "n{lane} = wconst {lane} : w is{lane} = wcmp.eq lane, n{lane} : m v{lane} = wconst {to} : w to{} = select is{lane}, v{lane}, to{lane} : w ",
                lane + 1
            );
        }
        let all = flips.len();
        body += &format!(
            "end = wconst {all} : w has = wcmp.lt lane, end : m as = select has, all, not : w
             copy.16 [s + 0], to{all}, x, way, as commit wait 0"
        );
        let (_, report, text) = simulated(&kernel(&body), target("sm80"), Order::Latest);
        assert!(report.findings.is_empty(), "{:?}\n{text}", report.findings);
        assert_eq!(report.statistics.conflicts(), 0, "{chunks} chunks\n{text}");
    }
}

#[test]
fn squares_are_read_as_fragments() {
    for (op, words) in [("x1", 1), ("x2", 2), ("x4", 4), ("x1.t", 1), ("x2.t", 2), ("x4.t", 4)] {
        let mut body = format!(
            "copy.16 [s + 0], way, x, back, all commit wait 0 q = ldmatrix.{op} [s + 0], back : {} ",
            if words == 1 { "w".to_string() } else { format!("w{words}") }
        );
        for word in 0..words {
            let from = if words == 1 { "q".into() } else { format!("p{word}") };
            if words > 1 {
                body += &format!("p{word} = part q, {word} : w ");
            }
            body += &format!("store.w32 [y + {}], {from} ", 128 * word);
        }
        let k = kernel(&body);
        let wanted = interpreted(&k).unwrap();
        for name in ["sm75", "sm80", "sm90"] {
            let (out, report, text) = simulated(&k, target(name), Order::Latest);
            assert!(report.findings.is_empty(), "{:?}\n{text}", report.findings);
            assert!(out == wanted, "{op} on {name}\n{text}");
        }
        let told = kgen_codegen::ptx::emit(&k, target("sm70")).unwrap_err().to_string();
        assert!(told.contains(&format!("`ldmatrix.{op}`")), "{told}");
    }
    let told = interpreted(&kernel("q = ldmatrix.x1 [s + 8], way : w")).unwrap_err();
    assert_eq!(told, "a row begins at no multiple of 16");
}
