use super::{super::tests::Folder, *};
use kgen_ir::format::random;

fn sample() -> (Vec<(String, Value)>, Vec<NewTensor>) {
    let texts: &[&str] = &["a", "", "é"];
    let numbers: &[i32] = &[1, -2, 3];
    let values = [
        Value::U8(1),
        Value::I8(-1),
        Value::U16(2),
        Value::I16(-2),
        Value::U32(3),
        Value::I32(-3),
        Value::F32(0.5),
        Value::Bool(true),
        Value::Text("llama".into()),
        Value::Array(texts.into()),
        Value::Array(numbers.into()),
        Value::U64(4),
        Value::I64(-4),
        Value::F64(0.25),
    ];
    let metadata = values.into_iter().enumerate().map(|(i, v)| (format!("key.{i}"), v)).collect();
    let mut next = random::numbers(5);
    let mut tensor = |name: &str, format: &str, dims: &[usize]| {
        let format = rows::find(format).unwrap();
        let count = dims.iter().product::<usize>() / format.block;
        let bytes = (0..count).flat_map(|_| format.random_block(&mut next)).collect();
        NewTensor { name: name.into(), dims: dims.into(), format, bytes }
    };
    let tensors = vec![
        tensor("a.weight", "q4_0", &[3, 64]),
        tensor("b.weight", "f16", &[2, 1, 2, 3]),
        tensor("c.weight", "f32", &[]),
        tensor("d.weight", "q8_0", &[0, 32]),
    ];
    (metadata, tensors)
}

/// The bytes of the sample.
fn whole() -> Vec<u8> {
    let folder = Folder::new();
    let (metadata, tensors) = sample();
    write(&folder.file("a.gguf"), &metadata, &tensors).unwrap();
    std::fs::read(folder.file("a.gguf")).unwrap()
}

/// A file made by hand: these counts, then these bytes.
fn file(tensors: u64, keys: u64, rest: &[&[u8]]) -> Vec<u8> {
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend(tensors.to_le_bytes());
    out.extend(keys.to_le_bytes());
    rest.iter().for_each(|r| out.extend(*r));
    out
}

fn text(x: &[u8]) -> Vec<u8> {
    [&(x.len() as u64).to_le_bytes(), x].concat()
}

fn told(bytes: &[u8], offset: usize, what: &str) {
    let found = read::contents(bytes).map(|_| ()).unwrap_err();
    assert_eq!((found.offset, found.what.as_str()), (offset, what));
}

#[test]
fn what_is_written_is_read() {
    let folder = Folder::new();
    let (metadata, tensors) = sample();
    write(&folder.file("a.gguf"), &metadata, &tensors).unwrap();
    let file = Gguf::open(&folder.file("a.gguf")).unwrap();
    assert_eq!(file.version(), 3);
    assert_eq!(*file.metadata(), metadata.into_iter().collect::<BTreeMap<_, _>>());
    let mut count = 0;
    for (found, t) in file.tensors().zip(&tensors) {
        assert_eq!((found.name, found.dims), (t.name.as_str(), t.dims.as_slice()));
        assert_eq!((found.format, found.bytes), (Some(t.format), t.bytes.as_slice()));
        assert_eq!(file.tensor(&t.name).unwrap(), found);
        count += 1;
    }
    assert_eq!(count, tensors.len());
    assert_eq!(folder.names(), ["a.gguf"]);
}

#[test]
fn values_are_looked_into() {
    let metadata: BTreeMap<_, _> = sample().0.into_iter().collect();
    let array = |key: &str| {
        let Value::Array(a) = &metadata[key] else { panic!("{:?}", metadata[key]) };
        a.values().collect::<Vec<_>>()
    };
    assert_eq!(array("key.9"), ["a", "", "é"].map(|t| Value::Text(t.into())));
    assert_eq!(array("key.10"), [1, -2, 3].map(Value::I32));
    let numbers: Vec<_> = (0..14).map(|i| metadata[&format!("key.{i}")].as_u64()).collect();
    let [n, one] = [None, Some(1)];
    assert_eq!(numbers, [one, n, Some(2), n, Some(3), n, n, n, n, n, n, Some(4), n, n]);
    assert_eq!(metadata["key.8"].as_text(), Some("llama"));
    assert_eq!(metadata["key.7"].as_text(), None);
    assert!(!Array::from(&["a"][..]).is_empty());
    assert_eq!(Array::from(&[0i32; 3][..]).len(), 3);
}

#[test]
fn version_2_is_read_as_version_3() {
    let mut bytes = whole();
    bytes[4] = 2;
    assert_eq!(read::contents(&bytes).unwrap().version, 2);
}

