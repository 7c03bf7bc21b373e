/* The managed server, with a connection for each call. */
#include "managed_server.c"
