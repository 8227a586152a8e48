target triple = "x86_64-unknown-linux-gnu"

define void @product_tiles(ptr %args, i64 %worker) #0 {
entry:
  %t1 = getelementptr i8, ptr %args, i64 0
  %r0 = load i64, ptr %t1, align 8, !invariant.load !0
  %t2 = getelementptr i8, ptr %args, i64 8
  %r5 = load i64, ptr %t2, align 8, !invariant.load !0
  %t3 = getelementptr i8, ptr %args, i64 16
  %r13 = load i64, ptr %t3, align 8, !invariant.load !0
  %t4 = getelementptr i8, ptr %args, i64 24
  %r24 = load i64, ptr %t4, align 8, !invariant.load !0
  %t5 = getelementptr i8, ptr %args, i64 32
  %r25 = load i64, ptr %t5, align 8, !invariant.load !0
  %t6 = getelementptr i8, ptr %args, i64 40
  %r30 = load i64, ptr %t6, align 8, !invariant.load !0
  %t7 = getelementptr i8, ptr %args, i64 48
  %r31 = load i64, ptr %t7, align 8, !invariant.load !0
  %t8 = getelementptr i8, ptr %args, i64 56
  %r240 = load i64, ptr %t8, align 8, !invariant.load !0
  %t9 = getelementptr i8, ptr %args, i64 64
  %r264 = load i64, ptr %t9, align 8, !invariant.load !0
  %t10 = getelementptr i8, ptr %args, i64 72
  %r265 = load i64, ptr %t10, align 8, !invariant.load !0
  %t11 = getelementptr i8, ptr %args, i64 80
  %r277 = load i64, ptr %t11, align 8, !invariant.load !0
  %t12 = getelementptr i8, ptr %args, i64 88
  %r551 = load i64, ptr %t12, align 8, !invariant.load !0
  %r553 = mul i64 %worker, 16512
  %r7 = add i64 %r551, %r553
  %t13 = inttoptr i64 %r0 to ptr
  %r1 = atomicrmw add ptr %t13, i64 1 acq_rel, align 8
  %t15 = icmp slt i64 0, 128
  br i1 %t15, label %body14, label %exit14
body14:
  %r2 = phi i64 [ 0, %entry ], [ %t1274, %join16 ]
  %r3 = phi i64 [ %r1, %entry ], [ %r549, %join16 ]
  %t17 = icmp slt i64 %r3, 128
  br i1 %t17, label %then16, label %else16
then16:
  %r4 = mul i64 %r3, 32
  %r15 = mul i64 %r3, 139264
  %r21 = add i64 %r13, %r15
  %r267 = mul i64 %r3, 128
  %r268 = add i64 %r264, %r267
  %t19 = icmp slt i64 0, %r5
  br i1 %t19, label %body18, label %exit18
body18:
  %r6 = phi i64 [ 0, %then16 ], [ %t635, %exit624 ]
  %t21 = icmp slt i64 0, 32
  br i1 %t21, label %body20, label %exit20
body20:
  %r8 = phi i64 [ 0, %body18 ], [ %t26, %body20 ]
  %r10 = mul i64 %r8, 128
  %r11 = add i64 %r7, %r10
  %t22 = inttoptr i64 %r11 to ptr
  %t23 = getelementptr i8, ptr %t22, i64 128
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t23, align 1
  %t24 = inttoptr i64 %r11 to ptr
  %t25 = getelementptr i8, ptr %t24, i64 192
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t25, align 1
  %t26 = add i64 %r8, 1
  %t27 = icmp slt i64 %t26, 32
  br i1 %t27, label %body20, label %exit20
exit20:
  %r27 = mul i64 %r6, 32
  %r28 = add i64 %r24, %r27
  %r33 = mul i64 %r6, 4
  %r34 = add i64 %r30, %r33
  %r241 = add i64 %r240, %r33
  %t29 = icmp slt i64 0, 128
  br i1 %t29, label %body28, label %exit28
