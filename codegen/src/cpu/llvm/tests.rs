use super::{emit, targets::CHIPS};
use crate::cpu::{
    packing::packing,
    targets::{NATIVE, TARGETS},
};
use kgen_ir::{
    layout::Layout,
    machine::{parse::parse, *},
    target::Target,
};

fn target(name: &str) -> &'static Target {
    &CHIPS.iter().find(|c| c.target.name == name).expect("a target").target
}

fn kernel(text: &str) -> Kernel {
    parse(text).unwrap_or_else(|e| panic!("{e:?} in {text}"))
}

#[test]
fn a_kernel_as_text() {
    let k = kernel(
        "machine sum lanes 8 { slot 0 = pointer x slot 1 = extent n x = arg 0 : i n = arg 1 : i
         z = fconst 1065353216 : f
         s = loop t in 0..n step 1 carry a = z {
           o = imul t, 32 : i p = iadd x, o : i v = load.w32 [p + 4] : f b = fadd a, v : f
         } yield b
         store.w32 [x + 0], s }",
    );
    let text = emit(&k, target("x86-64-v3/llvm")).expect("text");
    let one = "bitcast (<8 x i32> splat (i32 1065353216) to <8 x float>)";
    let wanted = format!(
        "\
target triple = \"x86_64-unknown-linux-gnu\"

define void @sum(ptr %args, i64 %worker) #0 {{
entry:
  %t1 = getelementptr i8, ptr %args, i64 0
  %r0 = load i64, ptr %t1, align 8, !invariant.load !0
  %t2 = getelementptr i8, ptr %args, i64 8
  %r1 = load i64, ptr %t2, align 8, !invariant.load !0
  %t4 = icmp slt i64 0, %r1
  br i1 %t4, label %body3, label %exit3
body3:
  %r3 = phi i64 [ 0, %entry ], [ %t7, %body3 ]
  %r4 = phi <8 x float> [ {one}, %entry ], [ %r8, %body3 ]
  %r5 = mul i64 %r3, 32
  %r6 = add i64 %r0, %r5
  %t5 = inttoptr i64 %r6 to ptr
  %t6 = getelementptr i8, ptr %t5, i64 4
  %r7 = load <8 x float>, ptr %t6, align 1
  %r8 = fadd <8 x float> %r4, %r7
  %t7 = add i64 %r3, 1
  %t8 = icmp slt i64 %t7, %r1
  br i1 %t8, label %body3, label %exit3
exit3:
  %r9 = phi <8 x float> [ {one}, %entry ], [ %r8, %body3 ]
  %t9 = inttoptr i64 %r0 to ptr
  store <8 x float> %r9, ptr %t9, align 1
  ret void
}}
"
    );
    assert!(text.starts_with(&wanted), "{text}");
    assert!(text.contains("\"target-cpu\"=\"x86-64-v3\""), "{text}");
}

/// The same ops, layouts and latencies, so that both emitters get the same kernels.
#[test]
fn the_rows_are_those_of_machine_code() {
    for native in NATIVE {
        let name = native.name.replace("/native", "/llvm");
        let ours = target(&name);
        assert_eq!((ours.lanes, ours.vectors), (native.lanes, native.vectors), "{name}");
        for row in native.rows {
            let own = ours.row(&row.op).unwrap_or_else(|| panic!("{name} lacks `{}`", row.op));
            assert_eq!(
                (own.latency, own.layouts),
                (row.latency, row.layouts),
                "{name}: {}",
                row.op
            );
        }
        for row in ours.rows {
            assert!(native.row(&row.op).is_some(), "{name} has `{}`", row.op);
        }
        for feature in native.features {
            assert!(ours.features.contains(feature), "{name} needs {feature}");
        }
    }
}

