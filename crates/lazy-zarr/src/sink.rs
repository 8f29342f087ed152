//! The Zarr sink: a reducer that stores the blocks it is handed.

use std::fmt;
use std::sync::Arc;
use std::thread;

use lazy_core::{
    ArrayBlock, BlockPosition, BlockSizes, Cut, DType, Declared, Element, Location, Reducer,
    RowType,
};
use serde_json::{Map, Value};

use crate::assembler::{Assembler, Chunk};
use crate::destination::{self, Destination};
use crate::format::{FillElement, Format};
use crate::layout::{MemoryBound, automatic_chunk_shape, memory_bound};
use crate::writer::Writer;
use crate::{ChunkShape, Codec, Error, Result, StoredArray, Target};

/// What happens when there is an array at the target already.
///
/// Whatever is chosen, files, groups and directories that hold no Zarr array are never touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// An error, before the first block is computed.
    #[default]
    Fail,
    /// The array is replaced, in one step and only when the new one is complete. On a store that
    /// cannot rename, such as one in memory, it is an error before the first block is computed.
    Replace,
    /// As `Replace`; but on a store that cannot rename, the old array is removed when the first
    /// chunk is written.
    ReplaceInPlace,
}

/// Stores the blocks of a sequence as a Zarr v3 array.
///
/// A sink is inert configuration. It is a [`Reducer`], so it is computed beside statistics in one
/// pass; [`ToZarr::to_zarr`](crate::ToZarr::to_zarr) computes it alone. Its result is the array it
/// stored.
///
/// Blocks of any sizes become whole chunks of one shape, each encoded and written once, on threads
/// beside the producer's. The target is checked before the first block is computed, and the array
/// appears there in one step when it is complete; a write that fails leaves the target as it was.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use lazy_core::{LazyChunkSequence, MeanVariance, NdarrayConverter};
/// use lazy_zarr::{Codec, MemoryStore, ZarrSink};
/// use ndarray::Array2;
///
/// let sequence = LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((3, 5), i as f32)))
///     .convert(NdarrayConverter);
/// let sink = ZarrSink::new(Arc::new(MemoryStore::new()))
///     .with_chunk_shape([6, 5])
///     .with_codec(Codec::Zstd { level: 3 })
///     .with_dimension_names(["sample", "parameter"]);
/// let (moments, stored) = sequence.compute((MeanVariance, sink))?;
/// assert_eq!(moments.mean, 1.5);
/// assert_eq!((stored.shape(), stored.chunk_shape()), (&[12, 5][..], &[6, 5][..]));
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ZarrSink {
    target: Target,
    existing: Existing,
    chunk_shape: ChunkShape,
    codec: Codec,
    fill: Option<FillElement>,
    dimension_names: Option<Vec<String>>,
    attributes: Map<String, Value>,
    n_threads: Option<usize>,
}

impl<T: Into<Target>> From<T> for ZarrSink {
    fn from(target: T) -> ZarrSink {
        ZarrSink::new(target)
    }
}

impl ZarrSink {
    /// A sink with the defaults: automatic chunks of 8 MiB, Zstandard at level 1, fill value NaN for
    /// floats and 0 otherwise, an error when there is an array at the target.
    pub fn new(target: impl Into<Target>) -> ZarrSink {
        ZarrSink {
            target: target.into(),
            existing: Existing::default(),
            chunk_shape: ChunkShape::default(),
            codec: Codec::Zstd { level: 1 },
            fill: None,
            dimension_names: None,
            attributes: Map::new(),
            n_threads: None,
        }
    }

    /// What happens when there is an array at the target already.
    #[must_use]
    pub fn with_existing(self, existing: Existing) -> ZarrSink {
        ZarrSink { existing, ..self }
    }

    /// Chunks of this shape: one size for each axis of the array.
    #[must_use]
    pub fn with_chunk_shape(self, chunk_shape: impl Into<Vec<usize>>) -> ZarrSink {
        ZarrSink { chunk_shape: ChunkShape::Explicit(chunk_shape.into()), ..self }
    }

