//! Listings of Cranelift's code, and the innermost loops in them.

/// Lines of each innermost loop. Blocks stand in order, so a loop is a jump to a block at or before its own.
pub fn innermost(listing: &str) -> Vec<Vec<&str>> {
    let mut blocks: Vec<Vec<&str>> = vec![];
    for line in listing.lines() {
        match line.strip_prefix("block") {
            Some(_) => blocks.push(vec![]),
            None => blocks.last_mut().into_iter().for_each(|b| b.push(line.trim())),
        }
    }
    let target = |line: &str| -> Vec<usize> {
        let words = line.split([' ', ';', ',']).filter_map(|w| w.trim().strip_prefix("label"));
        words.filter_map(|n| n.parse().ok()).collect()
    };
    let back = |(at, lines): (usize, &Vec<&str>)| {
        let to = lines.iter().flat_map(|l| target(l)).filter(|t| *t <= at).min();
        to.map(|head| (head, at))
    };
    let loops: Vec<(usize, usize)> = blocks.iter().enumerate().filter_map(back).collect();
    let inside = |a: &(usize, usize), b: &(usize, usize)| a != b && b.0 <= a.0 && a.1 <= b.1;
    let inner = loops.iter().filter(|l| !loops.iter().any(|other| inside(other, l)));
    inner.map(|&(head, end)| blocks[head..=end].concat()).collect()
}
