use super::*;
use crate::{dtype::Dtype, tile::parse::parse};

/// A program over `x: f32[n]` with the output `o: f32[m]`; `body` is that of its kernel, n is 4, m is 4.
fn program(body: &str) -> Program {
    let text = format!(
        "program p(x: f32[n]) -> (o: f32[m]) symbols n, m {{
           buffer w: f32[4]
           kernel main(x: f32[n], out o: f32[m], work w: f32[4], s: i64) {{ {body} }}
           variant all when x.stride0 == 1 {{ launch main(x, o, w, n * 2) }} }}"
    );
    parse(&text).unwrap_or_else(|e| panic!("{e:?}: {text}"))
}

fn with(program: &Program, options: &Options) -> std::result::Result<Vec<f64>, InterpError> {
    let scalars = BTreeMap::from([("n".into(), 4), ("m".into(), 4)]);
    let dims = Dims { scalars, cores: 2, ..Dims::default() };
    let x = Tensor::from_f64(Dtype::F32, &[4], &[1.0, 2.0, 3.0, f64::NAN]);
    let mut out = interp_with(program, &dims, &BTreeMap::from([("x".into(), x)]), options)?;
    Ok(out.remove("o").unwrap_or_default())
}

const EXACT: Options = Options {
    mode: Mode::Exact,
    order: Order::Forward,
    limits: Limits { steps: 1 << 16, elements: 1 << 10 },
};

/// The error of a kernel, without its place, and the whole as text.
fn fails(body: &str) -> (InterpError, String) {
    let error = with(&program(body), &EXACT).unwrap_err();
    let text = error.to_string();
    if let InterpError::At { error, .. } = error { (*error, text) } else { (error, text) }
}

const COPY: &str = "tasks t in 0..m static { a = load(x[t:1]) : f32[1] store(o[t:1], a) }";

#[test]
fn the_order_of_tasks_does_not_matter() {
    let first = with(&program(COPY), &EXACT).unwrap();
    assert_eq!(first[..3], [1.0, 2.0, 3.0]);
    assert!(first[3].is_nan());
    for order in [Order::Reversed, Order::Shuffled(1), Order::Shuffled(2)] {
        let again = with(&program(COPY), &Options { order, ..EXACT }).unwrap();
        assert!(first.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()), "{order:?}");
    }
}

#[test]
fn races_are_errors_in_any_order() {
    let both_write = "tasks t in 0..4 static { a = fill(1) : f32[1] store(o[0:1], a) }";
    let one_reads = "tasks t in 0..4 static {
        a = fill(1) : f32[1] store(w[t:1], a)
        b = load(w[(t + 1) % 4:1]) guard : f32[1] store(o[t:1], b) }";
    let workers = "a = fill(1) : f32[4] store(o[0:4], a)";
    for body in [both_write, one_reads, workers] {
        for order in [Order::Forward, Order::Reversed, Order::Shuffled(5)] {
            let error = with(&program(body), &Options { order, ..EXACT }).unwrap_err();
            let text = error.to_string();
            // Who reads before anybody wrote is told of that.
            assert!(text.contains("another task") || text.contains("nothing wrote"), "{text}");
        }
    }
    let (error, text) = fails(both_write);
    assert_eq!(error, InterpError::Race { tensor: "o".into(), place: 0 });
    assert!(
        text.starts_with("kernel `main`, `store(o[0:1], a)`: `o`: a task writes element 0"),
        "{text}"
    );
}

