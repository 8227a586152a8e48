target triple = "x86_64-unknown-linux-gnu"

define void @product_one(ptr %args, i64 %worker) #0 {
entry:
  %t1 = getelementptr i8, ptr %args, i64 0
  %r1 = load i64, ptr %t1, align 8, !invariant.load !0
  %t2 = getelementptr i8, ptr %args, i64 16
  %r46 = load i64, ptr %t2, align 8, !invariant.load !0
  %t3 = getelementptr i8, ptr %args, i64 24
  %r59 = load i64, ptr %t3, align 8, !invariant.load !0
  %t4 = getelementptr i8, ptr %args, i64 32
  %r178 = load i64, ptr %t4, align 8, !invariant.load !0
  %t5 = getelementptr i8, ptr %args, i64 48
  %r186 = load i64, ptr %t5, align 8, !invariant.load !0
  %r188 = mul i64 %worker, 5440
  %r20 = add i64 %r186, %r188
  %t7 = icmp slt i64 0, 128
  br i1 %t7, label %body6, label %exit6
body6:
  %r0 = phi i64 [ 0, %entry ], [ %t76, %body6 ]
  %r3 = mul i64 %r0, 32
  %r4 = mul i64 %r0, 128
  %r5 = add i64 %r1, %r4
  %t8 = inttoptr i64 %r5 to ptr
  %r6 = load <16 x float>, ptr %t8, align 1
  %t9 = inttoptr i64 %r5 to ptr
  %t10 = getelementptr i8, ptr %t9, i64 64
  %r7 = load <16 x float>, ptr %t10, align 1
  %r8 = call <16 x float> @llvm.fabs.v16f32(<16 x float> %r6)
  %r9 = call <16 x float> @llvm.fabs.v16f32(<16 x float> %r7)
  %t11 = fcmp ogt <16 x float> %r8, %r9
  %r10 = select <16 x i1> %t11, <16 x float> %r8, <16 x float> %r9
  %t12 = shufflevector <16 x float> %r10, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %t13 = shufflevector <16 x float> %r10, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %t14 = fcmp ogt <8 x float> %t12, %t13
  %t15 = select <8 x i1> %t14, <8 x float> %t12, <8 x float> %t13
  %t16 = shufflevector <8 x float> %t15, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %t17 = shufflevector <8 x float> %t15, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %t18 = fcmp ogt <4 x float> %t16, %t17
  %t19 = select <4 x i1> %t18, <4 x float> %t16, <4 x float> %t17
  %t20 = shufflevector <4 x float> %t19, <4 x float> poison, <4 x i32> <i32 0, i32 1, i32 poison, i32 poison>
  %t21 = shufflevector <4 x float> %t19, <4 x float> poison, <4 x i32> <i32 2, i32 3, i32 poison, i32 poison>
  %t22 = fcmp ogt <4 x float> %t20, %t21
  %t23 = select <4 x i1> %t22, <4 x float> %t20, <4 x float> %t21
  %t24 = shufflevector <4 x float> %t23, <4 x float> poison, <4 x i32> <i32 0, i32 poison, i32 poison, i32 poison>
  %t25 = shufflevector <4 x float> %t23, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %t26 = fcmp ogt <4 x float> %t24, %t25
  %t27 = select <4 x i1> %t26, <4 x float> %t24, <4 x float> %t25
  %r11 = shufflevector <4 x float> %t27, <4 x float> poison, <16 x i32> zeroinitializer
  %r12 = fsub <16 x float> %r6, %r6
  %r13 = fsub <16 x float> %r7, %r7
  %r14 = fadd <16 x float> %r12, %r13
  %t28 = shufflevector <16 x float> %r14, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %t29 = shufflevector <16 x float> %r14, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %t30 = fadd <8 x float> %t28, %t29
  %t31 = shufflevector <8 x float> %t30, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %t32 = shufflevector <8 x float> %t30, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %t33 = fadd <4 x float> %t31, %t32
  %t34 = shufflevector <4 x float> %t33, <4 x float> poison, <4 x i32> <i32 0, i32 1, i32 poison, i32 poison>
  %t35 = shufflevector <4 x float> %t33, <4 x float> poison, <4 x i32> <i32 2, i32 3, i32 poison, i32 poison>
  %t36 = fadd <4 x float> %t34, %t35
  %t37 = shufflevector <4 x float> %t36, <4 x float> poison, <4 x i32> <i32 0, i32 poison, i32 poison, i32 poison>
  %t38 = shufflevector <4 x float> %t36, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %t39 = fadd <4 x float> %t37, %t38
  %r15 = shufflevector <4 x float> %t39, <4 x float> poison, <16 x i32> zeroinitializer
  %r17 = fcmp oeq <16 x float> %r11, bitcast (<16 x i32> splat (i32 0) to <16 x float>)
  %r19 = select <16 x i1> %r17, <16 x float> bitcast (<16 x i32> splat (i32 1065353216) to <16 x float>), <16 x float> %r11
  %r21 = add i64 %r20, %r3
  %r22 = fdiv <16 x float> %r6, %r19
  %r24 = fmul <16 x float> %r22, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r25 = fcmp oeq <16 x float> %r24, %r24
  %r26 = select <16 x i1> %r25, <16 x float> %r24, <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>)
  %t40 = fcmp ogt <16 x float> %r26, bitcast (<16 x i32> splat (i32 -1023410176) to <16 x float>)
  %r28 = select <16 x i1> %t40, <16 x float> %r26, <16 x float> bitcast (<16 x i32> splat (i32 -1023410176) to <16 x float>)
  %t41 = fcmp olt <16 x float> %r28, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r29 = select <16 x i1> %t41, <16 x float> %r28, <16 x float> bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r30 = call <16 x i32> @llvm.x86.avx512.mask.cvtps2dq.512(<16 x float> %r29, <16 x i32> zeroinitializer, i16 -1, i32 4)
  %t42 = inttoptr i64 %r21 to ptr
  %t43 = getelementptr i8, ptr %t42, i64 128
  %t44 = bitcast <16 x i32> %r30 to <16 x i32>
  %t45 = trunc <16 x i32> %t44 to <16 x i8>
  store <16 x i8> %t45, ptr %t43, align 1
  %r31 = fdiv <16 x float> %r7, %r19
  %r32 = fmul <16 x float> %r31, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r33 = fcmp oeq <16 x float> %r32, %r32
  %r34 = select <16 x i1> %r33, <16 x float> %r32, <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>)
  %t46 = fcmp ogt <16 x float> %r34, bitcast (<16 x i32> splat (i32 -1023410176) to <16 x float>)
  %r35 = select <16 x i1> %t46, <16 x float> %r34, <16 x float> bitcast (<16 x i32> splat (i32 -1023410176) to <16 x float>)
  %t47 = fcmp olt <16 x float> %r35, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r36 = select <16 x i1> %t47, <16 x float> %r35, <16 x float> bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r37 = call <16 x i32> @llvm.x86.avx512.mask.cvtps2dq.512(<16 x float> %r36, <16 x i32> zeroinitializer, i16 -1, i32 4)
  %t48 = inttoptr i64 %r21 to ptr
  %t49 = getelementptr i8, ptr %t48, i64 144
  %t50 = bitcast <16 x i32> %r37 to <16 x i32>
  %t51 = trunc <16 x i32> %t50 to <16 x i8>
  store <16 x i8> %t51, ptr %t49, align 1
  %r38 = mul i64 %r0, 4
  %r39 = add i64 %r20, %r38
  %r40 = fdiv <16 x float> %r19, bitcast (<16 x i32> splat (i32 1123942400) to <16 x float>)
  %r41 = fadd <16 x float> %r40, %r15
  %t52 = inttoptr i64 %r39 to ptr
  %t53 = getelementptr i8, ptr %t52, i64 4288
  %t54 = trunc i64 1 to i32
  %t55 = insertelement <16 x i32> poison, i32 %t54, i64 0
  %t56 = shufflevector <16 x i32> %t55, <16 x i32> poison, <16 x i32> zeroinitializer
  %t57 = icmp sgt <16 x i32> %t56, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  call void @llvm.masked.store.v16f32.p0(<16 x float> %r41, ptr %t53, i32 1, <16 x i1> %t57)
  %r42 = add <16 x i32> %r30, %r37
  %t58 = shufflevector <16 x i32> %r42, <16 x i32> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %t59 = shufflevector <16 x i32> %r42, <16 x i32> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %t60 = add <8 x i32> %t58, %t59
  %t61 = shufflevector <8 x i32> %t60, <8 x i32> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %t62 = shufflevector <8 x i32> %t60, <8 x i32> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %t63 = add <4 x i32> %t61, %t62
  %t64 = shufflevector <4 x i32> %t63, <4 x i32> poison, <4 x i32> <i32 0, i32 1, i32 poison, i32 poison>
  %t65 = shufflevector <4 x i32> %t63, <4 x i32> poison, <4 x i32> <i32 2, i32 3, i32 poison, i32 poison>
  %t66 = add <4 x i32> %t64, %t65
  %t67 = shufflevector <4 x i32> %t66, <4 x i32> poison, <4 x i32> <i32 0, i32 poison, i32 poison, i32 poison>
  %t68 = shufflevector <4 x i32> %t66, <4 x i32> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %t69 = add <4 x i32> %t67, %t68
  %r43 = shufflevector <4 x i32> %t69, <4 x i32> poison, <16 x i32> zeroinitializer
  %r45 = mul <16 x i32> %r43, splat (i32 -128)
  %t70 = inttoptr i64 %r39 to ptr
  %t71 = getelementptr i8, ptr %t70, i64 4864
  %t72 = trunc i64 1 to i32
  %t73 = insertelement <16 x i32> poison, i32 %t72, i64 0
  %t74 = shufflevector <16 x i32> %t73, <16 x i32> poison, <16 x i32> zeroinitializer
  %t75 = icmp sgt <16 x i32> %t74, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  call void @llvm.masked.store.v16i32.p0(<16 x i32> %r45, ptr %t71, i32 1, <16 x i1> %t75)
  %t76 = add i64 %r0, 1
  %t77 = icmp slt i64 %t76, 128
  br i1 %t77, label %body6, label %exit6
