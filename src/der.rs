//! The one table of DAOS error numbers.
//!
//! No number ever changed its value. Functions return them negated. (DAOS: `daos_errno.h`, and `gurt/errno.h`
//! up to 1.0.1.)

use std::ffi::CStr;

/// Success.
pub const DER_SUCCESS: i32 = 0;
/// The number before the first general one.
pub const DER_ERR_GURT_BASE: i32 = 1000;
/// Permission denied.
pub const DER_NO_PERM: i32 = 1001;
/// Invalid handle or descriptor.
pub const DER_NO_HDL: i32 = 1002;
/// Invalid argument.
pub const DER_INVAL: i32 = 1003;
/// Already exists.
pub const DER_EXIST: i32 = 1004;
/// Does not exist.
pub const DER_NONEXIST: i32 = 1005;
/// Unreachable node.
pub const DER_UNREACH: i32 = 1006;
/// No space left.
pub const DER_NOSPACE: i32 = 1007;
/// Done already.
pub const DER_ALREADY: i32 = 1008;
/// Out of memory.
pub const DER_NOMEM: i32 = 1009;
/// Not implemented.
pub const DER_NOSYS: i32 = 1010;
/// Timed out.
pub const DER_TIMEDOUT: i32 = 1011;
/// Busy.
pub const DER_BUSY: i32 = 1012;
/// Try again.
pub const DER_AGAIN: i32 = 1013;
/// The peer broke the protocol.
pub const DER_PROTO: i32 = 1014;
/// Not initialised.
pub const DER_UNINIT: i32 = 1015;
/// Message cut short.
pub const DER_TRUNC: i32 = 1016;
/// Too large.
pub const DER_OVERFLOW: i32 = 1017;
/// Cancelled.
pub const DER_CANCELED: i32 = 1018;
/// Out of group, or rank unknown.
pub const DER_OOG: i32 = 1019;
/// Mercury error.
pub const DER_HG: i32 = 1020;
/// RPC not registered.
pub const DER_UNREG: i32 = 1021;
/// Address string could not be made.
pub const DER_ADDRSTR_GEN: i32 = 1022;
/// PMIx error.
pub const DER_PMIX: i32 = 1023;
/// Incast variable: forward the request.
pub const DER_IVCB_FORWARD: i32 = 1024;
/// Error without a number of its own.
pub const DER_MISC: i32 = 1025;
/// Bad path.
pub const DER_BADPATH: i32 = 1026;
/// Not a directory.
pub const DER_NOTDIR: i32 = 1027;
/// Collective RPC incomplete.
pub const DER_CORPC_INCOMPLETE: i32 = 1028;
/// No rank subscribed to RAS.
pub const DER_NO_RAS_RANK: i32 = 1029;
/// Service group not attached.
pub const DER_NOTATTACH: i32 = 1030;
/// Version or order mismatch.
pub const DER_MISMATCH: i32 = 1031;
/// Excluded from the system (evicted).
pub const DER_EXCLUDED: i32 = 1032;
/// The name of DER_EXCLUDED up to 1.2.
pub const DER_EVICTED: i32 = 1032;
/// No reply from the peer.
pub const DER_NOREPLY: i32 = 1033;
/// Denial of service: too many requests.
pub const DER_DOS: i32 = 1034;
/// Wrong target of the RPC.
pub const DER_BAD_TARGET: i32 = 1035;
/// Group version mismatch.
pub const DER_GRPVER: i32 = 1036;
/// Clocks are too far apart.
pub const DER_HLC_SYNC: i32 = 1037;
/// No shared memory region.
pub const DER_NO_SHMEM: i32 = 1038;
/// Metric could not be added.
pub const DER_ADD_METRIC_FAILED: i32 = 1039;
/// End of a duration without its start.
pub const DER_DURATION_MISMATCH: i32 = 1040;
/// Operation not permitted on this metric.
pub const DER_OP_NOT_PERMITTED: i32 = 1041;
/// Metric path too long.
pub const DER_EXCEEDS_PATH_LEN: i32 = 1042;
/// Metric not found.
pub const DER_METRIC_NOT_FOUND: i32 = 1043;
/// Shared memory permissions wrong.
pub const DER_SHMEM_PERMS: i32 = 1044;
/// Fatal Mercury error.
pub const DER_HG_FATAL: i32 = 1045;
/// Quota exceeded.
pub const DER_QUOTA_LIMIT: i32 = 1046;
/// Unknown error.
pub const DER_UNKNOWN: i32 = 501000;
/// The number before the first one of storage.
pub const DER_ERR_DAOS_BASE: i32 = 2000;
/// I/O error.
pub const DER_IO: i32 = 2001;
/// Memory could not be freed.
pub const DER_FREE_MEM: i32 = 2002;
/// Entry not found.
pub const DER_ENOENT: i32 = 2003;
/// Unknown object type.
pub const DER_NOTYPE: i32 = 2004;
/// Unknown object schema.
pub const DER_NOSCHEMA: i32 = 2005;
/// Object is not local.
pub const DER_NOLOCAL: i32 = 2006;
/// Stale pool map version.
pub const DER_STALE: i32 = 2007;
/// Not the service leader.
pub const DER_NOTLEADER: i32 = 2008;
/// Target could not be created.
pub const DER_TGT_CREATE: i32 = 2009;
/// Epoch is read-only.
pub const DER_EP_RO: i32 = 2010;
/// Epoch is too old.
pub const DER_EP_OLD: i32 = 2011;
/// Key too large.
pub const DER_KEY2BIG: i32 = 2012;
/// Record too large.
pub const DER_REC2BIG: i32 = 2013;
/// I/O buffers do not match the extents.
pub const DER_IO_INVAL: i32 = 2014;
/// Event queue busy.
pub const DER_EQ_BUSY: i32 = 2015;
/// Cluster components do not match.
pub const DER_DOMAIN: i32 = 2016;
/// Service is shutting down.
pub const DER_SHUTDOWN: i32 = 2017;
/// In progress.
pub const DER_INPROGRESS: i32 = 2018;
/// Not applicable.
pub const DER_NOTAPPLICABLE: i32 = 2019;
/// Not a service replica.
pub const DER_NOTREPLICA: i32 = 2020;
/// Checksum error.
pub const DER_CSUM: i32 = 2021;
/// Invalid durable format.
pub const DER_DF_INVAL: i32 = 2022;
/// Incompatible durable format version.
pub const DER_DF_INCOMPT: i32 = 2023;
/// Record size error.
pub const DER_REC_SIZE: i32 = 2024;
/// Transaction has to restart.
pub const DER_TX_RESTART: i32 = 2025;
/// Data lost or unrecoverable.
pub const DER_DATA_LOSS: i32 = 2026;
/// Operation cancelled.
pub const DER_OP_CANCELED: i32 = 2027;
/// Transaction is being committed.
pub const DER_TX_BUSY: i32 = 2028;
/// Agent and client are incompatible.
pub const DER_AGENT_INCOMPAT: i32 = 2029;
/// A distributed transaction is needed.
pub const DER_NEED_TX: i32 = 2030;
/// More failures than the redundancy factor allows.
pub const DER_RF: i32 = 2031;
/// Fetch again.
pub const DER_FETCH_AGAIN: i32 = 2032;
/// Transaction state uncertain.
pub const DER_TX_UNCERTAIN: i32 = 2033;
/// The agent cannot be reached.
pub const DER_AGENT_COMM: i32 = 2034;
/// Identifier mismatch.
pub const DER_ID_MISMATCH: i32 = 2035;
/// Retry with another target.
pub const DER_TGT_RETRY: i32 = 2036;
/// Not supported.
pub const DER_NOTSUPPORTED: i32 = 2037;
/// Control plane versions are incompatible.
pub const DER_CONTROL_INCOMPAT: i32 = 2038;
/// No service available.
pub const DER_NO_SERVICE: i32 = 2039;
/// Transaction identifier used before.
pub const DER_TX_ID_REUSED: i32 = 2040;
/// Update again.
pub const DER_UPDATE_AGAIN: i32 = 2041;
/// NVMe I/O error.
pub const DER_NVME_IO: i32 = 2042;
/// Certificate could not be read.
pub const DER_NO_CERT: i32 = 2043;
/// Certificate invalid.
pub const DER_BAD_CERT: i32 = 2044;
/// Partial update not allowed.
pub const DER_VOS_PARTIAL_UPDATE: i32 = 2045;
/// Checkpoint has to wait.
pub const DER_CHKPT_BUSY: i32 = 2046;
/// Division by zero.
pub const DER_DIV_BY_ZERO: i32 = 2047;
/// Overloaded, retry later.
pub const DER_OVERLOAD_RETRY: i32 = 2048;
/// Previous check cannot be resumed.
pub const DER_NOT_RESUME: i32 = 2049;
/// Container does not exist.
pub const DER_CONT_NONEXIST: i32 = 2050;
/// Container is being destroyed.
pub const DER_CONT_DESTROYING: i32 = 2051;
/// Entry to be ignored.
pub const DER_IGNORE: i32 = 2052;
/// One more than the last number of storage.
pub const DER_LAST_VALID: i32 = 2053;

