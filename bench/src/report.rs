//! The measurements as tables and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use crate::growth::Growth;
use crate::job::Task;
use crate::party::Party;
use crate::program;
use crate::record::{Record, median};
use crate::reductions::Reductions;
use crate::table::Table;
use crate::workers::Shared;

/// All measurements.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) records: Vec<Record>,
    pub(crate) python: Vec<Record>,
    pub(crate) growth: Growth,
    pub(crate) reductions: Reductions,
    pub(crate) shared: Shared,
    pub(crate) stores: Vec<Record>,
    pub(crate) program: Vec<program::Task>,
}

impl Results {
    pub(crate) fn is_empty(&self) -> bool {
        let Results { records, python, growth, reductions, shared, stores, program } = self;
        records.is_empty()
            && python.is_empty()
            && growth.is_empty()
            && reductions.is_empty()
            && shared.is_empty()
            && stores.is_empty()
            && program.is_empty()
    }
}

pub(crate) fn json(results: &Results) -> Result<String> {
    Ok(serde_json::to_string_pretty(results)?)
}

pub(crate) fn tables(results: &Results) -> String {
    let Results { records, python, growth, reductions, shared, stores, program } = results;
    let mut text = String::new();
    let mut section = |title: &str, table: Option<Table>| {
        if let Some(table) = table {
            writeln!(text, "\n{title}\n\n{table}").expect("a string takes everything");
        }
    };
    for (records, task, what) in [
        (records, Task::Store, "Storing"),
        (records, Task::Read, "Reading whole"),
        (records, Task::ReadBlocks, "Reading as a sequence of chunks' rows"),
        (python, Task::Store, "Storing from Python"),
        (stores, Task::Store, "Storing in S3"),
        (stores, Task::Read, "Reading whole from S3"),
        (stores, Task::ReadRegion, "Reading a region from S3"),
    ] {
        let of_task = |record: &&Record| record.task == task;
        let records: Vec<_> = records.iter().filter(of_task).collect();
        let note = "ours in seconds; the others in multiples of it, so that less than 1 is faster";
        section(&format!("**{what}**: {note}"), table(&records, times));
        let peak = |record: &Record, _: f64| peak_mebibytes(record);
        section(&format!("**{what}**: peak memory in MiB"), table(&records, peak));
        if records.iter().any(|record| record.n_files > 0) {
            let files = |record: &Record, _: f64| {
                format!("{} / {:.0}", record.n_files, record.stored_bytes as f64 / MEBIBYTE)
            };
            section(&format!("**{what}**: files / MiB in them"), table(&records, files));
        }
    }
    section("**Memory** of a write in MiB, and its bound", memory(growth));
    section("**Blocks** of one element", blocks(growth));
    section("**Reductions** on all cores: limits as multiples of ours", reduced(reductions));
    section("**Two workers**: the others as multiples of them", pairs(shared));
    section("**Parts**: the time that one takes besides its blocks", part_costs(shared));
    section("**Steps of a plan**, each in a process of its own", steps(shared));
    let title = "**The program** `lazy store`: `cat` or `cp` as a multiple of ours";
    section(title, of_program(program));
    let reasons: BTreeSet<_> = records
        .iter()
        .filter_map(|record| Some((record.party, record.outcomes.last()?.unsupported.as_ref()?)))
        .collect();
    for (party, reason) in reasons {
        writeln!(text, "{}: {reason}", party.title()).expect("a string takes everything");
    }
    text
}

const MEBIBYTE: f64 = (1 << 20) as f64;

/// Returns a table with a row for each workload and encoding, and a column for each party. `cell`
/// gets a record and the seconds of this workspace.
fn table(records: &[&Record], cell: impl Fn(&Record, f64) -> String) -> Option<Table> {
    let parties: Vec<_> = Party::ALL
        .into_iter()
        .filter(|party| records.iter().any(|record| record.party == *party && is_done(record)))
        .collect();
    let mut table = Table::new(
        ["workload", "encoding"].into_iter().chain(parties.iter().map(|party| party.title())),
    );
    let mut rows: Vec<_> =
        records.iter().map(|record| (record.workload, record.conditions())).collect();
    rows.dedup();
    for row in
        rows.iter().enumerate().filter(|(i, row)| !rows[..*i].contains(row)).map(|(_, row)| row)
    {
        let of_party = |party: Party| {
            records.iter().find(|record| {
                record.party == party && (record.workload, record.conditions()) == *row
            })
        };
        let ours = of_party(Party::Ours)
            .or_else(|| of_party(Party::Python))
            .map_or(f64::NAN, |record| seconds(record));
        let cells = parties.iter().map(|&party| match of_party(party) {
            Some(record) if is_done(record) => cell(record, ours),
            _ => "–".to_owned(),
        });
        let (workload, encoding) = row.clone();
        table.push([workload.to_owned(), encoding].into_iter().chain(cells).collect());
    }
    (!rows.is_empty()).then_some(table)
}

