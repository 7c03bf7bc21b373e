//! The way to a path, through its directories and links as the kernel goes.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// As many links as the kernel follows.
const LINKS: u32 = 40;

/// What is seen on the way.
#[derive(Clone, Debug)]
pub enum Seen {
    /// This is looked at next, and may take its time.
    Next(PathBuf),
    /// A directory that this user may go through.
    Directory(PathBuf, Metadata),
    /// A link, and where it leads.
    Link(PathBuf, PathBuf),
    /// What is at the path, at the end of the way.
    File(PathBuf, Metadata),
    /// The way ends before.
    Blocked(Blocked),
}

/// Where a way ends that does not lead to a file.
#[derive(Clone, Debug)]
pub enum Blocked {
    /// Before the last entry: a directory refuses this user, is missing, or is none.
    InDirectory,
    /// There is nothing at the path, or nothing where the links lead from there.
    Nothing(PathBuf),
}

/// Goes to a path, and reports what is seen.
pub fn walk(path: &Path, report: &mut dyn FnMut(Seen)) {
    match go(path, report) {
        Ok((path, file)) => report(Seen::File(path, file)),
        Err(blocked) => report(Seen::Blocked(blocked)),
    }
}

/// The last place on the way to a path: the directory that refuses this user, where there is one.
pub fn end(path: &Path) -> PathBuf {
    let mut last = PathBuf::from(if path.is_absolute() { "/" } else { "." });
    walk(path, &mut |seen| {
        if let Seen::Next(next) = seen {
            last = next;
        }
    });
    last
}

fn go(path: &Path, report: &mut dyn FnMut(Seen)) -> Result<(PathBuf, Metadata), Blocked> {
    let mut rest: VecDeque<OsString> = names(path);
    let mut here = start(path, Path::new(""));
    enter(&here, report)?;
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        let next = here.join(name);
        let blocked = |next: PathBuf| if rest.is_empty() { Blocked::Nothing(next) } else { Blocked::InDirectory };
        report(Seen::Next(next.clone()));
        let Ok(metadata) = next.symlink_metadata() else { return Err(blocked(next)) };
        if metadata.is_symlink() {
            links += 1;
            let target = match fs::read_link(&next) {
                Ok(target) if links <= LINKS => target,
                _ => return Err(blocked(next)),
            };
            report(Seen::Link(next, target.clone()));
            here = start(&target, &here);
            names(&target).into_iter().rev().for_each(|name| rest.push_front(name));
        } else if rest.is_empty() {
            return Ok((next, metadata));
        } else {
            enter(&next, report)?;
            here = next;
        }
    }
    // Such a path names a directory: `/` and `.`, or a link there.
    let metadata = shown(&here).metadata().map_err(|_| Blocked::Nothing(here.clone()))?;
    Ok((here, metadata))
}

/// The names of a path, without its root and the point at its begin.
fn names(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter(|name| !matches!(name, Component::RootDir | Component::CurDir));
    names.map(|name| name.as_os_str().to_owned()).collect()
}

/// Where a path begins that is met in a directory.
fn start(path: &Path, directory: &Path) -> PathBuf {
    if path.is_absolute() { "/".into() } else { directory.to_owned() }
}

fn enter(directory: &Path, report: &mut dyn FnMut(Seen)) -> Result<(), Blocked> {
    let directory = shown(directory);
    let metadata = directory.metadata().map_err(|_| Blocked::InDirectory)?;
    if !metadata.is_dir() || may(&directory, Access::EXEC_OK).is_err() {
        return Err(Blocked::InDirectory);
    }
    report(Seen::Directory(directory, metadata));
    Ok(())
}

/// The working directory has a name of one point.
fn shown(directory: &Path) -> PathBuf {
    if directory.as_os_str().is_empty() { ".".into() } else { directory.to_owned() }
}

/// Whether this process, with its effective user, has a right to a file.
pub fn may(path: &Path, right: Access) -> io::Result<()> {
    Ok(accessat(CWD, path, right, AtFlags::EACCESS)?)
}
