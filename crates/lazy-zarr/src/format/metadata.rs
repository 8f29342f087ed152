//! Conversion to Zarr: data types, fill values and metadata.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::DType;
use zarrs::array::chunk_grid::{ChunkEdgeLengths, RectilinearChunkGrid, RunLengthElement};
use zarrs::array::codec::BytesCodec;
use zarrs::array::{
    Array, ArrayBuilder, ArrayMetadata, ArrayMetadataV3, ChunkGrid, CodecOptions, DataType,
    FillValue,
};
use zarrs::metadata::v3::MetadataV3;
use zarrs::plugin::ExtensionName;

use super::key_space::KeySpace;
use crate::error::{Error, Result};
use crate::layout::{Edges, Layout};
use crate::settings::{Checksum, Codec, FillElement, WriteSettings};

/// The metadata of an array, except its shape.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub(crate) dtype: DType,
    pub(crate) layout: Layout,
    /// The sizes of the chunks along each axis of a rectilinear grid.
    pub(crate) edges: Option<Vec<Edges>>,
    /// The keys of the chunks.
    pub(crate) keys: KeySpace,
    pub(crate) codec: Codec,
    pub(crate) checksum: Checksum,
    pub(crate) fill: FillElement,
    pub(crate) dimension_names: Option<Vec<Option<String>>>,
    pub(crate) attributes: serde_json::Map<String, serde_json::Value>,
}

impl Format {
    /// Creates the format from the settings of a write.
    pub(crate) fn new(
        settings: &WriteSettings,
        dtype: DType,
        layout: Layout,
        keys: KeySpace,
    ) -> Format {
        let n_axes = layout.chunk_shape.len();
        let of_member =
            |name: &str| (0..n_axes).map(|axis| Some(format!("{name}_{axis}"))).collect();
        let names = settings.dimension_names.clone();
        Format {
            dtype,
            layout,
            edges: None,
            keys,
            codec: settings.codec(),
            checksum: settings.checksum(),
            fill: settings.fill.clone().unwrap_or_else(|| FillElement::default_of(dtype)),
            dimension_names: names.or_else(|| settings.target.member_name().map(of_member)),
            attributes: settings.json_attributes().into_iter().collect(),
        }
    }

    /// Returns the format of an array with this metadata, which a sink has made.
    pub(crate) fn of_metadata(metadata: &serde_json::Value, layout: Layout) -> Result<Format> {
        let unknown = || Error::metadata("it was not made by this version of the library");
        let parsed: ArrayMetadata =
            serde_json::from_value(metadata.clone()).map_err(Error::metadata)?;
        let array = Array::new_with_metadata(Arc::new(()), "/", parsed).map_err(Error::metadata)?;
        let dtype = dtype_of(array.data_type()).map_err(|_| unknown())?;
        let codecs = metadata["codecs"].as_array().ok_or_else(unknown)?;
        let (codec, checksum) = Codec::of_metadata(codecs, dtype).ok_or_else(unknown)?;
        let keys = KeySpace::of_metadata(metadata.to_string().as_bytes()).ok_or_else(unknown)?;
        let fill = FillElement { dtype, bytes: array.fill_value().as_ne_bytes().to_vec() };
        let dimension_names = array.dimension_names().clone();
        let attributes = array.attributes().clone();
        Ok(Format {
            dtype,
            layout,
            edges: None,
            keys,
            codec,
            checksum,
            fill,
            dimension_names,
            attributes,
        })
    }

    pub(crate) fn builder(&self, shape: &[usize]) -> Result<ArrayBuilder> {
        let data_type = zarr_data_type(self.dtype);
        let fill_value = FillValue::new(self.fill.bytes.clone());
        let mut builder = match &self.edges {
            None => {
                let unit_shape = as_u64(self.layout.unit_shape());
                ArrayBuilder::new(as_u64(shape), unit_shape, data_type, fill_value)
            }
            Some(edges) => {
                let lengths: Vec<_> = edges.iter().zip(shape).map(edge_lengths).collect();
                let grid = RectilinearChunkGrid::new(as_u64(shape), &lengths);
                let grid = ChunkGrid::new(grid.map_err(Error::metadata)?);
                ArrayBuilder::new_with_chunk_grid(grid, data_type, fill_value)
            }
        };
        // Elements are little-endian on every machine. A single byte has no byte order.
        let bytes =
            if self.dtype.size() == 1 { BytesCodec::new(None) } else { BytesCodec::little() };
        builder
            .chunk_key_encoding(self.keys.encoding())
            .array_to_bytes_codec(Arc::new(bytes))
            .bytes_to_bytes_codecs(self.codec.zarrs_codecs(self.dtype, self.checksum)?)
            .subchunk_shape(
                self.layout.shard_shape.as_ref().map(|_| as_u64(&self.layout.chunk_shape)),
            )
            .dimension_names(self.dimension_names.clone())
            .attributes(self.attributes.clone());
        Ok(builder)
    }