body28:
  %r12 = phi i64 [ 0, %exit20 ], [ %t622, %exit590 ]
  %r19 = mul i64 %r12, 544
  %r22 = add i64 %r21, %r19
  %t30 = inttoptr i64 %r22 to ptr
  %t31 = getelementptr i8, ptr %t30, i64 4352
  call void @llvm.prefetch.p0(ptr %t31, i32 0, i32 3, i32 1)
  %r26 = mul i64 %r12, %r25
  %r29 = add i64 %r28, %r26
  %r32 = mul i64 %r12, %r31
  %r35 = add i64 %r34, %r32
  %r36 = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)
  %r37 = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)
  %r38 = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)
  %r39 = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)
  %t32 = inttoptr i64 %r29 to ptr
  %r40 = call x86_amx @llvm.x86.tileloadd64.internal(i16 16, i16 32, ptr %t32, i64 32)
  %t33 = inttoptr i64 %r29 to ptr
  %t34 = getelementptr i8, ptr %t33, i64 512
  %r41 = call x86_amx @llvm.x86.tileloadd64.internal(i16 16, i16 32, ptr %t34, i64 32)
  %t35 = inttoptr i64 %r22 to ptr
  %r42 = call x86_amx @llvm.x86.tileloadd64.internal(i16 8, i16 64, ptr %t35, i64 64)
  %r43 = call x86_amx @llvm.x86.tdpbsud.internal(i16 16, i16 64, i16 32, x86_amx %r36, x86_amx %r40, x86_amx %r42)
  %r44 = call x86_amx @llvm.x86.tdpbsud.internal(i16 16, i16 64, i16 32, x86_amx %r38, x86_amx %r41, x86_amx %r42)
  %t36 = inttoptr i64 %r22 to ptr
  %t37 = getelementptr i8, ptr %t36, i64 69632
  %r45 = call x86_amx @llvm.x86.tileloadd64.internal(i16 8, i16 64, ptr %t37, i64 64)
  %t38 = inttoptr i64 %r22 to ptr
  %t39 = getelementptr i8, ptr %t38, i64 4416
  call void @llvm.prefetch.p0(ptr %t39, i32 0, i32 3, i32 1)
  %r46 = call x86_amx @llvm.x86.tdpbsud.internal(i16 16, i16 64, i16 32, x86_amx %r37, x86_amx %r40, x86_amx %r45)
  %r47 = call x86_amx @llvm.x86.tdpbsud.internal(i16 16, i16 64, i16 32, x86_amx %r39, x86_amx %r41, x86_amx %r45)
  %t40 = inttoptr i64 %r7 to ptr
  %t41 = getelementptr i8, ptr %t40, i64 4224
  call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr %t41, i64 128, x86_amx %r43)
  %t42 = inttoptr i64 %r7 to ptr
  %t43 = getelementptr i8, ptr %t42, i64 4288
  call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr %t43, i64 128, x86_amx %r46)
  %t44 = inttoptr i64 %r7 to ptr
  %t45 = getelementptr i8, ptr %t44, i64 6272
  call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr %t45, i64 128, x86_amx %r44)
  %t46 = inttoptr i64 %r7 to ptr
  %t47 = getelementptr i8, ptr %t46, i64 6336
  call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr %t47, i64 128, x86_amx %r47)
  %t48 = inttoptr i64 %r7 to ptr
  %t49 = getelementptr i8, ptr %t48, i64 4224
  %r48 = load <16 x i32>, ptr %t49, align 1
  %t50 = inttoptr i64 %r35 to ptr
  %t51 = load i32, ptr %t50, align 1
  %t52 = insertelement <16 x i32> poison, i32 %t51, i64 0
  %r49 = shufflevector <16 x i32> %t52, <16 x i32> poison, <16 x i32> zeroinitializer
  %r50 = add <16 x i32> %r49, %r48
  %t53 = inttoptr i64 %r7 to ptr
  %t54 = getelementptr i8, ptr %t53, i64 4224
  store <16 x i32> %r50, ptr %t54, align 1
  %t55 = inttoptr i64 %r7 to ptr
  %t56 = getelementptr i8, ptr %t55, i64 4288
  %r51 = load <16 x i32>, ptr %t56, align 1
  %t57 = inttoptr i64 %r35 to ptr
  %t58 = load i32, ptr %t57, align 1
  %t59 = insertelement <16 x i32> poison, i32 %t58, i64 0
  %r52 = shufflevector <16 x i32> %t59, <16 x i32> poison, <16 x i32> zeroinitializer
  %r53 = add <16 x i32> %r52, %r51
  %t60 = inttoptr i64 %r7 to ptr
  %t61 = getelementptr i8, ptr %t60, i64 4288
  store <16 x i32> %r53, ptr %t61, align 1
  %t62 = inttoptr i64 %r7 to ptr
  %t63 = getelementptr i8, ptr %t62, i64 4352
  %r54 = load <16 x i32>, ptr %t63, align 1
  %t64 = inttoptr i64 %r22 to ptr
  %t65 = getelementptr i8, ptr %t64, i64 4480
  call void @llvm.prefetch.p0(ptr %t65, i32 0, i32 3, i32 1)
  %t66 = inttoptr i64 %r35 to ptr
  %t67 = getelementptr i8, ptr %t66, i64 4
  %t68 = load i32, ptr %t67, align 1
  %t69 = insertelement <16 x i32> poison, i32 %t68, i64 0
  %r55 = shufflevector <16 x i32> %t69, <16 x i32> poison, <16 x i32> zeroinitializer
  %r56 = add <16 x i32> %r55, %r54
  %t70 = inttoptr i64 %r7 to ptr
  %t71 = getelementptr i8, ptr %t70, i64 4352
  store <16 x i32> %r56, ptr %t71, align 1
  %t72 = inttoptr i64 %r7 to ptr
  %t73 = getelementptr i8, ptr %t72, i64 4416
  %r57 = load <16 x i32>, ptr %t73, align 1
  %t74 = inttoptr i64 %r35 to ptr
  %t75 = getelementptr i8, ptr %t74, i64 4
  %t76 = load i32, ptr %t75, align 1
  %t77 = insertelement <16 x i32> poison, i32 %t76, i64 0
  %r58 = shufflevector <16 x i32> %t77, <16 x i32> poison, <16 x i32> zeroinitializer
  %r59 = add <16 x i32> %r58, %r57
  %t78 = inttoptr i64 %r7 to ptr
  %t79 = getelementptr i8, ptr %t78, i64 4416
  store <16 x i32> %r59, ptr %t79, align 1
  %t80 = inttoptr i64 %r7 to ptr
  %t81 = getelementptr i8, ptr %t80, i64 4480
  %r60 = load <16 x i32>, ptr %t81, align 1
  %t82 = inttoptr i64 %r35 to ptr
  %t83 = getelementptr i8, ptr %t82, i64 8
  %t84 = load i32, ptr %t83, align 1
  %t85 = insertelement <16 x i32> poison, i32 %t84, i64 0
  %r61 = shufflevector <16 x i32> %t85, <16 x i32> poison, <16 x i32> zeroinitializer
  %r62 = add <16 x i32> %r61, %r60
  %t86 = inttoptr i64 %r7 to ptr
  %t87 = getelementptr i8, ptr %t86, i64 4480
  store <16 x i32> %r62, ptr %t87, align 1
  %t88 = inttoptr i64 %r7 to ptr
  %t89 = getelementptr i8, ptr %t88, i64 4544
  %r63 = load <16 x i32>, ptr %t89, align 1
  %t90 = inttoptr i64 %r35 to ptr
  %t91 = getelementptr i8, ptr %t90, i64 8
  %t92 = load i32, ptr %t91, align 1
  %t93 = insertelement <16 x i32> poison, i32 %t92, i64 0
  %r64 = shufflevector <16 x i32> %t93, <16 x i32> poison, <16 x i32> zeroinitializer
  %r65 = add <16 x i32> %r64, %r63
  %t94 = inttoptr i64 %r7 to ptr
  %t95 = getelementptr i8, ptr %t94, i64 4544
  store <16 x i32> %r65, ptr %t95, align 1
  %t96 = inttoptr i64 %r7 to ptr
  %t97 = getelementptr i8, ptr %t96, i64 4608
  %r66 = load <16 x i32>, ptr %t97, align 1
  %t98 = inttoptr i64 %r22 to ptr
  %t99 = getelementptr i8, ptr %t98, i64 4544
  call void @llvm.prefetch.p0(ptr %t99, i32 0, i32 3, i32 1)
  %t100 = inttoptr i64 %r35 to ptr
  %t101 = getelementptr i8, ptr %t100, i64 12
  %t102 = load i32, ptr %t101, align 1
  %t103 = insertelement <16 x i32> poison, i32 %t102, i64 0
  %r67 = shufflevector <16 x i32> %t103, <16 x i32> poison, <16 x i32> zeroinitializer
  %r68 = add <16 x i32> %r67, %r66
  %t104 = inttoptr i64 %r7 to ptr
  %t105 = getelementptr i8, ptr %t104, i64 4608
  store <16 x i32> %r68, ptr %t105, align 1
  %t106 = inttoptr i64 %r7 to ptr
  %t107 = getelementptr i8, ptr %t106, i64 4672
  %r69 = load <16 x i32>, ptr %t107, align 1
  %t108 = inttoptr i64 %r35 to ptr
  %t109 = getelementptr i8, ptr %t108, i64 12
  %t110 = load i32, ptr %t109, align 1
  %t111 = insertelement <16 x i32> poison, i32 %t110, i64 0
  %r70 = shufflevector <16 x i32> %t111, <16 x i32> poison, <16 x i32> zeroinitializer
  %r71 = add <16 x i32> %r70, %r69
  %t112 = inttoptr i64 %r7 to ptr
  %t113 = getelementptr i8, ptr %t112, i64 4672
  store <16 x i32> %r71, ptr %t113, align 1
  %t114 = inttoptr i64 %r7 to ptr
  %t115 = getelementptr i8, ptr %t114, i64 4736
  %r72 = load <16 x i32>, ptr %t115, align 1
  %t116 = inttoptr i64 %r35 to ptr
  %t117 = getelementptr i8, ptr %t116, i64 16
  %t118 = load i32, ptr %t117, align 1
  %t119 = insertelement <16 x i32> poison, i32 %t118, i64 0
  %r73 = shufflevector <16 x i32> %t119, <16 x i32> poison, <16 x i32> zeroinitializer
  %r74 = add <16 x i32> %r73, %r72
  %t120 = inttoptr i64 %r7 to ptr
  %t121 = getelementptr i8, ptr %t120, i64 4736
  store <16 x i32> %r74, ptr %t121, align 1
  %t122 = inttoptr i64 %r7 to ptr
  %t123 = getelementptr i8, ptr %t122, i64 4800
  %r75 = load <16 x i32>, ptr %t123, align 1
  %t124 = inttoptr i64 %r35 to ptr
  %t125 = getelementptr i8, ptr %t124, i64 16
  %t126 = load i32, ptr %t125, align 1
  %t127 = insertelement <16 x i32> poison, i32 %t126, i64 0
  %r76 = shufflevector <16 x i32> %t127, <16 x i32> poison, <16 x i32> zeroinitializer
  %r77 = add <16 x i32> %r76, %r75
  %t128 = inttoptr i64 %r7 to ptr
  %t129 = getelementptr i8, ptr %t128, i64 4800
  store <16 x i32> %r77, ptr %t129, align 1
  %t130 = inttoptr i64 %r22 to ptr
  %t131 = getelementptr i8, ptr %t130, i64 4608
  call void @llvm.prefetch.p0(ptr %t131, i32 0, i32 3, i32 1)
  %t132 = inttoptr i64 %r7 to ptr
  %t133 = getelementptr i8, ptr %t132, i64 4864
  %r78 = load <16 x i32>, ptr %t133, align 1
  %t134 = inttoptr i64 %r35 to ptr
  %t135 = getelementptr i8, ptr %t134, i64 20
  %t136 = load i32, ptr %t135, align 1
  %t137 = insertelement <16 x i32> poison, i32 %t136, i64 0
  %r79 = shufflevector <16 x i32> %t137, <16 x i32> poison, <16 x i32> zeroinitializer
  %r80 = add <16 x i32> %r79, %r78
  %t138 = inttoptr i64 %r7 to ptr
  %t139 = getelementptr i8, ptr %t138, i64 4864
  store <16 x i32> %r80, ptr %t139, align 1
  %t140 = inttoptr i64 %r7 to ptr
  %t141 = getelementptr i8, ptr %t140, i64 4928
  %r81 = load <16 x i32>, ptr %t141, align 1
  %t142 = inttoptr i64 %r35 to ptr
  %t143 = getelementptr i8, ptr %t142, i64 20
  %t144 = load i32, ptr %t143, align 1
  %t145 = insertelement <16 x i32> poison, i32 %t144, i64 0
  %r82 = shufflevector <16 x i32> %t145, <16 x i32> poison, <16 x i32> zeroinitializer
  %r83 = add <16 x i32> %r82, %r81
  %t146 = inttoptr i64 %r7 to ptr
  %t147 = getelementptr i8, ptr %t146, i64 4928
  store <16 x i32> %r83, ptr %t147, align 1
  %t148 = inttoptr i64 %r7 to ptr
  %t149 = getelementptr i8, ptr %t148, i64 4992
  %r84 = load <16 x i32>, ptr %t149, align 1
  %t150 = inttoptr i64 %r35 to ptr
  %t151 = getelementptr i8, ptr %t150, i64 24
  %t152 = load i32, ptr %t151, align 1
  %t153 = insertelement <16 x i32> poison, i32 %t152, i64 0
  %r85 = shufflevector <16 x i32> %t153, <16 x i32> poison, <16 x i32> zeroinitializer
  %r86 = add <16 x i32> %r85, %r84
  %t154 = inttoptr i64 %r7 to ptr
  %t155 = getelementptr i8, ptr %t154, i64 4992
  store <16 x i32> %r86, ptr %t155, align 1
  %t156 = inttoptr i64 %r7 to ptr
  %t157 = getelementptr i8, ptr %t156, i64 5056
  %r87 = load <16 x i32>, ptr %t157, align 1
  %t158 = inttoptr i64 %r35 to ptr
  %t159 = getelementptr i8, ptr %t158, i64 24
  %t160 = load i32, ptr %t159, align 1
  %t161 = insertelement <16 x i32> poison, i32 %t160, i64 0
  %r88 = shufflevector <16 x i32> %t161, <16 x i32> poison, <16 x i32> zeroinitializer
  %r89 = add <16 x i32> %r88, %r87
  %t162 = inttoptr i64 %r7 to ptr
  %t163 = getelementptr i8, ptr %t162, i64 5056
  store <16 x i32> %r89, ptr %t163, align 1
  %t164 = inttoptr i64 %r22 to ptr
  %t165 = getelementptr i8, ptr %t164, i64 4672
  call void @llvm.prefetch.p0(ptr %t165, i32 0, i32 3, i32 1)
  %t166 = inttoptr i64 %r7 to ptr
  %t167 = getelementptr i8, ptr %t166, i64 5120
  %r90 = load <16 x i32>, ptr %t167, align 1
  %t168 = inttoptr i64 %r35 to ptr
  %t169 = getelementptr i8, ptr %t168, i64 28
  %t170 = load i32, ptr %t169, align 1
  %t171 = insertelement <16 x i32> poison, i32 %t170, i64 0
  %r91 = shufflevector <16 x i32> %t171, <16 x i32> poison, <16 x i32> zeroinitializer
  %r92 = add <16 x i32> %r91, %r90
  %t172 = inttoptr i64 %r7 to ptr
  %t173 = getelementptr i8, ptr %t172, i64 5120
  store <16 x i32> %r92, ptr %t173, align 1
  %t174 = inttoptr i64 %r7 to ptr
  %t175 = getelementptr i8, ptr %t174, i64 5184
  %r93 = load <16 x i32>, ptr %t175, align 1
  %t176 = inttoptr i64 %r35 to ptr
  %t177 = getelementptr i8, ptr %t176, i64 28
  %t178 = load i32, ptr %t177, align 1
  %t179 = insertelement <16 x i32> poison, i32 %t178, i64 0
  %r94 = shufflevector <16 x i32> %t179, <16 x i32> poison, <16 x i32> zeroinitializer
  %r95 = add <16 x i32> %r94, %r93
  %t180 = inttoptr i64 %r7 to ptr
  %t181 = getelementptr i8, ptr %t180, i64 5184
  store <16 x i32> %r95, ptr %t181, align 1
  %t182 = inttoptr i64 %r7 to ptr
  %t183 = getelementptr i8, ptr %t182, i64 5248
  %r96 = load <16 x i32>, ptr %t183, align 1
  %t184 = inttoptr i64 %r35 to ptr
  %t185 = getelementptr i8, ptr %t184, i64 32
  %t186 = load i32, ptr %t185, align 1
  %t187 = insertelement <16 x i32> poison, i32 %t186, i64 0
  %r97 = shufflevector <16 x i32> %t187, <16 x i32> poison, <16 x i32> zeroinitializer
  %r98 = add <16 x i32> %r97, %r96
  %t188 = inttoptr i64 %r7 to ptr
  %t189 = getelementptr i8, ptr %t188, i64 5248
  store <16 x i32> %r98, ptr %t189, align 1
  %t190 = inttoptr i64 %r7 to ptr
  %t191 = getelementptr i8, ptr %t190, i64 5312
  %r99 = load <16 x i32>, ptr %t191, align 1
  %t192 = inttoptr i64 %r35 to ptr
  %t193 = getelementptr i8, ptr %t192, i64 32
  %t194 = load i32, ptr %t193, align 1
  %t195 = insertelement <16 x i32> poison, i32 %t194, i64 0
  %r100 = shufflevector <16 x i32> %t195, <16 x i32> poison, <16 x i32> zeroinitializer
  %r101 = add <16 x i32> %r100, %r99
  %t196 = inttoptr i64 %r22 to ptr
  %t197 = getelementptr i8, ptr %t196, i64 4736
  call void @llvm.prefetch.p0(ptr %t197, i32 0, i32 3, i32 1)
  %t198 = inttoptr i64 %r7 to ptr
  %t199 = getelementptr i8, ptr %t198, i64 5312
  store <16 x i32> %r101, ptr %t199, align 1
  %t200 = inttoptr i64 %r7 to ptr
  %t201 = getelementptr i8, ptr %t200, i64 5376
  %r102 = load <16 x i32>, ptr %t201, align 1
  %t202 = inttoptr i64 %r35 to ptr
  %t203 = getelementptr i8, ptr %t202, i64 36
  %t204 = load i32, ptr %t203, align 1
  %t205 = insertelement <16 x i32> poison, i32 %t204, i64 0
  %r103 = shufflevector <16 x i32> %t205, <16 x i32> poison, <16 x i32> zeroinitializer
  %r104 = add <16 x i32> %r103, %r102
  %t206 = inttoptr i64 %r7 to ptr
  %t207 = getelementptr i8, ptr %t206, i64 5376
  store <16 x i32> %r104, ptr %t207, align 1
  %t208 = inttoptr i64 %r7 to ptr
  %t209 = getelementptr i8, ptr %t208, i64 5440
  %r105 = load <16 x i32>, ptr %t209, align 1
  %t210 = inttoptr i64 %r35 to ptr
  %t211 = getelementptr i8, ptr %t210, i64 36
  %t212 = load i32, ptr %t211, align 1
  %t213 = insertelement <16 x i32> poison, i32 %t212, i64 0
  %r106 = shufflevector <16 x i32> %t213, <16 x i32> poison, <16 x i32> zeroinitializer
  %r107 = add <16 x i32> %r106, %r105
  %t214 = inttoptr i64 %r7 to ptr
  %t215 = getelementptr i8, ptr %t214, i64 5440
  store <16 x i32> %r107, ptr %t215, align 1
  %t216 = inttoptr i64 %r7 to ptr
  %t217 = getelementptr i8, ptr %t216, i64 5504
  %r108 = load <16 x i32>, ptr %t217, align 1
  %t218 = inttoptr i64 %r35 to ptr
  %t219 = getelementptr i8, ptr %t218, i64 40
  %t220 = load i32, ptr %t219, align 1
  %t221 = insertelement <16 x i32> poison, i32 %t220, i64 0
  %r109 = shufflevector <16 x i32> %t221, <16 x i32> poison, <16 x i32> zeroinitializer
  %r110 = add <16 x i32> %r109, %r108
  %t222 = inttoptr i64 %r7 to ptr
  %t223 = getelementptr i8, ptr %t222, i64 5504
  store <16 x i32> %r110, ptr %t223, align 1
  %t224 = inttoptr i64 %r7 to ptr
  %t225 = getelementptr i8, ptr %t224, i64 5568
  %r111 = load <16 x i32>, ptr %t225, align 1
  %t226 = inttoptr i64 %r35 to ptr
  %t227 = getelementptr i8, ptr %t226, i64 40
  %t228 = load i32, ptr %t227, align 1
  %t229 = insertelement <16 x i32> poison, i32 %t228, i64 0
  %r112 = shufflevector <16 x i32> %t229, <16 x i32> poison, <16 x i32> zeroinitializer
  %r113 = add <16 x i32> %r112, %r111
  %t230 = inttoptr i64 %r22 to ptr
  %t231 = getelementptr i8, ptr %t230, i64 4800
  call void @llvm.prefetch.p0(ptr %t231, i32 0, i32 3, i32 1)
  %t232 = inttoptr i64 %r7 to ptr
  %t233 = getelementptr i8, ptr %t232, i64 5568
  store <16 x i32> %r113, ptr %t233, align 1
  %t234 = inttoptr i64 %r7 to ptr
  %t235 = getelementptr i8, ptr %t234, i64 5632
  %r114 = load <16 x i32>, ptr %t235, align 1
  %t236 = inttoptr i64 %r35 to ptr
  %t237 = getelementptr i8, ptr %t236, i64 44
  %t238 = load i32, ptr %t237, align 1
  %t239 = insertelement <16 x i32> poison, i32 %t238, i64 0
  %r115 = shufflevector <16 x i32> %t239, <16 x i32> poison, <16 x i32> zeroinitializer
  %r116 = add <16 x i32> %r115, %r114
  %t240 = inttoptr i64 %r7 to ptr
  %t241 = getelementptr i8, ptr %t240, i64 5632
  store <16 x i32> %r116, ptr %t241, align 1
  %t242 = inttoptr i64 %r7 to ptr
  %t243 = getelementptr i8, ptr %t242, i64 5696
  %r117 = load <16 x i32>, ptr %t243, align 1
  %t244 = inttoptr i64 %r35 to ptr
  %t245 = getelementptr i8, ptr %t244, i64 44
  %t246 = load i32, ptr %t245, align 1
  %t247 = insertelement <16 x i32> poison, i32 %t246, i64 0
  %r118 = shufflevector <16 x i32> %t247, <16 x i32> poison, <16 x i32> zeroinitializer
  %r119 = add <16 x i32> %r118, %r117
  %t248 = inttoptr i64 %r7 to ptr
  %t249 = getelementptr i8, ptr %t248, i64 5696
  store <16 x i32> %r119, ptr %t249, align 1
  %t250 = inttoptr i64 %r7 to ptr
  %t251 = getelementptr i8, ptr %t250, i64 5760
  %r120 = load <16 x i32>, ptr %t251, align 1
  %t252 = inttoptr i64 %r35 to ptr
  %t253 = getelementptr i8, ptr %t252, i64 48
  %t254 = load i32, ptr %t253, align 1
  %t255 = insertelement <16 x i32> poison, i32 %t254, i64 0
  %r121 = shufflevector <16 x i32> %t255, <16 x i32> poison, <16 x i32> zeroinitializer
  %r122 = add <16 x i32> %r121, %r120
  %t256 = inttoptr i64 %r7 to ptr
  %t257 = getelementptr i8, ptr %t256, i64 5760
  store <16 x i32> %r122, ptr %t257, align 1
  %t258 = inttoptr i64 %r7 to ptr
  %t259 = getelementptr i8, ptr %t258, i64 5824
  %r123 = load <16 x i32>, ptr %t259, align 1
  %t260 = inttoptr i64 %r35 to ptr
  %t261 = getelementptr i8, ptr %t260, i64 48
  %t262 = load i32, ptr %t261, align 1
  %t263 = insertelement <16 x i32> poison, i32 %t262, i64 0
  %r124 = shufflevector <16 x i32> %t263, <16 x i32> poison, <16 x i32> zeroinitializer
  %t264 = inttoptr i64 %r22 to ptr
  %t265 = getelementptr i8, ptr %t264, i64 4864
  call void @llvm.prefetch.p0(ptr %t265, i32 0, i32 3, i32 1)
  %r125 = add <16 x i32> %r124, %r123
  %t266 = inttoptr i64 %r7 to ptr
  %t267 = getelementptr i8, ptr %t266, i64 5824
  store <16 x i32> %r125, ptr %t267, align 1
  %t268 = inttoptr i64 %r7 to ptr
  %t269 = getelementptr i8, ptr %t268, i64 5888
  %r126 = load <16 x i32>, ptr %t269, align 1
  %t270 = inttoptr i64 %r35 to ptr
  %t271 = getelementptr i8, ptr %t270, i64 52
  %t272 = load i32, ptr %t271, align 1
  %t273 = insertelement <16 x i32> poison, i32 %t272, i64 0
  %r127 = shufflevector <16 x i32> %t273, <16 x i32> poison, <16 x i32> zeroinitializer
  %r128 = add <16 x i32> %r127, %r126
  %t274 = inttoptr i64 %r7 to ptr
  %t275 = getelementptr i8, ptr %t274, i64 5888
  store <16 x i32> %r128, ptr %t275, align 1
  %t276 = inttoptr i64 %r7 to ptr
  %t277 = getelementptr i8, ptr %t276, i64 5952
  %r129 = load <16 x i32>, ptr %t277, align 1
  %t278 = inttoptr i64 %r35 to ptr
  %t279 = getelementptr i8, ptr %t278, i64 52
  %t280 = load i32, ptr %t279, align 1
  %t281 = insertelement <16 x i32> poison, i32 %t280, i64 0
  %r130 = shufflevector <16 x i32> %t281, <16 x i32> poison, <16 x i32> zeroinitializer
  %r131 = add <16 x i32> %r130, %r129
  %t282 = inttoptr i64 %r7 to ptr
  %t283 = getelementptr i8, ptr %t282, i64 5952
  store <16 x i32> %r131, ptr %t283, align 1
  %t284 = inttoptr i64 %r7 to ptr
  %t285 = getelementptr i8, ptr %t284, i64 6016
  %r132 = load <16 x i32>, ptr %t285, align 1
  %t286 = inttoptr i64 %r35 to ptr
  %t287 = getelementptr i8, ptr %t286, i64 56
  %t288 = load i32, ptr %t287, align 1
  %t289 = insertelement <16 x i32> poison, i32 %t288, i64 0
  %r133 = shufflevector <16 x i32> %t289, <16 x i32> poison, <16 x i32> zeroinitializer
  %r134 = add <16 x i32> %r133, %r132
  %t290 = inttoptr i64 %r7 to ptr
  %t291 = getelementptr i8, ptr %t290, i64 6016
  store <16 x i32> %r134, ptr %t291, align 1
  %t292 = inttoptr i64 %r7 to ptr
  %t293 = getelementptr i8, ptr %t292, i64 6080
  %r135 = load <16 x i32>, ptr %t293, align 1
  %t294 = inttoptr i64 %r35 to ptr
  %t295 = getelementptr i8, ptr %t294, i64 56
  %t296 = load i32, ptr %t295, align 1
  %t297 = insertelement <16 x i32> poison, i32 %t296, i64 0
  %r136 = shufflevector <16 x i32> %t297, <16 x i32> poison, <16 x i32> zeroinitializer
  %t298 = inttoptr i64 %r22 to ptr
  %t299 = getelementptr i8, ptr %t298, i64 73984
  call void @llvm.prefetch.p0(ptr %t299, i32 0, i32 3, i32 1)
  %r137 = add <16 x i32> %r136, %r135
  %t300 = inttoptr i64 %r7 to ptr
  %t301 = getelementptr i8, ptr %t300, i64 6080
  store <16 x i32> %r137, ptr %t301, align 1
  %t302 = inttoptr i64 %r7 to ptr
  %t303 = getelementptr i8, ptr %t302, i64 6144
  %r138 = load <16 x i32>, ptr %t303, align 1
  %t304 = inttoptr i64 %r35 to ptr
  %t305 = getelementptr i8, ptr %t304, i64 60
  %t306 = load i32, ptr %t305, align 1
  %t307 = insertelement <16 x i32> poison, i32 %t306, i64 0
  %r139 = shufflevector <16 x i32> %t307, <16 x i32> poison, <16 x i32> zeroinitializer
  %r140 = add <16 x i32> %r139, %r138
  %t308 = inttoptr i64 %r7 to ptr
  %t309 = getelementptr i8, ptr %t308, i64 6144
  store <16 x i32> %r140, ptr %t309, align 1
  %t310 = inttoptr i64 %r7 to ptr
  %t311 = getelementptr i8, ptr %t310, i64 6208
  %r141 = load <16 x i32>, ptr %t311, align 1
  %t312 = inttoptr i64 %r35 to ptr
  %t313 = getelementptr i8, ptr %t312, i64 60
  %t314 = load i32, ptr %t313, align 1
  %t315 = insertelement <16 x i32> poison, i32 %t314, i64 0
  %r142 = shufflevector <16 x i32> %t315, <16 x i32> poison, <16 x i32> zeroinitializer
  %r143 = add <16 x i32> %r142, %r141
  %t316 = inttoptr i64 %r7 to ptr
  %t317 = getelementptr i8, ptr %t316, i64 6208
  store <16 x i32> %r143, ptr %t317, align 1
  %t318 = inttoptr i64 %r7 to ptr
  %t319 = getelementptr i8, ptr %t318, i64 6272
  %r144 = load <16 x i32>, ptr %t319, align 1
  %t320 = inttoptr i64 %r35 to ptr
  %t321 = getelementptr i8, ptr %t320, i64 64
  %t322 = load i32, ptr %t321, align 1
  %t323 = insertelement <16 x i32> poison, i32 %t322, i64 0
  %r145 = shufflevector <16 x i32> %t323, <16 x i32> poison, <16 x i32> zeroinitializer
  %r146 = add <16 x i32> %r145, %r144
  %t324 = inttoptr i64 %r7 to ptr
  %t325 = getelementptr i8, ptr %t324, i64 6272
  store <16 x i32> %r146, ptr %t325, align 1
  %t326 = inttoptr i64 %r7 to ptr
  %t327 = getelementptr i8, ptr %t326, i64 6336
  %r147 = load <16 x i32>, ptr %t327, align 1
  %t328 = inttoptr i64 %r22 to ptr
  %t329 = getelementptr i8, ptr %t328, i64 74048
  call void @llvm.prefetch.p0(ptr %t329, i32 0, i32 3, i32 1)
  %t330 = inttoptr i64 %r35 to ptr
  %t331 = getelementptr i8, ptr %t330, i64 64
  %t332 = load i32, ptr %t331, align 1
  %t333 = insertelement <16 x i32> poison, i32 %t332, i64 0
  %r148 = shufflevector <16 x i32> %t333, <16 x i32> poison, <16 x i32> zeroinitializer
  %r149 = add <16 x i32> %r148, %r147
  %t334 = inttoptr i64 %r7 to ptr
  %t335 = getelementptr i8, ptr %t334, i64 6336
  store <16 x i32> %r149, ptr %t335, align 1
  %t336 = inttoptr i64 %r7 to ptr
  %t337 = getelementptr i8, ptr %t336, i64 6400
  %r150 = load <16 x i32>, ptr %t337, align 1
  %t338 = inttoptr i64 %r35 to ptr
  %t339 = getelementptr i8, ptr %t338, i64 68
  %t340 = load i32, ptr %t339, align 1
  %t341 = insertelement <16 x i32> poison, i32 %t340, i64 0
  %r151 = shufflevector <16 x i32> %t341, <16 x i32> poison, <16 x i32> zeroinitializer
  %r152 = add <16 x i32> %r151, %r150
  %t342 = inttoptr i64 %r7 to ptr
  %t343 = getelementptr i8, ptr %t342, i64 6400
  store <16 x i32> %r152, ptr %t343, align 1
  %t344 = inttoptr i64 %r7 to ptr
  %t345 = getelementptr i8, ptr %t344, i64 6464
  %r153 = load <16 x i32>, ptr %t345, align 1
  %t346 = inttoptr i64 %r35 to ptr
  %t347 = getelementptr i8, ptr %t346, i64 68
  %t348 = load i32, ptr %t347, align 1
  %t349 = insertelement <16 x i32> poison, i32 %t348, i64 0
  %r154 = shufflevector <16 x i32> %t349, <16 x i32> poison, <16 x i32> zeroinitializer
  %r155 = add <16 x i32> %r154, %r153
  %t350 = inttoptr i64 %r7 to ptr
  %t351 = getelementptr i8, ptr %t350, i64 6464
  store <16 x i32> %r155, ptr %t351, align 1
  %t352 = inttoptr i64 %r7 to ptr
  %t353 = getelementptr i8, ptr %t352, i64 6528
  %r156 = load <16 x i32>, ptr %t353, align 1
  %t354 = inttoptr i64 %r35 to ptr
  %t355 = getelementptr i8, ptr %t354, i64 72
  %t356 = load i32, ptr %t355, align 1
  %t357 = insertelement <16 x i32> poison, i32 %t356, i64 0
  %r157 = shufflevector <16 x i32> %t357, <16 x i32> poison, <16 x i32> zeroinitializer
  %r158 = add <16 x i32> %r157, %r156
  %t358 = inttoptr i64 %r7 to ptr
  %t359 = getelementptr i8, ptr %t358, i64 6528
  store <16 x i32> %r158, ptr %t359, align 1
  %t360 = inttoptr i64 %r7 to ptr
  %t361 = getelementptr i8, ptr %t360, i64 6592
  %r159 = load <16 x i32>, ptr %t361, align 1
  %t362 = inttoptr i64 %r22 to ptr
  %t363 = getelementptr i8, ptr %t362, i64 74112
  call void @llvm.prefetch.p0(ptr %t363, i32 0, i32 3, i32 1)
  %t364 = inttoptr i64 %r35 to ptr
  %t365 = getelementptr i8, ptr %t364, i64 72
  %t366 = load i32, ptr %t365, align 1
  %t367 = insertelement <16 x i32> poison, i32 %t366, i64 0
  %r160 = shufflevector <16 x i32> %t367, <16 x i32> poison, <16 x i32> zeroinitializer
  %r161 = add <16 x i32> %r160, %r159
  %t368 = inttoptr i64 %r7 to ptr
  %t369 = getelementptr i8, ptr %t368, i64 6592
  store <16 x i32> %r161, ptr %t369, align 1
  %t370 = inttoptr i64 %r7 to ptr
  %t371 = getelementptr i8, ptr %t370, i64 6656
  %r162 = load <16 x i32>, ptr %t371, align 1
  %t372 = inttoptr i64 %r35 to ptr
  %t373 = getelementptr i8, ptr %t372, i64 76
  %t374 = load i32, ptr %t373, align 1
  %t375 = insertelement <16 x i32> poison, i32 %t374, i64 0
  %r163 = shufflevector <16 x i32> %t375, <16 x i32> poison, <16 x i32> zeroinitializer
  %r164 = add <16 x i32> %r163, %r162
  %t376 = inttoptr i64 %r7 to ptr
  %t377 = getelementptr i8, ptr %t376, i64 6656
  store <16 x i32> %r164, ptr %t377, align 1
  %t378 = inttoptr i64 %r7 to ptr
  %t379 = getelementptr i8, ptr %t378, i64 6720
  %r165 = load <16 x i32>, ptr %t379, align 1
  %t380 = inttoptr i64 %r35 to ptr
  %t381 = getelementptr i8, ptr %t380, i64 76
  %t382 = load i32, ptr %t381, align 1
  %t383 = insertelement <16 x i32> poison, i32 %t382, i64 0
  %r166 = shufflevector <16 x i32> %t383, <16 x i32> poison, <16 x i32> zeroinitializer
  %r167 = add <16 x i32> %r166, %r165
  %t384 = inttoptr i64 %r7 to ptr
  %t385 = getelementptr i8, ptr %t384, i64 6720
  store <16 x i32> %r167, ptr %t385, align 1
  %t386 = inttoptr i64 %r7 to ptr
  %t387 = getelementptr i8, ptr %t386, i64 6784
  %r168 = load <16 x i32>, ptr %t387, align 1
  %t388 = inttoptr i64 %r35 to ptr
  %t389 = getelementptr i8, ptr %t388, i64 80
  %t390 = load i32, ptr %t389, align 1
  %t391 = insertelement <16 x i32> poison, i32 %t390, i64 0
  %r169 = shufflevector <16 x i32> %t391, <16 x i32> poison, <16 x i32> zeroinitializer
  %r170 = add <16 x i32> %r169, %r168
  %t392 = inttoptr i64 %r7 to ptr
  %t393 = getelementptr i8, ptr %t392, i64 6784
  store <16 x i32> %r170, ptr %t393, align 1
  %t394 = inttoptr i64 %r22 to ptr
  %t395 = getelementptr i8, ptr %t394, i64 74176
  call void @llvm.prefetch.p0(ptr %t395, i32 0, i32 3, i32 1)
  %t396 = inttoptr i64 %r7 to ptr
  %t397 = getelementptr i8, ptr %t396, i64 6848
  %r171 = load <16 x i32>, ptr %t397, align 1
  %t398 = inttoptr i64 %r35 to ptr
  %t399 = getelementptr i8, ptr %t398, i64 80
  %t400 = load i32, ptr %t399, align 1
  %t401 = insertelement <16 x i32> poison, i32 %t400, i64 0
  %r172 = shufflevector <16 x i32> %t401, <16 x i32> poison, <16 x i32> zeroinitializer
  %r173 = add <16 x i32> %r172, %r171
  %t402 = inttoptr i64 %r7 to ptr
  %t403 = getelementptr i8, ptr %t402, i64 6848
  store <16 x i32> %r173, ptr %t403, align 1
  %t404 = inttoptr i64 %r7 to ptr
  %t405 = getelementptr i8, ptr %t404, i64 6912
  %r174 = load <16 x i32>, ptr %t405, align 1
  %t406 = inttoptr i64 %r35 to ptr
  %t407 = getelementptr i8, ptr %t406, i64 84
  %t408 = load i32, ptr %t407, align 1
  %t409 = insertelement <16 x i32> poison, i32 %t408, i64 0
  %r175 = shufflevector <16 x i32> %t409, <16 x i32> poison, <16 x i32> zeroinitializer
  %r176 = add <16 x i32> %r175, %r174
  %t410 = inttoptr i64 %r7 to ptr
  %t411 = getelementptr i8, ptr %t410, i64 6912
  store <16 x i32> %r176, ptr %t411, align 1
  %t412 = inttoptr i64 %r7 to ptr
  %t413 = getelementptr i8, ptr %t412, i64 6976
  %r177 = load <16 x i32>, ptr %t413, align 1
  %t414 = inttoptr i64 %r35 to ptr
  %t415 = getelementptr i8, ptr %t414, i64 84
  %t416 = load i32, ptr %t415, align 1
  %t417 = insertelement <16 x i32> poison, i32 %t416, i64 0
  %r178 = shufflevector <16 x i32> %t417, <16 x i32> poison, <16 x i32> zeroinitializer
  %r179 = add <16 x i32> %r178, %r177
  %t418 = inttoptr i64 %r7 to ptr
  %t419 = getelementptr i8, ptr %t418, i64 6976
  store <16 x i32> %r179, ptr %t419, align 1
  %t420 = inttoptr i64 %r7 to ptr
  %t421 = getelementptr i8, ptr %t420, i64 7040
  %r180 = load <16 x i32>, ptr %t421, align 1
  %t422 = inttoptr i64 %r35 to ptr
  %t423 = getelementptr i8, ptr %t422, i64 88
  %t424 = load i32, ptr %t423, align 1
  %t425 = insertelement <16 x i32> poison, i32 %t424, i64 0
  %r181 = shufflevector <16 x i32> %t425, <16 x i32> poison, <16 x i32> zeroinitializer
  %r182 = add <16 x i32> %r181, %r180
  %t426 = inttoptr i64 %r7 to ptr
  %t427 = getelementptr i8, ptr %t426, i64 7040
  store <16 x i32> %r182, ptr %t427, align 1
  %t428 = inttoptr i64 %r22 to ptr
  %t429 = getelementptr i8, ptr %t428, i64 74240
  call void @llvm.prefetch.p0(ptr %t429, i32 0, i32 3, i32 1)
  %t430 = inttoptr i64 %r7 to ptr
  %t431 = getelementptr i8, ptr %t430, i64 7104
  %r183 = load <16 x i32>, ptr %t431, align 1
  %t432 = inttoptr i64 %r35 to ptr
  %t433 = getelementptr i8, ptr %t432, i64 88
  %t434 = load i32, ptr %t433, align 1
  %t435 = insertelement <16 x i32> poison, i32 %t434, i64 0
  %r184 = shufflevector <16 x i32> %t435, <16 x i32> poison, <16 x i32> zeroinitializer
  %r185 = add <16 x i32> %r184, %r183
  %t436 = inttoptr i64 %r7 to ptr
  %t437 = getelementptr i8, ptr %t436, i64 7104
  store <16 x i32> %r185, ptr %t437, align 1
  %t438 = inttoptr i64 %r7 to ptr
  %t439 = getelementptr i8, ptr %t438, i64 7168
  %r186 = load <16 x i32>, ptr %t439, align 1
  %t440 = inttoptr i64 %r35 to ptr
  %t441 = getelementptr i8, ptr %t440, i64 92
  %t442 = load i32, ptr %t441, align 1
  %t443 = insertelement <16 x i32> poison, i32 %t442, i64 0
  %r187 = shufflevector <16 x i32> %t443, <16 x i32> poison, <16 x i32> zeroinitializer
  %r188 = add <16 x i32> %r187, %r186
  %t444 = inttoptr i64 %r7 to ptr
  %t445 = getelementptr i8, ptr %t444, i64 7168
  store <16 x i32> %r188, ptr %t445, align 1
  %t446 = inttoptr i64 %r7 to ptr
  %t447 = getelementptr i8, ptr %t446, i64 7232
  %r189 = load <16 x i32>, ptr %t447, align 1
  %t448 = inttoptr i64 %r35 to ptr
  %t449 = getelementptr i8, ptr %t448, i64 92
  %t450 = load i32, ptr %t449, align 1
  %t451 = insertelement <16 x i32> poison, i32 %t450, i64 0
  %r190 = shufflevector <16 x i32> %t451, <16 x i32> poison, <16 x i32> zeroinitializer
  %r191 = add <16 x i32> %r190, %r189
  %t452 = inttoptr i64 %r7 to ptr
  %t453 = getelementptr i8, ptr %t452, i64 7232
  store <16 x i32> %r191, ptr %t453, align 1
  %t454 = inttoptr i64 %r7 to ptr
  %t455 = getelementptr i8, ptr %t454, i64 7296
  %r192 = load <16 x i32>, ptr %t455, align 1
  %t456 = inttoptr i64 %r35 to ptr
  %t457 = getelementptr i8, ptr %t456, i64 96
  %t458 = load i32, ptr %t457, align 1
  %t459 = insertelement <16 x i32> poison, i32 %t458, i64 0
  %r193 = shufflevector <16 x i32> %t459, <16 x i32> poison, <16 x i32> zeroinitializer
  %r194 = add <16 x i32> %r193, %r192
  %t460 = inttoptr i64 %r22 to ptr
  %t461 = getelementptr i8, ptr %t460, i64 74304
  call void @llvm.prefetch.p0(ptr %t461, i32 0, i32 3, i32 1)
  %t462 = inttoptr i64 %r7 to ptr
  %t463 = getelementptr i8, ptr %t462, i64 7296
  store <16 x i32> %r194, ptr %t463, align 1
  %t464 = inttoptr i64 %r7 to ptr
  %t465 = getelementptr i8, ptr %t464, i64 7360
  %r195 = load <16 x i32>, ptr %t465, align 1
  %t466 = inttoptr i64 %r35 to ptr
  %t467 = getelementptr i8, ptr %t466, i64 96
  %t468 = load i32, ptr %t467, align 1
  %t469 = insertelement <16 x i32> poison, i32 %t468, i64 0
  %r196 = shufflevector <16 x i32> %t469, <16 x i32> poison, <16 x i32> zeroinitializer
  %r197 = add <16 x i32> %r196, %r195
  %t470 = inttoptr i64 %r7 to ptr
  %t471 = getelementptr i8, ptr %t470, i64 7360
  store <16 x i32> %r197, ptr %t471, align 1
  %t472 = inttoptr i64 %r7 to ptr
  %t473 = getelementptr i8, ptr %t472, i64 7424
  %r198 = load <16 x i32>, ptr %t473, align 1
  %t474 = inttoptr i64 %r35 to ptr
  %t475 = getelementptr i8, ptr %t474, i64 100
  %t476 = load i32, ptr %t475, align 1
  %t477 = insertelement <16 x i32> poison, i32 %t476, i64 0
  %r199 = shufflevector <16 x i32> %t477, <16 x i32> poison, <16 x i32> zeroinitializer
  %r200 = add <16 x i32> %r199, %r198
  %t478 = inttoptr i64 %r7 to ptr
  %t479 = getelementptr i8, ptr %t478, i64 7424
  store <16 x i32> %r200, ptr %t479, align 1
  %t480 = inttoptr i64 %r7 to ptr
  %t481 = getelementptr i8, ptr %t480, i64 7488
  %r201 = load <16 x i32>, ptr %t481, align 1
  %t482 = inttoptr i64 %r35 to ptr
  %t483 = getelementptr i8, ptr %t482, i64 100
  %t484 = load i32, ptr %t483, align 1
  %t485 = insertelement <16 x i32> poison, i32 %t484, i64 0
  %r202 = shufflevector <16 x i32> %t485, <16 x i32> poison, <16 x i32> zeroinitializer
  %r203 = add <16 x i32> %r202, %r201
  %t486 = inttoptr i64 %r7 to ptr
  %t487 = getelementptr i8, ptr %t486, i64 7488
  store <16 x i32> %r203, ptr %t487, align 1
  %t488 = inttoptr i64 %r7 to ptr
  %t489 = getelementptr i8, ptr %t488, i64 7552
  %r204 = load <16 x i32>, ptr %t489, align 1
  %t490 = inttoptr i64 %r35 to ptr
  %t491 = getelementptr i8, ptr %t490, i64 104
  %t492 = load i32, ptr %t491, align 1
  %t493 = insertelement <16 x i32> poison, i32 %t492, i64 0
  %r205 = shufflevector <16 x i32> %t493, <16 x i32> poison, <16 x i32> zeroinitializer
  %r206 = add <16 x i32> %r205, %r204
  %t494 = inttoptr i64 %r22 to ptr
  %t495 = getelementptr i8, ptr %t494, i64 74368
  call void @llvm.prefetch.p0(ptr %t495, i32 0, i32 3, i32 1)
  %t496 = inttoptr i64 %r7 to ptr
  %t497 = getelementptr i8, ptr %t496, i64 7552
  store <16 x i32> %r206, ptr %t497, align 1
  %t498 = inttoptr i64 %r7 to ptr
  %t499 = getelementptr i8, ptr %t498, i64 7616
  %r207 = load <16 x i32>, ptr %t499, align 1
  %t500 = inttoptr i64 %r35 to ptr
  %t501 = getelementptr i8, ptr %t500, i64 104
  %t502 = load i32, ptr %t501, align 1
  %t503 = insertelement <16 x i32> poison, i32 %t502, i64 0
  %r208 = shufflevector <16 x i32> %t503, <16 x i32> poison, <16 x i32> zeroinitializer
  %r209 = add <16 x i32> %r208, %r207
  %t504 = inttoptr i64 %r7 to ptr
  %t505 = getelementptr i8, ptr %t504, i64 7616
  store <16 x i32> %r209, ptr %t505, align 1
  %t506 = inttoptr i64 %r7 to ptr
  %t507 = getelementptr i8, ptr %t506, i64 7680
  %r210 = load <16 x i32>, ptr %t507, align 1
  %t508 = inttoptr i64 %r35 to ptr
  %t509 = getelementptr i8, ptr %t508, i64 108
  %t510 = load i32, ptr %t509, align 1
  %t511 = insertelement <16 x i32> poison, i32 %t510, i64 0
  %r211 = shufflevector <16 x i32> %t511, <16 x i32> poison, <16 x i32> zeroinitializer
  %r212 = add <16 x i32> %r211, %r210
  %t512 = inttoptr i64 %r7 to ptr
  %t513 = getelementptr i8, ptr %t512, i64 7680
  store <16 x i32> %r212, ptr %t513, align 1
  %t514 = inttoptr i64 %r7 to ptr
  %t515 = getelementptr i8, ptr %t514, i64 7744
  %r213 = load <16 x i32>, ptr %t515, align 1
  %t516 = inttoptr i64 %r35 to ptr
  %t517 = getelementptr i8, ptr %t516, i64 108
  %t518 = load i32, ptr %t517, align 1
  %t519 = insertelement <16 x i32> poison, i32 %t518, i64 0
  %r214 = shufflevector <16 x i32> %t519, <16 x i32> poison, <16 x i32> zeroinitializer
  %r215 = add <16 x i32> %r214, %r213
  %t520 = inttoptr i64 %r7 to ptr
  %t521 = getelementptr i8, ptr %t520, i64 7744
  store <16 x i32> %r215, ptr %t521, align 1
  %t522 = inttoptr i64 %r7 to ptr
  %t523 = getelementptr i8, ptr %t522, i64 7808
  %r216 = load <16 x i32>, ptr %t523, align 1
  %t524 = inttoptr i64 %r35 to ptr
  %t525 = getelementptr i8, ptr %t524, i64 112
  %t526 = load i32, ptr %t525, align 1
  %t527 = insertelement <16 x i32> poison, i32 %t526, i64 0
  %r217 = shufflevector <16 x i32> %t527, <16 x i32> poison, <16 x i32> zeroinitializer
  %t528 = inttoptr i64 %r22 to ptr
  %t529 = getelementptr i8, ptr %t528, i64 74432
  call void @llvm.prefetch.p0(ptr %t529, i32 0, i32 3, i32 1)
  %r218 = add <16 x i32> %r217, %r216
  %t530 = inttoptr i64 %r7 to ptr
  %t531 = getelementptr i8, ptr %t530, i64 7808
  store <16 x i32> %r218, ptr %t531, align 1
  %t532 = inttoptr i64 %r7 to ptr
  %t533 = getelementptr i8, ptr %t532, i64 7872
  %r219 = load <16 x i32>, ptr %t533, align 1
  %t534 = inttoptr i64 %r35 to ptr
  %t535 = getelementptr i8, ptr %t534, i64 112
  %t536 = load i32, ptr %t535, align 1
  %t537 = insertelement <16 x i32> poison, i32 %t536, i64 0
  %r220 = shufflevector <16 x i32> %t537, <16 x i32> poison, <16 x i32> zeroinitializer
  %r221 = add <16 x i32> %r220, %r219
  %t538 = inttoptr i64 %r7 to ptr
  %t539 = getelementptr i8, ptr %t538, i64 7872
  store <16 x i32> %r221, ptr %t539, align 1
  %t540 = inttoptr i64 %r7 to ptr
  %t541 = getelementptr i8, ptr %t540, i64 7936
  %r222 = load <16 x i32>, ptr %t541, align 1
  %t542 = inttoptr i64 %r35 to ptr
  %t543 = getelementptr i8, ptr %t542, i64 116
  %t544 = load i32, ptr %t543, align 1
  %t545 = insertelement <16 x i32> poison, i32 %t544, i64 0
  %r223 = shufflevector <16 x i32> %t545, <16 x i32> poison, <16 x i32> zeroinitializer
  %r224 = add <16 x i32> %r223, %r222
  %t546 = inttoptr i64 %r7 to ptr
  %t547 = getelementptr i8, ptr %t546, i64 7936
  store <16 x i32> %r224, ptr %t547, align 1
  %t548 = inttoptr i64 %r7 to ptr
  %t549 = getelementptr i8, ptr %t548, i64 8000
  %r225 = load <16 x i32>, ptr %t549, align 1
  %t550 = inttoptr i64 %r35 to ptr
  %t551 = getelementptr i8, ptr %t550, i64 116
  %t552 = load i32, ptr %t551, align 1
  %t553 = insertelement <16 x i32> poison, i32 %t552, i64 0
  %r226 = shufflevector <16 x i32> %t553, <16 x i32> poison, <16 x i32> zeroinitializer
  %r227 = add <16 x i32> %r226, %r225
  %t554 = inttoptr i64 %r7 to ptr
  %t555 = getelementptr i8, ptr %t554, i64 8000
  store <16 x i32> %r227, ptr %t555, align 1
  %t556 = inttoptr i64 %r7 to ptr
  %t557 = getelementptr i8, ptr %t556, i64 8064
  %r228 = load <16 x i32>, ptr %t557, align 1
  %t558 = inttoptr i64 %r35 to ptr
  %t559 = getelementptr i8, ptr %t558, i64 120
  %t560 = load i32, ptr %t559, align 1
  %t561 = insertelement <16 x i32> poison, i32 %t560, i64 0
  %r229 = shufflevector <16 x i32> %t561, <16 x i32> poison, <16 x i32> zeroinitializer
  %t562 = inttoptr i64 %r22 to ptr
  %t563 = getelementptr i8, ptr %t562, i64 74496
  call void @llvm.prefetch.p0(ptr %t563, i32 0, i32 3, i32 1)
  %r230 = add <16 x i32> %r229, %r228
  %t564 = inttoptr i64 %r7 to ptr
  %t565 = getelementptr i8, ptr %t564, i64 8064
  store <16 x i32> %r230, ptr %t565, align 1
  %t566 = inttoptr i64 %r7 to ptr
  %t567 = getelementptr i8, ptr %t566, i64 8128
  %r231 = load <16 x i32>, ptr %t567, align 1
  %t568 = inttoptr i64 %r35 to ptr
  %t569 = getelementptr i8, ptr %t568, i64 120
  %t570 = load i32, ptr %t569, align 1
  %t571 = insertelement <16 x i32> poison, i32 %t570, i64 0
  %r232 = shufflevector <16 x i32> %t571, <16 x i32> poison, <16 x i32> zeroinitializer
  %r233 = add <16 x i32> %r232, %r231
  %t572 = inttoptr i64 %r7 to ptr
  %t573 = getelementptr i8, ptr %t572, i64 8128
  store <16 x i32> %r233, ptr %t573, align 1
  %t574 = inttoptr i64 %r7 to ptr
  %t575 = getelementptr i8, ptr %t574, i64 8192
  %r234 = load <16 x i32>, ptr %t575, align 1
  %t576 = inttoptr i64 %r35 to ptr
  %t577 = getelementptr i8, ptr %t576, i64 124
  %t578 = load i32, ptr %t577, align 1
  %t579 = insertelement <16 x i32> poison, i32 %t578, i64 0
  %r235 = shufflevector <16 x i32> %t579, <16 x i32> poison, <16 x i32> zeroinitializer
  %r236 = add <16 x i32> %r235, %r234
  %t580 = inttoptr i64 %r7 to ptr
  %t581 = getelementptr i8, ptr %t580, i64 8192
  store <16 x i32> %r236, ptr %t581, align 1
  %t582 = inttoptr i64 %r7 to ptr
  %t583 = getelementptr i8, ptr %t582, i64 8256
  %r237 = load <16 x i32>, ptr %t583, align 1
  %t584 = inttoptr i64 %r35 to ptr
  %t585 = getelementptr i8, ptr %t584, i64 124
  %t586 = load i32, ptr %t585, align 1
  %t587 = insertelement <16 x i32> poison, i32 %t586, i64 0
  %r238 = shufflevector <16 x i32> %t587, <16 x i32> poison, <16 x i32> zeroinitializer
  %r239 = add <16 x i32> %r238, %r237
  %t588 = inttoptr i64 %r7 to ptr
  %t589 = getelementptr i8, ptr %t588, i64 8256
  store <16 x i32> %r239, ptr %t589, align 1
  %r242 = add i64 %r241, %r32
  %t591 = icmp slt i64 0, 32
  br i1 %t591, label %body590, label %exit590