exit6:
  %t78 = inttoptr i64 %r46 to ptr
  %r47 = atomicrmw add ptr %t78, i64 2 acq_rel, align 8
  %t80 = icmp slt i64 0, 32
  br i1 %t80, label %body79, label %exit79
body79:
  %r48 = phi i64 [ 0, %exit6 ], [ %t294, %join81 ]
  %r49 = phi i64 [ %r47, %exit6 ], [ %r184, %join81 ]
  %t82 = icmp slt i64 %r49, 64
  br i1 %t82, label %then81, label %else81
then81:
  %r50 = add i64 %r49, 2
  %r51 = call i64 @llvm.smin.i64(i64 %r50, i64 64)
  %t84 = icmp slt i64 %r49, %r51
  br i1 %t84, label %body83, label %exit83
body83:
  %r52 = phi i64 [ %r49, %then81 ], [ %t291, %exit85 ]
  %r62 = mul i64 %r52, 278528
  %r68 = add i64 %r59, %r62
  %t86 = icmp slt i64 0, 128
  br i1 %t86, label %body85, label %exit85
body85:
  %r54 = phi i64 [ 0, %body83 ], [ %t282, %body85 ]
  %r55 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body83 ], [ %r155, %body85 ]
  %r56 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body83 ], [ %r161, %body85 ]
  %r57 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body83 ], [ %r167, %body85 ]
  %r58 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body83 ], [ %r173, %body85 ]
  %r64 = mul i64 %r54, 32
  %r66 = mul i64 %r54, 544
  %r69 = add i64 %r68, %r66
  %t87 = inttoptr i64 %r69 to ptr
  %t88 = getelementptr i8, ptr %t87, i64 4352
  call void @llvm.prefetch.p0(ptr %t88, i32 0, i32 3, i32 1)
  %t89 = inttoptr i64 %r69 to ptr
  %t90 = getelementptr i8, ptr %t89, i64 4416
  call void @llvm.prefetch.p0(ptr %t90, i32 0, i32 3, i32 1)
  %r71 = add i64 %r20, %r64
  %r72 = mul i64 %r54, 4
  %r73 = add i64 %r20, %r72
  %t91 = inttoptr i64 %r69 to ptr
  %t92 = getelementptr i8, ptr %t91, i64 4480
  call void @llvm.prefetch.p0(ptr %t92, i32 0, i32 3, i32 1)
  %t93 = inttoptr i64 %r73 to ptr
  %t94 = getelementptr i8, ptr %t93, i64 4864
  %t95 = load i32, ptr %t94, align 1
  %t96 = insertelement <16 x i32> poison, i32 %t95, i64 0
  %r74 = shufflevector <16 x i32> %t96, <16 x i32> poison, <16 x i32> zeroinitializer
  %t97 = inttoptr i64 %r69 to ptr
  %r78 = load <16 x i32>, ptr %t97, align 1
  %t98 = inttoptr i64 %r69 to ptr
  %t99 = getelementptr i8, ptr %t98, i64 69632
  %r79 = load <16 x i32>, ptr %t99, align 1
  %t100 = inttoptr i64 %r69 to ptr
  %t101 = getelementptr i8, ptr %t100, i64 4544
  call void @llvm.prefetch.p0(ptr %t101, i32 0, i32 3, i32 1)
  %t102 = inttoptr i64 %r69 to ptr
  %t103 = getelementptr i8, ptr %t102, i64 139264
  %r80 = load <16 x i32>, ptr %t103, align 1
  %t104 = inttoptr i64 %r69 to ptr
  %t105 = getelementptr i8, ptr %t104, i64 208896
  %r81 = load <16 x i32>, ptr %t105, align 1
  %t106 = inttoptr i64 %r71 to ptr
  %t107 = getelementptr i8, ptr %t106, i64 128
  %t108 = load i32, ptr %t107, align 1
  %t109 = insertelement <16 x i32> poison, i32 %t108, i64 0
  %r82 = shufflevector <16 x i32> %t109, <16 x i32> poison, <16 x i32> zeroinitializer
  %t110 = inttoptr i64 %r69 to ptr
  %t111 = getelementptr i8, ptr %t110, i64 4608
  call void @llvm.prefetch.p0(ptr %t111, i32 0, i32 3, i32 1)
  %r83 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r74, <16 x i32> %r78, <16 x i32> %r82)
  %r84 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r74, <16 x i32> %r79, <16 x i32> %r82)
  %t112 = inttoptr i64 %r69 to ptr
  %t113 = getelementptr i8, ptr %t112, i64 4672
  call void @llvm.prefetch.p0(ptr %t113, i32 0, i32 3, i32 1)
  %r85 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r74, <16 x i32> %r80, <16 x i32> %r82)
  %r86 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r74, <16 x i32> %r81, <16 x i32> %r82)
  %t114 = inttoptr i64 %r69 to ptr
  %t115 = getelementptr i8, ptr %t114, i64 64
  %r87 = load <16 x i32>, ptr %t115, align 1
  %t116 = inttoptr i64 %r69 to ptr
  %t117 = getelementptr i8, ptr %t116, i64 4736
  call void @llvm.prefetch.p0(ptr %t117, i32 0, i32 3, i32 1)
  %t118 = inttoptr i64 %r69 to ptr
  %t119 = getelementptr i8, ptr %t118, i64 69696
  %r88 = load <16 x i32>, ptr %t119, align 1
  %t120 = inttoptr i64 %r69 to ptr
  %t121 = getelementptr i8, ptr %t120, i64 139328
  %r89 = load <16 x i32>, ptr %t121, align 1
  %t122 = inttoptr i64 %r69 to ptr
  %t123 = getelementptr i8, ptr %t122, i64 208960
  %r90 = load <16 x i32>, ptr %t123, align 1
  %t124 = inttoptr i64 %r69 to ptr
  %t125 = getelementptr i8, ptr %t124, i64 4800
  call void @llvm.prefetch.p0(ptr %t125, i32 0, i32 3, i32 1)
  %t126 = inttoptr i64 %r71 to ptr
  %t127 = getelementptr i8, ptr %t126, i64 132
  %t128 = load i32, ptr %t127, align 1
  %t129 = insertelement <16 x i32> poison, i32 %t128, i64 0
  %r91 = shufflevector <16 x i32> %t129, <16 x i32> poison, <16 x i32> zeroinitializer
  %r92 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r83, <16 x i32> %r87, <16 x i32> %r91)
  %r93 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r84, <16 x i32> %r88, <16 x i32> %r91)
  %t130 = inttoptr i64 %r69 to ptr
  %t131 = getelementptr i8, ptr %t130, i64 4864
  call void @llvm.prefetch.p0(ptr %t131, i32 0, i32 3, i32 1)
  %r94 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r85, <16 x i32> %r89, <16 x i32> %r91)
  %r95 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r86, <16 x i32> %r90, <16 x i32> %r91)
  %t132 = inttoptr i64 %r69 to ptr
  %t133 = getelementptr i8, ptr %t132, i64 73984
  call void @llvm.prefetch.p0(ptr %t133, i32 0, i32 3, i32 1)
  %t134 = inttoptr i64 %r69 to ptr
  %t135 = getelementptr i8, ptr %t134, i64 128
  %r96 = load <16 x i32>, ptr %t135, align 1
  %t136 = inttoptr i64 %r69 to ptr
  %t137 = getelementptr i8, ptr %t136, i64 69760
  %r97 = load <16 x i32>, ptr %t137, align 1
  %t138 = inttoptr i64 %r69 to ptr
  %t139 = getelementptr i8, ptr %t138, i64 139392
  %r98 = load <16 x i32>, ptr %t139, align 1
  %t140 = inttoptr i64 %r69 to ptr
  %t141 = getelementptr i8, ptr %t140, i64 74048
  call void @llvm.prefetch.p0(ptr %t141, i32 0, i32 3, i32 1)
  %t142 = inttoptr i64 %r69 to ptr
  %t143 = getelementptr i8, ptr %t142, i64 209024
  %r99 = load <16 x i32>, ptr %t143, align 1
  %t144 = inttoptr i64 %r71 to ptr
  %t145 = getelementptr i8, ptr %t144, i64 136
  %t146 = load i32, ptr %t145, align 1
  %t147 = insertelement <16 x i32> poison, i32 %t146, i64 0
  %r100 = shufflevector <16 x i32> %t147, <16 x i32> poison, <16 x i32> zeroinitializer
  %r101 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r92, <16 x i32> %r96, <16 x i32> %r100)
  %t148 = inttoptr i64 %r69 to ptr
  %t149 = getelementptr i8, ptr %t148, i64 74112
  call void @llvm.prefetch.p0(ptr %t149, i32 0, i32 3, i32 1)
  %r102 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r93, <16 x i32> %r97, <16 x i32> %r100)
  %r103 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r94, <16 x i32> %r98, <16 x i32> %r100)
  %r104 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r95, <16 x i32> %r99, <16 x i32> %r100)
  %t150 = inttoptr i64 %r69 to ptr
  %t151 = getelementptr i8, ptr %t150, i64 74176
  call void @llvm.prefetch.p0(ptr %t151, i32 0, i32 3, i32 1)
  %t152 = inttoptr i64 %r69 to ptr
  %t153 = getelementptr i8, ptr %t152, i64 192
  %r105 = load <16 x i32>, ptr %t153, align 1
  %t154 = inttoptr i64 %r69 to ptr
  %t155 = getelementptr i8, ptr %t154, i64 69824
  %r106 = load <16 x i32>, ptr %t155, align 1
  %t156 = inttoptr i64 %r69 to ptr
  %t157 = getelementptr i8, ptr %t156, i64 139456
  %r107 = load <16 x i32>, ptr %t157, align 1
  %t158 = inttoptr i64 %r69 to ptr
  %t159 = getelementptr i8, ptr %t158, i64 74240
  call void @llvm.prefetch.p0(ptr %t159, i32 0, i32 3, i32 1)
  %t160 = inttoptr i64 %r69 to ptr
  %t161 = getelementptr i8, ptr %t160, i64 209088
  %r108 = load <16 x i32>, ptr %t161, align 1
  %t162 = inttoptr i64 %r71 to ptr
  %t163 = getelementptr i8, ptr %t162, i64 140
  %t164 = load i32, ptr %t163, align 1
  %t165 = insertelement <16 x i32> poison, i32 %t164, i64 0
  %r109 = shufflevector <16 x i32> %t165, <16 x i32> poison, <16 x i32> zeroinitializer
  %t166 = inttoptr i64 %r69 to ptr
  %t167 = getelementptr i8, ptr %t166, i64 74304
  call void @llvm.prefetch.p0(ptr %t167, i32 0, i32 3, i32 1)
  %r110 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r101, <16 x i32> %r105, <16 x i32> %r109)
  %r111 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r102, <16 x i32> %r106, <16 x i32> %r109)
  %r112 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r103, <16 x i32> %r107, <16 x i32> %r109)
  %t168 = inttoptr i64 %r69 to ptr
  %t169 = getelementptr i8, ptr %t168, i64 74368
  call void @llvm.prefetch.p0(ptr %t169, i32 0, i32 3, i32 1)
  %r113 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r104, <16 x i32> %r108, <16 x i32> %r109)
  %t170 = inttoptr i64 %r69 to ptr
  %t171 = getelementptr i8, ptr %t170, i64 256
  %r114 = load <16 x i32>, ptr %t171, align 1
  %t172 = inttoptr i64 %r69 to ptr
  %t173 = getelementptr i8, ptr %t172, i64 69888
  %r115 = load <16 x i32>, ptr %t173, align 1
  %t174 = inttoptr i64 %r69 to ptr
  %t175 = getelementptr i8, ptr %t174, i64 74432
  call void @llvm.prefetch.p0(ptr %t175, i32 0, i32 3, i32 1)
  %t176 = inttoptr i64 %r69 to ptr
  %t177 = getelementptr i8, ptr %t176, i64 139520
  %r116 = load <16 x i32>, ptr %t177, align 1
  %t178 = inttoptr i64 %r69 to ptr
  %t179 = getelementptr i8, ptr %t178, i64 209152
  %r117 = load <16 x i32>, ptr %t179, align 1
  %t180 = inttoptr i64 %r71 to ptr
  %t181 = getelementptr i8, ptr %t180, i64 144
  %t182 = load i32, ptr %t181, align 1
  %t183 = insertelement <16 x i32> poison, i32 %t182, i64 0
  %r118 = shufflevector <16 x i32> %t183, <16 x i32> poison, <16 x i32> zeroinitializer
  %t184 = inttoptr i64 %r69 to ptr
  %t185 = getelementptr i8, ptr %t184, i64 74496
  call void @llvm.prefetch.p0(ptr %t185, i32 0, i32 3, i32 1)
  %r119 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r110, <16 x i32> %r114, <16 x i32> %r118)
  %r120 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r111, <16 x i32> %r115, <16 x i32> %r118)
  %t186 = inttoptr i64 %r69 to ptr
  %t187 = getelementptr i8, ptr %t186, i64 143616
  call void @llvm.prefetch.p0(ptr %t187, i32 0, i32 3, i32 1)
  %r121 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r112, <16 x i32> %r116, <16 x i32> %r118)
  %r122 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r113, <16 x i32> %r117, <16 x i32> %r118)
  %t188 = inttoptr i64 %r69 to ptr
  %t189 = getelementptr i8, ptr %t188, i64 320
  %r123 = load <16 x i32>, ptr %t189, align 1
  %t190 = inttoptr i64 %r69 to ptr
  %t191 = getelementptr i8, ptr %t190, i64 143680
  call void @llvm.prefetch.p0(ptr %t191, i32 0, i32 3, i32 1)
  %t192 = inttoptr i64 %r69 to ptr
  %t193 = getelementptr i8, ptr %t192, i64 69952
  %r124 = load <16 x i32>, ptr %t193, align 1
  %t194 = inttoptr i64 %r69 to ptr
  %t195 = getelementptr i8, ptr %t194, i64 139584
  %r125 = load <16 x i32>, ptr %t195, align 1
  %t196 = inttoptr i64 %r69 to ptr
  %t197 = getelementptr i8, ptr %t196, i64 209216
  %r126 = load <16 x i32>, ptr %t197, align 1
  %t198 = inttoptr i64 %r69 to ptr
  %t199 = getelementptr i8, ptr %t198, i64 143744
  call void @llvm.prefetch.p0(ptr %t199, i32 0, i32 3, i32 1)
  %t200 = inttoptr i64 %r71 to ptr
  %t201 = getelementptr i8, ptr %t200, i64 148
  %t202 = load i32, ptr %t201, align 1
  %t203 = insertelement <16 x i32> poison, i32 %t202, i64 0
  %r127 = shufflevector <16 x i32> %t203, <16 x i32> poison, <16 x i32> zeroinitializer
  %r128 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r119, <16 x i32> %r123, <16 x i32> %r127)
  %r129 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r120, <16 x i32> %r124, <16 x i32> %r127)
  %t204 = inttoptr i64 %r69 to ptr
  %t205 = getelementptr i8, ptr %t204, i64 143808
  call void @llvm.prefetch.p0(ptr %t205, i32 0, i32 3, i32 1)
  %r130 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r121, <16 x i32> %r125, <16 x i32> %r127)
  %r131 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r122, <16 x i32> %r126, <16 x i32> %r127)
  %t206 = inttoptr i64 %r69 to ptr
  %t207 = getelementptr i8, ptr %t206, i64 384
  %r132 = load <16 x i32>, ptr %t207, align 1
  %t208 = inttoptr i64 %r69 to ptr
  %t209 = getelementptr i8, ptr %t208, i64 143872
  call void @llvm.prefetch.p0(ptr %t209, i32 0, i32 3, i32 1)
  %t210 = inttoptr i64 %r69 to ptr
  %t211 = getelementptr i8, ptr %t210, i64 70016
  %r133 = load <16 x i32>, ptr %t211, align 1
  %t212 = inttoptr i64 %r69 to ptr
  %t213 = getelementptr i8, ptr %t212, i64 139648
  %r134 = load <16 x i32>, ptr %t213, align 1
  %t214 = inttoptr i64 %r69 to ptr
  %t215 = getelementptr i8, ptr %t214, i64 143936
  call void @llvm.prefetch.p0(ptr %t215, i32 0, i32 3, i32 1)
  %t216 = inttoptr i64 %r69 to ptr
  %t217 = getelementptr i8, ptr %t216, i64 209280
  %r135 = load <16 x i32>, ptr %t217, align 1
  %t218 = inttoptr i64 %r71 to ptr
  %t219 = getelementptr i8, ptr %t218, i64 152
  %t220 = load i32, ptr %t219, align 1
  %t221 = insertelement <16 x i32> poison, i32 %t220, i64 0
  %r136 = shufflevector <16 x i32> %t221, <16 x i32> poison, <16 x i32> zeroinitializer
  %r137 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r128, <16 x i32> %r132, <16 x i32> %r136)
  %t222 = inttoptr i64 %r69 to ptr
  %t223 = getelementptr i8, ptr %t222, i64 144000
  call void @llvm.prefetch.p0(ptr %t223, i32 0, i32 3, i32 1)
  %r138 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r129, <16 x i32> %r133, <16 x i32> %r136)
  %r139 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r130, <16 x i32> %r134, <16 x i32> %r136)
  %r140 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r131, <16 x i32> %r135, <16 x i32> %r136)
  %t224 = inttoptr i64 %r69 to ptr
  %t225 = getelementptr i8, ptr %t224, i64 144064
  call void @llvm.prefetch.p0(ptr %t225, i32 0, i32 3, i32 1)
  %t226 = inttoptr i64 %r69 to ptr
  %t227 = getelementptr i8, ptr %t226, i64 448
  %r141 = load <16 x i32>, ptr %t227, align 1
  %t228 = inttoptr i64 %r69 to ptr
  %t229 = getelementptr i8, ptr %t228, i64 70080
  %r142 = load <16 x i32>, ptr %t229, align 1
  %t230 = inttoptr i64 %r69 to ptr
  %t231 = getelementptr i8, ptr %t230, i64 139712
  %r143 = load <16 x i32>, ptr %t231, align 1
  %t232 = inttoptr i64 %r69 to ptr
  %t233 = getelementptr i8, ptr %t232, i64 144128
  call void @llvm.prefetch.p0(ptr %t233, i32 0, i32 3, i32 1)
  %t234 = inttoptr i64 %r69 to ptr
  %t235 = getelementptr i8, ptr %t234, i64 209344
  %r144 = load <16 x i32>, ptr %t235, align 1
  %t236 = inttoptr i64 %r71 to ptr
  %t237 = getelementptr i8, ptr %t236, i64 156
  %t238 = load i32, ptr %t237, align 1
  %t239 = insertelement <16 x i32> poison, i32 %t238, i64 0
  %r145 = shufflevector <16 x i32> %t239, <16 x i32> poison, <16 x i32> zeroinitializer
  %t240 = inttoptr i64 %r69 to ptr
  %t241 = getelementptr i8, ptr %t240, i64 213248
  call void @llvm.prefetch.p0(ptr %t241, i32 0, i32 3, i32 1)
  %r146 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r137, <16 x i32> %r141, <16 x i32> %r145)
  %r147 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r138, <16 x i32> %r142, <16 x i32> %r145)
  %r148 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r139, <16 x i32> %r143, <16 x i32> %r145)
  %t242 = inttoptr i64 %r69 to ptr
  %t243 = getelementptr i8, ptr %t242, i64 213312
  call void @llvm.prefetch.p0(ptr %t243, i32 0, i32 3, i32 1)
  %r149 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r140, <16 x i32> %r144, <16 x i32> %r145)
  %r150 = sitofp <16 x i32> %r146 to <16 x float>
  %t244 = inttoptr i64 %r69 to ptr
  %t245 = getelementptr i8, ptr %t244, i64 512
  %t246 = load <16 x i16>, ptr %t245, align 1
  %r151 = zext <16 x i16> %t246 to <16 x i32>
  %t247 = inttoptr i64 %r69 to ptr
  %t248 = getelementptr i8, ptr %t247, i64 213376
  call void @llvm.prefetch.p0(ptr %t248, i32 0, i32 3, i32 1)
  %t249 = trunc <16 x i32> %r151 to <16 x i16>
  %t250 = bitcast <16 x i16> %t249 to <16 x half>
  %r152 = fpext <16 x half> %t250 to <16 x float>
  %t251 = inttoptr i64 %r73 to ptr
  %t252 = getelementptr i8, ptr %t251, i64 4288
  %t253 = load float, ptr %t252, align 1
  %t254 = insertelement <16 x float> poison, float %t253, i64 0
  %r153 = shufflevector <16 x float> %t254, <16 x float> poison, <16 x i32> zeroinitializer
  %r154 = fmul <16 x float> %r152, %r153
  %t255 = inttoptr i64 %r69 to ptr
  %t256 = getelementptr i8, ptr %t255, i64 213440
  call void @llvm.prefetch.p0(ptr %t256, i32 0, i32 3, i32 1)
  %r155 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r150, <16 x float> %r154, <16 x float> %r55)
  %r156 = sitofp <16 x i32> %r147 to <16 x float>
  %t257 = inttoptr i64 %r69 to ptr
  %t258 = getelementptr i8, ptr %t257, i64 70144
  %t259 = load <16 x i16>, ptr %t258, align 1
  %r157 = zext <16 x i16> %t259 to <16 x i32>
  %t260 = inttoptr i64 %r69 to ptr
  %t261 = getelementptr i8, ptr %t260, i64 213504
  call void @llvm.prefetch.p0(ptr %t261, i32 0, i32 3, i32 1)
  %t262 = trunc <16 x i32> %r157 to <16 x i16>
  %t263 = bitcast <16 x i16> %t262 to <16 x half>
  %r158 = fpext <16 x half> %t263 to <16 x float>
  %r160 = fmul <16 x float> %r158, %r153
  %t264 = inttoptr i64 %r69 to ptr
  %t265 = getelementptr i8, ptr %t264, i64 213568
  call void @llvm.prefetch.p0(ptr %t265, i32 0, i32 3, i32 1)
  %r161 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r156, <16 x float> %r160, <16 x float> %r56)
  %r162 = sitofp <16 x i32> %r148 to <16 x float>
  %t266 = inttoptr i64 %r69 to ptr
  %t267 = getelementptr i8, ptr %t266, i64 139776
  %t268 = load <16 x i16>, ptr %t267, align 1
  %r163 = zext <16 x i16> %t268 to <16 x i32>
  %t269 = inttoptr i64 %r69 to ptr
  %t270 = getelementptr i8, ptr %t269, i64 213632
  call void @llvm.prefetch.p0(ptr %t270, i32 0, i32 3, i32 1)
  %t271 = trunc <16 x i32> %r163 to <16 x i16>
  %t272 = bitcast <16 x i16> %t271 to <16 x half>
  %r164 = fpext <16 x half> %t272 to <16 x float>
  %r166 = fmul <16 x float> %r164, %r153
  %r167 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r162, <16 x float> %r166, <16 x float> %r57)
  %t273 = inttoptr i64 %r69 to ptr
  %t274 = getelementptr i8, ptr %t273, i64 213696
  call void @llvm.prefetch.p0(ptr %t274, i32 0, i32 3, i32 1)
  %r168 = sitofp <16 x i32> %r149 to <16 x float>
  %t275 = inttoptr i64 %r69 to ptr
  %t276 = getelementptr i8, ptr %t275, i64 209408
  %t277 = load <16 x i16>, ptr %t276, align 1
  %r169 = zext <16 x i16> %t277 to <16 x i32>
  %t278 = trunc <16 x i32> %r169 to <16 x i16>
  %t279 = bitcast <16 x i16> %t278 to <16 x half>
  %r170 = fpext <16 x half> %t279 to <16 x float>
  %t280 = inttoptr i64 %r69 to ptr
  %t281 = getelementptr i8, ptr %t280, i64 213760
  call void @llvm.prefetch.p0(ptr %t281, i32 0, i32 3, i32 1)
  %r172 = fmul <16 x float> %r170, %r153
  %r173 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r168, <16 x float> %r172, <16 x float> %r58)
  %t282 = add i64 %r54, 1
  %t283 = icmp slt i64 %t282, 128
  br i1 %t283, label %body85, label %exit85
