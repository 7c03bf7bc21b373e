/*
 * The sockets of the programs that do without a library.
 */
#ifndef BENCH_SEQPACKET_H
#define BENCH_SEQPACKET_H

int seqpacket_listen(const char *path);

int seqpacket_connect(const char *path);

#endif
