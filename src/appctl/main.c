/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctl/cmd.h"
#include "appctl/elsewhere.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
reader_has_gone(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR) != 0;
}

/* What was printed has to have arrived; a reader that went away needs no message. */
static int
finish_output(int status)
{
	int code;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	code = errno;
	if (code != EPIPE && !reader_has_gone())
		fprintf(stderr, "appctl: standard output: %s\n", code ? strerror(code) : "it could not be written");
	return status != 0 ? status : 1;
}

static int
run(struct cmdline *l)
{
	if (l->version) {
		printf("appctl %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (l->completion != NULL)
		return print_completion(l->completion);
	if (l->names != NULL)
		return print_names(l);
	if (l->help) {
		print_help(l->cmd);
		return 0;
	}
	if (l->cmd == NULL)
		return usage_error(l, "which command?");
	if (l->node != NULL && l->cmd->there == THERE_AS_A_WHOLE)
		return elsewhere_same(l, l->node);
	return l->cmd->run(l);
}

/* What is opened later must not become standard output, and run passes all three on. */
static void
fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* A letter is the shortest way to give an option. */
static size_t
options_at_most(int argc, char **argv)
{
	size_t n = 1;

	while (argc-- > 0)
		n += strlen(argv[argc]) + 1;
	return n;
}

int
main(int argc, char **argv)
{
	struct cmdline l = { 0 };
	int status;

	fill_standard_descriptors();
	l.given = calloc(options_at_most(argc, argv), sizeof(*l.given));
	l.operands = calloc((size_t)argc + 1, sizeof(*l.operands));
	if (l.given == NULL || l.operands == NULL) {
		fputs("appctl: no memory\n", stderr);
		return 1;
	}
	status = parse(&l, argc, argv);
	if (status == 0)
		status = run(&l);
	appctl_free(l.client);
	free(l.given);
	free(l.operands);
	return finish_output(status);
}
