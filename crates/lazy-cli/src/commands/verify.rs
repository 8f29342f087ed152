//! `lazy verify`.

use lazy_chunks::report;
use lazy_chunks::zarr::{DefectKind, MetadataChecksum};
use serde_json::json;

use super::open;
use crate::failure::{Failure, Result};
use crate::options::Verify;
use crate::print;
use crate::progress::Display;
use crate::stop;

pub(crate) fn run(options: &Verify) -> Result<()> {
    let stored = open(&options.path)?;
    let path = &options.path;
    let unit = if stored.shard_shape().is_some() { "shards" } else { "chunks" };
    let display = Display::new(options.report.quiet);
    let mut verify = stored.verify();
    let bar = display.of_steps(verify.n_chunks(), unit);
    let (mut listed, mut printed) = (Vec::new(), Ok(()));
    let (mut n_defects, mut n_unreadable, mut first_unreadable) = (0, 0, None);
    while let Some(defects) = verify.next_chunks() {
        for defect in defects? {
            n_defects += 1;
            if matches!(defect.kind, DefectKind::Unreadable { .. }) {
                n_unreadable += 1;
                first_unreadable.get_or_insert_with(|| report(&defect));
            }
            if options.report.json {
                listed.push(json!({
                    "chunk": defect.chunk,
                    "key": defect.key,
                    "problem": report(&defect.kind),
                }));
            } else if printed.is_ok() {
                printed = bar.suspend(|| print::line(report(&defect)));
            }
        }
        bar.set_position(verify.n_checked());
        if stop::is_asked_for() {
            break;
        }
    }
    let n_checked = verify.n_checked();
    display.clear();
    if stop::is_asked_for() {
        let n_chunks = verify.n_chunks();
        return Err(Failure::Stopped(format!("stopped after {n_checked} of {n_chunks} {unit}")));
    }
    let checksum = match stored.metadata_checksum() {
        MetadataChecksum::Match => "match",
        MetadataChecksum::Mismatch => "mismatch",
        _ => "missing",
    };
    if options.report.json {
        printed = print::json(&json!({
            "path": options.path.to_string(),
            "n_checked": n_checked,
            "metadata_checksum": checksum,
            "defects": listed,
        }));
    }
    // The array is corrupt even if the list could not be printed.
    if let Some(first) = first_unreadable.filter(|_| n_unreadable == n_defects) {
        return Err(Failure::Unreadable(format!(
            "{n_defects} of {n_checked} {unit} of {path} could not be read: {first}"
        )));
    }
    if n_defects > 0 {
        return Err(Failure::Corrupt(format!(
            "{n_defects} of {n_checked} {unit} of {path} are missing or corrupt"
        )));
    }
    if !options.report.quiet {
        let metadata = match stored.metadata_checksum() {
            MetadataChecksum::Match => "and the metadata is unchanged since it was written",
            MetadataChecksum::Mismatch => {
                "but the metadata was changed since it was written, so missing chunks count as \
                 fill values"
            }
            _ => "but the metadata has no checksum, so missing chunks count as fill values",
        };
        print::note(format_args!("all {n_checked} {unit} of {path} can be read, {metadata}"));
    }
    printed
}
