target triple = "x86_64-unknown-linux-gnu"

define void @product(ptr %args, i64 %worker) #0 {
entry:
  %t1 = getelementptr i8, ptr %args, i64 0
  %r0 = load i64, ptr %t1, align 8, !invariant.load !0
  %t2 = getelementptr i8, ptr %args, i64 8
  %r7 = load i64, ptr %t2, align 8, !invariant.load !0
  %t3 = getelementptr i8, ptr %args, i64 16
  %r12 = load i64, ptr %t3, align 8, !invariant.load !0
  %t4 = getelementptr i8, ptr %args, i64 24
  %r24 = load i64, ptr %t4, align 8, !invariant.load !0
  %t5 = getelementptr i8, ptr %args, i64 32
  %r25 = load i64, ptr %t5, align 8, !invariant.load !0
  %t6 = getelementptr i8, ptr %args, i64 40
  %r30 = load i64, ptr %t6, align 8, !invariant.load !0
  %t7 = getelementptr i8, ptr %args, i64 48
  %r31 = load i64, ptr %t7, align 8, !invariant.load !0
  %t8 = getelementptr i8, ptr %args, i64 56
  %r244 = load i64, ptr %t8, align 8, !invariant.load !0
  %t9 = getelementptr i8, ptr %args, i64 64
  %r359 = load i64, ptr %t9, align 8, !invariant.load !0
  %t10 = getelementptr i8, ptr %args, i64 72
  %r360 = load i64, ptr %t10, align 8, !invariant.load !0
  %t11 = getelementptr i8, ptr %args, i64 80
  %r387 = load i64, ptr %t11, align 8, !invariant.load !0
  %t12 = getelementptr i8, ptr %args, i64 88
  %r528 = load i64, ptr %t12, align 8, !invariant.load !0
  %r530 = mul i64 %worker, 1152
  %r9 = add i64 %r528, %r530
  %t13 = inttoptr i64 %r0 to ptr
  %r1 = atomicrmw add ptr %t13, i64 2 acq_rel, align 8
  %t15 = icmp slt i64 0, 32
  br i1 %t15, label %body14, label %exit14
body14:
  %r2 = phi i64 [ 0, %entry ], [ %t811, %join16 ]
  %r3 = phi i64 [ %r1, %entry ], [ %r526, %join16 ]
  %t17 = icmp slt i64 %r3, 64
  br i1 %t17, label %then16, label %else16
then16:
  %r4 = add i64 %r3, 2
  %r5 = call i64 @llvm.smin.i64(i64 %r4, i64 64)
  %r376 = mul i64 %r360, 2
  %r382 = mul i64 %r360, 3
  %t19 = icmp slt i64 %r3, %r5
  br i1 %t19, label %body18, label %exit18
body18:
  %r6 = phi i64 [ %r3, %then16 ], [ %t808, %exit601 ]
  %r15 = mul i64 %r6, 278528
  %r21 = add i64 %r12, %r15
  %r363 = mul i64 %r6, 256
  %r364 = add i64 %r359, %r363
  %t21 = icmp slt i64 0, %r7
  br i1 %t21, label %body20, label %exit20
body20:
  %r8 = phi i64 [ 0, %body18 ], [ %t599, %exit54 ]
  %t22 = inttoptr i64 %r9 to ptr
  %t23 = getelementptr i8, ptr %t22, i64 128
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t23, align 1
  %t24 = inttoptr i64 %r9 to ptr
  %t25 = getelementptr i8, ptr %t24, i64 192
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t25, align 1
  %t26 = inttoptr i64 %r9 to ptr
  %t27 = getelementptr i8, ptr %t26, i64 256
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t27, align 1
  %t28 = inttoptr i64 %r9 to ptr
  %t29 = getelementptr i8, ptr %t28, i64 320
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t29, align 1
  %t30 = inttoptr i64 %r9 to ptr
  %t31 = getelementptr i8, ptr %t30, i64 384
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t31, align 1
  %t32 = inttoptr i64 %r9 to ptr
  %t33 = getelementptr i8, ptr %t32, i64 448
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t33, align 1
  %t34 = inttoptr i64 %r9 to ptr
  %t35 = getelementptr i8, ptr %t34, i64 512
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t35, align 1
  %t36 = inttoptr i64 %r9 to ptr
  %t37 = getelementptr i8, ptr %t36, i64 576
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t37, align 1
  %t38 = inttoptr i64 %r9 to ptr
  %t39 = getelementptr i8, ptr %t38, i64 640
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t39, align 1
  %t40 = inttoptr i64 %r9 to ptr
  %t41 = getelementptr i8, ptr %t40, i64 704
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t41, align 1
  %t42 = inttoptr i64 %r9 to ptr
  %t43 = getelementptr i8, ptr %t42, i64 768
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t43, align 1
  %t44 = inttoptr i64 %r9 to ptr
  %t45 = getelementptr i8, ptr %t44, i64 832
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t45, align 1
  %t46 = inttoptr i64 %r9 to ptr
  %t47 = getelementptr i8, ptr %t46, i64 896
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t47, align 1
  %t48 = inttoptr i64 %r9 to ptr
  %t49 = getelementptr i8, ptr %t48, i64 960
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t49, align 1
  %t50 = inttoptr i64 %r9 to ptr
  %t51 = getelementptr i8, ptr %t50, i64 1024
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t51, align 1
  %t52 = inttoptr i64 %r9 to ptr
  %t53 = getelementptr i8, ptr %t52, i64 1088
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t53, align 1
  %r27 = mul i64 %r8, 32
  %r28 = add i64 %r24, %r27
  %r33 = mul i64 %r8, 4
  %r34 = add i64 %r30, %r33
  %r245 = add i64 %r244, %r33
  %t55 = icmp slt i64 0, 128
  br i1 %t55, label %body54, label %exit54