body590:
  %r243 = phi i64 [ 0, %body28 ], [ %t620, %body590 ]
  %r244 = mul i64 %r243, 128
  %r245 = add i64 %r7, %r244
  %t592 = inttoptr i64 %r245 to ptr
  %t593 = getelementptr i8, ptr %t592, i64 4224
  %r246 = load <16 x i32>, ptr %t593, align 1
  %r247 = sitofp <16 x i32> %r246 to <16 x float>
  %t594 = inttoptr i64 %r22 to ptr
  %t595 = getelementptr i8, ptr %t594, i64 512
  %t596 = load <16 x i16>, ptr %t595, align 1
  %r248 = zext <16 x i16> %t596 to <16 x i32>
  %t597 = trunc <16 x i32> %r248 to <16 x i16>
  %t598 = bitcast <16 x i16> %t597 to <16 x half>
  %r249 = fpext <16 x half> %t598 to <16 x float>
  %r250 = mul i64 %r243, 4
  %r251 = add i64 %r242, %r250
  %t599 = inttoptr i64 %r251 to ptr
  %t600 = load float, ptr %t599, align 1
  %t601 = insertelement <16 x float> poison, float %t600, i64 0
  %r252 = shufflevector <16 x float> %t601, <16 x float> poison, <16 x i32> zeroinitializer
  %r253 = fmul <16 x float> %r249, %r252
  %t602 = inttoptr i64 %r245 to ptr
  %t603 = getelementptr i8, ptr %t602, i64 128
  %r254 = load <16 x float>, ptr %t603, align 1
  %r255 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r247, <16 x float> %r253, <16 x float> %r254)
  %t604 = inttoptr i64 %r245 to ptr
  %t605 = getelementptr i8, ptr %t604, i64 128
  store <16 x float> %r255, ptr %t605, align 1
  %t606 = inttoptr i64 %r245 to ptr
  %t607 = getelementptr i8, ptr %t606, i64 4288
  %r256 = load <16 x i32>, ptr %t607, align 1
  %r257 = sitofp <16 x i32> %r256 to <16 x float>
  %t608 = inttoptr i64 %r22 to ptr
  %t609 = getelementptr i8, ptr %t608, i64 70144
  %t610 = load <16 x i16>, ptr %t609, align 1
  %r258 = zext <16 x i16> %t610 to <16 x i32>
  %t611 = trunc <16 x i32> %r258 to <16 x i16>
  %t612 = bitcast <16 x i16> %t611 to <16 x half>
  %r259 = fpext <16 x half> %t612 to <16 x float>
  %t613 = inttoptr i64 %r251 to ptr
  %t614 = load float, ptr %t613, align 1
  %t615 = insertelement <16 x float> poison, float %t614, i64 0
  %r260 = shufflevector <16 x float> %t615, <16 x float> poison, <16 x i32> zeroinitializer
  %r261 = fmul <16 x float> %r259, %r260
  %t616 = inttoptr i64 %r245 to ptr
  %t617 = getelementptr i8, ptr %t616, i64 192
  %r262 = load <16 x float>, ptr %t617, align 1
  %r263 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r257, <16 x float> %r261, <16 x float> %r262)
  %t618 = inttoptr i64 %r245 to ptr
  %t619 = getelementptr i8, ptr %t618, i64 192
  store <16 x float> %r263, ptr %t619, align 1
  %t620 = add i64 %r243, 1
  %t621 = icmp slt i64 %t620, 32
  br i1 %t621, label %body590, label %exit590
