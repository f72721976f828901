/* pages PROGRAM [ARGUMENT...]
 *
 * Runs a program and prints `FIRST ALL`: the seconds until the first byte of its standard output, and until its end.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static char buffer[1 << 20];
	int ends[2], status;
	pid_t pid;
	posix_spawn_file_actions_t actions;

	if (argc < 2 || pipe(ends))
		return 2;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	double begin = now();
	if (posix_spawnp(&pid, argv[1], &actions, NULL, argv + 1, environ))
		return 2;
	close(ends[1]);
	double first = read(ends[0], buffer, sizeof buffer) > 0 ? now() - begin : -1;
	while (read(ends[0], buffer, sizeof buffer) > 0)
		;
	waitpid(pid, &status, 0);
	printf("%.4f %.4f\n", first, now() - begin);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
