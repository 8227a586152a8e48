target triple = "x86_64-unknown-linux-gnu"

define void @product_few(ptr %args, i64 %worker) #0 {
entry:
  %t1 = getelementptr i8, ptr %args, i64 0
  %r0 = load i64, ptr %t1, align 8, !invariant.load !0
  %t2 = getelementptr i8, ptr %args, i64 8
  %r7 = load i64, ptr %t2, align 8, !invariant.load !0
  %t3 = getelementptr i8, ptr %args, i64 16
  %r19 = load i64, ptr %t3, align 8, !invariant.load !0
  %t4 = getelementptr i8, ptr %args, i64 24
  %r31 = load i64, ptr %t4, align 8, !invariant.load !0
  %t5 = getelementptr i8, ptr %args, i64 32
  %r32 = load i64, ptr %t5, align 8, !invariant.load !0
  %t6 = getelementptr i8, ptr %args, i64 40
  %r37 = load i64, ptr %t6, align 8, !invariant.load !0
  %t7 = getelementptr i8, ptr %args, i64 48
  %r38 = load i64, ptr %t7, align 8, !invariant.load !0
  %t8 = getelementptr i8, ptr %args, i64 56
  %r163 = load i64, ptr %t8, align 8, !invariant.load !0
  %t9 = getelementptr i8, ptr %args, i64 64
  %r222 = load i64, ptr %t9, align 8, !invariant.load !0
  %t10 = getelementptr i8, ptr %args, i64 72
  %r223 = load i64, ptr %t10, align 8, !invariant.load !0
  %t11 = getelementptr i8, ptr %args, i64 80
  %r230 = load i64, ptr %t11, align 8, !invariant.load !0
  %t12 = inttoptr i64 %r0 to ptr
  %r1 = atomicrmw add ptr %t12, i64 2 acq_rel, align 8
  %t14 = icmp slt i64 0, 32
  br i1 %t14, label %body13, label %exit13
body13:
  %r2 = phi i64 [ 0, %entry ], [ %t483, %join15 ]
  %r3 = phi i64 [ %r1, %entry ], [ %r369, %join15 ]
  %t16 = icmp slt i64 %r3, 64
  br i1 %t16, label %then15, label %else15
then15:
  %r4 = add i64 %r3, 2
  %r5 = call i64 @llvm.smin.i64(i64 %r4, i64 64)
  %t18 = icmp slt i64 %r3, %r5
  br i1 %t18, label %body17, label %exit17
body17:
  %r6 = phi i64 [ %r3, %then15 ], [ %t480, %exit273 ]
  %r22 = mul i64 %r6, 278528
  %r28 = add i64 %r19, %r22
  %r226 = mul i64 %r6, 256
  %r227 = add i64 %r222, %r226
  %t20 = icmp slt i64 0, %r7
  br i1 %t20, label %body19, label %exit19
body19:
  %r8 = phi i64 [ 0, %body17 ], [ %t271, %exit21 ]
  %r34 = mul i64 %r8, 32
  %r35 = add i64 %r31, %r34
  %r40 = mul i64 %r8, 4
  %r41 = add i64 %r37, %r40
  %r164 = add i64 %r163, %r40
  %t22 = icmp slt i64 0, 128
  br i1 %t22, label %body21, label %exit21
