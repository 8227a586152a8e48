//! Instructions with answers worked out by hand from the specification.

use kgen_sim::ptx::{Arg, Error, Launch, Memory, Module, Report, run};

fn module(params: &str, body: &str) -> Result<Module, Error> {
    Module::parse(&format!(
        ".version 8.4\n.target sm_90a\n.address_size 64\n.visible .entry k({params}) {{\n\
         .reg .pred %p<16>;\n.reg .b16 %h<16>;\n.reg .b32 %r<40>;\n.reg .b64 %d<16>;\n\
         .reg .f32 %f<16>;\n.reg .f64 %g<8>;\n{body}\nret;\n}}\n"
    ))
}

/// Runs a body on one warp; `out` has a word for each lane.
fn words(body: &str) -> (Vec<u32>, Report) {
    let body = format!(
        "ld.param.u64 %d0, [out];\nmov.u32 %r0, %tid.x;\nmul.wide.u32 %d1, %r0, 4;\nadd.s64 %d0, %d0, %d1;\n{body}\nst.global.b32 [%d0], %r1;"
    );
    let module = module(".param .u64 out", &body).unwrap_or_else(|e| panic!("{e}\n{body}"));
    let mut memory = Memory::default();
    let out = memory.add("out", vec![0; 128], false);
    let entry = module.entry("k").unwrap();
    let report =
        run(&module, entry, &Launch::default(), &[Arg::Buffer(out, 0)], &mut memory).unwrap();
    let words = memory.bytes(out).chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap()));
    (words.collect(), report)
}

/// The result of one instruction in %r1, the same in all lanes.
fn one(body: &str) -> u32 {
    let (words, report) = words(body);
    assert!(report.findings.is_empty(), "{body}: {:?}", report.findings);
    assert!(words.iter().all(|w| *w == words[0]), "{body}: {words:x?}");
    words[0]
}

