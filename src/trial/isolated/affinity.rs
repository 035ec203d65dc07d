//! Keeps processes on one processor for a while. Must give every one the processors back that it had.

#[cfg(target_os = "linux")]
mod linux {
    use rustix::process::Pid;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// The processors that this thread may run on.
    pub(in crate::trial::isolated) fn allowed() -> Vec<u32> {
        let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
        (0..CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).map(|processor| processor as u32).collect()
    }

    /// Processes on one processor, until it is dropped.
    #[derive(Debug)]
    pub(in crate::trial::isolated) struct Pinned {
        /// Each with the processors it had; nothing for this thread.
        had: Vec<(Option<Pid>, CpuSet)>,
    }

    impl Pinned {
        /// Keeps these processes and this thread on a processor; nothing where the system does not permit it.
        pub(in crate::trial::isolated) fn new(processes: &[u32], processor: u32) -> Option<Self> {
            let mut wanted = CpuSet::new();
            wanted.set(processor as usize);
            let mut pinned = Self { had: Vec::new() };
            let processes = processes.iter().map(|process| Pid::from_raw(*process as i32)).filter(Option::is_some);
            for process in processes.chain([None]) {
                let had = sched_getaffinity(process).ok()?;
                // Where one is refused the others get back what they had as this is dropped.
                sched_setaffinity(process, &wanted).ok()?;
                pinned.had.push((process, had));
            }
            Some(pinned)
        }
    }

    impl Drop for Pinned {
        fn drop(&mut self) {
            for (process, had) in &self.had {
                // A process that has ended needs none.
                let _ = sched_setaffinity(*process, had);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_pinned_process_gets_its_processors_back() {
            let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
            let before = allowed();
            let of_child = |child: u32| sched_getaffinity(Pid::from_raw(child as i32)).unwrap();
            let had = of_child(child.id());
            let last = *before.last().unwrap();
            let pinned = Pinned::new(&[child.id()], last).unwrap();
            assert_eq!((allowed(), of_child(child.id()).count()), (vec![last], 1));
            drop(pinned);
            assert_eq!((allowed(), of_child(child.id())), (before.clone(), had));
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(Pinned::new(&[child.id()], last).is_none(), "it has ended");
            assert_eq!(allowed(), before);
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{Pinned, allowed};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    /// Not known.
    pub(in crate::trial::isolated) fn allowed() -> Vec<u32> {
        Vec::new()
    }

    /// Nothing is pinned here.
    #[derive(Debug)]
    pub(in crate::trial::isolated) struct Pinned;

    impl Pinned {
        /// The system has no such call.
        pub(in crate::trial::isolated) fn new(_processes: &[u32], _processor: u32) -> Option<Self> {
            None
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{Pinned, allowed};
