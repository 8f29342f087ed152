//! Finishing a plan: shared chunks are put together, and the array is published.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::{ArrayBlock, BlockIndex, BlockPosition, Claimed, Error as CoreError, Holder, Run};

use super::part::StoredPart;
use super::shared::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::format::provenance::{self, Provenance};
use crate::layout::overlap::copy_bytes;
use crate::layout::{index_in_grid, n_bytes};
use crate::read::StoredArray;
use crate::staging::{Entry, PlanPlace, TaggedTally, stored_rows};
use crate::store::chunk_objects;
use crate::store::node::check_array_size;
use crate::write::assembler::{Assembler, Output, Unit};
use crate::write::destination::PlanDestination;
use crate::write::encode::UnitCodec;
use crate::write::pool::Writer;
use crate::write::session::Complete;
use crate::write::trace::Trace;

/// Merges the parts of a [`ZarrSink`](crate::ZarrSink) in a [`Plan`](lazy_core::Plan), and publishes
/// the array.
pub struct StoredParts(Course);

enum Course {
    Joining(Box<Joining>),
    /// The array is published already.
    Complete(Box<Complete>),
}

struct Joining {
    shared: Arc<Shared>,
    destination: Arc<dyn PlanDestination>,
    parts: Vec<StoredPart>,
    /// The numbers of the parts of which a chunk was changed after it was stored.
    changed: Vec<usize>,
    trace: Trace,
    stored: Option<(StoredArray, String)>,
}

impl fmt::Debug for StoredParts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StoredParts").finish_non_exhaustive()
    }
}

impl StoredParts {
    /// Takes the plan, unless another worker has it or has published the array.
    pub(super) fn begin(shared: &Arc<Shared>, takes_over: bool) -> Result<Claimed<StoredParts>> {
        if let Some(complete) = shared.complete() {
            return Ok(Claimed::Taken(StoredParts(Course::Complete(Box::new(complete)))));
        }
        let destination = match shared.take_to_finish(takes_over) {
            Ok(Some(destination)) => destination,
            Err(error) => match error.holder() {
                Some(holder) => {
                    let is_certain = !error.is_of_maybe_locked();
                    return Ok(Claimed::Held(Holder::new(holder, is_certain)));
                }
                // Another worker may just have published the array.
                None if error.kind() == ErrorKind::Exists => {
                    shared.find_complete()?;
                    return Ok(Claimed::Finished);
                }
                None => return Err(error),
            },
            Ok(None) => {
                shared.find_complete()?;
                return Ok(Claimed::Finished);
            }
        };
        let joining = Joining {
            shared: Arc::clone(shared),
            destination,
            parts: Vec::new(),
            changed: Vec::new(),
            trace: Trace::new(&shared.settings.target),
            stored: None,
        };
        Ok(Claimed::Taken(StoredParts(Course::Joining(Box::new(joining)))))
    }
}

impl Run for StoredParts {
    type Partial = StoredPart;
    type Output = StoredArray;

    fn merge(&mut self, _: BlockPosition, part: StoredPart) -> lazy_core::Result<()> {
        match &mut self.0 {
            Course::Joining(joining) => {
                let added = joining.add(part);
                added.map_err(|error| of_plan(error.into(), joining.shared.name()))
            }
            Course::Complete(_) => Ok(()),
        }
    }

    fn prepare(&mut self) -> lazy_core::Result<()> {
        match &mut self.0 {
            Course::Joining(joining) => {
                joining.prepare().map_err(|error| of_plan(error, joining.shared.name()))
            }
            Course::Complete(_) => Ok(()),
        }
    }

    fn commit(self) -> lazy_core::Result<StoredArray> {
        match self.0 {
            Course::Joining(joining) => {
                let target = joining.shared.name();
                joining.publish().map_err(|error| of_plan(error.into(), target))
            }
            Course::Complete(complete) => Ok(complete.array()?),
        }
    }
}

/// Returns the error of a worker that finishes a plan. Another worker that has taken over finishes
/// it, too.
pub(super) fn of_plan(error: CoreError, target: String) -> CoreError {
    if Error::find(&error).is_some_and(Error::is_taken_over) {
        CoreError::plan_taken_over(target)
    } else {
        error
    }
}

impl Joining {
    fn add(&mut self, mut part: StoredPart) -> Result<()> {
        let number = self.parts.len();
        let contents = std::mem::take(&mut part.contents);
        // In a store, tags tell it.
        if let PlanPlace::Directory { file_system, array, .. } = self.shared.place()
            && contents.have_changed(&**file_system, array, self.whole_chunks(number))?
        {
            self.changed.push(number);
        }
        self.parts.push(part);
        Ok(())
    }

