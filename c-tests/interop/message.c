#include "message.h"

#include "decode_c.h"
#include "decode_go.h"

struct bytes
encode_call(const struct call *call)
{
	Peer__Call   pb = PEER__CALL__INIT;
	struct bytes message;

	pb.module = call->module;
	pb.method = call->method;
	pb.sequence = call->sequence;
	pb.body = (ProtobufCBinaryData){.len = call->body.len, .data = call->body.data};
	message.data = allocate(peer__call__get_packed_size(&pb));
	message.len = peer__call__pack(&pb, message.data);
	return message;
}

struct bytes
encode_response(const struct response *response)
{
	Peer__Response pb = PEER__RESPONSE__INIT;
	struct bytes   message;

	pb.sequence = response->sequence;
	pb.status = (Peer__Status)response->status;
	pb.body = (ProtobufCBinaryData){.len = response->body.len, .data = response->body.data};
	message.data = allocate(peer__response__get_packed_size(&pb));
	message.len = peer__response__pack(&pb, message.data);
	return message;
}

bool
decode_call(enum decoder decoder, const uint8_t *data, size_t len, struct call *call)
{
	switch (decoder) {
	case PROTOBUF_C:
	case PROTOBUF_C_1_3:
		return decode_call_c(decoder, data, len, call);
	default:
		return decode_call_go(decoder, data, len, call);
	}
}

bool
decode_response(enum decoder decoder, const uint8_t *data, size_t len, struct response *response)
{
	switch (decoder) {
	case PROTOBUF_C:
	case PROTOBUF_C_1_3:
		return decode_response_c(decoder, data, len, response);
	default:
		return decode_response_go(decoder, data, len, response);
	}
}
