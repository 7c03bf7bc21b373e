/*
 * The error numbers of DAOS, from its own headers where those are installed. Functions return them
 * negated.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef LIBDRPC_DAOS_DRPC_ERRNO_H
#define LIBDRPC_DAOS_DRPC_ERRNO_H

#if defined(__has_include)
#if __has_include(<daos_errno.h>)
#include <daos_errno.h>
#define DRPC_HAVE_GURT_ERRNO_H
#define DRPC_HAVE_DAOS_ERRNO_H
#elif __has_include(<gurt/errno.h>)
#include <gurt/errno.h>
#define DRPC_HAVE_GURT_ERRNO_H
#endif
#endif

#ifndef DRPC_HAVE_GURT_ERRNO_H

/** Success. */
#define DER_SUCCESS 0

/** The number before the first general one. */
#define DER_ERR_GURT_BASE 1000

/** Permission denied. */
#define DER_NO_PERM 1001

/** Invalid handle or descriptor. */
#define DER_NO_HDL 1002

/** Invalid argument. */
#define DER_INVAL 1003

/** Already exists. */
#define DER_EXIST 1004

/** Does not exist. */
#define DER_NONEXIST 1005

/** Unreachable node. */
#define DER_UNREACH 1006

/** No space left. */
#define DER_NOSPACE 1007

/** Done already. */
#define DER_ALREADY 1008

/** Out of memory. */
#define DER_NOMEM 1009

/** Not implemented. */
#define DER_NOSYS 1010

/** Timed out. */
#define DER_TIMEDOUT 1011

/** Busy. */
#define DER_BUSY 1012

/** Try again. */
#define DER_AGAIN 1013

/** The peer broke the protocol. */
#define DER_PROTO 1014

/** Not initialised. */
#define DER_UNINIT 1015

/** Message cut short. */
#define DER_TRUNC 1016

/** Too large. */
#define DER_OVERFLOW 1017

/** Cancelled. */
#define DER_CANCELED 1018

/** Out of group, or rank unknown. */
#define DER_OOG 1019

/** Mercury error. */
#define DER_HG 1020

/** RPC not registered. */
#define DER_UNREG 1021

/** Address string could not be made. */
#define DER_ADDRSTR_GEN 1022

/** PMIx error. */
#define DER_PMIX 1023

/** Incast variable: forward the request. */
#define DER_IVCB_FORWARD 1024

/** Error without a number of its own. */
#define DER_MISC 1025

/** Bad path. */
#define DER_BADPATH 1026

/** Not a directory. */
#define DER_NOTDIR 1027

/** Collective RPC incomplete. */
#define DER_CORPC_INCOMPLETE 1028

/** No rank subscribed to RAS. */
#define DER_NO_RAS_RANK 1029

/** Service group not attached. */
#define DER_NOTATTACH 1030

/** Version or order mismatch. */
#define DER_MISMATCH 1031

/** Excluded from the system (evicted). */
#define DER_EXCLUDED 1032

/** The name of DER_EXCLUDED up to 1.2. */
#define DER_EVICTED 1032

/** No reply from the peer. */
#define DER_NOREPLY 1033

/** Denial of service: too many requests. */
#define DER_DOS 1034

/** Wrong target of the RPC. */
#define DER_BAD_TARGET 1035

/** Group version mismatch. */
#define DER_GRPVER 1036

/** Clocks are too far apart. */
#define DER_HLC_SYNC 1037

/** No shared memory region. */
#define DER_NO_SHMEM 1038

/** Metric could not be added. */
#define DER_ADD_METRIC_FAILED 1039

/** End of a duration without its start. */
#define DER_DURATION_MISMATCH 1040

/** Operation not permitted on this metric. */
#define DER_OP_NOT_PERMITTED 1041

/** Metric path too long. */
#define DER_EXCEEDS_PATH_LEN 1042

/** Metric not found. */
#define DER_METRIC_NOT_FOUND 1043

/** Shared memory permissions wrong. */
#define DER_SHMEM_PERMS 1044

/** Fatal Mercury error. */
#define DER_HG_FATAL 1045

/** Quota exceeded. */
#define DER_QUOTA_LIMIT 1046

/** Unknown error. */
#define DER_UNKNOWN 501000

