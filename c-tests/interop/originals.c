#include "originals.h"

#include <string.h>

static const struct original originals[] = {
	{.name = "c-0.8", .framing = DATAGRAM, .buffer = 1 << 14, .decoder = PROTOBUF_C},
	{.name = "c-0.8-tag0", .framing = DATAGRAM, .buffer = 1 << 14, .decoder = PROTOBUF_C_1_3},
	{.name = "c-0.8-bare", .framing = DATAGRAM, .buffer = 1 << 14, .decoder = PROTOBUF_C_1_3, .bare = true},
	{.name = "c-2.6", .framing = DATAGRAM, .buffer = 1 << 17, .decoder = PROTOBUF_C},
	{.name = "c-2.6-mute", .framing = DATAGRAM, .buffer = 1 << 17, .decoder = PROTOBUF_C, .mute = true},
	{.name = "c-2.8", .framing = CHUNKED, .buffer = 1 << 17, .decoder = PROTOBUF_C},
	{.name = "c-2.8-bare", .framing = CHUNKED, .buffer = 1 << 17, .decoder = PROTOBUF_C, .bare = true},
	{.name = "go-0.8", .go = true, .framing = DATAGRAM, .buffer = 1 << 14, .decoder = GO_PROTO_1},
	{.name = "go-2.6",
	 .go = true,
	 .framing = DATAGRAM,
	 .buffer = 1 << 20,
	 .decoder = GO_PROTO_2,
	 .daos_only = true},
	{.name = "go-2.8", .go = true, .framing = CHUNKED, .buffer = 1 << 17, .decoder = GO_PROTO_2},
};

const struct original *
original_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(originals) / sizeof(originals[0]); i++)
		if (strcmp(originals[i].name, name) == 0)
			return &originals[i];
	return NULL;
}