    /// Returns the `zarr.json` of an array of this shape.
    pub(crate) fn metadata(&self, shape: &[usize]) -> Result<ArrayMetadataV3> {
        self.builder(shape)?.build_metadata().map_err(Error::metadata)
    }
}

/// Returns the lengths of the chunks along an axis of a rectilinear grid, for an array of this
/// size.
fn edge_lengths((edges, size): (&Edges, &usize)) -> ChunkEdgeLengths {
    let at_least_1 = |n: usize| NonZeroU64::new(n as u64).unwrap_or(NonZeroU64::MIN);
    match edges.runs() {
        [] => ChunkEdgeLengths::Scalar(at_least_1(*size)),
        runs => ChunkEdgeLengths::Varying(
            runs.iter()
                .map(|&[n_chunks, length]| match n_chunks {
                    1 => RunLengthElement::Single(at_least_1(length)),
                    _ => RunLengthElement::Repeated([at_least_1(length), at_least_1(n_chunks)]),
                })
                .collect(),
        ),
    }
}

/// Returns the result of a conversion of `bytes`. A result that is a part of `bytes` shares their
/// memory.
pub(crate) fn shared(became: Cow<'_, [u8]>, bytes: &Bytes) -> Bytes {
    match became {
        Cow::Owned(became) => became.into(),
        Cow::Borrowed(became) => bytes.slice_ref(became),
    }
}

/// Returns options for one thread, because the work is distributed over threads by chunks or
/// shards. The chunks of a shard are therefore in C order, and the bytes of a shard are
/// deterministic. Checksums are checked regardless of the program's global zarrs settings.
pub(crate) fn one_thread() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1).with_validate_checksums(true)
}

pub(crate) fn zarr_data_type(dtype: DType) -> DataType {
    DataType::from_metadata(&MetadataV3::new(dtype.name())).expect("zarrs has every dtype")
}

/// Returns a fill value as the metadata have it.
pub(crate) fn fill_text(fill: &FillElement) -> String {
    let value = FillValue::new(fill.bytes.clone());
    let value = zarr_data_type(fill.dtype).metadata_fill_value(&value);
    let value = value.map(|value| serde_json::to_string(&value).expect("metadata are JSON"));
    value.unwrap_or_else(|error| error.to_string())
}

/// Returns the dtype of a Zarr data type, or the name of the data type if there is no such dtype.
pub(crate) fn dtype_of(data_type: &DataType) -> Result<DType, String> {
    let name = data_type.name_v3().unwrap_or(Cow::Borrowed("without a name in Zarr v3"));
    DType::from_name(&name).ok_or_else(|| name.into_owned())
}

pub(crate) fn as_u64(sizes: &[usize]) -> Vec<u64> {
    sizes.iter().map(|&size| size as u64).collect()
}

#[cfg(test)]
mod tests {
    use zarrs::array::data_type;

    use super::*;

    #[test]
    fn data_types_have_the_names_of_dtypes() {
        for dtype in DType::ALL {
            assert_eq!(dtype_of(&zarr_data_type(dtype)), Ok(dtype));
        }
        assert_eq!(dtype_of(&data_type::string()), Err("string".to_owned()));
    }

    #[test]
    fn fill_values_are_nan_or_zero() {
        for dtype in DType::ALL {
            let format = Format {
                dtype,
                layout: Layout { chunk_shape: vec![1], shard_shape: None },
                edges: None,
                keys: KeySpace::Nested,
                codec: Codec::None,
                checksum: Checksum::None,
                fill: FillElement::default_of(dtype),
                dimension_names: None,
                attributes: serde_json::Map::new(),
            };
            let json = serde_json::to_value(format.metadata(&[1]).unwrap()).unwrap();
            let expected = match dtype {
                DType::Bool => serde_json::json!(false),
                DType::Float16 | DType::BFloat16 | DType::Float32 | DType::Float64 => {
                    serde_json::json!("NaN")
                }
                DType::Complex64 | DType::Complex128 => serde_json::json!(["NaN", "NaN"]),
                _ => serde_json::json!(0),
            };
            assert_eq!(json["fill_value"], expected, "{dtype}");
            assert_eq!(json["data_type"], dtype.name());
        }
    }
}
