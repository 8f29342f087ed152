//! All arrays of all paths and URLs of an input.

use lazy_chunks::zarr::ErrorKind;

use super::expand::{Expanded, FileFormat, expand, is_file_in_store};
use super::files::{self, Cutting};
use super::npz;
use super::order::location_order;
use super::piece::Piece;
use super::sources::{Sources, of_alphabetical_order, of_left_out, of_vectors};
use super::stored::Stored;
use super::{InputError, Paths, Selection};
use crate::location::Location;
use crate::stop;

/// Opens all arrays of all paths, in order.
pub(super) fn collect(
    options: &Paths,
    cutting: Cutting,
) -> Result<(Vec<Piece>, Sources), InputError> {
    let mut notes = Vec::new();
    let mut inputs: Vec<_> = options.paths.iter().collect();
    let natural = |a: &&Location, b: &&Location| location_order(a, b);
    if options.sort {
        inputs.sort_by(natural);
    } else if inputs.is_sorted_by_key(ToString::to_string)
        && !inputs.is_sorted_by(|a, b| natural(a, b).is_le())
    {
        notes.push(of_alphabetical_order());
    }
    let mut paths = Vec::new();
    for input in inputs {
        let Expanded { found, left_out } = expand(input)?;
        if !left_out.is_empty() {
            notes.push(of_left_out(input, &left_out, found.len()));
        }
        paths.extend(found);
    }
    let has_names = |path: &Location| {
        matches!(FileFormat::of(path), Some(FileFormat::Npz | FileFormat::Safetensors))
    };
    if !options.selection.is_all() && !paths.iter().any(has_names) {
        return Err(InputError::NothingToSelect);
    }
    let mut pieces = Vec::new();
    for path in &paths {
        if stop::is_asked_for() {
            return Err(InputError::Stopped);
        }
        open(path, &options.selection, cutting, &mut pieces, &mut notes)?;
    }
    let shapes = || pieces.iter().map(Piece::shape);
    if !cutting.stack
        && pieces.len() > 1
        && shapes().all(|shape| shape.len() == 1 && shape == pieces[0].shape())
    {
        notes.push(of_vectors(pieces.len(), pieces[0].shape()[0]));
    }
    let sources = Sources { n_arrays: pieces.len(), n_files: paths.len(), notes };
    Ok((pieces, sources))
}

/// Opens the arrays of a file, or a Zarr array.
fn open(
    location: &Location,
    selection: &Selection,
    cutting: Cutting,
    pieces: &mut Vec<Piece>,
    notes: &mut Vec<String>,
) -> Result<(), InputError> {
    match (FileFormat::of(location), location.path()) {
        (Some(FileFormat::Npy), Some(path)) => {
            pieces.extend(files::open_npy(path, cutting)?.into_iter().map(Piece::InFile));
        }
        (Some(FileFormat::Npz), Some(path)) => {
            let npz::Members { found, left_out } = npz::open(path, selection, cutting.stack)?;
            if !left_out.is_empty() {
                notes.push(of_left_out(path.display(), &left_out, found.len()));
            }
            pieces.extend(found.into_iter().map(Piece::Member));
        }
        (Some(FileFormat::Safetensors), Some(path)) => {
            let arrays = files::open_safetensors(path, selection, cutting)?;
            pieces.extend(arrays.into_iter().map(Piece::InFile));
        }
        (Some(FileFormat::Zarr), _) => {
            let opened = Stored::open(location, cutting).map_err(|error| match error {
                InputError::Zarr(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotAnArray)
                        && is_file_in_store(location) =>
                {
                    InputError::FileInStore { name: location.to_string() }
                }
                error => error,
            });
            pieces.push(Piece::Stored(Box::new(opened?)));
        }
        _ => return Err(InputError::UnknownKind { name: location.to_string() }),
    }
    Ok(())
}
