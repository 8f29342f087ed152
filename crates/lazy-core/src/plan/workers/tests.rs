//! Tests of detection in given environments, and of shares.

use std::collections::BTreeMap;
use std::process::Command;

use super::detect::detect;
use super::*;
use crate::{ErrorKind, report};

/// Detects the worker of a process with the environment variables that `A=1 B=2` sets.
fn detect_in(environment: &str) -> Result<Workers> {
    let variables: BTreeMap<_, _> = environment
        .split_whitespace()
        .map(|word| word.split_once('=').expect("a word is NAME=VALUE"))
        .collect();
    detect(|name| variables.get(name).map(|value| (*value).to_owned()))
}

/// Checks the line that shows the worker, or the message of the error, in each environment.
#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (environment, expected) in cases {
        let found = detect_in(environment);
        match &found {
            Ok(worker) => {
                let alone = worker.count() == Some(1);
                assert_eq!(worker.is_alone(), alone, "{environment}");
                assert!(worker.count().is_none_or(|n| worker.index() < n), "{environment}");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Workers, "{environment}");
                let hint = error.hint().unwrap_or_default();
                // An error of the setting shows the expected form in its message.
                assert!(format!("{error}{hint}").contains("LAZY_WORKER"), "{environment}");
            }
        }
        let found = found.map_or_else(|error| report(&error), |worker| worker.to_string());
        assert_eq!(found, *expected, "{environment}");
    }
}

/// Returns the variables of a task of a Slurm array, as Slurm sets them.
fn array_task(id: usize, ids: &[usize]) -> String {
    let (min, max, count) = (ids[0], ids[ids.len() - 1], ids.len());
    format!(
        "SLURM_JOB_ID=31 SLURM_PROCID=0 SLURM_ARRAY_TASK_ID={id} SLURM_ARRAY_TASK_MIN={min} \
         SLURM_ARRAY_TASK_MAX={max} SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT={count}"
    )
}

#[test]
fn without_an_engine_there_is_one_worker() {
    check(&[
        ("", "the only worker (no engine found)"),
        ("HOME=/root RANK=3 WORLD_SIZE=8 LOCAL_RANK=3", "the only worker (no engine found)"),
        ("SGE_TASK_ID=undefined SGE_TASK_FIRST=undefined", "the only worker (no engine found)"),
        ("LSB_JOBINDEX=0 LSB_JOBINDEX_STEP=0", "the only worker (no engine found)"),
        // An empty variable counts as unset.
        ("PMI_RANK= JOB_COMPLETION_INDEX=", "the only worker (no engine found)"),
        // A batch script and a shell of salloc.
        (
            "SLURM_JOB_ID=32 SLURM_NTASKS=3 SLURM_PROCID=0",
            "the only worker (SLURM_JOB_ID=32, but no SLURM_STEP_ID)",
        ),
        (
            "SLURM_JOB_ID=40 SLURM_NTASKS=2",
            "the only worker (SLURM_JOB_ID=40, but no SLURM_STEP_ID)",
        ),
    ]);
}

#[test]
fn the_setting_decides_alone() {
    let expected = "LAZY_WORKER must be `off` or an index from 0 and a count, such as `3/64`";
    let malformed = |value: &str| format!("{expected}, got `{value}`");
    let values = ["", "env", "OFF", "3", "3/", "/64", "-1/4", "+1/4", "3/64/2", "3:64", "a/b"];
    for value in values.into_iter().chain(["1/99999999999999999999"]) {
        check(&[(&format!("LAZY_WORKER={value}"), &malformed(value))]);
    }
    check(&[
        ("LAZY_WORKER=3/64", "worker 3 of 64 (LAZY_WORKER=3/64)"),
        ("LAZY_WORKER=off", "the only worker (LAZY_WORKER=off)"),
        ("LAZY_WORKER=0/1", "the only worker (LAZY_WORKER=0/1)"),
        ("LAZY_WORKER=3/64 PMI_RANK=1 PMI_SIZE=2", "worker 3 of 64 (LAZY_WORKER=3/64)"),
        ("LAZY_WORKER=off PMI_RANK=x RANK=y", "the only worker (LAZY_WORKER=off)"),
        (
            "LAZY_WORKER=64/64",
            "the environment names no worker with LAZY_WORKER=64/64: the index must be less than \
             the number of workers",
        ),
        (
            "LAZY_WORKER=0/0",
            "the environment names no worker with LAZY_WORKER=0/0: the index must be less than \
             the number of workers",
        ),
    ]);
}

