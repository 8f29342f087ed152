//! The memory of this process, as reported by the system.

use std::fs;

/// The memory of the process at the start of a measurement.
pub(crate) struct Peak {
    start: Option<u64>,
}

impl Peak {
    /// Resets the peak, and starts a measurement.
    pub(crate) fn begin() -> Peak {
        let is_forgotten = fs::write("/proc/self/clear_refs", "5").is_ok();
        Peak { start: is_forgotten.then(|| status("VmRSS:")).flatten() }
    }

    /// Returns the peak above the memory at the start in bytes, or `None` if the system does not
    /// report it.
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
