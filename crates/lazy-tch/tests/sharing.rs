//! Whose memory a block holds, and what may be done to it meanwhile.

use lazy_core::{ArrayBlock, Converter, DType, LazyChunkSequence, report};
use lazy_tch::{Copy, TchConverter};
use tch::{Device, Kind, Tensor};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

fn to_array(tensor: Tensor) -> ArrayBlock {
    TchConverter::new().to_array(tensor).unwrap()
}

/// Whether a block of the tensor holds the tensor's own memory. The elements are right either way.
fn shares(make: impl Fn() -> Tensor) -> bool {
    // Adding makes a tensor whose elements are those in memory.
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
    assert!(shares(|| matrix().sum(Kind::Float)), "without axes");
    assert!(shares(|| matrix().reshape([12, 1, 1])), "another shape of it");
    assert!(shares(|| matrix().narrow(0, 1, 2)), "rows of what nobody else holds");
    assert!(shares(|| matrix().flatten(0, 1).narrow(0, 1, 7)), "at an odd offset");
    assert!(shares(|| matrix().set_requires_grad(true)));
    assert!(shares(|| matrix().transpose(0, 1).transpose(0, 1)));
    assert!(
        shares(|| matrix().reshape([1, 12]).transpose(0, 1)),
        "an axis of size 1 has no stride"
    );
}

#[test]
fn others_are_copied() {
    assert!(!shares(|| matrix().transpose(0, 1)));
    assert!(!shares(|| matrix().narrow(1, 1, 2)));
    assert!(!shares(|| matrix().get(0).expand([3, 4], false)));
    assert!(!shares(|| matrix().internal_neg_view()));
    assert!(!shares(|| Tensor::internal_efficientzerotensor([3, 4], FLOAT)));
}

/// The last piece of a tensor that was split is the only one left in its memory.
#[test]
fn small_parts_of_large_tensors_are_copied() {
    assert!(!shares(|| matrix().get(2)));
    assert!(!shares(|| matrix().split(1, 0).pop().unwrap()));
    assert!(shares(|| matrix().split(2, 0).remove(0)));
}

/// Each of two tensors that map a file is the only one in its memory, which is the same.
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
fn lazy_clones_are_parted() {
    let mut tensor = matrix();
    let block = to_array(tensor.internal_lazy_clone());
    let _ = tensor.zero_();
    assert_eq!(block, to_array(matrix()));
}

#[test]
fn memory_that_somebody_else_could_write_to_is_copied() {
    /// What else reaches a tensor's memory: a handle, or something that is made of one.
    fn held(hold: impl Fn(&Tensor) -> Tensor) -> bool {
        let others = std::cell::RefCell::new(Vec::new());
        shares(|| {
            let tensor = matrix();
            others.borrow_mut().push(hold(&tensor));
            tensor
        })
    }
    assert!(held(|_| Tensor::new()), "nobody does");
    assert!(held(Tensor::copy), "a copy does not");
    assert!(!held(Tensor::shallow_clone));
    assert!(!held(|tensor| tensor.transpose(0, 1)));
    assert!(!held(|tensor| tensor.narrow(0, 0, 1)));
    assert!(!held(Tensor::detach));
    assert!(!held(|tensor| tensor.view_dtype(Kind::Int)));

    // A view whose base is held.
    let base = matrix();
    assert!(!shares(|| base.narrow(0, 0, 2)));

    // An output whose graph is held needs it for the gradient.
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
fn a_block_does_not_change() {
    let mut tensor = matrix();
    let block = to_array(tensor.shallow_clone());
    let _ = tensor.fill_(-1.0);
    // The storage of all that share it is made anew.
    let _ = tensor.resize_([1 << 20]);
    assert_eq!(block, to_array(matrix()));
}

/// A producer that fills one buffer again and again.
#[test]
fn one_buffer_for_all_blocks() {
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
fn always_copying() {
    let tensor = matrix();
    let pointer = tensor.data_ptr();
    let block = TchConverter::new().with_copy(Copy::Always).to_array(tensor).unwrap();
    assert_ne!(block.data().as_ptr(), pointer as *const u8);
    assert_eq!(block, to_array(matrix()));
}

/// Memory that libtorch does not own is not a block's, which could not keep it alive.
#[test]
#[allow(unsafe_code, reason = "only so is there a tensor in memory that libtorch does not own")]
fn memory_of_somebody_else() {
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

/// A hundred times 16 MiB, of which no more than a few are ever held.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_given_back() {
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
        assert!(grown < 400 << 20, "{grown} bytes more than before");
    }
}

#[test]
fn bytes_that_are_not_booleans() {
    let bytes = Tensor::from_slice(&[0_u8, 1, 2, 1]).reshape([2, 2]);
    for tensor in [bytes.view_dtype(Kind::Bool), bytes.view_dtype(Kind::Bool).transpose(0, 1)] {
        let message = report(&TchConverter::new().to_array(tensor).unwrap_err());
        assert!(message.contains("of a bool array is 2; only 0 and 1 are booleans"), "{message}");
    }
    let block = to_array(bytes.eq(1));
    assert_eq!(block.as_slice::<bool>().unwrap(), [false, true, false, true]);
}

#[test]
fn shapes_without_elements() {
    for shape in [&[0][..], &[3, 0], &[0, 3, 2], &[0, 0]] {
        let shape_of_tensor: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let tensor = Tensor::empty(shape_of_tensor, (Kind::Double, Device::Cpu));
        let block = to_array(tensor);
        assert_eq!((block.dtype(), block.shape()), (DType::Float64, shape));
        assert_eq!(TchConverter::new().to_tensor(&block).unwrap().numel(), 0);
    }
}