#[test]
fn arithmetic_of_every_family() {
    for (body, expected) in [
        ("add.s32 %r1, 5, -7;", -2i32 as u32),
        ("add.sat.s32 %r1, 0x7fffffff, 1;", 0x7fff_ffff),
        ("sub.u32 %r1, 5, 7;", -2i32 as u32),
        ("mov.b32 %r2, 6; mul.lo.s32 %r1, %r2, -7;", -42i32 as u32),
        ("mul.hi.u32 %r1, 0x80000000, 6;", 3),
        ("mul.wide.s32 %d2, -3, 5; cvt.u32.u64 %r1, %d2;", -15i32 as u32),
        ("mad.lo.u32 %r1, 3, 4, 5;", 17),
        ("mad.wide.u32 %d2, 3, 4, %d3; mov.b64 {%r1, %r2}, %d2;", 12),
        ("mul24.lo.u32 %r1, 0x1000002, 3;", 6),
        ("div.s32 %r1, -7, 2;", -3i32 as u32),
        ("rem.u32 %r1, 7, 4;", 3),
        ("min.s32 %r1, -1, 1;", u32::MAX),
        ("max.u32 %r1, 3, 9;", 9),
        ("abs.s32 %r1, -4;", 4),
        ("neg.s32 %r1, 4;", -4i32 as u32),
        ("and.b32 %r1, 12, 10;", 8),
        ("or.b32 %r1, 12, 10;", 14),
        ("xor.b32 %r1, 12, 10;", 6),
        ("not.b32 %r1, 0;", u32::MAX),
        ("cnot.b32 %r1, 0;", 1),
        ("shl.b32 %r1, 1, 5;", 32),
        ("shr.s32 %r1, -8, 1;", -4i32 as u32),
        ("shr.u32 %r1, 0x80000000, 31;", 1),
        ("shf.l.wrap.b32 %r1, 0x80000000, 1, 1;", 3),
        ("shf.r.clamp.b32 %r1, 0, 7, 32;", 7),
        ("bfe.u32 %r1, 0xabcd, 4, 8;", 0xbc),
        ("bfi.b32 %r1, 0xf, 0, 8, 4;", 0xf00),
        ("bfind.u32 %r1, 0x100;", 8),
        ("bfind.shiftamt.u32 %r1, 0x100;", 23),
        ("popc.b32 %r1, 0xff;", 8),
        ("clz.b32 %r1, 1;", 31),
        ("brev.b32 %r1, 1;", 0x8000_0000),
        ("prmt.b32 %r1, 0x33221100, 0x77665544, 0x7531;", 0x7755_3311),
        ("lop3.b32 %r1, 0xf0, 0xcc, 0xaa, 0xea;", 0xf0 & 0xcc | 0xaa),
        ("sad.u32 %r1, 3, 10, 5;", 12),
        ("dp4a.s32.s32 %r1, 0x01020304, 0x01010101, 10;", 20),
        ("dp2a.lo.s32.u32 %r1, 0x00020003, 0x00000504, 1;", 2 * 5 + 3 * 4 + 1),
        ("bmsk.clamp.b32 %r1, 4, 4;", 0xf0),
        ("add.cc.u32 %r2, 0xffffffff, 1; addc.u32 %r1, 0, 0;", 1),
        ("sub.cc.u32 %r2, 0, 1; subc.u32 %r1, 5, 0;", 4),
        ("mov.b16 %h0, 0xff80; cvt.s32.s16 %r1, %h0;", 0xffff_ff80),
        ("cvt.u32.u8 %r1, 0x1ff;", 0xff),
        ("cvt.s32.s8 %r1, 0x80;", 0xffff_ff80),
        ("cvt.sat.u8.s32 %r1, 300;", 255),
        ("cvt.sat.s8.s32 %r1, -300;", 0xffff_ff80),
        ("setp.lt.s32 %p0, -1, 1; selp.b32 %r1, 3, 4, %p0;", 3),
        ("setp.lo.u32 %p0, -1, 1; selp.b32 %r1, 3, 4, %p0;", 4),
        ("setp.eq.s32 %p0|%p1, 1, 2; selp.b32 %r1, 3, 4, %p1;", 3),
        ("setp.eq.s32 %p0, 1, 1; setp.ne.and.s32 %p1, 1, 2, !%p0; selp.b32 %r1, 3, 4, %p1;", 4),
        ("set.gt.u32.s32 %r1, 2, 1;", u32::MAX),
        ("set.gt.f32.s32 %f1, 2, 1; mov.b32 %r1, %f1;", 0x3f80_0000),
        ("slct.b32.s32 %r1, 3, 4, -1;", 4),
        (
            "setp.eq.s32 %p0, 1, 1; not.pred %p1, %p0; xor.pred %p2, %p0, %p1; selp.b32 %r1, 1, 0, %p2;",
            1,
        ),
        ("lop3.or.b32 %r2|%p1, 0, 0, 0, 0xff, %p0; selp.b32 %r1, 1, 0, %p1;", 1),
    ] {
        assert_eq!(one(body), expected, "{body}");
    }
}

