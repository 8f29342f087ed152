//! The run of the benchmark: workload after workload, with all parties in turns.

use anyhow::{Result, ensure};

use crate::course::Course;
use crate::encoding::Encoding;
use crate::report::Results;
use crate::workload::Workload;
use crate::{flags, growth, program, reductions, report, stores, workers};

/// The workloads whose blocks a producer in Python computes.
const IN_PYTHON: [&str; 5] = ["factors", "ragged", "values", "tiny", "tinyrows"];

pub(crate) fn run(flags: &flags::Run) -> Result<()> {
    let course = Course::new(flags)?;
    let workloads = Workload::all(if flags.quick { 8 } else { 1 });
    let mut records = Vec::new();
    for workload in &workloads {
        for encoding in Encoding::ALL {
            records.extend(course.take_turns(workload, encoding)?);
        }
    }
    let mut python = Vec::new();
    for workload in workloads.iter().filter(|workload| IN_PYTHON.contains(&workload.name)) {
        for encoding in [Encoding::None, Encoding::Zstd] {
            python.extend(course.take_turns_in_python(workload, encoding)?);
        }
    }
    if course.is_chosen("factors/flushed") {
        records.extend(course.flushed(&workloads[0])?);
    }
    let results = Results {
        records,
        python,
        growth: growth::measure(&course, &workloads)?,
        reductions: reductions::measure(&course, flags.quick)?,
        shared: workers::measure(&course, flags.quick)?,
        stores: stores::measure(&course, &flags.stores_python, flags.quick)?,
        program: program::measure(&course, flags.quick)?,
    };
    ensure!(!results.is_empty(), "no workload has one of the words {:?}", course.words);
    if flags.json {
        println!("{}", report::json(&results)?);
    } else {
        print!("{}", report::tables(&results));
    }
    Ok(())
}