exit590:
  %t622 = add i64 %r12, 1
  %t623 = icmp slt i64 %t622, 128
  br i1 %t623, label %body28, label %exit28
exit28:
  %r266 = mul i64 %r6, %r265
  %r269 = add i64 %r268, %r266
  %t625 = icmp slt i64 0, 32
  br i1 %t625, label %body624, label %exit624
body624:
  %r270 = phi i64 [ 0, %exit28 ], [ %t633, %body624 ]
  %r274 = phi i64 [ 0, %exit28 ], [ %r555, %body624 ]
  %r271 = mul i64 %r270, 128
  %r272 = add i64 %r7, %r271
  %t626 = inttoptr i64 %r272 to ptr
  %t627 = getelementptr i8, ptr %t626, i64 128
  %r273 = load <16 x float>, ptr %t627, align 1
  %r275 = add i64 %r269, %r274
  %t628 = inttoptr i64 %r275 to ptr
  store <16 x float> %r273, ptr %t628, align 1
  %t629 = inttoptr i64 %r272 to ptr
  %t630 = getelementptr i8, ptr %t629, i64 192
  %r276 = load <16 x float>, ptr %t630, align 1
  %t631 = inttoptr i64 %r275 to ptr
  %t632 = getelementptr i8, ptr %t631, i64 64
  store <16 x float> %r276, ptr %t632, align 1
  %r555 = add i64 %r274, %r265
  %t633 = add i64 %r270, 1
  %t634 = icmp slt i64 %t633, 32
  br i1 %t634, label %body624, label %exit624
exit624:
  %r556 = phi i64 [ 0, %exit28 ], [ %r555, %body624 ]
  %t635 = add i64 %r6, 32
  %t636 = icmp slt i64 %t635, %r5
  br i1 %t636, label %body18, label %exit18
exit18:
  %t638 = icmp slt i64 %r5, %r277
  br i1 %t638, label %then637, label %else637
then637:
  %t640 = icmp slt i64 0, 32
  br i1 %t640, label %body639, label %exit639
body639:
  %r278 = phi i64 [ 0, %then637 ], [ %t645, %body639 ]
  %r280 = mul i64 %r278, 128
  %r281 = add i64 %r7, %r280
  %t641 = inttoptr i64 %r281 to ptr
  %t642 = getelementptr i8, ptr %t641, i64 8320
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t642, align 1
  %t643 = inttoptr i64 %r281 to ptr
  %t644 = getelementptr i8, ptr %t643, i64 8384
  store <16 x float> bitcast (<16 x i32> splat (i32 0) to <16 x float>), ptr %t644, align 1
  %t645 = add i64 %r278, 1
  %t646 = icmp slt i64 %t645, 32
  br i1 %t646, label %body639, label %exit639
