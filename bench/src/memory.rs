//! The memory of this process, as the system counts it.

use std::fs;

/// What the process held when it began, from which on its peak counts.
pub(crate) struct Peak {
    start: Option<u64>,
}

impl Peak {
    /// Forgets the peak so far.
    pub(crate) fn begin() -> Peak {
        let is_forgotten = fs::write("/proc/self/clear_refs", "5").is_ok();
        Peak { start: is_forgotten.then(|| status("VmRSS:")).flatten() }
    }

    /// The bytes above that at the worst moment; none where the system does not tell.
    pub(crate) fn bytes(&self) -> Option<u64> {
        Some(status("VmHWM:")?.saturating_sub(self.start?))
    }
}

fn status(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
