//! One planted bug for each rule, and beside it the same kernel without the bug.

use kgen_sim::ptx::{Arg, Check, Kind, Launch, Memory, Module, Order, Report, Touched, run};

/// Runs a body on 64 threads, with an input of 1024 bytes and an output of 1024.
fn findings(body: &str, launch: &Launch) -> Report {
    let text = format!(
        ".version 8.4\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out) {{\n\
         .reg .pred %p<16>;\n.reg .b32 %r<80>;\n.reg .b64 %d<16>;\n.reg .f32 %f<16>;\n\
         .shared .align 1024 .b8 s[8192];\n.shared .align 8 .b64 bar;\n\
         ld.param.u64 %d0, [in];\nld.param.u64 %d1, [out];\nmov.u32 %r0, %tid.x;\nmul.wide.u32 %d2, %r0, 4;\n\
         mul.wide.u32 %d3, %r0, 16;\nadd.s64 %d4, %d0, %d2;\nadd.s64 %d5, %d0, %d3;\nadd.s64 %d6, %d1, %d2;\n\
         shl.b32 %r1, %r0, 2;\nmov.u32 %r2, s;\nadd.u32 %r3, %r2, %r1;\nshl.b32 %r4, %r0, 4;\n\
         add.u32 %r5, %r2, %r4;\nsetp.eq.u32 %p0, %r0, 0;\nsetp.lt.u32 %p1, %r0, 32;\n\
         xor.b32 %r6, %r0, 32;\nshl.b32 %r6, %r6, 2;\nadd.u32 %r6, %r6, %r2;\n\
         xor.b32 %r7, %r0, 1;\nshl.b32 %r7, %r7, 2;\nadd.u32 %r7, %r7, %r2;\nmov.u32 %r8, bar;\n\
         {body}\nret;\n}}\n"
    );
    let module = Module::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut memory = Memory::default();
    let input = memory.add("in", (0..1024u32).map(|i| i as u8).collect(), true);
    let out = memory.add("out", vec![0; 1024], false);
    let entry = module.entry("k").unwrap();
    run(&module, entry, launch, &[Arg::Buffer(input, 0), Arg::Buffer(out, 0)], &mut memory).unwrap()
}

fn launches() -> Vec<Launch> {
    let block = [64, 1, 1];
    let mut all = vec![
        Launch { block, ..Launch::default() },
        Launch { block, order: Order::Earliest, ..Launch::default() },
    ];
    all.extend((0..4).map(|seed| Launch {
        block,
        order: Order::Random,
        seed,
        ..Launch::default()
    }));
    all
}

/// The bug is found in each order, and its twin is clean in each.
fn planted(kind: Kind, bad: &str, good: &str) {
    planted_in(&launches(), kind, bad, good);
}

/// What goes well by luck where copies end at once is found when they end late.
fn planted_late(kind: Kind, bad: &str, good: &str) {
    planted_in(&launches()[..1], kind, bad, good);
}

fn planted_in(orders: &[Launch], kind: Kind, bad: &str, good: &str) {
    for launch in orders {
        let report = findings(bad, launch);
        let found = report.findings.iter().any(|f| f.kind == kind);
        assert!(found, "{kind:?} is not found in {:?}: {:?}\n{bad}", launch.order, report.findings);
    }
    for launch in launches() {
        let report = findings(good, &launch);
        assert!(report.findings.is_empty(), "{:?}: {:#?}\n{good}", launch.order, report.findings);
    }
}

/// The kernel with a line, and without it.
fn needs(kind: Kind, line: &str, body: &str) {
    assert!(body.contains(line), "{line}");
    planted(kind, &body.replacen(line, "", 1), body);
}

const COPY: &str = "cp.async.cg.shared.global [%r5], [%d5], 16;\ncp.async.commit_group;\n\
    cp.async.wait_group 0;\nbar.sync 0;\nld.shared.u32 %r10, [%r3];\nst.global.u32 [%d6], %r10;";

