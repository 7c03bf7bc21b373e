/* One line a claim, for programs that stop at the first false one. */
#ifndef DROPIN_EXPECT_H
#define DROPIN_EXPECT_H

#include <stdio.h>
#include <stdlib.h>

#define EXPECT(claim)                                                                              \
	do {                                                                                       \
		if (!(claim)) {                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);        \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/* The body that the wire scripts call the pattern. */
static inline void
fill_pattern(unsigned char *body, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		body[i] = (unsigned char)(i * 31 + 7);
}

#endif
