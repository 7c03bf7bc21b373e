/*
 * The records that messages are cut into. As in DAOS 2.6 and 2.8.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef __DAOS_DRPC_TYPES_H__
#define __DAOS_DRPC_TYPES_H__

#include <stddef.h>
#include <stdint.h>

/** The largest record that is sent or received, in bytes. */
#define UNIXCOMM_MAXMSGSIZE (1 << 17)

/** The header of every record. */
struct drpc_header {
        /** The size of the whole message. */
        size_t total_data_size;
        /** The size of the data in this record. */
        size_t chunk_data_size;
        /** The number of this record in the message, from 0. */
        uint32_t chunk_idx;
        /** The number of records of the message. */
        uint32_t total_chunks;
};

/** Size of the header. */
#define DRPC_HEADER_LEN sizeof(struct drpc_header)

/** Size of the next record of a message that lacks `bytes_left` bytes. */
#define DRPC_CHUNK_SIZE(bytes_left)                                                                \
	((bytes_left) > DRPC_MAX_DATA_SIZE ? UNIXCOMM_MAXMSGSIZE : (bytes_left) + DRPC_HEADER_LEN)

/** Data bytes of a record of `bytes` bytes. */
#define DRPC_CHUNK_DATA_SIZE(bytes) ((bytes) - DRPC_HEADER_LEN)

/** Data bytes of the largest record. */
#define DRPC_MAX_DATA_SIZE DRPC_CHUNK_DATA_SIZE(UNIXCOMM_MAXMSGSIZE)

/** The data of a record; `ptr` points to bytes. */
#define DRPC_CHUNK_DATA_PTR(ptr) ((ptr) + DRPC_HEADER_LEN)

#endif /* __DAOS_DRPC_TYPES_H__ */