#[test]
fn floats_of_every_family() {
    let single = |x: f32| x.to_bits();
    let finish = "mov.b32 %r1, %f1;";
    for (body, expected) in [
        ("add.f32 %f1, 0f3F800000, 0f40000000;", single(3.0)),
        ("sub.rn.f32 %f1, 0f3F800000, 0f40000000;", single(-1.0)),
        ("mul.ftz.f32 %f1, 0f00000001, 0f3F800000;", 0),
        ("fma.rn.f32 %f1, 0f40000000, 0f40400000, 0f3F800000;", single(7.0)),
        ("add.rz.f32 %f1, 0f3F800000, 0f33000001;", single(1.0)),
        ("add.rp.f32 %f1, 0f3F800000, 0f00000001;", 0x3f80_0001),
        ("add.sat.f32 %f1, 0f3F800000, 0f40000000;", single(1.0)),
        ("div.full.f32 %f1, 0f3F800000, 0f40000000;", single(0.5)),
        ("rcp.approx.ftz.f32 %f1, 0f40800000;", single(0.25)),
        ("sqrt.rn.f32 %f1, 0f40800000;", single(2.0)),
        ("rsqrt.approx.f32 %f1, 0f40800000;", single(0.5)),
        ("ex2.approx.ftz.f32 %f1, 0f40400000;", single(8.0)),
        ("ex2.approx.f32 %f1, 0fFF800000;", 0),
        ("lg2.approx.f32 %f1, 0f41000000;", single(3.0)),
        ("sin.approx.f32 %f1, 0f00000000;", 0),
        ("cos.approx.f32 %f1, 0f00000000;", single(1.0)),
        ("tanh.approx.f32 %f1, 0f7F800000;", single(1.0)),
        ("min.f32 %f1, 0f7FC00000, 0f3F800000;", single(1.0)),
        ("max.NaN.f32 %f1, 0f7FC00000, 0f3F800000;", 0x7fff_ffff),
        ("min.f32 %f1, 0f00000000, 0f80000000;", 0x8000_0000),
        ("neg.f32 %f1, 0f3F800000;", single(-1.0)),
        ("abs.f32 %f1, 0fBF800000;", single(1.0)),
        ("copysign.f32 %f1, 0fBF800000, 0f40000000;", single(-2.0)),
        ("add.f32 %f1, 0f7F800000, 0fFF800000;", 0x7fff_ffff),
        ("cvt.rn.f32.s32 %f1, -3;", single(-3.0)),
        ("cvt.rzi.s32.f32 %r2, 0fC0200000; cvt.rn.f32.s32 %f1, %r2;", single(-2.0)),
        ("cvt.rni.f32.f32 %f1, 0f40200000;", single(2.0)),
        (
            "mov.f64 %g0, 0d4008000000000000; add.f64 %g1, %g0, %g0; cvt.rn.f32.f64 %f1, %g1;",
            single(6.0),
        ),
        (
            "fma.rn.f64 %g1, 0d4000000000000000, 0d4000000000000000, 0d3FF0000000000000; cvt.rn.f32.f64 %f1, %g1;",
            single(5.0),
        ),
        ("mov.b16 %h0, 0x3c00; cvt.f32.f16 %f1, %h0;", single(1.0)),
        ("mov.b16 %h0, 0x3f80; cvt.f32.bf16 %f1, %h0;", single(1.0)),
        ("cvt.rna.tf32.f32 %r2, 0f3F801000; mov.b32 %f1, %r2;", 0x3f80_2000),
        (
            "setp.nan.f32 %p0, 0f7FC00000, 0f00000000; selp.f32 %f1, 0f3F800000, 0f00000000, %p0;",
            single(1.0),
        ),
        ("setp.gt.f32 %p0, 0f7FC00000, 0f00000000; selp.f32 %f1, 0f3F800000, 0f00000000, %p0;", 0),
        (
            "setp.neu.f32 %p0, 0f7FC00000, 0f00000000; selp.f32 %f1, 0f3F800000, 0f00000000, %p0;",
            single(1.0),
        ),
        ("testp.finite.f32 %p0, 0f7F800000; selp.f32 %f1, 0f3F800000, 0f00000000, %p0;", 0),
    ] {
        assert_eq!(one(&format!("{body}{finish}")), expected, "{body}");
    }
}