/// What an instruction multiplies lies as the table of packings has it, its rows in the words of a register.
#[test]
fn tiles_lie_as_the_packings_say() {
    let parsed = |text: &str| Layout::parse(text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
    for row in target("x86-64-amx/llvm").rows {
        let (Op::Mma(mma), Some(layouts)) = (&row.op, row.layouts) else { continue };
        // Signs are not of the layout; rows of half the bytes have half the lanes.
        let name = if row.text.contains("tdpbf16ps") { "tdpbf16ps" } else { "tdpbssd" };
        let here = packing(name, 512).expect("a row");
        for (text, mine) in [here.a, here.b, here.c].into_iter().zip(layouts) {
            let halved = |text: String| match mma.short_rows() {
                true => text.replace(" k5", ""),
                false => text,
            };
            let fields = text.replace("row =", "reg =");
            let (reg, rest) = fields.split_once(", ").expect("rows and lanes");
            let (lane, byte) = rest.split_once(", ").map_or((rest, None), |(l, b)| (l, Some(b)));
            let own = [Some(lane), Some(reg), byte].into_iter().flatten().collect::<Vec<_>>();
            assert_eq!(parsed(&halved(own.join(", "))), parsed(mine), "{}: {text}", mma.name);
        }
    }
}

/// Tiles are values of their own type; what a product adds to is its own.
#[test]
fn matrices_in_registers_are_tiles() {
    let amx = target("x86-64-amx/llvm");
    let product = |sum: &str, other: &str| {
        kernel(&format!(
            "machine t lanes 16 {{ slot 0 = pointer x x = arg 0 : i
             a = rows.load.16 [x + 0], 128 : w16 b = rows.load.16 [x + 2048], 64 : w16
             z = rows.zero.16 : w16 {other}
             d = mma.m16n16k64.s32.s8u8 a, b, {sum} : w16
             rows.store.16 [x + 4096], d, 64 }}"
        ))
    };
    let text = emit(&product("z", ""), amx).expect("text");
    for line in [
        "%r1 = call x86_amx @llvm.x86.tileloadd64.internal(i16 16, i16 64, ptr %t2, i64 128)",
        "%r3 = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)",
        "%r4 = call x86_amx @llvm.x86.tdpbsud.internal(i16 16, i16 64, i16 64, x86_amx %r3, x86_amx %r1, x86_amx %r2)",
        "call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr %t6, i64 64, x86_amx %r4)",
    ] {
        assert!(text.contains(line), "{text}");
    }
    for (sum, other, name) in [
        ("b", "", "b"),
        ("z", "rows.store.16 [x + 0], z, 64", "z"),
        ("z", "loop t in 0..2 step 1 { e = mma.m16n16k64.s32.s8 a, b, z : w16 }", "z"),
        (
            "y",
            "y = loop t in 0..2 step 1 carry v = z { e = mma.m16n16k64.s32.s8 a, b, v : w16
             rows.store.16 [x + 0], e, 64 } yield e",
            "e",
        ),
    ] {
        let told = emit(&product(sum, other), amx).expect_err("refused").to_string();
        let wanted =
            format!("the sum `{name}`, which others read; instead: begin each sum by itself");
        assert!(told.ends_with(&wanted), "{told}");
    }
    let carried = "y = loop t in 0..2 step 1 carry v = z {
        e = mma.m16n16k64.s32.s8 a, b, v : w16 } yield e";
    let text = emit(&product("y", carried), amx).expect("text");
    assert!(text.contains(" = phi x86_amx [ %r3, %entry ]"), "{text}");
}

#[test]
fn what_cannot_be_emitted_is_refused_with_a_way_out() {
    let v4 = target("x86-64-v4/llvm");
    for (text, error) in [
        ("machine t lanes 8 { }", "cannot do 8 lanes; instead: lower for 16 lanes"),
        (
            "machine t.u lanes 16 { }",
            "cannot do the kernel name `t.u`; instead: use letters, digits and `_`",
        ),
        (
            "machine t lanes 16 { a = fconst 0 : f b = tanh a : f }",
            "cannot do `tanh`; instead: expand it into ops of the target, or choose another schedule",
        ),
        (
            "machine t lanes 16 { slot 0 = pointer x x = arg 0 : i a = load.u8 [x + 0] : f }",
            "instead: load words and convert them",
        ),
        (
            "machine t lanes 16 { a = arg 4611686018427387904 : i }",
            "instead: verify the kernel first",
        ),
        (
            "machine t lanes 16 { a = iota : w b = shuffle[0,1] a, a : w }",
            "instead: verify the kernel first",
        ),
    ] {
        let told = emit(&kernel(text), v4).expect_err("refused").to_string();
        assert!(told.ends_with(error), "{told}");
    }
    let clif = TARGETS.first().expect("a target of CLIF");
    let told = emit(&kernel("machine t lanes 4 { }"), clif).expect_err("refused").to_string();
    assert!(
        told.ends_with("cannot do LLVM's language; instead: use the emitter of its backend"),
        "{told}"
    );
    let mut undefined = kernel("machine t lanes 16 { a = wconst 0 : w b = wadd a, a : w }");
    undefined.body.remove(0);
    let told = emit(&undefined, v4).expect_err("refused").to_string();
    assert!(told.contains("cannot do register `a` before its definition"), "{told}");
}