    /// Automatic chunks of at most this many bytes before encoding; see [`ChunkShape::Automatic`].
    #[must_use]
    pub fn with_chunk_bytes(self, target_bytes: usize) -> ZarrSink {
        ZarrSink { chunk_shape: ChunkShape::Automatic { target_bytes }, ..self }
    }

    /// How chunks are encoded.
    #[must_use]
    pub fn with_codec(self, codec: Codec) -> ZarrSink {
        ZarrSink { codec, ..self }
    }

    /// The value of elements that are not stored, of the array's dtype.
    #[must_use]
    pub fn with_fill_value<A: Element>(self, value: A) -> ZarrSink {
        ZarrSink { fill: Some(FillElement::new(value)), ..self }
    }

    /// A name for each axis. xarray asks for them.
    #[must_use]
    pub fn with_dimension_names<N: Into<String>>(
        self,
        names: impl IntoIterator<Item = N>,
    ) -> ZarrSink {
        let names = names.into_iter().map(Into::into).collect();
        ZarrSink { dimension_names: Some(names), ..self }
    }

    /// Adds a user attribute, replacing one of the same name.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> ZarrSink {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// The number of threads that encode and write chunks: at least 1, and by default as many as
    /// there are cores. The bytes that are stored do not depend on it.
    #[must_use]
    pub fn with_threads(self, n_threads: usize) -> ZarrSink {
        ZarrSink { n_threads: Some(n_threads), ..self }
    }

    /// The bytes of memory that a write takes at most, above the block that the producer has just
    /// made and what the compressor allocates for itself.
    ///
    /// `row_shape` is the array's shape without axis 0; no block is larger than `block_shape` along
    /// any axis, and the first block has that shape. With chunks as blocks it is a row of chunks,
    /// two chunks, and three per thread. It does not depend on the number of rows.
    ///
    /// # Errors
    ///
    /// When the sink's settings make no sense, or do not fit the array.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{Cut, DType};
    /// use lazy_zarr::ZarrSink;
    ///
    /// let sink = ZarrSink::new("array.zarr").with_chunk_shape([256, 8192]).with_threads(2);
    /// let bytes = sink.memory_bound(Cut::Rows, DType::Float32, &[8192], &[100, 8192])?;
    /// assert_eq!(bytes >> 20, 80); // ten chunks of 8 MiB
    /// # Ok::<(), lazy_zarr::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When `block_shape` does not have one axis more than `row_shape`, or `row_shape` has none and
    /// axis 1 is cut.
    pub fn memory_bound(
        &self,
        cut: Cut,
        dtype: DType,
        row_shape: &[usize],
        block_shape: &[usize],
    ) -> Result<usize> {
        assert!(block_shape.len() == 1 + row_shape.len() && block_shape.len() >= cut.n_axes());
        self.check()?;
        self.check_array(dtype, block_shape.len())?;
        Ok(memory_bound(&MemoryBound {
            cut,
            chunk_shape: &self.chunk_shape,
            n_threads: self.threads(),
            dtype,
            row_shape,
            block_shape,
        }))
    }

    fn threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        self.n_threads.unwrap_or_else(cores)
    }

    /// Checks what can be said without an array.
    fn check(&self) -> Result<()> {
        self.chunk_shape.check()?;
        self.codec.check()?;
        match self.n_threads {
            Some(0) => Err(Error::Setting {
                setting: "the number of threads",
                value: 0,
                range: "at least 1",
            }),
            _ => Ok(()),
        }
    }

    /// Checks what can be said once the array's dtype and number of axes are known.
    fn check_array(&self, dtype: DType, n_axes: usize) -> Result<()> {
        self.chunk_shape.check_array(dtype, n_axes)?;
        match &self.dimension_names {
            Some(names) if names.len() != n_axes => {
                return Err(Error::DimensionNames { names: names.clone(), n_axes });
            }
            _ => {}
        }
        match &self.fill {
            Some(fill) if fill.dtype != dtype => {
                Err(Error::FillValueDType { expected: dtype, actual: fill.dtype })
            }
            _ => Ok(()),
        }
    }

    fn format(&self, dtype: DType, chunk_shape: Vec<usize>) -> Format {
        Format {
            dtype,
            chunk_shape,
            codec: self.codec,
            fill: self.fill.clone().unwrap_or_else(|| FillElement::default_of(dtype)),
            dimension_names: self.dimension_names.clone(),
            attributes: self.attributes.clone(),
        }
    }
}

