//! Looks for bytes where they must not be: in files, in a process's memory, in its arguments.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// How much of a process is looked at together: bytes.
const CHUNK: usize = 1 << 20;

/// How often `needle` is in `hay`.
pub fn count(hay: &[u8], needle: &[u8]) -> usize {
    let (first, mut found, mut from) = (needle[0], 0, 0);
    while let Some(next) = hay[from..].iter().position(|byte| *byte == first) {
        from += next;
        found += usize::from(hay[from..].starts_with(needle));
        from += 1;
    }
    found
}

/// Every file under `folder`, and every folder, itself included.
pub fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    let mut looked = 0;
    while let Some(path) = all.get(looked).cloned() {
        if path.is_dir() {
            all.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        looked += 1;
    }
    all
}

/// The files under `folder` that hold `needle`.
pub fn files_with(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut files = everything_in(folder);
    files.retain(|path| path.is_file() && count(&std::fs::read(path).unwrap(), needle) > 0);
    files
}

/// How often `needle` is in the memory of a process that runs, and how many bytes of it were looked
/// at. An error when this user may not look.
pub fn memory(pid: u32, needle: &[u8]) -> io::Result<(usize, u64)> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let (mut found, mut looked) = (0, 0);
    let mut chunk = vec![0; CHUNK + needle.len()];
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let range = map.split(' ').next().unwrap().split_once('-').unwrap();
        let address = |hex| u64::from_str_radix(hex, 16).unwrap();
        let (mut from, to) = (address(range.0), address(range.1));
        while from < to {
            let want = usize::try_from(to - from).unwrap().min(chunk.len());
            let Ok(read @ 1..) = memory.read_at(&mut chunk[..want], from) else {
                break;
            };
            found += count(&chunk[..read], needle);
            looked += u64::try_from(read).unwrap();
            // What begins in the overlap is found in the next chunk.
            from += u64::try_from(read.min(CHUNK)).unwrap();
        }
    }
    if looked == 0 {
        Err(io::ErrorKind::PermissionDenied.into())
    } else {
        Ok((found, looked))
    }
}

/// The processes with `needle` in their arguments or environment.
pub fn told_to(needle: &[u8]) -> Vec<PathBuf> {
    let mut processes = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        for said in ["cmdline", "environ"] {
            let said = std::fs::read(process.path().join(said)).unwrap_or_default();
            if count(&said, needle) > 0 {
                processes.push(process.path());
            }
        }
    }
    processes
}