#[test]
fn hostile_programs_are_errors_with_places() {
    let one = |inner: &str| format!("tasks t in 0..1 static {{ {inner} }}");
    let (error, text) = fails(&one("a = load(x[t + 4:1]) : f32[1]"));
    assert_eq!(error, InterpError::Outside { tensor: "x".into(), index: 4, size: 4 });
    assert_eq!(text, "kernel `main`, `a = load(x[t + 4:1])`: `x`: index 4 is outside of 0..4");
    let (error, _) = fails(&one("a = load(x[9223372036854775807:2]) : f32[2]"));
    assert!(matches!(error, InterpError::Outside { index: i64::MAX, .. }));
    let (error, _) = fails(&one("a = load(w[0:1]) : f32[1]"));
    assert_eq!(error, InterpError::Unwritten { tensor: "w".into(), place: 0 });
    let (error, _) = fails(&one("a = fill(1) : f32[60000, 60000, 60000, 60000, 60000]"));
    assert_eq!(error, InterpError::Large { what: "a".into(), most: 1 << 10 });
    let (error, text) = fails("for j in 0..9223372036854775807 step 1 { let u = j }");
    assert_eq!(error, InterpError::Endless(1 << 16));
    assert!(text.contains("more than 65536 steps"), "{text}");
    let (error, _) = fails("tasks t in 0..9223372036854775807 static { let u = t }");
    assert_eq!(error, InterpError::Endless(1 << 16));
    let (error, _) = fails(&one("a = iota(0, 9223372036854775807) : i64[2]"));
    assert_eq!(error, InterpError::Overflow("a".into()));
    let (error, _) = fails(&one("let u = 9223372036854775807 + s"));
    assert!(matches!(error, InterpError::Extent(ExtentError::Arithmetic(_))));
    let (error, _) =
        fails(&one("a = fill(1) : f32[2] b = reduce_sum(a, 7) : f32[3] c = convert(a) : f32[3]"));
    assert_eq!(error, InterpError::Tile("c".into(), "its operands have other shapes"));
    let (error, _) = fails(&one("a = load(y[0:1]) : f32[1]"));
    assert_eq!(error, InterpError::Unknown { what: "tensor", name: "y".into() });
    let (error, _) = fails(&one("a = load(x[0, 0:1]) : f32[1]"));
    assert_eq!(error, InterpError::Tile("x".into(), "has another number of dimensions"));
    let (error, _) = fails(&one("a = fill(300) : i32[1] b = convert(a) : u8[1]"));
    assert_eq!(error, InterpError::Tile("b".into(), "holds a value that its type cannot"));
    let shuffled = Options { order: Order::Shuffled(1), ..EXACT };
    let many = program("tasks t in 0..5000 static { let u = t }");
    let error = with(&many, &shuffled).unwrap_err();
    assert_eq!(error, InterpError::Large { what: "tasks".into(), most: 1 << 10 });
    // The output was never written.
    let (error, _) = fails("let u = 1");
    assert_eq!(error, InterpError::Unwritten { tensor: "o".into(), place: 0 });
}

#[test]
fn what_is_given_must_fit_the_program() {
    let p = program(COPY);
    let dims = |n: i64, cores: i64| {
        let scalars = BTreeMap::from([("n".into(), n), ("m".into(), 4)]);
        Dims { scalars, cores, ..Dims::default() }
    };
    let x = Tensor::from_f64(Dtype::F32, &[4], &[1.0; 4]);
    let given = |t: Tensor| BTreeMap::from([("x".to_string(), t)]);
    let run = |p: &Program, d: &Dims, i: &BTreeMap<String, Tensor>| {
        interp_with(p, d, i, &EXACT).unwrap_err()
    };
    assert_eq!(run(&p, &dims(4, 1), &BTreeMap::new()), InterpError::Missing("x".into()));
    assert!(matches!(run(&p, &dims(5, 1), &given(x.clone())), InterpError::Shape { .. }));
    let short = Tensor { bytes: vec![0; 15], ..x.clone() };
    assert!(matches!(run(&p, &dims(4, 1), &given(short)), InterpError::Bytes { found: 15, .. }));
    assert!(matches!(run(&p, &dims(i64::MAX, 1), &given(x.clone())), InterpError::Large { .. }));
    assert!(matches!(run(&p, &dims(4, 1 << 40), &given(x.clone())), InterpError::Large { .. }));
    let mut none = p.clone();
    none.variants.clear();
    assert_eq!(run(&none, &dims(4, 1), &given(x.clone())), InterpError::NoVariant);
    let mut other = p.clone();
    other.variants[0].launches[0].kernel = "no".into();
    assert_eq!(
        run(&other, &dims(4, 1), &given(x.clone())),
        InterpError::Unknown { what: "kernel", name: "no".into() }
    );
    let mut few = p.clone();
    few.variants[0].launches[0].args.pop();
    assert_eq!(
        run(&few, &dims(4, 1), &given(x.clone())),
        InterpError::Unknown { what: "scalar argument", name: "s".into() }
    );
    few.variants[0].launches[0].args.clear();
    assert_eq!(
        run(&few, &dims(4, 1), &given(x)),
        InterpError::Unknown { what: "tensor argument", name: "x".into() }
    );
}

#[test]
fn weights_that_are_no_blocks_are_told() {
    let text = "program p(x: q4_0[2, n]) -> (o: f32[m]) symbols n, m {
        prepare w = pack(x) : u4 lanes 8 group 32 scale f16 zero 8
        kernel main(out o: f32[m]) { a = fill(1) : f32[1] }
        variant all { launch main(o) } }";
    let p = parse(text).unwrap();
    let scalars = BTreeMap::from([("n".into(), 33), ("m".into(), 0)]);
    let dims = Dims { scalars, ..Dims::default() };
    let error = interp(&p, &dims, &BTreeMap::new(), Mode::Exact).unwrap_err();
    assert_eq!(error, InterpError::Missing("x".into()));
    let x = Tensor::zeros(Dtype::U8, &[2, 18]);
    let error = interp(&p, &dims, &BTreeMap::from([("x".into(), x)]), Mode::Exact).unwrap_err();
    assert_eq!(error.to_string(), "`x` is no whole number of q4_0 blocks");
}

