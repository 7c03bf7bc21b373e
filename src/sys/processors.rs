//! The processors that the process can use at a time: those of its first thread's affinity mask, or fewer where a control
//! group has a CPU quota (cgroups(7)).

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::errno::KeepErrno;
use super::file::{open_directory, open_in, system_of};
use super::thread::cpus_of_process;
use crate::cause::Cause;

/// Room for a path or for the list of the process's groups.
const ROOM: usize = libc::PATH_MAX as usize;

/// The number of processors, rounded down; 1 where the quota cannot be found out.
pub(super) fn processors() -> u32 {
    let _keep = KeepErrno::new();
    quota().map_or(1, |quota| quota.min(u32::try_from(cpus_of_process()).unwrap_or(1)))
}

/// The group of a process that has the say on its processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group<'a> {
    /// In the hierarchy of the cpu controller.
    V1(&'a [u8]),
    /// In the one hierarchy of all controllers.
    V2(&'a [u8]),
}

/// The quota in processors; `None` if it is unknown.
fn quota() -> Option<u32> {
    let mut room = [0; ROOM];
    let directory = open_directory(c"/proc/self").ok()?;
    match Group::find(read(&directory, c"cgroup", &mut room).ok()?)? {
        Group::V1(path) => quota_v1(&hierarchy(c"/sys/fs/cgroup/cpu", libc::CGROUP_SUPER_MAGIC)?, path),
        Group::V2(path) => {
            let unified = || hierarchy(c"/sys/fs/cgroup/unified", libc::CGROUP2_SUPER_MAGIC);
            quota_v2(&hierarchy(c"/sys/fs/cgroup", libc::CGROUP2_SUPER_MAGIC).or_else(unified)?, path)
        }
    }
}

impl<'a> Group<'a> {
    /// Finds the group in `/proc/self/cgroup`.
    fn find(list: &'a [u8]) -> Option<Self> {
        let mut v2 = None;
        for line in list.split(|byte| *byte == b'\n') {
            let mut parts = line.splitn(3, |byte| *byte == b':');
            let (Some(number), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            if controllers.split(|byte| *byte == b',').any(|name| name == b"cpu") {
                return Some(Self::V1(path));
            } else if number == b"0" && controllers.is_empty() {
                v2 = Some(Self::V2(path));
            }
        }
        v2
    }
}

/// The root of a hierarchy, if it is mounted there.
fn hierarchy(path: &CStr, magic: libc::c_long) -> Option<OwnedFd> {
    open_directory(path).ok().filter(|root| system_of(root).is_ok_and(|system| system == magic))
}

fn quota_v1(root: &OwnedFd, path: &[u8]) -> Option<u32> {
    lowest(path, |group| {
        let Some(quota) = read_in(root, group, b"cpu.cfs_quota_us", whole)? else { return Some(u32::MAX) };
        let period = read_in(root, group, b"cpu.cfs_period_us", whole)??;
        if quota < 0 { Some(u32::MAX) } else { ratio(quota, period) }
    })
}

fn quota_v2(root: &OwnedFd, path: &[u8]) -> Option<u32> {
    let both = |text: &[u8]| {
        let mut numbers = text.splitn(2, |byte| *byte == b' ');
        match (numbers.next()?, whole(numbers.next()?)?) {
            (b"max", _) => Some(u32::MAX),
            (quota, period) => ratio(whole(quota)?, period),
        }
    };
    lowest(path, |group| Some(read_in(root, group, b"cpu.max", both)?.unwrap_or(u32::MAX)))
}

/// The lowest quota of a group and those above it. A container may see its own group as the root, under a path from outside:
/// then the groups on the way are not there.
fn lowest(path: &[u8], quota: impl Fn(&[u8]) -> Option<u32>) -> Option<u32> {
    let mut group = path.strip_prefix(b"/")?;
    let mut lowest = u32::MAX;
    loop {
        lowest = lowest.min(quota(group)?);
        if group.is_empty() {
            return Some(lowest);
        }
        group = group.get(..group.iter().rposition(|byte| *byte == b'/').unwrap_or(0))?;
    }
}

/// Reads a file of a group. `Some(None)` where it is not there.
fn read_in<T>(root: &OwnedFd, group: &[u8], file: &[u8], parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    let (mut path, mut room) = ([0; ROOM], [0; 64]);
    let mut free = path.iter_mut();
    // The last byte stays 0.
    let parts = [group, if group.is_empty() { b"" } else { b"/" }, file];
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    if len >= ROOM || group.split(|byte| *byte == b'/').any(|name| name == b"..") {
        return None;
    }
    for (to, from) in free.by_ref().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    match read(root, CStr::from_bytes_until_nul(&path).ok()?, &mut room) {
        Ok(text) => parse(text.trim_ascii_end()).map(Some),
        Err(Cause::Os(libc::ENOENT)) => Some(None),
        Err(_) => None,
    }
}

/// Reads a file to its end, for which there must be room.
fn read<'a>(directory: &OwnedFd, name: &CStr, room: &'a mut [u8]) -> Result<&'a [u8], Cause> {
    let file = open_in(directory, name, libc::O_RDONLY, 0)?;
    let mut len = 0;
    loop {
        let free = room.get_mut(len..).filter(|free| !free.is_empty()).ok_or(Cause::Malformed)?;
        // SAFETY: the pointer and the length describe `free`.
        let rc = unsafe { libc::read(file.as_raw_fd(), free.as_mut_ptr().cast(), free.len()) };
        match usize::try_from(rc) {
            Ok(0) => return Ok(room.get(..len).unwrap_or_default()),
            Ok(more) => len += more,
            Err(_) => return Err(super::errno::last()),
        }
    }
}

