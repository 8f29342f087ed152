//! The memory that the system grants this process.

use std::sync::OnceLock;

/// Returns the number of bytes of memory that this process can use: the memory of the machine, or
/// less if its cgroup or its address space is limited. Returns `None` if the system does not report
/// it.
///
/// The value is determined once and then cached.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Histogram, LazyChunkSequence, NdarrayConverter, system_memory};
/// use ndarray::array;
///
/// // At most a quarter of the memory.
/// let limit = system_memory().map_or(1 << 30, |bytes| bytes / 4);
/// let sequence = LazyChunkSequence::new(|| [array![0.1, 0.7]]).convert(NdarrayConverter);
/// let counts = sequence.with_memory_limit(limit).compute(Histogram::new([0.0, 0.5, 1.0]))?;
/// assert_eq!(counts.bins, array![1, 1]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[must_use]
pub fn system_memory() -> Option<u64> {
    static BYTES: OnceLock<Option<u64>> = OnceLock::new();
    *BYTES.get_or_init(find_out)
}

#[cfg(target_os = "linux")]
fn find_out() -> Option<u64> {
    use std::fs::read_to_string as read;

    let machine = read("/proc/meminfo").ok().and_then(|text| of_machine(&text));
    let process = read("/proc/self/limits").ok().and_then(|text| of_process(&text));
    let cgroups = read("/proc/self/cgroup").unwrap_or_default();
    let of_cgroups = cgroup_files(&cgroups).into_iter().filter_map(|path| {
        // In cgroup v2, no limit is `max`.
        read(path).ok()?.trim().parse().ok()
    });
    machine.into_iter().chain(process).chain(of_cgroups).min()
}

#[cfg(not(target_os = "linux"))]
fn find_out() -> Option<u64> {
    None
}

/// Reads the total from `/proc/meminfo`.
#[cfg(any(target_os = "linux", test))]
fn of_machine(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Reads the limit of the address space from `/proc/self/limits`.
#[cfg(any(target_os = "linux", test))]
fn of_process(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns the files with the memory limits of the process's cgroup and of all cgroups that contain
/// it.
#[cfg(any(target_os = "linux", test))]
fn cgroup_files(text: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (mount, name) = if number == "0" && controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let mut path = path.trim_end_matches('/');
        loop {
            files.push(format!("{mount}{path}/{name}"));
            match path.rsplit_once('/') {
                Some((parent, _)) => path = parent,
                None => break,
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_understood() {
        let meminfo = "MemTotal:       24567890 kB\nMemFree:         1000 kB\n";
        assert_eq!(of_machine(meminfo), Some(24_567_890 * 1024));
        assert_eq!(of_machine("MemTotal: much\n"), None);
        let limits = "\
             Limit                     Soft Limit           Hard Limit           Units     \n\
             Max address space         4096000000           unlimited            bytes     \n";
        assert_eq!(of_process(limits), Some(4_096_000_000));
        assert_eq!(of_process(&limits.replace("4096000000", "unlimited ")), None);
    }

    #[test]
    fn limits_are_those_of_a_cgroup_and_of_all_above_it() {
        assert_eq!(
            cgroup_files("0::/a.slice/b.scope\n"),
            [
                "/sys/fs/cgroup/a.slice/b.scope/memory.max",
                "/sys/fs/cgroup/a.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        assert_eq!(cgroup_files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(
            cgroup_files("7:cpu,cpuacct:/x\n5:memory:/docker/1\n"),
            [
                "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ]
        );
        assert!(cgroup_files("nonsense\n1:\n").is_empty());
    }

    #[test]
    fn a_machine_has_memory() {
        if cfg!(target_os = "linux") {
            assert!(system_memory().is_some_and(|bytes| bytes > 64 << 20));
        }
    }
}
