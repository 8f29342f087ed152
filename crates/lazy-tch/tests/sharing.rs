//! Laws about the memory of a block: when it is the tensor's own, and that it never changes.

use lazy_core::{ArrayBlock, Converter, DType, LazyChunkSequence, report};
use lazy_tch::{Copy, TchConverter};
use tch::{Device, Kind, Tensor};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

fn to_array(tensor: Tensor) -> ArrayBlock {
    TchConverter::new().to_array(tensor).unwrap()
}

/// Returns true if a block of the tensor holds the tensor's own memory. Checks the elements either
/// way.
fn shares(make: impl Fn() -> Tensor) -> bool {
    // Adding 0 makes a new tensor with the elements in memory.
    let expected = Vec::<f32>::try_from((make().detach() + 0.0).flatten(0, -1));
    let tensor = make();
    let pointer = tensor.data_ptr();
    let block = to_array(tensor);
    assert_eq!(block.as_slice::<f32>().unwrap(), expected.unwrap());
    block.data().as_ptr() == pointer as *const u8
}

fn matrix() -> Tensor {
    Tensor::arange(12, FLOAT).reshape([3, 4]).copy()
}

#[test]
fn dense_tensors_in_c_order_are_taken_without_a_copy() {
    assert!(shares(matrix));
    assert!(shares(|| matrix().sum(Kind::Float)), "a tensor without axes");
    assert!(shares(|| matrix().reshape([12, 1, 1])), "a reshaped tensor");
    assert!(shares(|| matrix().narrow(0, 1, 2)), "rows of a tensor without other handles");
    assert!(shares(|| matrix().flatten(0, 1).narrow(0, 1, 7)), "at an odd offset");
    assert!(shares(|| matrix().set_requires_grad(true)));
    assert!(shares(|| matrix().transpose(0, 1).transpose(0, 1)));
    assert!(
        shares(|| matrix().reshape([1, 12]).transpose(0, 1)),
        "an axis of size 1 has no stride"
    );
}

#[test]
fn tensors_not_in_c_order_are_copied() {
    assert!(!shares(|| matrix().transpose(0, 1)));
    assert!(!shares(|| matrix().narrow(1, 1, 2)));
    assert!(!shares(|| matrix().get(0).expand([3, 4], false)));
    assert!(!shares(|| matrix().internal_neg_view()));
    assert!(!shares(|| Tensor::internal_efficientzerotensor([3, 4], FLOAT)));
}

/// The last piece of a split tensor is the only tensor left in its memory.
#[test]
fn small_parts_of_large_tensors_are_copied() {
    assert!(!shares(|| matrix().get(2)));
    assert!(!shares(|| matrix().split(1, 0).pop().unwrap()));
    assert!(shares(|| matrix().split(2, 0).remove(0)));
}