#[test]
fn arrays_of_slurm() {
    let from_1: Vec<_> = (1..=64).collect();
    check(&[
        (
            &array_task(4, &from_1),
            "worker 3 of 64 (SLURM_ARRAY_TASK_ID=4, SLURM_ARRAY_TASK_MIN=1, \
             SLURM_ARRAY_TASK_COUNT=64)",
        ),
        // A rerun of one task.
        (
            &array_task(7, &[7]),
            "the only worker (SLURM_ARRAY_TASK_ID=7, SLURM_ARRAY_TASK_MIN=7, \
             SLURM_ARRAY_TASK_COUNT=1)",
        ),
        // A rerun of two tasks.
        (
            &array_task(17, &[3, 17]),
            "worker 1 of 2 (SLURM_ARRAY_TASK_ID=17, SLURM_ARRAY_TASK_MIN=3, \
             SLURM_ARRAY_TASK_MAX=17, SLURM_ARRAY_TASK_COUNT=2)",
        ),
        (
            &array_task(6, &[1, 5, 6, 9]),
            "about worker 2 of 4 (SLURM_ARRAY_TASK_ID=6, SLURM_ARRAY_TASK_MIN=1, \
             SLURM_ARRAY_TASK_MAX=9, SLURM_ARRAY_TASK_COUNT=4)",
        ),
        (
            "SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_MIN=1",
            "worker 4, of an unknown number (SLURM_ARRAY_TASK_ID=4)",
        ),
        (
            &array_task(70, &from_1),
            "the environment names no worker with SLURM_ARRAY_TASK_ID=70, \
             SLURM_ARRAY_TASK_MIN=1, SLURM_ARRAY_TASK_MAX=64, SLURM_ARRAY_TASK_COUNT=64: the \
             numbers do not belong to one array",
        ),
        (
            "SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=3 \
             SLURM_ARRAY_TASK_COUNT=4",
            "the environment names no worker with SLURM_ARRAY_TASK_ID=2, SLURM_ARRAY_TASK_MIN=1, \
             SLURM_ARRAY_TASK_MAX=3, SLURM_ARRAY_TASK_COUNT=4: the numbers do not belong to one \
             array",
        ),
        (
            "SLURM_ARRAY_TASK_ID=first",
            "the environment variable SLURM_ARRAY_TASK_ID must be a whole number, got `first`",
        ),
    ]);
}

