//! A kernel of some thousand tensor-core instructions, in each order, against f64.

mod tile;

use kgen_sim::ptx::{Check, Order};

#[test]
fn a_tile_of_attention() {
    let text = tile::text();
    for order in [Order::Latest, Order::Earliest, Order::Random] {
        let (worst, report, _) = tile::simulate(&text, order, Check::Full).unwrap();
        assert!(report.findings.is_empty(), "{order:?}: {:#?}", report.findings);
        // Weights are rounded to f16, of at most 2 in size.
        assert!(worst < 2e-3, "{order:?}: off by {worst}");
        assert_eq!(report.statistics.conflicts(), 0);
    }
}

#[test]
fn leaving_out_a_wait_or_a_barrier_is_found() {
    let text = tile::text();
    let lines: Vec<&str> = text.lines().collect();
    let orders = ["cp.async.wait_group", "cp.async.commit_group", "bar.sync"];
    let places = (0..lines.len()).filter(|i| orders.iter().any(|o| lines[*i].contains(o)));
    let places: Vec<usize> = places.collect();
    assert_eq!(places.len(), 7);
    for at in places {
        let without: Vec<&str> =
            lines.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, l)| *l).collect();
        let (_, report, _) =
            tile::simulate(&without.join("\n"), Order::Latest, Check::Full).unwrap();
        println!("{}: {:?}", lines[at], report.findings.first().map(|f| f.kind));
    }
}
