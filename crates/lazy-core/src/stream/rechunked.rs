//! The blocks of a producer in order, cut into blocks of other sizes.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use super::{Failure, Produce, Step, Steps};
use crate::error::Case;
use crate::{ArrayBlock, BlockGrid, BlockSizes, Error, Result, SequenceSpec};

/// The heights of the new bands.
pub(crate) enum Heights {
    Sizes(BlockSizes),
    /// This many rows; the last band may have fewer.
    Uniform(NonZeroUsize),
}

/// Blocks of other sizes. They are made while the blocks of the producer arrive, of which only
/// those are held that overlap the next band.
pub(crate) struct Rechunked<'a> {
    producer: Arc<dyn Produce<ArrayBlock> + 'a>,
    /// The declaration of the producer's blocks.
    spec: SequenceSpec,
    rows: Heights,
    /// The cut along axis 1, if there is one.
    columns: Option<BlockSizes>,
}

impl<'a> Rechunked<'a> {
    pub(crate) fn new(
        producer: Arc<dyn Produce<ArrayBlock> + 'a>,
        spec: SequenceSpec,
        rows: Heights,
        columns: Option<BlockSizes>,
    ) -> Rechunked<'a> {
        Rechunked { producer, spec, rows, columns }
    }
}

impl Produce<ArrayBlock> for Rechunked<'_> {
    fn steps(&self) -> Box<dyn Steps<ArrayBlock> + '_> {
        Box::new(RechunkedSteps {
            sequence: self,
            steps: self.producer.steps(),
            old: Old::default(),
            band: 0,
            column: 0,
        })
    }
}

struct RechunkedSteps<'s> {
    sequence: &'s Rechunked<'s>,
    steps: Box<dyn Steps<ArrayBlock> + 's>,
    old: Old,
    /// The next new block.
    band: usize,
    column: usize,
}

/// The bands of the producer that have arrived.
#[derive(Default)]
struct Old {
    /// The bands that overlap the next new band. They have rows.
    held: VecDeque<Band>,
    /// A band without rows, which has the dtype and the columns of all bands.
    empty: Option<Band>,
    n_bands: usize,
    n_rows: usize,
    /// True if no more bands arrive.
    is_over: bool,
}

/// Blocks side by side.
struct Band {
    start: usize,
    n_rows: usize,
    blocks: Vec<ArrayBlock>,
}

impl RechunkedSteps<'_> {
    /// Returns the rows of the next new band, which may end earlier if its height is uniform.
    fn rows(&self) -> Range<usize> {
        match &self.sequence.rows {
            Heights::Sizes(sizes) => sizes.range(self.band),
            Heights::Uniform(height) => {
                let start = self.band.saturating_mul(height.get());
                start..start.saturating_add(height.get())
            }
        }
    }

    /// Lets bands arrive until they contain these rows, or are over.
    fn load(&mut self, rows: &Range<usize>) -> Result<(), Failure> {
        while !self.old.is_over
            && (self.old.n_rows < rows.end || (rows.is_empty() && self.old.empty.is_none()))
        {
            let old_rows = self.sequence.spec.grid().map(BlockGrid::rows);
            let next = old_rows.map(|sizes| sizes.range(self.old.n_bands));
            match next.filter(|next| next.end <= rows.start && !rows.is_empty()) {
                Some(next) => self.skip(next.end)?,
                None => self.take()?,
            }
        }
        Ok(())
    }

    /// Skips a band of the grid, which ends at this row.
    fn skip(&mut self, end: usize) -> Result<(), Failure> {
        let grid = self.sequence.spec.grid();
        for _ in 0..grid.map_or(0, BlockGrid::blocks_per_band) {
            self.steps.skip_block();
        }
        match self.steps.next_step() {
            Some(Err(failure)) => Err(failure),
            _ => {
                self.old.n_bands += 1;
                self.old.n_rows = end;
                Ok(())
            }
        }
    }

    /// Takes the next band of the producer.
    fn take(&mut self) -> Result<(), Failure> {
        let mut blocks = Vec::new();
        loop {
            match self.steps.next_step() {
                Some(Ok(Step::Block(block))) => blocks.push(block),
                Some(Ok(Step::EndBand)) => break,
                Some(Err(failure)) => return Err(failure),
                None => {
                    self.old.is_over = true;
                    return self.check_count(self.old.n_bands);
                }
            }
        }
        self.check_count(self.old.n_bands + 1)?;
        let n_rows = self.height(&blocks)?;
        let empty = blocks.iter().map(|block| block.slice(0, 0..0)).collect();
        self.old.empty.get_or_insert(Band { start: 0, n_rows: 0, blocks: empty });
        if n_rows > 0 {
            self.old.held.push_back(Band { start: self.old.n_rows, n_rows, blocks });
        }
        self.old.n_bands += 1;
        self.old.n_rows = self.old.n_rows.saturating_add(n_rows);
        Ok(())
    }

    /// Checks the declared number of bands of the producer.
    fn check_count(&self, actual: usize) -> Result<(), Failure> {
        let unit = self.sequence.spec.cut().unit();
        match self.sequence.spec.n_bands() {
            Some(declared) if actual > declared => {
                Err(Failure::Assembly(Case::TooManyBlocks { unit, declared }.into()))
            }
            Some(declared) if self.old.is_over && actual < declared => {
                Err(Failure::Assembly(Case::TooFewBlocks { unit, declared, actual }.into()))
            }
            _ => Ok(()),
        }
    }

    /// Returns the number of rows of the next band, and checks that the band fits the columns.
    fn height(&self, blocks: &[ArrayBlock]) -> Result<usize, Failure> {
        let n_axes = self.sequence.spec.cut().n_axes();
        let Some(first) = blocks.first() else {
            return Err(Failure::Assembly(Case::EmptyBand { band: self.old.n_bands }.into()));
        };
        if let Some(block) = blocks.iter().find(|block| block.shape().len() < n_axes) {
            let shape = block.shape();
            return Err(refused(format!("a block of shape {shape:?} has too few axes")));
        }
        let n_rows = first.shape()[0];
        if let Some(other) = blocks.iter().find(|block| block.shape()[0] != n_rows) {
            let other = other.shape()[0];
            return Err(refused(format!("blocks of one band have {n_rows} and {other} rows")));
        }
        if let Some(columns) = &self.sequence.columns {
            let width =
                blocks.iter().fold(0_usize, |sum, block| sum.saturating_add(block.shape()[1]));
            check_total(1, columns.total(), width)?;
        }
        if let Some(grid) = self.sequence.spec.grid() {
            let declared = grid.rows().size(self.old.n_bands);
            if n_rows != declared {
                let problem = format!("a block has {n_rows} rows, but {declared} are declared");
                return Err(refused(problem));
            }
        }
        Ok(n_rows)
    }

    /// Returns the new block of these rows.
    fn block(&self, rows: &Range<usize>) -> Result<ArrayBlock, Failure> {
        let columns = self.sequence.columns.as_ref().map(|sizes| sizes.range(self.column));
        let overlapping = self.old.held.iter().filter_map(|band| {
            let (start, end) = (rows.start.max(band.start), rows.end.min(band.start + band.n_rows));
            (start < end).then(|| band.part(start - band.start..end - band.start, columns.as_ref()))
        });
        let mut parts = overlapping.collect::<Result<Vec<_>>>().map_err(Failure::Assembly)?;
        if parts.is_empty() {
            let empty = self.old.empty.as_ref();
            let empty = empty.ok_or_else(|| Failure::Assembly(Error::empty_sequence()))?;
            parts.push(empty.part(0..0, columns.as_ref()).map_err(Failure::Assembly)?);
        }
        ArrayBlock::join(0, &parts).map_err(Failure::Assembly)
    }

    /// Checks that there are no more rows after the last new band. A producer with a grid is known
    /// to have no more rows.
    fn end(&mut self, total: usize) -> Result<(), Failure> {
        if self.sequence.spec.grid().is_some() {
            return Ok(());
        }
        while !self.old.is_over {
            self.take()?;
            self.old.held.clear();
            check_total(0, total, self.old.n_rows)?;
        }
        Ok(())
    }
}