/// The name and the meaning of every number above.
const TEXTS: &[(i32, &CStr)] = &[
    (DER_SUCCESS, c"DER_SUCCESS: success"),
    (DER_NO_PERM, c"DER_NO_PERM: permission denied"),
    (DER_NO_HDL, c"DER_NO_HDL: invalid handle or descriptor"),
    (DER_INVAL, c"DER_INVAL: invalid argument"),
    (DER_EXIST, c"DER_EXIST: already exists"),
    (DER_NONEXIST, c"DER_NONEXIST: does not exist"),
    (DER_UNREACH, c"DER_UNREACH: unreachable node"),
    (DER_NOSPACE, c"DER_NOSPACE: no space left"),
    (DER_ALREADY, c"DER_ALREADY: done already"),
    (DER_NOMEM, c"DER_NOMEM: out of memory"),
    (DER_NOSYS, c"DER_NOSYS: not implemented"),
    (DER_TIMEDOUT, c"DER_TIMEDOUT: timed out"),
    (DER_BUSY, c"DER_BUSY: busy"),
    (DER_AGAIN, c"DER_AGAIN: try again"),
    (DER_PROTO, c"DER_PROTO: the peer broke the protocol"),
    (DER_UNINIT, c"DER_UNINIT: not initialised"),
    (DER_TRUNC, c"DER_TRUNC: message cut short"),
    (DER_OVERFLOW, c"DER_OVERFLOW: too large"),
    (DER_CANCELED, c"DER_CANCELED: cancelled"),
    (DER_OOG, c"DER_OOG: out of group, or rank unknown"),
    (DER_HG, c"DER_HG: Mercury error"),
    (DER_UNREG, c"DER_UNREG: RPC not registered"),
    (DER_ADDRSTR_GEN, c"DER_ADDRSTR_GEN: address string could not be made"),
    (DER_PMIX, c"DER_PMIX: PMIx error"),
    (DER_IVCB_FORWARD, c"DER_IVCB_FORWARD: incast variable: forward the request"),
    (DER_MISC, c"DER_MISC: error without a number of its own"),
    (DER_BADPATH, c"DER_BADPATH: bad path"),
    (DER_NOTDIR, c"DER_NOTDIR: not a directory"),
    (DER_CORPC_INCOMPLETE, c"DER_CORPC_INCOMPLETE: collective RPC incomplete"),
    (DER_NO_RAS_RANK, c"DER_NO_RAS_RANK: no rank subscribed to RAS"),
    (DER_NOTATTACH, c"DER_NOTATTACH: service group not attached"),
    (DER_MISMATCH, c"DER_MISMATCH: version or order mismatch"),
    (DER_EXCLUDED, c"DER_EXCLUDED: excluded from the system (evicted)"),
    (DER_NOREPLY, c"DER_NOREPLY: no reply from the peer"),
    (DER_DOS, c"DER_DOS: denial of service: too many requests"),
    (DER_BAD_TARGET, c"DER_BAD_TARGET: wrong target of the RPC"),
    (DER_GRPVER, c"DER_GRPVER: group version mismatch"),
    (DER_HLC_SYNC, c"DER_HLC_SYNC: clocks are too far apart"),
    (DER_NO_SHMEM, c"DER_NO_SHMEM: no shared memory region"),
    (DER_ADD_METRIC_FAILED, c"DER_ADD_METRIC_FAILED: metric could not be added"),
    (DER_DURATION_MISMATCH, c"DER_DURATION_MISMATCH: end of a duration without its start"),
    (DER_OP_NOT_PERMITTED, c"DER_OP_NOT_PERMITTED: operation not permitted on this metric"),
    (DER_EXCEEDS_PATH_LEN, c"DER_EXCEEDS_PATH_LEN: metric path too long"),
    (DER_METRIC_NOT_FOUND, c"DER_METRIC_NOT_FOUND: metric not found"),
    (DER_SHMEM_PERMS, c"DER_SHMEM_PERMS: shared memory permissions wrong"),
    (DER_HG_FATAL, c"DER_HG_FATAL: fatal Mercury error"),
    (DER_QUOTA_LIMIT, c"DER_QUOTA_LIMIT: quota exceeded"),
    (DER_IO, c"DER_IO: I/O error"),
    (DER_FREE_MEM, c"DER_FREE_MEM: memory could not be freed"),
    (DER_ENOENT, c"DER_ENOENT: entry not found"),
    (DER_NOTYPE, c"DER_NOTYPE: unknown object type"),
    (DER_NOSCHEMA, c"DER_NOSCHEMA: unknown object schema"),
    (DER_NOLOCAL, c"DER_NOLOCAL: object is not local"),
    (DER_STALE, c"DER_STALE: stale pool map version"),
    (DER_NOTLEADER, c"DER_NOTLEADER: not the service leader"),
    (DER_TGT_CREATE, c"DER_TGT_CREATE: target could not be created"),
    (DER_EP_RO, c"DER_EP_RO: epoch is read-only"),
    (DER_EP_OLD, c"DER_EP_OLD: epoch is too old"),
    (DER_KEY2BIG, c"DER_KEY2BIG: key too large"),
    (DER_REC2BIG, c"DER_REC2BIG: record too large"),
    (DER_IO_INVAL, c"DER_IO_INVAL: I/O buffers do not match the extents"),
    (DER_EQ_BUSY, c"DER_EQ_BUSY: event queue busy"),
    (DER_DOMAIN, c"DER_DOMAIN: cluster components do not match"),
    (DER_SHUTDOWN, c"DER_SHUTDOWN: service is shutting down"),
    (DER_INPROGRESS, c"DER_INPROGRESS: in progress"),
    (DER_NOTAPPLICABLE, c"DER_NOTAPPLICABLE: not applicable"),
    (DER_NOTREPLICA, c"DER_NOTREPLICA: not a service replica"),
    (DER_CSUM, c"DER_CSUM: checksum error"),
    (DER_DF_INVAL, c"DER_DF_INVAL: invalid durable format"),
    (DER_DF_INCOMPT, c"DER_DF_INCOMPT: incompatible durable format version"),
    (DER_REC_SIZE, c"DER_REC_SIZE: record size error"),
    (DER_TX_RESTART, c"DER_TX_RESTART: transaction has to restart"),
    (DER_DATA_LOSS, c"DER_DATA_LOSS: data lost or unrecoverable"),
    (DER_OP_CANCELED, c"DER_OP_CANCELED: operation cancelled"),
    (DER_TX_BUSY, c"DER_TX_BUSY: transaction is being committed"),
    (DER_AGENT_INCOMPAT, c"DER_AGENT_INCOMPAT: agent and client are incompatible"),
    (DER_NEED_TX, c"DER_NEED_TX: a distributed transaction is needed"),
    (DER_RF, c"DER_RF: more failures than the redundancy factor allows"),
    (DER_FETCH_AGAIN, c"DER_FETCH_AGAIN: fetch again"),
    (DER_TX_UNCERTAIN, c"DER_TX_UNCERTAIN: transaction state uncertain"),
    (DER_AGENT_COMM, c"DER_AGENT_COMM: the agent cannot be reached"),
    (DER_ID_MISMATCH, c"DER_ID_MISMATCH: identifier mismatch"),
    (DER_TGT_RETRY, c"DER_TGT_RETRY: retry with another target"),
    (DER_NOTSUPPORTED, c"DER_NOTSUPPORTED: not supported"),
    (DER_CONTROL_INCOMPAT, c"DER_CONTROL_INCOMPAT: control plane versions are incompatible"),
    (DER_NO_SERVICE, c"DER_NO_SERVICE: no service available"),
    (DER_TX_ID_REUSED, c"DER_TX_ID_REUSED: transaction identifier used before"),
    (DER_UPDATE_AGAIN, c"DER_UPDATE_AGAIN: update again"),
    (DER_NVME_IO, c"DER_NVME_IO: NVMe I/O error"),
    (DER_NO_CERT, c"DER_NO_CERT: certificate could not be read"),
    (DER_BAD_CERT, c"DER_BAD_CERT: certificate invalid"),
    (DER_VOS_PARTIAL_UPDATE, c"DER_VOS_PARTIAL_UPDATE: partial update not allowed"),
    (DER_CHKPT_BUSY, c"DER_CHKPT_BUSY: checkpoint has to wait"),
    (DER_DIV_BY_ZERO, c"DER_DIV_BY_ZERO: division by zero"),
    (DER_OVERLOAD_RETRY, c"DER_OVERLOAD_RETRY: overloaded, retry later"),
    (DER_NOT_RESUME, c"DER_NOT_RESUME: previous check cannot be resumed"),
    (DER_CONT_NONEXIST, c"DER_CONT_NONEXIST: container does not exist"),
    (DER_CONT_DESTROYING, c"DER_CONT_DESTROYING: container is being destroyed"),
    (DER_IGNORE, c"DER_IGNORE: entry to be ignored"),
    (DER_UNKNOWN, c"DER_UNKNOWN: unknown error"),
];