#[test]
fn halves_are_packed() {
    for (body, expected) in [
        ("cvt.rn.f16x2.f32 %r1, 0f3F800000, 0f40000000;", 0x3c00_4000),
        ("cvt.rn.bf16x2.f32 %r1, 0f3F800000, 0f40000000;", 0x3f80_4000),
        ("cvt.rn.f16x2.f32 %r2, 0f47800000, 0fBF800000; mov.b32 %r1, %r2;", 0x7c00_bc00),
        ("cvt.rn.relu.f16x2.f32 %r1, 0f3F800000, 0fBF800000;", 0x3c00_0000),
        ("add.f16x2 %r1, 0x3c003c00, 0x40003c00;", 0x4200_4000),
        ("mul.bf16x2 %r1, 0x40004000, 0x3f804000;", 0x4000_4080),
        ("fma.rn.f16x2 %r1, 0x40004000, 0x40004000, 0x3c003c00;", 0x4500_4500),
        ("max.f16x2 %r1, 0x40003c00, 0x3c004000;", 0x4000_4000),
        ("neg.f16x2 %r1, 0x3c003c00;", 0xbc00_bc00),
        ("ex2.approx.f16x2 %r1, 0x3c000000;", 0x4000_3c00),
        ("mov.b16 %h0, 1; mov.b16 %h1, 2; mov.b32 %r1, {%h0, %h1};", 0x0002_0001),
        ("mov.b32 {%h0, %h1}, 0x00070005; cvt.u32.u16 %r1, %h1;", 7),
        ("cvt.rn.satfinite.e4m3x2.f32 %h0, 0f3F800000, 0f43E00000; cvt.u32.u16 %r1, %h0;", 0x387e),
        ("mov.b16 %h0, 0x3840; cvt.rn.f16x2.e4m3x2 %r1, %h0;", 0x3c00_4000),
        ("setp.gt.f16x2 %p0|%p1, 0x3c000000, 0x00003c00; selp.b32 %r1, 1, 0, %p1;", 1),
        ("mov.b64 %d2, {7, 9}; mov.b64 {%r2, %r1}, %d2;", 9),
    ] {
        assert_eq!(one(body), expected, "{body}");
    }
}

#[test]
fn lanes_exchange_values() {
    let shuffled = words("shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1;").0;
    assert_eq!(shuffled[..4], [1, 0, 3, 2]);
    let up = words("shfl.sync.up.b32 %r1|%p0, %r0, 1, 0, -1; selp.b32 %r1, %r1, 99, %p0;").0;
    assert_eq!(up[..3], [99, 0, 1]);
    let ballot = "and.b32 %r2, %r0, 1; setp.eq.u32 %p0, %r2, 1;";
    assert_eq!(one(&format!("{ballot} vote.sync.ballot.b32 %r1, %p0, -1;")), 0xaaaa_aaaa);
    assert_eq!(
        one(&format!("{ballot} vote.sync.any.pred %p1, %p0, -1; selp.b32 %r1, 1, 0, %p1;")),
        1
    );
    assert_eq!(
        one(&format!("{ballot} vote.sync.all.pred %p1, %p0, -1; selp.b32 %r1, 1, 0, %p1;")),
        0
    );
    assert_eq!(
        one(&format!("{ballot} vote.sync.uni.pred %p1, %p0, -1; selp.b32 %r1, 1, 0, %p1;")),
        0
    );
    assert_eq!(one("redux.sync.add.s32 %r1, %r0, -1;"), 496);
    assert_eq!(one("redux.sync.max.u32 %r1, %r0, -1;"), 31);
    assert_eq!(one("activemask.b32 %r1;"), u32::MAX);
    let same = words("shr.u32 %r2, %r0, 4; match.any.sync.b32 %r1, %r2, -1;").0;
    assert_eq!((same[0], same[31]), (0xffff, 0xffff_0000));
    let elected = words("elect.sync %r2|%p0, -1; selp.b32 %r1, 1, 0, %p0;").0;
    assert_eq!((elected[0], elected[1]), (1, 0));
    let turned = words("movmatrix.sync.aligned.m8n8.trans.b16 %r1, %r0;").0;
    // Lane 0 has elements 0 and 1 of row 0; turned, element 0 of rows 0 and 1, which are lanes 0 and 4.
    assert_eq!((turned[0], turned[1]), (0x0004_0000, 0x000c_0008));
}