#[test]
fn arrays_of_other_batch_systems() {
    let sge = "SGE_TASK_FIRST=2 SGE_TASK_LAST=10 SGE_TASK_STEPSIZE=4";
    check(&[
        (
            &format!("{sge} SGE_TASK_ID=6"),
            "worker 1 of 3 (SGE_TASK_ID=6, SGE_TASK_FIRST=2, SGE_TASK_LAST=10, \
             SGE_TASK_STEPSIZE=4)",
        ),
        (
            &format!("{sge} SGE_TASK_ID=7"),
            "the environment names no worker with SGE_TASK_ID=7, SGE_TASK_FIRST=2, \
             SGE_TASK_LAST=10, SGE_TASK_STEPSIZE=4: the numbers do not belong to one array",
        ),
        (
            "SGE_TASK_ID=0 SGE_TASK_FIRST=0 SGE_TASK_LAST=3 SGE_TASK_STEPSIZE=1",
            "the environment names no worker with SGE_TASK_ID=0, SGE_TASK_FIRST=0, \
             SGE_TASK_LAST=3, SGE_TASK_STEPSIZE=1: the numbers do not belong to one array",
        ),
        ("SGE_TASK_ID=6", "worker 6, of an unknown number (SGE_TASK_ID=6)"),
        ("PBS_ARRAY_INDEX=5", "worker 5, of an unknown number (PBS_ARRAY_INDEX=5)"),
        ("PBS_ARRAYID=0", "worker 0, of an unknown number (PBS_ARRAYID=0)"),
        ("LSB_JOBINDEX=5 LSB_JOBINDEX_END=9", "worker 5, of an unknown number (LSB_JOBINDEX=5)"),
        (
            "AWS_BATCH_JOB_ARRAY_INDEX=2 AWS_BATCH_JOB_ARRAY_SIZE=5",
            "worker 2 of 5 (AWS_BATCH_JOB_ARRAY_INDEX=2, AWS_BATCH_JOB_ARRAY_SIZE=5)",
        ),
        (
            "BATCH_TASK_INDEX=2 BATCH_TASK_COUNT=5",
            "worker 2 of 5 (BATCH_TASK_INDEX=2, BATCH_TASK_COUNT=5)",
        ),
        (
            "CLOUD_RUN_TASK_INDEX=2 CLOUD_RUN_TASK_COUNT=5",
            "worker 2 of 5 (CLOUD_RUN_TASK_INDEX=2, CLOUD_RUN_TASK_COUNT=5)",
        ),
        ("JOB_COMPLETION_INDEX=5", "worker 5, of an unknown number (JOB_COMPLETION_INDEX=5)"),
    ]);
}

#[test]
fn launchers() {
    let step = "SLURM_JOB_ID=33 SLURM_STEP_ID=0";
    let torch = "RANK=1 WORLD_SIZE=4 LOCAL_RANK=1 MASTER_ADDR=127.0.0.1";
    check(&[
        (
            &format!("{step} SLURM_NTASKS=4 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2"),
            "worker 1 of 2 (SLURM_PROCID=1, SLURM_STEP_NUM_TASKS=2)",
        ),
        (
            &format!("{step} SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1"),
            "the only worker (SLURM_PROCID=0, SLURM_STEP_NUM_TASKS=1)",
        ),
        (
            "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4 PMIX_RANK=1",
            "worker 1 of 4 (OMPI_COMM_WORLD_RANK=1, OMPI_COMM_WORLD_SIZE=4)",
        ),
        ("PMI_RANK=1 PMI_SIZE=4", "worker 1 of 4 (PMI_RANK=1, PMI_SIZE=4)"),
        ("PMI_RANK=1", "worker 1, of an unknown number (PMI_RANK=1)"),
        ("PMI_SIZE=4", "the only worker (no engine found)"),
        ("PMIX_RANK=1", "worker 1, of an unknown number (PMIX_RANK=1)"),
        (torch, "worker 1 of 4 (RANK=1, WORLD_SIZE=4)"),
        ("PARALLEL_SEQ=3 PARALLEL_JOBSLOT=1", "worker 2, of an unknown number (PARALLEL_SEQ=3)"),
        (
            "PARALLEL_SEQ=0",
            "the environment names no worker with PARALLEL_SEQ=0: the number must be at least 1",
        ),
        (
            "PMI_RANK=4 PMI_SIZE=4",
            "the environment names no worker with PMI_RANK=4, PMI_SIZE=4: the index must be less \
             than the number of workers",
        ),
        (
            "PMI_RANK=0 PMI_SIZE=four",
            "the environment variable PMI_SIZE must be a whole number, got `four`",
        ),
    ]);
}

