use lazy_core::{ArrayBlock, BlockIndex, BlockPosition, DType};
use proptest::prelude::*;
use zarrs::array::{ArrayBytes, FillValue};

use super::*;
use crate::format::zarr_data_type;
use crate::layout::Layout;
use crate::settings::FillElement;
use crate::settings::{Checksum, Codec};
use crate::write::assembler::Assembler;
use crate::write::assembler::tests::{Collected, least_part, with_least_part};

fn codecs() -> impl Strategy<Value = (Codec, Checksum)> {
    let codec = prop_oneof![
        Just(Codec::None),
        Just(Codec::default()),
        Just(Codec::Zstd { level: 1 }),
        Just(Codec::Gzip { level: 1 }),
    ];
    (codec, prop_oneof![Just(Checksum::None), Just(Checksum::Crc32c)])
}

proptest! {
    #[test]
    fn the_bytes_are_those_of_zarrs(
        (codec, checksum) in codecs(),
        axes in prop::collection::vec((1..5_usize, 1..4_usize), 1..4),
        bytes in prop::collection::vec(0..4_u8, 1..40),
        block_rows in 1..20_usize,
        is_sharded: bool,
        least_part in least_part(),
    ) {
        let chunk_shape: Vec<_> = axes.iter().map(|(size, _)| *size).collect();
        let shard_shape: Vec<_> = axes.iter().map(|(size, n)| size * n).collect();
        let layout = Layout {
            shard_shape: is_sharded.then(|| shard_shape.clone()),
            chunk_shape: if is_sharded { chunk_shape } else { shard_shape.clone() },
        };
        let format = Format {
            dtype: DType::UInt16,
            layout,
            edges: None,
            keys: crate::format::KeySpace::Nested,
            codec,
            checksum,
            fill: FillElement::new(0x0101_u16),
            dimension_names: None,
            attributes: serde_json::Map::new(),
        };
        // Runs of equal values, including the fill value, so that some chunks contain only the fill
        // value.
        let n_bytes = 2 * shard_shape.iter().product::<usize>();
        let shard: Vec<u8> = (0..n_bytes).map(|i| bytes[i / 12 % bytes.len()]).collect();

        let row_shape = shard_shape[1..].iter().copied().map(Some).collect();
        let assembler = Assembler::new(&format.layout, row_shape, format.fill.clone());
        let mut assembler = with_least_part(assembler, least_part);
        let mut units = Collected(Vec::new());
        let row_bytes = n_bytes / shard_shape[0];
        for (i, rows) in shard.chunks(block_rows * row_bytes).enumerate() {
            let mut shape = shard_shape.clone();
            shape[0] = rows.len() / row_bytes;
            let block = ArrayBlock::new(DType::UInt16, shape, rows.to_vec().into()).unwrap();
            let index = BlockIndex::Block(i);
            let at = BlockPosition { index, row: i * block_rows, column: 0 };
            assembler.push(at, &block, &mut units).unwrap();
        }
        let [unit] = &units.0[..] else { panic!("one unit is whole") };
        let unit_codec = UnitCodec::new(&format).unwrap();
        let encoded = unit_codec.encode(unit).unwrap().into_bytes();
        let by_zarrs = unit_codec.array.codecs().encode(
            ArrayBytes::new_flen(&shard),
            &nonzero(&shard_shape),
            &zarr_data_type(DType::UInt16),
            &FillValue::new(format.fill.bytes.clone()),
            &one_thread(),
        );
        prop_assert_eq!(&*encoded, &*by_zarrs.unwrap());
        prop_assert_eq!(unit_codec.decode(&encoded, &shard_shape).unwrap(), shard);
    }
}
