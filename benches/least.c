/* least DIR < MESSAGE
 *
 * The least that a program can do to queue a message so that no power cut takes it: write it under DIR/tmp, rename it
 * to DIR/new, sync the file, sync the directory. The rename goes before the sync, so that the filesystem's journal
 * commits once. No envelope, no lock, no check of anything.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static char buffer[64 << 10], name[64], draft[80], place[80];
	must(argc == 2 && chdir(argv[1]) == 0, "least DIR");
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	snprintf(name, sizeof name, "%lld.%09ld.%d", (long long)t.tv_sec, t.tv_nsec, (int)getpid());
	snprintf(draft, sizeof draft, "tmp/%s", name);
	snprintf(place, sizeof place, "new/%s", name);

	int dir = open("new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir >= 0, "new");
	int file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	must(file >= 0, draft);
	ssize_t count;
	while ((count = read(0, buffer, sizeof buffer)) > 0)
		must(write(file, buffer, count) == count, "write");
	must(count == 0, "read");
	must(rename(draft, place) == 0, "rename");
	must(fsync(file) == 0 && fsync(dir) == 0, "fsync");
	return puts(name) < 0;
}
