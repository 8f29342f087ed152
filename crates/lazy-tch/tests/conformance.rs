//! The conformance suite for converters, run on `TchConverter`.

use lazy_core::conformance::ConverterSuite;
use lazy_core::{ArrayBlock, Converter, DType};
use lazy_tch::{Copy, TchConverter};
use tch::{Kind, Tensor};

/// The dtypes without a kind in tch.
const LACKING: [DType; 3] = [DType::UInt16, DType::UInt32, DType::UInt64];

#[test]
fn the_converter_conforms_if_it_copies_when_needed() {
    suite(Copy::WhenNeeded).run();
}

#[test]
fn the_converter_conforms_if_it_always_copies() {
    suite(Copy::Always).run();
}

fn suite(copy: Copy) -> ConverterSuite<Tensor, TchConverter> {
    ConverterSuite::new(move || TchConverter::new().with_copy(copy))
        .with_dtypes(DType::ALL.into_iter().filter(|dtype| !LACKING.contains(dtype)))
        .with_layouts(layouts)
}

/// Tensors with the elements of a block: with all kinds of strides, as parts of others, and with
/// elements that differ from the values in memory.
fn layouts(block: &ArrayBlock) -> Vec<(&'static str, Tensor)> {
    let tensor = TchConverter::new().to_tensor(block).unwrap();
    let n_axes = block.shape().len() as i64;
    let reversed = in_memory_order(&tensor, (0..n_axes).rev().collect());
    let thrice = Tensor::stack(&[&tensor, &tensor, &tensor], 0);
    let interleaved = Tensor::stack(&[&tensor, &tensor.zeros_like(), &tensor], -1);
    let kind = tensor.kind();
    let mut layouts = vec![
        ("a part at an offset", thrice.get(1)),
        ("every third element", interleaved.select(-1, 2)),
        ("an alias", tensor.alias()),
        ("each element three times", tensor.unsqueeze(-1).expand_as(&interleaved).select(-1, 1)),
    ];
    if n_axes == 4 {
        layouts.push(("channels last", in_memory_order(&tensor, vec![0, 2, 3, 1])));
    }
    let is_complex = matches!(kind, Kind::ComplexFloat | Kind::ComplexDouble);
    if is_complex {
        layouts.push(("conjugated", tensor.conj_physical().conj()));
        layouts.push(("conjugated and transposed", reversed.conj_physical().conj()));
    }
    if is_complex || matches!(kind, Kind::Half | Kind::BFloat16 | Kind::Float | Kind::Double) {
        layouts.push(("with a gradient", tensor.alias().set_requires_grad(true)));
    }
    if kind != Kind::Bool {
        layouts.push(("negated", tensor.neg().internal_neg_view()));
    }
    layouts.push(("transposed in memory", reversed));
    layouts
}

/// Returns the same tensor with its axes in this order in memory, the last axis contiguous.
fn in_memory_order(tensor: &Tensor, order: Vec<i64>) -> Tensor {
    let mut back = vec![0; order.len()];
    for (place, &axis) in order.iter().enumerate() {
        back[axis as usize] = place as i64;
    }
    tensor.permute(order).contiguous().permute(back)
}