/// Two tensors that map the same file are each the only one in their storage, but share its memory.
#[test]
fn mapped_files_are_copied() {
    let directory = std::env::temp_dir().join(format!("lazy-tch-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("mapped");
    for is_shared in [true, false] {
        std::fs::write(&path, [1; 16]).unwrap();
        let map =
            |kind| Tensor::from_file(path.to_str().unwrap(), is_shared, 16, (kind, Device::Cpu));
        let block = to_array(map(Kind::Bool));
        let _ = map(Kind::Uint8).fill_(7);
        std::fs::write(&path, [9; 16]).unwrap();
        assert_eq!(block.as_slice::<bool>().unwrap(), [true; 16]);
    }
    std::fs::remove_dir_all(directory).unwrap();
}

/// Lazy clones share memory until one of them is written to.
#[test]
fn a_lazy_clone_is_copied() {
    let mut tensor = matrix();
    let block = to_array(tensor.internal_lazy_clone());
    let _ = tensor.zero_();
    assert_eq!(block, to_array(matrix()));
}

#[test]
fn memory_that_another_handle_could_write_to_is_copied() {
    /// Returns true if a block shares the tensor's memory while `hold(&tensor)` is kept.
    fn held(hold: impl Fn(&Tensor) -> Tensor) -> bool {
        let others = std::cell::RefCell::new(Vec::new());
        shares(|| {
            let tensor = matrix();
            others.borrow_mut().push(hold(&tensor));
            tensor
        })
    }
    assert!(held(|_| Tensor::new()), "no other handle");
    assert!(held(Tensor::copy), "a copy has memory of its own");
    assert!(!held(Tensor::shallow_clone));
    assert!(!held(|tensor| tensor.transpose(0, 1)));
    assert!(!held(|tensor| tensor.narrow(0, 0, 1)));
    assert!(!held(Tensor::detach));
    assert!(!held(|tensor| tensor.view_dtype(Kind::Int)));

    // A view whose base is still held.
    let base = matrix();
    assert!(!shares(|| base.narrow(0, 0, 2)));

    // An output whose graph is still held is needed for the gradient.
    let input = matrix().set_requires_grad(true);
    let output = input.exp();
    let pointer = output.data_ptr();
    let loss = output.sum(Kind::Float);
    let block = to_array(output);
    assert_ne!(block.data().as_ptr(), pointer as *const u8);
    loss.backward();
    assert_eq!(input.grad(), input.detach().exp());
}

#[test]
fn a_block_does_not_change_with_its_tensor() {
    let mut tensor = matrix();
    let block = to_array(tensor.shallow_clone());
    let _ = tensor.fill_(-1.0);
    // Resizing reallocates the storage of all tensors that share it.
    let _ = tensor.resize_([1 << 20]);
    assert_eq!(block, to_array(matrix()));
}

/// A producer that fills one buffer for every block.
#[test]
fn one_buffer_for_all_blocks_gives_distinct_blocks() {
    let sequence = LazyChunkSequence::new(|| {
        let mut buffer = Tensor::zeros([2, 2], FLOAT);
        (0..3).map(move |i| buffer.fill_(i).shallow_clone())
    });
    let blocks = sequence.clone().convert(TchConverter::new()).collect().unwrap();
    let values: Vec<f32> = blocks.iter().map(|block| block.as_slice().unwrap()[0]).collect();
    assert_eq!(values, [0.0, 1.0, 2.0]);
    let joined = sequence.compute(lazy_tch::TchConcatenate::new()).unwrap();
    assert_eq!(Vec::<f32>::try_from(joined.select(1, 0)).unwrap(), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
}

#[test]
fn a_block_outlives_its_tensor_on_any_thread() {
    let block = to_array(matrix());
    let clone = block.clone();
    std::thread::spawn(move || assert_eq!(clone, to_array(matrix()))).join().unwrap();
    assert_eq!(block.as_slice::<f32>().unwrap()[11], 11.0);
}

#[test]
fn copy_always_never_shares_memory() {
    let tensor = matrix();
    let pointer = tensor.data_ptr();
    let block = TchConverter::new().with_copy(Copy::Always).to_array(tensor).unwrap();
    assert_ne!(block.data().as_ptr(), pointer as *const u8);
    assert_eq!(block, to_array(matrix()));
}

/// A block cannot keep memory alive that libtorch does not own.
#[test]
#[allow(unsafe_code, reason = "`from_blob` alone uses memory that libtorch does not own")]
fn memory_that_libtorch_does_not_own_is_copied() {
    let mut memory = [1.0_f32, 2.0];
    // SAFETY: the memory lives longer than the tensor, which becomes a block here.
    let block = unsafe {
        let tensor = Tensor::from_blob(memory.as_ptr().cast(), &[2], &[], Kind::Float, Device::Cpu);
        to_array(tensor)
    };
    memory.fill(0.0);
    assert_eq!(block.as_slice::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn a_tensor_does_not_change_its_block() {
    let block = to_array(matrix());
    let mut tensor = TchConverter::new().to_tensor(&block).unwrap();
    let _ = tensor.zero_();
    assert_eq!(block, to_array(matrix()));
}

/// A hundred blocks of 16 MiB, at most a few of them in memory at a time.
#[cfg(target_os = "linux")]
#[test]
fn memory_of_dropped_blocks_is_freed() {
    fn resident_bytes() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }
    let before = resident_bytes();
    let sequence = LazyChunkSequence::new(|| (0..100).map(|i| Tensor::full([4 << 20], i, FLOAT)))
        .convert(TchConverter::new());
    let tensors = sequence.clone().to_tensors::<Tensor, _>(TchConverter::new());
    for (block, tensor) in sequence.blocks().zip(tensors.blocks()) {
        assert_eq!(block.unwrap().n_elements(), tensor.unwrap().numel());
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 400 << 20, "memory grew by {grown} bytes");
    }
}

#[test]
fn a_byte_that_is_not_a_boolean_is_an_error() {
    let bytes = Tensor::from_slice(&[0_u8, 1, 2, 1]).reshape([2, 2]);
    for tensor in [bytes.view_dtype(Kind::Bool), bytes.view_dtype(Kind::Bool).transpose(0, 1)] {
        let message = report(&TchConverter::new().to_array(tensor).unwrap_err());
        assert!(message.contains("of a bool array is 2, but it must be 0 or 1"), "{message}");
    }
    let block = to_array(bytes.eq(1));
    assert_eq!(block.as_slice::<bool>().unwrap(), [false, true, false, true]);
}

#[test]
fn shapes_without_elements_are_kept() {
    for shape in [&[0][..], &[3, 0], &[0, 3, 2], &[0, 0]] {
        let shape_of_tensor: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let tensor = Tensor::empty(shape_of_tensor, (Kind::Double, Device::Cpu));
        let block = to_array(tensor);
        assert_eq!((block.dtype(), block.shape()), (DType::Float64, shape));
        assert_eq!(TchConverter::new().to_tensor(&block).unwrap().numel(), 0);
    }
}
