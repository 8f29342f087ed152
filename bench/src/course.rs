//! The turns that all parties take at a workload.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapOptions;
use tempfile::TempDir;

use crate::encoding::Encoding;
use crate::job::{Job, Outcome, Task};
use crate::party::{Party, Processes};
use crate::pool::{self, Pool};
use crate::record::Record;
use crate::workload::{Chunks, Data, Workload};
use crate::{check, flags};

/// The directory, the number of rounds, and the parties.
pub(crate) struct Course {
    directory: TempDir,
    processes: RefCell<Processes>,
    pub(crate) n_rounds: usize,
    pub(crate) words: Vec<String>,
    parties: Vec<Party>,
    /// The number of finished jobs, for the progress on standard error.
    n_done: Cell<usize>,
    /// This program of another revision.
    pub(crate) before: Option<PathBuf>,
}

impl Course {
    pub(crate) fn new(flags: &flags::Run) -> Result<Course> {
        let in_memory = Path::new("/dev/shm");
        let parent = match &flags.directory {
            Some(directory) => directory.clone(),
            None if in_memory.is_dir() => in_memory.to_owned(),
            None => std::env::temp_dir(),
        };
        let directory = tempfile::Builder::new()
            .prefix("lazy-bench-")
            .tempdir_in(&parent)
            .with_context(|| format!("cannot store in {}", parent.display()))?;
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
            let is_there = name != Party::Before.name() || flags.before.is_some();
            ensure!(is_there, "the party {name:?} needs another revision");
        }
        let is_chosen = |party: &Party| match party {
            Party::Ours | Party::Python => true,
            Party::Before => flags.before.is_some(),
            // Two revisions are compared without the others, unless these are named.
            _ => {
                (names.is_empty() && flags.before.is_none())
                    || names.iter().any(|name| name == party.name())
            }
        };
        Ok(Course {
            directory,
            processes: RefCell::new(Processes::new(
                flags.python.clone(),
                flags.before.clone(),
                &[],
            )),
            n_rounds: flags.rounds.unwrap_or(if flags.quick { 1 } else { 5 }).max(1),
            words: split(&flags.only),
            parties: Party::ALL.into_iter().filter(is_chosen).collect(),
            n_done: Cell::new(0),
            before: flags.before.clone(),
        })
    }

    pub(crate) fn is_chosen(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(&**word))
    }

    /// Returns the chosen parties for which the function returns true.
    pub(crate) fn parties(&self, takes: impl Fn(Party) -> bool) -> Vec<Party> {
        self.parties.iter().copied().filter(|&party| takes(party)).collect()
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

    /// Runs one job, and reports it on standard error.
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

    /// Allocates as much memory as a job needs, in the same way, and frees it. A virtual machine
    /// returns free memory to its host, and the next process that needs it has to wait, whichever
    /// it is.
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
                // NumPy and this workspace use huge pages as well.
                #[cfg(target_os = "linux")]
                memory.advise(Advice::HugePage)?;
                memory.chunks_mut(PAGE).for_each(|page| page[0] = 1);
                Ok(())
            }
            Task::ReadBlocks | Task::ReadRegion => Ok(()),
        }
    }

    /// Lets all parties store and read a workload, in turns.
    pub(crate) fn take_turns(
        &self,
        workload: &Workload,
        encoding: Encoding,
    ) -> Result<Vec<Record>> {
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
        let parties = self.parties(Party::takes_files);
        let mut turns = self.turns(workload, encoding, &tasks, &parties);
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

    /// Measures storing with a flush at the end, on the disk that contains the sources.
    pub(crate) fn flushed(&self, workload: &Workload) -> Result<Vec<Record>> {
        let disk = tempfile::Builder::new().prefix("lazy-bench-").tempdir_in("target")?;
        let pool = Pool::load(&self.pool(workload.data))?;
        let parties = self.parties(|party| {
            matches!(party, Party::Limit | Party::Ours | Party::Tensorstore | Party::Memmap)
        });
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

    /// Lets all parties in Python store the blocks of the same producer, in turns.
    pub(crate) fn take_turns_in_python(
        &self,
        workload: &Workload,
        encoding: Encoding,
    ) -> Result<Vec<Record>> {
        let name = format!("python/{}/{}", encoding.name(), workload.name);
        if !self.is_chosen(&name) {
            return Ok(Vec::new());
        }
        eprintln!("{name}");
        let pool = Pool::load(&self.pool(workload.data))?;
        let parties = self.parties(Party::takes_python);
        let mut turns = self.turns(workload, encoding, &[Task::Store], &parties);
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
                if !party.chooses_chunks() && workload.chunks == Chunks::Automatic {
                    job.chunks = Some(workload.largest_block());
                }
                let n_bytes = workload.n_bytes();
                let record = Record::new(workload.name, encoding, task, party, n_bytes);
                turns.push(Turn { party, job, record });
            }
        }
        turns
    }

    /// Stores the arrays to read, and sets their paths and blocks in the jobs. Returns the CRC-32
    /// of the elements.
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
        let ours =
            store(Party::Ours, "to_read")?.context("this workspace did not store the array")?;
        let crc32 = check::stored(Party::Ours, &ours, pool)?;
        let also = |party| {
            if self.parties.contains(&party) {
                store(party, &format!("to_read_{}", party.name()))
            } else {
                Ok(None)
            }
        };
        also(Party::Limit)?;
        let memmap = also(Party::Memmap)?;
        // A party cannot read an array that it cannot store.
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

/// The turn of one party for one kind of job.
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
        // The check runs separately, so that it is not part of the measurement.
        let is_reading = self.job.task != Task::Store;
        if is_reading && round == 0 && self.party != Party::Limit {
            let job = Job { check: true, ..self.job.clone() };
            let outcome = course.run(self.party, &job)?;
            ensure!(
                is_unsupported(&outcome) || outcome.crc32 == Some(crc32),
                "{} read wrong elements",
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

/// Returns a different order of turns in each round, so that the effects of one turn, such as free
/// memory in large pieces, do not always benefit the same party.
pub(crate) fn shuffled(n_turns: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..n_turns).collect();
    let mut state = round as u32;
    for i in (1..n_turns).rev() {
        // The generator of Numerical Recipes. Its high bits are better.
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

/// Returns the number of files at a path and below it, and their bytes.
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
