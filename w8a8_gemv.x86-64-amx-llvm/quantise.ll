target triple = "x86_64-unknown-linux-gnu"

define void @quantise(ptr %args, i64 %worker) #0 {
entry:
  %t1 = getelementptr i8, ptr %args, i64 0
  %r0 = load i64, ptr %t1, align 8, !invariant.load !0
  %t2 = getelementptr i8, ptr %args, i64 8
  %r1 = load i64, ptr %t2, align 8, !invariant.load !0
  %t3 = getelementptr i8, ptr %args, i64 16
  %r6 = load i64, ptr %t3, align 8, !invariant.load !0
  %t4 = getelementptr i8, ptr %args, i64 24
  %r7 = load i64, ptr %t4, align 8, !invariant.load !0
  %t5 = getelementptr i8, ptr %args, i64 32
  %r9 = load i64, ptr %t5, align 8, !invariant.load !0
  %t6 = getelementptr i8, ptr %args, i64 40
  %r44 = load i64, ptr %t6, align 8, !invariant.load !0
  %t7 = getelementptr i8, ptr %args, i64 48
  %r45 = load i64, ptr %t7, align 8, !invariant.load !0
  %t8 = getelementptr i8, ptr %args, i64 56
  %r66 = load i64, ptr %t8, align 8, !invariant.load !0
  %t9 = getelementptr i8, ptr %args, i64 64
  %r67 = load i64, ptr %t9, align 8, !invariant.load !0
  %t10 = getelementptr i8, ptr %args, i64 72
  %r76 = load i64, ptr %t10, align 8, !invariant.load !0
  %t11 = inttoptr i64 %r1 to ptr
  %r2 = atomicrmw add ptr %t11, i64 1 acq_rel, align 8
  %t13 = icmp slt i64 0, %r0
  br i1 %t13, label %body12, label %exit12
body12:
  %r3 = phi i64 [ 0, %entry ], [ %t105, %join14 ]
  %r4 = phi i64 [ %r2, %entry ], [ %r82, %join14 ]
  %t15 = icmp slt i64 %r4, %r0
  br i1 %t15, label %then14, label %else14
then14:
  %r8 = mul i64 %r4, %r7
  %r12 = add i64 %r6, %r8
  %r14 = sub i64 %r9, %r4
  %r47 = mul i64 %r4, 32
  %r48 = add i64 %r44, %r47
  %r69 = mul i64 %r4, 4
  %r70 = add i64 %r66, %r69
  %r77 = add i64 %r76, %r69
  %t17 = icmp slt i64 0, 128
  br i1 %t17, label %body16, label %exit16
body16:
  %r5 = phi i64 [ 0, %then14 ], [ %t102, %join28 ]
  %r46 = phi i64 [ 0, %then14 ], [ %r85, %join28 ]
  %r68 = phi i64 [ 0, %then14 ], [ %r88, %join28 ]
  %r10 = mul i64 %r5, 32
  %r11 = mul i64 %r5, 128
  %r13 = add i64 %r12, %r11
  %t19 = icmp sgt i64 %r14, 0
  br i1 %t19, label %then18, label %else18
then18:
  %r15 = sub i64 4096, %r10
  %r16 = call i64 @llvm.smax.i64(i64 %r15, i64 0)
  %r17 = call i64 @llvm.smin.i64(i64 %r16, i64 16)
  %t21 = icmp sge i64 %r17, 16
  br i1 %t21, label %then20, label %else20
then20:
  %t22 = inttoptr i64 %r13 to ptr
  %r18 = load <16 x float>, ptr %t22, align 1
  br label %join20
else20:
  %t23 = inttoptr i64 %r13 to ptr
  %t24 = trunc i64 %r17 to i32
  %t25 = insertelement <16 x i32> poison, i32 %t24, i64 0
  %t26 = shufflevector <16 x i32> %t25, <16 x i32> poison, <16 x i32> zeroinitializer
  %t27 = icmp sgt <16 x i32> %t26, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %r19 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %t23, i32 1, <16 x i1> %t27, <16 x float> zeroinitializer)
  br label %join20
