//! Signals that stop a worker.

use std::str::FromStr;

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGURG, SIGUSR1, SIGUSR2,
};

/// A signal that batch systems send to announce the end of a job: `USR1` or `SIGUSR1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopSignal(i32);

const SIGNALS: [(&str, i32); 9] = [
    ("USR1", SIGUSR1),
    ("USR2", SIGUSR2),
    ("TERM", SIGTERM),
    ("INT", SIGINT),
    ("HUP", SIGHUP),
    ("QUIT", SIGQUIT),
    ("URG", SIGURG),
    ("ALRM", SIGALRM),
    ("TSTP", SIGTSTP),
];

impl StopSignal {
    pub(crate) fn number(self) -> i32 {
        self.0
    }
}

impl FromStr for StopSignal {
    type Err = String;

    fn from_str(text: &str) -> Result<StopSignal, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let found = SIGNALS.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, number)| StopSignal(number)).ok_or_else(|| {
            let names = SIGNALS.map(|(name, _)| name).join(", ");
            format!("must be one of {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names() {
        for (text, expected) in [("USR1", SIGUSR1), ("SIGUSR2", SIGUSR2), ("term", SIGTERM)] {
            assert_eq!(text.parse(), Ok(StopSignal(expected)));
        }
        for wrong in ["", "KILL", "STOP", "9", "SIG", "USR3"] {
            let error = wrong.parse::<StopSignal>().unwrap_err();
            assert!(error.starts_with("must be one of USR1, USR2, TERM"), "{error}");
        }
    }
}
