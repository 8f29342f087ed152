//! The course of the benchmark: workload after workload, in each of which all parties take turns.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapOptions;
use serde::Serialize;
use tempfile::TempDir;

use crate::encoding::Encoding;
use crate::flags;
use crate::job::{Job, Outcome, Task};
use crate::party::{Party, Processes};
use crate::pool::{self, Pool};
use crate::workload::{Chunks, Data, Workload};
use crate::{check, growth, program, reductions, report};

/// What one party took for one kind of job.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) workload: &'static str,
    pub(crate) encoding: &'static str,
    pub(crate) is_flushed: bool,
    pub(crate) task: Task,
    pub(crate) party: Party,
    /// Of the elements.
    pub(crate) n_bytes: usize,
    /// Of each round.
    pub(crate) outcomes: Vec<Outcome>,
    /// The files of the stored array, and their bytes.
    pub(crate) n_files: usize,
    pub(crate) stored_bytes: u64,
}

/// Where it takes place, and how often.
pub(crate) struct Course {
    directory: TempDir,
    processes: RefCell<Processes>,
    pub(crate) n_rounds: usize,
    words: Vec<String>,
    parties: Vec<Party>,
    /// What has been measured is told on the way.
    n_done: Cell<usize>,
}

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

impl Course {
    fn new(flags: &flags::Run) -> Result<Course> {
        let in_memory = Path::new("/dev/shm");
        let parent = match &flags.directory {
            Some(directory) => directory.clone(),
            None if in_memory.is_dir() => in_memory.to_owned(),
            None => std::env::temp_dir(),
        };
        let directory = tempfile::Builder::new()
            .prefix("lazy-bench-")
            .tempdir_in(&parent)
            .with_context(|| format!("nothing can be stored in {}", parent.display()))?;
        for (data, name) in [(Data::Noise, "noise"), (Data::Smooth, "smooth")] {
            pool::write(&directory.path().join(name), data)?;
        }
        let split = |list: &Option<String>| -> Vec<String> {
            let words = list.as_deref().unwrap_or_default().split(',');
            words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let names = split(&flags.parties);
        for name in &names {
            let is_one = Party::ALL.iter().any(|party| party.name() == name);
            ensure!(is_one, "there is no party {name:?}");
        }
        let is_chosen = |party: &Party| {
            names.is_empty()
                || *party == Party::Ours
                || names.iter().any(|name| name == party.name())
        };
        Ok(Course {
            directory,
            processes: RefCell::new(Processes::new(flags.python.clone())),
            n_rounds: flags.rounds.unwrap_or(if flags.quick { 1 } else { 5 }).max(1),
            words: split(&flags.only),
            parties: Party::ALL.into_iter().filter(is_chosen).collect(),
            n_done: Cell::new(0),
        })
    }

    pub(crate) fn is_chosen(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(&**word))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn pool(&self, data: Data) -> PathBuf {
        self.path(match data {
            Data::Noise => "noise",
            Data::Smooth => "smooth",
        })
    }

    /// One job, told on standard error.
    pub(crate) fn run(&self, party: Party, job: &Job) -> Result<Outcome> {
        let outcome = self.processes.borrow_mut().run(party, job)?;
        self.n_done.set(self.n_done.get() + 1);
        match &outcome.unsupported {
            Some(_) => {}
            None => eprintln!(
                "{:4} {:12} {:?} {:.3} s",
                self.n_done.get(),
                party.title(),
                job.task,
                outcome.seconds
            ),
        }
        Ok(outcome)
    }

    /// Takes as much memory as a job is going to take, in the same way, and gives it back. A virtual machine
    /// returns memory that is free to its host; who is the next to need it waits for it, whoever that is.
    pub(crate) fn warm_up(&self, task: Task, n_bytes: usize) -> Result<()> {
        const PAGE: usize = 4 << 10;
        match task {
            Task::Store => {
                let path = self.path("warm");
                let mut file = File::create_new(&path)?;
                let zeros = vec![0; 4 << 20];
                for _ in 0..n_bytes / zeros.len() {
                    file.write_all(&zeros)?;
                }
                remove(&path)
            }
            Task::Read => {
                let mut memory = MmapOptions::new().len(n_bytes).map_anon()?;
                // As NumPy has it, and this workspace.
                #[cfg(target_os = "linux")]
                memory.advise(Advice::HugePage)?;
                memory.chunks_mut(PAGE).for_each(|page| page[0] = 1);
                Ok(())
            }
            Task::ReadBlocks => Ok(()),
        }
    }

    /// All parties store and read a workload, in turns.
    fn take_turns(&self, workload: &Workload, encoding: Encoding) -> Result<Vec<Record>> {
        let name = format!("{}/{}", workload.name, encoding.name());
        let tasks = [Task::Store, Task::Read, Task::ReadBlocks];
        let tasks =
            tasks.into_iter().filter(|task| self.is_chosen(&format!("{name}/{}", task.name())));
        let tasks: Vec<_> = tasks.collect();
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        eprintln!("{name}");
        let pool = Pool::load(&self.pool(workload.data))?;
        let mut turns = self.turns(workload, encoding, &tasks, &self.parties);
        let crc32 = match tasks[..] {
            [Task::Store] => 0,
            _ => self.store_what_is_read(workload, encoding, &pool, &mut turns)?,
        };
        for round in 0..self.n_rounds {
            for i in shuffled(turns.len(), round) {
                turns[i].take(self, round, &pool, crc32)?;
            }
        }
        for turn in &turns {
            if turn.job.task != Task::Store {
                remove(&turn.job.path)?;
            }
        }
        Ok(turns.into_iter().map(|turn| turn.record).collect())
    }

    /// Storing with everything on the device at the end, on the disk that has the sources.
    fn flushed(&self, workload: &Workload) -> Result<Vec<Record>> {
        let disk = tempfile::Builder::new().prefix("lazy-bench-").tempdir_in("target")?;
        let pool = Pool::load(&self.pool(workload.data))?;
        let flushes = |party: &Party| {
            matches!(party, Party::Limit | Party::Ours | Party::Tensorstore | Party::Memmap)
        };
        let parties: Vec<_> = self.parties.iter().copied().filter(flushes).collect();
        let mut turns = self.turns(workload, Encoding::None, &[Task::Store], &parties);
        for turn in &mut turns {
            turn.job.flush = true;
            turn.job.path = disk.path().join("stored");
            turn.record.is_flushed = true;
        }
        for round in 0..self.n_rounds {
            for i in shuffled(turns.len(), round) {
                turns[i].take(self, round, &pool, 0)?;
            }
        }
        Ok(turns.into_iter().map(|turn| turn.record).collect())
    }

    fn turns(
        &self,
        workload: &Workload,
        encoding: Encoding,
        tasks: &[Task],
        parties: &[Party],
    ) -> Vec<Turn> {
        let mut turns = Vec::new();
        for &task in tasks {
            for &party in parties.iter().filter(|party| party.takes(task)) {
                let path = self.path("stored");
                let mut job = Job::store(workload, encoding, self.pool(workload.data), path);
                job.task = task;
                if party != Party::Ours
                    && party != Party::Limit
                    && workload.chunks == Chunks::Automatic
                {
                    job.chunks = Some(workload.largest_block());
                }
                let record = Record {
                    workload: workload.name,
                    encoding: encoding.name(),
                    is_flushed: false,
                    task,
                    party,
                    n_bytes: workload.n_bytes(),
                    outcomes: Vec::new(),
                    n_files: 0,
                    stored_bytes: 0,
                };
                turns.push(Turn { party, job, record });
            }
        }
        turns
    }

    /// Stores the arrays that are read, and tells the jobs where they are and how they are cut. Returns the
    /// CRC-32 of what is to be read.
    fn store_what_is_read(
        &self,
        workload: &Workload,
        encoding: Encoding,
        pool: &Pool,
        turns: &mut Vec<Turn>,
    ) -> Result<u32> {
        let store = |party: Party, name: &str| -> Result<Option<Job>> {
            let path = self.path(name);
            let job = Job::store(workload, encoding, self.pool(workload.data), path);
            let outcome = self.run(party, &job)?;
            Ok(outcome.unsupported.is_none().then_some(job))
        };
        let ours = store(Party::Ours, "to_read")?.context("ours stores everything")?;
        let crc32 = check::stored(Party::Ours, &ours, pool)?;
        let also = |party| match self.parties.contains(&party) {
            true => store(party, &format!("to_read_{}", party.name())),
            false => Ok(None),
        };
        also(Party::Limit)?;
        let memmap = also(Party::Memmap)?;
        // What it cannot store, nobody has stored for it.
        turns.retain(|turn| {
            turn.job.task == Task::Store || turn.party != Party::Memmap || memmap.is_some()
        });
        let unit_rows = check::unit_rows(&ours.path)?;
        for turn in turns.iter_mut().filter(|turn| turn.job.task != Task::Store) {
            turn.job.path = match turn.party {
                Party::Limit => self.path("to_read_limit"),
                Party::Memmap => self.path("to_read_memmap"),
                _ => ours.path.clone(),
            };
            if turn.party != Party::Limit {
                turn.job.rows = uniform(workload.n_rows(), unit_rows);
                turn.job.columns = None;
            }
        }
        Ok(crc32)
    }
}

/// One party's, for one kind of job.
struct Turn {
    party: Party,
    job: Job,
    record: Record,
}

impl Turn {
    fn take(&mut self, course: &Course, round: usize, pool: &Pool, crc32: u32) -> Result<()> {
        let is_unsupported = |outcome: &Outcome| outcome.unsupported.is_some();
        if self.record.outcomes.last().is_some_and(is_unsupported) {
            return Ok(());
        }
        let context = || format!("{} {:?}", self.party.title(), self.job.task);
        // What is checked is not what is measured where the check is among it.
        let is_reading = self.job.task != Task::Store;
        if is_reading && round == 0 && self.party != Party::Limit {
            let job = Job { check: true, ..self.job.clone() };
            let outcome = course.run(self.party, &job)?;
            ensure!(
                is_unsupported(&outcome) || outcome.crc32 == Some(crc32),
                "{} read other elements than were stored",
                context()
            );
        }
        course.warm_up(self.job.task, self.record.n_bytes)?;
        let outcome = course.run(self.party, &self.job).with_context(context)?;
        if !is_reading && !is_unsupported(&outcome) {
            if round == 0 && self.party != Party::Limit {
                check::stored(self.party, &self.job, pool).with_context(context)?;
            }
            (self.record.n_files, self.record.stored_bytes) = files(&self.job.path)?;
            remove(&self.job.path)?;
        }
        self.record.outcomes.push(outcome);
        Ok(())
    }
}

/// An order of turns, another one in each round: what one leaves behind, such as free memory in large pieces,
/// is not always the same other's gain.
fn shuffled(n_turns: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..n_turns).collect();
    let mut state = round as u32;
    for i in (1..n_turns).rev() {
        // The generator of Numerical Recipes; its high bits are the better ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        order.swap(i, (state >> 16) as usize % (i + 1));
    }
    order
}

fn uniform(total: usize, size: usize) -> Vec<usize> {
    let mut sizes = vec![size; total / size];
    sizes.extend(Some(total % size).filter(|&rest| rest > 0));
    sizes
}

/// The files at a path and below, and their bytes.
fn files(path: &Path) -> Result<(usize, u64)> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        return Ok((1, metadata.len()));
    }
    fs::read_dir(path)?.try_fold((0, 0), |(n, bytes), entry| {
        let (more, more_bytes) = files(&entry?.path())?;
        Ok((n + more, bytes + more_bytes))
    })
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Err(_) => Ok(()),
        Ok(metadata) if metadata.is_file() => Ok(fs::remove_file(path)?),
        Ok(_) => Ok(fs::remove_dir_all(path)?),
    }
}