#[test]
fn sources_that_agree_are_one() {
    let step = "SLURM_JOB_ID=33 SLURM_STEP_ID=0 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2";
    let torch = "RANK=1 WORLD_SIZE=2 MASTER_ADDR=node1";
    let in_step = "worker 1 of 2 (SLURM_PROCID=1, SLURM_STEP_NUM_TASKS=2";
    check(&[
        // `srun --mpi=pmi2` and `srun --mpi=pmix`.
        (
            &format!("{step} PMI_RANK=1 PMI_SIZE=2 PMIX_RANK=1"),
            &format!("{in_step}, PMI_RANK=1, PMI_SIZE=2)"),
        ),
        (&format!("{step} PMIX_RANK=1"), &format!("{in_step})")),
        (&format!("{step} PMI_RANK=1"), &format!("{in_step}, PMI_RANK=1)")),
        (&format!("{step} {torch}"), &format!("{in_step}, RANK=1, WORLD_SIZE=2)")),
        (&format!("PMI_RANK=1 {torch}"), "worker 1 of 2 (PMI_RANK=1, RANK=1, WORLD_SIZE=2)"),
        // The variable of GNU parallel does not count beside another source.
        (&format!("{step} PARALLEL_SEQ=9"), &format!("{in_step})")),
        // A source of one worker yields.
        (
            &format!("{torch} SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1"),
            "worker 1 of 2 (RANK=1, WORLD_SIZE=2)",
        ),
        (&format!("{step} RANK=0 WORLD_SIZE=1 MASTER_ADDR=node1"), &format!("{in_step})")),
        (&format!("{step} PMI_RANK=0 PMI_SIZE=1"), &format!("{in_step})")),
        (
            "JOB_COMPLETION_INDEX=0 PMI_RANK=0 PMI_SIZE=1",
            "worker 0, of an unknown number (JOB_COMPLETION_INDEX=0)",
        ),
        (
            "JOB_COMPLETION_INDEX=1 RANK=1 WORLD_SIZE=2 MASTER_ADDR=pod-0",
            "worker 1 of 2 (RANK=1, WORLD_SIZE=2, JOB_COMPLETION_INDEX=1)",
        ),
    ]);
}

#[test]
fn mpi_launchers_win_over_the_step_of_their_daemon() {
    let batch = "SLURM_JOB_ID=34 SLURM_NTASKS=3 SLURM_PROCID=0";
    let daemon = "SLURM_JOB_ID=34 SLURM_STEP_ID=0 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2";
    let open_mpi = "OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=3";
    let by_open_mpi = "worker 2 of 3 (OMPI_COMM_WORLD_RANK=2, OMPI_COMM_WORLD_SIZE=3)";
    check(&[
        (&format!("{batch} {open_mpi} PMIX_RANK=2"), by_open_mpi),
        (&format!("{daemon} {open_mpi} PMIX_RANK=2"), by_open_mpi),
        // `srun` sets the variables of its daemon for other interfaces, too.
        (&format!("{daemon} {open_mpi} PMI_RANK=1 PMI_SIZE=2"), by_open_mpi),
        (
            &format!("{daemon} PMI_RANK=2 PMI_SIZE=3 PMIX_RANK=1"),
            "worker 2 of 3 (PMI_RANK=2, PMI_SIZE=3)",
        ),
        // `mpiexec.hydra` on one node.
        (
            "SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 PMI_RANK=2 PMI_SIZE=3",
            "worker 2 of 3 (PMI_RANK=2, PMI_SIZE=3)",
        ),
    ]);
}

