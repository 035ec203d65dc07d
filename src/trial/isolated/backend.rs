//! A process of the server on this machine: whether it is the one that answers, and how much processor time it has
//! used. Must only read.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// A backend whose processor time is read.
#[derive(Debug)]
pub(super) struct Backend {
    process: u32,
    /// `/proc/<pid>/schedstat`: its first field is the processor time in nanoseconds.
    times: File,
    /// `/proc/<pid>/stat`: its third field says whether the process sleeps.
    state: File,
}

/// How long a backend may take to sleep after its answer, and how often is looked.
const LOOK: Duration = Duration::from_micros(20);
const MAX_LOOKS: u32 = 500;

impl Backend {
    /// The process that a server names, where it is seen from here and is one of PostgreSQL's. A number alone says
    /// little: a container numbers its processes from 1.
    pub(super) fn open(process: u32) -> Option<Self> {
        let title = std::fs::read(format!("/proc/{process}/cmdline")).ok()?;
        let title = String::from_utf8_lossy(&title).into_owned();
        let open = |name: &str| File::open(format!("/proc/{process}/{name}")).ok();
        let backend = Self { process, times: open("schedstat")?, state: open("stat")? };
        (title.contains("postgres") && backend.cpu_ns().is_some()).then_some(backend)
    }

    /// Its number.
    pub(super) fn process(&self) -> u32 {
        self.process
    }

    /// Processor time it has used, in nanoseconds; exact while it sleeps.
    pub(super) fn cpu_ns(&self) -> Option<u64> {
        let mut text = [0; 64];
        let length = self.times.read_at(&mut text, 0).ok()?;
        std::str::from_utf8(&text[..length]).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// Waits, off the processor, until it sleeps; false where it does not within ten milliseconds or so.
    pub(super) fn settle(&self) -> bool {
        (0..MAX_LOOKS).any(|_| {
            let sleeps = self.sleeps();
            if !sleeps {
                // It may need this very processor to come to its end.
                std::thread::sleep(LOOK);
            }
            sleeps
        })
    }

    fn sleeps(&self) -> bool {
        let mut text = [0; 128];
        let Ok(length) = self.state.read_at(&mut text, 0) else { return true };
        // The name of the process stands in brackets and may hold anything.
        let state = text[..length].iter().rposition(|byte| *byte == b')').and_then(|at| text.get(at + 2));
        state.is_none_or(|state| *state == b'S')
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_none_of_postgresql_is_not_read() {
        assert!(Backend::open(std::process::id()).is_none());
        assert!(Backend::open(u32::MAX).is_none());
    }
}