body54:
  %r11 = phi i64 [ 0, %body20 ], [ %t537, %body54 ]
  %r26 = phi i64 [ 0, %body20 ], [ %r532, %body54 ]
  %r32 = phi i64 [ 0, %body20 ], [ %r535, %body54 ]
  %r19 = mul i64 %r11, 544
  %r22 = add i64 %r21, %r19
  %t56 = inttoptr i64 %r22 to ptr
  %t57 = getelementptr i8, ptr %t56, i64 4352
  call void @llvm.prefetch.p0(ptr %t57, i32 0, i32 3, i32 1)
  %r29 = add i64 %r28, %r26
  %r35 = add i64 %r34, %r32
  %t58 = inttoptr i64 %r35 to ptr
  %t59 = load i32, ptr %t58, align 1
  %t60 = insertelement <16 x i32> poison, i32 %t59, i64 0
  %r36 = shufflevector <16 x i32> %t60, <16 x i32> poison, <16 x i32> zeroinitializer
  %t61 = inttoptr i64 %r35 to ptr
  %t62 = getelementptr i8, ptr %t61, i64 4
  %t63 = load i32, ptr %t62, align 1
  %t64 = insertelement <16 x i32> poison, i32 %t63, i64 0
  %r40 = shufflevector <16 x i32> %t64, <16 x i32> poison, <16 x i32> zeroinitializer
  %t65 = inttoptr i64 %r35 to ptr
  %t66 = getelementptr i8, ptr %t65, i64 8
  %t67 = load i32, ptr %t66, align 1
  %t68 = insertelement <16 x i32> poison, i32 %t67, i64 0
  %r44 = shufflevector <16 x i32> %t68, <16 x i32> poison, <16 x i32> zeroinitializer
  %t69 = inttoptr i64 %r35 to ptr
  %t70 = getelementptr i8, ptr %t69, i64 12
  %t71 = load i32, ptr %t70, align 1
  %t72 = insertelement <16 x i32> poison, i32 %t71, i64 0
  %r48 = shufflevector <16 x i32> %t72, <16 x i32> poison, <16 x i32> zeroinitializer
  %t73 = inttoptr i64 %r22 to ptr
  %r52 = load <16 x i32>, ptr %t73, align 1
  %t74 = inttoptr i64 %r22 to ptr
  %t75 = getelementptr i8, ptr %t74, i64 69632
  %r53 = load <16 x i32>, ptr %t75, align 1
  %t76 = inttoptr i64 %r22 to ptr
  %t77 = getelementptr i8, ptr %t76, i64 4416
  call void @llvm.prefetch.p0(ptr %t77, i32 0, i32 3, i32 1)
  %t78 = inttoptr i64 %r22 to ptr
  %t79 = getelementptr i8, ptr %t78, i64 139264
  %r54 = load <16 x i32>, ptr %t79, align 1
  %t80 = inttoptr i64 %r22 to ptr
  %t81 = getelementptr i8, ptr %t80, i64 208896
  %r55 = load <16 x i32>, ptr %t81, align 1
  %t82 = inttoptr i64 %r29 to ptr
  %t83 = load i32, ptr %t82, align 1
  %t84 = insertelement <16 x i32> poison, i32 %t83, i64 0
  %r56 = shufflevector <16 x i32> %t84, <16 x i32> poison, <16 x i32> zeroinitializer
  %r57 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r36, <16 x i32> %r52, <16 x i32> %r56)
  %r58 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r36, <16 x i32> %r53, <16 x i32> %r56)
  %r59 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r36, <16 x i32> %r54, <16 x i32> %r56)
  %r60 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r36, <16 x i32> %r55, <16 x i32> %r56)
  %t85 = inttoptr i64 %r29 to ptr
  %t86 = getelementptr i8, ptr %t85, i64 32
  %t87 = load i32, ptr %t86, align 1
  %t88 = insertelement <16 x i32> poison, i32 %t87, i64 0
  %r61 = shufflevector <16 x i32> %t88, <16 x i32> poison, <16 x i32> zeroinitializer
  %r62 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r40, <16 x i32> %r52, <16 x i32> %r61)
  %t89 = inttoptr i64 %r22 to ptr
  %t90 = getelementptr i8, ptr %t89, i64 4480
  call void @llvm.prefetch.p0(ptr %t90, i32 0, i32 3, i32 1)
  %r63 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r40, <16 x i32> %r53, <16 x i32> %r61)
  %r64 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r40, <16 x i32> %r54, <16 x i32> %r61)
  %r65 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r40, <16 x i32> %r55, <16 x i32> %r61)
  %t91 = inttoptr i64 %r29 to ptr
  %t92 = getelementptr i8, ptr %t91, i64 64
  %t93 = load i32, ptr %t92, align 1
  %t94 = insertelement <16 x i32> poison, i32 %t93, i64 0
  %r66 = shufflevector <16 x i32> %t94, <16 x i32> poison, <16 x i32> zeroinitializer
  %r67 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r44, <16 x i32> %r52, <16 x i32> %r66)
  %r68 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r44, <16 x i32> %r53, <16 x i32> %r66)
  %r69 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r44, <16 x i32> %r54, <16 x i32> %r66)
  %r70 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r44, <16 x i32> %r55, <16 x i32> %r66)
  %t95 = inttoptr i64 %r29 to ptr
  %t96 = getelementptr i8, ptr %t95, i64 96
  %t97 = load i32, ptr %t96, align 1
  %t98 = insertelement <16 x i32> poison, i32 %t97, i64 0
  %r71 = shufflevector <16 x i32> %t98, <16 x i32> poison, <16 x i32> zeroinitializer
  %t99 = inttoptr i64 %r22 to ptr
  %t100 = getelementptr i8, ptr %t99, i64 4544
  call void @llvm.prefetch.p0(ptr %t100, i32 0, i32 3, i32 1)
  %r72 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r48, <16 x i32> %r52, <16 x i32> %r71)
  %r73 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r48, <16 x i32> %r53, <16 x i32> %r71)
  %r74 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r48, <16 x i32> %r54, <16 x i32> %r71)
  %r75 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r48, <16 x i32> %r55, <16 x i32> %r71)
  %t101 = inttoptr i64 %r22 to ptr
  %t102 = getelementptr i8, ptr %t101, i64 64
  %r76 = load <16 x i32>, ptr %t102, align 1
  %t103 = inttoptr i64 %r22 to ptr
  %t104 = getelementptr i8, ptr %t103, i64 69696
  %r77 = load <16 x i32>, ptr %t104, align 1
  %t105 = inttoptr i64 %r22 to ptr
  %t106 = getelementptr i8, ptr %t105, i64 139328
  %r78 = load <16 x i32>, ptr %t106, align 1
  %t107 = inttoptr i64 %r22 to ptr
  %t108 = getelementptr i8, ptr %t107, i64 208960
  %r79 = load <16 x i32>, ptr %t108, align 1
  %t109 = inttoptr i64 %r29 to ptr
  %t110 = getelementptr i8, ptr %t109, i64 4
  %t111 = load i32, ptr %t110, align 1
  %t112 = insertelement <16 x i32> poison, i32 %t111, i64 0
  %r80 = shufflevector <16 x i32> %t112, <16 x i32> poison, <16 x i32> zeroinitializer
  %t113 = inttoptr i64 %r22 to ptr
  %t114 = getelementptr i8, ptr %t113, i64 4608
  call void @llvm.prefetch.p0(ptr %t114, i32 0, i32 3, i32 1)
  %r81 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r57, <16 x i32> %r76, <16 x i32> %r80)
  %r82 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r58, <16 x i32> %r77, <16 x i32> %r80)
  %r83 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r59, <16 x i32> %r78, <16 x i32> %r80)
  %r84 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r60, <16 x i32> %r79, <16 x i32> %r80)
  %t115 = inttoptr i64 %r29 to ptr
  %t116 = getelementptr i8, ptr %t115, i64 36
  %t117 = load i32, ptr %t116, align 1
  %t118 = insertelement <16 x i32> poison, i32 %t117, i64 0
  %r85 = shufflevector <16 x i32> %t118, <16 x i32> poison, <16 x i32> zeroinitializer
  %r86 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r62, <16 x i32> %r76, <16 x i32> %r85)
  %r87 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r63, <16 x i32> %r77, <16 x i32> %r85)
  %r88 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r64, <16 x i32> %r78, <16 x i32> %r85)
  %r89 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r65, <16 x i32> %r79, <16 x i32> %r85)
  %t119 = inttoptr i64 %r22 to ptr
  %t120 = getelementptr i8, ptr %t119, i64 4672
  call void @llvm.prefetch.p0(ptr %t120, i32 0, i32 3, i32 1)
  %t121 = inttoptr i64 %r29 to ptr
  %t122 = getelementptr i8, ptr %t121, i64 68
  %t123 = load i32, ptr %t122, align 1
  %t124 = insertelement <16 x i32> poison, i32 %t123, i64 0
  %r90 = shufflevector <16 x i32> %t124, <16 x i32> poison, <16 x i32> zeroinitializer
  %r91 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r67, <16 x i32> %r76, <16 x i32> %r90)
  %r92 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r68, <16 x i32> %r77, <16 x i32> %r90)
  %r93 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r69, <16 x i32> %r78, <16 x i32> %r90)
  %r94 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r70, <16 x i32> %r79, <16 x i32> %r90)
  %t125 = inttoptr i64 %r29 to ptr
  %t126 = getelementptr i8, ptr %t125, i64 100
  %t127 = load i32, ptr %t126, align 1
  %t128 = insertelement <16 x i32> poison, i32 %t127, i64 0
  %r95 = shufflevector <16 x i32> %t128, <16 x i32> poison, <16 x i32> zeroinitializer
  %r96 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r72, <16 x i32> %r76, <16 x i32> %r95)
  %r97 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r73, <16 x i32> %r77, <16 x i32> %r95)
  %r98 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r74, <16 x i32> %r78, <16 x i32> %r95)
  %r99 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r75, <16 x i32> %r79, <16 x i32> %r95)
  %t129 = inttoptr i64 %r22 to ptr
  %t130 = getelementptr i8, ptr %t129, i64 4736
  call void @llvm.prefetch.p0(ptr %t130, i32 0, i32 3, i32 1)
  %t131 = inttoptr i64 %r22 to ptr
  %t132 = getelementptr i8, ptr %t131, i64 128
  %r100 = load <16 x i32>, ptr %t132, align 1
  %t133 = inttoptr i64 %r22 to ptr
  %t134 = getelementptr i8, ptr %t133, i64 69760
  %r101 = load <16 x i32>, ptr %t134, align 1
  %t135 = inttoptr i64 %r22 to ptr
  %t136 = getelementptr i8, ptr %t135, i64 139392
  %r102 = load <16 x i32>, ptr %t136, align 1
  %t137 = inttoptr i64 %r22 to ptr
  %t138 = getelementptr i8, ptr %t137, i64 209024
  %r103 = load <16 x i32>, ptr %t138, align 1
  %t139 = inttoptr i64 %r29 to ptr
  %t140 = getelementptr i8, ptr %t139, i64 8
  %t141 = load i32, ptr %t140, align 1
  %t142 = insertelement <16 x i32> poison, i32 %t141, i64 0
  %r104 = shufflevector <16 x i32> %t142, <16 x i32> poison, <16 x i32> zeroinitializer
  %r105 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r81, <16 x i32> %r100, <16 x i32> %r104)
  %r106 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r82, <16 x i32> %r101, <16 x i32> %r104)
  %r107 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r83, <16 x i32> %r102, <16 x i32> %r104)
  %r108 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r84, <16 x i32> %r103, <16 x i32> %r104)
  %t143 = inttoptr i64 %r22 to ptr
  %t144 = getelementptr i8, ptr %t143, i64 4800
  call void @llvm.prefetch.p0(ptr %t144, i32 0, i32 3, i32 1)
  %t145 = inttoptr i64 %r29 to ptr
  %t146 = getelementptr i8, ptr %t145, i64 40
  %t147 = load i32, ptr %t146, align 1
  %t148 = insertelement <16 x i32> poison, i32 %t147, i64 0
  %r109 = shufflevector <16 x i32> %t148, <16 x i32> poison, <16 x i32> zeroinitializer
  %r110 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r86, <16 x i32> %r100, <16 x i32> %r109)
  %r111 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r87, <16 x i32> %r101, <16 x i32> %r109)
  %r112 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r88, <16 x i32> %r102, <16 x i32> %r109)
  %r113 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r89, <16 x i32> %r103, <16 x i32> %r109)
  %t149 = inttoptr i64 %r29 to ptr
  %t150 = getelementptr i8, ptr %t149, i64 72
  %t151 = load i32, ptr %t150, align 1
  %t152 = insertelement <16 x i32> poison, i32 %t151, i64 0
  %r114 = shufflevector <16 x i32> %t152, <16 x i32> poison, <16 x i32> zeroinitializer
  %r115 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r91, <16 x i32> %r100, <16 x i32> %r114)
  %r116 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r92, <16 x i32> %r101, <16 x i32> %r114)
  %r117 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r93, <16 x i32> %r102, <16 x i32> %r114)
  %t153 = inttoptr i64 %r22 to ptr
  %t154 = getelementptr i8, ptr %t153, i64 4864
  call void @llvm.prefetch.p0(ptr %t154, i32 0, i32 3, i32 1)
  %r118 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r94, <16 x i32> %r103, <16 x i32> %r114)
  %t155 = inttoptr i64 %r29 to ptr
  %t156 = getelementptr i8, ptr %t155, i64 104
  %t157 = load i32, ptr %t156, align 1
  %t158 = insertelement <16 x i32> poison, i32 %t157, i64 0
  %r119 = shufflevector <16 x i32> %t158, <16 x i32> poison, <16 x i32> zeroinitializer
  %r120 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r96, <16 x i32> %r100, <16 x i32> %r119)
  %r121 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r97, <16 x i32> %r101, <16 x i32> %r119)
  %r122 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r98, <16 x i32> %r102, <16 x i32> %r119)
  %r123 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r99, <16 x i32> %r103, <16 x i32> %r119)
  %t159 = inttoptr i64 %r22 to ptr
  %t160 = getelementptr i8, ptr %t159, i64 192
  %r124 = load <16 x i32>, ptr %t160, align 1
  %t161 = inttoptr i64 %r22 to ptr
  %t162 = getelementptr i8, ptr %t161, i64 69824
  %r125 = load <16 x i32>, ptr %t162, align 1
  %t163 = inttoptr i64 %r22 to ptr
  %t164 = getelementptr i8, ptr %t163, i64 139456
  %r126 = load <16 x i32>, ptr %t164, align 1
  %t165 = inttoptr i64 %r22 to ptr
  %t166 = getelementptr i8, ptr %t165, i64 73984
  call void @llvm.prefetch.p0(ptr %t166, i32 0, i32 3, i32 1)
  %t167 = inttoptr i64 %r22 to ptr
  %t168 = getelementptr i8, ptr %t167, i64 209088
  %r127 = load <16 x i32>, ptr %t168, align 1
  %t169 = inttoptr i64 %r29 to ptr
  %t170 = getelementptr i8, ptr %t169, i64 12
  %t171 = load i32, ptr %t170, align 1
  %t172 = insertelement <16 x i32> poison, i32 %t171, i64 0
  %r128 = shufflevector <16 x i32> %t172, <16 x i32> poison, <16 x i32> zeroinitializer
  %r129 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r105, <16 x i32> %r124, <16 x i32> %r128)
  %r130 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r106, <16 x i32> %r125, <16 x i32> %r128)
  %r131 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r107, <16 x i32> %r126, <16 x i32> %r128)
  %r132 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r108, <16 x i32> %r127, <16 x i32> %r128)
  %t173 = inttoptr i64 %r29 to ptr
  %t174 = getelementptr i8, ptr %t173, i64 44
  %t175 = load i32, ptr %t174, align 1
  %t176 = insertelement <16 x i32> poison, i32 %t175, i64 0
  %r133 = shufflevector <16 x i32> %t176, <16 x i32> poison, <16 x i32> zeroinitializer
  %r134 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r110, <16 x i32> %r124, <16 x i32> %r133)
  %r135 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r111, <16 x i32> %r125, <16 x i32> %r133)
  %t177 = inttoptr i64 %r22 to ptr
  %t178 = getelementptr i8, ptr %t177, i64 74048
  call void @llvm.prefetch.p0(ptr %t178, i32 0, i32 3, i32 1)
  %r136 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r112, <16 x i32> %r126, <16 x i32> %r133)
  %r137 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r113, <16 x i32> %r127, <16 x i32> %r133)
  %t179 = inttoptr i64 %r29 to ptr
  %t180 = getelementptr i8, ptr %t179, i64 76
  %t181 = load i32, ptr %t180, align 1
  %t182 = insertelement <16 x i32> poison, i32 %t181, i64 0
  %r138 = shufflevector <16 x i32> %t182, <16 x i32> poison, <16 x i32> zeroinitializer
  %r139 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r115, <16 x i32> %r124, <16 x i32> %r138)
  %r140 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r116, <16 x i32> %r125, <16 x i32> %r138)
  %r141 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r117, <16 x i32> %r126, <16 x i32> %r138)
  %r142 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r118, <16 x i32> %r127, <16 x i32> %r138)
  %t183 = inttoptr i64 %r29 to ptr
  %t184 = getelementptr i8, ptr %t183, i64 108
  %t185 = load i32, ptr %t184, align 1
  %t186 = insertelement <16 x i32> poison, i32 %t185, i64 0
  %r143 = shufflevector <16 x i32> %t186, <16 x i32> poison, <16 x i32> zeroinitializer
  %r144 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r120, <16 x i32> %r124, <16 x i32> %r143)
  %r145 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r121, <16 x i32> %r125, <16 x i32> %r143)
  %t187 = inttoptr i64 %r22 to ptr
  %t188 = getelementptr i8, ptr %t187, i64 74112
  call void @llvm.prefetch.p0(ptr %t188, i32 0, i32 3, i32 1)
  %r146 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r122, <16 x i32> %r126, <16 x i32> %r143)
  %r147 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r123, <16 x i32> %r127, <16 x i32> %r143)
  %t189 = inttoptr i64 %r22 to ptr
  %t190 = getelementptr i8, ptr %t189, i64 256
  %r148 = load <16 x i32>, ptr %t190, align 1
  %t191 = inttoptr i64 %r22 to ptr
  %t192 = getelementptr i8, ptr %t191, i64 69888
  %r149 = load <16 x i32>, ptr %t192, align 1
  %t193 = inttoptr i64 %r22 to ptr
  %t194 = getelementptr i8, ptr %t193, i64 139520
  %r150 = load <16 x i32>, ptr %t194, align 1
  %t195 = inttoptr i64 %r22 to ptr
  %t196 = getelementptr i8, ptr %t195, i64 209152
  %r151 = load <16 x i32>, ptr %t196, align 1
  %t197 = inttoptr i64 %r29 to ptr
  %t198 = getelementptr i8, ptr %t197, i64 16
  %t199 = load i32, ptr %t198, align 1
  %t200 = insertelement <16 x i32> poison, i32 %t199, i64 0
  %r152 = shufflevector <16 x i32> %t200, <16 x i32> poison, <16 x i32> zeroinitializer
  %r153 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r129, <16 x i32> %r148, <16 x i32> %r152)
  %r154 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r130, <16 x i32> %r149, <16 x i32> %r152)
  %t201 = inttoptr i64 %r22 to ptr
  %t202 = getelementptr i8, ptr %t201, i64 74176
  call void @llvm.prefetch.p0(ptr %t202, i32 0, i32 3, i32 1)
  %r155 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r131, <16 x i32> %r150, <16 x i32> %r152)
  %r156 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r132, <16 x i32> %r151, <16 x i32> %r152)
  %t203 = inttoptr i64 %r29 to ptr
  %t204 = getelementptr i8, ptr %t203, i64 48
  %t205 = load i32, ptr %t204, align 1
  %t206 = insertelement <16 x i32> poison, i32 %t205, i64 0
  %r157 = shufflevector <16 x i32> %t206, <16 x i32> poison, <16 x i32> zeroinitializer
  %r158 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r134, <16 x i32> %r148, <16 x i32> %r157)
  %r159 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r135, <16 x i32> %r149, <16 x i32> %r157)
  %r160 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r136, <16 x i32> %r150, <16 x i32> %r157)
  %r161 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r137, <16 x i32> %r151, <16 x i32> %r157)
  %t207 = inttoptr i64 %r29 to ptr
  %t208 = getelementptr i8, ptr %t207, i64 80
  %t209 = load i32, ptr %t208, align 1
  %t210 = insertelement <16 x i32> poison, i32 %t209, i64 0
  %r162 = shufflevector <16 x i32> %t210, <16 x i32> poison, <16 x i32> zeroinitializer
  %r163 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r139, <16 x i32> %r148, <16 x i32> %r162)
  %t211 = inttoptr i64 %r22 to ptr
  %t212 = getelementptr i8, ptr %t211, i64 74240
  call void @llvm.prefetch.p0(ptr %t212, i32 0, i32 3, i32 1)
  %r164 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r140, <16 x i32> %r149, <16 x i32> %r162)
  %r165 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r141, <16 x i32> %r150, <16 x i32> %r162)
  %r166 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r142, <16 x i32> %r151, <16 x i32> %r162)
  %t213 = inttoptr i64 %r29 to ptr
  %t214 = getelementptr i8, ptr %t213, i64 112
  %t215 = load i32, ptr %t214, align 1
  %t216 = insertelement <16 x i32> poison, i32 %t215, i64 0
  %r167 = shufflevector <16 x i32> %t216, <16 x i32> poison, <16 x i32> zeroinitializer
  %r168 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r144, <16 x i32> %r148, <16 x i32> %r167)
  %r169 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r145, <16 x i32> %r149, <16 x i32> %r167)
  %r170 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r146, <16 x i32> %r150, <16 x i32> %r167)
  %r171 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r147, <16 x i32> %r151, <16 x i32> %r167)
  %t217 = inttoptr i64 %r22 to ptr
  %t218 = getelementptr i8, ptr %t217, i64 320
  %r172 = load <16 x i32>, ptr %t218, align 1
  %t219 = inttoptr i64 %r22 to ptr
  %t220 = getelementptr i8, ptr %t219, i64 74304
  call void @llvm.prefetch.p0(ptr %t220, i32 0, i32 3, i32 1)
  %t221 = inttoptr i64 %r22 to ptr
  %t222 = getelementptr i8, ptr %t221, i64 69952
  %r173 = load <16 x i32>, ptr %t222, align 1
  %t223 = inttoptr i64 %r22 to ptr
  %t224 = getelementptr i8, ptr %t223, i64 139584
  %r174 = load <16 x i32>, ptr %t224, align 1
  %t225 = inttoptr i64 %r22 to ptr
  %t226 = getelementptr i8, ptr %t225, i64 209216
  %r175 = load <16 x i32>, ptr %t226, align 1
  %t227 = inttoptr i64 %r29 to ptr
  %t228 = getelementptr i8, ptr %t227, i64 20
  %t229 = load i32, ptr %t228, align 1
  %t230 = insertelement <16 x i32> poison, i32 %t229, i64 0
  %r176 = shufflevector <16 x i32> %t230, <16 x i32> poison, <16 x i32> zeroinitializer
  %r177 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r153, <16 x i32> %r172, <16 x i32> %r176)
  %r178 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r154, <16 x i32> %r173, <16 x i32> %r176)
  %r179 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r155, <16 x i32> %r174, <16 x i32> %r176)
  %r180 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r156, <16 x i32> %r175, <16 x i32> %r176)
  %t231 = inttoptr i64 %r29 to ptr
  %t232 = getelementptr i8, ptr %t231, i64 52
  %t233 = load i32, ptr %t232, align 1
  %t234 = insertelement <16 x i32> poison, i32 %t233, i64 0
  %r181 = shufflevector <16 x i32> %t234, <16 x i32> poison, <16 x i32> zeroinitializer
  %t235 = inttoptr i64 %r22 to ptr
  %t236 = getelementptr i8, ptr %t235, i64 74368
  call void @llvm.prefetch.p0(ptr %t236, i32 0, i32 3, i32 1)
  %r182 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r158, <16 x i32> %r172, <16 x i32> %r181)
  %r183 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r159, <16 x i32> %r173, <16 x i32> %r181)
  %r184 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r160, <16 x i32> %r174, <16 x i32> %r181)
  %r185 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r161, <16 x i32> %r175, <16 x i32> %r181)
  %t237 = inttoptr i64 %r29 to ptr
  %t238 = getelementptr i8, ptr %t237, i64 84
  %t239 = load i32, ptr %t238, align 1
  %t240 = insertelement <16 x i32> poison, i32 %t239, i64 0
  %r186 = shufflevector <16 x i32> %t240, <16 x i32> poison, <16 x i32> zeroinitializer
  %r187 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r163, <16 x i32> %r172, <16 x i32> %r186)
  %r188 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r164, <16 x i32> %r173, <16 x i32> %r186)
  %r189 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r165, <16 x i32> %r174, <16 x i32> %r186)
  %r190 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r166, <16 x i32> %r175, <16 x i32> %r186)
  %t241 = inttoptr i64 %r29 to ptr
  %t242 = getelementptr i8, ptr %t241, i64 116
  %t243 = load i32, ptr %t242, align 1
  %t244 = insertelement <16 x i32> poison, i32 %t243, i64 0
  %r191 = shufflevector <16 x i32> %t244, <16 x i32> poison, <16 x i32> zeroinitializer
  %t245 = inttoptr i64 %r22 to ptr
  %t246 = getelementptr i8, ptr %t245, i64 74432
  call void @llvm.prefetch.p0(ptr %t246, i32 0, i32 3, i32 1)
  %r192 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r168, <16 x i32> %r172, <16 x i32> %r191)
  %r193 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r169, <16 x i32> %r173, <16 x i32> %r191)
  %r194 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r170, <16 x i32> %r174, <16 x i32> %r191)
  %r195 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r171, <16 x i32> %r175, <16 x i32> %r191)
  %t247 = inttoptr i64 %r22 to ptr
  %t248 = getelementptr i8, ptr %t247, i64 384
  %r196 = load <16 x i32>, ptr %t248, align 1
  %t249 = inttoptr i64 %r22 to ptr
  %t250 = getelementptr i8, ptr %t249, i64 70016
  %r197 = load <16 x i32>, ptr %t250, align 1
  %t251 = inttoptr i64 %r22 to ptr
  %t252 = getelementptr i8, ptr %t251, i64 139648
  %r198 = load <16 x i32>, ptr %t252, align 1
  %t253 = inttoptr i64 %r22 to ptr
  %t254 = getelementptr i8, ptr %t253, i64 209280
  %r199 = load <16 x i32>, ptr %t254, align 1
  %t255 = inttoptr i64 %r29 to ptr
  %t256 = getelementptr i8, ptr %t255, i64 24
  %t257 = load i32, ptr %t256, align 1
  %t258 = insertelement <16 x i32> poison, i32 %t257, i64 0
  %r200 = shufflevector <16 x i32> %t258, <16 x i32> poison, <16 x i32> zeroinitializer
  %t259 = inttoptr i64 %r22 to ptr
  %t260 = getelementptr i8, ptr %t259, i64 74496
  call void @llvm.prefetch.p0(ptr %t260, i32 0, i32 3, i32 1)
  %r201 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r177, <16 x i32> %r196, <16 x i32> %r200)
  %r202 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r178, <16 x i32> %r197, <16 x i32> %r200)
  %r203 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r179, <16 x i32> %r198, <16 x i32> %r200)
  %r204 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r180, <16 x i32> %r199, <16 x i32> %r200)
  %t261 = inttoptr i64 %r29 to ptr
  %t262 = getelementptr i8, ptr %t261, i64 56
  %t263 = load i32, ptr %t262, align 1
  %t264 = insertelement <16 x i32> poison, i32 %t263, i64 0
  %r205 = shufflevector <16 x i32> %t264, <16 x i32> poison, <16 x i32> zeroinitializer
  %r206 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r182, <16 x i32> %r196, <16 x i32> %r205)
  %r207 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r183, <16 x i32> %r197, <16 x i32> %r205)
  %r208 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r184, <16 x i32> %r198, <16 x i32> %r205)
  %r209 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r185, <16 x i32> %r199, <16 x i32> %r205)
  %t265 = inttoptr i64 %r22 to ptr
  %t266 = getelementptr i8, ptr %t265, i64 143616
  call void @llvm.prefetch.p0(ptr %t266, i32 0, i32 3, i32 1)
  %t267 = inttoptr i64 %r29 to ptr
  %t268 = getelementptr i8, ptr %t267, i64 88
  %t269 = load i32, ptr %t268, align 1
  %t270 = insertelement <16 x i32> poison, i32 %t269, i64 0
  %r210 = shufflevector <16 x i32> %t270, <16 x i32> poison, <16 x i32> zeroinitializer
  %r211 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r187, <16 x i32> %r196, <16 x i32> %r210)
  %r212 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r188, <16 x i32> %r197, <16 x i32> %r210)
  %r213 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r189, <16 x i32> %r198, <16 x i32> %r210)
  %r214 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r190, <16 x i32> %r199, <16 x i32> %r210)
  %t271 = inttoptr i64 %r29 to ptr
  %t272 = getelementptr i8, ptr %t271, i64 120
  %t273 = load i32, ptr %t272, align 1
  %t274 = insertelement <16 x i32> poison, i32 %t273, i64 0
  %r215 = shufflevector <16 x i32> %t274, <16 x i32> poison, <16 x i32> zeroinitializer
  %r216 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r192, <16 x i32> %r196, <16 x i32> %r215)
  %r217 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r193, <16 x i32> %r197, <16 x i32> %r215)
  %r218 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r194, <16 x i32> %r198, <16 x i32> %r215)
  %t275 = inttoptr i64 %r22 to ptr
  %t276 = getelementptr i8, ptr %t275, i64 143680
  call void @llvm.prefetch.p0(ptr %t276, i32 0, i32 3, i32 1)
  %r219 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r195, <16 x i32> %r199, <16 x i32> %r215)
  %t277 = inttoptr i64 %r22 to ptr
  %t278 = getelementptr i8, ptr %t277, i64 448
  %r220 = load <16 x i32>, ptr %t278, align 1
  %t279 = inttoptr i64 %r22 to ptr
  %t280 = getelementptr i8, ptr %t279, i64 70080
  %r221 = load <16 x i32>, ptr %t280, align 1
  %t281 = inttoptr i64 %r22 to ptr
  %t282 = getelementptr i8, ptr %t281, i64 139712
  %r222 = load <16 x i32>, ptr %t282, align 1
  %t283 = inttoptr i64 %r22 to ptr
  %t284 = getelementptr i8, ptr %t283, i64 209344
  %r223 = load <16 x i32>, ptr %t284, align 1
  %t285 = inttoptr i64 %r29 to ptr
  %t286 = getelementptr i8, ptr %t285, i64 28
  %t287 = load i32, ptr %t286, align 1
  %t288 = insertelement <16 x i32> poison, i32 %t287, i64 0
  %r224 = shufflevector <16 x i32> %t288, <16 x i32> poison, <16 x i32> zeroinitializer
  %r225 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r201, <16 x i32> %r220, <16 x i32> %r224)
  %r226 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r202, <16 x i32> %r221, <16 x i32> %r224)
  %r227 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r203, <16 x i32> %r222, <16 x i32> %r224)
  %t289 = inttoptr i64 %r22 to ptr
  %t290 = getelementptr i8, ptr %t289, i64 143744
  call void @llvm.prefetch.p0(ptr %t290, i32 0, i32 3, i32 1)
  %r228 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r204, <16 x i32> %r223, <16 x i32> %r224)
  %t291 = inttoptr i64 %r29 to ptr
  %t292 = getelementptr i8, ptr %t291, i64 60
  %t293 = load i32, ptr %t292, align 1
  %t294 = insertelement <16 x i32> poison, i32 %t293, i64 0
  %r229 = shufflevector <16 x i32> %t294, <16 x i32> poison, <16 x i32> zeroinitializer
  %r230 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r206, <16 x i32> %r220, <16 x i32> %r229)
  %r231 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r207, <16 x i32> %r221, <16 x i32> %r229)
  %r232 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r208, <16 x i32> %r222, <16 x i32> %r229)
  %r233 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r209, <16 x i32> %r223, <16 x i32> %r229)
  %t295 = inttoptr i64 %r29 to ptr
  %t296 = getelementptr i8, ptr %t295, i64 92
  %t297 = load i32, ptr %t296, align 1
  %t298 = insertelement <16 x i32> poison, i32 %t297, i64 0
  %r234 = shufflevector <16 x i32> %t298, <16 x i32> poison, <16 x i32> zeroinitializer
  %r235 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r211, <16 x i32> %r220, <16 x i32> %r234)
  %r236 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r212, <16 x i32> %r221, <16 x i32> %r234)
  %r237 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r213, <16 x i32> %r222, <16 x i32> %r234)
  %t299 = inttoptr i64 %r22 to ptr
  %t300 = getelementptr i8, ptr %t299, i64 143808
  call void @llvm.prefetch.p0(ptr %t300, i32 0, i32 3, i32 1)
  %r238 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r214, <16 x i32> %r223, <16 x i32> %r234)
  %t301 = inttoptr i64 %r29 to ptr
  %t302 = getelementptr i8, ptr %t301, i64 124
  %t303 = load i32, ptr %t302, align 1
  %t304 = insertelement <16 x i32> poison, i32 %t303, i64 0
  %r239 = shufflevector <16 x i32> %t304, <16 x i32> poison, <16 x i32> zeroinitializer
  %r240 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r216, <16 x i32> %r220, <16 x i32> %r239)
  %r241 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r217, <16 x i32> %r221, <16 x i32> %r239)
  %r242 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r218, <16 x i32> %r222, <16 x i32> %r239)
  %r243 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r219, <16 x i32> %r223, <16 x i32> %r239)
  %r246 = add i64 %r245, %r32
  %r247 = sitofp <16 x i32> %r225 to <16 x float>
  %t305 = inttoptr i64 %r22 to ptr
  %t306 = getelementptr i8, ptr %t305, i64 512
  %t307 = load <16 x i16>, ptr %t306, align 1
  %r248 = zext <16 x i16> %t307 to <16 x i32>
  %t308 = inttoptr i64 %r22 to ptr
  %t309 = getelementptr i8, ptr %t308, i64 143872
  call void @llvm.prefetch.p0(ptr %t309, i32 0, i32 3, i32 1)
  %t310 = trunc <16 x i32> %r248 to <16 x i16>
  %t311 = bitcast <16 x i16> %t310 to <16 x half>
  %r249 = fpext <16 x half> %t311 to <16 x float>
  %t312 = inttoptr i64 %r246 to ptr
  %t313 = load float, ptr %t312, align 1
  %t314 = insertelement <16 x float> poison, float %t313, i64 0
  %r250 = shufflevector <16 x float> %t314, <16 x float> poison, <16 x i32> zeroinitializer
  %r251 = fmul <16 x float> %r249, %r250
  %t315 = inttoptr i64 %r9 to ptr
  %t316 = getelementptr i8, ptr %t315, i64 128
  %r252 = load <16 x float>, ptr %t316, align 1
  %r253 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r247, <16 x float> %r251, <16 x float> %r252)
  %t317 = inttoptr i64 %r9 to ptr
  %t318 = getelementptr i8, ptr %t317, i64 128
  store <16 x float> %r253, ptr %t318, align 1
  %r254 = sitofp <16 x i32> %r226 to <16 x float>
  %t319 = inttoptr i64 %r22 to ptr
  %t320 = getelementptr i8, ptr %t319, i64 70144
  %t321 = load <16 x i16>, ptr %t320, align 1
  %r255 = zext <16 x i16> %t321 to <16 x i32>
  %t322 = trunc <16 x i32> %r255 to <16 x i16>
  %t323 = bitcast <16 x i16> %t322 to <16 x half>
  %r256 = fpext <16 x half> %t323 to <16 x float>
  %t324 = inttoptr i64 %r22 to ptr
  %t325 = getelementptr i8, ptr %t324, i64 143936
  call void @llvm.prefetch.p0(ptr %t325, i32 0, i32 3, i32 1)
  %t326 = inttoptr i64 %r246 to ptr
  %t327 = load float, ptr %t326, align 1
  %t328 = insertelement <16 x float> poison, float %t327, i64 0
  %r257 = shufflevector <16 x float> %t328, <16 x float> poison, <16 x i32> zeroinitializer
  %r258 = fmul <16 x float> %r256, %r257
  %t329 = inttoptr i64 %r9 to ptr
  %t330 = getelementptr i8, ptr %t329, i64 192
  %r259 = load <16 x float>, ptr %t330, align 1
  %r260 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r254, <16 x float> %r258, <16 x float> %r259)
  %t331 = inttoptr i64 %r9 to ptr
  %t332 = getelementptr i8, ptr %t331, i64 192
  store <16 x float> %r260, ptr %t332, align 1
  %r261 = sitofp <16 x i32> %r227 to <16 x float>
  %t333 = inttoptr i64 %r22 to ptr
  %t334 = getelementptr i8, ptr %t333, i64 139776
  %t335 = load <16 x i16>, ptr %t334, align 1
  %r262 = zext <16 x i16> %t335 to <16 x i32>
  %t336 = trunc <16 x i32> %r262 to <16 x i16>
  %t337 = bitcast <16 x i16> %t336 to <16 x half>
  %r263 = fpext <16 x half> %t337 to <16 x float>
  %t338 = inttoptr i64 %r246 to ptr
  %t339 = load float, ptr %t338, align 1
  %t340 = insertelement <16 x float> poison, float %t339, i64 0
  %r264 = shufflevector <16 x float> %t340, <16 x float> poison, <16 x i32> zeroinitializer
  %t341 = inttoptr i64 %r22 to ptr
  %t342 = getelementptr i8, ptr %t341, i64 144000
  call void @llvm.prefetch.p0(ptr %t342, i32 0, i32 3, i32 1)
  %r265 = fmul <16 x float> %r263, %r264
  %t343 = inttoptr i64 %r9 to ptr
  %t344 = getelementptr i8, ptr %t343, i64 256
  %r266 = load <16 x float>, ptr %t344, align 1
  %r267 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r261, <16 x float> %r265, <16 x float> %r266)
  %t345 = inttoptr i64 %r9 to ptr
  %t346 = getelementptr i8, ptr %t345, i64 256
  store <16 x float> %r267, ptr %t346, align 1
  %r268 = sitofp <16 x i32> %r228 to <16 x float>
  %t347 = inttoptr i64 %r22 to ptr
  %t348 = getelementptr i8, ptr %t347, i64 209408
  %t349 = load <16 x i16>, ptr %t348, align 1
  %r269 = zext <16 x i16> %t349 to <16 x i32>
  %t350 = trunc <16 x i32> %r269 to <16 x i16>
  %t351 = bitcast <16 x i16> %t350 to <16 x half>
  %r270 = fpext <16 x half> %t351 to <16 x float>
  %t352 = inttoptr i64 %r246 to ptr
  %t353 = load float, ptr %t352, align 1
  %t354 = insertelement <16 x float> poison, float %t353, i64 0
  %r271 = shufflevector <16 x float> %t354, <16 x float> poison, <16 x i32> zeroinitializer
  %r272 = fmul <16 x float> %r270, %r271
  %t355 = inttoptr i64 %r22 to ptr
  %t356 = getelementptr i8, ptr %t355, i64 144064
  call void @llvm.prefetch.p0(ptr %t356, i32 0, i32 3, i32 1)
  %t357 = inttoptr i64 %r9 to ptr
  %t358 = getelementptr i8, ptr %t357, i64 320
  %r273 = load <16 x float>, ptr %t358, align 1
  %r274 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r268, <16 x float> %r272, <16 x float> %r273)
  %t359 = inttoptr i64 %r9 to ptr
  %t360 = getelementptr i8, ptr %t359, i64 320
  store <16 x float> %r274, ptr %t360, align 1
  %r275 = sitofp <16 x i32> %r230 to <16 x float>
  %t361 = inttoptr i64 %r22 to ptr
  %t362 = getelementptr i8, ptr %t361, i64 512
  %t363 = load <16 x i16>, ptr %t362, align 1
  %r276 = zext <16 x i16> %t363 to <16 x i32>
  %t364 = trunc <16 x i32> %r276 to <16 x i16>
  %t365 = bitcast <16 x i16> %t364 to <16 x half>
  %r277 = fpext <16 x half> %t365 to <16 x float>
  %t366 = inttoptr i64 %r246 to ptr
  %t367 = getelementptr i8, ptr %t366, i64 4
  %t368 = load float, ptr %t367, align 1
  %t369 = insertelement <16 x float> poison, float %t368, i64 0
  %r278 = shufflevector <16 x float> %t369, <16 x float> poison, <16 x i32> zeroinitializer
  %r279 = fmul <16 x float> %r277, %r278
  %t370 = inttoptr i64 %r9 to ptr
  %t371 = getelementptr i8, ptr %t370, i64 384
  %r280 = load <16 x float>, ptr %t371, align 1
  %r281 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r275, <16 x float> %r279, <16 x float> %r280)
  %t372 = inttoptr i64 %r22 to ptr
  %t373 = getelementptr i8, ptr %t372, i64 144128
  call void @llvm.prefetch.p0(ptr %t373, i32 0, i32 3, i32 1)
  %t374 = inttoptr i64 %r9 to ptr
  %t375 = getelementptr i8, ptr %t374, i64 384
  store <16 x float> %r281, ptr %t375, align 1
  %r282 = sitofp <16 x i32> %r231 to <16 x float>
  %t376 = inttoptr i64 %r22 to ptr
  %t377 = getelementptr i8, ptr %t376, i64 70144
  %t378 = load <16 x i16>, ptr %t377, align 1
  %r283 = zext <16 x i16> %t378 to <16 x i32>
  %t379 = trunc <16 x i32> %r283 to <16 x i16>
  %t380 = bitcast <16 x i16> %t379 to <16 x half>
  %r284 = fpext <16 x half> %t380 to <16 x float>
  %t381 = inttoptr i64 %r246 to ptr
  %t382 = getelementptr i8, ptr %t381, i64 4
  %t383 = load float, ptr %t382, align 1
  %t384 = insertelement <16 x float> poison, float %t383, i64 0
  %r285 = shufflevector <16 x float> %t384, <16 x float> poison, <16 x i32> zeroinitializer
  %r286 = fmul <16 x float> %r284, %r285
  %t385 = inttoptr i64 %r9 to ptr
  %t386 = getelementptr i8, ptr %t385, i64 448
  %r287 = load <16 x float>, ptr %t386, align 1
  %r288 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r282, <16 x float> %r286, <16 x float> %r287)
  %t387 = inttoptr i64 %r9 to ptr
  %t388 = getelementptr i8, ptr %t387, i64 448
  store <16 x float> %r288, ptr %t388, align 1
  %t389 = inttoptr i64 %r22 to ptr
  %t390 = getelementptr i8, ptr %t389, i64 213248
  call void @llvm.prefetch.p0(ptr %t390, i32 0, i32 3, i32 1)
  %r289 = sitofp <16 x i32> %r232 to <16 x float>
  %t391 = inttoptr i64 %r22 to ptr
  %t392 = getelementptr i8, ptr %t391, i64 139776
  %t393 = load <16 x i16>, ptr %t392, align 1
  %r290 = zext <16 x i16> %t393 to <16 x i32>
  %t394 = trunc <16 x i32> %r290 to <16 x i16>
  %t395 = bitcast <16 x i16> %t394 to <16 x half>
  %r291 = fpext <16 x half> %t395 to <16 x float>
  %t396 = inttoptr i64 %r246 to ptr
  %t397 = getelementptr i8, ptr %t396, i64 4
  %t398 = load float, ptr %t397, align 1
  %t399 = insertelement <16 x float> poison, float %t398, i64 0
  %r292 = shufflevector <16 x float> %t399, <16 x float> poison, <16 x i32> zeroinitializer
  %r293 = fmul <16 x float> %r291, %r292
  %t400 = inttoptr i64 %r9 to ptr
  %t401 = getelementptr i8, ptr %t400, i64 512
  %r294 = load <16 x float>, ptr %t401, align 1
  %r295 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r289, <16 x float> %r293, <16 x float> %r294)
  %t402 = inttoptr i64 %r9 to ptr
  %t403 = getelementptr i8, ptr %t402, i64 512
  store <16 x float> %r295, ptr %t403, align 1
  %r296 = sitofp <16 x i32> %r233 to <16 x float>
  %t404 = inttoptr i64 %r22 to ptr
  %t405 = getelementptr i8, ptr %t404, i64 213312
  call void @llvm.prefetch.p0(ptr %t405, i32 0, i32 3, i32 1)
  %t406 = inttoptr i64 %r22 to ptr
  %t407 = getelementptr i8, ptr %t406, i64 209408
  %t408 = load <16 x i16>, ptr %t407, align 1
  %r297 = zext <16 x i16> %t408 to <16 x i32>
  %t409 = trunc <16 x i32> %r297 to <16 x i16>
  %t410 = bitcast <16 x i16> %t409 to <16 x half>
  %r298 = fpext <16 x half> %t410 to <16 x float>
  %t411 = inttoptr i64 %r246 to ptr
  %t412 = getelementptr i8, ptr %t411, i64 4
  %t413 = load float, ptr %t412, align 1
  %t414 = insertelement <16 x float> poison, float %t413, i64 0
  %r299 = shufflevector <16 x float> %t414, <16 x float> poison, <16 x i32> zeroinitializer
  %r300 = fmul <16 x float> %r298, %r299
  %t415 = inttoptr i64 %r9 to ptr
  %t416 = getelementptr i8, ptr %t415, i64 576
  %r301 = load <16 x float>, ptr %t416, align 1
  %r302 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r296, <16 x float> %r300, <16 x float> %r301)
  %t417 = inttoptr i64 %r9 to ptr
  %t418 = getelementptr i8, ptr %t417, i64 576
  store <16 x float> %r302, ptr %t418, align 1
  %r303 = sitofp <16 x i32> %r235 to <16 x float>
  %t419 = inttoptr i64 %r22 to ptr
  %t420 = getelementptr i8, ptr %t419, i64 512
  %t421 = load <16 x i16>, ptr %t420, align 1
  %r304 = zext <16 x i16> %t421 to <16 x i32>
  %t422 = inttoptr i64 %r22 to ptr
  %t423 = getelementptr i8, ptr %t422, i64 213376
  call void @llvm.prefetch.p0(ptr %t423, i32 0, i32 3, i32 1)
  %t424 = trunc <16 x i32> %r304 to <16 x i16>
  %t425 = bitcast <16 x i16> %t424 to <16 x half>
  %r305 = fpext <16 x half> %t425 to <16 x float>
  %t426 = inttoptr i64 %r246 to ptr
  %t427 = getelementptr i8, ptr %t426, i64 8
  %t428 = load float, ptr %t427, align 1
  %t429 = insertelement <16 x float> poison, float %t428, i64 0
  %r306 = shufflevector <16 x float> %t429, <16 x float> poison, <16 x i32> zeroinitializer
  %r307 = fmul <16 x float> %r305, %r306
  %t430 = inttoptr i64 %r9 to ptr
  %t431 = getelementptr i8, ptr %t430, i64 640
  %r308 = load <16 x float>, ptr %t431, align 1
  %r309 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r303, <16 x float> %r307, <16 x float> %r308)
  %t432 = inttoptr i64 %r9 to ptr
  %t433 = getelementptr i8, ptr %t432, i64 640
  store <16 x float> %r309, ptr %t433, align 1
  %r310 = sitofp <16 x i32> %r236 to <16 x float>
  %t434 = inttoptr i64 %r22 to ptr
  %t435 = getelementptr i8, ptr %t434, i64 70144
  %t436 = load <16 x i16>, ptr %t435, align 1
  %r311 = zext <16 x i16> %t436 to <16 x i32>
  %t437 = trunc <16 x i32> %r311 to <16 x i16>
  %t438 = bitcast <16 x i16> %t437 to <16 x half>
  %r312 = fpext <16 x half> %t438 to <16 x float>
  %t439 = inttoptr i64 %r22 to ptr
  %t440 = getelementptr i8, ptr %t439, i64 213440
  call void @llvm.prefetch.p0(ptr %t440, i32 0, i32 3, i32 1)
  %t441 = inttoptr i64 %r246 to ptr
  %t442 = getelementptr i8, ptr %t441, i64 8
  %t443 = load float, ptr %t442, align 1
  %t444 = insertelement <16 x float> poison, float %t443, i64 0
  %r313 = shufflevector <16 x float> %t444, <16 x float> poison, <16 x i32> zeroinitializer
  %r314 = fmul <16 x float> %r312, %r313
  %t445 = inttoptr i64 %r9 to ptr
  %t446 = getelementptr i8, ptr %t445, i64 704
  %r315 = load <16 x float>, ptr %t446, align 1
  %r316 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r310, <16 x float> %r314, <16 x float> %r315)
  %t447 = inttoptr i64 %r9 to ptr
  %t448 = getelementptr i8, ptr %t447, i64 704
  store <16 x float> %r316, ptr %t448, align 1
  %r317 = sitofp <16 x i32> %r237 to <16 x float>
  %t449 = inttoptr i64 %r22 to ptr
  %t450 = getelementptr i8, ptr %t449, i64 139776
  %t451 = load <16 x i16>, ptr %t450, align 1
  %r318 = zext <16 x i16> %t451 to <16 x i32>
  %t452 = trunc <16 x i32> %r318 to <16 x i16>
  %t453 = bitcast <16 x i16> %t452 to <16 x half>
  %r319 = fpext <16 x half> %t453 to <16 x float>
  %t454 = inttoptr i64 %r246 to ptr
  %t455 = getelementptr i8, ptr %t454, i64 8
  %t456 = load float, ptr %t455, align 1
  %t457 = insertelement <16 x float> poison, float %t456, i64 0
  %r320 = shufflevector <16 x float> %t457, <16 x float> poison, <16 x i32> zeroinitializer
  %r321 = fmul <16 x float> %r319, %r320
  %t458 = inttoptr i64 %r22 to ptr
  %t459 = getelementptr i8, ptr %t458, i64 213504
  call void @llvm.prefetch.p0(ptr %t459, i32 0, i32 3, i32 1)
  %t460 = inttoptr i64 %r9 to ptr
  %t461 = getelementptr i8, ptr %t460, i64 768
  %r322 = load <16 x float>, ptr %t461, align 1
  %r323 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r317, <16 x float> %r321, <16 x float> %r322)
  %t462 = inttoptr i64 %r9 to ptr
  %t463 = getelementptr i8, ptr %t462, i64 768
  store <16 x float> %r323, ptr %t463, align 1
  %r324 = sitofp <16 x i32> %r238 to <16 x float>
  %t464 = inttoptr i64 %r22 to ptr
  %t465 = getelementptr i8, ptr %t464, i64 209408
  %t466 = load <16 x i16>, ptr %t465, align 1
  %r325 = zext <16 x i16> %t466 to <16 x i32>
  %t467 = trunc <16 x i32> %r325 to <16 x i16>
  %t468 = bitcast <16 x i16> %t467 to <16 x half>
  %r326 = fpext <16 x half> %t468 to <16 x float>
  %t469 = inttoptr i64 %r246 to ptr
  %t470 = getelementptr i8, ptr %t469, i64 8
  %t471 = load float, ptr %t470, align 1
  %t472 = insertelement <16 x float> poison, float %t471, i64 0
  %r327 = shufflevector <16 x float> %t472, <16 x float> poison, <16 x i32> zeroinitializer
  %r328 = fmul <16 x float> %r326, %r327
  %t473 = inttoptr i64 %r9 to ptr
  %t474 = getelementptr i8, ptr %t473, i64 832
  %r329 = load <16 x float>, ptr %t474, align 1
  %t475 = inttoptr i64 %r22 to ptr
  %t476 = getelementptr i8, ptr %t475, i64 213568
  call void @llvm.prefetch.p0(ptr %t476, i32 0, i32 3, i32 1)
  %r330 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r324, <16 x float> %r328, <16 x float> %r329)
  %t477 = inttoptr i64 %r9 to ptr
  %t478 = getelementptr i8, ptr %t477, i64 832
  store <16 x float> %r330, ptr %t478, align 1
  %r331 = sitofp <16 x i32> %r240 to <16 x float>
  %t479 = inttoptr i64 %r22 to ptr
  %t480 = getelementptr i8, ptr %t479, i64 512
  %t481 = load <16 x i16>, ptr %t480, align 1
  %r332 = zext <16 x i16> %t481 to <16 x i32>
  %t482 = trunc <16 x i32> %r332 to <16 x i16>
  %t483 = bitcast <16 x i16> %t482 to <16 x half>
  %r333 = fpext <16 x half> %t483 to <16 x float>
  %t484 = inttoptr i64 %r246 to ptr
  %t485 = getelementptr i8, ptr %t484, i64 12
  %t486 = load float, ptr %t485, align 1
  %t487 = insertelement <16 x float> poison, float %t486, i64 0
  %r334 = shufflevector <16 x float> %t487, <16 x float> poison, <16 x i32> zeroinitializer
  %r335 = fmul <16 x float> %r333, %r334
  %t488 = inttoptr i64 %r9 to ptr
  %t489 = getelementptr i8, ptr %t488, i64 896
  %r336 = load <16 x float>, ptr %t489, align 1
  %r337 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r331, <16 x float> %r335, <16 x float> %r336)
  %t490 = inttoptr i64 %r22 to ptr
  %t491 = getelementptr i8, ptr %t490, i64 213632
  call void @llvm.prefetch.p0(ptr %t491, i32 0, i32 3, i32 1)
  %t492 = inttoptr i64 %r9 to ptr
  %t493 = getelementptr i8, ptr %t492, i64 896
  store <16 x float> %r337, ptr %t493, align 1
  %r338 = sitofp <16 x i32> %r241 to <16 x float>
  %t494 = inttoptr i64 %r22 to ptr
  %t495 = getelementptr i8, ptr %t494, i64 70144
  %t496 = load <16 x i16>, ptr %t495, align 1
  %r339 = zext <16 x i16> %t496 to <16 x i32>
  %t497 = trunc <16 x i32> %r339 to <16 x i16>
  %t498 = bitcast <16 x i16> %t497 to <16 x half>
  %r340 = fpext <16 x half> %t498 to <16 x float>
  %t499 = inttoptr i64 %r246 to ptr
  %t500 = getelementptr i8, ptr %t499, i64 12
  %t501 = load float, ptr %t500, align 1
  %t502 = insertelement <16 x float> poison, float %t501, i64 0
  %r341 = shufflevector <16 x float> %t502, <16 x float> poison, <16 x i32> zeroinitializer
  %r342 = fmul <16 x float> %r340, %r341
  %t503 = inttoptr i64 %r9 to ptr
  %t504 = getelementptr i8, ptr %t503, i64 960
  %r343 = load <16 x float>, ptr %t504, align 1
  %r344 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r338, <16 x float> %r342, <16 x float> %r343)
  %t505 = inttoptr i64 %r9 to ptr
  %t506 = getelementptr i8, ptr %t505, i64 960
  store <16 x float> %r344, ptr %t506, align 1
  %t507 = inttoptr i64 %r22 to ptr
  %t508 = getelementptr i8, ptr %t507, i64 213696
  call void @llvm.prefetch.p0(ptr %t508, i32 0, i32 3, i32 1)
  %r345 = sitofp <16 x i32> %r242 to <16 x float>
  %t509 = inttoptr i64 %r22 to ptr
  %t510 = getelementptr i8, ptr %t509, i64 139776
  %t511 = load <16 x i16>, ptr %t510, align 1
  %r346 = zext <16 x i16> %t511 to <16 x i32>
  %t512 = trunc <16 x i32> %r346 to <16 x i16>
  %t513 = bitcast <16 x i16> %t512 to <16 x half>
  %r347 = fpext <16 x half> %t513 to <16 x float>
  %t514 = inttoptr i64 %r246 to ptr
  %t515 = getelementptr i8, ptr %t514, i64 12
  %t516 = load float, ptr %t515, align 1
  %t517 = insertelement <16 x float> poison, float %t516, i64 0
  %r348 = shufflevector <16 x float> %t517, <16 x float> poison, <16 x i32> zeroinitializer
  %r349 = fmul <16 x float> %r347, %r348
  %t518 = inttoptr i64 %r9 to ptr
  %t519 = getelementptr i8, ptr %t518, i64 1024
  %r350 = load <16 x float>, ptr %t519, align 1
  %r351 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r345, <16 x float> %r349, <16 x float> %r350)
  %t520 = inttoptr i64 %r9 to ptr
  %t521 = getelementptr i8, ptr %t520, i64 1024
  store <16 x float> %r351, ptr %t521, align 1
  %r352 = sitofp <16 x i32> %r243 to <16 x float>
  %t522 = inttoptr i64 %r22 to ptr
  %t523 = getelementptr i8, ptr %t522, i64 213760
  call void @llvm.prefetch.p0(ptr %t523, i32 0, i32 3, i32 1)
  %t524 = inttoptr i64 %r22 to ptr
  %t525 = getelementptr i8, ptr %t524, i64 209408
  %t526 = load <16 x i16>, ptr %t525, align 1
  %r353 = zext <16 x i16> %t526 to <16 x i32>
  %t527 = trunc <16 x i32> %r353 to <16 x i16>
  %t528 = bitcast <16 x i16> %t527 to <16 x half>
  %r354 = fpext <16 x half> %t528 to <16 x float>
  %t529 = inttoptr i64 %r246 to ptr
  %t530 = getelementptr i8, ptr %t529, i64 12
  %t531 = load float, ptr %t530, align 1
  %t532 = insertelement <16 x float> poison, float %t531, i64 0
  %r355 = shufflevector <16 x float> %t532, <16 x float> poison, <16 x i32> zeroinitializer
  %r356 = fmul <16 x float> %r354, %r355
  %t533 = inttoptr i64 %r9 to ptr
  %t534 = getelementptr i8, ptr %t533, i64 1088
  %r357 = load <16 x float>, ptr %t534, align 1
  %r358 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r352, <16 x float> %r356, <16 x float> %r357)
  %t535 = inttoptr i64 %r9 to ptr
  %t536 = getelementptr i8, ptr %t535, i64 1088
  store <16 x float> %r358, ptr %t536, align 1
  %r532 = add i64 %r26, %r25
  %r535 = add i64 %r32, %r31
  %t537 = add i64 %r11, 1
  %t538 = icmp slt i64 %t537, 128
  br i1 %t538, label %body54, label %exit54
