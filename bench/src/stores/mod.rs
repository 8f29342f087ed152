//! Arrays in an object store: an emulator of S3, near and far away.

mod delay;
mod server;

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::check;
use crate::course::{Course, shuffled};
use crate::encoding::Encoding;
use crate::job::{BUCKET, Job, Task};
use crate::party::{Party, Processes};
use crate::pool::Pool;
use crate::record::Record;
use crate::workload::{Chunks, Workload};
use server::Server;

/// The milliseconds that a byte takes to the server and back.
const LATENCIES: [u64; 2] = [0, 20];

/// The workloads and tasks.
const TASKS: [(&str, Task); 5] = [
    ("factors", Task::Store),
    ("tiny", Task::Store),
    ("factors", Task::Read),
    ("sharded", Task::Read),
    ("sharded", Task::ReadRegion),
];

/// A region that lies in four chunks of one shard of *sharded*.
const REGION: [Range<usize>; 2] = [200..300, 3000..4000];

/// Measures the tasks with an interpreter that has the clients of stores, and the emulator.
pub(crate) fn measure(course: &Course, python: &Path, is_quick: bool) -> Result<Vec<Record>> {
    let name = |workload, task: Task, latency| format!("s3/{workload}/{}/{latency}ms", task.name());
    let chosen: Vec<_> = LATENCIES
        .iter()
        .flat_map(|&latency| TASKS.map(|(workload, task)| (workload, task, latency)))
        .filter(|&(workload, task, latency)| course.is_chosen(&name(workload, task, latency)))
        .collect();
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let server = Server::start(python)?;
    let credentials = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    let mut processes = Processes::new(python.to_owned(), course.before.clone(), &credentials);
    let workloads = Workload::all(if is_quick { 32 } else { 4 });
    let mut records = Vec::new();
    for (workload, task, latency) in chosen {
        eprintln!("{}", name(workload, task, latency));
        let workload = workloads.iter().find(|other| other.name == workload);
        let workload = workload.context("the workload exists")?;
        let address = match latency {
            0 => server.address,
            _ => delay::delayed(server.address, Duration::from_millis(latency))?,
        };
        let job = Job {
            task,
            endpoint: Some(format!("http://{address}")),
            ..Job::store(
                workload,
                Encoding::None,
                course.pool(workload.data),
                format!("s3://{BUCKET}/array").into(),
            )
        };
        let turns = Turns { course, server: &server, processes: &mut processes, workload, latency };
        records.extend(turns.take(&job)?);
    }
    Ok(records)
}

/// The turns of all parties at one task.
struct Turns<'a> {
    course: &'a Course,
    server: &'a Server,
    processes: &'a mut Processes,
    workload: &'a Workload,
    latency: u64,
}

impl Turns<'_> {
    fn take(self, job: &Job) -> Result<Vec<Record>> {
        let parties = self.course.parties(Party::takes_stores);
        let mut records: Vec<_> = parties.iter().map(|&party| self.record(party, job)).collect();
        self.server.clear()?;
        let mut job = job.clone();
        let pool = Pool::load(&job.pool)?;
        let mut crc32 = None;
        if job.task != Task::Store {
            // The array that all parties read, and the objects of the bare loop.
            let store = Job { task: Task::Store, ..job.clone() };
            self.processes.run(Party::Ours, &store)?;
            check::stored(Party::Ours, &store, &pool)?;
            if parties.contains(&Party::Limit) {
                self.processes.run(Party::Limit, &store)?;
            }
            if job.task == Task::ReadRegion {
                let [rows, columns] = REGION;
                job.region = Some([rows.start, columns.start, rows.end, columns.end]);
            }
            let ours = Job { check: true, ..job.clone() };
            crc32 = self.processes.run(Party::Ours, &ours)?.crc32;
        }
        for round in 0..self.course.n_rounds {
            for i in shuffled(parties.len(), round) {
                let (party, job) = (parties[i], self.job(parties[i], &job));
                let context = || format!("{} {:?}", party.title(), job.task);
                if job.task == Task::Store {
                    self.server.clear()?;
                } else if round == 0 && party != Party::Limit {
                    let outcome = self.processes.run(party, &Job { check: true, ..job.clone() })?;
                    ensure!(outcome.crc32 == crc32, "{} read wrong elements", context());
                }
                if job.task == Task::Read {
                    self.course.warm_up(job.task, self.workload.n_bytes())?;
                }
                let outcome = self.processes.run(party, &job).with_context(context)?;
                if job.task == Task::Store && round == 0 && party != Party::Limit {
                    check::stored(party, &job, &pool).with_context(context)?;
                }
                eprintln!("{:16} {:.3} s", party.title(), outcome.seconds);
                records[i].outcomes.push(outcome);
            }
        }
        Ok(records)
    }

    /// Returns the job of one party.
    fn job(&self, party: Party, job: &Job) -> Job {
        let chunks = if !party.chooses_chunks() && self.workload.chunks == Chunks::Automatic {
            Some(self.workload.largest_block())
        } else {
            job.chunks
        };
        Job { chunks, ..job.clone() }
    }

    fn record(&self, party: Party, job: &Job) -> Record {
        let n_bytes = match job.task {
            Task::ReadRegion => REGION.iter().map(Range::len).product::<usize>() * size_of::<f32>(),
            _ => self.workload.n_bytes(),
        };
        Record {
            latency_ms: Some(self.latency),
            ..Record::new(self.workload.name, Encoding::None, job.task, party, n_bytes)
        }
    }
}
