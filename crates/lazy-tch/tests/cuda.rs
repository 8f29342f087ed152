//! Tensors on a CUDA device. Without a device, the test reports that it skips all cases.

use std::collections::VecDeque;
use std::process::ExitCode;

use lazy_core::conformance::{Case, ConverterSuite};
use lazy_core::{
    ArrayBlock, BoxError, Concatenate, Converter, DType, LazyChunkSequence,
    NestedLazyChunkSequence, report,
};
use lazy_tch::{TchConcatenate, TchConverter};
use tch::{Cuda, Device, Kind, Tensor};

const DEVICE: Device = Device::Cuda(0);

fn main() -> ExitCode {
    // Test runners such as cargo-nextest list the tests of a binary first.
    let has = |argument| std::env::args().any(|given| given == argument);
    if has("--list") {
        if !has("--ignored") {
            println!("all_cases: test");
        }
        return ExitCode::SUCCESS;
    }
    let cases = cases();
    if !Cuda::is_available() {
        println!("skipped {} cases: libtorch finds no CUDA device", cases.len());
        return ExitCode::SUCCESS;
    }
    let mut n_failed = 0;
    for case in &cases {
        match case.run() {
            Ok(()) => println!("{} ... ok", case.name()),
            Err(failure) => {
                n_failed += 1;
                println!("{} ... FAILED: {failure}", case.name());
            }
        }
    }
    println!("{n_failed} of {} cases failed", cases.len());
    if n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn cases() -> Vec<Case> {
    let lacking = [DType::UInt16, DType::UInt32, DType::UInt64];
    let dtypes = DType::ALL.into_iter().filter(move |dtype| !lacking.contains(dtype));
    let suite = ConverterSuite::<Tensor, _>::new(|| TchConverter::new().with_device(DEVICE))
        .with_dtypes(dtypes)
        .with_layouts(|block| {
            let tensor = TchConverter::new().with_device(DEVICE).to_tensor(block).unwrap();
            let interleaved = Tensor::stack(&[&tensor, &tensor.zeros_like()], -1);
            let backwards: Vec<i64> = (0..tensor.dim() as i64).rev().collect();
            let transposed = tensor.permute(&backwards).contiguous().permute(&backwards);
            vec![("every second element", interleaved.select(-1, 0)), ("transposed", transposed)]
        });
    let mut cases = suite.cases();
    cases.extend([
        Case::new("tensors_move_to_the_device_that_is_set", tensors_move_to_the_device_that_is_set),
        Case::new(
            "concatenation_returns_a_tensor_on_the_device_that_is_set",
            concatenation_returns_a_tensor_on_the_device_that_is_set,
        ),
        Case::new("mixed_devices_are_an_error", mixed_devices_are_an_error),
        Case::new("the_device_holds_one_block_at_a_time", the_device_holds_one_block_at_a_time),
    ]);
    cases
}

fn expect(holds: bool, claim: &str) -> Result<(), BoxError> {
    if holds { Ok(()) } else { Err(format!("expected that {claim}").into()) }
}

fn ramp(start: i64) -> Tensor {
    Tensor::arange(12, (Kind::Float, DEVICE)).reshape([3, 4]) + start
}

fn tensors_move_to_the_device_that_is_set() -> Result<(), BoxError> {
    let block = TchConverter::new().to_array(ramp(0))?;
    let on_device = TchConverter::new().with_device(DEVICE).to_tensor(&block)?;
    expect(on_device.device() == DEVICE, "a tensor is on the converter's device")?;
    expect(on_device == ramp(0), "its elements equal those of the block")?;
    let on_cpu = TchConverter::new().to_tensor(&block)?;
    expect(on_cpu.device() == Device::Cpu, "a tensor is on the CPU by default")
}

fn concatenation_returns_a_tensor_on_the_device_that_is_set() -> Result<(), BoxError> {
    let sequence =
        NestedLazyChunkSequence::new(|| (0..2).map(|i| (0..3).map(move |j| ramp(10 * i + j))));
    let expected = sequence.clone().convert(TchConverter::new()).compute(Concatenate)?;
    for device in [Device::Cpu, DEVICE] {
        let tensor = sequence.compute(TchConcatenate::new().with_device(device))?;
        expect(tensor.device() == device, "the result is on the device that is set")?;
        let array: ArrayBlock = TchConverter::new().to_array(tensor)?;
        expect(array == expected, "libtorch concatenates as `Concatenate` does")?;
    }
    Ok(())
}

fn mixed_devices_are_an_error() -> Result<(), BoxError> {
    let sequence = LazyChunkSequence::new(|| [ramp(0), ramp(1), ramp(2).to_device(Device::Cpu)]);
    let message = report(&sequence.compute(TchConcatenate::new()).unwrap_err());
    let expected = "block 2 could not be concatenated: \
                    the block is on Cpu, but the blocks before it are on Cuda(0)";
    expect(message == expected, &format!("{message:?} is {expected:?}"))
}

/// The blocks have more bytes in total than any device. A few are kept waiting, as for a writer.
fn the_device_holds_one_block_at_a_time() -> Result<(), BoxError> {
    const N_BLOCKS: usize = 100;
    const BYTES: i64 = 2 << 30;
    let sequence = LazyChunkSequence::new(|| {
        (0..N_BLOCKS).map(|_| Tensor::empty([BYTES], (Kind::Uint8, DEVICE)))
    });
    let mut waiting = VecDeque::new();
    for block in sequence.convert(TchConverter::new()).blocks() {
        waiting.push_back(block?);
        if waiting.len() > 4 {
            waiting.pop_front();
        }
    }
    expect(waiting.len() == 4, "the last four blocks are kept")
}