#[test]
fn a_missing_wait() {
    needs(Kind::MissingWait, "cp.async.wait_group 0;", COPY);
    // Waiting for all but one group, where one has to be there.
    planted(Kind::MissingWait, &COPY.replace("wait_group 0", "wait_group 1"), COPY);
    needs(Kind::MissingWait, "cp.async.commit_group;", COPY);
}

#[test]
fn a_missing_barrier() {
    needs(Kind::Race, "bar.sync 0;", COPY);
    needs(
        Kind::Race,
        "bar.sync 0;",
        "st.shared.u32 [%r3], %r0;\nbar.sync 0;\nld.shared.u32 %r10, [%r6];\nst.global.u32 [%d6], %r10;",
    );
}

#[test]
fn a_race_between_lanes() {
    needs(
        Kind::Race,
        "bar.warp.sync -1;",
        "st.shared.u32 [%r3], %r0;\nbar.warp.sync -1;\nld.shared.u32 %r10, [%r7];\nst.global.u32 [%d6], %r10;",
    );
    // Different values at one place in one instruction.
    planted(Kind::Race, "st.shared.u32 [%r2], %r0;", "st.shared.u32 [%r2], 7;");
}

#[test]
fn a_slot_written_while_it_is_read() {
    let ring = "mov.u32 %r20, 0;\nLOOP:\ncp.async.cg.shared.global [%r5], [%d5], 16;\ncp.async.commit_group;\n\
        cp.async.wait_group 0;\nbar.sync 0;\nld.shared.u32 %r10, [%r6];\nbar.sync 1;\n\
        add.u32 %r20, %r20, 1;\nsetp.lt.u32 %p5, %r20, 3;\n@%p5 bra LOOP;\nst.global.u32 [%d6], %r10;";
    let text = ring.replace("bar.sync 1;", "");
    for launch in launches() {
        let report = findings(&text, &launch);
        let kinds: Vec<_> = report.findings.iter().map(|f| f.kind).collect();
        assert!(kinds.iter().any(|k| matches!(k, Kind::Race | Kind::MissingWait)), "{kinds:?}");
        assert!(findings(ring, &launch).findings.is_empty());
    }
}

#[test]
fn accesses_outside_and_askew() {
    planted(Kind::OutOfBounds, "st.global.u32 [%d6+772], %r0;", "st.global.u32 [%d6+768], %r0;");
    planted(Kind::OutOfBounds, "ld.global.u32 %r9, [%d4+-4];", "ld.global.u32 %r9, [%d4];");
    planted(Kind::OutOfBounds, "st.shared.u32 [%r3+8208], %r0;", "st.shared.u32 [%r3], %r0;");
    planted(
        Kind::Misaligned,
        "ld.global.v4.u32 {%r10, %r11, %r12, %r13}, [%d4];",
        "ld.global.v4.u32 {%r10, %r11, %r12, %r13}, [%d5];",
    );
    planted(Kind::Misaligned, "st.shared.u32 [%r3+2], 0;", "st.shared.u32 [%r3], 0;");
    planted(Kind::OutOfBounds, "mov.u64 %d9, 64;\nld.global.u32 %r9, [%d9];", "");
}

#[test]
fn bytes_that_nobody_wrote() {
    planted(
        Kind::Uninitialised,
        "ld.shared.u32 %r9, [%r3];",
        "st.shared.u32 [%r3], 1;\nld.shared.u32 %r9, [%r3];",
    );
    planted(
        Kind::Uninitialised,
        "ld.global.u32 %r9, [%d6];",
        "st.global.u32 [%d6], 1;\nld.global.u32 %r9, [%d6];",
    );
}

