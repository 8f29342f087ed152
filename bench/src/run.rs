//! The run of the benchmark: workload after workload, with all parties in turns.

use anyhow::{Result, ensure};

use crate::course::Course;
use crate::encoding::Encoding;
use crate::workload::Workload;
use crate::{flags, growth, program, reductions, report};

pub(crate) fn run(flags: &flags::Run) -> Result<()> {
    let course = Course::new(flags)?;
    let workloads = Workload::all(if flags.quick { 8 } else { 1 });
    let mut records = Vec::new();
    for workload in &workloads {
        for encoding in Encoding::ALL {
            records.extend(course.take_turns(workload, encoding)?);
        }
    }
    if course.is_chosen("factors/flushed") {
        records.extend(course.flushed(&workloads[0])?);
    }
    let growth = growth::measure(&course, &workloads)?;
    let reductions = reductions::measure(&course, flags.quick)?;
    let program = program::measure(&course, flags.quick)?;
    ensure!(
        !(records.is_empty() && growth.is_empty() && reductions.is_empty() && program.is_empty()),
        "no workload has one of the words {:?}",
        course.words
    );
    if flags.json {
        println!("{}", report::json(&records, &growth, &reductions, &program)?);
    } else {
        print!("{}", report::tables(&records, &growth, &reductions, &program));
    }
    Ok(())
}