exit639:
  %r294 = mul i64 %r5, 32
  %r295 = add i64 %r24, %r294
  %r298 = mul i64 %r5, 4
  %r299 = add i64 %r30, %r298
  %r505 = add i64 %r240, %r298
  %t648 = icmp slt i64 0, 128
  br i1 %t648, label %body647, label %exit647
body647:
  %r282 = phi i64 [ 0, %exit639 ], [ %t1241, %exit1209 ]
  %r288 = mul i64 %r282, 544
  %r291 = add i64 %r21, %r288
  %t649 = inttoptr i64 %r291 to ptr
  %t650 = getelementptr i8, ptr %t649, i64 4352
  call void @llvm.prefetch.p0(ptr %t650, i32 0, i32 3, i32 1)
  %r293 = mul i64 %r282, %r25
  %r296 = add i64 %r295, %r293
  %r297 = mul i64 %r282, %r31
  %r300 = add i64 %r299, %r297
  %r301 = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)
  %r302 = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)
  %r303 = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)
  %r304 = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)
  %t651 = inttoptr i64 %r296 to ptr
  %r305 = call x86_amx @llvm.x86.tileloadd64.internal(i16 16, i16 32, ptr %t651, i64 32)
  %t652 = inttoptr i64 %r296 to ptr
  %t653 = getelementptr i8, ptr %t652, i64 512
  %r306 = call x86_amx @llvm.x86.tileloadd64.internal(i16 16, i16 32, ptr %t653, i64 32)
  %t654 = inttoptr i64 %r291 to ptr
  %r307 = call x86_amx @llvm.x86.tileloadd64.internal(i16 8, i16 64, ptr %t654, i64 64)
  %r308 = call x86_amx @llvm.x86.tdpbsud.internal(i16 16, i16 64, i16 32, x86_amx %r301, x86_amx %r305, x86_amx %r307)
  %r309 = call x86_amx @llvm.x86.tdpbsud.internal(i16 16, i16 64, i16 32, x86_amx %r303, x86_amx %r306, x86_amx %r307)
  %t655 = inttoptr i64 %r291 to ptr
  %t656 = getelementptr i8, ptr %t655, i64 69632
  %r310 = call x86_amx @llvm.x86.tileloadd64.internal(i16 8, i16 64, ptr %t656, i64 64)
  %t657 = inttoptr i64 %r291 to ptr
  %t658 = getelementptr i8, ptr %t657, i64 4416
  call void @llvm.prefetch.p0(ptr %t658, i32 0, i32 3, i32 1)
  %r311 = call x86_amx @llvm.x86.tdpbsud.internal(i16 16, i16 64, i16 32, x86_amx %r302, x86_amx %r305, x86_amx %r310)
  %r312 = call x86_amx @llvm.x86.tdpbsud.internal(i16 16, i16 64, i16 32, x86_amx %r304, x86_amx %r306, x86_amx %r310)
  %t659 = inttoptr i64 %r7 to ptr
  %t660 = getelementptr i8, ptr %t659, i64 12416
  call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr %t660, i64 128, x86_amx %r308)
  %t661 = inttoptr i64 %r7 to ptr
  %t662 = getelementptr i8, ptr %t661, i64 12480
  call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr %t662, i64 128, x86_amx %r311)
  %t663 = inttoptr i64 %r7 to ptr
  %t664 = getelementptr i8, ptr %t663, i64 14464
  call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr %t664, i64 128, x86_amx %r309)
  %t665 = inttoptr i64 %r7 to ptr
  %t666 = getelementptr i8, ptr %t665, i64 14528
  call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr %t666, i64 128, x86_amx %r312)
  %t667 = inttoptr i64 %r7 to ptr
  %t668 = getelementptr i8, ptr %t667, i64 12416
  %r313 = load <16 x i32>, ptr %t668, align 1
  %t669 = inttoptr i64 %r300 to ptr
  %t670 = load i32, ptr %t669, align 1
  %t671 = insertelement <16 x i32> poison, i32 %t670, i64 0
  %r314 = shufflevector <16 x i32> %t671, <16 x i32> poison, <16 x i32> zeroinitializer
  %r315 = add <16 x i32> %r314, %r313
  %t672 = inttoptr i64 %r7 to ptr
  %t673 = getelementptr i8, ptr %t672, i64 12416
  store <16 x i32> %r315, ptr %t673, align 1
  %t674 = inttoptr i64 %r7 to ptr
  %t675 = getelementptr i8, ptr %t674, i64 12480
  %r316 = load <16 x i32>, ptr %t675, align 1
  %t676 = inttoptr i64 %r300 to ptr
  %t677 = load i32, ptr %t676, align 1
  %t678 = insertelement <16 x i32> poison, i32 %t677, i64 0
  %r317 = shufflevector <16 x i32> %t678, <16 x i32> poison, <16 x i32> zeroinitializer
  %r318 = add <16 x i32> %r317, %r316
  %t679 = inttoptr i64 %r7 to ptr
  %t680 = getelementptr i8, ptr %t679, i64 12480
  store <16 x i32> %r318, ptr %t680, align 1
  %t681 = inttoptr i64 %r7 to ptr
  %t682 = getelementptr i8, ptr %t681, i64 12544
  %r319 = load <16 x i32>, ptr %t682, align 1
  %t683 = inttoptr i64 %r291 to ptr
  %t684 = getelementptr i8, ptr %t683, i64 4480
  call void @llvm.prefetch.p0(ptr %t684, i32 0, i32 3, i32 1)
  %t685 = inttoptr i64 %r300 to ptr
  %t686 = getelementptr i8, ptr %t685, i64 4
  %t687 = load i32, ptr %t686, align 1
  %t688 = insertelement <16 x i32> poison, i32 %t687, i64 0
  %r320 = shufflevector <16 x i32> %t688, <16 x i32> poison, <16 x i32> zeroinitializer
  %r321 = add <16 x i32> %r320, %r319
  %t689 = inttoptr i64 %r7 to ptr
  %t690 = getelementptr i8, ptr %t689, i64 12544
  store <16 x i32> %r321, ptr %t690, align 1
  %t691 = inttoptr i64 %r7 to ptr
  %t692 = getelementptr i8, ptr %t691, i64 12608
  %r322 = load <16 x i32>, ptr %t692, align 1
  %t693 = inttoptr i64 %r300 to ptr
  %t694 = getelementptr i8, ptr %t693, i64 4
  %t695 = load i32, ptr %t694, align 1
  %t696 = insertelement <16 x i32> poison, i32 %t695, i64 0
  %r323 = shufflevector <16 x i32> %t696, <16 x i32> poison, <16 x i32> zeroinitializer
  %r324 = add <16 x i32> %r323, %r322
  %t697 = inttoptr i64 %r7 to ptr
  %t698 = getelementptr i8, ptr %t697, i64 12608
  store <16 x i32> %r324, ptr %t698, align 1
  %t699 = inttoptr i64 %r7 to ptr
  %t700 = getelementptr i8, ptr %t699, i64 12672
  %r325 = load <16 x i32>, ptr %t700, align 1
  %t701 = inttoptr i64 %r300 to ptr
  %t702 = getelementptr i8, ptr %t701, i64 8
  %t703 = load i32, ptr %t702, align 1
  %t704 = insertelement <16 x i32> poison, i32 %t703, i64 0
  %r326 = shufflevector <16 x i32> %t704, <16 x i32> poison, <16 x i32> zeroinitializer
  %r327 = add <16 x i32> %r326, %r325
  %t705 = inttoptr i64 %r7 to ptr
  %t706 = getelementptr i8, ptr %t705, i64 12672
  store <16 x i32> %r327, ptr %t706, align 1
  %t707 = inttoptr i64 %r7 to ptr
  %t708 = getelementptr i8, ptr %t707, i64 12736
  %r328 = load <16 x i32>, ptr %t708, align 1
  %t709 = inttoptr i64 %r300 to ptr
  %t710 = getelementptr i8, ptr %t709, i64 8
  %t711 = load i32, ptr %t710, align 1
  %t712 = insertelement <16 x i32> poison, i32 %t711, i64 0
  %r329 = shufflevector <16 x i32> %t712, <16 x i32> poison, <16 x i32> zeroinitializer
  %r330 = add <16 x i32> %r329, %r328
  %t713 = inttoptr i64 %r7 to ptr
  %t714 = getelementptr i8, ptr %t713, i64 12736
  store <16 x i32> %r330, ptr %t714, align 1
  %t715 = inttoptr i64 %r7 to ptr
  %t716 = getelementptr i8, ptr %t715, i64 12800
  %r331 = load <16 x i32>, ptr %t716, align 1
  %t717 = inttoptr i64 %r291 to ptr
  %t718 = getelementptr i8, ptr %t717, i64 4544
  call void @llvm.prefetch.p0(ptr %t718, i32 0, i32 3, i32 1)
  %t719 = inttoptr i64 %r300 to ptr
  %t720 = getelementptr i8, ptr %t719, i64 12
  %t721 = load i32, ptr %t720, align 1
  %t722 = insertelement <16 x i32> poison, i32 %t721, i64 0
  %r332 = shufflevector <16 x i32> %t722, <16 x i32> poison, <16 x i32> zeroinitializer
  %r333 = add <16 x i32> %r332, %r331
  %t723 = inttoptr i64 %r7 to ptr
  %t724 = getelementptr i8, ptr %t723, i64 12800
  store <16 x i32> %r333, ptr %t724, align 1
  %t725 = inttoptr i64 %r7 to ptr
  %t726 = getelementptr i8, ptr %t725, i64 12864
  %r334 = load <16 x i32>, ptr %t726, align 1
  %t727 = inttoptr i64 %r300 to ptr
  %t728 = getelementptr i8, ptr %t727, i64 12
  %t729 = load i32, ptr %t728, align 1
  %t730 = insertelement <16 x i32> poison, i32 %t729, i64 0
  %r335 = shufflevector <16 x i32> %t730, <16 x i32> poison, <16 x i32> zeroinitializer
  %r336 = add <16 x i32> %r335, %r334
  %t731 = inttoptr i64 %r7 to ptr
  %t732 = getelementptr i8, ptr %t731, i64 12864
  store <16 x i32> %r336, ptr %t732, align 1
  %t733 = inttoptr i64 %r7 to ptr
  %t734 = getelementptr i8, ptr %t733, i64 12928
  %r337 = load <16 x i32>, ptr %t734, align 1
  %t735 = inttoptr i64 %r300 to ptr
  %t736 = getelementptr i8, ptr %t735, i64 16
  %t737 = load i32, ptr %t736, align 1
  %t738 = insertelement <16 x i32> poison, i32 %t737, i64 0
  %r338 = shufflevector <16 x i32> %t738, <16 x i32> poison, <16 x i32> zeroinitializer
  %r339 = add <16 x i32> %r338, %r337
  %t739 = inttoptr i64 %r7 to ptr
  %t740 = getelementptr i8, ptr %t739, i64 12928
  store <16 x i32> %r339, ptr %t740, align 1
  %t741 = inttoptr i64 %r7 to ptr
  %t742 = getelementptr i8, ptr %t741, i64 12992
  %r340 = load <16 x i32>, ptr %t742, align 1
  %t743 = inttoptr i64 %r300 to ptr
  %t744 = getelementptr i8, ptr %t743, i64 16
  %t745 = load i32, ptr %t744, align 1
  %t746 = insertelement <16 x i32> poison, i32 %t745, i64 0
  %r341 = shufflevector <16 x i32> %t746, <16 x i32> poison, <16 x i32> zeroinitializer
  %r342 = add <16 x i32> %r341, %r340
  %t747 = inttoptr i64 %r7 to ptr
  %t748 = getelementptr i8, ptr %t747, i64 12992
  store <16 x i32> %r342, ptr %t748, align 1
  %t749 = inttoptr i64 %r291 to ptr
  %t750 = getelementptr i8, ptr %t749, i64 4608
  call void @llvm.prefetch.p0(ptr %t750, i32 0, i32 3, i32 1)
  %t751 = inttoptr i64 %r7 to ptr
  %t752 = getelementptr i8, ptr %t751, i64 13056
  %r343 = load <16 x i32>, ptr %t752, align 1
  %t753 = inttoptr i64 %r300 to ptr
  %t754 = getelementptr i8, ptr %t753, i64 20
  %t755 = load i32, ptr %t754, align 1
  %t756 = insertelement <16 x i32> poison, i32 %t755, i64 0
  %r344 = shufflevector <16 x i32> %t756, <16 x i32> poison, <16 x i32> zeroinitializer
  %r345 = add <16 x i32> %r344, %r343
  %t757 = inttoptr i64 %r7 to ptr
  %t758 = getelementptr i8, ptr %t757, i64 13056
  store <16 x i32> %r345, ptr %t758, align 1
  %t759 = inttoptr i64 %r7 to ptr
  %t760 = getelementptr i8, ptr %t759, i64 13120
  %r346 = load <16 x i32>, ptr %t760, align 1
  %t761 = inttoptr i64 %r300 to ptr
  %t762 = getelementptr i8, ptr %t761, i64 20
  %t763 = load i32, ptr %t762, align 1
  %t764 = insertelement <16 x i32> poison, i32 %t763, i64 0
  %r347 = shufflevector <16 x i32> %t764, <16 x i32> poison, <16 x i32> zeroinitializer
  %r348 = add <16 x i32> %r347, %r346
  %t765 = inttoptr i64 %r7 to ptr
  %t766 = getelementptr i8, ptr %t765, i64 13120
  store <16 x i32> %r348, ptr %t766, align 1
  %t767 = inttoptr i64 %r7 to ptr
  %t768 = getelementptr i8, ptr %t767, i64 13184
  %r349 = load <16 x i32>, ptr %t768, align 1
  %t769 = inttoptr i64 %r300 to ptr
  %t770 = getelementptr i8, ptr %t769, i64 24
  %t771 = load i32, ptr %t770, align 1
  %t772 = insertelement <16 x i32> poison, i32 %t771, i64 0
  %r350 = shufflevector <16 x i32> %t772, <16 x i32> poison, <16 x i32> zeroinitializer
  %r351 = add <16 x i32> %r350, %r349
  %t773 = inttoptr i64 %r7 to ptr
  %t774 = getelementptr i8, ptr %t773, i64 13184
  store <16 x i32> %r351, ptr %t774, align 1
  %t775 = inttoptr i64 %r7 to ptr
  %t776 = getelementptr i8, ptr %t775, i64 13248
  %r352 = load <16 x i32>, ptr %t776, align 1
  %t777 = inttoptr i64 %r300 to ptr
  %t778 = getelementptr i8, ptr %t777, i64 24
  %t779 = load i32, ptr %t778, align 1
  %t780 = insertelement <16 x i32> poison, i32 %t779, i64 0
  %r353 = shufflevector <16 x i32> %t780, <16 x i32> poison, <16 x i32> zeroinitializer
  %r354 = add <16 x i32> %r353, %r352
  %t781 = inttoptr i64 %r7 to ptr
  %t782 = getelementptr i8, ptr %t781, i64 13248
  store <16 x i32> %r354, ptr %t782, align 1
  %t783 = inttoptr i64 %r291 to ptr
  %t784 = getelementptr i8, ptr %t783, i64 4672
  call void @llvm.prefetch.p0(ptr %t784, i32 0, i32 3, i32 1)
  %t785 = inttoptr i64 %r7 to ptr
  %t786 = getelementptr i8, ptr %t785, i64 13312
  %r355 = load <16 x i32>, ptr %t786, align 1
  %t787 = inttoptr i64 %r300 to ptr
  %t788 = getelementptr i8, ptr %t787, i64 28
  %t789 = load i32, ptr %t788, align 1
  %t790 = insertelement <16 x i32> poison, i32 %t789, i64 0
  %r356 = shufflevector <16 x i32> %t790, <16 x i32> poison, <16 x i32> zeroinitializer
  %r357 = add <16 x i32> %r356, %r355
  %t791 = inttoptr i64 %r7 to ptr
  %t792 = getelementptr i8, ptr %t791, i64 13312
  store <16 x i32> %r357, ptr %t792, align 1
  %t793 = inttoptr i64 %r7 to ptr
  %t794 = getelementptr i8, ptr %t793, i64 13376
  %r358 = load <16 x i32>, ptr %t794, align 1
  %t795 = inttoptr i64 %r300 to ptr
  %t796 = getelementptr i8, ptr %t795, i64 28
  %t797 = load i32, ptr %t796, align 1
  %t798 = insertelement <16 x i32> poison, i32 %t797, i64 0
  %r359 = shufflevector <16 x i32> %t798, <16 x i32> poison, <16 x i32> zeroinitializer
  %r360 = add <16 x i32> %r359, %r358
  %t799 = inttoptr i64 %r7 to ptr
  %t800 = getelementptr i8, ptr %t799, i64 13376
  store <16 x i32> %r360, ptr %t800, align 1
  %t801 = inttoptr i64 %r7 to ptr
  %t802 = getelementptr i8, ptr %t801, i64 13440
  %r361 = load <16 x i32>, ptr %t802, align 1
  %t803 = inttoptr i64 %r300 to ptr
  %t804 = getelementptr i8, ptr %t803, i64 32
  %t805 = load i32, ptr %t804, align 1
  %t806 = insertelement <16 x i32> poison, i32 %t805, i64 0
  %r362 = shufflevector <16 x i32> %t806, <16 x i32> poison, <16 x i32> zeroinitializer
  %r363 = add <16 x i32> %r362, %r361
  %t807 = inttoptr i64 %r7 to ptr
  %t808 = getelementptr i8, ptr %t807, i64 13440
  store <16 x i32> %r363, ptr %t808, align 1
  %t809 = inttoptr i64 %r7 to ptr
  %t810 = getelementptr i8, ptr %t809, i64 13504
  %r364 = load <16 x i32>, ptr %t810, align 1
  %t811 = inttoptr i64 %r300 to ptr
  %t812 = getelementptr i8, ptr %t811, i64 32
  %t813 = load i32, ptr %t812, align 1
  %t814 = insertelement <16 x i32> poison, i32 %t813, i64 0
  %r365 = shufflevector <16 x i32> %t814, <16 x i32> poison, <16 x i32> zeroinitializer
  %r366 = add <16 x i32> %r365, %r364
  %t815 = inttoptr i64 %r291 to ptr
  %t816 = getelementptr i8, ptr %t815, i64 4736
  call void @llvm.prefetch.p0(ptr %t816, i32 0, i32 3, i32 1)
  %t817 = inttoptr i64 %r7 to ptr
  %t818 = getelementptr i8, ptr %t817, i64 13504
  store <16 x i32> %r366, ptr %t818, align 1
  %t819 = inttoptr i64 %r7 to ptr
  %t820 = getelementptr i8, ptr %t819, i64 13568
  %r367 = load <16 x i32>, ptr %t820, align 1
  %t821 = inttoptr i64 %r300 to ptr
  %t822 = getelementptr i8, ptr %t821, i64 36
  %t823 = load i32, ptr %t822, align 1
  %t824 = insertelement <16 x i32> poison, i32 %t823, i64 0
  %r368 = shufflevector <16 x i32> %t824, <16 x i32> poison, <16 x i32> zeroinitializer
  %r369 = add <16 x i32> %r368, %r367
  %t825 = inttoptr i64 %r7 to ptr
  %t826 = getelementptr i8, ptr %t825, i64 13568
  store <16 x i32> %r369, ptr %t826, align 1
  %t827 = inttoptr i64 %r7 to ptr
  %t828 = getelementptr i8, ptr %t827, i64 13632
  %r370 = load <16 x i32>, ptr %t828, align 1
  %t829 = inttoptr i64 %r300 to ptr
  %t830 = getelementptr i8, ptr %t829, i64 36
  %t831 = load i32, ptr %t830, align 1
  %t832 = insertelement <16 x i32> poison, i32 %t831, i64 0
  %r371 = shufflevector <16 x i32> %t832, <16 x i32> poison, <16 x i32> zeroinitializer
  %r372 = add <16 x i32> %r371, %r370
  %t833 = inttoptr i64 %r7 to ptr
  %t834 = getelementptr i8, ptr %t833, i64 13632
  store <16 x i32> %r372, ptr %t834, align 1
  %t835 = inttoptr i64 %r7 to ptr
  %t836 = getelementptr i8, ptr %t835, i64 13696
  %r373 = load <16 x i32>, ptr %t836, align 1
  %t837 = inttoptr i64 %r300 to ptr
  %t838 = getelementptr i8, ptr %t837, i64 40
  %t839 = load i32, ptr %t838, align 1
  %t840 = insertelement <16 x i32> poison, i32 %t839, i64 0
  %r374 = shufflevector <16 x i32> %t840, <16 x i32> poison, <16 x i32> zeroinitializer
  %r375 = add <16 x i32> %r374, %r373
  %t841 = inttoptr i64 %r7 to ptr
  %t842 = getelementptr i8, ptr %t841, i64 13696
  store <16 x i32> %r375, ptr %t842, align 1
  %t843 = inttoptr i64 %r7 to ptr
  %t844 = getelementptr i8, ptr %t843, i64 13760
  %r376 = load <16 x i32>, ptr %t844, align 1
  %t845 = inttoptr i64 %r300 to ptr
  %t846 = getelementptr i8, ptr %t845, i64 40
  %t847 = load i32, ptr %t846, align 1
  %t848 = insertelement <16 x i32> poison, i32 %t847, i64 0
  %r377 = shufflevector <16 x i32> %t848, <16 x i32> poison, <16 x i32> zeroinitializer
  %r378 = add <16 x i32> %r377, %r376
  %t849 = inttoptr i64 %r291 to ptr
  %t850 = getelementptr i8, ptr %t849, i64 4800
  call void @llvm.prefetch.p0(ptr %t850, i32 0, i32 3, i32 1)
  %t851 = inttoptr i64 %r7 to ptr
  %t852 = getelementptr i8, ptr %t851, i64 13760
  store <16 x i32> %r378, ptr %t852, align 1
  %t853 = inttoptr i64 %r7 to ptr
  %t854 = getelementptr i8, ptr %t853, i64 13824
  %r379 = load <16 x i32>, ptr %t854, align 1
  %t855 = inttoptr i64 %r300 to ptr
  %t856 = getelementptr i8, ptr %t855, i64 44
  %t857 = load i32, ptr %t856, align 1
  %t858 = insertelement <16 x i32> poison, i32 %t857, i64 0
  %r380 = shufflevector <16 x i32> %t858, <16 x i32> poison, <16 x i32> zeroinitializer
  %r381 = add <16 x i32> %r380, %r379
  %t859 = inttoptr i64 %r7 to ptr
  %t860 = getelementptr i8, ptr %t859, i64 13824
  store <16 x i32> %r381, ptr %t860, align 1
  %t861 = inttoptr i64 %r7 to ptr
  %t862 = getelementptr i8, ptr %t861, i64 13888
  %r382 = load <16 x i32>, ptr %t862, align 1
  %t863 = inttoptr i64 %r300 to ptr
  %t864 = getelementptr i8, ptr %t863, i64 44
  %t865 = load i32, ptr %t864, align 1
  %t866 = insertelement <16 x i32> poison, i32 %t865, i64 0
  %r383 = shufflevector <16 x i32> %t866, <16 x i32> poison, <16 x i32> zeroinitializer
  %r384 = add <16 x i32> %r383, %r382
  %t867 = inttoptr i64 %r7 to ptr
  %t868 = getelementptr i8, ptr %t867, i64 13888
  store <16 x i32> %r384, ptr %t868, align 1
  %t869 = inttoptr i64 %r7 to ptr
  %t870 = getelementptr i8, ptr %t869, i64 13952
  %r385 = load <16 x i32>, ptr %t870, align 1
  %t871 = inttoptr i64 %r300 to ptr
  %t872 = getelementptr i8, ptr %t871, i64 48
  %t873 = load i32, ptr %t872, align 1
  %t874 = insertelement <16 x i32> poison, i32 %t873, i64 0
  %r386 = shufflevector <16 x i32> %t874, <16 x i32> poison, <16 x i32> zeroinitializer
  %r387 = add <16 x i32> %r386, %r385
  %t875 = inttoptr i64 %r7 to ptr
  %t876 = getelementptr i8, ptr %t875, i64 13952
  store <16 x i32> %r387, ptr %t876, align 1
  %t877 = inttoptr i64 %r7 to ptr
  %t878 = getelementptr i8, ptr %t877, i64 14016
  %r388 = load <16 x i32>, ptr %t878, align 1
  %t879 = inttoptr i64 %r300 to ptr
  %t880 = getelementptr i8, ptr %t879, i64 48
  %t881 = load i32, ptr %t880, align 1
  %t882 = insertelement <16 x i32> poison, i32 %t881, i64 0
  %r389 = shufflevector <16 x i32> %t882, <16 x i32> poison, <16 x i32> zeroinitializer
  %t883 = inttoptr i64 %r291 to ptr
  %t884 = getelementptr i8, ptr %t883, i64 4864
  call void @llvm.prefetch.p0(ptr %t884, i32 0, i32 3, i32 1)
  %r390 = add <16 x i32> %r389, %r388
  %t885 = inttoptr i64 %r7 to ptr
  %t886 = getelementptr i8, ptr %t885, i64 14016
  store <16 x i32> %r390, ptr %t886, align 1
  %t887 = inttoptr i64 %r7 to ptr
  %t888 = getelementptr i8, ptr %t887, i64 14080
  %r391 = load <16 x i32>, ptr %t888, align 1
  %t889 = inttoptr i64 %r300 to ptr
  %t890 = getelementptr i8, ptr %t889, i64 52
  %t891 = load i32, ptr %t890, align 1
  %t892 = insertelement <16 x i32> poison, i32 %t891, i64 0
  %r392 = shufflevector <16 x i32> %t892, <16 x i32> poison, <16 x i32> zeroinitializer
  %r393 = add <16 x i32> %r392, %r391
  %t893 = inttoptr i64 %r7 to ptr
  %t894 = getelementptr i8, ptr %t893, i64 14080
  store <16 x i32> %r393, ptr %t894, align 1
  %t895 = inttoptr i64 %r7 to ptr
  %t896 = getelementptr i8, ptr %t895, i64 14144
  %r394 = load <16 x i32>, ptr %t896, align 1
  %t897 = inttoptr i64 %r300 to ptr
  %t898 = getelementptr i8, ptr %t897, i64 52
  %t899 = load i32, ptr %t898, align 1
  %t900 = insertelement <16 x i32> poison, i32 %t899, i64 0
  %r395 = shufflevector <16 x i32> %t900, <16 x i32> poison, <16 x i32> zeroinitializer
  %r396 = add <16 x i32> %r395, %r394
  %t901 = inttoptr i64 %r7 to ptr
  %t902 = getelementptr i8, ptr %t901, i64 14144
  store <16 x i32> %r396, ptr %t902, align 1
  %t903 = inttoptr i64 %r7 to ptr
  %t904 = getelementptr i8, ptr %t903, i64 14208
  %r397 = load <16 x i32>, ptr %t904, align 1
  %t905 = inttoptr i64 %r300 to ptr
  %t906 = getelementptr i8, ptr %t905, i64 56
  %t907 = load i32, ptr %t906, align 1
  %t908 = insertelement <16 x i32> poison, i32 %t907, i64 0
  %r398 = shufflevector <16 x i32> %t908, <16 x i32> poison, <16 x i32> zeroinitializer
  %r399 = add <16 x i32> %r398, %r397
  %t909 = inttoptr i64 %r7 to ptr
  %t910 = getelementptr i8, ptr %t909, i64 14208
  store <16 x i32> %r399, ptr %t910, align 1
  %t911 = inttoptr i64 %r7 to ptr
  %t912 = getelementptr i8, ptr %t911, i64 14272
  %r400 = load <16 x i32>, ptr %t912, align 1
  %t913 = inttoptr i64 %r300 to ptr
  %t914 = getelementptr i8, ptr %t913, i64 56
  %t915 = load i32, ptr %t914, align 1
  %t916 = insertelement <16 x i32> poison, i32 %t915, i64 0
  %r401 = shufflevector <16 x i32> %t916, <16 x i32> poison, <16 x i32> zeroinitializer
  %t917 = inttoptr i64 %r291 to ptr
  %t918 = getelementptr i8, ptr %t917, i64 73984
  call void @llvm.prefetch.p0(ptr %t918, i32 0, i32 3, i32 1)
  %r402 = add <16 x i32> %r401, %r400
  %t919 = inttoptr i64 %r7 to ptr
  %t920 = getelementptr i8, ptr %t919, i64 14272
  store <16 x i32> %r402, ptr %t920, align 1
  %t921 = inttoptr i64 %r7 to ptr
  %t922 = getelementptr i8, ptr %t921, i64 14336
  %r403 = load <16 x i32>, ptr %t922, align 1
  %t923 = inttoptr i64 %r300 to ptr
  %t924 = getelementptr i8, ptr %t923, i64 60
  %t925 = load i32, ptr %t924, align 1
  %t926 = insertelement <16 x i32> poison, i32 %t925, i64 0
  %r404 = shufflevector <16 x i32> %t926, <16 x i32> poison, <16 x i32> zeroinitializer
  %r405 = add <16 x i32> %r404, %r403
  %t927 = inttoptr i64 %r7 to ptr
  %t928 = getelementptr i8, ptr %t927, i64 14336
  store <16 x i32> %r405, ptr %t928, align 1
  %t929 = inttoptr i64 %r7 to ptr
  %t930 = getelementptr i8, ptr %t929, i64 14400
  %r406 = load <16 x i32>, ptr %t930, align 1
  %t931 = inttoptr i64 %r300 to ptr
  %t932 = getelementptr i8, ptr %t931, i64 60
  %t933 = load i32, ptr %t932, align 1
  %t934 = insertelement <16 x i32> poison, i32 %t933, i64 0
  %r407 = shufflevector <16 x i32> %t934, <16 x i32> poison, <16 x i32> zeroinitializer
  %r408 = add <16 x i32> %r407, %r406
  %t935 = inttoptr i64 %r7 to ptr
  %t936 = getelementptr i8, ptr %t935, i64 14400
  store <16 x i32> %r408, ptr %t936, align 1
  %t937 = inttoptr i64 %r7 to ptr
  %t938 = getelementptr i8, ptr %t937, i64 14464
  %r409 = load <16 x i32>, ptr %t938, align 1
  %t939 = inttoptr i64 %r300 to ptr
  %t940 = getelementptr i8, ptr %t939, i64 64
  %t941 = load i32, ptr %t940, align 1
  %t942 = insertelement <16 x i32> poison, i32 %t941, i64 0
  %r410 = shufflevector <16 x i32> %t942, <16 x i32> poison, <16 x i32> zeroinitializer
  %r411 = add <16 x i32> %r410, %r409
  %t943 = inttoptr i64 %r7 to ptr
  %t944 = getelementptr i8, ptr %t943, i64 14464
  store <16 x i32> %r411, ptr %t944, align 1
  %t945 = inttoptr i64 %r7 to ptr
  %t946 = getelementptr i8, ptr %t945, i64 14528
  %r412 = load <16 x i32>, ptr %t946, align 1
  %t947 = inttoptr i64 %r291 to ptr
  %t948 = getelementptr i8, ptr %t947, i64 74048
  call void @llvm.prefetch.p0(ptr %t948, i32 0, i32 3, i32 1)
  %t949 = inttoptr i64 %r300 to ptr
  %t950 = getelementptr i8, ptr %t949, i64 64
  %t951 = load i32, ptr %t950, align 1
  %t952 = insertelement <16 x i32> poison, i32 %t951, i64 0
  %r413 = shufflevector <16 x i32> %t952, <16 x i32> poison, <16 x i32> zeroinitializer
  %r414 = add <16 x i32> %r413, %r412
  %t953 = inttoptr i64 %r7 to ptr
  %t954 = getelementptr i8, ptr %t953, i64 14528
  store <16 x i32> %r414, ptr %t954, align 1
  %t955 = inttoptr i64 %r7 to ptr
  %t956 = getelementptr i8, ptr %t955, i64 14592
  %r415 = load <16 x i32>, ptr %t956, align 1
  %t957 = inttoptr i64 %r300 to ptr
  %t958 = getelementptr i8, ptr %t957, i64 68
  %t959 = load i32, ptr %t958, align 1
  %t960 = insertelement <16 x i32> poison, i32 %t959, i64 0
  %r416 = shufflevector <16 x i32> %t960, <16 x i32> poison, <16 x i32> zeroinitializer
  %r417 = add <16 x i32> %r416, %r415
  %t961 = inttoptr i64 %r7 to ptr
  %t962 = getelementptr i8, ptr %t961, i64 14592
  store <16 x i32> %r417, ptr %t962, align 1
  %t963 = inttoptr i64 %r7 to ptr
  %t964 = getelementptr i8, ptr %t963, i64 14656
  %r418 = load <16 x i32>, ptr %t964, align 1
  %t965 = inttoptr i64 %r300 to ptr
  %t966 = getelementptr i8, ptr %t965, i64 68
  %t967 = load i32, ptr %t966, align 1
  %t968 = insertelement <16 x i32> poison, i32 %t967, i64 0
  %r419 = shufflevector <16 x i32> %t968, <16 x i32> poison, <16 x i32> zeroinitializer
  %r420 = add <16 x i32> %r419, %r418
  %t969 = inttoptr i64 %r7 to ptr
  %t970 = getelementptr i8, ptr %t969, i64 14656
  store <16 x i32> %r420, ptr %t970, align 1
  %t971 = inttoptr i64 %r7 to ptr
  %t972 = getelementptr i8, ptr %t971, i64 14720
  %r421 = load <16 x i32>, ptr %t972, align 1
  %t973 = inttoptr i64 %r300 to ptr
  %t974 = getelementptr i8, ptr %t973, i64 72
  %t975 = load i32, ptr %t974, align 1
  %t976 = insertelement <16 x i32> poison, i32 %t975, i64 0
  %r422 = shufflevector <16 x i32> %t976, <16 x i32> poison, <16 x i32> zeroinitializer
  %r423 = add <16 x i32> %r422, %r421
  %t977 = inttoptr i64 %r7 to ptr
  %t978 = getelementptr i8, ptr %t977, i64 14720
  store <16 x i32> %r423, ptr %t978, align 1
  %t979 = inttoptr i64 %r7 to ptr
  %t980 = getelementptr i8, ptr %t979, i64 14784
  %r424 = load <16 x i32>, ptr %t980, align 1
  %t981 = inttoptr i64 %r291 to ptr
  %t982 = getelementptr i8, ptr %t981, i64 74112
  call void @llvm.prefetch.p0(ptr %t982, i32 0, i32 3, i32 1)
  %t983 = inttoptr i64 %r300 to ptr
  %t984 = getelementptr i8, ptr %t983, i64 72
  %t985 = load i32, ptr %t984, align 1
  %t986 = insertelement <16 x i32> poison, i32 %t985, i64 0
  %r425 = shufflevector <16 x i32> %t986, <16 x i32> poison, <16 x i32> zeroinitializer
  %r426 = add <16 x i32> %r425, %r424
  %t987 = inttoptr i64 %r7 to ptr
  %t988 = getelementptr i8, ptr %t987, i64 14784
  store <16 x i32> %r426, ptr %t988, align 1
  %t989 = inttoptr i64 %r7 to ptr
  %t990 = getelementptr i8, ptr %t989, i64 14848
  %r427 = load <16 x i32>, ptr %t990, align 1
  %t991 = inttoptr i64 %r300 to ptr
  %t992 = getelementptr i8, ptr %t991, i64 76
  %t993 = load i32, ptr %t992, align 1
  %t994 = insertelement <16 x i32> poison, i32 %t993, i64 0
  %r428 = shufflevector <16 x i32> %t994, <16 x i32> poison, <16 x i32> zeroinitializer
  %r429 = add <16 x i32> %r428, %r427
  %t995 = inttoptr i64 %r7 to ptr
  %t996 = getelementptr i8, ptr %t995, i64 14848
  store <16 x i32> %r429, ptr %t996, align 1
  %t997 = inttoptr i64 %r7 to ptr
  %t998 = getelementptr i8, ptr %t997, i64 14912
  %r430 = load <16 x i32>, ptr %t998, align 1
  %t999 = inttoptr i64 %r300 to ptr
  %t1000 = getelementptr i8, ptr %t999, i64 76
  %t1001 = load i32, ptr %t1000, align 1
  %t1002 = insertelement <16 x i32> poison, i32 %t1001, i64 0
  %r431 = shufflevector <16 x i32> %t1002, <16 x i32> poison, <16 x i32> zeroinitializer
  %r432 = add <16 x i32> %r431, %r430
  %t1003 = inttoptr i64 %r7 to ptr
  %t1004 = getelementptr i8, ptr %t1003, i64 14912
  store <16 x i32> %r432, ptr %t1004, align 1
  %t1005 = inttoptr i64 %r7 to ptr
  %t1006 = getelementptr i8, ptr %t1005, i64 14976
  %r433 = load <16 x i32>, ptr %t1006, align 1
  %t1007 = inttoptr i64 %r300 to ptr
  %t1008 = getelementptr i8, ptr %t1007, i64 80
  %t1009 = load i32, ptr %t1008, align 1
  %t1010 = insertelement <16 x i32> poison, i32 %t1009, i64 0
  %r434 = shufflevector <16 x i32> %t1010, <16 x i32> poison, <16 x i32> zeroinitializer
  %r435 = add <16 x i32> %r434, %r433
  %t1011 = inttoptr i64 %r7 to ptr
  %t1012 = getelementptr i8, ptr %t1011, i64 14976
  store <16 x i32> %r435, ptr %t1012, align 1
  %t1013 = inttoptr i64 %r291 to ptr
  %t1014 = getelementptr i8, ptr %t1013, i64 74176
  call void @llvm.prefetch.p0(ptr %t1014, i32 0, i32 3, i32 1)
  %t1015 = inttoptr i64 %r7 to ptr
  %t1016 = getelementptr i8, ptr %t1015, i64 15040
  %r436 = load <16 x i32>, ptr %t1016, align 1
  %t1017 = inttoptr i64 %r300 to ptr
  %t1018 = getelementptr i8, ptr %t1017, i64 80
  %t1019 = load i32, ptr %t1018, align 1
  %t1020 = insertelement <16 x i32> poison, i32 %t1019, i64 0
  %r437 = shufflevector <16 x i32> %t1020, <16 x i32> poison, <16 x i32> zeroinitializer
  %r438 = add <16 x i32> %r437, %r436
  %t1021 = inttoptr i64 %r7 to ptr
  %t1022 = getelementptr i8, ptr %t1021, i64 15040
  store <16 x i32> %r438, ptr %t1022, align 1
  %t1023 = inttoptr i64 %r7 to ptr
  %t1024 = getelementptr i8, ptr %t1023, i64 15104
  %r439 = load <16 x i32>, ptr %t1024, align 1
  %t1025 = inttoptr i64 %r300 to ptr
  %t1026 = getelementptr i8, ptr %t1025, i64 84
  %t1027 = load i32, ptr %t1026, align 1
  %t1028 = insertelement <16 x i32> poison, i32 %t1027, i64 0
  %r440 = shufflevector <16 x i32> %t1028, <16 x i32> poison, <16 x i32> zeroinitializer
  %r441 = add <16 x i32> %r440, %r439
  %t1029 = inttoptr i64 %r7 to ptr
  %t1030 = getelementptr i8, ptr %t1029, i64 15104
  store <16 x i32> %r441, ptr %t1030, align 1
  %t1031 = inttoptr i64 %r7 to ptr
  %t1032 = getelementptr i8, ptr %t1031, i64 15168
  %r442 = load <16 x i32>, ptr %t1032, align 1
  %t1033 = inttoptr i64 %r300 to ptr
  %t1034 = getelementptr i8, ptr %t1033, i64 84
  %t1035 = load i32, ptr %t1034, align 1
  %t1036 = insertelement <16 x i32> poison, i32 %t1035, i64 0
  %r443 = shufflevector <16 x i32> %t1036, <16 x i32> poison, <16 x i32> zeroinitializer
  %r444 = add <16 x i32> %r443, %r442
  %t1037 = inttoptr i64 %r7 to ptr
  %t1038 = getelementptr i8, ptr %t1037, i64 15168
  store <16 x i32> %r444, ptr %t1038, align 1
  %t1039 = inttoptr i64 %r7 to ptr
  %t1040 = getelementptr i8, ptr %t1039, i64 15232
  %r445 = load <16 x i32>, ptr %t1040, align 1
  %t1041 = inttoptr i64 %r300 to ptr
  %t1042 = getelementptr i8, ptr %t1041, i64 88
  %t1043 = load i32, ptr %t1042, align 1
  %t1044 = insertelement <16 x i32> poison, i32 %t1043, i64 0
  %r446 = shufflevector <16 x i32> %t1044, <16 x i32> poison, <16 x i32> zeroinitializer
  %r447 = add <16 x i32> %r446, %r445
  %t1045 = inttoptr i64 %r7 to ptr
  %t1046 = getelementptr i8, ptr %t1045, i64 15232
  store <16 x i32> %r447, ptr %t1046, align 1
  %t1047 = inttoptr i64 %r291 to ptr
  %t1048 = getelementptr i8, ptr %t1047, i64 74240
  call void @llvm.prefetch.p0(ptr %t1048, i32 0, i32 3, i32 1)
  %t1049 = inttoptr i64 %r7 to ptr
  %t1050 = getelementptr i8, ptr %t1049, i64 15296
  %r448 = load <16 x i32>, ptr %t1050, align 1
  %t1051 = inttoptr i64 %r300 to ptr
  %t1052 = getelementptr i8, ptr %t1051, i64 88
  %t1053 = load i32, ptr %t1052, align 1
  %t1054 = insertelement <16 x i32> poison, i32 %t1053, i64 0
  %r449 = shufflevector <16 x i32> %t1054, <16 x i32> poison, <16 x i32> zeroinitializer
  %r450 = add <16 x i32> %r449, %r448
  %t1055 = inttoptr i64 %r7 to ptr
  %t1056 = getelementptr i8, ptr %t1055, i64 15296
  store <16 x i32> %r450, ptr %t1056, align 1
  %t1057 = inttoptr i64 %r7 to ptr
  %t1058 = getelementptr i8, ptr %t1057, i64 15360
  %r451 = load <16 x i32>, ptr %t1058, align 1
  %t1059 = inttoptr i64 %r300 to ptr
  %t1060 = getelementptr i8, ptr %t1059, i64 92
  %t1061 = load i32, ptr %t1060, align 1
  %t1062 = insertelement <16 x i32> poison, i32 %t1061, i64 0
  %r452 = shufflevector <16 x i32> %t1062, <16 x i32> poison, <16 x i32> zeroinitializer
  %r453 = add <16 x i32> %r452, %r451
  %t1063 = inttoptr i64 %r7 to ptr
  %t1064 = getelementptr i8, ptr %t1063, i64 15360
  store <16 x i32> %r453, ptr %t1064, align 1
  %t1065 = inttoptr i64 %r7 to ptr
  %t1066 = getelementptr i8, ptr %t1065, i64 15424
  %r454 = load <16 x i32>, ptr %t1066, align 1
  %t1067 = inttoptr i64 %r300 to ptr
  %t1068 = getelementptr i8, ptr %t1067, i64 92
  %t1069 = load i32, ptr %t1068, align 1
  %t1070 = insertelement <16 x i32> poison, i32 %t1069, i64 0
  %r455 = shufflevector <16 x i32> %t1070, <16 x i32> poison, <16 x i32> zeroinitializer
  %r456 = add <16 x i32> %r455, %r454
  %t1071 = inttoptr i64 %r7 to ptr
  %t1072 = getelementptr i8, ptr %t1071, i64 15424
  store <16 x i32> %r456, ptr %t1072, align 1
  %t1073 = inttoptr i64 %r7 to ptr
  %t1074 = getelementptr i8, ptr %t1073, i64 15488
  %r457 = load <16 x i32>, ptr %t1074, align 1
  %t1075 = inttoptr i64 %r300 to ptr
  %t1076 = getelementptr i8, ptr %t1075, i64 96
  %t1077 = load i32, ptr %t1076, align 1
  %t1078 = insertelement <16 x i32> poison, i32 %t1077, i64 0
  %r458 = shufflevector <16 x i32> %t1078, <16 x i32> poison, <16 x i32> zeroinitializer
  %r459 = add <16 x i32> %r458, %r457
  %t1079 = inttoptr i64 %r291 to ptr
  %t1080 = getelementptr i8, ptr %t1079, i64 74304
  call void @llvm.prefetch.p0(ptr %t1080, i32 0, i32 3, i32 1)
  %t1081 = inttoptr i64 %r7 to ptr
  %t1082 = getelementptr i8, ptr %t1081, i64 15488
  store <16 x i32> %r459, ptr %t1082, align 1
  %t1083 = inttoptr i64 %r7 to ptr
  %t1084 = getelementptr i8, ptr %t1083, i64 15552
  %r460 = load <16 x i32>, ptr %t1084, align 1
  %t1085 = inttoptr i64 %r300 to ptr
  %t1086 = getelementptr i8, ptr %t1085, i64 96
  %t1087 = load i32, ptr %t1086, align 1
  %t1088 = insertelement <16 x i32> poison, i32 %t1087, i64 0
  %r461 = shufflevector <16 x i32> %t1088, <16 x i32> poison, <16 x i32> zeroinitializer
  %r462 = add <16 x i32> %r461, %r460
  %t1089 = inttoptr i64 %r7 to ptr
  %t1090 = getelementptr i8, ptr %t1089, i64 15552
  store <16 x i32> %r462, ptr %t1090, align 1
  %t1091 = inttoptr i64 %r7 to ptr
  %t1092 = getelementptr i8, ptr %t1091, i64 15616
  %r463 = load <16 x i32>, ptr %t1092, align 1
  %t1093 = inttoptr i64 %r300 to ptr
  %t1094 = getelementptr i8, ptr %t1093, i64 100
  %t1095 = load i32, ptr %t1094, align 1
  %t1096 = insertelement <16 x i32> poison, i32 %t1095, i64 0
  %r464 = shufflevector <16 x i32> %t1096, <16 x i32> poison, <16 x i32> zeroinitializer
  %r465 = add <16 x i32> %r464, %r463
  %t1097 = inttoptr i64 %r7 to ptr
  %t1098 = getelementptr i8, ptr %t1097, i64 15616
  store <16 x i32> %r465, ptr %t1098, align 1
  %t1099 = inttoptr i64 %r7 to ptr
  %t1100 = getelementptr i8, ptr %t1099, i64 15680
  %r466 = load <16 x i32>, ptr %t1100, align 1
  %t1101 = inttoptr i64 %r300 to ptr
  %t1102 = getelementptr i8, ptr %t1101, i64 100
  %t1103 = load i32, ptr %t1102, align 1
  %t1104 = insertelement <16 x i32> poison, i32 %t1103, i64 0
  %r467 = shufflevector <16 x i32> %t1104, <16 x i32> poison, <16 x i32> zeroinitializer
  %r468 = add <16 x i32> %r467, %r466
  %t1105 = inttoptr i64 %r7 to ptr
  %t1106 = getelementptr i8, ptr %t1105, i64 15680
  store <16 x i32> %r468, ptr %t1106, align 1
  %t1107 = inttoptr i64 %r7 to ptr
  %t1108 = getelementptr i8, ptr %t1107, i64 15744
  %r469 = load <16 x i32>, ptr %t1108, align 1
  %t1109 = inttoptr i64 %r300 to ptr
  %t1110 = getelementptr i8, ptr %t1109, i64 104
  %t1111 = load i32, ptr %t1110, align 1
  %t1112 = insertelement <16 x i32> poison, i32 %t1111, i64 0
  %r470 = shufflevector <16 x i32> %t1112, <16 x i32> poison, <16 x i32> zeroinitializer
  %r471 = add <16 x i32> %r470, %r469
  %t1113 = inttoptr i64 %r291 to ptr
  %t1114 = getelementptr i8, ptr %t1113, i64 74368
  call void @llvm.prefetch.p0(ptr %t1114, i32 0, i32 3, i32 1)
  %t1115 = inttoptr i64 %r7 to ptr
  %t1116 = getelementptr i8, ptr %t1115, i64 15744
  store <16 x i32> %r471, ptr %t1116, align 1
  %t1117 = inttoptr i64 %r7 to ptr
  %t1118 = getelementptr i8, ptr %t1117, i64 15808
  %r472 = load <16 x i32>, ptr %t1118, align 1
  %t1119 = inttoptr i64 %r300 to ptr
  %t1120 = getelementptr i8, ptr %t1119, i64 104
  %t1121 = load i32, ptr %t1120, align 1
  %t1122 = insertelement <16 x i32> poison, i32 %t1121, i64 0
  %r473 = shufflevector <16 x i32> %t1122, <16 x i32> poison, <16 x i32> zeroinitializer
  %r474 = add <16 x i32> %r473, %r472
  %t1123 = inttoptr i64 %r7 to ptr
  %t1124 = getelementptr i8, ptr %t1123, i64 15808
  store <16 x i32> %r474, ptr %t1124, align 1
  %t1125 = inttoptr i64 %r7 to ptr
  %t1126 = getelementptr i8, ptr %t1125, i64 15872
  %r475 = load <16 x i32>, ptr %t1126, align 1
  %t1127 = inttoptr i64 %r300 to ptr
  %t1128 = getelementptr i8, ptr %t1127, i64 108
  %t1129 = load i32, ptr %t1128, align 1
  %t1130 = insertelement <16 x i32> poison, i32 %t1129, i64 0
  %r476 = shufflevector <16 x i32> %t1130, <16 x i32> poison, <16 x i32> zeroinitializer
  %r477 = add <16 x i32> %r476, %r475
  %t1131 = inttoptr i64 %r7 to ptr
  %t1132 = getelementptr i8, ptr %t1131, i64 15872
  store <16 x i32> %r477, ptr %t1132, align 1
  %t1133 = inttoptr i64 %r7 to ptr
  %t1134 = getelementptr i8, ptr %t1133, i64 15936
  %r478 = load <16 x i32>, ptr %t1134, align 1
  %t1135 = inttoptr i64 %r300 to ptr
  %t1136 = getelementptr i8, ptr %t1135, i64 108
  %t1137 = load i32, ptr %t1136, align 1
  %t1138 = insertelement <16 x i32> poison, i32 %t1137, i64 0
  %r479 = shufflevector <16 x i32> %t1138, <16 x i32> poison, <16 x i32> zeroinitializer
  %r480 = add <16 x i32> %r479, %r478
  %t1139 = inttoptr i64 %r7 to ptr
  %t1140 = getelementptr i8, ptr %t1139, i64 15936
  store <16 x i32> %r480, ptr %t1140, align 1
  %t1141 = inttoptr i64 %r7 to ptr
  %t1142 = getelementptr i8, ptr %t1141, i64 16000
  %r481 = load <16 x i32>, ptr %t1142, align 1
  %t1143 = inttoptr i64 %r300 to ptr
  %t1144 = getelementptr i8, ptr %t1143, i64 112
  %t1145 = load i32, ptr %t1144, align 1
  %t1146 = insertelement <16 x i32> poison, i32 %t1145, i64 0
  %r482 = shufflevector <16 x i32> %t1146, <16 x i32> poison, <16 x i32> zeroinitializer
  %t1147 = inttoptr i64 %r291 to ptr
  %t1148 = getelementptr i8, ptr %t1147, i64 74432
  call void @llvm.prefetch.p0(ptr %t1148, i32 0, i32 3, i32 1)
  %r483 = add <16 x i32> %r482, %r481
  %t1149 = inttoptr i64 %r7 to ptr
  %t1150 = getelementptr i8, ptr %t1149, i64 16000
  store <16 x i32> %r483, ptr %t1150, align 1
  %t1151 = inttoptr i64 %r7 to ptr
  %t1152 = getelementptr i8, ptr %t1151, i64 16064
  %r484 = load <16 x i32>, ptr %t1152, align 1
  %t1153 = inttoptr i64 %r300 to ptr
  %t1154 = getelementptr i8, ptr %t1153, i64 112
  %t1155 = load i32, ptr %t1154, align 1
  %t1156 = insertelement <16 x i32> poison, i32 %t1155, i64 0
  %r485 = shufflevector <16 x i32> %t1156, <16 x i32> poison, <16 x i32> zeroinitializer
  %r486 = add <16 x i32> %r485, %r484
  %t1157 = inttoptr i64 %r7 to ptr
  %t1158 = getelementptr i8, ptr %t1157, i64 16064
  store <16 x i32> %r486, ptr %t1158, align 1
  %t1159 = inttoptr i64 %r7 to ptr
  %t1160 = getelementptr i8, ptr %t1159, i64 16128
  %r487 = load <16 x i32>, ptr %t1160, align 1
  %t1161 = inttoptr i64 %r300 to ptr
  %t1162 = getelementptr i8, ptr %t1161, i64 116
  %t1163 = load i32, ptr %t1162, align 1
  %t1164 = insertelement <16 x i32> poison, i32 %t1163, i64 0
  %r488 = shufflevector <16 x i32> %t1164, <16 x i32> poison, <16 x i32> zeroinitializer
  %r489 = add <16 x i32> %r488, %r487
  %t1165 = inttoptr i64 %r7 to ptr
  %t1166 = getelementptr i8, ptr %t1165, i64 16128
  store <16 x i32> %r489, ptr %t1166, align 1
  %t1167 = inttoptr i64 %r7 to ptr
  %t1168 = getelementptr i8, ptr %t1167, i64 16192
  %r490 = load <16 x i32>, ptr %t1168, align 1
  %t1169 = inttoptr i64 %r300 to ptr
  %t1170 = getelementptr i8, ptr %t1169, i64 116
  %t1171 = load i32, ptr %t1170, align 1
  %t1172 = insertelement <16 x i32> poison, i32 %t1171, i64 0
  %r491 = shufflevector <16 x i32> %t1172, <16 x i32> poison, <16 x i32> zeroinitializer
  %r492 = add <16 x i32> %r491, %r490
  %t1173 = inttoptr i64 %r7 to ptr
  %t1174 = getelementptr i8, ptr %t1173, i64 16192
  store <16 x i32> %r492, ptr %t1174, align 1
  %t1175 = inttoptr i64 %r7 to ptr
  %t1176 = getelementptr i8, ptr %t1175, i64 16256
  %r493 = load <16 x i32>, ptr %t1176, align 1
  %t1177 = inttoptr i64 %r300 to ptr
  %t1178 = getelementptr i8, ptr %t1177, i64 120
  %t1179 = load i32, ptr %t1178, align 1
  %t1180 = insertelement <16 x i32> poison, i32 %t1179, i64 0
  %r494 = shufflevector <16 x i32> %t1180, <16 x i32> poison, <16 x i32> zeroinitializer
  %t1181 = inttoptr i64 %r291 to ptr
  %t1182 = getelementptr i8, ptr %t1181, i64 74496
  call void @llvm.prefetch.p0(ptr %t1182, i32 0, i32 3, i32 1)
  %r495 = add <16 x i32> %r494, %r493
  %t1183 = inttoptr i64 %r7 to ptr
  %t1184 = getelementptr i8, ptr %t1183, i64 16256
  store <16 x i32> %r495, ptr %t1184, align 1
  %t1185 = inttoptr i64 %r7 to ptr
  %t1186 = getelementptr i8, ptr %t1185, i64 16320
  %r496 = load <16 x i32>, ptr %t1186, align 1
  %t1187 = inttoptr i64 %r300 to ptr
  %t1188 = getelementptr i8, ptr %t1187, i64 120
  %t1189 = load i32, ptr %t1188, align 1
  %t1190 = insertelement <16 x i32> poison, i32 %t1189, i64 0
  %r497 = shufflevector <16 x i32> %t1190, <16 x i32> poison, <16 x i32> zeroinitializer
  %r498 = add <16 x i32> %r497, %r496
  %t1191 = inttoptr i64 %r7 to ptr
  %t1192 = getelementptr i8, ptr %t1191, i64 16320
  store <16 x i32> %r498, ptr %t1192, align 1
  %t1193 = inttoptr i64 %r7 to ptr
  %t1194 = getelementptr i8, ptr %t1193, i64 16384
  %r499 = load <16 x i32>, ptr %t1194, align 1
  %t1195 = inttoptr i64 %r300 to ptr
  %t1196 = getelementptr i8, ptr %t1195, i64 124
  %t1197 = load i32, ptr %t1196, align 1
  %t1198 = insertelement <16 x i32> poison, i32 %t1197, i64 0
  %r500 = shufflevector <16 x i32> %t1198, <16 x i32> poison, <16 x i32> zeroinitializer
  %r501 = add <16 x i32> %r500, %r499
  %t1199 = inttoptr i64 %r7 to ptr
  %t1200 = getelementptr i8, ptr %t1199, i64 16384
  store <16 x i32> %r501, ptr %t1200, align 1
  %t1201 = inttoptr i64 %r7 to ptr
  %t1202 = getelementptr i8, ptr %t1201, i64 16448
  %r502 = load <16 x i32>, ptr %t1202, align 1
  %t1203 = inttoptr i64 %r300 to ptr
  %t1204 = getelementptr i8, ptr %t1203, i64 124
  %t1205 = load i32, ptr %t1204, align 1
  %t1206 = insertelement <16 x i32> poison, i32 %t1205, i64 0
  %r503 = shufflevector <16 x i32> %t1206, <16 x i32> poison, <16 x i32> zeroinitializer
  %r504 = add <16 x i32> %r503, %r502
  %t1207 = inttoptr i64 %r7 to ptr
  %t1208 = getelementptr i8, ptr %t1207, i64 16448
  store <16 x i32> %r504, ptr %t1208, align 1
  %r506 = add i64 %r505, %r297
  %t1210 = icmp slt i64 0, 32
  br i1 %t1210, label %body1209, label %exit1209