/// A write that is under way. Dropped before it is finished, it leaves the target as it was.
pub struct Write {
    stage: Stage,
    seen: Seen,
    /// Dropped after the writer, whose threads use it.
    destination: Arc<dyn Destination>,
    /// The stored array's handle, once the write is sealed.
    stored: Option<StoredArray>,
}

/// What is known of the array from the blocks so far and from what was declared.
struct Seen {
    cut: Cut,
    row_type: Option<RowType>,
    n_rows: usize,
    /// The last column of the last block, when axis 1 is cut.
    end_column: usize,
    /// The array's size along axis 1, when that axis is cut and its size is known.
    width: Option<usize>,
}

enum Stage {
    /// Blocks are kept until the layout can be settled.
    Settling { kept: Vec<(BlockPosition, ArrayBlock)>, n_bytes: usize },
    /// Blocks become chunks, chunks are written.
    Writing { format: Box<Format>, assembler: Assembler, writer: Writer },
}

impl fmt::Debug for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Write").field("n_rows", &self.seen.n_rows).finish_non_exhaustive()
    }
}

impl Seen {
    fn new(declared: &Declared) -> Seen {
        let row_type = declared.row_type().cloned();
        let width = match declared.cut() {
            Cut::Rows => None,
            Cut::RowsAndColumns => {
                let columns = declared.grid().and_then(|grid| grid.columns());
                columns.map(BlockSizes::total).or(row_type.as_ref().map(|row| row.shape[0]))
            }
        };
        Seen { cut: declared.cut(), row_type, n_rows: 0, end_column: 0, width }
    }

    /// Takes note of a block. Says whether it is the first one to tell the width.
    fn add(&mut self, at: BlockPosition, block: &ArrayBlock) -> bool {
        let knew_width = self.width.is_some();
        if self.cut == Cut::RowsAndColumns {
            if matches!(at.location, Location::NestedBlock(1.., 0)) {
                // The first block of another band: the one before was whole.
                self.width.get_or_insert(self.end_column);
            }
            self.end_column = at.column + block.shape()[1];
        }
        self.n_rows = at.row + block.shape()[0];
        self.row_type.get_or_insert_with(|| RowType {
            dtype: block.dtype(),
            shape: block.shape()[1..].to_vec(),
        });
        !knew_width && self.width.is_some()
    }

    /// The dtype and the shape of a row, after the last block.
    fn final_row_type(&mut self) -> Result<RowType> {
        let empty = || Error::Sequence(lazy_core::Error::EmptySequence);
        let mut row_type = self.row_type.clone().ok_or_else(empty)?;
        if self.cut == Cut::RowsAndColumns {
            row_type.shape[0] = *self.width.get_or_insert(self.end_column);
        }
        Ok(row_type)
    }
}

impl ZarrSink {
    fn absorb_block(&self, write: &mut Write, at: BlockPosition, block: ArrayBlock) -> Result<()> {
        if write.seen.row_type.is_none() {
            self.check_array(block.dtype(), block.shape().len())?;
        }
        let width_is_new = write.seen.add(at, &block);
        match &mut write.stage {
            Stage::Settling { kept, n_bytes } => {
                *n_bytes += block.data().len();
                kept.push((at, block));
                let enough = match &self.chunk_shape {
                    ChunkShape::Automatic { target_bytes } => *n_bytes >= *target_bytes,
                    ChunkShape::Explicit(_) => true,
                };
                if enough { self.settle(write, None) } else { Ok(()) }
            }
            Stage::Writing { assembler, writer, .. } => {
                let mut put = |chunk: Chunk| writer.put(chunk);
                if width_is_new && let Some(width) = write.seen.width {
                    assembler.set_width(width, &mut put)?;
                }
                assembler.push(at, &block, &mut put)
            }
        }
    }