exit54:
  %r533 = phi i64 [ 0, %body20 ], [ %r532, %body54 ]
  %r536 = phi i64 [ 0, %body20 ], [ %r535, %body54 ]
  %r361 = mul i64 %r8, %r360
  %r365 = add i64 %r364, %r361
  %t539 = inttoptr i64 %r9 to ptr
  %t540 = getelementptr i8, ptr %t539, i64 128
  %r366 = load <16 x float>, ptr %t540, align 1
  %t541 = inttoptr i64 %r365 to ptr
  store <16 x float> %r366, ptr %t541, align 1
  %t542 = inttoptr i64 %r9 to ptr
  %t543 = getelementptr i8, ptr %t542, i64 192
  %r367 = load <16 x float>, ptr %t543, align 1
  %t544 = inttoptr i64 %r365 to ptr
  %t545 = getelementptr i8, ptr %t544, i64 64
  store <16 x float> %r367, ptr %t545, align 1
  %t546 = inttoptr i64 %r9 to ptr
  %t547 = getelementptr i8, ptr %t546, i64 256
  %r368 = load <16 x float>, ptr %t547, align 1
  %t548 = inttoptr i64 %r365 to ptr
  %t549 = getelementptr i8, ptr %t548, i64 128
  store <16 x float> %r368, ptr %t549, align 1
  %t550 = inttoptr i64 %r9 to ptr
  %t551 = getelementptr i8, ptr %t550, i64 320
  %r369 = load <16 x float>, ptr %t551, align 1
  %t552 = inttoptr i64 %r365 to ptr
  %t553 = getelementptr i8, ptr %t552, i64 192
  store <16 x float> %r369, ptr %t553, align 1
  %t554 = inttoptr i64 %r9 to ptr
  %t555 = getelementptr i8, ptr %t554, i64 384
  %r370 = load <16 x float>, ptr %t555, align 1
  %r371 = add i64 %r365, %r360
  %t556 = inttoptr i64 %r371 to ptr
  store <16 x float> %r370, ptr %t556, align 1
  %t557 = inttoptr i64 %r9 to ptr
  %t558 = getelementptr i8, ptr %t557, i64 448
  %r372 = load <16 x float>, ptr %t558, align 1
  %t559 = inttoptr i64 %r371 to ptr
  %t560 = getelementptr i8, ptr %t559, i64 64
  store <16 x float> %r372, ptr %t560, align 1
  %t561 = inttoptr i64 %r9 to ptr
  %t562 = getelementptr i8, ptr %t561, i64 512
  %r373 = load <16 x float>, ptr %t562, align 1
  %t563 = inttoptr i64 %r371 to ptr
  %t564 = getelementptr i8, ptr %t563, i64 128
  store <16 x float> %r373, ptr %t564, align 1
  %t565 = inttoptr i64 %r9 to ptr
  %t566 = getelementptr i8, ptr %t565, i64 576
  %r374 = load <16 x float>, ptr %t566, align 1
  %t567 = inttoptr i64 %r371 to ptr
  %t568 = getelementptr i8, ptr %t567, i64 192
  store <16 x float> %r374, ptr %t568, align 1
  %t569 = inttoptr i64 %r9 to ptr
  %t570 = getelementptr i8, ptr %t569, i64 640
  %r375 = load <16 x float>, ptr %t570, align 1
  %r377 = add i64 %r365, %r376
  %t571 = inttoptr i64 %r377 to ptr
  store <16 x float> %r375, ptr %t571, align 1
  %t572 = inttoptr i64 %r9 to ptr
  %t573 = getelementptr i8, ptr %t572, i64 704
  %r378 = load <16 x float>, ptr %t573, align 1
  %t574 = inttoptr i64 %r377 to ptr
  %t575 = getelementptr i8, ptr %t574, i64 64
  store <16 x float> %r378, ptr %t575, align 1
  %t576 = inttoptr i64 %r9 to ptr
  %t577 = getelementptr i8, ptr %t576, i64 768
  %r379 = load <16 x float>, ptr %t577, align 1
  %t578 = inttoptr i64 %r377 to ptr
  %t579 = getelementptr i8, ptr %t578, i64 128
  store <16 x float> %r379, ptr %t579, align 1
  %t580 = inttoptr i64 %r9 to ptr
  %t581 = getelementptr i8, ptr %t580, i64 832
  %r380 = load <16 x float>, ptr %t581, align 1
  %t582 = inttoptr i64 %r377 to ptr
  %t583 = getelementptr i8, ptr %t582, i64 192
  store <16 x float> %r380, ptr %t583, align 1
  %t584 = inttoptr i64 %r9 to ptr
  %t585 = getelementptr i8, ptr %t584, i64 896
  %r381 = load <16 x float>, ptr %t585, align 1
  %r383 = add i64 %r365, %r382
  %t586 = inttoptr i64 %r383 to ptr
  store <16 x float> %r381, ptr %t586, align 1
  %t587 = inttoptr i64 %r9 to ptr
  %t588 = getelementptr i8, ptr %t587, i64 960
  %r384 = load <16 x float>, ptr %t588, align 1
  %t589 = inttoptr i64 %r383 to ptr
  %t590 = getelementptr i8, ptr %t589, i64 64
  store <16 x float> %r384, ptr %t590, align 1
  %t591 = inttoptr i64 %r9 to ptr
  %t592 = getelementptr i8, ptr %t591, i64 1024
  %r385 = load <16 x float>, ptr %t592, align 1
  %t593 = inttoptr i64 %r383 to ptr
  %t594 = getelementptr i8, ptr %t593, i64 128
  store <16 x float> %r385, ptr %t594, align 1
  %t595 = inttoptr i64 %r9 to ptr
  %t596 = getelementptr i8, ptr %t595, i64 1088
  %r386 = load <16 x float>, ptr %t596, align 1
  %t597 = inttoptr i64 %r383 to ptr
  %t598 = getelementptr i8, ptr %t597, i64 192
  store <16 x float> %r386, ptr %t598, align 1
  %t599 = add i64 %r8, 4
  %t600 = icmp slt i64 %t599, %r7
  br i1 %t600, label %body20, label %exit20
