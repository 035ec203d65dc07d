//! Huge pages for the embedded server's shared memory, where they may be reserved. Must add to what is reserved and
//! give back no page that it did not add.
//!
//! Two clones of one database differ by 1.8 % (rms) in processor time on pages of 4 kB, and by 0.7 % on huge ones
//! (docs/method.md): where a page is located in memory matters less. The kernel keeps one number of reserved pages for
//! the whole machine (`vm.nr_hugepages`), so what this program added is written to a ledger beside the cluster before
//! it is added, and every change of the number is made under a lock on it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Whether the embedded server is to have huge pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HugePages {
    /// Where the system has them, or lets them be reserved.
    #[default]
    Auto,
    /// They are needed: without them the server does not start.
    On,
    /// None.
    Off,
}

/// Why no pages were reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReserved {
    /// The system has no huge pages, or does not show them.
    Unknown,
    /// Only root may.
    Rights,
    /// Too little memory is free, or it is in pieces that are too small.
    Memory,
}

/// Pages of a server's shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// It is in huge pages; nothing where that is not seen.
    pub huge: Option<bool>,
    /// Bytes that were reserved for it, and are given back when it stops.
    pub reserved_bytes: u64,
    /// Why none were.
    pub not_reserved: Option<NotReserved>,
    /// What `vm.nr_hugepages` must be for it; nothing where the system has no huge pages.
    pub wanted: Option<u64>,
}

/// How often the kernel is asked to bring free memory together.
const MAX_COMPACTIONS: u32 = 4;

/// The format of the ledger.
const FORMAT: &str = "1";

/// What is added to the pages of this size that the system reserves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// The boot it belongs to: a reboot reserves again.
    boot: String,
    /// Pages that were reserved before.
    before: u64,
    /// Pages of ours.
    pages: u64,
    /// They have been added; before that it is only meant to happen.
    added: bool,
}

/// Huge pages of the machine, and those that one cluster added.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    /// `/proc`, or what stands for it in a test.
    proc: PathBuf,
    ledger: PathBuf,
}

impl Pool {
    /// Of the cluster in this folder.
    pub(super) fn of_cluster(folder: &Path) -> Self {
        Self { proc: PathBuf::from("/proc"), ledger: folder.join("huge-pages") }
    }

    /// Bytes of a huge page, where the system has them.
    pub(super) fn page_bytes(&self) -> Option<u64> {
        self.memory("Hugepagesize:").filter(|bytes| *bytes > 0)
    }

    /// Pages that this cluster added and has not given back.
    pub(super) fn added(&self) -> u64 {
        self.entry().map_or(0, |entry| entry.pages)
    }

    /// Pages that are reserved, by whomever.
    pub(super) fn reserved(&self) -> Option<u64> {
        read_number(&mut File::open(self.counter()).ok()?)
    }

    /// Whether the kernel lets this user reserve pages.
    pub(super) fn may_add(&self) -> bool {
        OpenOptions::new().write(true).open(self.counter()).is_ok()
    }

    /// Adds `pages` to what is reserved.
    pub(super) fn add(&self, pages: u64) -> Result<(), NotReserved> {
        self.give_back();
        let page_bytes = self.page_bytes().ok_or(NotReserved::Unknown)?;
        let mut counter = self.open().map_err(|_| NotReserved::Rights)?;
        let available = self.memory("MemAvailable:").unwrap_or_default();
        // What is reserved is taken from all others, whether the server fills it or not: half of the memory stays
        // available.
        let kept = self.memory("MemTotal:").unwrap_or_default() / 2;
        if available < pages * page_bytes + kept {
            return Err(NotReserved::Memory);
        }
        let before = read_number(&mut counter).ok_or(NotReserved::Unknown)?;
        let entry = Entry { boot: self.boot(), before, pages, added: false };
        self.write(&entry).map_err(|_| NotReserved::Rights)?;
        let mut written = write_number(&mut counter, before + pages);
        let mut now = read_number(&mut counter).unwrap_or(before);
        for _ in 0..MAX_COMPACTIONS {
            if written.is_err() || now >= before + pages {
                break;
            }
            // Memory is there, in pieces: the kernel can move them together.
            self.compact();
            written = write_number(&mut counter, before + pages);
            now = read_number(&mut counter).unwrap_or(before);
        }
        if written.is_err() || now < before + pages {
            let _ = write_number(&mut counter, before);
            self.forget();
            return Err(if written.is_err() { NotReserved::Rights } else { NotReserved::Memory });
        }
        self.write(&Entry { added: true, ..entry }).map_err(|_| NotReserved::Rights)
    }

    /// Gives back what this cluster added, if it did; pages in use go when their user ends.
    pub(super) fn give_back(&self) {
        let Some(entry) = self.entry() else { return self.forget() };
        let Ok(mut counter) = self.open() else { return };
        // Two programs may be here at once: who comes second under the lock finds the ledger gone.
        let Some(now) = self.entry().and_then(|_| read_number(&mut counter)) else { return };
        // One that died between ledger and addition has added what is there beyond what was.
        let ours = if entry.added { entry.pages } else { entry.pages.min(now.saturating_sub(entry.before)) };
        if write_number(&mut counter, now.saturating_sub(ours)).is_ok() {
            self.forget();
        }
    }

    fn counter(&self) -> PathBuf {
        self.proc.join("sys/vm/nr_hugepages")
    }

    /// Asks the kernel to bring free memory together; refused, it stays as it is.
    fn compact(&self) {
        if let Ok(mut file) = OpenOptions::new().write(true).open(self.proc.join("sys/vm/compact_memory")) {
            let _ = file.write_all(b"1\n");
        }
    }

