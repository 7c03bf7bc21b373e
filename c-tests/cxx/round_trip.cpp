// A C++17 program on both ends: a server thread and a client, objects of the C
// library held by unique_ptr.
#include <daos/drpc.h>
#include <daos/drpc_handler.h>
#include <daos/drpc_modules.h>
#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <poll.h>

namespace {

struct closer {
	void operator()(drpc *ctx) const { drpc_close(ctx); }
};
struct call_deleter {
	void operator()(Drpc__Call *call) const { drpc_call_free(call); }
};
struct response_deleter {
	void operator()(Drpc__Response *resp) const { drpc_response_free(resp); }
};
using context = std::unique_ptr<drpc, closer>;
using call_ptr = std::unique_ptr<Drpc__Call, call_deleter>;
using response_ptr = std::unique_ptr<Drpc__Response, response_deleter>;

void
require(bool claim, const char *what)
{
	if (!claim)
		throw std::runtime_error(std::string(what) + " (" + drpc_last_error() + ")");
}

context
connect_to(std::string path)
{
#ifdef DRPC_ABI_08
	return context(drpc_connect(path.data()));
#else
	drpc *ctx = nullptr;

	return context(drpc_connect(path.data(), &ctx) == 0 ? ctx : nullptr);
#endif
}

context
accept_from(const context &listener)
{
#ifdef DRPC_ABI_08
	return context(drpc_accept(listener.get()));
#else
	drpc *ctx = nullptr;

	return context(drpc_accept(listener.get(), &ctx) == 0 ? ctx : nullptr);
#endif
}

call_ptr
call_for(const context &ctx, std::int32_t module, std::int32_t method)
{
#ifdef DRPC_ABI_08
	return call_ptr(drpc_call_create(ctx.get(), module, method));
#else
	Drpc__Call *call = nullptr;

	return call_ptr(drpc_call_create(ctx.get(), module, method, &call) == 0 ? call : nullptr);
#endif
}

void
set_body(ProtobufCBinaryData &body, const std::string &text)
{
	body.data = static_cast<std::uint8_t *>(std::malloc(text.size()));
	require(body.data != nullptr, "body");
	std::memcpy(body.data, text.data(), text.size());
	body.len = text.size();
}

std::string
text_of(const ProtobufCBinaryData &body)
{
	return std::string(reinterpret_cast<const char *>(body.data), body.len);
}

void
greet(Drpc__Call *call, Drpc__Response *resp)
{
	if (call->module != DRPC_MODULE_SEC_AGENT) {
		resp->status = DRPC__STATUS__UNKNOWN_MODULE;
		return;
	}
	set_body(resp->body, "hello, " + text_of(call->body));
}

void
serve(const context &listener, int calls)
{
	pollfd	pending = {listener->comm->fd, POLLIN, 0};
	context session;

	require(poll(&pending, 1, 30000) == 1, "nobody connects");
	session = accept_from(listener);
	require(session != nullptr, "accept");
	for (int i = 0; i < calls; i++) {
		Drpc__Call *received = nullptr;

		require(drpc_recv_call(session.get(), &received) == 0, "receive");
		call_ptr     call(received);
		response_ptr resp(drpc_response_create(call.get()));

		session->handler(call.get(), resp.get());
		require(drpc_send_response(session.get(), resp.get()) == 0, "send");
	}
}

void
ask(const context &server, std::int32_t module, Drpc__Status status, const std::string &answer)
{
	call_ptr	call = call_for(server, module, DRPC_METHOD_SEC_AGENT_REQUEST_CREDS);
	Drpc__Response *received = nullptr;

	require(call != nullptr, "call");
	set_body(call->body, "world");
	require(drpc_call(server.get(), R_SYNC, call.get(), &received) == 0, "drpc_call");
	response_ptr resp(received);
	require(resp->status == status, "status");
	require(text_of(resp->body) == answer, "answer");
	require(resp->sequence == call->sequence, "sequence");
}

} // namespace

int
main(int argc, char **argv)
{
	try {
		require(argc == 2, "usage: round_trip SOCKET");
		context listener(drpc_listen(argv[1], greet));
		require(listener != nullptr, "listen");
		require(drpc_is_valid_listener(listener.get()), "listener");
		bool	    served = false;
		std::thread server([&] {
			try {
				serve(listener, 2);
				served = true;
			} catch (const std::exception &e) {
				std::fprintf(stderr, "server: %s\n", e.what());
				std::_Exit(1);
			}
		});
		context	    client = connect_to(argv[1]);

		require(client != nullptr, "connect");
		ask(client, DRPC_MODULE_SEC_AGENT, DRPC__STATUS__SUCCESS, "hello, world");
		ask(client, DRPC_MODULE_MGMT, DRPC__STATUS__UNKNOWN_MODULE, "");
		server.join();
		require(served, "served");
		std::remove(argv[1]);
	} catch (const std::exception &e) {
		std::fprintf(stderr, "%s\n", e.what());
		std::_Exit(1);
	}
	return 0;
}