    /// Settles the layout and begins to write. `shape` is the array's, once it has ended.
    fn settle(&self, write: &mut Write, shape: Option<&[usize]>) -> Result<()> {
        let Stage::Settling { kept, .. } = &mut write.stage else { return Ok(()) };
        let kept = std::mem::take(kept);
        let seen = &write.seen;
        let row_type = seen.row_type.as_ref().expect("a block or a declaration tells the row type");
        let first_block = kept.iter().find(|(_, block)| block.n_elements() > 0);
        let chunk_shape = match (&self.chunk_shape, shape, first_block) {
            (ChunkShape::Explicit(chunk_shape), ..) => chunk_shape.clone(),
            // The whole array is less than the target: one chunk.
            (_, Some(shape), _) => shape.iter().map(|&size| size.max(1)).collect(),
            (ChunkShape::Automatic { target_bytes }, None, Some((_, first_block))) => {
                let (cut, dtype) = (seen.cut, row_type.dtype);
                automatic_chunk_shape(cut, dtype, first_block.shape(), seen.width, *target_bytes)
            }
            // A target of 0 bytes is reached before there is an element.
            (_, None, None) => vec![1; 1 + row_type.shape.len()],
        };
        let format = Box::new(self.format(row_type.dtype, chunk_shape.clone()));
        let fill = format.fill.clone();
        let mut assembler =
            Assembler::new(seen.cut, chunk_shape, &row_type.shape, seen.width, fill);
        let mut writer = Writer::start(self.threads(), format.encoder()?, &write.destination);
        for (at, block) in kept {
            assembler.push(at, &block, &mut |chunk| writer.put(chunk))?;
        }
        write.stage = Stage::Writing { format, assembler, writer };
        Ok(())
    }

    fn seal_write(&self, write: &mut Write) -> Result<()> {
        let row_type = write.seen.final_row_type()?;
        let shape = [&[write.seen.n_rows], &row_type.shape[..]].concat();
        self.settle(write, Some(&shape))?;
        let Stage::Writing { format, assembler, writer } = &mut write.stage else {
            unreachable!("a settled layout is written");
        };
        if write.seen.cut == Cut::RowsAndColumns {
            assembler.set_width(shape[1], &mut |chunk| writer.put(chunk))?;
        }
        assembler.finish(shape[0], &mut |chunk| writer.put(chunk))?;
        writer.finish()?;
        let metadata = format.metadata(&shape)?;
        write.destination.seal(metadata.to_string_pretty().as_bytes())?;
        let (store, path) = write.destination.reader();
        write.stored = Some(StoredArray::new(&self.target, store, &path, metadata.into())?);
        Ok(())
    }
}

impl Reducer for ZarrSink {
    type Partial = ArrayBlock;
    type State = Write;
    type Output = StoredArray;

    fn start(&self, declared: &Declared) -> lazy_core::Result<Write> {
        self.check()?;
        if let Some(row_type) = declared.row_type() {
            self.check_array(row_type.dtype, 1 + row_type.shape.len())?;
        }
        Ok(Write {
            stage: Stage::Settling { kept: Vec::new(), n_bytes: 0 },
            seen: Seen::new(declared),
            destination: destination::begin(&self.target, self.existing)?,
            stored: None,
        })
    }

    fn partial(&self, _: BlockPosition, block: &ArrayBlock) -> lazy_core::Result<ArrayBlock> {
        Ok(block.clone())
    }

    fn absorb(
        &self,
        write: &mut Write,
        at: BlockPosition,
        block: ArrayBlock,
    ) -> lazy_core::Result<()> {
        Ok(self.absorb_block(write, at, block)?)
    }

    fn seal(&self, write: &mut Write) -> lazy_core::Result<()> {
        Ok(self.seal_write(write)?)
    }

    fn finish(&self, mut write: Write) -> lazy_core::Result<StoredArray> {
        write.destination.publish()?;
        Ok(write.stored.take().expect("a write is sealed before it is finished"))
    }
}
