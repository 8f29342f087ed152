//! The conformance suites, run by a crate that depends on the facade.

use lazy_chunks::conformance::{ConverterSuite, FileSystemSuite};
use lazy_chunks::{ArrayBlock, Converter, DType, NdarrayConverter, Result};
use lazy_tests::{Fault, FaultyFileSystem};
use tempfile::tempdir;

#[test]
fn file_systems_without_faults_conform() {
    let faults = [
        Fault::default(),
        Fault { no_sync_of_all: true, ..Fault::default() },
        Fault { no_locks: true, ..Fault::default() },
    ];
    for fault in faults {
        FileSystemSuite::new(move || (FaultyFileSystem::new(fault), tempdir().unwrap())).run();
    }
}

/// The suite reports the error of a faulty file system.
#[test]
#[should_panic(expected = "injected fault")]
fn a_file_system_with_a_fault_does_not_conform() {
    let fault = Fault { change: Some(0), ..Fault::default() };
    FileSystemSuite::new(move || (FaultyFileSystem::new(fault), tempdir().unwrap())).run();
}

/// A matrix whose elements lie one stride apart in each column, as in BLAS.
struct Matrix {
    n_rows: usize,
    stride: usize,
    columns: Vec<Vec<f64>>,
}

struct MatrixConverter;

impl Converter<Matrix> for MatrixConverter {
    fn to_array(&self, matrix: Matrix) -> Result<ArrayBlock> {
        let Matrix { n_rows, stride, columns } = matrix;
        let row = |i: usize| columns.iter().map(move |column| column[i * stride]);
        ArrayBlock::from_vec([n_rows, columns.len()], (0..n_rows).flat_map(row).collect())
    }

    fn to_tensor(&self, block: &ArrayBlock) -> Result<Matrix> {
        let array: ndarray::Array2<f64> = NdarrayConverter.to_tensor(block)?;
        let columns = array.columns().into_iter().map(|column| column.to_vec()).collect();
        Ok(Matrix { n_rows: array.nrows(), stride: 1, columns })
    }
}

#[test]
fn a_converter_for_a_custom_tensor_type_conforms() {
    ConverterSuite::new(|| MatrixConverter)
        .with_dtypes([DType::Float64])
        .with_ranks([2])
        .with_layouts(|block| {
            let mut matrix = MatrixConverter.to_tensor(block).unwrap();
            for column in &mut matrix.columns {
                *column = column.iter().flat_map(|&x| [x, -1.0, -2.0]).collect();
            }
            vec![("a stride of 3", Matrix { stride: 3, ..matrix })]
        })
        .run();
}