join20:
  %r20 = phi <16 x float> [ %r18, %then20 ], [ %r19, %else20 ]
  br label %join18
else18:
  br label %join18
join18:
  %r22 = phi <16 x float> [ %r20, %join20 ], [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %else18 ]
  %t29 = icmp sgt i64 %r14, 0
  br i1 %t29, label %then28, label %else28
then28:
  %r23 = add i64 %r10, 16
  %r24 = sub i64 4096, %r23
  %r25 = call i64 @llvm.smax.i64(i64 %r24, i64 0)
  %r26 = call i64 @llvm.smin.i64(i64 %r25, i64 16)
  %t31 = icmp sge i64 %r26, 16
  br i1 %t31, label %then30, label %else30
then30:
  %t32 = inttoptr i64 %r13 to ptr
  %t33 = getelementptr i8, ptr %t32, i64 64
  %r27 = load <16 x float>, ptr %t33, align 1
  br label %join30
else30:
  %t34 = inttoptr i64 %r13 to ptr
  %t35 = getelementptr i8, ptr %t34, i64 64
  %t36 = trunc i64 %r26 to i32
  %t37 = insertelement <16 x i32> poison, i32 %t36, i64 0
  %t38 = shufflevector <16 x i32> %t37, <16 x i32> poison, <16 x i32> zeroinitializer
  %t39 = icmp sgt <16 x i32> %t38, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %r28 = call <16 x float> @llvm.masked.load.v16f32.p0(ptr %t35, i32 1, <16 x i1> %t39, <16 x float> zeroinitializer)
  br label %join30
join30:
  %r29 = phi <16 x float> [ %r27, %then30 ], [ %r28, %else30 ]
  br label %join28
else28:
  br label %join28
