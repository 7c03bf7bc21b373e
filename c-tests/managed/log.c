/*
 * What DRPC_LOG makes of a managed server and its clients, and where the lines go. The environment is read once a process,
 * so that each case runs in a process of its own: this program with the name of a scenario.
 */
#define _GNU_SOURCE
#include "abi.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drpc/client.h>
#include <drpc/library.h>

#include "support/calling.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"

#define CALLS 10000

/* --- scenarios ---------------------------------------------------------------------------------- */

static void
answer_method(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	resp->status = call->method;
}

static struct drpc_client *
client_of(const struct managed *managed)
{
	struct drpc_client *client;

	assert_int_equal(drpc_client_create(managed->dir.sock, &client), 0);
	assert_int_equal(drpc_client_connect(client), 0);
	return client;
}

static void
call_of(struct drpc_client *client, int32_t module, int32_t method, int status)
{
	Drpc__Response *resp;

	assert_int_equal(drpc_client_call(client, module, method, "12345", 5, NULL, &resp), 0);
	assert_int_equal(resp->status, status);
	drpc_response_free(resp);
}

/* Calls that fail in the ways of the server, and one that does not; then the same of the plain API. */
static void
failing_calls(void)
{
	struct managed      managed;
	struct drpc_client *client;
	struct drpc        *ctx;
	Drpc__Response     *resp;

	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_register(&managed, 2, answer_method, NULL);
	managed_start(&managed);
	client = client_of(&managed);
	call_of(client, ECHO, 1, DRPC__STATUS__SUCCESS);
	call_of(client, NOBODY, 1, DRPC__STATUS__UNKNOWN_MODULE);
	call_of(client, 2, DRPC__STATUS__UNKNOWN_METHOD, DRPC__STATUS__UNKNOWN_METHOD);
	call_of(client, 2, DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD, DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD);
	call_of(client, 2, DRPC__STATUS__FAILURE, DRPC__STATUS__FAILURE);
	drpc_client_destroy(client);
	assert_int_equal(abi_connect(managed.dir.sock, &ctx), 0);
	resp = do_call(ctx, R_SYNC, 0);
	assert_int_equal(resp->status, 206);
	drpc_response_free(resp);
	assert_int_equal(drpc_close(ctx), 0);
	/* That the clients have gone ends the sessions, not the server. */
	while (managed_stats(&managed).sessions > 0)
		usleep(1000);
	managed_end(&managed);
}

/* A client whose program is called like the rest of a line, and another line. */
static void
forged_name(void)
{
	assert_int_equal(prctl(PR_SET_NAME, "\" uid=0\nerr:\x1b[2J"), 0);
	failing_calls();
}

static void
full_server(void)
{
	struct managed managed;
	int            peers[2];

	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_MAX_SESSIONS, 1);
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_start(&managed);
	peers[0] = peer_connect(managed.dir.sock);
	exchange_echo(peers[0], ECHO, 1);
	peers[1] = peer_connect(managed.dir.sock);
	close(peers[0]);
	exchange_echo(peers[1], ECHO, 1);
	close(peers[1]);
	managed_end(&managed);
}