#[test]
fn a_part_of_a_warp() {
    let part = "setp.lt.u32 %p2, %r0, 16;\n";
    planted(Kind::PartialMask, &format!("{part}@%p2 bar.sync 0;"), "bar.sync 0;");
    planted(
        Kind::PartialMask,
        &format!("{part}@%p2 shfl.sync.bfly.b32 %r9, %r0, 1, 31, -1;"),
        "setp.lt.u32 %p2, %r0, 32;\n@%p2 shfl.sync.bfly.b32 %r9, %r0, 1, 31, -1;",
    );
    let mma = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r10, %r11, %r12, %r13}, \
        {%r14, %r15}, {%f1, %f2, %f3, %f4};";
    planted(Kind::PartialMask, &format!("{part}@%p2 {mma}"), mma);
    planted(
        Kind::PartialMask,
        "shfl.sync.idx.b32 %r9, %r0, 1, 31, 1;",
        "shfl.sync.idx.b32 %r9, %r0, 1, 31, -1;",
    );
}

#[test]
fn warps_that_wait_for_ever() {
    planted(Kind::Deadlock, "@%p1 bar.sync 1, 64;", "bar.sync 1, 64;");
    let wait = "@%p0 mbarrier.init.shared.b64 [%r8], 1;\nbar.sync 0;\n@%p0 mbarrier.arrive.shared.b64 %d9, [%r8];\n\
        WAIT:\nmbarrier.try_wait.parity.shared.b64 %p3, [%r8], 0;\n@!%p3 bra WAIT;";
    needs(Kind::Deadlock, "@%p0 mbarrier.arrive.shared.b64 %d9, [%r8];", wait);
    let spin = Launch { limit: 10_000, ..Launch::default() };
    let report = findings("SPIN:\nbra SPIN;", &spin);
    assert_eq!(report.findings[0].kind, Kind::Deadlock);
}

#[test]
fn barriers_in_memory() {
    let handed = "@%p0 mbarrier.init.shared.b64 [%r8], 32;\nbar.sync 0;\n@!%p1 bra READ;\nst.shared.u32 [%r3], %r0;\n\
        mbarrier.arrive.shared.b64 %d9, [%r8];\nbra END;\nREAD:\n\
        WAIT:\nmbarrier.try_wait.parity.shared.b64 %p3, [%r8], 0;\n@!%p3 bra WAIT;\n\
        ld.shared.u32 %r10, [%r6];\nst.global.u32 [%d6], %r10;\nEND:";
    // Reading without having waited for the phase.
    planted_late(Kind::Race, &handed.replace("@!%p3 bra WAIT;", ""), handed);
    // An arrival by one lane covers what that lane did.
    let one = handed.replace("[%r8], 32;", "[%r8], 1;");
    let elected = one.replace("mbarrier.arrive", "bar.warp.sync -1;\n@%p0 mbarrier.arrive");
    planted(Kind::Race, &elected.replace("bar.warp.sync -1;\n", ""), &elected);
    planted(
        Kind::Barrier,
        "@%p0 mbarrier.arrive.shared.b64 %d9, [%r8];",
        "@%p0 mbarrier.init.shared.b64 [%r8], 1;\n@%p0 mbarrier.arrive.shared.b64 %d9, [%r8];",
    );
    planted(
        Kind::Barrier,
        "@%p0 mbarrier.init.shared.b64 [%r8], 2;\nbar.sync 0;\n@%p1 mbarrier.arrive.noComplete.shared.b64 %d9, [%r8], 3;",
        "@%p0 mbarrier.init.shared.b64 [%r8], 2;\nbar.sync 0;\n@%p0 mbarrier.arrive.shared.b64 %d9, [%r8];",
    );
    planted(
        Kind::Barrier,
        "@%p0 mbarrier.init.shared.b64 [%r8], 2;\nbar.sync 0;\n@%p0 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%r8], 1048576;",
        "@%p0 mbarrier.init.shared.b64 [%r8], 2;\nbar.sync 0;\n@%p0 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%r8], 1024;",
    );
    planted(Kind::Barrier, "bar.sync 17;", "bar.sync 15;");
    planted(Kind::Barrier, "bar.sync 1, 33;", "bar.sync 1, 64;");
}