#[test]
fn a_missing_tensor_names_the_nearest() {
    let folder = Folder::new();
    let path = folder.file("a.gguf");
    write(&path, &[], &sample().1).unwrap();
    let file = Gguf::open(&path).unwrap();
    let error = |name: &str| file.tensor(name).unwrap_err().to_string();
    let place = path.display();
    assert_eq!(
        error("a.wieght"),
        format!("{place} has no tensor `a.wieght`; did you mean `a.weight`?")
    );
    assert_eq!(error("zebra"), format!("{place} has no tensor `zebra`"));
}

#[test]
fn an_unknown_type_is_told_when_it_is_asked_for() {
    let folder = Folder::new();
    let path = folder.file("a.gguf");
    let info = [
        &text(b"x")[..],
        &1u32.to_le_bytes(),
        &256u64.to_le_bytes(),
        &99u32.to_le_bytes(),
        &[0; 8],
    ];
    std::fs::write(&path, file(1, 0, &info)).unwrap();
    let gguf = Gguf::open(&path).unwrap();
    let t = gguf.tensors().next().unwrap();
    assert_eq!((t.number, t.format, t.bytes), (99, None, &[][..]));
    let error = gguf.tensor("x").unwrap_err().to_string();
    assert!(
        error
            .contains("tensor `x` is of GGUF type 99, which kgen does not read; it reads f32, f16"),
        "{error}"
    );
}

#[test]
fn a_bad_file_is_told_with_its_place() {
    let folder = Folder::new();
    let path = folder.file("a.gguf");
    std::fs::write(&path, b"GGML").unwrap();
    let error = Gguf::open(&path).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}, byte 0: this is not a GGUF file: it does not begin with `GGUF`",
            path.display()
        )
    );
    assert!(Gguf::open(&folder.file("none")).unwrap_err().to_string().contains("none: "));
}

#[test]
fn every_mistake_is_told() {
    told(b"", 0, "this is not a GGUF file: it does not begin with `GGUF`");
    told(b"GGUF\x03", 4, "the file ends within the version");
    told(
        b"GGUF\0\0\0\x03",
        4,
        "this GGUF file is big-endian; kgen reads little-endian ones, convert it",
    );
    told(b"GGUF\x01\0\0\0", 4, "GGUF version 1; kgen reads versions 2 and 3");
    told(b"GGUF\x03\0\0\0\x01", 8, "the file ends within a number of things");
    told(
        &file(1 << 60, 0, &[]),
        8,
        "1152921504606846976 tensors do not fit into the 16 bytes that are left",
    );
    told(
        &file(0, u64::MAX, &[]),
        16,
        "18446744073709551615 keys do not fit into the 8 bytes that are left",
    );
    let key =
        |kind: u32, value: &[u8]| [&text(b"k"), &kind.to_le_bytes()[..], value, &[0; 9]].concat();
    told(&file(0, 1, &[&key(13, &[])]), 33, "13 is no type of a value; types are 0 to 12");
    told(&file(0, 1, &[&key(7, &[2])]), 37, "a truth value is 0 or 1, not 2");
    told(&file(0, 1, &[&text(b"kkkkkkk"), &[4, 0, 0, 0, 1]]), 43, "the file ends within a value");
    told(&file(0, 1, &[&text(&[0xff; 8])]), 24, "a key is no UTF-8");
    told(
        &file(0, 1, &[&key(8, &u64::MAX.to_le_bytes())]),
        37,
        "18446744073709551615 bytes of text do not fit into the 17 bytes that are left",
    );
    let array = |of: u32, count: u64| [&of.to_le_bytes()[..], &count.to_le_bytes()].concat();
    told(&file(0, 1, &[&key(9, &array(13, 0))]), 37, "13 is no type of a value; types are 0 to 12");
    told(
        &file(0, 1, &[&key(9, &array(4, 1 << 62))]),
        41,
        "4611686018427387904 values do not fit into the 17 bytes that are left",
    );
    let deep: Vec<u8> = (0..9).flat_map(|_| array(9, 1)).collect();
    told(&file(0, 1, &[&key(9, &deep)]), 85, "arrays lie more than 4 deep in arrays");
    let twice = [key(0, &[1])[..14].to_vec(), key(0, &[2])].concat();
    told(&file(0, 2, &[&twice]), 38, "the key `k` stands twice");
    let align =
        [&text(ALIGNMENT_KEY.as_bytes())[..], &4u32.to_le_bytes(), &24u32.to_le_bytes()].concat();
    told(&file(0, 1, &[&align]), 0, "`general.alignment` must be a power of two, not U32(24)");
    let align =
        [&text(ALIGNMENT_KEY.as_bytes())[..], &10u32.to_le_bytes(), &(1u64 << 63).to_le_bytes()]
            .concat();
    assert!(read::contents(&file(0, 1, &[&align])).is_ok(), "no tensor, no data");

    let tensor = |dims: &[u64], number: u32, offset: u64| {
        let mut out = text(b"x");
        out.extend((dims.len() as u32).to_le_bytes());
        dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
        out.extend(number.to_le_bytes());
        out.extend(offset.to_le_bytes());
        out
    };
    told(&file(1, 0, &[&tensor(&[1; 5], 0, 0)]), 33, "`x` has 5 dimensions; GGUF has at most 4");
    told(&file(1, 0, &[&tensor(&[1], 0, 31)]), 24, "`x` lies at offset 31, no multiple of 32");
    told(
        &file(1, 0, &[&tensor(&[1], 0, 1 << 40)]),
        24,
        "`x` begins at offset 1099511627776, beyond the end of the file",
    );
    told(
        &file(1, 0, &[&tensor(&[33, 2], 2, 0), &[0; 64]]),
        24,
        "rows of `x` have 33 elements, no multiple of 32 as q4_0 needs",
    );
    told(
        &file(1, 0, &[&tensor(&[32, 2], 2, 0), &[0; 35]]),
        24,
        "`x` [2, 32] q4_0 from byte 96 on is longer than the file",
    );
    told(
        &file(1, 0, &[&tensor(&[1 << 40, 1 << 40, 1 << 40], 2, 0), &[0; 64]]),
        24,
        "`x` [1099511627776, 1099511627776, 1099511627776] q4_0 from byte 96 on is longer than the file",
    );
    let twice = [tensor(&[0], 0, 0), tensor(&[0], 0, 0)].concat();
    told(&file(2, 0, &[&twice]), 24 + 33, "the tensor `x` stands twice");
}