#[test]
fn a_launcher_in_a_task_of_an_array_multiplies() {
    let task = array_task(5, &[4, 5]);
    let of_task = "SLURM_ARRAY_TASK_ID=5, SLURM_ARRAY_TASK_MIN=4, SLURM_ARRAY_TASK_COUNT=2";
    let step = "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=3";
    check(&[
        (
            &task.replace("SLURM_PROCID=0", &format!("{step} SLURM_PROCID=1")),
            &format!("worker 4 of 6 ({of_task}, SLURM_PROCID=1, SLURM_STEP_NUM_TASKS=3)"),
        ),
        (
            &format!("{task} SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1"),
            &format!("worker 1 of 2 ({of_task}, SLURM_PROCID=0, SLURM_STEP_NUM_TASKS=1)"),
        ),
        (
            &format!("{task} SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1 PMI_RANK=1 PMI_SIZE=2"),
            &format!("worker 3 of 4 ({of_task}, PMI_RANK=1, PMI_SIZE=2)"),
        ),
        (
            &format!("{} PMI_RANK=1 PMI_SIZE=2", array_task(6, &[1, 5, 6, 9])),
            "about worker 5 of 8 (SLURM_ARRAY_TASK_ID=6, SLURM_ARRAY_TASK_MIN=1, \
             SLURM_ARRAY_TASK_MAX=9, SLURM_ARRAY_TASK_COUNT=4, PMI_RANK=1, PMI_SIZE=2)",
        ),
        (
            "PBS_ARRAY_INDEX=5 PMI_RANK=1 PMI_SIZE=2",
            "worker 11, of an unknown number (PBS_ARRAY_INDEX=5, PMI_RANK=1, PMI_SIZE=2)",
        ),
        (
            &format!("PBS_ARRAY_INDEX=1 PMI_RANK=1 PMI_SIZE={}", usize::MAX),
            &format!(
                "the environment names no worker with PBS_ARRAY_INDEX=1, PMI_RANK=1, \
                 PMI_SIZE={}: there are too many workers",
                usize::MAX
            ),
        ),
    ]);
}

#[test]
fn sources_that_disagree_are_an_error() {
    let step = "SLURM_STEP_ID=0 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2";
    let torch = "RANK=5 WORLD_SIZE=16 MASTER_ADDR=node1";
    check(&[
        // torchrun on each node of a step.
        (
            &format!("{step} {torch}"),
            "the environment names different workers: worker 1 of 2 (SLURM_PROCID=1, \
             SLURM_STEP_NUM_TASKS=2) and worker 5 of 16 (RANK=5, WORLD_SIZE=16)",
        ),
        (
            "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4 PMI_RANK=1 PMI_SIZE=2",
            "the environment names different workers: worker 1 of 4 (OMPI_COMM_WORLD_RANK=1, \
             OMPI_COMM_WORLD_SIZE=4) and worker 1 of 2 (PMI_RANK=1, PMI_SIZE=2)",
        ),
        (
            &format!("{step} PMIX_RANK=0"),
            "the environment names different workers: worker 1 of 2 (SLURM_PROCID=1, \
             SLURM_STEP_NUM_TASKS=2) and worker 0, of an unknown number (PMIX_RANK=0)",
        ),
        (
            "JOB_COMPLETION_INDEX=1 PMI_RANK=0 PMI_SIZE=4",
            "the environment names different workers: worker 0 of 4 (PMI_RANK=0, PMI_SIZE=4) and \
             worker 1, of an unknown number (JOB_COMPLETION_INDEX=1)",
        ),
        // Without the number of ranks, there is no product.
        (
            "PBS_ARRAY_INDEX=1 PMIX_RANK=0",
            "the environment names different workers: worker 1, of an unknown number \
             (PBS_ARRAY_INDEX=1) and worker 0, of an unknown number (PMIX_RANK=0)",
        ),
        (
            "PBS_ARRAY_INDEX=1 LSB_JOBINDEX=2",
            "the environment names different workers: worker 1, of an unknown number \
             (PBS_ARRAY_INDEX=1) and worker 2, of an unknown number (LSB_JOBINDEX=2)",
        ),
    ]);
}