fn whole(text: &[u8]) -> Option<i64> {
    str::from_utf8(text).ok()?.parse().ok()
}

fn ratio(quota: i64, period: i64) -> Option<u32> {
    u32::try_from(quota.checked_div(period)?).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn this_process_has_processors() {
        assert!((1..=cpus_of_process() as u32).contains(&processors()));
    }

    #[test]
    fn the_group_with_the_cpu_controller_counts() {
        let groups: [(&[u8], _); 6] = [
            (b"0::/a/b\n", Some(Group::V2(b"/a/b"))),
            (b"9:name=systemd:/x\n3:cpuset:/y\n4:cpu,cpuacct:/z:1\n0::/v2\n", Some(Group::V1(b"/z:1"))),
            (b"3:cpuset,cpuacct:/y\n0::/v2", Some(Group::V2(b"/v2"))),
            (b"3:cpuset:/y\n", None),
            (b"", None),
            (b"\xff:\n::\n0:", None),
        ];
        for (list, group) in groups {
            assert_eq!(Group::find(list), group, "{}", list.escape_ascii());
        }
    }

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_lowest_quota_counts() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            &[
                ("a/cpu.max", "350000 100000\n"),
                ("a/b/cpu.max", "max 100000\n"),
                ("a/c/cpu.max", "150000 100000\n"),
                ("bad/cpu.max", "200000\n"),
                ("zero/cpu.max", "200000 0\n"),
                ("long/cpu.max", &"1".repeat(100)),
                ("a/cpu.cfs_quota_us", "250000\n"),
                ("a/cpu.cfs_period_us", "100000\n"),
                ("a/b/cpu.cfs_quota_us", "-1\n"),
                ("a/b/cpu.cfs_period_us", "100000\n"),
                ("bad/cpu.cfs_quota_us", "250000\n"),
            ],
        );
        fs::create_dir_all(dir.path().join("loop/cpu.max")).unwrap();
        let root = OwnedFd::from(fs::File::open(dir.path()).unwrap());
        let none = Some(u32::MAX);
        let quotas = [
            ("/", none, none),
            ("/a", Some(3), Some(2)),
            ("/a/b", Some(3), Some(2)),
            ("/a/c", Some(1), Some(2)),
            ("/a/b/not/there", Some(3), Some(2)),
            ("/bad", None, None),
            ("/zero", None, none),
            ("/long", None, none),
            ("/loop", None, none),
            ("/../a", None, None),
            ("relative", None, None),
        ];
        for (path, v2, v1) in quotas {
            assert_eq!((quota_v2(&root, path.as_bytes()), quota_v1(&root, path.as_bytes())), (v2, v1), "{path}");
        }
        let deep = format!("/{}", "a".repeat(ROOM));
        assert_eq!(quota_v2(&root, deep.as_bytes()), None);
    }
}
