/*
 * Whether the peers read records as the parsers do that they stand for.
 *
 *   parsers TABLE
 *
 * TABLE is tests/support/parsers.txt, to which the models in Rust are held, too.
 * A line that is read in another way is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

/* As the columns come. */
static const enum decoder decoders[] = {PROTOBUF_C_1_3, PROTOBUF_C, GO_PROTO_1, GO_PROTO_2};

enum { DECODERS = sizeof(decoders) / sizeof(decoders[0]) };

static int
digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* Appends so many bytes. */
static void
append(struct bytes *record, uint8_t byte, size_t times)
{
	record->data = realloc(record->data, record->len + times + 1);
	if (record->data == NULL)
		abort();
	memset(record->data + record->len, byte, times);
	record->len += times;
}

/* "0802 78*10": bytes, and ten times a byte. False if it is something else. */
static bool
read_record(const char *text, struct bytes *record)
{
	*record = (struct bytes){0};
	append(record, 0, 0);
	while (*text != '\0') {
		unsigned long times = 1;
		int	      high = digit(text[0]);
		int	      low = high < 0 ? -1 : digit(text[1]);

		if (*text == ' ') {
			text++;
			continue;
		}
		if (low < 0)
			return false;
		text += 2;
		if (*text == '*')
			times = strtoul(text + 1, (char **)&text, 10);
		append(record, (uint8_t)(high << 4 | low), times);
	}
	return true;
}

/* What a decoder reads, as the table has it. */
static void
describe(enum decoder decoder, const struct bytes *record, char *said, size_t size)
{
	struct call call;

	if (!decode_call(decoder, record->data, record->len, &call)) {
		snprintf(said, size, "-");
		return;
	}
	snprintf(said, size, "%d/%d/%lld/%zu", call.module, call.method, (long long)call.sequence, call.body.len);
	free(call.body.data);
}

/* Whether the decoders read what the columns of a line say. */
static bool
agrees(char *line)
{
	struct bytes record;
	bool	     same;
	size_t	     i;
	char	    *columns = strchr(line, '|');

	if (columns == NULL)
		return false;
	*columns++ = '\0';
	same = read_record(line, &record);
	for (i = 0; same && i < DECODERS; i++) {
		char	    said[80];
		char	    expected[80];
		int	    used = 0;
		const char *form = i + 1 < DECODERS ? " %79[^ |] |%n" : " %79[^ |\n]%n";

		describe(decoders[i], &record, said, sizeof(said));
		same = sscanf(columns, form, expected, &used) == 1 && used > 0 && strcmp(expected, said) == 0;
		if (!same)
			printf("column %zu: found %s\n", i + 1, said);
		columns += used;
	}
	free(record.data);
	return same;
}

int
main(int argc, char **argv)
{
	FILE *table = argc == 2 ? fopen(argv[1], "r") : NULL;
	char  line[4096];
	char  copy[4096];
	int   read = 0;
	int   others = 0;

	if (table == NULL) {
		fprintf(stderr, "usage: %s TABLE\n", argv[0]);
		return 2;
	}
	while (fgets(line, sizeof(line), table) != NULL) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		read++;
		memcpy(copy, line, sizeof(copy));
		if (agrees(line))
			continue;
		printf("%s", copy);
		others++;
	}
	fclose(table);
	printf("%d records, %d read in another way\n", read, others);
	return read > 0 && others == 0 ? 0 : 1;
}
