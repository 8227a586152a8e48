//! Damaged texts are errors with a place, or texts; never a panic, and no run without an end.

use kgen_sim::ptx::{Arg, Error, Launch, Memory, Module, run};

const TEXT: &str = r#"
.version 8.0
.target sm_90a, debug
.address_size 64
.extern .shared .align 16 .b8 dynamic[];
.const .align 4 .b32 table[4] = {1, -2, 0x3, 4};
.func (.param .b32 r) half(.param .b32 x) { .reg .b32 %a<3>; ld.param.b32 %a1, [x]; shr.u32 %a2, %a1, 1; st.param.b32 [r], %a2; ret; }
.visible .entry k(.param .u64 .ptr .global .align 16 in, .param .u64 out, .param .u32 n) .maxntid 128, 1, 1 .minnctapersm 1
{
    .reg .pred %p<5>; .reg .b16 %h<4>; .reg .b32 %r<40>; .reg .f32 %f<9>; .reg .b64 %d<9>;
    .shared .align 128 .b8 tile[2048]; .shared .align 8 .b64 bar; .local .align 8 .b8 spill[16];
    .loc 1 2 3
    ld.param.u64 %d1, [in]; ld.param.u64 %d2, [out]; ld.param.u32 %r1, [n];
    mov.u32 %r2, %tid.x; setp.ge.u32 %p1, %r2, %r1; @%p1 bra $END;
    mul.wide.u32 %d3, %r2, 16; add.s64 %d4, %d1, %d3; mov.u32 %r3, tile; shl.b32 %r4, %r2, 4; add.u32 %r5, %r3, %r4;
    cp.async.cg.shared.global.L2::128B [%r5+0], [%d4], 0x10, %r1; cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;
    ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r6, %r7, %r8, %r9}, [%r5];
    mov.f32 %f1, 0f3F800000; mov.b32 {%h1, %h2}, %r6; cvt.rn.f16x2.f32 %r10, %f1, %f1; fma.rn.f16x2 %r11, %r10, %r10, %r10;
    mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f2, %f3, %f4, %f5}, {%r6, %r7, %r8, %r9}, {%r10, %r11}, {%f1, %f1, %f1, %f1};
    { .reg .b32 %tmp; lop3.b32 %tmp, %r6, 0x000f000f, 0x64006400, 0xea; prmt.b32 %r12, %tmp, %r7, 0x5410; }
    shfl.sync.bfly.b32 %r13|%p2, %r12, 1, 31, 0xffffffff; vote.sync.ballot.b32 %r14, %p2, -1; redux.sync.add.s32 %r15, %r14, -1;
    mov.u32 %r16, bar; setp.eq.s32 %p3, %r2, 0; @%p3 mbarrier.init.shared.b64 [%r16], 1; bar.sync 0;
    @%p3 mbarrier.arrive.expect_tx.shared.b64 _, [%r16], 64;
    @%p3 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%d1], 64, [%r16];
$WAIT: mbarrier.try_wait.parity.shared.b64 %p4, [%r16], 0; @!%p4 bra $WAIT;
    { .param .b32 p0; .param .b32 r0; st.param.b32 [p0], %r15; call.uni (r0), half, (p0); ld.param.b32 %r17, [r0]; }
    atom.global.add.u32 %r18, [%d2], %r17; st.local.v2.b32 [spill], {%r17, %r18}; ld.const.u32 %r19, [table+4];
    st.global.v2.f32 [%d2+8], {%f2, %f3}; membar.gl; fence.proxy.async;
$END: ret;
}
.section .debug_str { .b8 1, 2 }
"#;

fn go(text: &str) {
    let module = match Module::parse(text) {
        Ok(module) => module,
        Err(Error::Text { line, column, .. } | Error::Unsupported { line, column, .. }) => {
            assert!(column > 0 && line as usize <= text.lines().count() + 1, "{line}:{column}");
            return;
        }
        Err(Error::Launch(what)) => panic!("{what}"),
    };
    let Some(entry) = module.entries().next().and_then(|n| module.entry(n)) else { return };
    let mut memory = Memory::default();
    let input = memory.add("in", vec![1; 512], true);
    let out = memory.add("out", vec![0; 64], true);
    let args =
        [Arg::Buffer(input, 0), Arg::Buffer(out, 0), Arg::Bytes(32u32.to_le_bytes().to_vec())];
    let launch = Launch { limit: 2000, shared: 64, ..Launch::default() };
    // Findings there may be.
    let _ = run(&module, entry, &launch, &args, &mut memory);
}

#[test]
fn the_text_is_good() {
    let module = Module::parse(TEXT).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(module.entries().collect::<Vec<_>>(), ["k"]);
    go(TEXT);
}

#[test]
fn mutated_texts_never_panic() {
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 16) as usize % n.max(1)
    };
    let words: Vec<&str> = TEXT.split_inclusive([' ', ',', '.', ';', '[', '{', '%']).collect();
    for _ in 0..3000 {
        let mut parts: Vec<String> = words.iter().map(|w| w.to_string()).collect();
        for _ in 0..1 + next(3) {
            let at = next(parts.len());
            match next(6) {
                0 => {
                    parts.remove(at);
                }
                1 => parts[at] = words[next(words.len())].into(),
                2 => parts.insert(at, words[next(words.len())].into()),
                3 => {
                    let other = next(parts.len());
                    parts.swap(at, other);
                }
                4 => {
                    parts[at] =
                        ["-1", "0xffffffffffffffff", "1e9", "\u{e9}", "\"", "/*", "4294967295", "{"]
                            [next(8)]
                        .into()
                }
                _ => {
                    let cut = parts[at].char_indices().map(|(i, _)| i).nth(next(3)).unwrap_or(0);
                    parts[at].truncate(cut);
                }
            }
        }
        go(&parts.concat());
    }
}

#[test]
fn cut_texts_never_panic() {
    for end in (0..TEXT.len()).step_by(7) {
        go(&TEXT[..end]);
    }
}