#[test]
fn conversions_round_and_saturate_by_type() {
    let converted = |from: &str, to: &str, x: &str| {
        let body = format!(
            "tasks t in 0..4 static {{ a = fill({x}) : {from}[1] b = convert(a) : {to}[1]
             c = convert(b) : f32[1] store(o[t:1], c) }}"
        );
        with(&program(&body), &EXACT).unwrap()[0]
    };
    #[rustfmt::skip] // one per row
    let cases = [
        ("i8", "2.5", 2.0), ("i8", "3.5", 4.0), ("i8", "200", 127.0), ("i8", "-200", -128.0), ("u8", "-1", 0.0),
        ("u4", "99", 15.0), ("u4", "nan", 0.0), ("b1", "7", 1.0), ("b1", "0.2", 0.0), ("i32", "inf", 2147483647.0),
        ("i64", "-inf", -9223372036854775808.0), ("u16", "1e9", 65535.0), ("u32", "-inf", 0.0),
    ];
    for (to, x, wanted) in cases {
        assert_eq!(converted("f32", to, x), wanted, "{x} as {to}");
    }
}

#[test]
fn rounded_sums_round_each_partial() {
    // 2048 + 1 is no f16: one after the other the ones get lost, exactly they do not.
    let body =
        "tasks t in 0..4 static { a = iota(0, 0) : f16[4] z = fill(0) : f16[4] i = a == z : b1[4]
        big = fill(2048) : f16[4] one = fill(1) : f16[4] v = select(i, big, one) : f16[4]
        s = reduce_sum(v, 0) : f16[1] f = convert(s) : f32[1] store(o[t:1], f) }";
    assert_eq!(with(&program(body), &EXACT).unwrap()[0], 2051.0);
    let rounded = Options { mode: Mode::Rounded, ..EXACT };
    assert_eq!(with(&program(body), &rounded).unwrap()[0], 2048.0);
}

/// A kernel whose parameter is a field of the bytes 0x21, 0x43, 0x00, 0x3c (1 as f16).
fn field(param: &str, body: &str) -> std::result::Result<Vec<f64>, InterpError> {
    let text = format!(
        "program p(x: u8[2, 2]) -> (o: f32[m]) symbols m {{
           kernel main({param}, out o: f32[m]) {{ {body} }}
           variant all {{ launch main({arg}, o) }} }}",
        arg = if param.starts_with("f: u8") { "o" } else { "x" }
    );
    let program = parse(&text).unwrap_or_else(|e| panic!("{e:?}: {text}"));
    let dims = Dims { scalars: BTreeMap::from([("m".into(), 4)]), cores: 1, ..Dims::default() };
    let x = Tensor { dtype: Dtype::U8, shape: vec![2, 2], bytes: vec![0x21, 0x43, 0x00, 0x3c] };
    let inputs = BTreeMap::from([("x".into(), x)]);
    let mut out = interp_with(&program, &dims, &inputs, &EXACT)
        .map_err(|e| if let InterpError::At { error, .. } = e { *error } else { e })?;
    Ok(out.remove("o").unwrap_or_default())
}

#[test]
fn fields_of_bytes_are_elements() {
    let codes = "f: u4[2, 4] field(block 4 stride 16 at 0 step 4)";
    let read = |row: usize| {
        format!(
            "tasks t in 0..1 static {{ a = load(f[{row}, 0:4]) : u4[4]
             b = convert(a) : f32[4] store(o[0:4], b) }}"
        )
    };
    assert_eq!(field(codes, &read(0)), Ok(vec![1.0, 2.0, 3.0, 4.0]));
    let shared = "f: f16[2, 4] field(block 4 stride 16 at 0 step 0)";
    let scales = read(1).replace("u4", "f16");
    assert_eq!(field(shared, &scales), Ok(vec![1.0; 4]));
    // Beyond the rows: zeros under a guard, else an error.
    let outside = InterpError::Outside { tensor: "f".into(), index: 2, size: 2 };
    assert_eq!(field(codes, &read(2)), Err(outside));
    let guarded = read(2).replace(") : u4", ") guard : u4");
    assert_eq!(field(codes, &guarded), Ok(vec![0.0; 4]));
    // More blocks than a row has bytes.
    let long = InterpError::Outside { tensor: "f".into(), index: 2, size: 2 };
    assert_eq!(field("f: u4[2, 4] field(block 1 stride 8 at 0 step 4)", &read(0)), Err(long));
    let wrong = |what| Err(InterpError::Tile("f".into(), what));
    // `o` holds floats.
    let floats = "f: u8[4] field(block 4 stride 16 at 0 step 4)";
    let row = read(0).replace("f[0, 0:4]", "f[0:4]").replace("u4", "u8");
    assert_eq!(field(floats, &row), wrong("is no field of this tensor"));
    let other = "f: u4[2, 2, 4] field(block 4 stride 16 at 0 step 4)";
    let deep = read(0).replace("f[0,", "f[0, 0, 0,");
    assert_eq!(field(other, &deep), wrong("has another number of dimensions"));
}
