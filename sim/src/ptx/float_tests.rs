use super::*;

fn rounded(round: Round) -> Conversion {
    Conversion::new(round)
}

const DIRECTIONS: [Round; 5] = [Round::Nearest, Round::Zero, Round::Down, Round::Up, Round::Away];

#[test]
fn every_number_comes_back() {
    for format in [E4M3, E5M2, F16, BF16, TF32] {
        for code in 0..1u64 << format.bits {
            let bits = code << format.unused;
            let x = format.decode(bits);
            for round in DIRECTIONS {
                let back = format.encode(x, rounded(round));
                let expected = if x.is_nan() { format.nan } else { bits };
                assert_eq!(back, expected, "{} {bits:#x} = {x}", format.name);
            }
        }
    }
}

#[test]
fn halves_decode_as_the_library_does() {
    for code in 0..=u16::MAX {
        let (ours, theirs) = (F16.decode(code.into()), half::f16::from_bits(code).to_f64());
        assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan());
        let (ours, theirs) = (BF16.decode(code.into()), half::bf16::from_bits(code).to_f64());
        assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan());
    }
}

/// Between any two neighbours: a quarter, a half, three quarters, in all directions, both signs.
#[test]
fn what_lies_between_goes_the_way_it_should() {
    for format in [E4M3, E5M2, F16, BF16, TF32] {
        for code in 0..format.largest() {
            let at = |c: u64| c << format.unused;
            let (low, high) = (format.decode(at(code)), format.decode(at(code + 1)));
            let sign = 1 << (format.bits - 1);
            for quarter in 1..4 {
                let x = low + (high - low) * f64::from(quarter) / 4.0;
                let half = quarter == 2;
                for round in DIRECTIONS {
                    let up = match round {
                        Round::Nearest => quarter > 2 || half && code % 2 == 1,
                        Round::Away => quarter >= 2,
                        Round::Zero | Round::Down => false,
                        Round::Up => true,
                    };
                    let down = match round {
                        Round::Down => true,
                        Round::Up => false,
                        Round::Nearest | Round::Zero | Round::Away => up,
                    };
                    let name = format.name;
                    let got = format.encode(x, rounded(round));
                    assert_eq!(got, at(code + u64::from(up)), "{name} {x} {round:?}");
                    let got = format.encode(-x, rounded(round));
                    assert_eq!(got, at(sign + code + u64::from(down)), "{name} -{x} {round:?}");
                }
            }
        }
    }
}

#[test]
fn f32_and_f64_are_those_of_the_machine() {
    let mut state = 1u64;
    for _ in 0..100_000 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let x = f64::from_bits(state ^ state >> 33);
        if !x.is_nan() {
            assert_eq!(F32.encode(x, Conversion::nearest()), u64::from((x as f32).to_bits()));
            assert_eq!(F64.encode(x, rounded(Round::Up)), x.to_bits());
            let small = f64::from(f32::from_bits(state as u32));
            let as_half = half::f16::from_f64(small).to_bits();
            if !small.is_nan() {
                assert_eq!(F16.encode(small, Conversion::nearest()), as_half.into());
                assert_eq!(F32.encode(small, rounded(Round::Down)), state & 0xffff_ffff);
            }
        }
        let int = state as i64;
        assert_eq!(
            F32.of_int(int.into(), Conversion::nearest()),
            u64::from((int as f32).to_bits())
        );
        assert_eq!(F64.of_int(int.into(), Conversion::nearest()), (int as f64).to_bits());
    }
}

