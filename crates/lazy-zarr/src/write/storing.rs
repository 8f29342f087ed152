//! Blocks that become an array.

use std::sync::Arc;

use lazy_core::{ArrayBlock, BlockPosition, BlockSizes, Cut, Declared, Location, RowType};

use crate::assembler::{Assembler, Output, Unit};
use crate::destination::{self, Destination};
use crate::encode::UnitCodec;
use crate::format::Format;
use crate::layout::{self, BLOCK_OVERHEAD, kept_bytes};
use crate::memory::announce;
use crate::provenance::{self, Provenance};
use crate::resume::Resumption;
use crate::trace::Trace;
use crate::writer::Writer;
use crate::{Error, Result, StoredArray, ZarrSink};

/// The layout, the chunks and their destination.
pub(super) struct Storing {
    stage: Stage,
    seen: Seen,
    provenance: Provenance,
    /// What a write that can be resumed has beside.
    resumption: Option<Resumption>,
    /// Dropped after the writer, whose threads use it.
    destination: Arc<dyn Destination>,
    trace: Trace,
    /// The bytes of the blocks so far.
    n_bytes: usize,
    /// The stored array's handle and its metadata, once the write is sealed.
    stored: Option<(StoredArray, String)>,
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
    /// Whether a second band has begun.
    is_band_over: bool,
}