/* As often as accepting is tried in some hundred milliseconds. */
static void
no_descriptors(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct managed     managed;
	struct rlimit      before;
	struct rlimit      few;
	int                peer;

	managed_serve_echo(&managed);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few          = before;
	few.rlim_cur = 4;
	peer = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_true(peer >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", managed.dir.sock);
	/* The client has its descriptor, and the server can have none for it. */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(connect(peer, (struct sockaddr *)&address, sizeof(address)), 0);
	while (managed_stats(&managed).accept_errors < 6)
		usleep(1000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	exchange_echo(peer, ECHO, 1);
	close(peer);
	managed_end(&managed);
}

static void
many_calls(void)
{
	struct managed      managed;
	struct drpc_client *client;

	managed_serve_echo(&managed);
	client = client_of(&managed);
	for (int i = 0; i < CALLS; i++)
		call_of(client, ECHO, 1, DRPC__STATUS__SUCCESS);
	drpc_client_destroy(client);
	managed_end(&managed);
}

/* Copies to standard output what a pipe that does not wait has taken. */
static void
drain(int from)
{
	char    bytes[4096];
	ssize_t len;

	while ((len = read(from, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(STDOUT_FILENO, bytes, (size_t)len), len);
}

/* The same calls while nobody reads what standard error takes; another call once there is room. */
static void
unread_calls(void)
{
	struct managed      managed;
	struct drpc_client *client;
	int                 fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	managed_serve_echo(&managed);
	client = client_of(&managed);
	for (int i = 0; i < CALLS; i++)
		call_of(client, ECHO, 1, DRPC__STATUS__SUCCESS);
	drain(fds[0]);
	call_of(client, ECHO, 1, DRPC__STATUS__SUCCESS);
	drpc_client_destroy(client);
	managed_end(&managed);
	drain(fds[0]);
}

/* Standard error is the journal, if JOURNAL_STREAM says so. The argument is added to the inode. */
static void
journal(int more)
{
	struct managed managed;
	struct stat    stat;
	char           stream[64];

	assert_int_equal(fstat(STDERR_FILENO, &stat), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)stat.st_dev,
		 (unsigned long long)stat.st_ino + (unsigned)more);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	managed_serve_echo(&managed);
	managed_end(&managed);
}

static void
the_journal(void)
{
	journal(0);
}

static void
another_journal(void)
{
	journal(1);
}

static void
serving(void)
{
	struct managed managed;

	managed_serve_echo(&managed);
	managed_end(&managed);
}

static const struct scenario {
	const char *name;
	void (*run)(void);
} scenarios[] = {
    {"failing_calls", failing_calls}, {"forged_name", forged_name},   {"full_server", full_server},
    {"no_descriptors", no_descriptors}, {"many_calls", many_calls},     {"unread_calls", unread_calls},
    {"the_journal", the_journal},	    {"another_journal", another_journal}, {"serving", serving},
};

/* --- what they write ---------------------------------------------------------------------------- */

/* What a scenario writes with this DRPC_LOG, to be freed: to a file, or to a pipe. */
static char *
lines_of(const char *scenario, const char *level, bool to_file)
{
	char    self[512] = "";
	char    name[]    = "/tmp/drpc-log-XXXXXX";
	char   *text      = NULL;
	size_t  room      = 0;
	size_t  len       = 0;
	ssize_t more      = 1;
	int     fds[2];
	int     status;
	pid_t   child;

	/* By its name: under valgrind the link itself leads to valgrind. */
	assert_in_range(readlink("/proc/self/exe", self, sizeof(self) - 1), 1, sizeof(self) - 2);
	if (to_file) {
		fds[1] = mkstemp(name);
		fds[0] = open(name, O_RDONLY | O_CLOEXEC);
		unlink(name);
	} else {
		assert_int_equal(pipe(fds), 0);
	}
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		setenv("DRPC_LOG", level, 1);
		unsetenv("TEST_FILTER");
		execl(self, self, scenario, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	if (to_file)
		assert_int_equal(waitpid(child, &status, 0), child);
	while (more > 0) {
		if (room - len < 65536) {
			room = 2 * room + 131072;
			text = realloc(text, room);
			assert_non_null(text);
		}
		more = read(fds[0], text + len, room - len - 1);
		len += more > 0 ? (size_t)more : 0;
	}
	text[len] = '\0';
	close(fds[0]);
	if (!to_file)
		assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s ended with %x and wrote: %s", scenario, status, text);
	return text;
}

/* How many lines have all of these words. */
static int
count(const char *text, const char *const *words)
{
	char  line[2048];
	int   found = 0;
	bool  has;

	for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
		snprintf(line, sizeof(line), "%.*s", (int)(end - text), text);
		has = true;
		for (size_t i = 0; words[i] != NULL; i++)
			has = has && strstr(line, words[i]) != NULL;
		found += has;
	}
	return found;
}

#define COUNT(text, ...) count(text, (const char *const[]){__VA_ARGS__, NULL})

static void
has_line(const char *text, int expected, const char *const *words)
{
	if (count(text, words) != expected)
		fail_msg("not %d lines with \"%s\" and so on in: %s", expected, words[0], text);
}

#define HAS(text, expected, ...) has_line(text, expected, (const char *const[]){__VA_ARGS__, NULL})

/* Each line begins in the same way: nothing that a peer has chosen begins one. */
static void
each_line_begins(const char *text, const char *start)
{
	for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1)
		if (strncmp(text, start, strlen(start)) != 0)
			fail_msg("does not begin with \"%s\": %.200s", start, text);
	assert_int_equal(*text, '\0');
}

static void
calls_without_success_are_told_by_name(void **state)
{
	static const struct {
		const char *call;
		const char *status;
	} calls[] = {
	    {"call=102.1 call_bytes=5 ", "status=UNKNOWN_MODULE "},
	    {"call=mgmt.4 call_bytes=5 ", "status=UNKNOWN_METHOD "},
	    {"call=mgmt.6 call_bytes=5 ", "status=FAILED_UNMARSHAL_PAYLOAD "},
	    {"call=mgmt.2 call_bytes=5 ", "status=FAILURE "},
	};
	char *text = lines_of("failing_calls", "debug", false);

	(void)state;
	each_line_begins(text, "libdrpc: ");
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		HAS(text, 2, "debug: a call was answered without success ", calls[i].call, calls[i].status, " path=/");
		HAS(text, 1, calls[i].call, calls[i].status, " session=", " pid=", " uid=", " program=log ");
	}
	/* Both sides of the call of the plain API. */
	HAS(text, 2, "call=mgmt.get_attach_info ", " status=206 ", " path=/");
	HAS(text, 0, "status=SUCCESS");
	HAS(text, 2, "debug: a session begins ", " program=log ");
	HAS(text, 1, "debug: a session ends: the client closed it ", " calls=5 ", " program=log ");
	HAS(text, 1, "debug: a session ends: the client closed it ", " calls=1 ");
	HAS(text, 2, "debug: the client's framing is found out framing=");
	HAS(text, 1, "info: listening path=/");
	HAS(text, 1, "info: shutting down path=/");
	free(text);
	text = lines_of("failing_calls", "Trace", false);
	HAS(text, 2, "trace: a call was answered ", "call=100.1 call_bytes=5 response_bytes=5 ", " status=SUCCESS us=");
	HAS(text, 10, "without success");
	free(text);
	text = lines_of("failing_calls", "INFO", false);
	HAS(text, 2, "libdrpc: info: ");
	HAS(text, 2, "libdrpc: ");
	free(text);
}

static void
a_program_cannot_forge_a_line(void **state)
{
	char *text = lines_of("forged_name", "trace", false);

	(void)state;
	each_line_begins(text, "libdrpc: ");
	assert_null(strchr(text, '\x1b'));
	/* The kernel keeps 15 bytes, and the library those before the line break. */
	HAS(text, 2, "a session begins ", " program=\"\\\" uid=0\" path=");
	free(text);
}

static void
a_full_server_names_its_limit(void **state)
{
	char *text = lines_of("full_server", "warn", false);

	(void)state;
	/* The second client fills the server, too. */
	assert_in_range(COUNT(text, "warn: no further client is accepted until one of 1 sessions ends",
			      " the limit of DRPC_SERVER_MAX_SESSIONS path=/"),
			1, 2);
	free(text);
}

static void
a_server_without_descriptors_says_so_once(void **state)
{
	char *text = lines_of("no_descriptors", "info", false);
	int   told;

	(void)state;
	told = COUNT(text, "error: no client can be accepted for now: too many open files", "ulimit -n", "LimitNOFILE", " limit=4 ",
		     " failures=");
	/* A second one after ten seconds. */
	assert_in_range(told, 1, 2);
	HAS(text, 1, "info: clients are accepted again ", " failures=");
	free(text);
}

static void
an_unknown_level_is_told(void **state)
{
	static const char *const levels[] = {"loud", "debug ", "none"};
	char                    *text;

	(void)state;
	for (int i = 0; i < 3; i++) {
		text = lines_of("serving", levels[i], false);
		HAS(text, 1, "libdrpc: warn: DRPC_LOG has no effect", "none of error, warn, info, debug, trace DRPC_LOG=");
		HAS(text, 1, levels[i][5] == ' ' ? "DRPC_LOG=\"debug \"" : levels[i]);
		HAS(text, 1, "libdrpc");
		free(text);
	}
	text = lines_of("serving", "", false);
	assert_string_equal(text, "");
	free(text);
}

static void
a_file_has_the_time_and_the_journal_the_priority(void **state)
{
	char *text = lines_of("serving", "info", true);
	int   year, month, day, hour, minute, second, us, end = 0;

	(void)state;
	assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ libdrpc: info: listening path=/%n", &year, &month, &day, &hour,
				&minute, &second, &us, &end),
			 7);
	assert_int_not_equal(end, 0);
	HAS(text, 2, "Z libdrpc: info: ");
	free(text);
	for (int to_file = 0; to_file < 2; to_file++) {
		text = lines_of("the_journal", "info", to_file);
		each_line_begins(text, "<6>libdrpc: info: ");
		free(text);
	}
	text = lines_of("another_journal", "info", false);
	each_line_begins(text, "libdrpc: info: ");
	HAS(text, 2, "libdrpc: info: ");
	free(text);
}