#[test]
fn a_flag_between_warps() {
    // The second warp waits for a flag that the first sets; fences on both sides make the word behind it known.
    let flag = "@%p0 st.shared.u32 [%r2+4096], 0;\nbar.sync 0;\n@!%p1 bra READ;\n@%p0 st.shared.u32 [%r2], 9;\n\
        membar.cta;\n@%p0 st.volatile.shared.u32 [%r2+4096], 1;\nbra END;\nREAD:\nWAIT:\n\
        ld.volatile.shared.u32 %r10, [%r2+4096];\nsetp.eq.u32 %p3, %r10, 0;\n@%p3 bra WAIT;\nfence.acq_rel.cta;\n\
        ld.shared.u32 %r11, [%r2];\nEND:";
    needs(Kind::Race, "membar.cta;", flag);
    needs(Kind::Race, "fence.acq_rel.cta;", flag);
}

#[test]
fn copies_of_parts() {
    // The last bytes of a buffer: six of sixteen are read, the rest is zero.
    let part = "setp.eq.u32 %p2, %r0, 63;\nmov.u32 %r9, 6;\nadd.s64 %d9, %d0, 1008;\n\
        @%p2 cp.async.cg.shared.global [%r2], [%d9], 16, %r9;\ncp.async.wait_all;";
    planted(Kind::OutOfBounds, &part.replace("1008", "1024"), part);
    planted(Kind::Misaligned, &part.replace("1008", "1000"), part);
    planted(Kind::OutOfBounds, &part.replace("%r9, 6", "%r9, 17"), part);
    // A copy reads what this warp has just written, and nobody else.
    let through = "st.global.u32 [%d6], %r0;\nadd.s64 %d9, %d1, %d3;\nsetp.lt.u32 %p2, %r0, 16;\nbar.sync 0;\n\
        @%p2 cp.async.cg.shared.global [%r5], [%d9], 16;\ncp.async.wait_all;";
    needs(Kind::Race, "bar.sync 0;", through);
}

#[test]
fn bulk_copies() {
    let copy = "@%p0 mbarrier.init.shared.b64 [%r8], 1;\nfence.mbarrier_init.release.cluster;\nbar.sync 0;\n\
        @%p0 mbarrier.arrive.expect_tx.shared.b64 %d9, [%r8], 1024;\n\
        @%p0 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2], [%d0], 1024, [%r8];\n\
        WAIT:\nmbarrier.try_wait.parity.shared.b64 %p3, [%r8], 0;\n@!%p3 bra WAIT;\n\
        ld.shared.u32 %r10, [%r3];\nst.global.u32 [%d6], %r10;";
    planted_late(Kind::MissingWait, &copy.replace("@!%p3 bra WAIT;", ""), copy);
    planted(Kind::OutOfBounds, &copy.replace("1024", "1040"), copy);
    planted(Kind::Misaligned, &copy.replace("1024", "1000"), copy);
    needs(
        Kind::MissingProxyFence,
        "fence.proxy.async.shared::cta;",
        "st.shared.u32 [%r3], %r0;\nfence.proxy.async.shared::cta;\nbar.sync 0;\n\
         @%p0 cp.async.bulk.global.shared::cta.bulk_group [%d1], [%r2], 256;\n\
         @%p0 cp.async.bulk.commit_group;\n@%p0 cp.async.bulk.wait_group 0;",
    );
}

