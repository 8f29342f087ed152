//! Workers that share one array by a plan, and that are killed or stopped: the target is the old
//! array or the new one, finished parts are not computed again, and the other workers complete the
//! array.

mod killed;
mod random;
mod reference;
mod stopped;
mod together;
mod trial;
mod worker;

use anyhow::Result;
use lazy_tests::Failpoint;

use crate::bench::Bench;
use crate::course::{Course, Flush, Place, Start};
use crate::points::failpoints;
use crate::{FEW_ROUNDS, on_all_cores};

use reference::Reference;
pub(crate) use worker::Worker;

/// With few rounds, one of this many courses runs, and one of this many points in each of them.
const FEW: usize = 3;

/// The number of rounds of other trials for each round in which workers are killed at random
/// moments.
const ROUNDS_PER_ROUND: usize = 10;

/// Runs the trials of the courses whose names contain all of these words.
pub(crate) fn check(bench: &Bench, n_rounds: usize, words: &[String]) -> Result<()> {
    let step = if n_rounds > FEW_ROUNDS || !words.is_empty() { 1 } else { FEW };
    // The number of each course determines its points.
    let mut courses: Vec<_> = all_courses().into_iter().enumerate().collect();
    courses.retain(|(_, course)| {
        let name = format!("workers {course}");
        words.iter().all(|word| name.contains(word))
    });
    let courses: Vec<_> = courses.into_iter().step_by(step).collect();
    let references =
        on_all_cores(&courses, |(i, course)| Ok((*i / step, Reference::new(bench, *course)?)))?;
    let at_points = |step: usize| -> Vec<(&Reference, Failpoint)> {
        let of_course = |(i, reference): &'_ (usize, Reference)| {
            failpoints(&reference.operations).into_iter().skip(i % step).step_by(step)
        };
        let all = |course| of_course(course).map(|point| (&course.1, point)).collect::<Vec<_>>();
        references.iter().flat_map(all).collect()
    };

    let points = at_points(step);
    let killed = on_all_cores(&points, |(reference, point)| killed::run(bench, reference, *point))?;
    let n_again: usize = killed.iter().sum();
    println!(
        "{} crash points of workers in {} courses, and {n_again} of workers that took over",
        points.len(),
        references.len()
    );

    let points = at_points(2 * step);
    let n_killed = on_all_cores(&points, |(reference, point)| {
        together::run(bench, reference, *point).map(usize::from)
    })?;
    let n_killed: usize = n_killed.iter().sum();
    println!("{} pairs of workers, one of which was killed {n_killed} times", points.len());

    let n_stopped =
        on_all_cores(&references, |(i, reference)| stopped::run(bench, reference, i % step, step))?;
    let n_stopped: usize = n_stopped.iter().sum();
    println!("{n_stopped} workers were stopped, and continued when another one had finished");

    let large: Vec<_> =
        courses.iter().map(|(_, course)| Course { is_large: true, ..*course }).collect();
    let n_large = if n_rounds == 0 { 0 } else { n_rounds.div_ceil(ROUNDS_PER_ROUND) };
    let rounds: Vec<_> = (0..n_large).zip(large.iter().cycle()).collect();
    let n_killed = on_all_cores(&rounds, |(round, course)| random::run(bench, course, *round))?;
    let n_killed: usize = n_killed.iter().sum();
    println!("{n_killed} workers were killed at random moments, in {} rounds", rounds.len());
    Ok(())
}

/// Returns all courses of workers.
fn all_courses() -> Vec<Course> {
    let course = |bits: usize| {
        let [is_aligned, is_old, in_group, is_flushed] = [1, 2, 4, 8].map(|bit| bits & bit > 0);
        // Both values are also among the courses that run with few rounds.
        let is_sharded = (bits / FEW).is_multiple_of(2);
        Course {
            start: if is_old { Start::Array } else { Start::Nothing },
            place: match (in_group, is_old || is_aligned) {
                (false, _) => Place::Bare,
                (true, true) => Place::Group,
                (true, false) => Place::NewGroups,
            },
            has_foreign_files: false,
            removes_old: false,
            is_resumable: true,
            is_sharded,
            flush: match (is_flushed, is_sharded == in_group) {
                (false, _) => Flush::Never,
                (true, true) => Flush::AtOnce,
                (true, false) => Flush::Each,
            },
            is_large: false,
            is_aligned,
        }
    };
    (0..16).map(course).collect()
}
