/* SPDX-License-Identifier: MIT */
#include "core/model.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "ILL", SIGILL }, { "TRAP", SIGTRAP },
	{ "ABRT", SIGABRT }, { "BUS", SIGBUS }, { "FPE", SIGFPE }, { "KILL", SIGKILL }, { "USR1", SIGUSR1 },
	{ "SEGV", SIGSEGV }, { "USR2", SIGUSR2 }, { "PIPE", SIGPIPE }, { "ALRM", SIGALRM }, { "TERM", SIGTERM },
	{ "CHLD", SIGCHLD }, { "CONT", SIGCONT }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP }, { "TTIN", SIGTTIN },
	{ "TTOU", SIGTTOU }, { "URG", SIGURG }, { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF }, { "WINCH", SIGWINCH }, { "IO", SIGIO }, { "POLL", SIGIO }, { "PWR", SIGPWR },
	{ "SYS", SIGSYS },
#ifdef SIGSTKFLT
	{ "STKFLT", SIGSTKFLT },
#endif
};

/* A whole decimal number from lo to hi, or -1. */
static int
number(const char *text, int lo, int hi)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)*text))
		return -1;
	n = strtol(text, &end, 10);
	return *end == '\0' && n >= lo && n <= hi ? (int)n : -1;
}

/* "RTMIN", "RTMIN+3", "RTMAX-1" */
static int
real_time_by_name(const char *name)
{
	int span = SIGRTMAX - SIGRTMIN, n;

	if (strcasecmp(name, "RTMIN") == 0)
		return SIGRTMIN;
	if (strcasecmp(name, "RTMAX") == 0)
		return SIGRTMAX;
	if (strncasecmp(name, "RTMIN+", 6) == 0 && (n = number(name + 6, 0, span)) >= 0)
		return SIGRTMIN + n;
	if (strncasecmp(name, "RTMAX-", 6) == 0 && (n = number(name + 6, 0, span)) >= 0)
		return SIGRTMAX - n;
	return -1;
}

int
signal_by_name(const char *name)
{
	size_t i;

	if (isdigit((unsigned char)*name))
		return number(name, 1, SIGRTMAX);
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcasecmp(name, signals[i].name) == 0)
			return signals[i].number;
	return real_time_by_name(name);
}

const char *
signal_name(int signo)
{
	static char text[24];
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (signals[i].number == signo)
			return signals[i].name;
	if (signo >= SIGRTMIN && signo <= SIGRTMAX)
		snprintf(text, sizeof(text), "RTMIN+%d", signo - SIGRTMIN);
	else
		snprintf(text, sizeof(text), "%d", signo);
	return text;
}