    fn prepare(&mut self) -> lazy_core::Result<()> {
        let mut lost = self.put_together()?;
        lost.append(&mut self.changed);
        lost.sort_unstable();
        lost.dedup();
        if !lost.is_empty() {
            return Err(self.parts_missing(lost));
        }
        let Err(error) = self.store_metadata() else { return Ok(()) };
        let lost = self.damaged_parts()?;
        Err(if lost.is_empty() { error.into() } else { self.parts_missing(lost) })
    }

    /// Returns the error of damaged parts.
    fn parts_missing(&self, parts: Vec<usize>) -> CoreError {
        // In the directory of another worker, they may be whole.
        if self.destination.is_taken_over() {
            return Error::taken_over(self.shared.name()).into();
        }
        CoreError::parts_missing(self.shared.name(), self.parts.len(), parts)
    }

    /// Puts together the chunks that have rows of several parts, and stores them. Returns the
    /// numbers of parts whose rows are damaged.
    fn put_together(&self) -> Result<Vec<usize>> {
        let planned = self.shared.planned();
        let (record, format) = (&planned.plan.record, &planned.format);
        // By the row and the column of chunks, and then by the part: so one column is in memory at a
        // time.
        let mut fragments: BTreeMap<(u64, u64, usize), Vec<Fragment<'_>>> = BTreeMap::new();
        for (number, part) in self.parts.iter().enumerate() {
            for (index, entry) in &part.fragments {
                let column = index.get(1).copied().unwrap_or(0);
                fragments.entry((index[0], column, number)).or_default().push((index, *entry));
            }
        }
        let row_shape = record.row_shape.iter().copied().map(Some).collect();
        let mut assembler = Assembler::new(&format.layout, row_shape, format.fill.clone());
        let unit_shape = format.layout.unit_shape();
        let mut writer = Writer::start(
            self.shared.settings.n_threads(n_bytes(record.dtype, unit_shape)),
            UnitCodec::new(format)?,
            Arc::clone(&self.destination) as Arc<_>,
            &self.trace,
            false,
        )?;
        let codec = UnitCodec::new(format)?;
        let mut lost = Vec::new();
        for ((row, _, number), fragments) in fragments {
            match self.block(&codec, unit_shape, row, number, &fragments)? {
                Some((at, block)) if lost.is_empty() => {
                    assembler.push(at, &block, &mut Units(&mut writer))?;
                }
                Some(_) => {}
                None => lost.push(number),
            }
        }
        if lost.is_empty() {
            assembler.finish(self.shared.grid().rows().total(), &mut Units(&mut writer))?;
        }
        writer.finish()?;
        Ok(lost)
    }