fn is_done(record: &Record) -> bool {
    record.outcomes.iter().any(|outcome| outcome.unsupported.is_none())
}

fn seconds(record: &Record) -> f64 {
    median(record.outcomes.iter().map(|outcome| outcome.seconds).collect())
}

fn times(record: &Record, ours: f64) -> String {
    match record.party {
        Party::Ours | Party::Python => format!("{:.3} s", seconds(record)),
        _ => {
            let times = seconds(record) / ours;
            // Three significant digits for most numbers.
            let decimals = if times < 10.0 { 2 } else { usize::from(times < 100.0) };
            format!("{times:.decimals$}")
        }
    }
}

fn peak_mebibytes(record: &Record) -> String {
    let peaks: Vec<_> = record.outcomes.iter().filter_map(|outcome| outcome.peak_bytes).collect();
    if peaks.is_empty() {
        return "–".to_owned();
    }
    format!("{:.0}", median(peaks) as f64 / MEBIBYTE)
}

fn memory(growth: &Growth) -> Option<Table> {
    let mut table =
        Table::new(["workload", "encoding", "bound", "peak", "peak at four times the length"]);
    let mebibytes = |bytes: u64| format!("{:.1}", bytes as f64 / MEBIBYTE);
    for memory in &growth.memory {
        let [peak, longer] = memory.peak_bytes.map(mebibytes);
        let bound = mebibytes(memory.bound_bytes);
        table.push(vec![memory.workload.into(), memory.encoding.into(), bound, peak, longer]);
    }
    (!growth.memory.is_empty()).then_some(table)
}

fn reduced(reductions: &Reductions) -> Option<Table> {
    let mut table =
        Table::new(["reduction", "threads", "seconds", "speed to one thread's", "limit"]);
    for reduction in &reductions.rows {
        let (seconds, speed, limit) = reduction.summary();
        table.push(vec![
            reduction.name.into(),
            reduction.n_threads.to_string(),
            format!("{seconds:.3}"),
            format!("{speed:.2}"),
            format!("{limit:.2}"),
        ]);
    }
    (!reductions.is_empty()).then_some(table)
}

fn pairs(shared: &Shared) -> Option<Table> {
    let mut table = Table::new(["blocks", "two workers", "one worker", "two threads, no plan"]);
    for pair in &shared.pairs {
        let [seconds, one, threads] = pair.summary();
        table.push(vec![
            pair.name.into(),
            format!("{seconds:.3} s"),
            format!("{one:.2}"),
            format!("{threads:.2}"),
        ]);
    }
    (!shared.pairs.is_empty()).then_some(table)
}

fn part_costs(shared: &Shared) -> Option<Table> {
    let mut table = Table::new(["durability", "milliseconds"]);
    for cost in &shared.part_costs {
        let milliseconds = 1e3 * median(cost.seconds.clone());
        let durability = if cost.is_flushed { "full, on a disk" } else { "none, in memory" };
        table.push(vec![durability.into(), format!("{milliseconds:.2}")]);
    }
    (!shared.part_costs.is_empty()).then_some(table)
}

fn steps(shared: &Shared) -> Option<Table> {
    let mut table = Table::new(["parts", "chunks", "step", "seconds", "peak memory in MiB"]);
    for step in &shared.steps {
        table.push(vec![
            step.n_parts.to_string(),
            step.n_chunks.to_string(),
            step.name.into(),
            format!("{:.3}", step.seconds),
            format!("{:.1}", step.peak_bytes as f64 / MEBIBYTE),
        ]);
    }
    (!shared.steps.is_empty()).then_some(table)
}

fn of_program(tasks: &[program::Task]) -> Option<Table> {
    let mut table = Table::new(["task", "seconds", "limit"]);
    for task in tasks {
        let (seconds, limit) = task.summary();
        table.push(vec![task.name.into(), format!("{seconds:.3}"), format!("{limit:.2}")]);
    }
    (!tasks.is_empty()).then_some(table)
}

fn blocks(growth: &Growth) -> Option<Table> {
    let mut table = Table::new(["blocks", "seconds", "microseconds per block"]);
    for blocks in &growth.blocks {
        let seconds = median(blocks.seconds.clone());
        let each = 1e6 * seconds / blocks.n_blocks as f64;
        table.push(vec![
            blocks.n_blocks.to_string(),
            format!("{seconds:.3}"),
            format!("{each:.2}"),
        ]);
    }
    (!growth.blocks.is_empty()).then_some(table)
}
