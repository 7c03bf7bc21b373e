/* The wire format of 2.8: records with a header. */
#ifndef INTEROP_CHUNKS_H
#define INTEROP_CHUNKS_H

#include "wire.h"

enum received chunks_receive_c(int fd, struct bytes *message);
enum received chunks_receive_go(int fd, struct bytes *message);
bool chunks_send(bool go, int fd, const struct bytes *message);

#endif
