/* A temporary directory for the sockets of one test. */
#ifndef C_TESTS_DIR_H
#define C_TESTS_DIR_H

struct dir {
	char path[64];
	char sock[96]; /* <path>/drpc.sock */
};

/* Makes the directory, or ends the program. */
void dir_make(struct dir *dir);
/* Removes it with every file in it. */
void dir_remove(struct dir *dir);

#endif