body1209:
  %r507 = phi i64 [ 0, %body647 ], [ %t1239, %body1209 ]
  %r508 = mul i64 %r507, 128
  %r509 = add i64 %r7, %r508
  %t1211 = inttoptr i64 %r509 to ptr
  %t1212 = getelementptr i8, ptr %t1211, i64 12416
  %r510 = load <16 x i32>, ptr %t1212, align 1
  %r511 = sitofp <16 x i32> %r510 to <16 x float>
  %t1213 = inttoptr i64 %r291 to ptr
  %t1214 = getelementptr i8, ptr %t1213, i64 512
  %t1215 = load <16 x i16>, ptr %t1214, align 1
  %r512 = zext <16 x i16> %t1215 to <16 x i32>
  %t1216 = trunc <16 x i32> %r512 to <16 x i16>
  %t1217 = bitcast <16 x i16> %t1216 to <16 x half>
  %r513 = fpext <16 x half> %t1217 to <16 x float>
  %r514 = mul i64 %r507, 4
  %r515 = add i64 %r506, %r514
  %t1218 = inttoptr i64 %r515 to ptr
  %t1219 = load float, ptr %t1218, align 1
  %t1220 = insertelement <16 x float> poison, float %t1219, i64 0
  %r516 = shufflevector <16 x float> %t1220, <16 x float> poison, <16 x i32> zeroinitializer
  %r517 = fmul <16 x float> %r513, %r516
  %t1221 = inttoptr i64 %r509 to ptr
  %t1222 = getelementptr i8, ptr %t1221, i64 8320
  %r518 = load <16 x float>, ptr %t1222, align 1
  %r519 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r511, <16 x float> %r517, <16 x float> %r518)
  %t1223 = inttoptr i64 %r509 to ptr
  %t1224 = getelementptr i8, ptr %t1223, i64 8320
  store <16 x float> %r519, ptr %t1224, align 1
  %t1225 = inttoptr i64 %r509 to ptr
  %t1226 = getelementptr i8, ptr %t1225, i64 12480
  %r520 = load <16 x i32>, ptr %t1226, align 1
  %r521 = sitofp <16 x i32> %r520 to <16 x float>
  %t1227 = inttoptr i64 %r291 to ptr
  %t1228 = getelementptr i8, ptr %t1227, i64 70144
  %t1229 = load <16 x i16>, ptr %t1228, align 1
  %r522 = zext <16 x i16> %t1229 to <16 x i32>
  %t1230 = trunc <16 x i32> %r522 to <16 x i16>
  %t1231 = bitcast <16 x i16> %t1230 to <16 x half>
  %r523 = fpext <16 x half> %t1231 to <16 x float>
  %t1232 = inttoptr i64 %r515 to ptr
  %t1233 = load float, ptr %t1232, align 1
  %t1234 = insertelement <16 x float> poison, float %t1233, i64 0
  %r524 = shufflevector <16 x float> %t1234, <16 x float> poison, <16 x i32> zeroinitializer
  %r525 = fmul <16 x float> %r523, %r524
  %t1235 = inttoptr i64 %r509 to ptr
  %t1236 = getelementptr i8, ptr %t1235, i64 8384
  %r526 = load <16 x float>, ptr %t1236, align 1
  %r527 = call <16 x float> @llvm.fma.v16f32(<16 x float> %r521, <16 x float> %r525, <16 x float> %r526)
  %t1237 = inttoptr i64 %r509 to ptr
  %t1238 = getelementptr i8, ptr %t1237, i64 8384
  store <16 x float> %r527, ptr %t1238, align 1
  %t1239 = add i64 %r507, 1
  %t1240 = icmp slt i64 %t1239, 32
  br i1 %t1240, label %body1209, label %exit1209