join28:
  %r31 = phi <16 x float> [ %r29, %join30 ], [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %else28 ]
  %r32 = call <16 x float> @llvm.fabs.v16f32(<16 x float> %r22)
  %r33 = call <16 x float> @llvm.fabs.v16f32(<16 x float> %r31)
  %t40 = fcmp ogt <16 x float> %r32, %r33
  %r34 = select <16 x i1> %t40, <16 x float> %r32, <16 x float> %r33
  %t41 = shufflevector <16 x float> %r34, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %t42 = shufflevector <16 x float> %r34, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %t43 = fcmp ogt <8 x float> %t41, %t42
  %t44 = select <8 x i1> %t43, <8 x float> %t41, <8 x float> %t42
  %t45 = shufflevector <8 x float> %t44, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %t46 = shufflevector <8 x float> %t44, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %t47 = fcmp ogt <4 x float> %t45, %t46
  %t48 = select <4 x i1> %t47, <4 x float> %t45, <4 x float> %t46
  %t49 = shufflevector <4 x float> %t48, <4 x float> poison, <4 x i32> <i32 0, i32 1, i32 poison, i32 poison>
  %t50 = shufflevector <4 x float> %t48, <4 x float> poison, <4 x i32> <i32 2, i32 3, i32 poison, i32 poison>
  %t51 = fcmp ogt <4 x float> %t49, %t50
  %t52 = select <4 x i1> %t51, <4 x float> %t49, <4 x float> %t50
  %t53 = shufflevector <4 x float> %t52, <4 x float> poison, <4 x i32> <i32 0, i32 poison, i32 poison, i32 poison>
  %t54 = shufflevector <4 x float> %t52, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %t55 = fcmp ogt <4 x float> %t53, %t54
  %t56 = select <4 x i1> %t55, <4 x float> %t53, <4 x float> %t54
  %r35 = shufflevector <4 x float> %t56, <4 x float> poison, <16 x i32> zeroinitializer
  %r36 = fsub <16 x float> %r22, %r22
  %r37 = fsub <16 x float> %r31, %r31
  %r38 = fadd <16 x float> %r36, %r37
  %t57 = shufflevector <16 x float> %r38, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %t58 = shufflevector <16 x float> %r38, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %t59 = fadd <8 x float> %t57, %t58
  %t60 = shufflevector <8 x float> %t59, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %t61 = shufflevector <8 x float> %t59, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %t62 = fadd <4 x float> %t60, %t61
  %t63 = shufflevector <4 x float> %t62, <4 x float> poison, <4 x i32> <i32 0, i32 1, i32 poison, i32 poison>
  %t64 = shufflevector <4 x float> %t62, <4 x float> poison, <4 x i32> <i32 2, i32 3, i32 poison, i32 poison>
  %t65 = fadd <4 x float> %t63, %t64
  %t66 = shufflevector <4 x float> %t65, <4 x float> poison, <4 x i32> <i32 0, i32 poison, i32 poison, i32 poison>
  %t67 = shufflevector <4 x float> %t65, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %t68 = fadd <4 x float> %t66, %t67
  %r39 = shufflevector <4 x float> %t68, <4 x float> poison, <16 x i32> zeroinitializer
  %r41 = fcmp oeq <16 x float> %r35, bitcast (<16 x i32> splat (i32 0) to <16 x float>)
  %r43 = select <16 x i1> %r41, <16 x float> bitcast (<16 x i32> splat (i32 1065353216) to <16 x float>), <16 x float> %r35
  %r49 = add i64 %r48, %r46
  %r50 = fdiv <16 x float> %r22, %r43
  %r52 = fmul <16 x float> %r50, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r53 = fcmp oeq <16 x float> %r52, %r52
  %r54 = select <16 x i1> %r53, <16 x float> %r52, <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>)
  %t69 = fcmp ogt <16 x float> %r54, bitcast (<16 x i32> splat (i32 -1023410176) to <16 x float>)
  %r56 = select <16 x i1> %t69, <16 x float> %r54, <16 x float> bitcast (<16 x i32> splat (i32 -1023410176) to <16 x float>)
  %t70 = fcmp olt <16 x float> %r56, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r57 = select <16 x i1> %t70, <16 x float> %r56, <16 x float> bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r58 = call <16 x i32> @llvm.x86.avx512.mask.cvtps2dq.512(<16 x float> %r57, <16 x i32> zeroinitializer, i16 -1, i32 4)
  %t71 = inttoptr i64 %r49 to ptr
  %t72 = bitcast <16 x i32> %r58 to <16 x i32>
  %t73 = trunc <16 x i32> %t72 to <16 x i8>
  store <16 x i8> %t73, ptr %t71, align 1
  %r59 = fdiv <16 x float> %r31, %r43
  %r60 = fmul <16 x float> %r59, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r61 = fcmp oeq <16 x float> %r60, %r60
  %r62 = select <16 x i1> %r61, <16 x float> %r60, <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>)
  %t74 = fcmp ogt <16 x float> %r62, bitcast (<16 x i32> splat (i32 -1023410176) to <16 x float>)
  %r63 = select <16 x i1> %t74, <16 x float> %r62, <16 x float> bitcast (<16 x i32> splat (i32 -1023410176) to <16 x float>)
  %t75 = fcmp olt <16 x float> %r63, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r64 = select <16 x i1> %t75, <16 x float> %r63, <16 x float> bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r65 = call <16 x i32> @llvm.x86.avx512.mask.cvtps2dq.512(<16 x float> %r64, <16 x i32> zeroinitializer, i16 -1, i32 4)
  %t76 = inttoptr i64 %r49 to ptr
  %t77 = getelementptr i8, ptr %t76, i64 16
  %t78 = bitcast <16 x i32> %r65 to <16 x i32>
  %t79 = trunc <16 x i32> %t78 to <16 x i8>
  store <16 x i8> %t79, ptr %t77, align 1
  %r71 = add i64 %r70, %r68
  %r72 = fdiv <16 x float> %r43, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r73 = fadd <16 x float> %r72, %r39
  %t80 = inttoptr i64 %r71 to ptr
  %t81 = trunc i64 1 to i32
  %t82 = insertelement <16 x i32> poison, i32 %t81, i64 0
  %t83 = shufflevector <16 x i32> %t82, <16 x i32> poison, <16 x i32> zeroinitializer
  %t84 = icmp sgt <16 x i32> %t83, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  call void @llvm.masked.store.v16f32.p0(<16 x float> %r73, ptr %t80, i32 1, <16 x i1> %t84)
  %r74 = add <16 x i32> %r58, %r65
  %t85 = shufflevector <16 x i32> %r74, <16 x i32> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %t86 = shufflevector <16 x i32> %r74, <16 x i32> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %t87 = add <8 x i32> %t85, %t86
  %t88 = shufflevector <8 x i32> %t87, <8 x i32> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %t89 = shufflevector <8 x i32> %t87, <8 x i32> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %t90 = add <4 x i32> %t88, %t89
  %t91 = shufflevector <4 x i32> %t90, <4 x i32> poison, <4 x i32> <i32 0, i32 1, i32 poison, i32 poison>
  %t92 = shufflevector <4 x i32> %t90, <4 x i32> poison, <4 x i32> <i32 2, i32 3, i32 poison, i32 poison>
  %t93 = add <4 x i32> %t91, %t92
  %t94 = shufflevector <4 x i32> %t93, <4 x i32> poison, <4 x i32> <i32 0, i32 poison, i32 poison, i32 poison>
  %t95 = shufflevector <4 x i32> %t93, <4 x i32> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %t96 = add <4 x i32> %t94, %t95
  %r75 = shufflevector <4 x i32> %t96, <4 x i32> poison, <16 x i32> zeroinitializer
  %r78 = add i64 %r77, %r68
  %r80 = mul <16 x i32> %r75, splat (i32 -128)
  %t97 = inttoptr i64 %r78 to ptr
  %t98 = trunc i64 1 to i32
  %t99 = insertelement <16 x i32> poison, i32 %t98, i64 0
  %t100 = shufflevector <16 x i32> %t99, <16 x i32> poison, <16 x i32> zeroinitializer
  %t101 = icmp sgt <16 x i32> %t100, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  call void @llvm.masked.store.v16i32.p0(<16 x i32> %r80, ptr %t97, i32 1, <16 x i1> %t101)
  %r85 = add i64 %r46, %r45
  %r88 = add i64 %r68, %r67
  %t102 = add i64 %r5, 1
  %t103 = icmp slt i64 %t102, 128
  br i1 %t103, label %body16, label %exit16
exit16:
  %r86 = phi i64 [ 0, %then14 ], [ %r85, %join28 ]
  %r89 = phi i64 [ 0, %then14 ], [ %r88, %join28 ]
  %t104 = inttoptr i64 %r1 to ptr
  %r81 = atomicrmw add ptr %t104, i64 1 acq_rel, align 8
  br label %join14
else14:
  br label %join14
join14:
  %r82 = phi i64 [ %r81, %exit16 ], [ %r4, %else14 ]
  %t105 = add i64 %r3, 1
  %t106 = icmp slt i64 %t105, %r0
  br i1 %t106, label %body12, label %exit12
exit12:
  %r83 = phi i64 [ %r2, %entry ], [ %r82, %join14 ]
  ret void
}

attributes #0 = { nounwind "target-cpu"="x86-64-v4" "target-features"="+avx512vnni,+avx512vbmi,+gfni,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16" "prefer-vector-width"="512" "min-legal-vector-width"="512" }
!0 = !{}
