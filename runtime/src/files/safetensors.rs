//! Tensors by name from and to `.safetensors`: inputs, outputs, what other programs computed.

use super::{FileError, map, replace};
use kgen_ir::{dtype::Dtype, tensor::Tensor};
use safetensors::{SafeTensors, tensor::Dtype as Stored, tensor::TensorView};
use std::{collections::BTreeMap, path::Path};

#[rustfmt::skip] // one per row
const DTYPES: &[(Dtype, Stored)] = &[
    (Dtype::F32,  Stored::F32),
    (Dtype::F16,  Stored::F16),
    (Dtype::BF16, Stored::BF16),
    (Dtype::E4M3, Stored::F8_E4M3),
    (Dtype::E5M2, Stored::F8_E5M2),
    (Dtype::I8,   Stored::I8),
    (Dtype::U8,   Stored::U8),
    (Dtype::I16,  Stored::I16),
    (Dtype::U16,  Stored::U16),
    (Dtype::I32,  Stored::I32),
    (Dtype::U32,  Stored::U32),
    (Dtype::I64,  Stored::I64),
    (Dtype::Bool, Stored::BOOL),
];

/// All tensors of a file.
pub fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, FileError> {
    let bytes = map(path)?;
    let whole = |what| FileError::Whole { path: path.into(), what };
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|e| whole(format!("this is no safetensors file: {e}")))?;
    let mut out = BTreeMap::new();
    for (name, view) in tensors.iter() {
        let Some((dtype, _)) = DTYPES.iter().find(|(_, stored)| *stored == view.dtype()) else {
            return Err(whole(format!(
                "tensor `{name}` has elements {:?}; kgen reads {}",
                view.dtype(),
                known()
            )));
        };
        let (shape, bytes) = (view.shape().to_vec(), view.data().to_vec());
        out.insert(name.to_owned(), Tensor { dtype: *dtype, shape, bytes });
    }
    Ok(out)
}

/// Writes the file whole or not at all.
pub fn write(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<(), FileError> {
    let whole = |what| FileError::Whole { path: path.into(), what };
    let mut views = Vec::new();
    for (name, t) in tensors {
        let Some((_, stored)) = DTYPES.iter().find(|(dtype, _)| *dtype == t.dtype) else {
            return Err(whole(format!(
                "tensor `{name}` has elements {}; a safetensors file holds {}",
                t.dtype,
                known()
            )));
        };
        let view = TensorView::new(*stored, t.shape.clone(), &t.bytes)
            .map_err(|e| whole(format!("tensor `{name}`: {e}")))?;
        views.push((name, view));
    }
    replace(path, |part| {
        safetensors::serialize_to_file(views, None, part).map_err(|e| whole(e.to_string()))
    })
}

fn known() -> String {
    let names: Vec<String> = DTYPES.iter().map(|(_, stored)| format!("{stored:?}")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;

    fn sample() -> BTreeMap<String, Tensor> {
        let one = |(i, &(dtype, _)): (usize, &(Dtype, Stored))| {
            let width = dtype.bytes().unwrap_or(1);
            let bytes = (0..6 * width).map(|b| (b * 37 + i) as u8).collect();
            (format!("t.{}", dtype.name()), Tensor { dtype, shape: vec![2, 3], bytes })
        };
        let mut all: BTreeMap<String, Tensor> = DTYPES.iter().enumerate().map(one).collect();
        all.insert("scalar".into(), Tensor::from_f64(Dtype::F32, &[], &[2.5]));
        all.insert("empty".into(), Tensor::zeros(Dtype::F16, &[0, 4]));
        all
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = Folder::new();
        let path = folder.file("a.safetensors");
        write(&path, &sample()).unwrap();
        assert_eq!(read(&path).unwrap(), sample());
        write(&path, &BTreeMap::new()).unwrap();
        assert_eq!(read(&path).unwrap(), BTreeMap::new());
        assert_eq!(folder.names(), ["a.safetensors"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = Folder::new();
        let path = folder.file("a.safetensors");
        write(&path, &sample()).unwrap();
        let short = Tensor { dtype: Dtype::F32, shape: vec![2], bytes: vec![0; 7] };
        let error = write(&path, &BTreeMap::from([("x".into(), short)])).unwrap_err();
        assert!(error.to_string().contains("tensor `x`: "), "{error}");
        let code = Tensor { dtype: Dtype::Code(4), shape: vec![2], bytes: vec![0] };
        let error = write(&path, &BTreeMap::from([("x".into(), code)])).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("tensor `x` has elements u4; a safetensors file holds F32, F16")
        );
        assert_eq!(read(&path).unwrap(), sample());
        let nowhere = folder.file("no/such/folder.safetensors");
        assert!(matches!(
            write(&nowhere, &sample()),
            Err(FileError::Whole { .. } | FileError::Io { .. })
        ));
        assert!(write(Path::new("/"), &sample()).is_err());
        // A folder in the place of the file.
        std::fs::create_dir(folder.file("taken")).unwrap();
        assert!(matches!(write(&folder.file("taken"), &sample()), Err(FileError::Io { .. })));
        std::fs::remove_dir(folder.file("taken")).unwrap();
        assert_eq!(folder.names(), ["a.safetensors"]);
    }

    #[test]
    fn unknown_elements_are_told() {
        let folder = Folder::new();
        let path = folder.file("a.safetensors");
        let view = TensorView::new(Stored::F64, vec![1], &[0; 8]).unwrap();
        std::fs::write(&path, safetensors::serialize([("x", view)], None).unwrap()).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("tensor `x` has elements F64; kgen reads F32, F16"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_an_error_or_a_file() {
        let folder = Folder::new();
        let path = folder.file("a.safetensors");
        write(&path, &sample()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert!(read(&path).is_err(), "cut at {end}");
        }
        let mut next = kgen_ir::format::random::numbers(1);
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            let at = next() as usize % bytes.len();
            bytes[at] = next() as u8;
            std::fs::write(&path, &bytes).unwrap();
            let _ = read(&path);
        }
        assert!(read(&folder.file("none")).unwrap_err().to_string().contains("none: "));
    }
}