exit1209:
  %t1241 = add i64 %r282, 1
  %t1242 = icmp slt i64 %t1241, 128
  br i1 %t1242, label %body647, label %exit647
exit647:
  %r528 = mul i64 %r5, %r265
  %r530 = add i64 %r264, %r528
  %r531 = add i64 %r530, %r267
  %r538 = sub i64 4096, %r4
  %r539 = call i64 @llvm.smax.i64(i64 %r538, i64 0)
  %r540 = call i64 @llvm.smin.i64(i64 %r539, i64 16)
  %r544 = add i64 %r4, 16
  %r545 = sub i64 4096, %r544
  %r546 = call i64 @llvm.smax.i64(i64 %r545, i64 0)
  %r547 = call i64 @llvm.smin.i64(i64 %r546, i64 16)
  %t1244 = icmp slt i64 0, 32
  br i1 %t1244, label %body1243, label %exit1243
body1243:
  %r532 = phi i64 [ 0, %exit647 ], [ %t1271, %join1259 ]
  %r541 = phi i64 [ 0, %exit647 ], [ %r558, %join1259 ]
  %r533 = mul i64 %r532, 128
  %r534 = add i64 %r7, %r533
  %t1245 = inttoptr i64 %r534 to ptr
  %t1246 = getelementptr i8, ptr %t1245, i64 8320
  %r535 = load <16 x float>, ptr %t1246, align 1
  %r536 = add i64 %r5, %r532
  %r537 = sub i64 %r277, %r536
  %r542 = add i64 %r531, %r541
  %t1248 = icmp sgt i64 %r537, 0
  br i1 %t1248, label %then1247, label %else1247
