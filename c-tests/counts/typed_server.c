/* The same by drpc/service.h. */
#include "server_main.h"
#include "message.h"

#include <drpc/service.h>

static void
tree_echo(Tree__Tree_Service *service, const Tree__Node *request, Tree__Node_Closure closure, void *call)
{
	(void)service;
	closure(request, call);
}

static void
tree_later(Tree__Tree_Service *service, const Tree__Node *request, Tree__Node_Closure closure, void *call)
{
	(void)service;
	getppid();
	closure(request, call);
}

static void
tree_odd(Tree__Tree_Service *service, const Tree__Node *request, Tree__Node_Closure closure, void *call)
{
	(void)service;
	drpc_server_stop(server);
	closure(request, call);
}

static Tree__Tree_Service tree = TREE__TREE__INIT(tree_);

static int
add_module(void)
{
	return drpc_server_add_service(server, MODULE, &tree.base, NULL, 0);
}