#[test]
fn what_is_left_behind() {
    // Nobody reads it, and still it is on its way when the block ends.
    needs(
        Kind::LeftBehind,
        "cp.async.wait_all;",
        "cp.async.cg.shared.global [%r5], [%d5], 16;\ncp.async.wait_all;",
    );
    needs(
        Kind::LeftBehind,
        "@%p0 cp.async.bulk.wait_group 0;",
        "st.shared.u32 [%r3], %r0;\nfence.proxy.async;\nbar.sync 0;\n\
         @%p0 cp.async.bulk.global.shared::cta.bulk_group [%d1], [%r2], 256;\n\
         @%p0 cp.async.bulk.commit_group;\n@%p0 cp.async.bulk.wait_group 0;",
    );
    needs(
        Kind::LeftBehind,
        "@!%p1 bar.sync 3, 64;",
        "@%p1 bar.arrive 3, 64;\n@!%p1 bar.sync 3, 64;",
    );
}

#[test]
fn barriers_in_use_are_left_alone() {
    let init = "@%p0 mbarrier.init.shared.b64 [%r8], 1;";
    let again = format!("{init}\n@%p0 mbarrier.inval.shared.b64 [%r8];\n{init}");
    needs(Kind::Barrier, "@%p0 mbarrier.inval.shared.b64 [%r8];\n", &again);
    let over =
        format!("{init}\n@%p0 mbarrier.inval.shared.b64 [%r8];\n@%p0 st.shared.u32 [%r8], 0;");
    needs(Kind::Barrier, "@%p0 mbarrier.inval.shared.b64 [%r8];\n", &over);
}

#[test]
fn constants_are_written_by_nobody() {
    planted(
        Kind::Race,
        "ld.global.nc.u32 %r9, [%d4];\nst.global.u32 [%d4], 70000;",
        "ld.global.u32 %r9, [%d4];\nst.global.u32 [%d4], 70000;",
    );
    // Two warps have read it, one of them writes.
    needs(
        Kind::Race,
        "bar.sync 0;",
        "ld.global.u32 %r9, [%d0];\nbar.sync 0;\n@%p0 st.global.u32 [%d0], %r0;",
    );
}

#[test]
fn registers_are_few() {
    let launch = Launch { block: [384, 1, 1], ..Launch::default() };
    let ask = |n: u32| findings(&format!("setmaxnreg.inc.sync.aligned.u32 {n};"), &launch).findings;
    assert!(ask(168).is_empty());
    assert_eq!(ask(240)[0].kind, Kind::Registers);
}

#[test]
fn constant_memory_stays() {
    let report = findings("st.param.u32 [in], 1;", &Launch::default());
    assert_eq!(report.findings[0].kind, Kind::ReadOnly);
    let report = findings("trap;", &Launch::default());
    assert_eq!(report.findings[0].kind, Kind::Trap);
}

#[test]
fn blocks_are_ordered_by_atomics_alone() {
    let launch = Launch { grid: [2, 1, 1], block: [64, 1, 1], ..Launch::default() };
    let report = findings("mov.u32 %r9, %ctaid.x;\nst.global.u32 [%d6], %r9;", &launch);
    assert_eq!(report.findings[0].kind, Kind::Race);
    assert!(report.findings[0].message.contains("block 0"), "{}", report.findings[0]);
    let report = findings(
        "st.global.u32 [%d1+256], 0;\nred.global.add.u32 [%d1+256], 1;",
        &Launch { block: [1, 1, 1], ..launch.clone() },
    );
    assert!(!report.findings.is_empty());
    // The last block to come adds up what the others wrote: a fence before and after the count.
    let last = "mov.u32 %r9, %ctaid.x;\nshl.b32 %r9, %r9, 2;\ncvt.u64.u32 %d9, %r9;\nadd.s64 %d9, %d9, %d1;\n\
        @%p0 st.global.u32 [%d9], 5;\nmembar.gl;\n@%p0 atom.global.add.u32 %r10, [%d0], 1;\nmembar.gl;\n\
        setp.eq.and.u32 %p4, %r10, 0x03020101, %p0;\n@%p4 ld.global.u32 %r11, [%d1];";
    assert!(findings(last, &launch).findings.is_empty(), "{:#?}", findings(last, &launch).findings);
    let bare = last.replacen("membar.gl;", "", 1);
    assert_eq!(findings(&bare, &launch).findings[0].kind, Kind::Race);
}