body21:
  %r10 = phi i64 [ 0, %body19 ], [ %t255, %body21 ]
  %r11 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r171, %body21 ]
  %r12 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r177, %body21 ]
  %r13 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r183, %body21 ]
  %r14 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r189, %body21 ]
  %r15 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r195, %body21 ]
  %r16 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r201, %body21 ]
  %r17 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r207, %body21 ]
  %r18 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r213, %body21 ]
  %r33 = phi i64 [ 0, %body19 ], [ %r372, %body21 ]
  %r39 = phi i64 [ 0, %body19 ], [ %r375, %body21 ]
  %r26 = mul i64 %r10, 544
  %r29 = add i64 %r28, %r26
  %t23 = inttoptr i64 %r29 to ptr
  %t24 = getelementptr i8, ptr %t23, i64 4352
  call void @llvm.prefetch.p0(ptr %t24, i32 0, i32 3, i32 1)
  %r36 = add i64 %r35, %r33
  %r42 = add i64 %r41, %r39
  %t25 = inttoptr i64 %r42 to ptr
  %t26 = load i32, ptr %t25, align 1
  %t27 = insertelement <16 x i32> poison, i32 %t26, i64 0
  %r43 = shufflevector <16 x i32> %t27, <16 x i32> poison, <16 x i32> zeroinitializer
  %t28 = inttoptr i64 %r29 to ptr
  %t29 = getelementptr i8, ptr %t28, i64 4416
  call void @llvm.prefetch.p0(ptr %t29, i32 0, i32 3, i32 1)
  %t30 = inttoptr i64 %r42 to ptr
  %t31 = getelementptr i8, ptr %t30, i64 4
  %t32 = load i32, ptr %t31, align 1
  %t33 = insertelement <16 x i32> poison, i32 %t32, i64 0
  %r47 = shufflevector <16 x i32> %t33, <16 x i32> poison, <16 x i32> zeroinitializer
  %t34 = inttoptr i64 %r29 to ptr
  %r51 = load <16 x i32>, ptr %t34, align 1
  %t35 = inttoptr i64 %r29 to ptr
  %t36 = getelementptr i8, ptr %t35, i64 69632
  %r52 = load <16 x i32>, ptr %t36, align 1
  %t37 = inttoptr i64 %r29 to ptr
  %t38 = getelementptr i8, ptr %t37, i64 139264
  %r53 = load <16 x i32>, ptr %t38, align 1
  %t39 = inttoptr i64 %r29 to ptr
  %t40 = getelementptr i8, ptr %t39, i64 4480
  call void @llvm.prefetch.p0(ptr %t40, i32 0, i32 3, i32 1)
  %t41 = inttoptr i64 %r29 to ptr
  %t42 = getelementptr i8, ptr %t41, i64 208896
  %r54 = load <16 x i32>, ptr %t42, align 1
  %t43 = inttoptr i64 %r36 to ptr
  %t44 = load i32, ptr %t43, align 1
  %t45 = insertelement <16 x i32> poison, i32 %t44, i64 0
  %r55 = shufflevector <16 x i32> %t45, <16 x i32> poison, <16 x i32> zeroinitializer
  %r56 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r43, <16 x i32> %r51, <16 x i32> %r55)
  %r57 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r43, <16 x i32> %r52, <16 x i32> %r55)
  %t46 = inttoptr i64 %r29 to ptr
  %t47 = getelementptr i8, ptr %t46, i64 4544
  call void @llvm.prefetch.p0(ptr %t47, i32 0, i32 3, i32 1)
  %r58 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r43, <16 x i32> %r53, <16 x i32> %r55)
  %r59 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r43, <16 x i32> %r54, <16 x i32> %r55)
  %t48 = inttoptr i64 %r36 to ptr
  %t49 = getelementptr i8, ptr %t48, i64 32
  %t50 = load i32, ptr %t49, align 1
  %t51 = insertelement <16 x i32> poison, i32 %t50, i64 0
  %r60 = shufflevector <16 x i32> %t51, <16 x i32> poison, <16 x i32> zeroinitializer
  %r61 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r47, <16 x i32> %r51, <16 x i32> %r60)
  %r62 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r47, <16 x i32> %r52, <16 x i32> %r60)
  %t52 = inttoptr i64 %r29 to ptr
  %t53 = getelementptr i8, ptr %t52, i64 4608
  call void @llvm.prefetch.p0(ptr %t53, i32 0, i32 3, i32 1)
  %r63 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r47, <16 x i32> %r53, <16 x i32> %r60)
  %r64 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r47, <16 x i32> %r54, <16 x i32> %r60)
  %t54 = inttoptr i64 %r29 to ptr
  %t55 = getelementptr i8, ptr %t54, i64 64
  %r65 = load <16 x i32>, ptr %t55, align 1
  %t56 = inttoptr i64 %r29 to ptr
  %t57 = getelementptr i8, ptr %t56, i64 69696
  %r66 = load <16 x i32>, ptr %t57, align 1
  %t58 = inttoptr i64 %r29 to ptr
  %t59 = getelementptr i8, ptr %t58, i64 4672
  call void @llvm.prefetch.p0(ptr %t59, i32 0, i32 3, i32 1)
  %t60 = inttoptr i64 %r29 to ptr
  %t61 = getelementptr i8, ptr %t60, i64 139328
  %r67 = load <16 x i32>, ptr %t61, align 1
  %t62 = inttoptr i64 %r29 to ptr
  %t63 = getelementptr i8, ptr %t62, i64 208960
  %r68 = load <16 x i32>, ptr %t63, align 1
  %t64 = inttoptr i64 %r36 to ptr
  %t65 = getelementptr i8, ptr %t64, i64 4
  %t66 = load i32, ptr %t65, align 1
  %t67 = insertelement <16 x i32> poison, i32 %t66, i64 0
  %r69 = shufflevector <16 x i32> %t67, <16 x i32> poison, <16 x i32> zeroinitializer
  %r70 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r56, <16 x i32> %r65, <16 x i32> %r69)
  %t68 = inttoptr i64 %r29 to ptr
  %t69 = getelementptr i8, ptr %t68, i64 4736
  call void @llvm.prefetch.p0(ptr %t69, i32 0, i32 3, i32 1)
  %r71 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r57, <16 x i32> %r66, <16 x i32> %r69)
  %r72 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r58, <16 x i32> %r67, <16 x i32> %r69)
  %r73 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r59, <16 x i32> %r68, <16 x i32> %r69)
  %t70 = inttoptr i64 %r36 to ptr
  %t71 = getelementptr i8, ptr %t70, i64 36
  %t72 = load i32, ptr %t71, align 1
  %t73 = insertelement <16 x i32> poison, i32 %t72, i64 0
  %r74 = shufflevector <16 x i32> %t73, <16 x i32> poison, <16 x i32> zeroinitializer
  %r75 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r61, <16 x i32> %r65, <16 x i32> %r74)
  %t74 = inttoptr i64 %r29 to ptr
  %t75 = getelementptr i8, ptr %t74, i64 4800
  call void @llvm.prefetch.p0(ptr %t75, i32 0, i32 3, i32 1)
  %r76 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r62, <16 x i32> %r66, <16 x i32> %r74)
  %r77 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r63, <16 x i32> %r67, <16 x i32> %r74)
  %r78 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r64, <16 x i32> %r68, <16 x i32> %r74)
  %t76 = inttoptr i64 %r29 to ptr
  %t77 = getelementptr i8, ptr %t76, i64 128
  %r79 = load <16 x i32>, ptr %t77, align 1
  %t78 = inttoptr i64 %r29 to ptr
  %t79 = getelementptr i8, ptr %t78, i64 4864
  call void @llvm.prefetch.p0(ptr %t79, i32 0, i32 3, i32 1)
  %t80 = inttoptr i64 %r29 to ptr
  %t81 = getelementptr i8, ptr %t80, i64 69760
  %r80 = load <16 x i32>, ptr %t81, align 1
  %t82 = inttoptr i64 %r29 to ptr
  %t83 = getelementptr i8, ptr %t82, i64 139392
  %r81 = load <16 x i32>, ptr %t83, align 1
  %t84 = inttoptr i64 %r29 to ptr
  %t85 = getelementptr i8, ptr %t84, i64 209024
  %r82 = load <16 x i32>, ptr %t85, align 1
  %t86 = inttoptr i64 %r36 to ptr
  %t87 = getelementptr i8, ptr %t86, i64 8
  %t88 = load i32, ptr %t87, align 1
  %t89 = insertelement <16 x i32> poison, i32 %t88, i64 0
  %r83 = shufflevector <16 x i32> %t89, <16 x i32> poison, <16 x i32> zeroinitializer
  %t90 = inttoptr i64 %r29 to ptr
  %t91 = getelementptr i8, ptr %t90, i64 73984
  call void @llvm.prefetch.p0(ptr %t91, i32 0, i32 3, i32 1)
  %r84 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r70, <16 x i32> %r79, <16 x i32> %r83)
  %r85 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r71, <16 x i32> %r80, <16 x i32> %r83)
  %r86 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r72, <16 x i32> %r81, <16 x i32> %r83)
  %r87 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r73, <16 x i32> %r82, <16 x i32> %r83)
  %t92 = inttoptr i64 %r36 to ptr
  %t93 = getelementptr i8, ptr %t92, i64 40
  %t94 = load i32, ptr %t93, align 1
  %t95 = insertelement <16 x i32> poison, i32 %t94, i64 0
  %r88 = shufflevector <16 x i32> %t95, <16 x i32> poison, <16 x i32> zeroinitializer
  %t96 = inttoptr i64 %r29 to ptr
  %t97 = getelementptr i8, ptr %t96, i64 74048
  call void @llvm.prefetch.p0(ptr %t97, i32 0, i32 3, i32 1)
  %r89 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r75, <16 x i32> %r79, <16 x i32> %r88)
  %r90 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r76, <16 x i32> %r80, <16 x i32> %r88)
  %r91 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r77, <16 x i32> %r81, <16 x i32> %r88)
  %r92 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r78, <16 x i32> %r82, <16 x i32> %r88)
  %t98 = inttoptr i64 %r29 to ptr
  %t99 = getelementptr i8, ptr %t98, i64 74112
  call void @llvm.prefetch.p0(ptr %t99, i32 0, i32 3, i32 1)
  %t100 = inttoptr i64 %r29 to ptr
  %t101 = getelementptr i8, ptr %t100, i64 192
  %r93 = load <16 x i32>, ptr %t101, align 1
  %t102 = inttoptr i64 %r29 to ptr
  %t103 = getelementptr i8, ptr %t102, i64 69824
  %r94 = load <16 x i32>, ptr %t103, align 1
  %t104 = inttoptr i64 %r29 to ptr
  %t105 = getelementptr i8, ptr %t104, i64 139456
  %r95 = load <16 x i32>, ptr %t105, align 1
  %t106 = inttoptr i64 %r29 to ptr
  %t107 = getelementptr i8, ptr %t106, i64 209088
  %r96 = load <16 x i32>, ptr %t107, align 1
  %t108 = inttoptr i64 %r29 to ptr
  %t109 = getelementptr i8, ptr %t108, i64 74176
  call void @llvm.prefetch.p0(ptr %t109, i32 0, i32 3, i32 1)
  %t110 = inttoptr i64 %r36 to ptr
  %t111 = getelementptr i8, ptr %t110, i64 12
  %t112 = load i32, ptr %t111, align 1
  %t113 = insertelement <16 x i32> poison, i32 %t112, i64 0
  %r97 = shufflevector <16 x i32> %t113, <16 x i32> poison, <16 x i32> zeroinitializer
  %r98 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r84, <16 x i32> %r93, <16 x i32> %r97)
  %r99 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r85, <16 x i32> %r94, <16 x i32> %r97)
  %r100 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r86, <16 x i32> %r95, <16 x i32> %r97)
  %t114 = inttoptr i64 %r29 to ptr
  %t115 = getelementptr i8, ptr %t114, i64 74240
  call void @llvm.prefetch.p0(ptr %t115, i32 0, i32 3, i32 1)
  %r101 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r87, <16 x i32> %r96, <16 x i32> %r97)
  %t116 = inttoptr i64 %r36 to ptr
  %t117 = getelementptr i8, ptr %t116, i64 44
  %t118 = load i32, ptr %t117, align 1
  %t119 = insertelement <16 x i32> poison, i32 %t118, i64 0
  %r102 = shufflevector <16 x i32> %t119, <16 x i32> poison, <16 x i32> zeroinitializer
  %r103 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r89, <16 x i32> %r93, <16 x i32> %r102)
  %r104 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r90, <16 x i32> %r94, <16 x i32> %r102)
  %r105 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r91, <16 x i32> %r95, <16 x i32> %r102)
  %t120 = inttoptr i64 %r29 to ptr
  %t121 = getelementptr i8, ptr %t120, i64 74304
  call void @llvm.prefetch.p0(ptr %t121, i32 0, i32 3, i32 1)
  %r106 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r92, <16 x i32> %r96, <16 x i32> %r102)
  %t122 = inttoptr i64 %r29 to ptr
  %t123 = getelementptr i8, ptr %t122, i64 256
  %r107 = load <16 x i32>, ptr %t123, align 1
  %t124 = inttoptr i64 %r29 to ptr
  %t125 = getelementptr i8, ptr %t124, i64 69888
  %r108 = load <16 x i32>, ptr %t125, align 1
  %t126 = inttoptr i64 %r29 to ptr
  %t127 = getelementptr i8, ptr %t126, i64 139520
  %r109 = load <16 x i32>, ptr %t127, align 1
  %t128 = inttoptr i64 %r29 to ptr
  %t129 = getelementptr i8, ptr %t128, i64 74368
  call void @llvm.prefetch.p0(ptr %t129, i32 0, i32 3, i32 1)
  %t130 = inttoptr i64 %r29 to ptr
  %t131 = getelementptr i8, ptr %t130, i64 209152
  %r110 = load <16 x i32>, ptr %t131, align 1
  %t132 = inttoptr i64 %r36 to ptr
  %t133 = getelementptr i8, ptr %t132, i64 16
  %t134 = load i32, ptr %t133, align 1
  %t135 = insertelement <16 x i32> poison, i32 %t134, i64 0
  %r111 = shufflevector <16 x i32> %t135, <16 x i32> poison, <16 x i32> zeroinitializer
  %r112 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r98, <16 x i32> %r107, <16 x i32> %r111)
  %r113 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r99, <16 x i32> %r108, <16 x i32> %r111)
  %t136 = inttoptr i64 %r29 to ptr
  %t137 = getelementptr i8, ptr %t136, i64 74432
  call void @llvm.prefetch.p0(ptr %t137, i32 0, i32 3, i32 1)
  %r114 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r100, <16 x i32> %r109, <16 x i32> %r111)
  %r115 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r101, <16 x i32> %r110, <16 x i32> %r111)
  %t138 = inttoptr i64 %r36 to ptr
  %t139 = getelementptr i8, ptr %t138, i64 48
  %t140 = load i32, ptr %t139, align 1
  %t141 = insertelement <16 x i32> poison, i32 %t140, i64 0
  %r116 = shufflevector <16 x i32> %t141, <16 x i32> poison, <16 x i32> zeroinitializer
  %r117 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r103, <16 x i32> %r107, <16 x i32> %r116)
  %r118 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r104, <16 x i32> %r108, <16 x i32> %r116)
  %t142 = inttoptr i64 %r29 to ptr
  %t143 = getelementptr i8, ptr %t142, i64 74496
  call void @llvm.prefetch.p0(ptr %t143, i32 0, i32 3, i32 1)
  %r119 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r105, <16 x i32> %r109, <16 x i32> %r116)
  %r120 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r106, <16 x i32> %r110, <16 x i32> %r116)
  %t144 = inttoptr i64 %r29 to ptr
  %t145 = getelementptr i8, ptr %t144, i64 320
  %r121 = load <16 x i32>, ptr %t145, align 1
  %t146 = inttoptr i64 %r29 to ptr
  %t147 = getelementptr i8, ptr %t146, i64 69952
  %r122 = load <16 x i32>, ptr %t147, align 1
  %t148 = inttoptr i64 %r29 to ptr
  %t149 = getelementptr i8, ptr %t148, i64 143616
  call void @llvm.prefetch.p0(ptr %t149, i32 0, i32 3, i32 1)
  %t150 = inttoptr i64 %r29 to ptr
  %t151 = getelementptr i8, ptr %t150, i64 139584
  %r123 = load <16 x i32>, ptr %t151, align 1
  %t152 = inttoptr i64 %r29 to ptr
  %t153 = getelementptr i8, ptr %t152, i64 209216
  %r124 = load <16 x i32>, ptr %t153, align 1
  %t154 = inttoptr i64 %r36 to ptr
  %t155 = getelementptr i8, ptr %t154, i64 20
  %t156 = load i32, ptr %t155, align 1
  %t157 = insertelement <16 x i32> poison, i32 %t156, i64 0
  %r125 = shufflevector <16 x i32> %t157, <16 x i32> poison, <16 x i32> zeroinitializer
  %r126 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r112, <16 x i32> %r121, <16 x i32> %r125)
  %t158 = inttoptr i64 %r29 to ptr
  %t159 = getelementptr i8, ptr %t158, i64 143680
  call void @llvm.prefetch.p0(ptr %t159, i32 0, i32 3, i32 1)
  %r127 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r113, <16 x i32> %r122, <16 x i32> %r125)
  %r128 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r114, <16 x i32> %r123, <16 x i32> %r125)
  %r129 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r115, <16 x i32> %r124, <16 x i32> %r125)
  %t160 = inttoptr i64 %r36 to ptr
  %t161 = getelementptr i8, ptr %t160, i64 52
  %t162 = load i32, ptr %t161, align 1
  %t163 = insertelement <16 x i32> poison, i32 %t162, i64 0
  %r130 = shufflevector <16 x i32> %t163, <16 x i32> poison, <16 x i32> zeroinitializer
  %r131 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r117, <16 x i32> %r121, <16 x i32> %r130)
  %t164 = inttoptr i64 %r29 to ptr
  %t165 = getelementptr i8, ptr %t164, i64 143744
  call void @llvm.prefetch.p0(ptr %t165, i32 0, i32 3, i32 1)
  %r132 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r118, <16 x i32> %r122, <16 x i32> %r130)
  %r133 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r119, <16 x i32> %r123, <16 x i32> %r130)
  %r134 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r120, <16 x i32> %r124, <16 x i32> %r130)
  %t166 = inttoptr i64 %r29 to ptr
  %t167 = getelementptr i8, ptr %t166, i64 384
  %r135 = load <16 x i32>, ptr %t167, align 1
  %t168 = inttoptr i64 %r29 to ptr
  %t169 = getelementptr i8, ptr %t168, i64 143808
  call void @llvm.prefetch.p0(ptr %t169, i32 0, i32 3, i32 1)
  %t170 = inttoptr i64 %r29 to ptr
  %t171 = getelementptr i8, ptr %t170, i64 70016
  %r136 = load <16 x i32>, ptr %t171, align 1
  %t172 = inttoptr i64 %r29 to ptr
  %t173 = getelementptr i8, ptr %t172, i64 139648
  %r137 = load <16 x i32>, ptr %t173, align 1
  %t174 = inttoptr i64 %r29 to ptr
  %t175 = getelementptr i8, ptr %t174, i64 209280
  %r138 = load <16 x i32>, ptr %t175, align 1
  %t176 = inttoptr i64 %r36 to ptr
  %t177 = getelementptr i8, ptr %t176, i64 24
  %t178 = load i32, ptr %t177, align 1
  %t179 = insertelement <16 x i32> poison, i32 %t178, i64 0
  %r139 = shufflevector <16 x i32> %t179, <16 x i32> poison, <16 x i32> zeroinitializer
  %t180 = inttoptr i64 %r29 to ptr
  %t181 = getelementptr i8, ptr %t180, i64 143872
  call void @llvm.prefetch.p0(ptr %t181, i32 0, i32 3, i32 1)
  %r140 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r126, <16 x i32> %r135, <16 x i32> %r139)
  %r141 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r127, <16 x i32> %r136, <16 x i32> %r139)
  %r142 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r128, <16 x i32> %r137, <16 x i32> %r139)
  %r143 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r129, <16 x i32> %r138, <16 x i32> %r139)
  %t182 = inttoptr i64 %r36 to ptr
  %t183 = getelementptr i8, ptr %t182, i64 56
  %t184 = load i32, ptr %t183, align 1
  %t185 = insertelement <16 x i32> poison, i32 %t184, i64 0
  %r144 = shufflevector <16 x i32> %t185, <16 x i32> poison, <16 x i32> zeroinitializer
  %t186 = inttoptr i64 %r29 to ptr
  %t187 = getelementptr i8, ptr %t186, i64 143936
  call void @llvm.prefetch.p0(ptr %t187, i32 0, i32 3, i32 1)
  %r145 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r131, <16 x i32> %r135, <16 x i32> %r144)
  %r146 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r132, <16 x i32> %r136, <16 x i32> %r144)
  %r147 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r133, <16 x i32> %r137, <16 x i32> %r144)
  %r148 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r134, <16 x i32> %r138, <16 x i32> %r144)
  %t188 = inttoptr i64 %r29 to ptr
  %t189 = getelementptr i8, ptr %t188, i64 144000
  call void @llvm.prefetch.p0(ptr %t189, i32 0, i32 3, i32 1)
  %t190 = inttoptr i64 %r29 to ptr
  %t191 = getelementptr i8, ptr %t190, i64 448
  %r149 = load <16 x i32>, ptr %t191, align 1
  %t192 = inttoptr i64 %r29 to ptr
  %t193 = getelementptr i8, ptr %t192, i64 70080
  %r150 = load <16 x i32>, ptr %t193, align 1
  %t194 = inttoptr i64 %r29 to ptr
  %t195 = getelementptr i8, ptr %t194, i64 139712
  %r151 = load <16 x i32>, ptr %t195, align 1
  %t196 = inttoptr i64 %r29 to ptr
  %t197 = getelementptr i8, ptr %t196, i64 209344
  %r152 = load <16 x i32>, ptr %t197, align 1
  %t198 = inttoptr i64 %r29 to ptr
  %t199 = getelementptr i8, ptr %t198, i64 144064
  call void @llvm.prefetch.p0(ptr %t199, i32 0, i32 3, i32 1)
  %t200 = inttoptr i64 %r36 to ptr
  %t201 = getelementptr i8, ptr %t200, i64 28
  %t202 = load i32, ptr %t201, align 1
  %t203 = insertelement <16 x i32> poison, i32 %t202, i64 0
  %r153 = shufflevector <16 x i32> %t203, <16 x i32> poison, <16 x i32> zeroinitializer
  %r154 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r140, <16 x i32> %r149, <16 x i32> %r153)
  %r155 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r141, <16 x i32> %r150, <16 x i32> %r153)
  %r156 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r142, <16 x i32> %r151, <16 x i32> %r153)
  %t204 = inttoptr i64 %r29 to ptr
  %t205 = getelementptr i8, ptr %t204, i64 144128
  call void @llvm.prefetch.p0(ptr %t205, i32 0, i32 3, i32 1)
  %r157 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r143, <16 x i32> %r152, <16 x i32> %r153)
  %t206 = inttoptr i64 %r36 to ptr
  %t207 = getelementptr i8, ptr %t206, i64 60
  %t208 = load i32, ptr %t207, align 1
  %t209 = insertelement <16 x i32> poison, i32 %t208, i64 0
  %r158 = shufflevector <16 x i32> %t209, <16 x i32> poison, <16 x i32> zeroinitializer
  %r159 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r145, <16 x i32> %r149, <16 x i32> %r158)
  %r160 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r146, <16 x i32> %r150, <16 x i32> %r158)
  %r161 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r147, <16 x i32> %r151, <16 x i32> %r158)
  %t210 = inttoptr i64 %r29 to ptr
  %t211 = getelementptr i8, ptr %t210, i64 213248
  call void @llvm.prefetch.p0(ptr %t211, i32 0, i32 3, i32 1)
  %r162 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r148, <16 x i32> %r152, <16 x i32> %r158)
  %r165 = add i64 %r164, %r39
  %r166 = sitofp <16 x i32> %r154 to <16 x float>
  %t212 = inttoptr i64 %r29 to ptr
  %t213 = getelementptr i8, ptr %t212, i64 512
  %t214 = load <16 x i16>, ptr %t213, align 1
  %r167 = zext <16 x i16> %t214 to <16 x i32>
  %t215 = inttoptr i64 %r29 to ptr
  %t216 = getelementptr i8, ptr %t215, i64 213312
  call void @llvm.prefetch.p0(ptr %t216, i32 0, i32 3, i32 1)
  %t217 = trunc <16 x i32> %r167 to <16 x i16>
  %t218 = bitcast <16 x i16> %t217 to <16 x half>
  %r168 = fpext <16 x half> %t218 to <16 x float>
  %t219 = inttoptr i64 %r165 to ptr
  %t220 = load float, ptr %t219, align 1
  %t221 = insertelement <16 x float> poison, float %t220, i64 0
  %r169 = shufflevector <16 x float> %t221, <16 x float> poison, <16 x i32> zeroinitializer
  %r170 = fmul <16 x float> %r168, %r169
  %r171 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r166, <16 x float> %r170, <16 x float> %r11)
  %t222 = inttoptr i64 %r29 to ptr
  %t223 = getelementptr i8, ptr %t222, i64 213376
  call void @llvm.prefetch.p0(ptr %t223, i32 0, i32 3, i32 1)
  %r172 = sitofp <16 x i32> %r155 to <16 x float>
  %t224 = inttoptr i64 %r29 to ptr
  %t225 = getelementptr i8, ptr %t224, i64 70144
  %t226 = load <16 x i16>, ptr %t225, align 1
  %r173 = zext <16 x i16> %t226 to <16 x i32>
  %t227 = trunc <16 x i32> %r173 to <16 x i16>
  %t228 = bitcast <16 x i16> %t227 to <16 x half>
  %r174 = fpext <16 x half> %t228 to <16 x float>
  %r176 = fmul <16 x float> %r174, %r169
  %r177 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r172, <16 x float> %r176, <16 x float> %r12)
  %t229 = inttoptr i64 %r29 to ptr
  %t230 = getelementptr i8, ptr %t229, i64 213440
  call void @llvm.prefetch.p0(ptr %t230, i32 0, i32 3, i32 1)
  %r178 = sitofp <16 x i32> %r156 to <16 x float>
  %t231 = inttoptr i64 %r29 to ptr
  %t232 = getelementptr i8, ptr %t231, i64 139776
  %t233 = load <16 x i16>, ptr %t232, align 1
  %r179 = zext <16 x i16> %t233 to <16 x i32>
  %t234 = trunc <16 x i32> %r179 to <16 x i16>
  %t235 = bitcast <16 x i16> %t234 to <16 x half>
  %r180 = fpext <16 x half> %t235 to <16 x float>
  %r182 = fmul <16 x float> %r180, %r169
  %t236 = inttoptr i64 %r29 to ptr
  %t237 = getelementptr i8, ptr %t236, i64 213504
  call void @llvm.prefetch.p0(ptr %t237, i32 0, i32 3, i32 1)
  %r183 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r178, <16 x float> %r182, <16 x float> %r13)
  %r184 = sitofp <16 x i32> %r157 to <16 x float>
  %t238 = inttoptr i64 %r29 to ptr
  %t239 = getelementptr i8, ptr %t238, i64 209408
  %t240 = load <16 x i16>, ptr %t239, align 1
  %r185 = zext <16 x i16> %t240 to <16 x i32>
  %t241 = trunc <16 x i32> %r185 to <16 x i16>
  %t242 = bitcast <16 x i16> %t241 to <16 x half>
  %r186 = fpext <16 x half> %t242 to <16 x float>
  %t243 = inttoptr i64 %r29 to ptr
  %t244 = getelementptr i8, ptr %t243, i64 213568
  call void @llvm.prefetch.p0(ptr %t244, i32 0, i32 3, i32 1)
  %r188 = fmul <16 x float> %r186, %r169
  %r189 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r184, <16 x float> %r188, <16 x float> %r14)
  %r190 = sitofp <16 x i32> %r159 to <16 x float>
  %t245 = inttoptr i64 %r165 to ptr
  %t246 = getelementptr i8, ptr %t245, i64 4
  %t247 = load float, ptr %t246, align 1
  %t248 = insertelement <16 x float> poison, float %t247, i64 0
  %r193 = shufflevector <16 x float> %t248, <16 x float> poison, <16 x i32> zeroinitializer
  %r194 = fmul <16 x float> %r168, %r193
  %t249 = inttoptr i64 %r29 to ptr
  %t250 = getelementptr i8, ptr %t249, i64 213632
  call void @llvm.prefetch.p0(ptr %t250, i32 0, i32 3, i32 1)
  %r195 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r190, <16 x float> %r194, <16 x float> %r15)
  %r196 = sitofp <16 x i32> %r160 to <16 x float>
  %r200 = fmul <16 x float> %r174, %r193
  %r201 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r196, <16 x float> %r200, <16 x float> %r16)
  %t251 = inttoptr i64 %r29 to ptr
  %t252 = getelementptr i8, ptr %t251, i64 213696
  call void @llvm.prefetch.p0(ptr %t252, i32 0, i32 3, i32 1)
  %r202 = sitofp <16 x i32> %r161 to <16 x float>
  %r206 = fmul <16 x float> %r180, %r193
  %r207 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r202, <16 x float> %r206, <16 x float> %r17)
  %r208 = sitofp <16 x i32> %r162 to <16 x float>
  %t253 = inttoptr i64 %r29 to ptr
  %t254 = getelementptr i8, ptr %t253, i64 213760
  call void @llvm.prefetch.p0(ptr %t254, i32 0, i32 3, i32 1)
  %r212 = fmul <16 x float> %r186, %r193
  %r213 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r208, <16 x float> %r212, <16 x float> %r18)
  %r372 = add i64 %r33, %r32
  %r375 = add i64 %r39, %r38
  %t255 = add i64 %r10, 1
  %t256 = icmp slt i64 %t255, 128
  br i1 %t256, label %body21, label %exit21
