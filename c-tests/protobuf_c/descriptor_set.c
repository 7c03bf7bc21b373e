/* Writes what drpc_file_descriptor_set gives to stdout. */
#include <stdio.h>

#include <drpc/library.h>

int
main(void)
{
	size_t	       len;
	const uint8_t *set = drpc_file_descriptor_set(&len);

	return set == NULL || fwrite(set, 1, len, stdout) != len || fflush(stdout) != 0;
}
