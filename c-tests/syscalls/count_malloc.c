/*
 * Preloaded: counts the program's allocations and releases, and writes both
 * numbers into the file that COUNT_MALLOC names when the program ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The allocator of glibc under the names that it keeps for such wrappers. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void  __libc_free(void *block);

static unsigned long allocations;
static unsigned long releases;

static void *
counted(void *block)
{
	__atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
	return block;
}

void *
malloc(size_t size)
{
	return counted(__libc_malloc(size));
}

void *
calloc(size_t count, size_t size)
{
	return counted(__libc_calloc(count, size));
}

void *
realloc(void *block, size_t size)
{
	return counted(__libc_realloc(block, size));
}

void *
memalign(size_t alignment, size_t size)
{
	return counted(__libc_memalign(alignment, size));
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return counted(__libc_memalign(alignment, size));
}

int
posix_memalign(void **block, size_t alignment, size_t size)
{
	*block = counted(__libc_memalign(alignment, size));
	return *block == NULL ? ENOMEM : 0;
}

void
free(void *block)
{
	if (block != NULL)
		__atomic_add_fetch(&releases, 1, __ATOMIC_RELAXED);
	__libc_free(block);
}

__attribute__((destructor)) static void
report(void)
{
	const char *path = getenv("COUNT_MALLOC");
	char	    line[64];
	int	    len = snprintf(line, sizeof(line), "%lu %lu\n", allocations, releases);
	int	    fd = path == NULL ? -1 : open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	if (fd < 0 || write(fd, line, (size_t)len) != len)
		_exit(9);
	close(fd);
}