exit21:
  %r214 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r171, %body21 ]
  %r215 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r177, %body21 ]
  %r216 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r183, %body21 ]
  %r217 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r189, %body21 ]
  %r218 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r195, %body21 ]
  %r219 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r201, %body21 ]
  %r220 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r207, %body21 ]
  %r221 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body19 ], [ %r213, %body21 ]
  %r373 = phi i64 [ 0, %body19 ], [ %r372, %body21 ]
  %r376 = phi i64 [ 0, %body19 ], [ %r375, %body21 ]
  %r224 = mul i64 %r8, %r223
  %r228 = add i64 %r227, %r224
  %t257 = inttoptr i64 %r228 to ptr
  store <16 x float> %r214, ptr %t257, align 1
  %t258 = inttoptr i64 %r228 to ptr
  %t259 = getelementptr i8, ptr %t258, i64 64
  store <16 x float> %r215, ptr %t259, align 1
  %t260 = inttoptr i64 %r228 to ptr
  %t261 = getelementptr i8, ptr %t260, i64 128
  store <16 x float> %r216, ptr %t261, align 1
  %t262 = inttoptr i64 %r228 to ptr
  %t263 = getelementptr i8, ptr %t262, i64 192
  store <16 x float> %r217, ptr %t263, align 1
  %r229 = add i64 %r228, %r223
  %t264 = inttoptr i64 %r229 to ptr
  store <16 x float> %r218, ptr %t264, align 1
  %t265 = inttoptr i64 %r229 to ptr
  %t266 = getelementptr i8, ptr %t265, i64 64
  store <16 x float> %r219, ptr %t266, align 1
  %t267 = inttoptr i64 %r229 to ptr
  %t268 = getelementptr i8, ptr %t267, i64 128
  store <16 x float> %r220, ptr %t268, align 1
  %t269 = inttoptr i64 %r229 to ptr
  %t270 = getelementptr i8, ptr %t269, i64 192
  store <16 x float> %r221, ptr %t270, align 1
  %t271 = add i64 %r8, 2
  %t272 = icmp slt i64 %t271, %r7
  br i1 %t272, label %body19, label %exit19