#[test]
fn known_numbers() {
    let finite = Conversion { saturate: Saturate::Finite, ..Conversion::nearest() };
    let n = Conversion::nearest();
    // OCP 8-bit floating point, table 1: largest 448 and 57344, smallest 2^-9 and 2^-16.
    assert_eq!(E4M3.decode(0x7e), 448.0);
    assert_eq!(E4M3.decode(0x01), 2f64.powi(-9));
    assert!(E4M3.decode(0x7f).is_nan() && E4M3.decode(0xff).is_nan());
    assert_eq!(E5M2.decode(0x7b), 57344.0);
    assert_eq!(E5M2.decode(0x7c), f64::INFINITY);
    assert_eq!(E5M2.decode(0x81), -(2f64.powi(-16)));
    assert_eq!(E4M3.encode(1e6, finite), 0x7e);
    assert_eq!(E4M3.encode(f64::NEG_INFINITY, finite), 0xfe);
    assert_eq!(E4M3.encode(1e6, n), 0x7f);
    assert_eq!(E5M2.encode(1e6, n), 0x7c);
    assert_eq!(E5M2.encode(1e6, finite), 0x7b);
    assert_eq!(E5M2.encode(f64::NAN, finite), 0x7f);
    // 464 lies half way to 480, which e4m3 gives to NaN: the tie goes to the even 448.
    assert_eq!(E4M3.encode(464.0, n), 0x7e);
    assert_eq!(E4M3.encode(464.1, n), 0x7f);
    assert_eq!(F16.encode(65519.9, n), 0x7bff);
    assert_eq!(F16.encode(65520.0, n), 0x7c00);
    assert_eq!(F16.encode(65520.0, rounded(Round::Zero)), 0x7bff);
    assert_eq!(F16.encode(1e9, rounded(Round::Down)), 0x7bff);
    assert_eq!(F16.encode(1e9, rounded(Round::Up)), 0x7c00);
    assert_eq!(F16.encode(-1e9, rounded(Round::Up)), 0xfbff);
    assert_eq!(F16.encode(-1e9, rounded(Round::Down)), 0xfc00);
    // 1 + 2^-11 is half way between the tf32 numbers 1 and 1 + 2^-10.
    let tie = 1.0 + 2f64.powi(-11);
    assert_eq!(TF32.encode(tie, n), 0x3f80_0000);
    assert_eq!(TF32.encode(tie, rounded(Round::Away)), 0x3f80_2000);
    assert_eq!(TF32.decode(0x3f80_1fff), 1.0);
}

#[test]
fn saturation_relu_and_flushing() {
    let n = Conversion::nearest();
    let unit = Conversion { saturate: Saturate::Unit, ..n };
    for (x, y) in
        [(-1.0, 0.0), (-0.0, 0.0), (0.25, 0.25), (7.0, 1.0), (f64::INFINITY, 1.0), (f64::NAN, 0.0)]
    {
        assert_eq!(F32.decode(F32.encode(x, unit)), y, "{x}");
    }
    let relu = Conversion { relu: true, ..n };
    assert_eq!(F16.encode(-2.0, relu), 0);
    assert_eq!(F16.encode(-0.0, relu), 0);
    assert_eq!(F16.encode(f64::NEG_INFINITY, relu), 0);
    assert_eq!(BF16.encode(f64::NAN, relu), 0x7fff);
    let flush = Conversion { flush: true, ..n };
    assert_eq!(F32.encode(-f64::from(f32::MIN_POSITIVE) / 2.0, flush), 0x8000_0000);
    assert_eq!(F32.encode(f32::MIN_POSITIVE.into(), flush), 0x0080_0000);
    assert_eq!(flushed(-1e-40).to_bits(), 0x8000_0000);
    assert_eq!(flushed(1e-30), 1e-30);
}

