//! All settings of a write, which keeps them while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use lazy_core::{Casting, DType, RowType, SequenceSpec};
use serde_json::Value;

use super::codec::{Checksum, Codec};
use super::durability::Durability;
use super::existing::{Existing, OldChunks};
use super::fill::FillElement;
use super::layout::LayoutSettings;
use super::resume::Resume;
use crate::error::{Result, SettingError};
use crate::target::Target;
use crate::threads;

/// The bytes of chunks whose requests to a store are in flight, unless the number of threads is set.
/// More requests at once share the same network, and take memory.
const MOST_BYTES_IN_FLIGHT: usize = 64 << 20;

/// The number of requests in flight for the largest chunks.
const LEAST_IN_FLIGHT: usize = 8;

/// The target of a write, and the settings for encoding and storing the array there.
#[derive(Clone, Debug)]
pub(crate) struct WriteSettings {
    pub(crate) target: Target,
    pub(crate) existing: Existing,
    pub(crate) durability: Durability,
    pub(crate) old_chunks: OldChunks,
    /// True to take over from a write if the file system cannot determine whether it has ended.
    pub(crate) takes_over: bool,
    /// True if the store need not check conditions.
    pub(crate) is_unconditional: bool,
    pub(crate) layout: LayoutSettings,
    /// The dtype that blocks are cast to before they are stored.
    pub(crate) dtype: Option<DType>,
    /// The casts that `dtype` may lead to.
    pub(crate) casting: Casting,
    pub(crate) codec: Option<Codec>,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) fill: Option<FillElement>,
    pub(crate) dimension_names: Option<Vec<Option<String>>>,
    /// Values by name, or the reason why JSON cannot hold one.
    pub(crate) attributes: BTreeMap<String, Result<Value, String>>,
    pub(crate) n_threads: Option<usize>,
    /// The maximum memory of the write, in bytes.
    pub(crate) memory_limit: Option<u64>,
    /// The bytes that a thread allocates to extend a present shard.
    pub(crate) extending_bytes: usize,
    /// The time between two renewals of a lease, if it is not the usual one.
    pub(crate) renewal: Option<Duration>,
    /// Set when an unfinished write is to be resumed.
    pub(crate) resume: Option<Resume>,
}

impl WriteSettings {
    pub(crate) fn new(target: Target) -> WriteSettings {
        WriteSettings {
            target,
            existing: Existing::default(),
            durability: Durability::default(),
            old_chunks: OldChunks::default(),
            takes_over: false,
            is_unconditional: false,
            layout: LayoutSettings::default(),
            dtype: None,
            casting: Casting::SameKind,
            codec: None,
            checksum: None,
            fill: None,
            dimension_names: None,
            attributes: BTreeMap::new(),
            n_threads: None,
            memory_limit: None,
            extending_bytes: 0,
            renewal: None,
            resume: None,
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec.unwrap_or_default()
    }

    pub(crate) fn checksum(&self) -> Checksum {
        self.checksum.unwrap_or(self.codec().default_checksum())
    }

    /// Returns the number of writer threads for chunks or shards of `unit_bytes` bytes.
    pub(crate) fn n_threads(&self, unit_bytes: usize) -> usize {
        self.n_threads.unwrap_or_else(|| match self.target.concurrency() {
            Some(most) => {
                (MOST_BYTES_IN_FLIGHT / unit_bytes.max(1)).clamp(LEAST_IN_FLIGHT.min(most), most)
            }
            None => threads::cores().max(2),
        })
    }

    /// Returns the attributes that JSON can hold, which are all attributes of checked settings.
    pub(crate) fn json_attributes(&self) -> BTreeMap<String, Value> {
        let attributes = self.attributes.iter();
        attributes.filter_map(|(name, value)| Some((name.clone(), value.clone().ok()?))).collect()
    }

    /// Returns the settings for a sequence, whose blocks may be the chunks of a regular grid. An
    /// array that rows are appended to keeps its chunks.
    pub(crate) fn for_sequence(self, spec: &SequenceSpec) -> WriteSettings {
        if self.existing == Existing::Append {
            return self;
        }
        WriteSettings { layout: self.layout.for_grid(spec.grid()), ..self }
    }

    /// Returns the declaration of the blocks after they are cast.
    pub(crate) fn cast_spec(&self, spec: &SequenceSpec) -> Result<SequenceSpec> {
        let Some((dtype, row_type)) = self.dtype.zip(spec.row_type()) else {
            return Ok(spec.clone());
        };
        self.casting.check(row_type.dtype, dtype)?;
        let row_type = RowType { dtype, shape: row_type.shape.clone() };
        Ok(spec.clone().with_row_type(Some(row_type)))
    }

    /// Checks everything that does not depend on the array.
    pub(crate) fn check(&self) -> Result<()> {
        self.layout.check()?;
        self.codec().check()?;
        for (name, value) in &self.attributes {
            if let Err(reason) = value {
                return Err(
                    SettingError::Attribute { name: name.clone(), reason: reason.clone() }.into()
                );
            }
        }
        threads::check("writer threads", self.n_threads)
    }

    /// Checks everything that depends on the array's dtype and number of axes.
    pub(crate) fn check_array(&self, dtype: DType, n_axes: usize) -> Result<()> {
        let chunk_bytes = self.layout.check_array(dtype, n_axes)?;
        self.codec().check_chunk(chunk_bytes)?;
        if let Some(names) = &self.dimension_names
            && names.len() != n_axes
        {
            let names = names.iter().map(|name| name.clone().unwrap_or_default()).collect();
            return Err(SettingError::DimensionNames { names, n_axes }.into());
        }
        match &self.fill {
            Some(fill) if fill.dtype != dtype => {
                Err(SettingError::FillValueDType { expected: dtype, actual: fill.dtype }.into())
            }
            _ => Ok(()),
        }
    }
}