#[test]
fn branches_loops_and_special_registers() {
    let (odd, report) = words(
        "and.b32 %r2, %r0, 1;\nsetp.eq.u32 %p0, %r2, 1;\n@%p0 bra ODD;\nmov.u32 %r1, 10;\nbra DONE;\n\
         ODD:\nmov.u32 %r1, 20;\nDONE:\nadd.u32 %r1, %r1, 1;",
    );
    assert_eq!((odd[0], odd[1]), (11, 21));
    assert!(report.findings.is_empty());
    let (loops, _) = words(
        "mov.u32 %r1, 0;\nmov.u32 %r2, 0;\nLOOP:\nadd.u32 %r1, %r1, %r2;\nadd.u32 %r2, %r2, 1;\n\
         setp.le.u32 %p0, %r2, %r0;\n@%p0 bra LOOP;",
    );
    assert_eq!(loops[..5], [0, 1, 3, 6, 10]);
    let (exits, _) = words("mov.u32 %r1, 1;\nsetp.lt.u32 %p0, %r0, 4;\n@%p0 ret;");
    assert_eq!((exits[3], exits[4]), (0, 1));
    assert_eq!(words("mov.u32 %r1, %laneid;").0[7], 7);
    assert_eq!(words("mov.u32 %r1, %lanemask_lt;").0[5], 31);
    assert_eq!(words("mov.u32 %r1, %lanemask_ge;").0[31], 1 << 31);
    assert_eq!(one("mov.u32 %r1, %ntid.x;"), 32);
    assert_eq!(one("mov.u32 %r1, %warpid;"), 0);
    assert_eq!(one("mov.u32 %r1, WARP_SZ;"), 32);
}

#[test]
fn memory_of_every_space() {
    let table = "\n.const .align 4 .b32 unused;";
    let _ = table;
    for (body, expected) in [
        (
            ".shared .align 16 .b8 s[128]; mov.u32 %r2, s; shl.b32 %r3, %r0, 2; add.u32 %r2, %r2, %r3; st.shared.u32 [%r2], 5; ld.shared.u32 %r1, [%r2];",
            5,
        ),
        (
            ".local .align 8 .b8 l[16]; mov.u64 %d2, l; cvta.local.u64 %d3, %d2; st.u32 [%d3+4], 9; ld.local.u32 %r1, [l+4];",
            9,
        ),
        (
            ".shared .align 16 .b8 s[512]; mov.u64 %d2, s; cvta.shared.u64 %d3, %d2; mul.wide.u32 %d4, %r0, 16; add.s64 %d3, %d3, %d4; st.v4.b32 [%d3], {1, 2, 3, 4}; ld.v2.b32 {%r2, %r1}, [%d3+8];",
            4,
        ),
        (
            ".shared .align 16 .b8 s[64]; mov.u64 %d2, s; cvta.shared.u64 %d3, %d2; isspacep.shared %p0, %d3; selp.b32 %r1, 1, 0, %p0;",
            1,
        ),
        (
            ".shared .align 4 .b32 n; setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [n], 0; bar.sync 0; atom.shared.add.u32 %r2, [n], 2; bar.sync 0; ld.shared.u32 %r1, [n];",
            64,
        ),
        (
            ".shared .align 4 .b32 n; setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [n], 0; bar.sync 0; red.shared.max.u32 [n], %r0; bar.sync 0; ld.shared.u32 %r1, [n];",
            31,
        ),
        (".local .align 4 .b8 l[4]; st.local.u8 [l], 200; ld.local.s8 %r1, [l];", -56i32 as u32),
        (
            ".local .align 4 .b8 l[4]; st.local.u8 [l], 200; ld.local.u8 %h1, [l]; cvt.u32.u16 %r1, %h1;",
            200,
        ),
    ] {
        assert_eq!(one(body), expected, "{body}");
    }
}

