//! Tensors and blocks that cannot be converted or concatenated, and the errors they cause.

use lazy_core::{ArrayBlock, Converter, DType, Element, LazyChunkSequence};
use lazy_core::{BlockIndex, NestedLazyChunkSequence, report};
use lazy_tch::{Error, TchConcatenate, TchConverter};
use tch::{Device, Kind, Tensor};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Returns the message of the error inside lazy-core's error, and its hint.
fn refused(tensor: Tensor) -> (String, String) {
    let error = TchConverter::new().to_array(tensor).unwrap_err();
    let error = error.downcast::<Error>().expect("an error of this crate");
    (report(&*error), error.hint().unwrap_or_default().into_owned())
}

#[test]
fn a_tensor_without_a_value_is_an_error() {
    let undefined = "the tensor is undefined: it has no value".to_owned();
    assert_eq!(refused(Tensor::new()), (undefined, String::new()));
    let parameter = Tensor::ones([2], FLOAT).set_requires_grad(true);
    assert!(refused(parameter.grad()).0.contains("undefined"));
}

#[test]
fn a_tensor_that_is_not_dense_is_an_error() {
    let dense = Tensor::eye(4, FLOAT);
    let sparse = |layout| {
        let said = format!("the tensor's layout is {layout}, but a block needs a dense tensor");
        (said, "call `to_dense` on it".to_owned())
    };
    assert_eq!(refused(dense.to_sparse_sparse_dim(2)), sparse("sparse_coo"));
    assert_eq!(refused(dense.to_sparse_csr(None)), sparse("sparse_csr"));
    assert_eq!(refused(dense.to_sparse_csc(None)), sparse("sparse_csc"));
    assert_eq!(refused(dense.to_sparse_bsr([2, 2], None)), sparse("sparse_bsr"));
    assert_eq!(refused(dense.to_sparse_bsc([2, 2], None)), sparse("sparse_bsc"));
    assert_eq!(refused(dense.to_mkldnn()), sparse("mkldnn"));
    // The hint is right.
    let block = TchConverter::new().to_array(dense.to_sparse_csr(None).to_dense(None, false));
    assert_eq!(block.unwrap(), TchConverter::new().to_array(dense).unwrap());
}

#[test]
fn a_nested_tensor_is_an_error() {
    // Rows of two and of three elements.
    let sizes = Tensor::from_slice(&[2_i64, 3]).reshape([2, 1]);
    let nested = Tensor::internal_nested_from_padded(&Tensor::ones([2, 3], FLOAT), &sizes, false);
    let (message, hint) = refused(nested);
    assert_eq!(message, "the tensor's layout is nested, but a block needs a dense tensor");
    assert_eq!(hint, "call `nested_to_padded_tensor` on it");
}

#[test]
fn a_kind_without_a_dtype_is_an_error() {
    let kinds = [
        (Kind::ComplexHalf, "ComplexHalf"),
        (Kind::Float8e5m2, "Float8_e5m2"),
        (Kind::Float8e4m3fn, "Float8_e4m3fn"),
        (Kind::Float8e5m2fnuz, "Float8_e5m2fnuz"),
        (Kind::Float8e4m3fnuz, "Float8_e4m3fnuz"),
    ];
    for (kind, name) in kinds {
        let (message, hint) = refused(Tensor::empty([2], (kind, Device::Cpu)));
        let expected = format!("no dtype can hold the tensor's kind, {name}");
        assert!(message == expected && hint.contains("`to_kind`"), "{message}; {hint}");
    }
    let quantized = Tensor::ones([3], FLOAT).quantize_per_tensor(0.1, 10, Kind::QUInt8);
    assert!(refused(quantized.shallow_clone()).0.contains("the tensor's kind, QUInt8"));
    let block = TchConverter::new().to_array(quantized.dequantize()).unwrap();
    assert_eq!(block.dtype(), DType::Float32);
}

#[test]
fn a_dtype_without_a_kind_is_an_error() {
    fn refuses<A: Element>() {
        let block = ArrayBlock::from_vec([1], vec![A::default()]).unwrap();
        let error = TchConverter::new().to_tensor(&block).unwrap_err();
        assert_eq!(
            report(&error),
            format!(
                "a libtorch tensor cannot handle dtype {}, \
                 only bool, uint8, signed integers, floats and complex numbers",
                A::DTYPE
            )
        );
    }
    refuses::<u16>();
    refuses::<u32>();
    refuses::<u64>();
}