static int
lost_in(const char *text)
{
	const char *key = "could not be written lost=";
	int         sum = 0;

	while ((text = strstr(text, key)) != NULL)
		sum += atoi(text += strlen(key));
	return sum;
}

/* Every call has a line on either side. */
static void
no_line_is_lost_unannounced(void **state)
{
	char *text;

	(void)state;
	for (int to_file = 0; to_file < 2; to_file++) {
		text = lines_of("many_calls", "trace", to_file);
		assert_int_equal(COUNT(text, "trace: a call was answered ", " status=SUCCESS "), 2 * CALLS);
		assert_int_equal(COUNT(text, "left_out="), 0);
		assert_int_equal(lost_in(text), 0);
		free(text);
	}
	text = lines_of("unread_calls", "trace", false);
	each_line_begins(text, "libdrpc: ");
	assert_int_not_equal(lost_in(text), 0);
	assert_int_equal(COUNT(text, "trace: a call was answered ", " status=SUCCESS ") + lost_in(text), 2 * (CALLS + 1));
	free(text);
}

/* --- a function of the program ------------------------------------------------------------------- */

struct seen {
	pthread_mutex_t lock;
	int             lines[DRPC_LOG_TRACE + 2];
};

static void
count_level(int level, const char *line, void *arg)
{
	struct seen *seen = arg;

	(void)line;
	pthread_mutex_lock(&seen->lock);
	seen->lines[level > 0 && level <= DRPC_LOG_TRACE ? level : DRPC_LOG_TRACE + 1]++;
	pthread_mutex_unlock(&seen->lock);
}