#[test]
fn dynamic_memory_begins_where_its_alignment_says() {
    let text = ".version 7.0\n.target sm_80\n.address_size 64\n.extern .shared .align 512 .b8 ring[];\n\
        .visible .entry k(.param .u64 out) {\n.reg .b32 %a<5>;\n.reg .b64 %d<2>;\n.shared .align 4 .b8 own[4];\n\
        ld.param.u64 %d1, [out];\nmov.u32 %a1, ring;\nmov.u32 %a2, own;\nst.shared.u32 [ring+60], %a1;\n\
        ld.shared.u32 %a3, [%a1+60];\nmov.u32 %a4, %dynamic_smem_size;\nst.global.v2.u32 [%d1], {%a3, %a4};\nret;\n}\n";
    let module = Module::parse(text).unwrap();
    let mut memory = Memory::default();
    let out = memory.add("out", vec![0; 8], false);
    let launch = Launch { block: [1, 1, 1], shared: 64, ..Launch::default() };
    let entry = module.entry("k").unwrap();
    let args = [Arg::Buffer(out, 0)];
    let report = run(&module, entry, &launch, &args, &mut memory).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(memory.bytes(out), [0, 2, 0, 0, 64, 0, 0, 0]);
    // The gap before it is nobody's.
    let module = Module::parse(&text.replace("[ring+60], ", "[own+4], ")).unwrap();
    let report = run(&module, entry, &launch, &args, &mut memory).unwrap();
    assert!(
        report.findings[0].message.contains("offset 4 of shared memory"),
        "{:?}",
        report.findings
    );
}

#[test]
fn functions_are_called() {
    let text = ".version 7.0\n.target sm_80\n.address_size 64\n\
        .func (.param .b32 r) twice(.param .b32 x) {\n.reg .b32 %a<3>;\n.reg .pred %p;\nld.param.b32 %a1, [x];\n\
        setp.gt.u32 %p, %a1, 10;\n@%p ret;\nadd.u32 %a2, %a1, %a1;\nst.param.b32 [r], %a2;\nret;\n}\n\
        .global .align 4 .b32 table[4] = {5, 6, 7, 8};\n\
        .visible .entry k(.param .u64 out) {\n.reg .b32 %a<5>;\n.reg .b64 %d<2>;\n\
        ld.global.u32 %a1, [table+8];\n{\n.param .b32 p0;\nst.param.b32 [p0], %a1;\n.param .b32 r0;\n\
        call.uni (r0), twice, (p0);\nld.param.b32 %a3, [r0];\n}\n\
        ld.param.u64 %d1, [out];\nst.global.u32 [%d1], %a3;\nret;\n}\n";
    let module = Module::parse(text).unwrap();
    let mut memory = Memory::default();
    let out = memory.add("out", vec![0; 4], false);
    let launch = Launch { block: [1, 1, 1], ..Launch::default() };
    let entry = module.entry("k").unwrap();
    run(&module, entry, &launch, &[Arg::Buffer(out, 0)], &mut memory).unwrap();
    assert_eq!(memory.bytes(out), [14, 0, 0, 0]);
    assert_eq!((module.version(), module.target()), ((7, 0), "sm_80"));
    assert_eq!(module.params(entry), [("out", 8)]);
}

#[test]
fn matrices_are_multiplied() {
    // A has ones, B twos: each of 16 products gives 2.
    let ones = "0x3c003c00";
    let twos = "0x40004000";
    let body = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, \
         {%r10, %r11, %r12, %r13}, {%r14, %r15}, {%f5, %f6, %f7, %f8};"
        .to_string();
    let load: String = (10..14).map(|r| format!("mov.b32 %r{r}, {ones};")).collect();
    let body = format!(
        "{load} mov.b32 %r14, {twos}; mov.b32 %r15, {twos}; mov.f32 %f5, 0f3F800000; mov.f32 %f6, %f5; \
         mov.f32 %f7, %f5; mov.f32 %f8, %f5; {body} mov.b32 %r1, %f4;"
    );
    assert_eq!(one(&body), 33f32.to_bits());
    // ldmatrix reads what stmatrix wrote.
    let (back, report) = words(
        ".shared .align 128 .b8 s[128]; mov.u32 %r2, s; and.b32 %r3, %r0, 7; shl.b32 %r3, %r3, 4; \
         add.u32 %r2, %r2, %r3; stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r2], {%r0}; bar.warp.sync -1; \
         ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r2];",
    );
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(back, (0..32).collect::<Vec<_>>());
}