#[test]
fn integers_round_once() {
    // 2^24 + 1 and + 3 are half way between floats, as is 2^64 - 2^39.
    for (x, round, y) in [
        ((1i128 << 24) + 1, Round::Nearest, 16_777_216f32),
        ((1 << 24) + 3, Round::Nearest, 16_777_220.0),
        ((1 << 24) + 3, Round::Zero, 16_777_218.0),
        ((1 << 24) + 1, Round::Up, 16_777_218.0),
        (-(1 << 24) - 1, Round::Up, -16_777_216.0),
        (-(1 << 24) - 1, Round::Down, -16_777_218.0),
        (u64::MAX.into(), Round::Zero, 18_446_742_974_197_923_840.0),
        (u64::MAX.into(), Round::Nearest, 18_446_744_073_709_551_616.0),
        (i64::MIN.into(), Round::Zero, -9_223_372_036_854_775_808.0),
        (0, Round::Down, 0.0),
    ] {
        assert_eq!(F32.of_int(x, rounded(round)), u64::from(y.to_bits()), "{x} {round:?}");
    }
    assert_eq!(F16.of_int(70000, Conversion::nearest()), 0x7c00);
    assert_eq!(F16.of_int(70000, rounded(Round::Zero)), 0x7bff);
    assert_eq!(BF16.of_int(257, Conversion::nearest()), 0x4380);
    assert_eq!(F64.of_int((1 << 53) + 1, rounded(Round::Up)), 9_007_199_254_740_994f64.to_bits());
}

#[test]
fn floats_become_integers() {
    let (n, z) = (Round::Nearest, Round::Zero);
    assert_eq!(to_int(2.5, n, 32, true, false), 2);
    assert_eq!(to_int(3.5, n, 32, true, false), 4);
    assert_eq!(to_int(-2.9, z, 32, true, false), 0xffff_fffe);
    assert_eq!(to_int(-2.1, Round::Down, 32, true, false), 0xffff_fffd);
    assert_eq!(to_int(2.1, Round::Up, 8, true, false), 3);
    assert_eq!(to_int(300.0, z, 8, true, false), 127);
    assert_eq!(to_int(-300.0, z, 8, true, false), 0x80);
    assert_eq!(to_int(-1.0, z, 8, false, false), 0);
    assert_eq!(to_int(f64::INFINITY, z, 64, false, false), u64::MAX);
    assert_eq!(to_int(f64::NEG_INFINITY, z, 64, true, false), 1 << 63);
    assert_eq!(to_int(f64::NAN, z, 32, true, false), 0);
    assert_eq!(to_int(f64::NAN, z, 64, false, false), 1 << 63);
    assert_eq!(to_int(f64::NAN, z, 32, true, true), 1 << 31);
}

/// `fma.rn.f32` against the machine's; the other directions against what they must enclose.
#[test]
fn fused_products_round_once() {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // Exponents near each other, so that sums cancel.
        let exponent = 120 + (state >> 40) % 12;
        f32::from_bits((state >> 32) as u32 & 0x807f_ffff | (exponent as u32) << 23)
    };
    for _ in 0..100_000 {
        let (a, b, c) = (next(), next(), next());
        let exact = fma(a.into(), b.into(), c.into());
        let near = F32.encode(exact, Conversion::nearest()) as u32;
        assert_eq!(near, a.mul_add(b, c).to_bits(), "{a} {b} {c}");
        let down = fma_f32(a, b, c, rounded(Round::Down));
        let up = fma_f32(a, b, c, rounded(Round::Up));
        let zero = fma_f32(a, b, c, rounded(Round::Zero));
        assert!(f64::from(down) <= exact && exact <= f64::from(up));
        assert!(down == up || down.next_up() == up);
        assert_eq!(zero, if exact < 0.0 { up } else { down });
        let quotient = div(a.into(), b.into());
        assert_eq!(F32.encode(quotient, Conversion::nearest()) as u32, (a / b).to_bits());
        let down = F32.decode(F32.encode(quotient, rounded(Round::Down)));
        // Two numbers of 24 bits: the product is exact.
        let below =
            if b > 0.0 { down * f64::from(b) <= a.into() } else { down * f64::from(b) >= a.into() };
        assert!(below, "{a} / {b}");
        let root = sqrt(a.abs().into());
        assert_eq!(F32.encode(root, Conversion::nearest()) as u32, a.abs().sqrt().to_bits());
        let down = F32.decode(F32.encode(root, rounded(Round::Zero)));
        assert!(down * down <= f64::from(a.abs()));
    }
}