/// The name and the meaning of an error number, negative as functions return it or positive as in the header.
pub fn text(code: i32) -> &'static CStr {
    let number = code.unsigned_abs();
    let known = TEXTS.iter().find(|(known, _)| known.unsigned_abs() == number);
    known.map_or(c"not a DAOS error number", |(_, text)| text)
}

/// A group of DAOS releases that translate `errno` alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// DAOS 0.8 to 1.0.
    V0_8,
    /// DAOS 2.6.5 and 2.8.
    V2_8,
}

impl Release {
    /// The positive number of these releases for an `errno`, as of `daos_errno2der` in their `daos/common.h`.
    pub fn from_errno(self, errno: i32) -> i32 {
        match errno {
            0 => DER_SUCCESS,
            libc::EPERM | libc::EACCES => DER_NO_PERM,
            libc::ENOMEM => DER_NOMEM,
            libc::EDQUOT | libc::ENOSPC => DER_NOSPACE,
            libc::EEXIST => DER_EXIST,
            libc::ENOENT => DER_NONEXIST,
            libc::ECANCELED => DER_CANCELED,
            libc::EBUSY => DER_BUSY,
            libc::EOVERFLOW => DER_OVERFLOW,
            libc::EBADF => DER_NO_HDL,
            libc::ENOSYS => DER_NOSYS,
            libc::ETIMEDOUT => DER_TIMEDOUT,
            libc::EAGAIN => DER_AGAIN,
            libc::EPROTO => DER_PROTO,
            libc::EINVAL => DER_INVAL,
            libc::ENOTDIR => DER_NOTDIR,
            libc::EIO if self != Self::V0_8 => DER_IO,
            libc::EOPNOTSUPP if self != Self::V0_8 => DER_NOTSUPPORTED,
            negative if negative < 0 && self != Self::V0_8 => DER_UNKNOWN,
            _ => DER_MISC,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_their_number() {
        assert_eq!(text(-DER_NOREPLY).to_str(), Ok("DER_NOREPLY: no reply from the peer"));
        assert_eq!(text(DER_NOREPLY), text(-DER_NOREPLY));
        assert_eq!(text(0).to_str(), Ok("DER_SUCCESS: success"));
        assert_eq!(text(i32::MIN).to_str(), Ok("not a DAOS error number"));
    }

    #[test]
    fn errno_translation_differs_where_the_releases_do() {
        let both = |errno| (Release::V0_8.from_errno(errno), Release::V2_8.from_errno(errno));
        assert_eq!(both(libc::ENOENT), (DER_NONEXIST, DER_NONEXIST));
        assert_eq!(both(libc::ECONNREFUSED), (DER_MISC, DER_MISC));
        assert_eq!(both(libc::EIO), (DER_MISC, DER_IO));
        assert_eq!(both(libc::ENOTSUP), (DER_MISC, DER_NOTSUPPORTED));
        assert_eq!(both(-1), (DER_MISC, DER_UNKNOWN));
    }
}