#[test]
fn what_is_not_known_is_told_at_its_place() {
    for (body, says) in [
        ("ld.global.u32 %r0, [%q0-8];", "`+-8` for eight bytes less"),
        ("frobnicate.b32 %r1, %r2;", "11:1: unsupported: the instruction `frobnicate.b32`"),
        ("add.odd.s32 %r1, 1, 2;", "`.odd` of `add.odd.s32`"),
        ("add.s32 %r1, %x, 2;", "`%x` is not declared"),
        ("add.s32 %r1, %r40, 2;", "`%r40` is not declared"),
        ("add.s32 %r1, 2;", "takes 3 operands, here are 2"),
        ("bra NOWHERE;", "no label `NOWHERE`"),
        ("add.f32 %f1, 3, %f2;", "3 is no float"),
        ("mov.b32 %r1, [%d0];", "sums of registers are no operands"),
        ("ld.global.v4.u32 {%r1, %r2}, [%d0];", "has 4 values"),
        ("selp.b32 %r1, 1, 2, %r3;", "`%r3` is no predicate"),
        (
            "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1}, {%r1}, {%r2}, {%f2};",
            "registers of d, a, b and c",
        ),
        (
            "mma.sync.aligned.m5n8k16.row.col.f32.f16.f16.f32 {%f1}, {%r1}, {%r2}, {%f2};",
            "unsupported",
        ),
        ("shfl.bfly.b32 %r1, %r2, 1, 31;", "since Volta it is .sync"),
        ("cp.async.cg.shared.global [%r1], [%d0], 8;", "cp.async.cg 16"),
        (
            "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r1], [%d0, {%r2, %r3}], [%r4];",
            "tensor copies",
        ),
        ("barrier.cluster.arrive;", "barriers of clusters"),
        ("call foo, ();", "calls through registers"),
        ("prmt.b32 %r1, 1, 2;", "takes 4 operands"),
        ("setp.zz.s32 %p0, 1, 2;", "`zz` is no comparison"),
        ("mul.s32 %r1, 1, 2;", ".lo, .hi or .wide"),
        ("bar.arrive 1;", "how many threads"),
        ("ldmatrix.x4.b16 {%r1}, [%r2];", "is .sync.aligned"),
        ("A: A: mov.u32 %r1, 0;", "stands twice"),
        ("add.rz.f64 %g1, %g2, %g3;", "other roundings"),
    ] {
        let error = module("", body).unwrap_err().to_string();
        assert!(error.contains(says), "{body}: {error}");
    }
}

#[test]
fn launches_are_checked() {
    let module = module(".param .u64 a, .param .u32 n", "").unwrap();
    let entry = module.entry("k").unwrap();
    let mut memory = Memory::default();
    let a = memory.add("a", vec![], true);
    let good = [Arg::Buffer(a, 0), Arg::Bytes(vec![0; 4])];
    let mut check = |launch: Launch, args: &[Arg], says: &str| {
        let error = run(&module, entry, &launch, args, &mut memory).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    check(Launch::default(), &good[..1], "has 2 parameters, here are 1");
    check(Launch::default(), &[Arg::Buffer(7, 0), good[1].clone()], "there is no buffer 7");
    check(Launch::default(), &[good[0].clone(), good[0].clone()], "has 4 bytes, the argument 8");
    check(Launch { block: [1025, 1, 1], ..Launch::default() }, &good, "1 to 1024 threads");
    check(Launch { grid: [0, 1, 1], ..Launch::default() }, &good, "a grid has");
    check(Launch { shared: 1 << 20, ..Launch::default() }, &good, "shared memory");
    check(Launch { blocks: Some(vec![1]), ..Launch::default() }, &good, "not in a grid of 1");
    assert_eq!(module.entry("l"), None);
}
