use super::*;

const C: &str = "lane = n1 n2 m0 m1 m2, reg = n0 m3";

fn layout(text: &str) -> Layout {
    Layout::parse(text).unwrap()
}

#[test]
fn text_survives() {
    for text in [C, "lane = _ _ m0 m1 m2", "offset = k0 k3^m1 _", "reg = _", "x = k63"] {
        assert_eq!(layout(text).to_string(), text);
        assert_eq!(layout(&layout(text).to_string()), layout(text));
    }
    assert_eq!(layout("reg = n0, lane = m0"), layout("lane = m0, reg = n0"));
}

#[test]
fn each_mistake_has_its_message_and_place() {
    for (text, message, span) in [
        ("", "expected the name of a hardware axis, found the end", 0..0),
        ("_ = m0", "`_` cannot name an axis", 0..1),
        ("reg2 = m0", "`reg2` cannot name an axis", 0..4),
        ("reg = m0, reg = m1", "`reg` is given twice", 10..13),
        ("reg m0", "expected `=`, found `m0`", 4..6),
        ("reg = ", "axis `reg` has no bits; leave it out", 6..6),
        ("reg = m", "`m` is not a bit", 6..7),
        ("reg = m64", "bit 64 is beyond 63", 6..9),
        ("reg = m99999999999999999999999", "`m99999999999999999999999` is not a bit", 6..30),
        ("reg = m0^m0", "`m0` cancels itself in one word", 9..11),
        ("reg = m0^", "expected a logical bit such as `m0`, found the end", 9..9),
        ("reg = m0 )", "expected `,` or the end of the layout", 9..10),
        ("reg = m63 n0", "a layout has at most 64 bits on each side", 0..12),
    ] {
        let error = Layout::parse(text).unwrap_err();
        assert_eq!((error.message.as_str(), error.span), (message, span), "{text}");
    }
    let wide = format!("reg ={}", " _".repeat(65));
    assert!(Layout::parse(&wide).is_err());
}

#[test]
fn a_damaged_text_never_panics() {
    let text = "lane = n1 n2^m3 m0, reg = n0 _";
    for at in 0..text.len() {
        for with in ["", " ", "^", ",", "=", "_", "9", "m0", "é", ";"] {
            let mut damaged = text.to_string();
            damaged.replace_range(at..at + 1, with);
            if let Ok(l) = Layout::parse(&damaged) {
                assert_eq!(layout(&l.to_string()), l, "{damaged}");
                let _ = (l.invert(), l.rank(), l.kernel());
            }
        }
    }
}

#[test]
fn a_fragment_is_applied() {
    let at = layout(C).apply(&[("lane", 5), ("reg", 2)]).unwrap();
    assert_eq!(at, [("m".to_string(), 9), ("n".to_string(), 2)]);
    let error = layout(C).apply(&[("lane", 32)]).unwrap_err();
    assert_eq!(error.to_string(), "index 32 of `lane` is beyond its 5 bits");
    let error = layout(C).apply(&[("warp", 0)]).unwrap_err();
    assert_eq!(error.to_string(), "the layout has no hardware axis `warp`");
}

#[test]
fn inverse_and_compose() {
    let c = layout(C);
    assert!(c.is_bijective());
    let back = c.invert().unwrap();
    assert_eq!(back.to_string(), "m = lane2 lane3 lane4 reg1, n = reg0 lane0 lane1");
    assert_eq!(back.invert().unwrap(), c);
    assert_eq!(
        c.then(&back).unwrap().to_string(),
        "lane = lane0 lane1 lane2 lane3 lane4, reg = reg0 reg1"
    );
    let error = c.then(&layout("m = x0, n = y0 y1 y2")).unwrap_err();
    assert_eq!(error.to_string(), "bit 1 of `m` goes into a layout that has 1 bits of it");
}

#[test]
fn rank_kernel_and_the_missing_bit() {
    let l = layout("lane = _ m0 m1^m0, reg = m1");
    assert_eq!((l.rank(), l.is_surjective(), l.is_injective()), (2, true, false));
    let kernel = l.kernel();
    let lane = |mask| ("lane".to_string(), mask);
    assert_eq!(kernel, [vec![lane(1)], vec![lane(6), ("reg".to_string(), 1)]]);
    let error = layout("reg = m0^m1").invert().unwrap_err();
    assert!(error.to_string().starts_with("the layout never reaches `m0`"), "{error}");
}

#[test]
fn the_swizzle_of_the_module_page_is_a_permutation() {
    let l = layout("offset = k0 k1 k2 k3 k4 k5 k6 k4^m0 k5^m1 k6^m2");
    assert!(l.is_bijective());
    for offset in 0..1024u64 {
        let (row, byte) = (offset >> 7, offset & 127);
        let expected = [("k".to_string(), byte ^ (row << 4)), ("m".to_string(), row)];
        assert_eq!(l.apply(&[("offset", offset)]).unwrap(), expected);
    }
}