#[test]
fn a_double_rounding_would_show() {
    // 1 + 2^-11 + 2^-60 is above the tie of f16; f64 alone cannot hold it.
    let x = add(1.0 + 2f64.powi(-11), 2f64.powi(-60));
    assert_eq!(F16.encode(x, Conversion::nearest()), 0x3c01);
    let x = add(1.0 + 2f64.powi(-11), -(2f64.powi(-60)));
    assert_eq!(F16.encode(x, Conversion::nearest()), 0x3c00);
    // (1 + 2^-23)^2 - 1 = 2^-22 + 2^-46.
    let a = 1.0f32.next_up();
    let up = fma_f32(a, a, -1.0, rounded(Round::Up));
    assert_eq!(up, 2f32.powi(-22) + 2f32.powi(-45));
    let zero = fma_f32(a, a, 1.0, rounded(Round::Zero));
    assert_eq!(zero, 2.0 + 2f32.powi(-22));
    // A tiny addend decides the direction.
    assert_eq!(fma_f32(1.0, 1.0, 1e-30, rounded(Round::Up)), 1.0f32.next_up());
    assert_eq!(fma_f32(1.0, 1.0, -1e-30, rounded(Round::Zero)), 1.0f32.next_down());
    assert_eq!(fma_f32(1.0, 1.0, 1e-30, rounded(Round::Down)), 1.0);
}

#[test]
fn special_values() {
    let nan = 0x7fff_ffff;
    let n = Conversion::nearest();
    assert_eq!(fma_f32(f32::INFINITY, 0.0, 1.0, n).to_bits(), nan);
    assert_eq!(fma_f32(-f32::NAN, 0.0, 1.0, n).to_bits(), nan);
    assert_eq!(F32.encode(add(f64::INFINITY, f64::NEG_INFINITY), n), nan.into());
    assert_eq!(add(f64::INFINITY, 1.0), f64::INFINITY);
    assert_eq!(fma(f64::NEG_INFINITY, 2.0, 1.0), f64::NEG_INFINITY);
    assert_eq!(div(1.0, 0.0), f64::INFINITY);
    assert_eq!(div(-1.0, f64::INFINITY).to_bits(), (-0f64).to_bits());
    assert!(div(0.0, 0.0).is_nan() && sqrt(-1.0).is_nan());
    assert_eq!(sqrt(f64::INFINITY), f64::INFINITY);
    assert_eq!(mul(3.0, 0.5), 1.5);
    assert_eq!(canonical(2.0), 2.0);
    assert_eq!(whole(-2.5, Round::Nearest), -2.0);
    assert_eq!(whole(-2.5, Round::Away), -3.0);
    assert_eq!(Format::parse("e5m2"), Some(E5M2));
    assert_eq!(Format::parse("f8"), None);
    assert_eq!(power(-1074), f64::from_bits(1));
    assert_eq!(power(1024), f64::INFINITY);
    let flush = Conversion { flush: true, ..n };
    assert_eq!(fma_f32(1e-40, 1.0, 0.0, flush), 0.0);
}

#[test]
fn the_lesser_and_the_greater() {
    assert_eq!(lesser(1.0, 2.0, false), 1.0);
    assert_eq!(greater(1.0, 2.0, false), 2.0);
    assert_eq!(lesser(0.0, -0.0, false).to_bits(), (-0f64).to_bits());
    assert_eq!(greater(-0.0, 0.0, false).to_bits(), 0);
    assert_eq!(lesser(f64::NAN, 2.0, false), 2.0);
    assert_eq!(greater(2.0, f64::NAN, false), 2.0);
    assert!(lesser(f64::NAN, 2.0, true).is_nan() && greater(2.0, f64::NAN, true).is_nan());
    assert!(lesser(f64::NAN, f64::NAN, false).is_nan());
}