    /// Returns the rows of a part in some of the shared chunks of one row of chunks, as a block.
    /// Returns `None` if a file is missing or damaged.
    fn block(
        &self,
        codec: &UnitCodec,
        unit_shape: &[usize],
        row: u64,
        number: usize,
        fragments: &[Fragment<'_>],
    ) -> Result<Option<(BlockPosition, ArrayBlock)>> {
        let record = &self.shared.planned().plan.record;
        let rows = self.shared.rows(number);
        let first = row as usize * unit_shape[0];
        let (start, end) = (rows.start.max(first), rows.end.min(first + unit_shape[0]));
        let mut shape = [&[end - start], &record.row_shape[..]].concat();
        let mut column = 0;
        if let (Some(columns), Some((index, _))) = (shape.get_mut(1), fragments.first()) {
            column = index[1] as usize * unit_shape[1];
            *columns = unit_shape[1].min(*columns - column);
        }
        let item_size = record.dtype.size();
        let mut data = vec![0; shape.iter().product::<usize>() * item_size];
        for (index, entry) in fragments {
            let Some(stored) = self.fragment(number, index, *entry)? else {
                return Ok(None);
            };
            let Ok(elements) = codec.decode(&stored, unit_shape) else { return Ok(None) };
            let mut from = vec![0; shape.len()];
            from[0] = start - first;
            let mut to = vec![0; shape.len()];
            for axis in 2..shape.len() {
                to[axis] = index[axis] as usize * unit_shape[axis];
            }
            let extent: Vec<_> = (0..shape.len())
                .map(|axis| (shape[axis] - to[axis]).min(unit_shape[axis] - from[axis]))
                .collect();
            copy_bytes(
                item_size,
                (&elements, unit_shape, &from),
                (&mut data, &shape, &to),
                &extent,
            );
        }
        let at = BlockPosition { index: BlockIndex::Band(row as usize), row: start, column };
        Ok(Some((at, ArrayBlock::new(record.dtype, shape, Bytes::from(data))?)))
    }

    /// Returns the stored rows of a part in a shared chunk, unless they are missing or damaged.
    fn fragment(&self, part: usize, index: &[u64], entry: Entry) -> Result<Option<Bytes>> {
        let key = self.shared.planned().format.keys.encoding().encode(index).to_string();
        self.destination.fragment(part, &key, entry)
    }

    /// Stores the metadata, and checks that all chunks are there.
    fn store_metadata(&mut self) -> Result<()> {
        let shared = &self.shared;
        let planned = shared.planned();
        let (settings, record) = (&shared.settings, &planned.plan.record);
        let grid = shared.grid();
        let n_rows = grid.rows().total();
        let shape = [&[n_rows], &record.row_shape[..]].concat();
        let mut attribute = Provenance::of_grid(grid).attribute(Some(record.digest()));
        if let Some(digest) = shared.revision() {
            provenance::record_revision(&mut attribute, digest);
        }
        if let Some(resume) = &settings.resume {
            let (row_type, dtype) = (&shared.row_type, shared.dtype_of_blocks());
            let rows = stored_rows(resume, (0, n_rows), row_type, dtype);
            provenance::record_rows(&mut attribute, &rows);
        }
        let mut format = planned.format.clone();
        format.attributes.insert(provenance::ATTRIBUTE.to_owned(), attribute);
        let text = provenance::with_checksum(&format.metadata(&shape)?.to_string_pretty());
        check_array_size(text.len() as u64, || shared.name())?;
        for part in &self.parts {
            self.destination.add_stored(part.whole);
        }
        self.destination.prepare(text.as_bytes(), &record.n_chunks())?;
        let source = self.destination.reader()?;
        let stored = StoredArray::of_document(&settings.target, source, text.as_bytes())?;
        self.stored = Some((stored, text));
        Ok(())
    }

    /// Returns the keys of the chunks of a part that have no rows of other parts, in C order.
    fn whole_chunks(&self, part: usize) -> impl Iterator<Item = String> + use<> {
        let planned = self.shared.planned();
        let n_units = planned.plan.record.n_chunks();
        let unit_rows = planned.format.layout.unit_shape()[0] as u64;
        let per_row = n_units[1..].iter().fold(1_u64, |n, along| n.saturating_mul(*along));
        let keys = planned.format.keys;
        let rows = self.shared.rows(part);
        let (start, end) = (rows.start as u64, rows.end as u64);
        let is_end = end == self.shared.grid().rows().total() as u64;
        let first = start.div_ceil(unit_rows);
        let last = if is_end { end.div_ceil(unit_rows) } else { end / unit_rows };
        let last = if start == end { first } else { last.max(first) };
        (first * per_row..last * per_row)
            .map(move |place| keys.encoding().encode(&index_in_grid(place, &n_units)).to_string())
    }

    /// Returns the numbers of the parts whose chunks are not those that their records describe.
    fn damaged_parts(&self) -> Result<Vec<usize>> {
        let mut damaged = Vec::new();
        let objects = match self.shared.place() {
            PlanPlace::Directory { .. } => BTreeMap::new(),
            PlanPlace::Store(plan) => {
                let keys = self.shared.planned().format.keys;
                chunk_objects(&**plan.store(), plan.array(), &[keys])?.into_iter().collect()
            }
        };
        for (number, part) in self.parts.iter().enumerate() {
            let mut found = TaggedTally::default();
            for key in self.whole_chunks(number) {
                match self.shared.place() {
                    PlanPlace::Directory { file_system, array, .. } => {
                        if let Ok(n_bytes) = file_system.size(&array.join(&key)) {
                            found.add(&key, n_bytes, None);
                        }
                    }
                    PlanPlace::Store(_) => {
                        if let Some(object) = objects.get(&key) {
                            found.add(&key, object.size, object.tag.as_ref());
                        }
                    }
                }
            }
            if !found.matches(&part.whole) {
                damaged.push(number);
            }
        }
        Ok(damaged)
    }

    fn publish(self) -> Result<StoredArray> {
        self.destination.publish()?;
        let (stored, metadata) = self.stored.expect("a plan is prepared before it is published");
        let stored = stored.pin_published(metadata.as_bytes())?;
        let n_bytes = self.parts.iter().map(|part| part.n_bytes).sum();
        let n_chunks = self.shared.planned().plan.record.n_chunks().iter().product();
        self.trace.published(stored.shape(), 0, (n_chunks, n_bytes));
        Ok(stored)
    }
}

/// The rows of a part in a shared chunk: the index of the chunk, and the entry of the file.
type Fragment<'p> = (&'p [u64], Entry);

/// Passes units to the writer.
struct Units<'w>(&'w mut Writer);

impl Output for Units<'_> {
    fn take(&mut self, unit: Unit) -> Result<()> {
        self.0.put(unit)
    }

    fn is_stored(&mut self, _: &[usize]) -> bool {
        false
    }
}
