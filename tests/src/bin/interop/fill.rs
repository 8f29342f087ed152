//! Fill values that are hard to represent in metadata.

use half::{bf16, f16};
use lazy_chunks::zarr::ZarrSink;
use lazy_chunks::{ArrayBlock, DType, DynArrayView};

/// A fill value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// The default fill value.
    Default,
    /// 1.
    One,
    /// The least value of an integer type. For a float, negative zero and negative infinity, one
    /// for each part.
    Extreme,
    /// The greatest value of an integer type. For a float, NaN with a payload in each part.
    Payload,
}

impl Fill {
    pub(crate) const ALL: [Fill; 4] = [Fill::Default, Fill::One, Fill::Extreme, Fill::Payload];

    /// Returns the sink with this fill value.
    pub(crate) fn of(self, sink: ZarrSink, dtype: DType) -> ZarrSink {
        let parts = match self {
            Fill::Default => return sink,
            Fill::One if is_complex(dtype) => [1.0, 0.0],
            Fill::One => [1.0; 2],
            Fill::Extreme => [-0.0, f64::NEG_INFINITY],
            Fill::Payload => [f64::NAN; 2],
        };
        macro_rules! integer {
            ($type:ty) => {
                match self {
                    Fill::Extreme => <$type>::MIN,
                    Fill::Payload => <$type>::MAX,
                    _ => 1,
                }
                .to_ne_bytes()
                .to_vec()
            };
        }
        macro_rules! float {
            ($type:ty, $from_f64:expr) => {
                parts.map(|part| {
                    let bits = $from_f64(part).to_bits();
                    let payload = if part.is_nan() { 0b101 } else { 0 };
                    <$type>::from_bits(bits | payload).to_ne_bytes()
                })
            };
        }
        let bytes = match dtype {
            DType::Bool => vec![u8::from(self != Fill::Extreme)],
            DType::Int8 => integer!(i8),
            DType::Int16 => integer!(i16),
            DType::Int32 => integer!(i32),
            DType::Int64 => integer!(i64),
            DType::UInt8 => integer!(u8),
            DType::UInt16 => integer!(u16),
            DType::UInt32 => integer!(u32),
            DType::UInt64 => integer!(u64),
            DType::Float16 => float!(f16, f16::from_f64)[0].to_vec(),
            DType::BFloat16 => float!(bf16, bf16::from_f64)[1].to_vec(),
            DType::Float32 => float!(f32, |part| part as f32)[0].to_vec(),
            DType::Float64 => float!(f64, |part| part)[1].to_vec(),
            DType::Complex64 => float!(f32, |part| part as f32).concat(),
            DType::Complex128 => float!(f64, |part| part).concat(),
        };
        let block = ArrayBlock::new(dtype, [1], bytes.into()).expect("one element");
        macro_rules! with_fill_value {
            ($($variant:ident)*) => {
                match block.view() {
                    $(DynArrayView::$variant(view) => sink.with_fill_value(view[0]),)*
                }
            };
        }
        with_fill_value!(Bool Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float16 BFloat16
                         Float32 Float64 Complex64 Complex128)
    }
}

fn is_complex(dtype: DType) -> bool {
    matches!(dtype, DType::Complex64 | DType::Complex128)
}