    /// The number of reserved pages, locked against other programs of this kind until it is closed.
    fn open(&self) -> std::io::Result<File> {
        let counter = OpenOptions::new().read(true).write(true).open(self.counter())?;
        counter.lock()?;
        Ok(counter)
    }

    /// What the ledger says of this boot.
    fn entry(&self) -> Option<Entry> {
        let text = std::fs::read_to_string(&self.ledger).ok()?;
        let mut fields = text.split_whitespace();
        let mut next = || fields.next();
        let (format, boot) = (next()?, next()?.to_owned());
        let (before, pages) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let entry = Entry { boot, before, pages, added: next()? == "added" };
        (format == FORMAT && entry.boot == self.boot()).then_some(entry)
    }

    fn write(&self, entry: &Entry) -> std::io::Result<()> {
        let Entry { boot, before, pages, added } = entry;
        let state = if *added { "added" } else { "meant" };
        let fresh = self.ledger.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(format!("{FORMAT} {boot} {before} {pages} {state}\n").as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.ledger)
    }

    fn forget(&self) {
        let _ = std::fs::remove_file(&self.ledger);
    }

    fn boot(&self) -> String {
        let boot = std::fs::read_to_string(self.proc.join("sys/kernel/random/boot_id"));
        boot.ok().map(|boot| boot.trim().to_owned()).filter(|boot| !boot.is_empty()).unwrap_or_else(|| "-".to_owned())
    }

    /// Bytes of a line of `meminfo`.
    fn memory(&self, line: &str) -> Option<u64> {
        let text = std::fs::read_to_string(self.proc.join("meminfo")).ok()?;
        let found = text.lines().find_map(|of| of.strip_prefix(line))?;
        found.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    }
}

/// Whether a process of this machine has shared memory in huge pages; nothing where that is not seen.
#[must_use]
pub fn uses_huge_pages(process: u32) -> Option<bool> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
    Some(maps.contains("/anon_hugepage"))
}

fn read_number(file: &mut File) -> Option<u64> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Shorter numbers are padded, for a file of a test keeps what is not overwritten.
fn write_number(file: &mut File, number: u64) -> std::io::Result<()> {
    file.rewind()?;
    file.write_all(format!("{number:<20}\n").as_bytes())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of a test that stand for those of the kernel")]
mod tests {
    use super::*;

    /// A machine with this many pages reserved and this many MiB available.
    fn machine(reserved: u64, available_mib: u64) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        for folder in ["sys/vm", "sys/kernel/random"] {
            std::fs::create_dir_all(proc.path().join(folder)).unwrap();
        }
        let write = |path: &str, text: String| std::fs::write(proc.path().join(path), text).unwrap();
        write("sys/vm/nr_hugepages", format!("{reserved}\n"));
        write("sys/kernel/random/boot_id", "boot-1\n".to_owned());
        let available = format!("MemTotal: 400 kB\nMemAvailable:   {} kB\n", available_mib * 1024 + 200);
        write("meminfo", format!("{available}Hugepagesize:       2048 kB\n"));
        proc
    }

    fn pool(proc: &tempfile::TempDir, cluster: &str) -> Pool {
        Pool { proc: proc.path().to_owned(), ledger: proc.path().join(cluster) }
    }

    #[test]
    fn two_clusters_add_to_what_is_reserved_and_give_back_their_own() {
        let proc = machine(7, 10_000);
        let (one, other) = (pool(&proc, "one"), pool(&proc, "other"));
        one.add(100).unwrap();
        other.add(50).unwrap();
        assert_eq!((one.reserved(), one.added(), other.added()), (Some(157), 100, 50));
        one.give_back();
        one.give_back();
        assert_eq!((one.reserved(), one.added(), other.added()), (Some(57), 0, 50));
        other.give_back();
        assert_eq!(one.reserved(), Some(7));
    }

    #[test]
    fn what_a_killed_program_added_is_given_back_once_and_only_that() {
        let proc = machine(7, 10_000);
        let dead = pool(&proc, "one");
        dead.add(100).unwrap();
        // Its successor finds the ledger; somebody else has reserved more meanwhile.
        std::fs::write(proc.path().join("sys/vm/nr_hugepages"), "127").unwrap();
        let next = pool(&proc, "one");
        next.add(60).unwrap();
        assert_eq!((next.reserved(), next.added()), (Some(87), 60));
        // Killed before the kernel was asked.
        next.write(&Entry { boot: "boot-1".to_owned(), before: 87, pages: 40, added: false }).unwrap();
        next.give_back();
        assert_eq!(next.reserved(), Some(87));
    }

    #[test]
    fn a_reboot_ends_what_a_ledger_says() {
        let proc = machine(7, 10_000);
        let pool = pool(&proc, "one");
        pool.add(100).unwrap();
        std::fs::write(proc.path().join("sys/kernel/random/boot_id"), "boot-2").unwrap();
        std::fs::write(proc.path().join("sys/vm/nr_hugepages"), "7").unwrap();
        pool.give_back();
        assert_eq!((pool.reserved(), pool.added()), (Some(7), 0));
        assert!(!pool.ledger.exists());
    }

    #[test]
    fn memory_that_is_not_free_is_not_reserved() {
        let proc = machine(7, 199);
        assert_eq!(pool(&proc, "one").add(100), Err(NotReserved::Memory));
        assert_eq!(pool(&proc, "one").reserved(), Some(7));
        assert_eq!(pool(&proc, "one").add(99), Ok(()));
        let bare = tempfile::tempdir().unwrap();
        assert_eq!(pool(&bare, "one").add(1), Err(NotReserved::Unknown));
    }
}