enum Stage {
    /// Blocks are kept until the layout can be settled.
    Settling { kept: Vec<(BlockPosition, ArrayBlock)> },
    /// Blocks become chunks, chunks are written.
    Writing { format: Box<Format>, assembler: Assembler, writer: Writer },
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
        Seen { cut: declared.cut(), row_type, n_rows: 0, end_column: 0, width, is_band_over: false }
    }

    /// Takes note of a block.
    fn add(&mut self, at: BlockPosition, block: &ArrayBlock) {
        if self.cut == Cut::RowsAndColumns {
            if matches!(at.location, Location::NestedBlock(1.., 0)) {
                // The first block of another band: the one before was whole.
                self.width.get_or_insert(self.end_column);
                self.is_band_over = true;
            }
            self.end_column = at.column + block.shape()[1];
        }
        self.n_rows = at.row + block.shape()[0];
        self.row_type.get_or_insert_with(|| RowType {
            dtype: block.dtype(),
            shape: block.shape()[1..].to_vec(),
        });
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

impl Storing {
    /// Takes the target's directory.
    pub(super) fn start(sink: &ZarrSink, declared: &Declared) -> Result<Storing> {
        let (destination, resumption) = destination::begin(sink, declared)?;
        Ok(Storing {
            stage: Stage::Settling { kept: Vec::new() },
            seen: Seen::new(declared),
            provenance: Provenance::new(declared.cut()),
            resumption,
            destination,
            trace: Trace::new(&sink.target),
            n_bytes: 0,
            stored: None,
        })
    }

    /// Returns the chunks and the bytes that have been written so far.
    pub(super) fn written(&self) -> (u64, u64) {
        match &self.stage {
            Stage::Settling { .. } => (0, 0),
            Stage::Writing { writer, .. } => writer.written(),
        }
    }

    pub(super) fn recall(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        match &mut self.resumption {
            Some(resumption) => resumption.recall(at),
            None => Ok(None),
        }
    }

    pub(super) fn add(
        &mut self,
        sink: &ZarrSink,
        at: BlockPosition,
        block: ArrayBlock,
    ) -> Result<()> {
        self.n_bytes += block.data().len();
        if let Some(resumption) = &mut self.resumption {
            resumption.take_note(at, &block)?;
        }
        if self.seen.row_type.is_none() {
            sink.check_array(block.dtype(), block.shape().len())?;
        }
        self.seen.add(at, &block);
        self.provenance.add(at, &block);
        if block.n_elements() == 0 {
            return Ok(());
        }
        match &mut self.stage {
            Stage::Settling { kept } => {
                kept.push((at, block));
                let held = self.n_bytes + kept.len() * BLOCK_OVERHEAD;
                match sink.layout.target_bytes() {
                    Some(target) if self.n_bytes < target && held < kept_bytes(target) => Ok(()),
                    _ => self.settle(sink, None),
                }
            }
            Stage::Writing { assembler, writer, .. } => {
                let output = &mut Units { writer, resumption: &mut self.resumption };
                if let Some(width) = self.seen.width {
                    assembler.set_width(width, output)?;
                }
                assembler.push(at, &block, output)
            }
        }
    }

    /// Settles the layout and begins to write. `n_rows` is the array's, once it has ended.
    fn settle(&mut self, sink: &ZarrSink, n_rows: Option<usize>) -> Result<()> {
        let Stage::Settling { kept } = &mut self.stage else { return Ok(()) };
        let kept = std::mem::take(kept);
        let seen = &self.seen;
        let row_type = seen.row_type.as_ref().expect("a block or a declaration tells the row type");
        let row_shape = |width| {
            let mut row_shape: Vec<_> = row_type.shape.iter().copied().map(Some).collect();
            if seen.cut == Cut::RowsAndColumns {
                row_shape[0] = width;
            }
            row_shape
        };
        let width_seen = seen.width.filter(|_| seen.is_band_over || n_rows.is_some());
        let layout = sink.layout.settle_in_memory(&layout::Seen {
            cut: seen.cut,
            dtype: row_type.dtype,
            first_block: kept.first().map_or(&[], |(_, block)| block.shape()),
            n_bytes: self.n_bytes,
            row_shape: &row_shape(width_seen),
            n_columns: seen.end_column,
            n_rows,
        })?;
        self.trace.settled(&layout);
        let unit_bytes = layout::n_bytes(row_type.dtype, layout.unit_shape());
        announce((unit_bytes as u128).saturating_mul(4));
        let format = Box::new(sink.format(row_type.dtype, layout, self.destination.keys()));
        if let Some(resumption) = &mut self.resumption {
            let mut row_shape = row_type.shape.clone();
            if let Some(width) = seen.width {
                row_shape[0] = width;
            }
            resumption.settle(sink, &format, &row_shape)?;
        }
        let mut assembler =
            Assembler::new(&format.layout, row_shape(seen.width), format.fill.clone());
        let mut writer = Writer::start(
            sink.threads(),
            UnitCodec::new(&format)?,
            &self.destination,
            &self.trace,
            self.resumption.is_some(),
        )?;
        for (at, block) in kept {
            let output = &mut Units { writer: &mut writer, resumption: &mut self.resumption };
            assembler.push(at, &block, output)?;
        }
        self.stage = Stage::Writing { format, assembler, writer };
        Ok(())
    }

    /// Writes what is left, after the last block; all but making it visible.
    pub(super) fn seal(&mut self, sink: &ZarrSink) -> Result<()> {
        let row_type = self.seen.final_row_type()?;
        let shape = [&[self.seen.n_rows], &row_type.shape[..]].concat();
        self.settle(sink, Some(self.seen.n_rows))?;
        let Stage::Writing { format, assembler, writer } = &mut self.stage else {
            unreachable!("a settled layout is written");
        };
        let output = &mut Units { writer, resumption: &mut self.resumption };
        if self.seen.cut == Cut::RowsAndColumns {
            assembler.set_width(shape[1], output)?;
        }
        assembler.finish(shape[0], output)?;
        writer.finish()?;
        let resumption = self.resumption.as_ref();
        let digest = resumption.map(|resumption| resumption.digest(sink, format, &shape[1..]));
        let provenance = self.provenance.attribute(digest.transpose()?);
        format.attributes.insert(provenance::ATTRIBUTE.to_owned(), provenance);
        let metadata = format.metadata(&shape)?;
        let text = provenance::seal(&metadata.to_string_pretty());
        let unit_shape = format.layout.unit_shape().iter();
        let n_units: Vec<_> =
            shape.iter().zip(unit_shape).map(|(&size, &unit)| size.div_ceil(unit) as u64).collect();
        self.destination.seal(text.as_bytes(), &n_units)?;
        let source = self.destination.reader()?;
        let stored = StoredArray::new(&sink.target, source, metadata.into())?;
        self.stored = Some((stored, text));
        Ok(())
    }

    /// Makes the array visible.
    pub(super) fn publish(mut self) -> Result<StoredArray> {
        self.destination.publish()?;
        let (stored, metadata) =
            self.stored.take().expect("a write is sealed before it is published");
        let stored = stored.pin_published(metadata.as_bytes())?;
        let (n_chunks, stored_bytes) = self.written();
        self.trace.published(stored.shape(), self.n_bytes, (n_chunks, stored_bytes));
        Ok(stored)
    }
}

/// Where units go: to the writer, unless an earlier write has stored them.
struct Units<'w> {
    writer: &'w mut Writer,
    resumption: &'w mut Option<Resumption>,
}

impl Output for Units<'_> {
    fn take(&mut self, unit: Unit) -> Result<()> {
        self.writer.put(unit)
    }

    fn is_stored(&mut self, unit: &[usize]) -> bool {
        let kept = self.resumption.as_mut().and_then(|resumption| resumption.take_kept(unit));
        if let Some(stored_bytes) = kept {
            self.writer.count_kept(unit, stored_bytes);
        }
        kept.is_some()
    }
}