#[test]
fn a_mistake_of_a_writer_is_told() {
    let folder = Folder::new();
    let path = folder.file("a.gguf");
    let q4_0 = rows::find("q4_0").unwrap();
    let tensor = |dims: &[usize], bytes| NewTensor {
        name: "x".into(),
        dims: dims.into(),
        format: q4_0,
        bytes: vec![0; bytes],
    };
    let error = |t: NewTensor| write(&path, &[], &[t]).unwrap_err().to_string();
    assert!(error(tensor(&[2, 32], 35)).ends_with("tensor `x`: 35 bytes are no [2, 32] of q4_0"));
    assert!(error(tensor(&[31], 18)).ends_with("tensor `x`: 18 bytes are no [31] of q4_0"));
    assert!(error(tensor(&[1, 1, 1, 1, 32], 18)).ends_with("has 5 dimensions; GGUF has at most 4"));
    static OWN: Format = Format {
        name: "own",
        gguf: None,
        block: 1,
        bytes: 1,
        fields: &[],
        value: kgen_ir::format::Value::Plain,
    };
    let own = NewTensor { format: &OWN, ..tensor(&[1], 1) };
    assert!(error(own).ends_with("tensor `x`: GGUF has no own"));
    let align = write(&path, &[(ALIGNMENT_KEY.into(), Value::U32(64))], &[]).unwrap_err();
    assert!(align.to_string().contains("`general.alignment` is always 32 here; leave it out"));
    assert!(folder.names().is_empty());
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let bytes = whole();
    let c = read::contents(&bytes).unwrap();
    let last = c.tensors.iter().map(|t| t.bytes.end).max().unwrap();
    for end in 0..last {
        assert!(read::contents(&bytes[..end]).is_err(), "cut at {end}");
    }
    for end in last..=bytes.len() {
        assert!(read::contents(&bytes[..end]).is_ok(), "only padding is cut at {end}");
    }
}

/// Nothing panics, and nothing kept is larger than the file by more than a small factor.
#[test]
fn a_damaged_file_is_an_error_or_a_file() {
    let bytes = whole();
    let head = read::contents(&bytes).unwrap().tensors[0].bytes.start;
    let mut next = random::numbers(11);
    let mut read_well = 0;
    for _ in 0..20_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=next() % 3 {
            let at = next() as usize % head;
            let byte = [next() as u8, 0, 0xff, 0x7f, 0x80, 1][next() as usize % 6];
            damaged[at] = byte;
        }
        let Ok(c) = read::contents(&damaged) else { continue };
        read_well += 1;
        let mut kept = 0;
        for (key, value) in &c.metadata {
            kept += key.len();
            if let Value::Array(a) = value {
                kept += a.bytes.len();
                assert_eq!(a.values().count(), a.len());
            }
            // A byte that is no UTF-8 becomes three.
            kept += value.as_text().map_or(0, |t| t.len() / 3);
        }
        assert!(kept <= damaged.len());
        for t in &c.tensors {
            assert!(t.bytes.end <= damaged.len());
        }
    }
    assert!(read_well > 100, "{read_well}");
}
