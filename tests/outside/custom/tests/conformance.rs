//! The suites of the facade, run over what this crate implements.

use lazy_chunks::conformance::{ConverterSuite, FileSystemSuite};
use lazy_chunks::zarr::LocalFileSystem;
use lazy_chunks::{ArrayBlock, Converter, DType};
use ndarray::Ix2;
use outside_custom::{Device, Matrix, MatrixConverter, Metered};

#[test]
fn the_converter_conforms() {
    ConverterSuite::<Matrix, _>::new(MatrixConverter::default)
        .with_dtypes([DType::Float32])
        .with_ranks([2])
        .with_layouts(|block| {
            let array = block.as_array::<f32, Ix2>().unwrap();
            let (rows, columns) = array.dim();
            let transposed = Matrix::from_fn([columns, rows], |row, column| array[[column, row]]);
            vec![("row-major", transposed.transposed())]
        })
        .run();
}

/// Elements that come back right may have been elsewhere, which the suite cannot see.
#[test]
fn the_elements_are_in_their_places() {
    let converter = MatrixConverter { device: Device::Accelerator(1) };
    let block = ArrayBlock::from_vec([2, 3], vec![0.0_f32, 1.0, 2.0, 10.0, 11.0, 12.0]).unwrap();
    let matrix = converter.to_tensor(&block).unwrap();
    assert_eq!((matrix.shape(), matrix.device()), ([2, 3], Device::Accelerator(1)));
    assert!(matrix.row(1).eq([10.0, 11.0, 12.0]));
    assert!(matrix.transposed().row(1).eq([1.0, 11.0]));
}

#[test]
fn the_file_system_conforms() {
    FileSystemSuite::new(|| (Metered::new(LocalFileSystem), tempfile::tempdir().unwrap())).run();
}
