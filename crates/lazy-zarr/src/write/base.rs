//! The array that a write appends to.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use lazy_core::{ArrayBlock, BlockIndex, BlockPosition, RowType, SequenceSpec};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, SettingError};
use crate::format::provenance::StoredRows;
use crate::format::{Format, KeySpace, MetadataChecksum, document, fill_text, provenance};
use crate::layout::{self, Layout, index_in_grid};
use crate::read::StoredArray;
use crate::settings::{
    Checksum, Codec, Existing, FillElement, LayoutSettings, Sizes, WriteSettings,
};
use crate::store::Source;
use crate::write::budget::extending_bytes;
use crate::write::encode::UnitCodec;

/// Returns the settings that determine the memory of a write: those of the array that it appends
/// to, if it appends.
pub(crate) fn settings_of(settings: &WriteSettings) -> Result<WriteSettings> {
    if settings.existing == Existing::Append {
        match StoredArray::open_document(&settings.target) {
            Ok((source, document)) => {
                let base = Base::open(settings, source, document, KeySpace::after(None))?;
                return base.settings(settings.clone());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(settings.clone())
}

/// The version of an array that a write appends to.
///
/// The rows of its last row of units, if that is not full, are the first rows of the units that are
/// written.
pub(crate) struct Base {
    array: StoredArray,
    document: Bytes,
    keys: KeySpace,
    fill: FillElement,
    /// The codec of the array, if a sink can have it.
    codec: Option<Codec>,
    /// The layout in which units are written.
    layout: Layout,
}

impl Base {
    /// Opens the version with this metadata document, and checks that the settings of the write fit
    /// it.
    pub(crate) fn open(
        settings: &WriteSettings,
        source: Source,
        document: Bytes,
        keys: KeySpace,
    ) -> Result<Base> {
        // The last rows are read twice, so that changes are noticed.
        let array = StoredArray::of_document(&settings.target, source, &document)?.with_cache(0);
        let fill = array.fill_value()?;
        let fill = FillElement { dtype: fill.dtype(), bytes: fill.data().to_vec() };
        let codecs = array.codecs();
        let codec = Codec::of_metadata(&codecs, array.dtype());
        let chunk_shape = array.chunk_shape().to_vec();
        let shard_shape = array.shard_shape().map(<[_]>::to_vec);
        // Codecs of other programs encode whole units.
        let layout = match (&codec, &shard_shape) {
            (None, Some(shard_shape)) => {
                Layout { chunk_shape: shard_shape.clone(), shard_shape: None }
            }
            _ => Layout { chunk_shape, shard_shape },
        };
        let codec = codec.map(|(codec, _)| codec);
        let base = Base { array, document, keys, fill, codec, layout };
        base.check(settings, &codecs)?;
        Ok(base)
    }

    /// Checks that the settings that a user has set are those of the array.
    fn check(&self, settings: &WriteSettings, codecs: &[Value]) -> Result<()> {
        let differs = |setting: &'static str, expected: String, actual: String| {
            let target = settings.target.to_string();
            Err(SettingError::NotOfArray { target, setting, expected, actual }.into())
        };
        let array = &self.array;
        if let Some(dtype) = settings.dtype
            && dtype != array.dtype()
        {
            return differs("dtype", array.dtype().to_string(), dtype.to_string());
        }
        if let Some(Sizes::Explicit(shape)) = &settings.layout.chunks
            && shape != array.chunk_shape()
        {
            let expected = format!("{:?}", array.chunk_shape());
            return differs("chunk shape", expected, format!("{shape:?}"));
        }
        if settings.layout.is_of_blocks() {
            let expected = format!("{:?}", array.chunk_shape());
            return differs("chunk shape", expected, "those of the blocks".to_owned());
        }
        if settings.layout.shards.is_some() && array.shard_shape().is_none() {
            return differs("shard shape", "none".to_owned(), settings.layout.to_string());
        }
        if let Some(Sizes::Explicit(shape)) = &settings.layout.shards
            && Some(&**shape) != array.shard_shape()
        {
            let expected = array.shard_shape().map_or("none".to_owned(), |it| format!("{it:?}"));
            return differs("shard shape", expected, format!("{shape:?}"));
        }
        let names = || Value::from(codecs.to_vec()).to_string();
        if let Some(codec) = settings.codec
            && self.codec != Some(codec)
        {
            let expected = self.codec.map_or_else(names, Codec::text);
            return differs("codec", expected, codec.text());
        }
        let of_array = Codec::of_metadata(codecs, array.dtype()).map(|(_, checksum)| checksum);
        if let Some(checksum) = settings.checksum
            && of_array != Some(checksum)
        {
            let text = |checksum| match checksum {
                Checksum::None => "none".to_owned(),
                Checksum::Crc32c => "CRC-32C".to_owned(),
            };
            return differs("checksum", of_array.map_or_else(names, text), text(checksum));
        }
        if let Some(fill) = &settings.fill
            && *fill != self.fill
        {
            let of = |fill: &FillElement| format!("{} of {}", fill_text(fill), fill.dtype);
            return differs("fill value", of(&self.fill), of(fill));
        }
        if let Some(names) = &settings.dimension_names
            && Some(&**names) != array.dimension_names()
        {
            let expected = array.dimension_names();
            let show = |names: &[Option<String>]| {
                format!("{:?}", names.iter().map(|name| name.as_deref()).collect::<Vec<_>>())
            };
            return differs(
                "dimension names",
                expected.map_or("none".to_owned(), show),
                show(names),
            );
        }
        let present = array.attributes().get(provenance::ATTRIBUTE);
        if settings.resume.is_some() && present.is_some_and(|present| !present.is_object()) {
            let (name, reason) =
                (provenance::ATTRIBUTE.to_owned(), "another program uses its name");
            return Err(SettingError::Attribute { name, reason: reason.to_owned() }.into());
        }
        Ok(())
    }

    /// Checks that the rows that a sequence declares are rows of the array.
    pub(crate) fn check_rows(&self, settings: &WriteSettings, spec: &SequenceSpec) -> Result<()> {
        let expected = self.row_type();
        let columns = spec.grid().and_then(|grid| grid.columns());
        let has_columns = columns.is_none_or(|sizes| {
            expected.shape.first().is_some_and(|n_columns| *n_columns == sizes.total())
        });
        if has_columns && spec.row_type().is_none_or(|row_type| *row_type == expected) {
            return Ok(());
        }
        let actual = match (spec.row_type(), columns) {
            (Some(row_type), _) => row_type.to_string(),
            (None, Some(sizes)) => format!("{} columns", sizes.total()),
            (None, None) => unreachable!("nothing is declared"),
        };
        let (target, expected) = (settings.target.to_string(), expected.to_string());
        Err(SettingError::NotRowsOfArray { target, expected, actual }.into())
    }

    /// Returns the settings of a write that stores chunks like those of the array.
    pub(crate) fn settings(&self, settings: WriteSettings) -> Result<WriteSettings> {
        let explicit = |shape: &Vec<usize>| Sizes::Explicit(shape.clone());
        let layout = LayoutSettings {
            chunks: Some(explicit(&self.layout.chunk_shape)),
            shards: self.layout.shard_shape.as_ref().map(explicit),
        };
        // For codecs of other programs, memory is counted as for the codec that needs most.
        let codec = self.codec.unwrap_or(Codec::Gzip { level: 6 });
        let checksum = Codec::of_metadata(&self.array.codecs(), self.array.dtype());
        let checksum = checksum.map(|(_, checksum)| checksum);
        let fill = Some(self.fill.clone());
        let extending_bytes = self.extending_bytes()?;
        let codec = Some(codec);
        Ok(WriteSettings { layout, codec, checksum, fill, extending_bytes, ..settings })
    }

    /// Returns the bytes that a thread allocates to extend a shard of the last row.
    fn extending_bytes(&self) -> Result<usize> {
        let Some(shard_shape) = self.array.shard_shape().filter(|_| self.n_last_rows() > 0) else {
            return Ok(0);
        };
        let n_shards = self.layout.n_units(self.array.shape());
        let mut largest = 0;
        for place in 0..n_shards[1..].iter().product() {
            let last = std::iter::once(n_shards[0] - 1);
            let index: Vec<_> = last.chain(index_in_grid(place, &n_shards[1..])).collect();
            largest = self.array.stored_unit_bytes(&index)?.max(largest);
        }
        let [shard, chunk] = [shard_shape, self.array.chunk_shape()]
            .map(|shape| layout::n_bytes(self.array.dtype(), shape));
        Ok(extending_bytes(usize::try_from(largest).unwrap_or(usize::MAX), shard, chunk))
    }

    pub(crate) fn row_type(&self) -> RowType {
        RowType { dtype: self.array.dtype(), shape: self.array.shape()[1..].to_vec() }
    }

    /// Returns the number of rows of the version.
    pub(crate) fn n_rows(&self) -> usize {
        self.array.shape()[0]
    }

    /// Returns the number of rows in the last row of units, if that is not full.
    pub(crate) fn n_last_rows(&self) -> usize {
        self.n_rows() % self.layout.unit_shape()[0]
    }

    /// Returns the format of the chunks. It describes the array as far as a sink can.
    pub(crate) fn format(&self, settings: &WriteSettings) -> Format {
        Format::new(settings, self.array.dtype(), self.layout.clone(), self.keys)
    }

    /// Returns the codec of the units that are written.
    pub(crate) fn unit_codec(&self, format: &Format) -> Result<UnitCodec> {
        let first = self.n_rows() / self.layout.unit_shape()[0];
        let codec = match self.codec {
            Some(_) => UnitCodec::new(format)?,
            None => UnitCodec::of_document(&self.document, format)?,
        };
        let codec = codec.with_first(first);
        if self.n_last_rows() == 0 { Ok(codec) } else { codec.with_present(&self.array, format) }
    }

    /// Returns the metadata of the array with `n_rows` rows, without what other programs may change
    /// while the write is interrupted.
    pub(crate) fn identity(&self, n_rows: usize) -> Result<String> {
        let text = document::changed(&self.document, n_rows, &BTreeMap::new())?;
        let mut metadata: Value = serde_json::from_str(&text).map_err(Error::metadata)?;
        if let Some(members) = metadata.as_object_mut() {
            for name in ["attributes", "dimension_names"] {
                members.remove(name);
            }
        }
        Ok(metadata.to_string())
    }

    /// Returns the regions of the last row of units, if that is not full, one unit along axis 1
    /// each, with their place in the units that are written.
    pub(crate) fn last_rows(&self) -> Vec<(BlockPosition, Vec<Range<usize>>)> {
        let n_rows = self.n_rows();
        let mut whole: Vec<_> = self.array.shape().iter().map(|&size| 0..size).collect();
        whole[0] = n_rows - self.n_last_rows()..n_rows;
        if whole.iter().any(Range::is_empty) {
            return Vec::new();
        }
        let (n_columns, along) = match (self.array.shape().get(1), self.layout.unit_shape().get(1))
        {
            (Some(n_columns), Some(along)) => (*n_columns, *along),
            _ => (1, 1),
        };
        let piece = |(index, column): (usize, usize)| {
            let mut region = whole.clone();
            if let Some(columns) = region.get_mut(1) {
                *columns = column..(column + along).min(n_columns);
            }
            let index = BlockIndex::NestedBlock(0, index);
            (BlockPosition { index, row: 0, column }, region)
        };
        (0..n_columns).step_by(along).enumerate().map(piece).collect()
    }

    /// Reads a region of the version.
    pub(crate) fn read(&self, region: &[Range<usize>]) -> Result<ArrayBlock> {
        self.array.read_region(region)
    }

    /// Returns the array.
    pub(crate) fn array(&self) -> &StoredArray {
        &self.array
    }

    /// Returns the metadata document of the array with the new rows. `append` is the entry of the
    /// rows, if the write is resumable.
    pub(crate) fn document(
        &self,
        settings: &WriteSettings,
        blocks: &mut provenance::Provenance,
        n_rows: usize,
        append: Option<&StoredRows>,
    ) -> Result<String> {
        let is_own = self.array.metadata_checksum() == MetadataChecksum::Match;
        let present = self.array.attributes().get(provenance::ATTRIBUTE);
        let mut attribute = blocks.appended(present, is_own);
        let mut changed = attribute.clone().or(present.cloned()).unwrap_or(Value::Null);
        let mut has_changed = provenance::forget_rows_behind(&mut changed, self.n_rows());
        if let Some(rows) = append {
            provenance::record_rows(&mut changed, rows);
            has_changed = true;
        }
        if has_changed {
            attribute = Some(changed);
        }
        let mut attributes = settings.json_attributes();
        attributes.extend(attribute.map(|value| (provenance::ATTRIBUTE.to_owned(), value)));
        let text = document::changed(&self.document, n_rows, &attributes)?;
        Ok(if is_own { provenance::with_checksum(&text) } else { text })
    }
}