exit20:
  %t602 = icmp slt i64 %r7, %r387
  br i1 %t602, label %body601, label %exit601
body601:
  %r388 = phi i64 [ %r7, %exit20 ], [ %t806, %exit603 ]
  %r407 = mul i64 %r388, 32
  %r408 = add i64 %r24, %r407
  %r411 = mul i64 %r388, 4
  %r412 = add i64 %r30, %r411
  %r490 = add i64 %r244, %r411
  %t604 = icmp slt i64 0, 128
  br i1 %t604, label %body603, label %exit603
body603:
  %r390 = phi i64 [ 0, %body601 ], [ %t797, %body603 ]
  %r391 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body601 ], [ %r497, %body603 ]
  %r392 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body601 ], [ %r503, %body603 ]
  %r393 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body601 ], [ %r509, %body603 ]
  %r394 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body601 ], [ %r515, %body603 ]
  %r406 = phi i64 [ 0, %body601 ], [ %r538, %body603 ]
  %r410 = phi i64 [ 0, %body601 ], [ %r541, %body603 ]
  %r401 = mul i64 %r390, 544
  %r404 = add i64 %r21, %r401
  %t605 = inttoptr i64 %r404 to ptr
  %t606 = getelementptr i8, ptr %t605, i64 4352
  call void @llvm.prefetch.p0(ptr %t606, i32 0, i32 3, i32 1)
  %r409 = add i64 %r408, %r406
  %t607 = inttoptr i64 %r404 to ptr
  %t608 = getelementptr i8, ptr %t607, i64 4416
  call void @llvm.prefetch.p0(ptr %t608, i32 0, i32 3, i32 1)
  %r413 = add i64 %r412, %r410
  %t609 = inttoptr i64 %r413 to ptr
  %t610 = load i32, ptr %t609, align 1
  %t611 = insertelement <16 x i32> poison, i32 %t610, i64 0
  %r414 = shufflevector <16 x i32> %t611, <16 x i32> poison, <16 x i32> zeroinitializer
  %t612 = inttoptr i64 %r404 to ptr
  %r418 = load <16 x i32>, ptr %t612, align 1
  %t613 = inttoptr i64 %r404 to ptr
  %t614 = getelementptr i8, ptr %t613, i64 4480
  call void @llvm.prefetch.p0(ptr %t614, i32 0, i32 3, i32 1)
  %t615 = inttoptr i64 %r404 to ptr
  %t616 = getelementptr i8, ptr %t615, i64 69632
  %r419 = load <16 x i32>, ptr %t616, align 1
  %t617 = inttoptr i64 %r404 to ptr
  %t618 = getelementptr i8, ptr %t617, i64 139264
  %r420 = load <16 x i32>, ptr %t618, align 1
  %t619 = inttoptr i64 %r404 to ptr
  %t620 = getelementptr i8, ptr %t619, i64 208896
  %r421 = load <16 x i32>, ptr %t620, align 1
  %t621 = inttoptr i64 %r404 to ptr
  %t622 = getelementptr i8, ptr %t621, i64 4544
  call void @llvm.prefetch.p0(ptr %t622, i32 0, i32 3, i32 1)
  %t623 = inttoptr i64 %r409 to ptr
  %t624 = load i32, ptr %t623, align 1
  %t625 = insertelement <16 x i32> poison, i32 %t624, i64 0
  %r422 = shufflevector <16 x i32> %t625, <16 x i32> poison, <16 x i32> zeroinitializer
  %r423 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r414, <16 x i32> %r418, <16 x i32> %r422)
  %r424 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r414, <16 x i32> %r419, <16 x i32> %r422)
  %t626 = inttoptr i64 %r404 to ptr
  %t627 = getelementptr i8, ptr %t626, i64 4608
  call void @llvm.prefetch.p0(ptr %t627, i32 0, i32 3, i32 1)
  %r425 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r414, <16 x i32> %r420, <16 x i32> %r422)
  %r426 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r414, <16 x i32> %r421, <16 x i32> %r422)
  %t628 = inttoptr i64 %r404 to ptr
  %t629 = getelementptr i8, ptr %t628, i64 64
  %r427 = load <16 x i32>, ptr %t629, align 1
  %t630 = inttoptr i64 %r404 to ptr
  %t631 = getelementptr i8, ptr %t630, i64 4672
  call void @llvm.prefetch.p0(ptr %t631, i32 0, i32 3, i32 1)
  %t632 = inttoptr i64 %r404 to ptr
  %t633 = getelementptr i8, ptr %t632, i64 69696
  %r428 = load <16 x i32>, ptr %t633, align 1
  %t634 = inttoptr i64 %r404 to ptr
  %t635 = getelementptr i8, ptr %t634, i64 139328
  %r429 = load <16 x i32>, ptr %t635, align 1
  %t636 = inttoptr i64 %r404 to ptr
  %t637 = getelementptr i8, ptr %t636, i64 4736
  call void @llvm.prefetch.p0(ptr %t637, i32 0, i32 3, i32 1)
  %t638 = inttoptr i64 %r404 to ptr
  %t639 = getelementptr i8, ptr %t638, i64 208960
  %r430 = load <16 x i32>, ptr %t639, align 1
  %t640 = inttoptr i64 %r409 to ptr
  %t641 = getelementptr i8, ptr %t640, i64 4
  %t642 = load i32, ptr %t641, align 1
  %t643 = insertelement <16 x i32> poison, i32 %t642, i64 0
  %r431 = shufflevector <16 x i32> %t643, <16 x i32> poison, <16 x i32> zeroinitializer
  %r432 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r423, <16 x i32> %r427, <16 x i32> %r431)
  %t644 = inttoptr i64 %r404 to ptr
  %t645 = getelementptr i8, ptr %t644, i64 4800
  call void @llvm.prefetch.p0(ptr %t645, i32 0, i32 3, i32 1)
  %r433 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r424, <16 x i32> %r428, <16 x i32> %r431)
  %r434 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r425, <16 x i32> %r429, <16 x i32> %r431)
  %r435 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r426, <16 x i32> %r430, <16 x i32> %r431)
  %t646 = inttoptr i64 %r404 to ptr
  %t647 = getelementptr i8, ptr %t646, i64 4864
  call void @llvm.prefetch.p0(ptr %t647, i32 0, i32 3, i32 1)
  %t648 = inttoptr i64 %r404 to ptr
  %t649 = getelementptr i8, ptr %t648, i64 128
  %r436 = load <16 x i32>, ptr %t649, align 1
  %t650 = inttoptr i64 %r404 to ptr
  %t651 = getelementptr i8, ptr %t650, i64 69760
  %r437 = load <16 x i32>, ptr %t651, align 1
  %t652 = inttoptr i64 %r404 to ptr
  %t653 = getelementptr i8, ptr %t652, i64 139392
  %r438 = load <16 x i32>, ptr %t653, align 1
  %t654 = inttoptr i64 %r404 to ptr
  %t655 = getelementptr i8, ptr %t654, i64 73984
  call void @llvm.prefetch.p0(ptr %t655, i32 0, i32 3, i32 1)
  %t656 = inttoptr i64 %r404 to ptr
  %t657 = getelementptr i8, ptr %t656, i64 209024
  %r439 = load <16 x i32>, ptr %t657, align 1
  %t658 = inttoptr i64 %r409 to ptr
  %t659 = getelementptr i8, ptr %t658, i64 8
  %t660 = load i32, ptr %t659, align 1
  %t661 = insertelement <16 x i32> poison, i32 %t660, i64 0
  %r440 = shufflevector <16 x i32> %t661, <16 x i32> poison, <16 x i32> zeroinitializer
  %r441 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r432, <16 x i32> %r436, <16 x i32> %r440)
  %t662 = inttoptr i64 %r404 to ptr
  %t663 = getelementptr i8, ptr %t662, i64 74048
  call void @llvm.prefetch.p0(ptr %t663, i32 0, i32 3, i32 1)
  %r442 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r433, <16 x i32> %r437, <16 x i32> %r440)
  %r443 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r434, <16 x i32> %r438, <16 x i32> %r440)
  %t664 = inttoptr i64 %r404 to ptr
  %t665 = getelementptr i8, ptr %t664, i64 74112
  call void @llvm.prefetch.p0(ptr %t665, i32 0, i32 3, i32 1)
  %r444 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r435, <16 x i32> %r439, <16 x i32> %r440)
  %t666 = inttoptr i64 %r404 to ptr
  %t667 = getelementptr i8, ptr %t666, i64 192
  %r445 = load <16 x i32>, ptr %t667, align 1
  %t668 = inttoptr i64 %r404 to ptr
  %t669 = getelementptr i8, ptr %t668, i64 69824
  %r446 = load <16 x i32>, ptr %t669, align 1
  %t670 = inttoptr i64 %r404 to ptr
  %t671 = getelementptr i8, ptr %t670, i64 74176
  call void @llvm.prefetch.p0(ptr %t671, i32 0, i32 3, i32 1)
  %t672 = inttoptr i64 %r404 to ptr
  %t673 = getelementptr i8, ptr %t672, i64 139456
  %r447 = load <16 x i32>, ptr %t673, align 1
  %t674 = inttoptr i64 %r404 to ptr
  %t675 = getelementptr i8, ptr %t674, i64 209088
  %r448 = load <16 x i32>, ptr %t675, align 1
  %t676 = inttoptr i64 %r409 to ptr
  %t677 = getelementptr i8, ptr %t676, i64 12
  %t678 = load i32, ptr %t677, align 1
  %t679 = insertelement <16 x i32> poison, i32 %t678, i64 0
  %r449 = shufflevector <16 x i32> %t679, <16 x i32> poison, <16 x i32> zeroinitializer
  %t680 = inttoptr i64 %r404 to ptr
  %t681 = getelementptr i8, ptr %t680, i64 74240
  call void @llvm.prefetch.p0(ptr %t681, i32 0, i32 3, i32 1)
  %r450 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r441, <16 x i32> %r445, <16 x i32> %r449)
  %r451 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r442, <16 x i32> %r446, <16 x i32> %r449)
  %r452 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r443, <16 x i32> %r447, <16 x i32> %r449)
  %t682 = inttoptr i64 %r404 to ptr
  %t683 = getelementptr i8, ptr %t682, i64 74304
  call void @llvm.prefetch.p0(ptr %t683, i32 0, i32 3, i32 1)
  %r453 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r444, <16 x i32> %r448, <16 x i32> %r449)
  %t684 = inttoptr i64 %r404 to ptr
  %t685 = getelementptr i8, ptr %t684, i64 256
  %r454 = load <16 x i32>, ptr %t685, align 1
  %t686 = inttoptr i64 %r404 to ptr
  %t687 = getelementptr i8, ptr %t686, i64 69888
  %r455 = load <16 x i32>, ptr %t687, align 1
  %t688 = inttoptr i64 %r404 to ptr
  %t689 = getelementptr i8, ptr %t688, i64 74368
  call void @llvm.prefetch.p0(ptr %t689, i32 0, i32 3, i32 1)
  %t690 = inttoptr i64 %r404 to ptr
  %t691 = getelementptr i8, ptr %t690, i64 139520
  %r456 = load <16 x i32>, ptr %t691, align 1
  %t692 = inttoptr i64 %r404 to ptr
  %t693 = getelementptr i8, ptr %t692, i64 209152
  %r457 = load <16 x i32>, ptr %t693, align 1
  %t694 = inttoptr i64 %r404 to ptr
  %t695 = getelementptr i8, ptr %t694, i64 74432
  call void @llvm.prefetch.p0(ptr %t695, i32 0, i32 3, i32 1)
  %t696 = inttoptr i64 %r409 to ptr
  %t697 = getelementptr i8, ptr %t696, i64 16
  %t698 = load i32, ptr %t697, align 1
  %t699 = insertelement <16 x i32> poison, i32 %t698, i64 0
  %r458 = shufflevector <16 x i32> %t699, <16 x i32> poison, <16 x i32> zeroinitializer
  %r459 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r450, <16 x i32> %r454, <16 x i32> %r458)
  %r460 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r451, <16 x i32> %r455, <16 x i32> %r458)
  %t700 = inttoptr i64 %r404 to ptr
  %t701 = getelementptr i8, ptr %t700, i64 74496
  call void @llvm.prefetch.p0(ptr %t701, i32 0, i32 3, i32 1)
  %r461 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r452, <16 x i32> %r456, <16 x i32> %r458)
  %r462 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r453, <16 x i32> %r457, <16 x i32> %r458)
  %t702 = inttoptr i64 %r404 to ptr
  %t703 = getelementptr i8, ptr %t702, i64 320
  %r463 = load <16 x i32>, ptr %t703, align 1
  %t704 = inttoptr i64 %r404 to ptr
  %t705 = getelementptr i8, ptr %t704, i64 143616
  call void @llvm.prefetch.p0(ptr %t705, i32 0, i32 3, i32 1)
  %t706 = inttoptr i64 %r404 to ptr
  %t707 = getelementptr i8, ptr %t706, i64 69952
  %r464 = load <16 x i32>, ptr %t707, align 1
  %t708 = inttoptr i64 %r404 to ptr
  %t709 = getelementptr i8, ptr %t708, i64 139584
  %r465 = load <16 x i32>, ptr %t709, align 1
  %t710 = inttoptr i64 %r404 to ptr
  %t711 = getelementptr i8, ptr %t710, i64 209216
  %r466 = load <16 x i32>, ptr %t711, align 1
  %t712 = inttoptr i64 %r404 to ptr
  %t713 = getelementptr i8, ptr %t712, i64 143680
  call void @llvm.prefetch.p0(ptr %t713, i32 0, i32 3, i32 1)
  %t714 = inttoptr i64 %r409 to ptr
  %t715 = getelementptr i8, ptr %t714, i64 20
  %t716 = load i32, ptr %t715, align 1
  %t717 = insertelement <16 x i32> poison, i32 %t716, i64 0
  %r467 = shufflevector <16 x i32> %t717, <16 x i32> poison, <16 x i32> zeroinitializer
  %r468 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r459, <16 x i32> %r463, <16 x i32> %r467)
  %r469 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r460, <16 x i32> %r464, <16 x i32> %r467)
  %t718 = inttoptr i64 %r404 to ptr
  %t719 = getelementptr i8, ptr %t718, i64 143744
  call void @llvm.prefetch.p0(ptr %t719, i32 0, i32 3, i32 1)
  %r470 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r461, <16 x i32> %r465, <16 x i32> %r467)
  %r471 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r462, <16 x i32> %r466, <16 x i32> %r467)
  %t720 = inttoptr i64 %r404 to ptr
  %t721 = getelementptr i8, ptr %t720, i64 143808
  call void @llvm.prefetch.p0(ptr %t721, i32 0, i32 3, i32 1)
  %t722 = inttoptr i64 %r404 to ptr
  %t723 = getelementptr i8, ptr %t722, i64 384
  %r472 = load <16 x i32>, ptr %t723, align 1
  %t724 = inttoptr i64 %r404 to ptr
  %t725 = getelementptr i8, ptr %t724, i64 70016
  %r473 = load <16 x i32>, ptr %t725, align 1
  %t726 = inttoptr i64 %r404 to ptr
  %t727 = getelementptr i8, ptr %t726, i64 139648
  %r474 = load <16 x i32>, ptr %t727, align 1
  %t728 = inttoptr i64 %r404 to ptr
  %t729 = getelementptr i8, ptr %t728, i64 143872
  call void @llvm.prefetch.p0(ptr %t729, i32 0, i32 3, i32 1)
  %t730 = inttoptr i64 %r404 to ptr
  %t731 = getelementptr i8, ptr %t730, i64 209280
  %r475 = load <16 x i32>, ptr %t731, align 1
  %t732 = inttoptr i64 %r409 to ptr
  %t733 = getelementptr i8, ptr %t732, i64 24
  %t734 = load i32, ptr %t733, align 1
  %t735 = insertelement <16 x i32> poison, i32 %t734, i64 0
  %r476 = shufflevector <16 x i32> %t735, <16 x i32> poison, <16 x i32> zeroinitializer
  %r477 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r468, <16 x i32> %r472, <16 x i32> %r476)
  %t736 = inttoptr i64 %r404 to ptr
  %t737 = getelementptr i8, ptr %t736, i64 143936
  call void @llvm.prefetch.p0(ptr %t737, i32 0, i32 3, i32 1)
  %r478 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r469, <16 x i32> %r473, <16 x i32> %r476)
  %r479 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r470, <16 x i32> %r474, <16 x i32> %r476)
  %r480 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r471, <16 x i32> %r475, <16 x i32> %r476)
  %t738 = inttoptr i64 %r404 to ptr
  %t739 = getelementptr i8, ptr %t738, i64 144000
  call void @llvm.prefetch.p0(ptr %t739, i32 0, i32 3, i32 1)
  %t740 = inttoptr i64 %r404 to ptr
  %t741 = getelementptr i8, ptr %t740, i64 448
  %r481 = load <16 x i32>, ptr %t741, align 1
  %t742 = inttoptr i64 %r404 to ptr
  %t743 = getelementptr i8, ptr %t742, i64 70080
  %r482 = load <16 x i32>, ptr %t743, align 1
  %t744 = inttoptr i64 %r404 to ptr
  %t745 = getelementptr i8, ptr %t744, i64 139712
  %r483 = load <16 x i32>, ptr %t745, align 1
  %t746 = inttoptr i64 %r404 to ptr
  %t747 = getelementptr i8, ptr %t746, i64 144064
  call void @llvm.prefetch.p0(ptr %t747, i32 0, i32 3, i32 1)
  %t748 = inttoptr i64 %r404 to ptr
  %t749 = getelementptr i8, ptr %t748, i64 209344
  %r484 = load <16 x i32>, ptr %t749, align 1
  %t750 = inttoptr i64 %r409 to ptr
  %t751 = getelementptr i8, ptr %t750, i64 28
  %t752 = load i32, ptr %t751, align 1
  %t753 = insertelement <16 x i32> poison, i32 %t752, i64 0
  %r485 = shufflevector <16 x i32> %t753, <16 x i32> poison, <16 x i32> zeroinitializer
  %t754 = inttoptr i64 %r404 to ptr
  %t755 = getelementptr i8, ptr %t754, i64 144128
  call void @llvm.prefetch.p0(ptr %t755, i32 0, i32 3, i32 1)
  %r486 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r477, <16 x i32> %r481, <16 x i32> %r485)
  %r487 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r478, <16 x i32> %r482, <16 x i32> %r485)
  %r488 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r479, <16 x i32> %r483, <16 x i32> %r485)
  %t756 = inttoptr i64 %r404 to ptr
  %t757 = getelementptr i8, ptr %t756, i64 213248
  call void @llvm.prefetch.p0(ptr %t757, i32 0, i32 3, i32 1)
  %r489 = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %r480, <16 x i32> %r484, <16 x i32> %r485)
  %r491 = add i64 %r490, %r410
  %r492 = sitofp <16 x i32> %r486 to <16 x float>
  %t758 = inttoptr i64 %r404 to ptr
  %t759 = getelementptr i8, ptr %t758, i64 213312
  call void @llvm.prefetch.p0(ptr %t759, i32 0, i32 3, i32 1)
  %t760 = inttoptr i64 %r404 to ptr
  %t761 = getelementptr i8, ptr %t760, i64 512
  %t762 = load <16 x i16>, ptr %t761, align 1
  %r493 = zext <16 x i16> %t762 to <16 x i32>
  %t763 = trunc <16 x i32> %r493 to <16 x i16>
  %t764 = bitcast <16 x i16> %t763 to <16 x half>
  %r494 = fpext <16 x half> %t764 to <16 x float>
  %t765 = inttoptr i64 %r491 to ptr
  %t766 = load float, ptr %t765, align 1
  %t767 = insertelement <16 x float> poison, float %t766, i64 0
  %r495 = shufflevector <16 x float> %t767, <16 x float> poison, <16 x i32> zeroinitializer
  %t768 = inttoptr i64 %r404 to ptr
  %t769 = getelementptr i8, ptr %t768, i64 213376
  call void @llvm.prefetch.p0(ptr %t769, i32 0, i32 3, i32 1)
  %r496 = fmul <16 x float> %r494, %r495
  %r497 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r492, <16 x float> %r496, <16 x float> %r391)
  %r498 = sitofp <16 x i32> %r487 to <16 x float>
  %t770 = inttoptr i64 %r404 to ptr
  %t771 = getelementptr i8, ptr %t770, i64 213440
  call void @llvm.prefetch.p0(ptr %t771, i32 0, i32 3, i32 1)
  %t772 = inttoptr i64 %r404 to ptr
  %t773 = getelementptr i8, ptr %t772, i64 70144
  %t774 = load <16 x i16>, ptr %t773, align 1
  %r499 = zext <16 x i16> %t774 to <16 x i32>
  %t775 = trunc <16 x i32> %r499 to <16 x i16>
  %t776 = bitcast <16 x i16> %t775 to <16 x half>
  %r500 = fpext <16 x half> %t776 to <16 x float>
  %t777 = inttoptr i64 %r404 to ptr
  %t778 = getelementptr i8, ptr %t777, i64 213504
  call void @llvm.prefetch.p0(ptr %t778, i32 0, i32 3, i32 1)
  %r502 = fmul <16 x float> %r500, %r495
  %r503 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r498, <16 x float> %r502, <16 x float> %r392)
  %r504 = sitofp <16 x i32> %r488 to <16 x float>
  %t779 = inttoptr i64 %r404 to ptr
  %t780 = getelementptr i8, ptr %t779, i64 213568
  call void @llvm.prefetch.p0(ptr %t780, i32 0, i32 3, i32 1)
  %t781 = inttoptr i64 %r404 to ptr
  %t782 = getelementptr i8, ptr %t781, i64 139776
  %t783 = load <16 x i16>, ptr %t782, align 1
  %r505 = zext <16 x i16> %t783 to <16 x i32>
  %t784 = trunc <16 x i32> %r505 to <16 x i16>
  %t785 = bitcast <16 x i16> %t784 to <16 x half>
  %r506 = fpext <16 x half> %t785 to <16 x float>
  %r508 = fmul <16 x float> %r506, %r495
  %t786 = inttoptr i64 %r404 to ptr
  %t787 = getelementptr i8, ptr %t786, i64 213632
  call void @llvm.prefetch.p0(ptr %t787, i32 0, i32 3, i32 1)
  %r509 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r504, <16 x float> %r508, <16 x float> %r393)
  %r510 = sitofp <16 x i32> %r489 to <16 x float>
  %t788 = inttoptr i64 %r404 to ptr
  %t789 = getelementptr i8, ptr %t788, i64 209408
  %t790 = load <16 x i16>, ptr %t789, align 1
  %r511 = zext <16 x i16> %t790 to <16 x i32>
  %t791 = inttoptr i64 %r404 to ptr
  %t792 = getelementptr i8, ptr %t791, i64 213696
  call void @llvm.prefetch.p0(ptr %t792, i32 0, i32 3, i32 1)
  %t793 = trunc <16 x i32> %r511 to <16 x i16>
  %t794 = bitcast <16 x i16> %t793 to <16 x half>
  %r512 = fpext <16 x half> %t794 to <16 x float>
  %r514 = fmul <16 x float> %r512, %r495
  %r515 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r510, <16 x float> %r514, <16 x float> %r394)
  %t795 = inttoptr i64 %r404 to ptr
  %t796 = getelementptr i8, ptr %t795, i64 213760
  call void @llvm.prefetch.p0(ptr %t796, i32 0, i32 3, i32 1)
  %r538 = add i64 %r406, %r25
  %r541 = add i64 %r410, %r31
  %t797 = add i64 %r390, 1
  %t798 = icmp slt i64 %t797, 128
  br i1 %t798, label %body603, label %exit603