impl Band {
    fn part(&self, rows: Range<usize>, columns: Option<&Range<usize>>) -> Result<ArrayBlock> {
        let Some(columns) = columns else {
            return Ok(self.blocks[0].slice(0, rows));
        };
        let (mut parts, mut start) = (Vec::new(), 0);
        for block in &self.blocks {
            let width = block.shape()[1];
            let (first, end) = (columns.start.max(start), columns.end.min(start + width));
            if first < end {
                parts.push(block.slice(0, rows.clone()).slice(1, first - start..end - start));
            }
            start += width;
        }
        if parts.is_empty() {
            parts.push(self.blocks[0].slice(0, rows).slice(1, 0..0));
        }
        ArrayBlock::join(1, &parts)
    }
}

impl Steps<ArrayBlock> for RechunkedSteps<'_> {
    fn next_step(&mut self) -> Option<Result<Step<ArrayBlock>, Failure>> {
        let sizes = match &self.sequence.rows {
            Heights::Sizes(sizes) => Some(sizes),
            Heights::Uniform(_) => None,
        };
        if let Some(sizes) = sizes.filter(|sizes| self.band == sizes.n_blocks()) {
            return self.end(sizes.total()).err().map(Err);
        }
        if self.column == self.sequence.columns.as_ref().map_or(1, BlockSizes::n_blocks) {
            let end = self.rows().end;
            self.old.held.retain(|band| band.start + band.n_rows > end);
            self.band += 1;
            self.column = 0;
            return Some(Ok(Step::EndBand));
        }
        let mut rows = self.rows();
        if let Err(failure) = self.load(&rows) {
            return Some(Err(failure));
        }
        if self.old.n_rows < rows.end {
            match sizes {
                Some(sizes) => {
                    return check_total(0, sizes.total(), self.old.n_rows).err().map(Err);
                }
                // An array without rows is one block without rows.
                None if self.old.n_rows <= rows.start
                    && (self.band > 0 || self.old.empty.is_none()) =>
                {
                    return None;
                }
                None => rows.end = self.old.n_rows,
            }
        }
        let block = self.block(&rows);
        self.column += 1;
        Some(block.map(Step::Block))
    }

    fn in_band(&self) -> bool {
        true
    }

    fn skip_block(&mut self) {
        self.column += 1;
    }

    fn skip_band(&mut self) {
        self.column = self.sequence.columns.as_ref().map_or(1, BlockSizes::n_blocks);
    }
}

/// Checks that the new blocks have all elements of the array along an axis, and no more.
fn check_total(axis: usize, new: usize, old: usize) -> Result<(), Failure> {
    if old == new {
        return Ok(());
    }
    // More rows may follow those that have arrived.
    let at_least = if axis == 0 && old > new { "at least " } else { "" };
    Err(refused(format!(
        "the sizes add up to {new}, but the array has {at_least}{old} elements along axis {axis}"
    )))
}

fn refused(problem: String) -> Failure {
    let operation = "cut the array into other blocks";
    Failure::Assembly(Case::Structure { operation, problem }.into())
}