#[test]
fn accesses_are_counted() {
    let launch = Launch { block: [64, 1, 1], ..Launch::default() };
    let report = findings("st.shared.u32 [%r5], 1;\nld.global.u32 %r9, [%d4];", &launch);
    let lines: Vec<_> = report.statistics.lines.values().collect();
    // Every fourth word: four lanes share a bank. Two warps.
    assert_eq!((lines[0].wavefronts, lines[0].ideal_wavefronts, lines[0].executed), (8, 2, 2));
    assert_eq!((lines[1].sectors, lines[1].ideal_sectors), (8, 8));
    let touched = [(u32::MAX, Touched { executed: 2, sectors: 8, least: 4, most: 4 })];
    assert_eq!(lines[1].touched, touched.into());
    assert!(lines[0].touched.is_empty());
    assert_eq!(report.statistics.conflicts(), 6);
    assert_eq!(report.statistics.sector_efficiency(), 1.0);
    // Copies of 16 bytes, 4 and none.
    let copy =
        |read: u32| format!("mov.u32 %r9, {read};\n{}", COPY.replace("], 16;", "], 16, %r9;"));
    for (read, sectors) in [(16, 32), (4, 32), (0, 0)] {
        let report = findings(&copy(read), &launch);
        let lines = report.statistics.lines.values().filter(|l| l.instruction.contains("cp.async"));
        assert_eq!(lines.map(|l| l.sectors).sum::<u64>(), sectors, "{read}: {:?}", report.findings);
    }
    let fast = findings("st.shared.u32 [%r2], %r0;", &Launch { check: Check::Fast, ..launch });
    assert!(fast.findings.is_empty() && fast.statistics.lines.is_empty());
}

/// D = A B of one warpgroup: A and B are K-major tiles without swizzle, all ones.
const GROUP: &str = "mov.u32 %r20, 0;\nFILL:\nadd.u32 %r21, %r20, %r5;\n\
    st.shared.v4.b32 [%r21], {0x3c003c00, 0x3c003c00, 0x3c003c00, 0x3c003c00};\nadd.u32 %r20, %r20, 2048;\n\
    setp.lt.u32 %p5, %r20, 8192;\n@%p5 bra FILL;\nfence.proxy.async;\nbar.sync 0;\n\
    mov.f32 %f1, 0f00000000;\nmov.f32 %f2, %f1;\nmov.f32 %f3, %f1;\nmov.f32 %f4, %f1;\n\
    shr.u32 %r22, %r2, 4;\ncvt.u64.u32 %d9, %r22;\nor.b64 %d9, %d9, 0x0000001000080000;\n\
    wgmma.fence.sync.aligned;\n\
    wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f1, %f2, %f3, %f4}, %d9, %d9, 1, 1, 1, 0, 0;\n\
    wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n\
    mov.b32 %r10, %f4;\nst.global.b32 [%d6], %r10;";

#[test]
fn products_of_a_warpgroup() {
    let on = |body: &str, order| {
        let launch = Launch { block: [128, 1, 1], order, ..Launch::default() };
        findings(body, &launch)
    };
    for order in [Order::Latest, Order::Earliest, Order::Random] {
        let report = on(GROUP, order);
        assert!(report.findings.is_empty(), "{:#?}", report.findings);
        for (line, kind) in [
            ("wgmma.wait_group.sync.aligned 0;", Kind::MissingWait),
            ("wgmma.commit_group.sync.aligned;", Kind::MissingWait),
            ("wgmma.fence.sync.aligned;", Kind::MissingWait),
            ("fence.proxy.async;", Kind::MissingProxyFence),
            ("bar.sync 0;", Kind::Race),
        ] {
            let report = on(&GROUP.replacen(line, "", 1), order);
            assert!(
                report.findings.iter().any(|f| f.kind == kind),
                "{line} {order:?}: {:#?}",
                report.findings
            );
        }
    }
}
