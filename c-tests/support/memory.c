#include "memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Thread_local bool memory_watched;
_Thread_local bool memory_thread_is_known;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
int   __real_posix_memalign(void **out, size_t align, size_t size);
void  __real_free(void *block);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int   __real_munmap(void *block, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
int   __wrap_posix_memalign(void **out, size_t align, size_t size);
void  __wrap_free(void *block);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int   __wrap_munmap(void *block, size_t size);

static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;
static enum memory_plan plan;
static int              which;
static int              asked;
static int              denied;
static int              denied_before;
static int              maps;
static int              denied_maps;
static atomic_bool      threads_watched;

/* The library's blocks, but for large ones: of these it keeps a few that are free until the process ends, when memcheck
 * looks for them. It never holds many. */
enum { LARGE = 1 << 20 };
static void *blocks[4096];
static int   block_count;

void
memory_begin(enum memory_plan new_plan, int n)
{
	pthread_mutex_lock(&lock);
	plan          = new_plan;
	which         = n;
	asked         = 0;
	denied        = 0;
	denied_before = 0;
	maps          = 0;
	denied_maps   = 0;
	pthread_mutex_unlock(&lock);
}

void
memory_relieve(void)
{
	pthread_mutex_lock(&lock);
	plan = MEMORY_PLENTY;
	denied_before += denied;
	denied = 0;
	pthread_mutex_unlock(&lock);
}

bool
memory_has_small(void)
{
	return plan == MEMORY_PLENTY || plan == MEMORY_ABOVE;
}

int
memory_asked(void)
{
	return asked - maps;
}

int
memory_denied(void)
{
	return denied;
}

int
memory_denied_ever(void)
{
	return denied + denied_before;
}

int
memory_denied_maps(void)
{
	return denied_maps;
}

int
memory_left(void)
{
	return block_count;
}

void
memory_watch_threads(bool watched)
{
	threads_watched = watched;
}

static bool
is_watched(void)
{
	return memory_watched || (threads_watched && !memory_thread_is_known);
}

static bool
is_denied(size_t size)
{
	bool deny;

	pthread_mutex_lock(&lock);
	asked++;
	deny = (plan == MEMORY_ONE && asked == which) || (plan == MEMORY_FROM && asked >= which) ||
	       (plan == MEMORY_ABOVE && size > (size_t)which);
	denied += deny;
	pthread_mutex_unlock(&lock);
	if (deny)
		errno = ENOMEM;
	return deny;
}

static void *
keep(void *block, size_t size)
{
	if (block == NULL || size >= LARGE)
		return block;
	pthread_mutex_lock(&lock);
	if (block_count == (int)(sizeof(blocks) / sizeof(*blocks))) {
		fputs("more blocks than the test can remember\n", stderr);
		abort();
	}
	blocks[block_count++] = block;
	pthread_mutex_unlock(&lock);
	return block;
}

static void
forget(void *block)
{
	int i;

	pthread_mutex_lock(&lock);
	for (i = block_count - 1; i >= 0; i--) {
		if (blocks[i] == block) {
			blocks[i] = blocks[--block_count];
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

void *
__wrap_malloc(size_t size)
{
	if (!is_watched())
		return __real_malloc(size);
	return is_denied(size) ? NULL : keep(__real_malloc(size), size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	if (!is_watched())
		return __real_calloc(n, size);
	return is_denied(n * size) ? NULL : keep(__real_calloc(n, size), n * size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	uintptr_t was = (uintptr_t)old;
	void     *block;

	if (!is_watched())
		return __real_realloc(old, size);
	if (is_denied(size))
		return NULL;
	block = __real_realloc(old, size);
	if (block != NULL) {
		forget((void *)was);
		keep(block, size);
	}
	return block;
}

int
__wrap_posix_memalign(void **out, size_t align, size_t size)
{
	int rc;

	if (!is_watched())
		return __real_posix_memalign(out, align, size);
	if (is_denied(size))
		return ENOMEM;
	rc = __real_posix_memalign(out, align, size);
	if (rc == 0)
		keep(*out, size);
	return rc;
}

/* Whoever frees it: the library's blocks are the caller's to free, and the other way round. */
void
__wrap_free(void *block)
{
	if (block != NULL)
		forget(block);
	__real_free(block);
}

/* Memory mapped is memory, too. */
void *
__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	void *block;

	if (!is_watched())
		return __real_mmap(at, size, protection, flags, fd, offset);
	maps++;
	if (is_denied(size)) {
		denied_maps++;
		return MAP_FAILED;
	}
	block = __real_mmap(at, size, protection, flags, fd, offset);
	return block == MAP_FAILED ? block : keep(block, 0);
}

int
__wrap_munmap(void *block, size_t size)
{
	forget(block);
	return __real_munmap(block, size);
}