exit19:
  %t274 = icmp slt i64 %r7, %r230
  br i1 %t274, label %body273, label %exit273
body273:
  %r231 = phi i64 [ %r7, %exit19 ], [ %t478, %exit275 ]
  %r250 = mul i64 %r231, 32
  %r251 = add i64 %r31, %r250
  %r254 = mul i64 %r231, 4
  %r255 = add i64 %r37, %r254
  %r333 = add i64 %r163, %r254
  %t276 = icmp slt i64 0, 128
  br i1 %t276, label %body275, label %exit275
body275:
  %r233 = phi i64 [ 0, %body273 ], [ %t469, %body275 ]
  %r234 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body273 ], [ %r340, %body275 ]
  %r235 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body273 ], [ %r346, %body275 ]
  %r236 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body273 ], [ %r352, %body275 ]
  %r237 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body273 ], [ %r358, %body275 ]
  %r249 = phi i64 [ 0, %body273 ], [ %r378, %body275 ]
  %r253 = phi i64 [ 0, %body273 ], [ %r381, %body275 ]
  %r244 = mul i64 %r233, 544
  %r247 = add i64 %r28, %r244
  %t277 = inttoptr i64 %r247 to ptr
  %t278 = getelementptr i8, ptr %t277, i64 4352
  call void @llvm.prefetch.p0(ptr %t278, i32 0, i32 3, i32 1)
  %r252 = add i64 %r251, %r249
  %t279 = inttoptr i64 %r247 to ptr
  %t280 = getelementptr i8, ptr %t279, i64 4416
  call void @llvm.prefetch.p0(ptr %t280, i32 0, i32 3, i32 1)
  %r256 = add i64 %r255, %r253
  %t281 = inttoptr i64 %r256 to ptr
  %t282 = load i32, ptr %t281, align 1
  %t283 = insertelement <16 x i32> poison, i32 %t282, i64 0
  %r257 = shufflevector <16 x i32> %t283, <16 x i32> poison, <16 x i32> zeroinitializer
  %t284 = inttoptr i64 %r247 to ptr
  %r261 = load <16 x i32>, ptr %t284, align 1
  %t285 = inttoptr i64 %r247 to ptr
  %t286 = getelementptr i8, ptr %t285, i64 4480
  call void @llvm.prefetch.p0(ptr %t286, i32 0, i32 3, i32 1)
  %t287 = inttoptr i64 %r247 to ptr
  %t288 = getelementptr i8, ptr %t287, i64 69632
  %r262 = load <16 x i32>, ptr %t288, align 1
  %t289 = inttoptr i64 %r247 to ptr
  %t290 = getelementptr i8, ptr %t289, i64 139264
  %r263 = load <16 x i32>, ptr %t290, align 1
  %t291 = inttoptr i64 %r247 to ptr
  %t292 = getelementptr i8, ptr %t291, i64 208896
  %r264 = load <16 x i32>, ptr %t292, align 1
  %t293 = inttoptr i64 %r247 to ptr
  %t294 = getelementptr i8, ptr %t293, i64 4544
  call void @llvm.prefetch.p0(ptr %t294, i32 0, i32 3, i32 1)
  %t295 = inttoptr i64 %r252 to ptr
  %t296 = load i32, ptr %t295, align 1
  %t297 = insertelement <16 x i32> poison, i32 %t296, i64 0
  %r265 = shufflevector <16 x i32> %t297, <16 x i32> poison, <16 x i32> zeroinitializer
  %r266 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r257, <16 x i32> %r261, <16 x i32> %r265)
  %r267 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r257, <16 x i32> %r262, <16 x i32> %r265)
  %t298 = inttoptr i64 %r247 to ptr
  %t299 = getelementptr i8, ptr %t298, i64 4608
  call void @llvm.prefetch.p0(ptr %t299, i32 0, i32 3, i32 1)
  %r268 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r257, <16 x i32> %r263, <16 x i32> %r265)
  %r269 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r257, <16 x i32> %r264, <16 x i32> %r265)
  %t300 = inttoptr i64 %r247 to ptr
  %t301 = getelementptr i8, ptr %t300, i64 64
  %r270 = load <16 x i32>, ptr %t301, align 1
  %t302 = inttoptr i64 %r247 to ptr
  %t303 = getelementptr i8, ptr %t302, i64 4672
  call void @llvm.prefetch.p0(ptr %t303, i32 0, i32 3, i32 1)
  %t304 = inttoptr i64 %r247 to ptr
  %t305 = getelementptr i8, ptr %t304, i64 69696
  %r271 = load <16 x i32>, ptr %t305, align 1
  %t306 = inttoptr i64 %r247 to ptr
  %t307 = getelementptr i8, ptr %t306, i64 139328
  %r272 = load <16 x i32>, ptr %t307, align 1
  %t308 = inttoptr i64 %r247 to ptr
  %t309 = getelementptr i8, ptr %t308, i64 4736
  call void @llvm.prefetch.p0(ptr %t309, i32 0, i32 3, i32 1)
  %t310 = inttoptr i64 %r247 to ptr
  %t311 = getelementptr i8, ptr %t310, i64 208960
  %r273 = load <16 x i32>, ptr %t311, align 1
  %t312 = inttoptr i64 %r252 to ptr
  %t313 = getelementptr i8, ptr %t312, i64 4
  %t314 = load i32, ptr %t313, align 1
  %t315 = insertelement <16 x i32> poison, i32 %t314, i64 0
  %r274 = shufflevector <16 x i32> %t315, <16 x i32> poison, <16 x i32> zeroinitializer
  %r275 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r266, <16 x i32> %r270, <16 x i32> %r274)
  %t316 = inttoptr i64 %r247 to ptr
  %t317 = getelementptr i8, ptr %t316, i64 4800
  call void @llvm.prefetch.p0(ptr %t317, i32 0, i32 3, i32 1)
  %r276 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r267, <16 x i32> %r271, <16 x i32> %r274)
  %r277 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r268, <16 x i32> %r272, <16 x i32> %r274)
  %r278 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r269, <16 x i32> %r273, <16 x i32> %r274)
  %t318 = inttoptr i64 %r247 to ptr
  %t319 = getelementptr i8, ptr %t318, i64 4864
  call void @llvm.prefetch.p0(ptr %t319, i32 0, i32 3, i32 1)
  %t320 = inttoptr i64 %r247 to ptr
  %t321 = getelementptr i8, ptr %t320, i64 128
  %r279 = load <16 x i32>, ptr %t321, align 1
  %t322 = inttoptr i64 %r247 to ptr
  %t323 = getelementptr i8, ptr %t322, i64 69760
  %r280 = load <16 x i32>, ptr %t323, align 1
  %t324 = inttoptr i64 %r247 to ptr
  %t325 = getelementptr i8, ptr %t324, i64 139392
  %r281 = load <16 x i32>, ptr %t325, align 1
  %t326 = inttoptr i64 %r247 to ptr
  %t327 = getelementptr i8, ptr %t326, i64 73984
  call void @llvm.prefetch.p0(ptr %t327, i32 0, i32 3, i32 1)
  %t328 = inttoptr i64 %r247 to ptr
  %t329 = getelementptr i8, ptr %t328, i64 209024
  %r282 = load <16 x i32>, ptr %t329, align 1
  %t330 = inttoptr i64 %r252 to ptr
  %t331 = getelementptr i8, ptr %t330, i64 8
  %t332 = load i32, ptr %t331, align 1
  %t333 = insertelement <16 x i32> poison, i32 %t332, i64 0
  %r283 = shufflevector <16 x i32> %t333, <16 x i32> poison, <16 x i32> zeroinitializer
  %r284 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r275, <16 x i32> %r279, <16 x i32> %r283)
  %t334 = inttoptr i64 %r247 to ptr
  %t335 = getelementptr i8, ptr %t334, i64 74048
  call void @llvm.prefetch.p0(ptr %t335, i32 0, i32 3, i32 1)
  %r285 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r276, <16 x i32> %r280, <16 x i32> %r283)
  %r286 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r277, <16 x i32> %r281, <16 x i32> %r283)
  %t336 = inttoptr i64 %r247 to ptr
  %t337 = getelementptr i8, ptr %t336, i64 74112
  call void @llvm.prefetch.p0(ptr %t337, i32 0, i32 3, i32 1)
  %r287 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r278, <16 x i32> %r282, <16 x i32> %r283)
  %t338 = inttoptr i64 %r247 to ptr
  %t339 = getelementptr i8, ptr %t338, i64 192
  %r288 = load <16 x i32>, ptr %t339, align 1
  %t340 = inttoptr i64 %r247 to ptr
  %t341 = getelementptr i8, ptr %t340, i64 69824
  %r289 = load <16 x i32>, ptr %t341, align 1
  %t342 = inttoptr i64 %r247 to ptr
  %t343 = getelementptr i8, ptr %t342, i64 74176
  call void @llvm.prefetch.p0(ptr %t343, i32 0, i32 3, i32 1)
  %t344 = inttoptr i64 %r247 to ptr
  %t345 = getelementptr i8, ptr %t344, i64 139456
  %r290 = load <16 x i32>, ptr %t345, align 1
  %t346 = inttoptr i64 %r247 to ptr
  %t347 = getelementptr i8, ptr %t346, i64 209088
  %r291 = load <16 x i32>, ptr %t347, align 1
  %t348 = inttoptr i64 %r252 to ptr
  %t349 = getelementptr i8, ptr %t348, i64 12
  %t350 = load i32, ptr %t349, align 1
  %t351 = insertelement <16 x i32> poison, i32 %t350, i64 0
  %r292 = shufflevector <16 x i32> %t351, <16 x i32> poison, <16 x i32> zeroinitializer
  %t352 = inttoptr i64 %r247 to ptr
  %t353 = getelementptr i8, ptr %t352, i64 74240
  call void @llvm.prefetch.p0(ptr %t353, i32 0, i32 3, i32 1)
  %r293 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r284, <16 x i32> %r288, <16 x i32> %r292)
  %r294 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r285, <16 x i32> %r289, <16 x i32> %r292)
  %r295 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r286, <16 x i32> %r290, <16 x i32> %r292)
  %t354 = inttoptr i64 %r247 to ptr
  %t355 = getelementptr i8, ptr %t354, i64 74304
  call void @llvm.prefetch.p0(ptr %t355, i32 0, i32 3, i32 1)
  %r296 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r287, <16 x i32> %r291, <16 x i32> %r292)
  %t356 = inttoptr i64 %r247 to ptr
  %t357 = getelementptr i8, ptr %t356, i64 256
  %r297 = load <16 x i32>, ptr %t357, align 1
  %t358 = inttoptr i64 %r247 to ptr
  %t359 = getelementptr i8, ptr %t358, i64 69888
  %r298 = load <16 x i32>, ptr %t359, align 1
  %t360 = inttoptr i64 %r247 to ptr
  %t361 = getelementptr i8, ptr %t360, i64 74368
  call void @llvm.prefetch.p0(ptr %t361, i32 0, i32 3, i32 1)
  %t362 = inttoptr i64 %r247 to ptr
  %t363 = getelementptr i8, ptr %t362, i64 139520
  %r299 = load <16 x i32>, ptr %t363, align 1
  %t364 = inttoptr i64 %r247 to ptr
  %t365 = getelementptr i8, ptr %t364, i64 209152
  %r300 = load <16 x i32>, ptr %t365, align 1
  %t366 = inttoptr i64 %r247 to ptr
  %t367 = getelementptr i8, ptr %t366, i64 74432
  call void @llvm.prefetch.p0(ptr %t367, i32 0, i32 3, i32 1)
  %t368 = inttoptr i64 %r252 to ptr
  %t369 = getelementptr i8, ptr %t368, i64 16
  %t370 = load i32, ptr %t369, align 1
  %t371 = insertelement <16 x i32> poison, i32 %t370, i64 0
  %r301 = shufflevector <16 x i32> %t371, <16 x i32> poison, <16 x i32> zeroinitializer
  %r302 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r293, <16 x i32> %r297, <16 x i32> %r301)
  %r303 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r294, <16 x i32> %r298, <16 x i32> %r301)
  %t372 = inttoptr i64 %r247 to ptr
  %t373 = getelementptr i8, ptr %t372, i64 74496
  call void @llvm.prefetch.p0(ptr %t373, i32 0, i32 3, i32 1)
  %r304 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r295, <16 x i32> %r299, <16 x i32> %r301)
  %r305 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r296, <16 x i32> %r300, <16 x i32> %r301)
  %t374 = inttoptr i64 %r247 to ptr
  %t375 = getelementptr i8, ptr %t374, i64 320
  %r306 = load <16 x i32>, ptr %t375, align 1
  %t376 = inttoptr i64 %r247 to ptr
  %t377 = getelementptr i8, ptr %t376, i64 143616
  call void @llvm.prefetch.p0(ptr %t377, i32 0, i32 3, i32 1)
  %t378 = inttoptr i64 %r247 to ptr
  %t379 = getelementptr i8, ptr %t378, i64 69952
  %r307 = load <16 x i32>, ptr %t379, align 1
  %t380 = inttoptr i64 %r247 to ptr
  %t381 = getelementptr i8, ptr %t380, i64 139584
  %r308 = load <16 x i32>, ptr %t381, align 1
  %t382 = inttoptr i64 %r247 to ptr
  %t383 = getelementptr i8, ptr %t382, i64 209216
  %r309 = load <16 x i32>, ptr %t383, align 1
  %t384 = inttoptr i64 %r247 to ptr
  %t385 = getelementptr i8, ptr %t384, i64 143680
  call void @llvm.prefetch.p0(ptr %t385, i32 0, i32 3, i32 1)
  %t386 = inttoptr i64 %r252 to ptr
  %t387 = getelementptr i8, ptr %t386, i64 20
  %t388 = load i32, ptr %t387, align 1
  %t389 = insertelement <16 x i32> poison, i32 %t388, i64 0
  %r310 = shufflevector <16 x i32> %t389, <16 x i32> poison, <16 x i32> zeroinitializer
  %r311 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r302, <16 x i32> %r306, <16 x i32> %r310)
  %r312 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r303, <16 x i32> %r307, <16 x i32> %r310)
  %t390 = inttoptr i64 %r247 to ptr
  %t391 = getelementptr i8, ptr %t390, i64 143744
  call void @llvm.prefetch.p0(ptr %t391, i32 0, i32 3, i32 1)
  %r313 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r304, <16 x i32> %r308, <16 x i32> %r310)
  %r314 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r305, <16 x i32> %r309, <16 x i32> %r310)
  %t392 = inttoptr i64 %r247 to ptr
  %t393 = getelementptr i8, ptr %t392, i64 143808
  call void @llvm.prefetch.p0(ptr %t393, i32 0, i32 3, i32 1)
  %t394 = inttoptr i64 %r247 to ptr
  %t395 = getelementptr i8, ptr %t394, i64 384
  %r315 = load <16 x i32>, ptr %t395, align 1
  %t396 = inttoptr i64 %r247 to ptr
  %t397 = getelementptr i8, ptr %t396, i64 70016
  %r316 = load <16 x i32>, ptr %t397, align 1
  %t398 = inttoptr i64 %r247 to ptr
  %t399 = getelementptr i8, ptr %t398, i64 139648
  %r317 = load <16 x i32>, ptr %t399, align 1
  %t400 = inttoptr i64 %r247 to ptr
  %t401 = getelementptr i8, ptr %t400, i64 143872
  call void @llvm.prefetch.p0(ptr %t401, i32 0, i32 3, i32 1)
  %t402 = inttoptr i64 %r247 to ptr
  %t403 = getelementptr i8, ptr %t402, i64 209280
  %r318 = load <16 x i32>, ptr %t403, align 1
  %t404 = inttoptr i64 %r252 to ptr
  %t405 = getelementptr i8, ptr %t404, i64 24
  %t406 = load i32, ptr %t405, align 1
  %t407 = insertelement <16 x i32> poison, i32 %t406, i64 0
  %r319 = shufflevector <16 x i32> %t407, <16 x i32> poison, <16 x i32> zeroinitializer
  %r320 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r311, <16 x i32> %r315, <16 x i32> %r319)
  %t408 = inttoptr i64 %r247 to ptr
  %t409 = getelementptr i8, ptr %t408, i64 143936
  call void @llvm.prefetch.p0(ptr %t409, i32 0, i32 3, i32 1)
  %r321 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r312, <16 x i32> %r316, <16 x i32> %r319)
  %r322 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r313, <16 x i32> %r317, <16 x i32> %r319)
  %r323 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r314, <16 x i32> %r318, <16 x i32> %r319)
  %t410 = inttoptr i64 %r247 to ptr
  %t411 = getelementptr i8, ptr %t410, i64 144000
  call void @llvm.prefetch.p0(ptr %t411, i32 0, i32 3, i32 1)
  %t412 = inttoptr i64 %r247 to ptr
  %t413 = getelementptr i8, ptr %t412, i64 448
  %r324 = load <16 x i32>, ptr %t413, align 1
  %t414 = inttoptr i64 %r247 to ptr
  %t415 = getelementptr i8, ptr %t414, i64 70080
  %r325 = load <16 x i32>, ptr %t415, align 1
  %t416 = inttoptr i64 %r247 to ptr
  %t417 = getelementptr i8, ptr %t416, i64 139712
  %r326 = load <16 x i32>, ptr %t417, align 1
  %t418 = inttoptr i64 %r247 to ptr
  %t419 = getelementptr i8, ptr %t418, i64 144064
  call void @llvm.prefetch.p0(ptr %t419, i32 0, i32 3, i32 1)
  %t420 = inttoptr i64 %r247 to ptr
  %t421 = getelementptr i8, ptr %t420, i64 209344
  %r327 = load <16 x i32>, ptr %t421, align 1
  %t422 = inttoptr i64 %r252 to ptr
  %t423 = getelementptr i8, ptr %t422, i64 28
  %t424 = load i32, ptr %t423, align 1
  %t425 = insertelement <16 x i32> poison, i32 %t424, i64 0
  %r328 = shufflevector <16 x i32> %t425, <16 x i32> poison, <16 x i32> zeroinitializer
  %t426 = inttoptr i64 %r247 to ptr
  %t427 = getelementptr i8, ptr %t426, i64 144128
  call void @llvm.prefetch.p0(ptr %t427, i32 0, i32 3, i32 1)
  %r329 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r320, <16 x i32> %r324, <16 x i32> %r328)
  %r330 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r321, <16 x i32> %r325, <16 x i32> %r328)
  %r331 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r322, <16 x i32> %r326, <16 x i32> %r328)
  %t428 = inttoptr i64 %r247 to ptr
  %t429 = getelementptr i8, ptr %t428, i64 213248
  call void @llvm.prefetch.p0(ptr %t429, i32 0, i32 3, i32 1)
  %r332 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r323, <16 x i32> %r327, <16 x i32> %r328)
  %r334 = add i64 %r333, %r253
  %r335 = sitofp <16 x i32> %r329 to <16 x float>
  %t430 = inttoptr i64 %r247 to ptr
  %t431 = getelementptr i8, ptr %t430, i64 213312
  call void @llvm.prefetch.p0(ptr %t431, i32 0, i32 3, i32 1)
  %t432 = inttoptr i64 %r247 to ptr
  %t433 = getelementptr i8, ptr %t432, i64 512
  %t434 = load <16 x i16>, ptr %t433, align 1
  %r336 = zext <16 x i16> %t434 to <16 x i32>
  %t435 = trunc <16 x i32> %r336 to <16 x i16>
  %t436 = bitcast <16 x i16> %t435 to <16 x half>
  %r337 = fpext <16 x half> %t436 to <16 x float>
  %t437 = inttoptr i64 %r334 to ptr
  %t438 = load float, ptr %t437, align 1
  %t439 = insertelement <16 x float> poison, float %t438, i64 0
  %r338 = shufflevector <16 x float> %t439, <16 x float> poison, <16 x i32> zeroinitializer
  %t440 = inttoptr i64 %r247 to ptr
  %t441 = getelementptr i8, ptr %t440, i64 213376
  call void @llvm.prefetch.p0(ptr %t441, i32 0, i32 3, i32 1)
  %r339 = fmul <16 x float> %r337, %r338
  %r340 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r335, <16 x float> %r339, <16 x float> %r234)
  %r341 = sitofp <16 x i32> %r330 to <16 x float>
  %t442 = inttoptr i64 %r247 to ptr
  %t443 = getelementptr i8, ptr %t442, i64 213440
  call void @llvm.prefetch.p0(ptr %t443, i32 0, i32 3, i32 1)
  %t444 = inttoptr i64 %r247 to ptr
  %t445 = getelementptr i8, ptr %t444, i64 70144
  %t446 = load <16 x i16>, ptr %t445, align 1
  %r342 = zext <16 x i16> %t446 to <16 x i32>
  %t447 = trunc <16 x i32> %r342 to <16 x i16>
  %t448 = bitcast <16 x i16> %t447 to <16 x half>
  %r343 = fpext <16 x half> %t448 to <16 x float>
  %t449 = inttoptr i64 %r247 to ptr
  %t450 = getelementptr i8, ptr %t449, i64 213504
  call void @llvm.prefetch.p0(ptr %t450, i32 0, i32 3, i32 1)
  %r345 = fmul <16 x float> %r343, %r338
  %r346 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r341, <16 x float> %r345, <16 x float> %r235)
  %r347 = sitofp <16 x i32> %r331 to <16 x float>
  %t451 = inttoptr i64 %r247 to ptr
  %t452 = getelementptr i8, ptr %t451, i64 213568
  call void @llvm.prefetch.p0(ptr %t452, i32 0, i32 3, i32 1)
  %t453 = inttoptr i64 %r247 to ptr
  %t454 = getelementptr i8, ptr %t453, i64 139776
  %t455 = load <16 x i16>, ptr %t454, align 1
  %r348 = zext <16 x i16> %t455 to <16 x i32>
  %t456 = trunc <16 x i32> %r348 to <16 x i16>
  %t457 = bitcast <16 x i16> %t456 to <16 x half>
  %r349 = fpext <16 x half> %t457 to <16 x float>
  %r351 = fmul <16 x float> %r349, %r338
  %t458 = inttoptr i64 %r247 to ptr
  %t459 = getelementptr i8, ptr %t458, i64 213632
  call void @llvm.prefetch.p0(ptr %t459, i32 0, i32 3, i32 1)
  %r352 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r347, <16 x float> %r351, <16 x float> %r236)
  %r353 = sitofp <16 x i32> %r332 to <16 x float>
  %t460 = inttoptr i64 %r247 to ptr
  %t461 = getelementptr i8, ptr %t460, i64 209408
  %t462 = load <16 x i16>, ptr %t461, align 1
  %r354 = zext <16 x i16> %t462 to <16 x i32>
  %t463 = inttoptr i64 %r247 to ptr
  %t464 = getelementptr i8, ptr %t463, i64 213696
  call void @llvm.prefetch.p0(ptr %t464, i32 0, i32 3, i32 1)
  %t465 = trunc <16 x i32> %r354 to <16 x i16>
  %t466 = bitcast <16 x i16> %t465 to <16 x half>
  %r355 = fpext <16 x half> %t466 to <16 x float>
  %r357 = fmul <16 x float> %r355, %r338
  %r358 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r353, <16 x float> %r357, <16 x float> %r237)
  %t467 = inttoptr i64 %r247 to ptr
  %t468 = getelementptr i8, ptr %t467, i64 213760
  call void @llvm.prefetch.p0(ptr %t468, i32 0, i32 3, i32 1)
  %r378 = add i64 %r249, %r32
  %r381 = add i64 %r253, %r38
  %t469 = add i64 %r233, 1
  %t470 = icmp slt i64 %t469, 128
  br i1 %t470, label %body275, label %exit275
