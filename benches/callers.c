/* callers N COUNT INPUT PROGRAM [ARGUMENT...]
 *
 * Starts PROGRAM COUNT times, N at a time, each with INPUT as its standard input and nowhere to print to, and prints
 *
 *     RATE SECONDS KIB FAILED
 *
 * runs a second, wall clock, the largest peak memory of any run, and how many did not exit 0. With CALLERS_ROOT set,
 * it changes its root directory there first, once: the programs then find their own /etc and /var.
 *
 * Also the bare posix_spawn-and-wait loop that a delivery run is compared with: N is its concurrency.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: callers N COUNT INPUT PROGRAM [ARGUMENT...]\n");
		return 64;
	}
	int most = atoi(argv[1]), count = atoi(argv[2]);
	const char *input = basename(strdup(argv[3]));
	const char *root = getenv("CALLERS_ROOT");
	int dir = open(dirname(strdup(argv[3])), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		die(argv[3]);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0)
		die("/dev/null");
	if (root && (chroot(root) || chdir("/")))
		die(root);
	unsetenv("CALLERS_ROOT");

	int started = 0, running = 0, failed = 0;
	long kib = 0;
	double begin = now();
	while (started < count || running > 0) {
		if (started < count && running < most) {
			int in = openat(dir, input, O_RDONLY | O_CLOEXEC);
			if (in < 0)
				die(input);
			posix_spawn_file_actions_t actions;
			posix_spawn_file_actions_init(&actions);
			posix_spawn_file_actions_adddup2(&actions, in, 0);
			posix_spawn_file_actions_adddup2(&actions, null, 1);
			pid_t pid;
			if (posix_spawn(&pid, argv[4], &actions, NULL, argv + 4, environ))
				die(argv[4]);
			posix_spawn_file_actions_destroy(&actions);
			close(in);
			started++;
			running++;
			continue;
		}
		int status;
		struct rusage used;
		if (wait4(-1, &status, 0, &used) < 0)
			die("wait4");
		running--;
		failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
		if (used.ru_maxrss > kib)
			kib = used.ru_maxrss;
	}
	double spent = now() - begin;
	printf("%.1f %.3f %ld %d\n", count / spent, spent, kib, failed);
	return failed ? 1 : 0;
}
