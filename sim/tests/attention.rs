//! A kernel of some thousand tensor-core instructions, in each order, against f64; and what is wrong or redundant in it.

mod tile;

use kgen_sim::ptx::{Kind, Launch, Order};

#[test]
fn a_tile_of_attention() {
    let text = tile::text();
    for order in [Order::Latest, Order::Earliest, Order::Random] {
        let ran = tile::simulate(&text, &Launch { order, ..Launch::default() }).unwrap();
        assert!(ran.report.findings.is_empty(), "{order:?}: {:#?}", ran.report.findings);
        // Weights are rounded to f16, of at most 2 in size.
        assert!(ran.worst < 2e-3, "{order:?}: off by {}", ran.worst);
        assert_eq!(ran.report.statistics.conflicts(), 0);
    }
}

/// The text without its `n`th line of those that begin so.
fn without(text: &str, begins: &str, n: usize) -> String {
    let found = text.lines().enumerate().filter(|(_, l)| l.trim().starts_with(begins)).nth(n);
    let (at, _) = found.unwrap_or_else(|| panic!("no {begins}"));
    let kept = text.lines().enumerate().filter(|(i, _)| *i != at).map(|(_, l)| l);
    kept.collect::<Vec<_>>().join("\n")
}

#[test]
fn leaving_out_what_orders_is_found() {
    let text = tile::text();
    for (begins, n, kind) in [
        ("cp.async.commit_group", 1, Kind::MissingWait),
        ("cp.async.commit_group", 2, Kind::MissingWait),
        ("cp.async.wait_group", 0, Kind::MissingWait),
        ("cp.async.wait_group", 1, Kind::MissingWait),
        ("bar.sync", 0, Kind::Race),
        ("bar.sync", 1, Kind::Race),
    ] {
        let ran = tile::simulate(&without(&text, begins, n), &Launch::default()).unwrap();
        let kinds: Vec<Kind> = ran.report.findings.iter().map(|f| f.kind).collect();
        assert!(kinds.contains(&kind), "{begins} {n}: {kinds:?}");
    }
}

#[test]
fn what_is_redundant_is_proved() {
    let text = tile::text();
    let follow = Launch { follow: true, ..Launch::default() };
    let terms = |text: &str| {
        let ran = tile::simulate(text, &follow).unwrap();
        assert_eq!((ran.report.findings.len(), ran.report.depends), (0, None));
        ran.terms
    };
    let all = terms(&text);
    // Q and K are waited for together, so that one group does.
    assert_eq!(terms(&without(&text, "cp.async.commit_group", 0)), all);
    // A sum and its operands in another order.
    let turned = text.replace("add.f32 %m2, %m2, %s0;", "add.f32 %m2, %s0, %m2;");
    assert_ne!(turned, text);
    assert_eq!(terms(&turned), all);
    for (from, to) in [
        ("{%a0, %a1, %a2, %a3}, {%b0, %b1}", "{%a1, %a0, %a2, %a3}, {%b0, %b1}"),
        ("[%r16+16384]", "[%r16+16400]"),
        ("max.f32 %m0, %m0, %s5;", ""),
        ("sub.f32 %s9, %s9, %m0;", "sub.f32 %s9, %s9, %m1;"),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text, "{from}");
        assert_ne!(terms(&wrong), all, "{from}");
    }
}

#[test]
fn what_data_decide_is_told() {
    let text = tile::text();
    let taken =
        "setp.gt.f32 %p0, %m0, %m1;\n@%p0 bra OVER;\nadd.f32 %m2, %m2, 0f00000000;\nOVER:\n";
    let text = text.replace(".reg .b16 %h<2>;", ".reg .b16 %h<2>;\n.reg .pred %p<2>;");
    let text = text.replacen("    mov.f32 %o0,", &format!("{taken}    mov.f32 %o0,"), 1);
    let ran = tile::simulate(&text, &Launch { follow: true, ..Launch::default() }).unwrap();
    let line = 1 + text.lines().position(|l| l.contains("bra OVER")).unwrap() as u32;
    assert_eq!(ran.report.depends, Some(line));
}
