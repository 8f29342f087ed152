//! Answers as arrays of a Zarr group.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::iter;
use std::path;

use lazy_chunks::LazyChunkSequence;
use lazy_chunks::zarr::{
    self, ErrorKind, Existing, MemberKind, StoredArray, Target, ToZarr, ZarrSink,
};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::file_kind;
use crate::location::Location;
use crate::statistics::{Answer, Axis, Part};

/// A Zarr group that stores answers as arrays.
#[derive(Debug)]
pub(crate) struct Group {
    location: Location,
    existing: Existing,
    /// The names of the axes of the summarized array. Empty if it has none.
    dims: Vec<String>,
}

impl Group {
    pub(crate) fn new(location: &Location, replace: bool) -> Group {
        let existing = if replace { Existing::Replace } else { Existing::Fail };
        Group { location: location.clone(), existing, dims: Vec::new() }
    }

    /// Sets the names of the axes of the summarized array.
    pub(crate) fn with_dims(self, dims: Vec<String>) -> Group {
        Group { dims, ..self }
    }

    /// Returns the names of the axes of a result.
    fn dims_of(&self, answer: &Answer, name: &str, part: &Part) -> Vec<String> {
        let named = |axis: usize, otherwise: &str| {
            self.dims.get(axis).cloned().unwrap_or_else(|| otherwise.to_owned())
        };
        let n_axes = part.array.shape().len();
        let n_cells = match answer.axis {
            Axis::All => 0,
            Axis::Rows => 1,
            Axis::Columns => n_axes - usize::from(answer.has_entries()),
        };
        let of_axis = |axis: usize| match answer.axis {
            Axis::Rows if axis < n_cells => named(0, "row"),
            Axis::Columns if axis < n_cells => match axis {
                0 => named(1, "column"),
                _ => named(axis + 1, &format!("axis_{}", axis + 1)),
            },
            _ => {
                let size = part.array.shape()[axis];
                let has_size = |other: &Part| other.array.shape().get(axis) == Some(&size);
                let is_shared = part.name.is_empty() || answer.parts.iter().all(has_size);
                let of_part = if is_shared { String::new() } else { format!("{}_", part.name) };
                format!("{name}_{of_part}{}", axis - n_cells)
            }
        };
        (0..n_axes).map(of_axis).collect()
    }

    /// Returns the sizes of the named axes of the arrays that stay in the group, and of those in
    /// the groups above. An array that cannot be opened is left out.
    fn sizes(&self, replaced: &[String]) -> HashMap<String, usize> {
        let is_kept = |name: &str| {
            let first = name.split('/').next().unwrap_or_default();
            replaced.iter().all(|replaced| replaced != first)
        };
        let mut members = Vec::new();
        if let Ok(group) = zarr::Group::open(&self.location) {
            let all = group.all_members().unwrap_or_default().into_iter();
            members.extend(all.filter(|member| is_kept(member.name())));
        }
        for above in self.groups_above() {
            let Ok(group) = zarr::Group::open(above) else { break };
            members.extend(group.members().unwrap_or_default());
        }
        let arrays = members.iter().filter(|member| matches!(member.kind(), MemberKind::Array));
        let arrays = arrays.filter_map(|member| StoredArray::open(member.target()).ok());
        let mut sizes = HashMap::new();
        for array in arrays {
            let names = array.dimension_names().unwrap_or_default().iter().flatten();
            sizes.extend(names.cloned().zip(array.shape().iter().copied()));
        }
        sizes
    }

    /// Returns the places of the groups that may hold the group, from the inside out.
    fn groups_above(&self) -> Vec<Target> {
        if let Some(path) = self.location.path() {
            let absolute = path::absolute(path).unwrap_or_else(|_| path.to_owned());
            return absolute.ancestors().skip(1).map(Target::from).collect();
        }
        let parent = |location: &Location| location.parent().map(|(parent, _)| parent);
        let above = iter::successors(parent(&self.location), parent);
        above.map(|location| location.target()).collect()
    }

    /// Checks, before anything is computed, that the results of these statistics can be stored.
    pub(crate) fn check(&self, texts: &[&str]) -> Result<()> {
        let no_group = |what: &str| {
            let location = &self.location;
            Err(Failure::Usage(format!("{location} is {what}, not a group; choose another path")))
        };
        if let Some(path) = self.location.path() {
            match fs::metadata(path) {
                Ok(there) if !there.is_dir() => {
                    return no_group(file_kind::name(there.file_type()));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Failure::Write { path: path.to_owned(), source }),
            }
        }
        if StoredArray::open(&self.location).is_ok() {
            return no_group("an array");
        }
        let mut members = names(texts).into_iter().map(|name| self.location.member(&name));
        match members.find(|member| self.existing == Existing::Fail && is_there(member)) {
            Some(member) => Err(Failure::Exists(member)),
            None => Ok(()),
        }
    }

    /// Stores an array for each part of each answer.
    pub(crate) fn store(&self, answers: &[Answer]) -> Result<()> {
        let mut last = None;
        let texts: Vec<_> = answers.iter().map(|answer| &answer.text[..]).collect();
        let names = names(&texts);
        let mut sizes = self.sizes(&names);
        for (answer, name) in answers.iter().zip(names) {
            for part in &answer.parts {
                let (mut member, mut location) =
                    (self.location.target().member(&*name), self.location.member(&name));
                if !part.name.is_empty() {
                    (member, location) = (member.member(part.name), location.member(part.name));
                }
                let dims = self.dims_of(answer, &name, part).into_iter().zip(part.array.shape());
                let dims = dims.map(|(dim, size)| unique(&dim, *size, &mut sizes));
                let mut sink = ZarrSink::new(member)
                    .with_existing(self.existing)
                    .with_attribute("statistic", &answer.text)
                    .with_dimension_names(dims);
                if !answer.labels.is_empty() && matches!(part.name, "" | "bins") {
                    sink = sink.with_attribute("entries", json!(answer.labels));
                }
                let stored = LazyChunkSequence::new(|| [part.array.clone()]).to_zarr(sink);
                match (stored, &last) {
                    (Ok(_), _) => last = Some(location),
                    (Err(error), None) => return Err(error.into()),
                    (Err(error), Some(last)) => {
                        return Err(Failure::from(error).after_storing(last));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns true if anything lies at a place.
fn is_there(location: &Location) -> bool {
    match location.path() {
        Some(path) => fs::symlink_metadata(path).is_ok(),
        // Errors other than a missing array are found again when the results are stored.
        None => StoredArray::open(location)
            .err()
            .is_none_or(|error| matches!(error.kind(), ErrorKind::NotAnArray)),
    }
}

/// Returns the name of an axis of this size, with a number if another axis has the name and another
/// size: xarray opens a group only if axes of one name have one size.
fn unique(name: &str, size: usize, sizes: &mut HashMap<String, usize>) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let mut names = iter::once(name.to_owned()).chain(numbered);
    let is_free = |name: &String| sizes.get(name).is_none_or(|other| *other == size);
    let name = names.find(is_free).expect("there are always more numbers");
    sizes.insert(name.clone(), size);
    name
}

/// Returns a unique name for each statistic: its name, with a number from the second one on.
fn names<'t>(texts: &[&'t str]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let name = |text: &&'t str| {
        let name = text.split(':').next().unwrap_or_default();
        let count = counts.entry(name).or_default();
        *count += 1;
        if *count == 1 { name.to_owned() } else { format!("{name}-{count}") }
    };
    texts.iter().map(name).collect()
}