exit603:
  %r516 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body601 ], [ %r497, %body603 ]
  %r517 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body601 ], [ %r503, %body603 ]
  %r518 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body601 ], [ %r509, %body603 ]
  %r519 = phi <16 x float> [ bitcast (<16 x i32> splat (i32 0) to <16 x float>), %body601 ], [ %r515, %body603 ]
  %r539 = phi i64 [ 0, %body601 ], [ %r538, %body603 ]
  %r542 = phi i64 [ 0, %body601 ], [ %r541, %body603 ]
  %r520 = mul i64 %r388, %r360
  %r524 = add i64 %r364, %r520
  %t799 = inttoptr i64 %r524 to ptr
  store <16 x float> %r516, ptr %t799, align 1
  %t800 = inttoptr i64 %r524 to ptr
  %t801 = getelementptr i8, ptr %t800, i64 64
  store <16 x float> %r517, ptr %t801, align 1
  %t802 = inttoptr i64 %r524 to ptr
  %t803 = getelementptr i8, ptr %t802, i64 128
  store <16 x float> %r518, ptr %t803, align 1
  %t804 = inttoptr i64 %r524 to ptr
  %t805 = getelementptr i8, ptr %t804, i64 192
  store <16 x float> %r519, ptr %t805, align 1
  %t806 = add i64 %r388, 1
  %t807 = icmp slt i64 %t806, %r387
  br i1 %t807, label %body601, label %exit601
exit601:
  %t808 = add i64 %r6, 1
  %t809 = icmp slt i64 %t808, %r5
  br i1 %t809, label %body18, label %exit18
exit18:
  %t810 = inttoptr i64 %r0 to ptr
  %r525 = atomicrmw add ptr %t810, i64 2 acq_rel, align 8
  br label %join16
else16:
  br label %join16
join16:
  %r526 = phi i64 [ %r525, %exit18 ], [ %r3, %else16 ]
  %t811 = add i64 %r2, 1
  %t812 = icmp slt i64 %t811, 32
  br i1 %t812, label %body14, label %exit14
exit14:
  %r527 = phi i64 [ %r1, %entry ], [ %r526, %join16 ]
  ret void
}

attributes #0 = { nounwind "target-cpu"="x86-64-v4" "target-features"="+avx512vnni,+avx512vbmi,+gfni,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16" "prefer-vector-width"="512" "min-legal-vector-width"="512" }
!0 = !{}