then1247:
  %t1250 = icmp sge i64 %r540, 16
  br i1 %t1250, label %then1249, label %else1249
then1249:
  %t1251 = inttoptr i64 %r542 to ptr
  store <16 x float> %r535, ptr %t1251, align 1
  br label %join1249
else1249:
  %t1252 = inttoptr i64 %r542 to ptr
  %t1253 = trunc i64 %r540 to i32
  %t1254 = insertelement <16 x i32> poison, i32 %t1253, i64 0
  %t1255 = shufflevector <16 x i32> %t1254, <16 x i32> poison, <16 x i32> zeroinitializer
  %t1256 = icmp sgt <16 x i32> %t1255, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  call void @llvm.masked.store.v16f32.p0(<16 x float> %r535, ptr %t1252, i32 1, <16 x i1> %t1256)
  br label %join1249
join1249:
  br label %join1247
else1247:
  br label %join1247
join1247:
  %t1257 = inttoptr i64 %r534 to ptr
  %t1258 = getelementptr i8, ptr %t1257, i64 8384
  %r543 = load <16 x float>, ptr %t1258, align 1
  %t1260 = icmp sgt i64 %r537, 0
  br i1 %t1260, label %then1259, label %else1259
then1259:
  %t1262 = icmp sge i64 %r547, 16
  br i1 %t1262, label %then1261, label %else1261
then1261:
  %t1263 = inttoptr i64 %r542 to ptr
  %t1264 = getelementptr i8, ptr %t1263, i64 64
  store <16 x float> %r543, ptr %t1264, align 1
  br label %join1261
else1261:
  %t1265 = inttoptr i64 %r542 to ptr
  %t1266 = getelementptr i8, ptr %t1265, i64 64
  %t1267 = trunc i64 %r547 to i32
  %t1268 = insertelement <16 x i32> poison, i32 %t1267, i64 0
  %t1269 = shufflevector <16 x i32> %t1268, <16 x i32> poison, <16 x i32> zeroinitializer
  %t1270 = icmp sgt <16 x i32> %t1269, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  call void @llvm.masked.store.v16f32.p0(<16 x float> %r543, ptr %t1266, i32 1, <16 x i1> %t1270)
  br label %join1261
join1261:
  br label %join1259
else1259:
  br label %join1259
join1259:
  %r558 = add i64 %r541, %r265
  %t1271 = add i64 %r532, 1
  %t1272 = icmp slt i64 %t1271, 32
  br i1 %t1272, label %body1243, label %exit1243
exit1243:
  %r559 = phi i64 [ 0, %exit647 ], [ %r558, %join1259 ]
  br label %join637
else637:
  br label %join637
join637:
  %t1273 = inttoptr i64 %r0 to ptr
  %r548 = atomicrmw add ptr %t1273, i64 1 acq_rel, align 8
  br label %join16
else16:
  br label %join16
join16:
  %r549 = phi i64 [ %r548, %join637 ], [ %r3, %else16 ]
  %t1274 = add i64 %r2, 1
  %t1275 = icmp slt i64 %t1274, 128
  br i1 %t1275, label %body14, label %exit14
exit14:
  %r550 = phi i64 [ %r1, %entry ], [ %r549, %join16 ]
  ret void
}

attributes #0 = { nounwind "target-cpu"="x86-64-v4" "target-features"="+avx512vnni,+avx512vbmi,+gfni,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16" "prefer-vector-width"="512" "min-legal-vector-width"="512" }
!0 = !{}