exit275:
  %r359 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body273 ], [ %r340, %body275 ]
  %r360 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body273 ], [ %r346, %body275 ]
  %r361 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body273 ], [ %r352, %body275 ]
  %r362 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body273 ], [ %r358, %body275 ]
  %r379 = phi i64 [ 0, %body273 ], [ %r378, %body275 ]
  %r382 = phi i64 [ 0, %body273 ], [ %r381, %body275 ]
  %r363 = mul i64 %r231, %r223
  %r367 = add i64 %r227, %r363
  %t471 = inttoptr i64 %r367 to ptr
  store <16 x float> %r359, ptr %t471, align 1
  %t472 = inttoptr i64 %r367 to ptr
  %t473 = getelementptr i8, ptr %t472, i64 64
  store <16 x float> %r360, ptr %t473, align 1
  %t474 = inttoptr i64 %r367 to ptr
  %t475 = getelementptr i8, ptr %t474, i64 128
  store <16 x float> %r361, ptr %t475, align 1
  %t476 = inttoptr i64 %r367 to ptr
  %t477 = getelementptr i8, ptr %t476, i64 192
  store <16 x float> %r362, ptr %t477, align 1
  %t478 = add i64 %r231, 1
  %t479 = icmp slt i64 %t478, %r230
  br i1 %t479, label %body273, label %exit273
exit273:
  %t480 = add i64 %r6, 1
  %t481 = icmp slt i64 %t480, %r5
  br i1 %t481, label %body17, label %exit17
exit17:
  %t482 = inttoptr i64 %r0 to ptr
  %r368 = atomicrmw add ptr %t482, i64 2 acq_rel, align 8
  br label %join15
else15:
  br label %join15
join15:
  %r369 = phi i64 [ %r368, %exit17 ], [ %r3, %else15 ]
  %t483 = add i64 %r2, 1
  %t484 = icmp slt i64 %t483, 32
  br i1 %t484, label %body13, label %exit13
exit13:
  %r370 = phi i64 [ %r1, %entry ], [ %r369, %join15 ]
  ret void
}

attributes #0 = { nounwind "target-cpu"="x86-64-v4" "target-features"="+avx512vnni,+avx512vbmi,+gfni,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16" "prefer-vector-width"="512" "min-legal-vector-width"="512" }
!0 = !{}
