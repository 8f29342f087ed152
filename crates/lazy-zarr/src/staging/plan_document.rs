//! The plan of a write that several workers share: the values that all of them must have.

use std::io;
use std::path::Path;

use lazy_core::Part;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::directory::PLAN;
use super::process::token;
use super::record::{Difference, Record, sealed, whole};
use crate::error::{Error, Result, ResumeError};
use crate::fs::FileSystem;
use crate::settings::Durability;

/// The contents of the file `plan`, which are the same for all workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanDocument {
    version: u32,
    /// A random name of this plan.
    pub(super) token: String,
    /// The names of the reducers of the pass.
    names: Vec<String>,
    /// The index behind the last band of each part.
    pub(super) part_ends: Vec<usize>,
    /// The number of groups that hold the array and that the target of the plan names.
    pub(crate) n_groups: usize,
    /// True if parts are flushed before they count as finished.
    is_durable: bool,
    pub(crate) record: Record,
}

const VERSION: u32 = 1;

impl PlanDocument {
    pub(crate) fn new(
        record: Record,
        names: Vec<String>,
        part_ends: Vec<usize>,
        n_groups: usize,
        durability: Durability,
    ) -> PlanDocument {
        let token = token();
        let is_durable = durability == Durability::Full;
        PlanDocument { version: VERSION, token, names, part_ends, n_groups, is_durable, record }
    }

    /// Returns the parts, or `None` if they are not those of the grid.
    pub(crate) fn parts(&self) -> Option<Vec<Part>> {
        Part::ending_at(&self.part_ends, self.record.grid().rows())
    }

    pub(crate) fn durability(&self) -> Durability {
        if self.is_durable { Durability::Full } else { Durability::None }
    }

    pub(super) fn to_text(&self) -> String {
        sealed(&serde_json::to_string_pretty(self).expect("a plan is what JSON can hold"))
    }

    pub(super) fn from_text(text: &[u8]) -> Result<PlanDocument, String> {
        let json = whole(text).ok_or("its checksum does not match")?;
        let json: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if json["version"] != VERSION {
            return Err(format!(
                "its version is {}, but only version {VERSION} is supported",
                json["version"]
            ));
        }
        let plan: PlanDocument = serde_json::from_value(json).map_err(|error| error.to_string())?;
        if plan.record.is_sound() && plan.parts().is_some() {
            Ok(plan)
        } else {
            Err("its sizes do not form an array".to_owned())
        }
    }

    /// Returns the first property in which the plan of another worker differs from this one.
    pub(crate) fn difference(&self, now: &PlanDocument) -> Option<Difference> {
        let list = |names: &[String]| names.join(", ");
        let differs = |what, kept: String, now: String| Some(Difference { what, kept, now });
        if let Some(difference) = self.record.difference(&now.record) {
            return Some(difference);
        }
        if !self.record.is_of_revision_of(&now.record) {
            let revision = |record: &Record| {
                record.resume().revision.map_or("none".to_owned(), |text| format!("{text:?}"))
            };
            return differs("revision", revision(&self.record), revision(&now.record));
        }
        if self.names != now.names {
            return differs("reducers", list(&self.names), list(&now.names));
        }
        if self.part_ends.len() != now.part_ends.len() {
            let number = |ends: &[usize]| format!("{} parts", ends.len());
            return differs("parts", number(&self.part_ends), number(&now.part_ends));
        }
        let mut ends = self.part_ends.iter().zip(&now.part_ends).enumerate();
        if let Some((part, (kept, now))) = ends.find(|(_, (kept, now))| kept != now) {
            let end = |band: &usize| format!("part {part} up to band {band}");
            return differs("parts", end(kept), end(now));
        }
        if self.n_groups != now.n_groups {
            let number = |n: usize| format!("{n} groups that the target names");
            return differs("target", number(self.n_groups), number(now.n_groups));
        }
        if self.is_durable != now.is_durable {
            let name = |is_durable: bool| if is_durable { "full" } else { "none" }.to_owned();
            return differs("durability", name(self.is_durable), name(now.is_durable));
        }
        None
    }
}

/// Reads the plan in a staging directory, if there is one.
pub(super) fn read_plan(
    file_system: &dyn FileSystem,
    directory: &Path,
) -> Result<Option<PlanDocument>> {
    let path = directory.join(PLAN);
    match file_system.read(&path, 0, None) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::examine(path, source)),
        Ok(text) => match PlanDocument::from_text(&text) {
            Ok(plan) => Ok(Some(plan)),
            Err(reason) => Err(ResumeError::InvalidRecord { path, reason }.into()),
        },
    }
}