/* It gets what it has asked for; unless it asks for more, it gets none of the lines about each session and call. */
static void
a_function_gets_lines_up_to_its_level(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(drpc_set_log_level(-1), -DER_INVAL);
	assert_int_equal(drpc_set_log_level(DRPC_LOG_TRACE + 1), -DER_INVAL);
	for (int level = 0; level <= DRPC_LOG_TRACE; level++) {
		seen = (struct seen){.lock = PTHREAD_MUTEX_INITIALIZER};
		drpc_set_log(count_level, &seen);
		assert_int_equal(drpc_set_log_level(level), 0);
		failing_calls();
		drpc_set_log(NULL, NULL);
		assert_int_equal(drpc_set_log_level(0), 0);
		assert_int_equal(seen.lines[DRPC_LOG_INFO], level == 0 || level >= DRPC_LOG_INFO ? 2 : 0);
		assert_int_equal(seen.lines[DRPC_LOG_DEBUG] > 0, level >= DRPC_LOG_DEBUG);
		assert_int_equal(seen.lines[DRPC_LOG_TRACE], level == DRPC_LOG_TRACE ? 2 : 0);
		assert_int_equal(seen.lines[DRPC_LOG_TRACE + 1], 0);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    unit(calls_without_success_are_told_by_name),
	    unit(a_program_cannot_forge_a_line),
	    unit(a_full_server_names_its_limit),
	    unit(a_server_without_descriptors_says_so_once),
	    unit(an_unknown_level_is_told),
	    unit(a_file_has_the_time_and_the_journal_the_priority),
	    unit(no_line_is_lost_unannounced),
	    unit(a_function_gets_lines_up_to_its_level),
	};

	for (size_t i = 0; argc > 1 && i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (strcmp(argv[1], scenarios[i].name) == 0) {
			scenarios[i].run();
			return 0;
		}
	}
	return cmocka_run_group_tests_name("managed log " ABI_NAME, tests, NULL, NULL);
}
