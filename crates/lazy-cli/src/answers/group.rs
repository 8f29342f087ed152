//! Answers as arrays of a Zarr group.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::iter;
use std::path::{self, Path, PathBuf};

use lazy_chunks::LazyChunkSequence;
use lazy_chunks::zarr::{self, Existing, MemberKind, StoredArray, Target, ToZarr, ZarrSink};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::file_kind;
use crate::statistics::{Answer, Axis, Part};

/// A Zarr group that stores answers as arrays.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
    existing: Existing,
    /// The names of the axes of the summarized array. Empty if it has none.
    dims: Vec<String>,
}

impl Group {
    pub(crate) fn new(path: &Path, replace: bool) -> Group {
        let existing = if replace { Existing::Replace } else { Existing::Fail };
        Group { path: path.to_owned(), existing, dims: Vec::new() }
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
        if let Ok(group) = zarr::Group::open(&*self.path) {
            let all = group.all_members().unwrap_or_default().into_iter();
            members.extend(all.filter(|member| is_kept(member.name())));
        }
        let absolute = path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        for above in absolute.ancestors().skip(1) {
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

    /// Checks, before anything is computed, that the results of these statistics can be stored.
    pub(crate) fn check(&self, texts: &[&str]) -> Result<()> {
        let no_group = |what: &str| {
            let path = self.path.display();
            Err(Failure::Usage(format!("{path} is {what}, not a group; choose another path")))
        };
        match fs::metadata(&self.path) {
            Ok(there) if !there.is_dir() => return no_group(file_kind::name(there.file_type())),
            Ok(_) if StoredArray::open(&*self.path).is_ok() => return no_group("an array"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Failure::Write { path: self.path.clone(), source }),
        }
        let paths = names(texts).into_iter().map(|name| self.path.join(name));
        let is_there = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
        match paths.into_iter().find(|path| self.existing == Existing::Fail && is_there(path)) {
            Some(path) => Err(Failure::Exists(path)),
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
                let member = Target::from(&*self.path).member(&*name);
                let mut path = self.path.join(&name);
                let member = if part.name.is_empty() {
                    member
                } else {
                    path.push(part.name);
                    member.member(part.name)
                };
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
                    (Ok(_), _) => last = Some(path),
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