exit85:
  %r174 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body83 ], [ %r155, %body85 ]
  %r175 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body83 ], [ %r161, %body85 ]
  %r176 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body83 ], [ %r167, %body85 ]
  %r177 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body83 ], [ %r173, %body85 ]
  %r181 = mul i64 %r52, 256
  %r182 = add i64 %r178, %r181
  %t284 = inttoptr i64 %r182 to ptr
  store <16 x float> %r174, ptr %t284, align 1
  %t285 = inttoptr i64 %r182 to ptr
  %t286 = getelementptr i8, ptr %t285, i64 64
  store <16 x float> %r175, ptr %t286, align 1
  %t287 = inttoptr i64 %r182 to ptr
  %t288 = getelementptr i8, ptr %t287, i64 128
  store <16 x float> %r176, ptr %t288, align 1
  %t289 = inttoptr i64 %r182 to ptr
  %t290 = getelementptr i8, ptr %t289, i64 192
  store <16 x float> %r177, ptr %t290, align 1
  %t291 = add i64 %r52, 1
  %t292 = icmp slt i64 %t291, %r51
  br i1 %t292, label %body83, label %exit83
exit83:
  %t293 = inttoptr i64 %r46 to ptr
  %r183 = atomicrmw add ptr %t293, i64 2 acq_rel, align 8
  br label %join81
else81:
  br label %join81
join81:
  %r184 = phi i64 [ %r183, %exit83 ], [ %r49, %else81 ]
  %t294 = add i64 %r48, 1
  %t295 = icmp slt i64 %t294, 32
  br i1 %t295, label %body79, label %exit79
exit79:
  %r185 = phi i64 [ %r47, %exit6 ], [ %r184, %join81 ]
  ret void
}

attributes #0 = { nounwind "target-cpu"="x86-64-v4" "target-features"="+avx512vnni,+avx512vbmi,+gfni,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16" "prefer-vector-width"="512" "min-legal-vector-width"="512" }
!0 = !{}
