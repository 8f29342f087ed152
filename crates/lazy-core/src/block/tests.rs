use ndarray::{Array1, Array2, Ix2, IxDyn, array, s};

use super::*;

#[test]
fn dense_arrays_are_taken_without_a_copy() {
    let array = Array2::<f64>::zeros((3, 4));
    let pointer = array.as_ptr().cast::<u8>();
    assert_eq!(ArrayBlock::from_array(array).data().as_ptr(), pointer);
}

#[test]
fn every_layout_becomes_c_order() {
    let array = array![[1, 2, 3], [4, 5, 6]];
    let expected = ArrayBlock::from_vec([2, 3], vec![1, 2, 3, 4, 5, 6]).unwrap();
    let fortran = array.t().as_standard_layout().reversed_axes().to_owned();
    assert_eq!(ArrayBlock::from_array(fortran), expected);
    assert_eq!(
        ArrayBlock::from_array(array.clone().slice_move(s![1.., ..])),
        ArrayBlock::from_vec([1, 3], vec![4, 5, 6]).unwrap()
    );
    assert_eq!(
        ArrayBlock::from_array(array.clone().slice_move(s![..1, ..])),
        ArrayBlock::from_vec([1, 3], vec![1, 2, 3]).unwrap()
    );
    assert_eq!(
        ArrayBlock::from_array(array.slice_move(s![..;-1, ..])),
        ArrayBlock::from_vec([2, 3], vec![4, 5, 6, 1, 2, 3]).unwrap()
    );
}

#[test]
fn misaligned_bytes_are_realigned() {
    for dtype in DType::ALL {
        let bytes: Vec<u8> = (0..=2 * dtype.size()).map(|i| (i % 2) as u8).collect();
        for start in 0..2 {
            let data = Bytes::from(bytes.clone()).slice(start..start + 2 * dtype.size());
            let block = ArrayBlock::new(dtype, [2], data.clone()).unwrap();
            assert_eq!(block.data(), &data);
            with_element!(dtype, A => assert_eq!(block.as_slice::<A>().unwrap().len(), 2));
        }
    }
}

#[test]
fn wrong_sizes_and_bools_are_refused() {
    let bytes = Bytes::from_static(&[1, 0, 2]);
    assert!(matches!(
        ArrayBlock::new(DType::UInt8, [2], bytes.clone()).map_err(Error::into_case),
        Err(Case::InvalidData { expected: Some(2), actual: 3, .. })
    ));
    assert!(matches!(
        ArrayBlock::new(DType::UInt16, [usize::MAX, 2], bytes.clone()).map_err(Error::into_case),
        Err(Case::InvalidData { expected: None, .. })
    ));
    assert!(matches!(
        ArrayBlock::new(DType::Bool, [3], bytes).map_err(Error::into_case),
        Err(Case::InvalidBool { index: 2, value: 2 })
    ));
    let empty = |shape| ArrayBlock::new(DType::Int16, shape, Bytes::new());
    assert_eq!(empty([7, 9, 0]).unwrap().as_array::<i16, IxDyn>().unwrap().shape(), [7, 9, 0]);
    assert!(matches!(
        empty([usize::MAX, usize::MAX, 0]).map_err(Error::into_case),
        Err(Case::InvalidData { expected: None, .. })
    ));
}

#[test]
fn nothing_is_cast() {
    let block = ArrayBlock::from_vec([2], vec![1_i32, 2]).unwrap();
    assert!(matches!(
        block.as_slice::<u32>().map_err(Error::into_case),
        Err(Case::DTypeMismatch { expected: DType::UInt32, actual: DType::Int32 })
    ));
    assert!(matches!(
        block.to_array::<i32, ndarray::Ix2>().map_err(Error::into_case),
        Err(Case::RankMismatch { expected: 2, .. })
    ));
    assert!(matches!(block.view(), DynArrayView::Int32(view) if view == array![1, 2].into_dyn()));
}