#[test]
fn a_missing_device_is_an_error() {
    if tch::Cuda::is_available() {
        return;
    }
    let block = ArrayBlock::from_vec([1], vec![1.0_f32]).unwrap();
    let converter = TchConverter::new().with_device(Device::Cuda(0));
    let message = report(&converter.to_tensor(&block).unwrap_err());
    assert!(message.starts_with("libtorch could not make a tensor on Cuda(0): "), "{message}");
    assert!(message.len() < 250, "the message holds a stack or a list of backends: {message}");
}

/// Returns a tensor of zeros with the given shape and kind, on the CPU.
fn zeros(shape: &[i64], kind: Kind) -> Tensor {
    Tensor::zeros(shape, (kind, Device::Cpu))
}

#[test]
fn blocks_that_do_not_fit_together_are_an_error() {
    let joined = |blocks: fn() -> Vec<Tensor>| {
        let sequence = LazyChunkSequence::new(blocks);
        let error = report(&sequence.compute(TchConcatenate::new()).unwrap_err());
        // The aggregator of arrays returns the same error.
        let converted = sequence.convert(TchConverter::new());
        assert_eq!(report(&converted.compute(lazy_core::Concatenate).unwrap_err()), error);
        error
    };
    assert_eq!(
        joined(|| vec![zeros(&[2, 3], Kind::Float), zeros(&[2, 4], Kind::Float)]),
        "block 1 has shape [2, 4], but its sizes from axis 1 on must be [3], as in the first block"
    );
    assert_eq!(
        joined(|| vec![zeros(&[2, 3], Kind::Float), zeros(&[2, 3], Kind::Double)]),
        "block 1 has dtype float64, but it must be float32, as in the first block"
    );
    assert!(joined(|| vec![zeros(&[], Kind::Float)]).contains("block 0 has shape []"));
    // libtorch would skip this block.
    assert!(
        joined(|| vec![zeros(&[2, 3], Kind::Float), zeros(&[0], Kind::Float)])
            .contains("block 1 has shape [0]")
    );
    assert!(joined(Vec::new).contains("the sequence has no blocks"));
}

#[test]
fn bands_that_do_not_fit_together_are_an_error() {
    let joined = |bands: fn() -> Vec<Vec<Tensor>>| {
        let sequence = NestedLazyChunkSequence::new(bands);
        let error = report(&sequence.compute(TchConcatenate::new()).unwrap_err());
        let converted = sequence.convert(TchConverter::new());
        assert_eq!(report(&converted.compute(lazy_core::Concatenate).unwrap_err()), error);
        error
    };
    assert_eq!(
        joined(|| {
            let block = |n_rows, n_columns| zeros(&[n_rows, n_columns], Kind::Float);
            vec![vec![block(3, 1), block(3, 1)], vec![block(3, 1), block(2, 1)]]
        }),
        "block (1, 1) has 2 rows, but the first block of its band has 3"
    );
    assert_eq!(
        joined(|| vec![vec![zeros(&[3, 2], Kind::Int)], vec![zeros(&[3, 1], Kind::Int)]]),
        "band 1 has 1 column, but it must have 2, as in the first band"
    );
    assert!(joined(|| vec![vec![]]).contains("band 0 has no blocks"));
}

#[test]
fn a_sparse_block_cannot_be_concatenated() {
    let sequence = NestedLazyChunkSequence::new(|| {
        [[Tensor::eye(2, FLOAT), Tensor::eye(2, FLOAT).to_sparse_csr(None)]]
    });
    let error = sequence.compute(TchConcatenate::new()).unwrap_err();
    assert!(
        report(&error).starts_with(
            "block (0, 1) could not be concatenated: the tensor's layout is sparse_csr, "
        ),
        "{error}"
    );
    let error = error.downcast::<Error>().expect("an error of this crate");
    assert!(matches!(*error, Error::Concatenation { at: BlockIndex::NestedBlock(0, 1), .. }));
}