#[test]
fn from_env_reads_the_environment_of_the_process() {
    // Tests do not change the environment of their own process, so the test runs itself again.
    const MARK: &str = "LAZY_CORE_TEST_OF_FROM_ENV";
    if env::var_os(MARK).is_some() {
        let found = [Workers::from_env(), Workers::parse("env")].map(|found| found.unwrap());
        assert_eq!(
            found.map(|worker| worker.to_string()),
            ["worker 3 of 64 (LAZY_WORKER=3/64)"; 2]
        );
        return;
    }
    let (_, module) = module_path!().split_once("::").expect("the module lies in a crate");
    let name = format!("{module}::from_env_reads_the_environment_of_the_process");
    let output = Command::new(env::current_exe().unwrap())
        .args([&name, "--exact"])
        .envs([(MARK, "1"), (SETTING, "3/64")])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[test]
fn texts_are_parsed() {
    for (index, count) in [(0, 1), (0, 2), (1, 2), (3, 64), (0, usize::MAX)] {
        let text = format!("{index}/{count}");
        for worker in [text.parse(), Workers::parse(&text), Workers::new(index, count)] {
            let worker = worker.unwrap();
            assert_eq!((worker.index(), worker.count()), (index, Some(count)));
            assert_eq!((worker.is_alone(), worker.is_exact()), (count == 1, true));
        }
    }
    assert!("off".parse::<Workers>().unwrap().is_alone());
    let message = |text: &str| text.parse::<Workers>().unwrap_err().to_string();
    assert_eq!(
        message("env"),
        "a worker must be `off` or an index from 0 and a count, such as `3/64`, got `env`"
    );
    assert_eq!(
        message("64/64"),
        "the index of a worker must be less than the number of workers, got 64 of 64"
    );
    assert_eq!(Workers::new(0, 0).unwrap_err().kind(), ErrorKind::Workers);
}

/// Checks that the shares of workers cover all parts exactly once, in order and evenly.
#[track_caller]
fn check_shares(workers: &[Workers]) {
    for n_parts in (0..20).chain([1000, usize::MAX]) {
        let shares: Vec<_> = workers.iter().map(|worker| worker.share(n_parts)).collect();
        assert_eq!((shares[0].start, shares[shares.len() - 1].end), (0, n_parts));
        assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start), "{shares:?}");
        let lens = shares.iter().map(|share| share.end.checked_sub(share.start).unwrap());
        let (least, most) = (lens.clone().min().unwrap(), lens.max().unwrap());
        assert!(most - least <= 1, "{shares:?}");
    }
}

#[test]
fn shares_cover_all_parts_exactly_once() {
    for count in (1..12).chain([64, 391]) {
        let workers = (0..count).map(|index| Workers::new(index, count).unwrap());
        check_shares(&workers.collect::<Vec<_>>());
    }
    let last = Workers::new(usize::MAX - 1, usize::MAX).unwrap();
    assert_eq!(last.share(usize::MAX), usize::MAX - 1..usize::MAX);
    let unknown = detect_in("JOB_COMPLETION_INDEX=5").unwrap();
    assert!(!unknown.is_exact());
    assert_eq!(unknown.share(10), 0..10);
}

#[test]
fn workers_of_an_exact_array_share_all_parts() {
    let mut n_exact = 0;
    for bits in 1_u32..1 << 10 {
        let ids: Vec<usize> = (0..10).filter(|id| bits & (1 << id) != 0).collect();
        let tasks = ids.iter().map(|&id| detect_in(&array_task(id, &ids)).unwrap());
        let tasks: Vec<_> = tasks.collect();
        // All tasks of an array judge alike, and the index increases with that of the task.
        assert!(tasks.iter().all(|task| task.is_exact() == tasks[0].is_exact()), "{ids:?}");
        assert!(tasks.is_sorted_by_key(Workers::index), "{ids:?}");
        let gaps_are_even = ids.windows(3).all(|three| three[0] + three[2] == 2 * three[1]);
        if tasks[0].is_exact() || gaps_are_even {
            check_shares(&tasks);
        }
        n_exact += usize::from(tasks[0].is_exact());
    }
    // The 55 ranges of at least one index, and the 36 pairs with a gap.
    assert_eq!(n_exact, 55 + 36);
}

#[test]
fn workers_of_launchers_in_an_array_share_all_parts() {
    let ids = [4, 5, 6];
    let workers = ids.into_iter().flat_map(|id| (0..5).map(move |rank| (id, rank)));
    let workers = workers.map(|(id, rank)| {
        detect_in(&format!("{} PMI_RANK={rank} PMI_SIZE=5", array_task(id, &ids))).unwrap()
    });
    check_shares(&workers.collect::<Vec<_>>());
}