#[test]
fn an_array_is_taken_back_without_a_copy() {
    for dtype in DType::ALL {
        with_element!(dtype, A => {
            let array = Array2::from_elem((3, 4), A::default());
            let (memory, expected) = (array.as_ptr(), array.clone());
            let block = ArrayBlock::from_array(array).into_row().clone();
            let array: ArrayD<A> = block.into_array().unwrap();
            assert_eq!(array.as_ptr(), memory);
            let array = array.remove_axis(ndarray::Axis(0));
            assert_eq!(array, expected.into_dyn());
        });
    }
    let elements = vec![1, 2, 3, 4, 5, 6];
    let memory = elements.as_ptr();
    let block = ArrayBlock::from_vec([2, 3], elements).unwrap();
    // A dropped view and a dropped clone do not count.
    assert_eq!(block.clone().as_array::<i32, Ix2>().unwrap().sum(), 21);
    let array: Array2<i32> = block.into_array().unwrap();
    assert_eq!((array.as_ptr(), &array), (memory, &array![[1, 2, 3], [4, 5, 6]]));
}

#[test]
fn an_array_of_shared_memory_is_copied() {
    let expected = array![[1.0, 2.0], [3.0, 4.0]];
    let block = ArrayBlock::from_array(expected.clone());
    let memory = block.as_slice::<f64>().unwrap().as_ptr();

    let clone = block.clone();
    let mut array: Array2<f64> = clone.into_array().unwrap();
    assert_ne!(array.as_ptr(), memory);
    array.fill(0.0);
    assert_eq!(block.as_array::<f64, Ix2>().unwrap(), expected);

    // The bytes, or a slice of them, share the memory as well.
    for bytes in [block.data().clone(), block.data().slice(8..16)] {
        let before = bytes.to_vec();
        let mut array: Array2<f64> = block.clone().into_array().unwrap();
        array.fill(0.0);
        assert_eq!(bytes, before);
    }
    let bytes = block.data().clone();
    let array: Array2<f64> = block.into_array().unwrap();
    assert_eq!(array, expected);
    assert_ne!(array.as_ptr(), memory);
    assert_eq!(bytes.as_ptr(), memory.cast());
}

#[test]
fn arrays_of_any_memory_are_taken() {
    // Bytes of another owner, a slice of a larger array, another order, and no elements.
    let bytes = Bytes::copy_from_slice(bytemuck::cast_slice(&[1_i16, 2, 3]));
    let block = ArrayBlock::new(DType::Int16, [3], bytes).unwrap();
    assert_eq!(block.into_array::<i16, _>().unwrap(), array![1_i16, 2, 3]);
    let larger = array![[1, 2], [3, 4], [5, 6]];
    let part = ArrayBlock::from_array(larger.clone().slice_move(s![1..2, ..]));
    assert_eq!(part.into_array::<i32, _>().unwrap(), array![[3, 4]]);
    let transposed = ArrayBlock::from_array(larger.clone().reversed_axes());
    assert_eq!(transposed.into_array::<i32, _>().unwrap(), larger.t());
    let empty = ArrayBlock::from_array(Array2::<u8>::zeros((0, 7)));
    assert_eq!(empty.into_array::<u8, Ix2>().unwrap().dim(), (0, 7));
    let number = ArrayBlock::from_array(ndarray::arr0(3_u64));
    assert_eq!(number.into_array::<u64, _>().unwrap(), ndarray::arr0(3));
}

#[test]
fn an_array_of_another_type_is_refused() {
    let block = ArrayBlock::from_array(Array2::<f32>::zeros((2, 3)));
    assert!(matches!(
        block.clone().into_array::<f64, Ix2>().map_err(Error::into_case),
        Err(Case::DTypeMismatch { expected: DType::Float64, actual: DType::Float32 })
    ));
    let error = block.clone().into_array::<f32, ndarray::Ix3>().unwrap_err();
    assert_eq!(error.to_string(), "expected 3 axes, but the array has shape [2, 3]");
    assert!(matches!(
        block.as_array::<f32, ndarray::Ix0>().map_err(Error::into_case),
        Err(Case::RankMismatch { expected: 0, .. })
    ));
    assert!(block.as_array::<f32, IxDyn>().is_ok());
}

#[test]
fn threads_that_share_memory_take_it_back_at_once() {
    for _ in 0..100 {
        let block = ArrayBlock::from_array(Array1::from_elem(1000, 7_u64));
        let blocks = [block.clone(), block];
        std::thread::scope(|scope| {
            for block in blocks {
                scope.spawn(|| {
                    let mut array: Array1<u64> = block.into_array().unwrap();
                    assert!(array.iter().all(|&x| x == 7));
                    array.fill(8);
                });
            }
        });
    }
}