#endif /* DRPC_HAVE_GURT_ERRNO_H */

#ifndef DRPC_HAVE_DAOS_ERRNO_H

/** The number before the first one of storage. */
#define DER_ERR_DAOS_BASE 2000

/** I/O error. */
#define DER_IO 2001

/** Memory could not be freed. */
#define DER_FREE_MEM 2002

/** Entry not found. */
#define DER_ENOENT 2003

/** Unknown object type. */
#define DER_NOTYPE 2004

/** Unknown object schema. */
#define DER_NOSCHEMA 2005

/** Object is not local. */
#define DER_NOLOCAL 2006

/** Stale pool map version. */
#define DER_STALE 2007

/** Not the service leader. */
#define DER_NOTLEADER 2008

/** Target could not be created. */
#define DER_TGT_CREATE 2009

/** Epoch is read-only. */
#define DER_EP_RO 2010

/** Epoch is too old. */
#define DER_EP_OLD 2011

/** Key too large. */
#define DER_KEY2BIG 2012

/** Record too large. */
#define DER_REC2BIG 2013

/** I/O buffers do not match the extents. */
#define DER_IO_INVAL 2014

/** Event queue busy. */
#define DER_EQ_BUSY 2015

/** Cluster components do not match. */
#define DER_DOMAIN 2016

/** Service is shutting down. */
#define DER_SHUTDOWN 2017

/** In progress. */
#define DER_INPROGRESS 2018

/** Not applicable. */
#define DER_NOTAPPLICABLE 2019

/** Not a service replica. */
#define DER_NOTREPLICA 2020

/** Checksum error. */
#define DER_CSUM 2021

/** Invalid durable format. */
#define DER_DF_INVAL 2022

/** Incompatible durable format version. */
#define DER_DF_INCOMPT 2023

/** Record size error. */
#define DER_REC_SIZE 2024

/** Transaction has to restart. */
#define DER_TX_RESTART 2025

/** Data lost or unrecoverable. */
#define DER_DATA_LOSS 2026

/** Operation cancelled. */
#define DER_OP_CANCELED 2027

/** Transaction is being committed. */
#define DER_TX_BUSY 2028

/** Agent and client are incompatible. */
#define DER_AGENT_INCOMPAT 2029

/** A distributed transaction is needed. */
#define DER_NEED_TX 2030

/** More failures than the redundancy factor allows. */
#define DER_RF 2031

/** Fetch again. */
#define DER_FETCH_AGAIN 2032

/** Transaction state uncertain. */
#define DER_TX_UNCERTAIN 2033

/** The agent cannot be reached. */
#define DER_AGENT_COMM 2034

/** Identifier mismatch. */
#define DER_ID_MISMATCH 2035

/** Retry with another target. */
#define DER_TGT_RETRY 2036

/** Not supported. */
#define DER_NOTSUPPORTED 2037

/** Control plane versions are incompatible. */
#define DER_CONTROL_INCOMPAT 2038

/** No service available. */
#define DER_NO_SERVICE 2039

/** Transaction identifier used before. */
#define DER_TX_ID_REUSED 2040

/** Update again. */
#define DER_UPDATE_AGAIN 2041

/** NVMe I/O error. */
#define DER_NVME_IO 2042

/** Certificate could not be read. */
#define DER_NO_CERT 2043

/** Certificate invalid. */
#define DER_BAD_CERT 2044

/** Partial update not allowed. */
#define DER_VOS_PARTIAL_UPDATE 2045

/** Checkpoint has to wait. */
#define DER_CHKPT_BUSY 2046

/** Division by zero. */
#define DER_DIV_BY_ZERO 2047

/** Overloaded, retry later. */
#define DER_OVERLOAD_RETRY 2048

/** Previous check cannot be resumed. */
#define DER_NOT_RESUME 2049

/** Container does not exist. */
#define DER_CONT_NONEXIST 2050

/** Container is being destroyed. */
#define DER_CONT_DESTROYING 2051

/** Entry to be ignored. */
#define DER_IGNORE 2052

/** One more than the last number of storage. */
#define DER_LAST_VALID 2053

#endif /* DRPC_HAVE_DAOS_ERRNO_H */

#endif /* LIBDRPC_DAOS_DRPC_ERRNO_H */
