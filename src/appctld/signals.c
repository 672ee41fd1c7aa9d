/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * All signals are blocked and at their default, and read from a signalfd:
 * children begin with nothing to undo but the mask, and no signal can end the keeper.  Also
 * those that libc keeps to itself, hence the raw calls: its posix_spawn() leaves 32 and 33 ignored.
 */
static int
block_all(void)
{
	static const struct { uint64_t handler, flags, restorer, mask; } at_default;	/* as the kernel has it */
	uint64_t all = UINT64_MAX;
	int signo;

	if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all)) < 0)
		return -1;
	for (signo = 1; signo < NSIG; signo++)
		syscall(SYS_rt_sigaction, signo, &at_default, NULL, sizeof(all));	/* KILL and STOP refuse: they are */
	return 0;
}

int
signals_open(struct keeper *k, struct err *err)
{
	sigset_t all;

	if (block_all() < 0)
		return err_set(err, errno, "block signals");
	sigfillset(&all);
	k->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0 || watch(k, k->signal_fd, WATCH_SIGNALS) < 0)
		return err_set(err, errno, "signalfd");
	return 0;
}

/* While a new engine has not said READY it gets less time for that, and none when the wish is repeated. */
static void
ask_of_new_engine(struct keeper *k, bool again)
{
	if (again || k->engine.quick_deaths >= CANNOT_STAY_UP)
		last_stand_begin(k, 0);
	else if (k->engine.pid != 0)
		arm(k, DUE_READY, READY_WHEN_ASKED_MS);
}

/* The engine decides how; where there is none that answers, the keeper does. */
static void
ask_shutdown(struct keeper *k, int signo)
{
	bool again = k->shutdown_asked;

	k->shutdown_asked = true;
	if (k->standing_alone) {
		k->stand_hurry = true;
		last_stand_due(k);
		return;
	}
	if (k->engine.link >= 0 && !k->engine.tell_hello)	/* else HELLO will say it */
		tell_signal(k, signo);
	if (!k->engine.ready)
		ask_of_new_engine(k, again);
}

/* What others call a wish to end (init systems, containers, power supplies) is one signal to the engine. */
static void
got(struct keeper *k, int signo)
{
	if (signo == SIGINT)
		ask_shutdown(k, SIGINT);
	else if (signo == SIGTERM || signo == SIGPWR || signo == SIGRTMIN + 3)
		ask_shutdown(k, SIGTERM);
	else if (signo == SIGHUP)
		tell_signal(k, SIGHUP);
	else if (signo == SIGRTMIN + 25)	/* as systemd has it; also where no engine can stay up to be asked */
		reexec_begin(k);
	else if (signo != SIGCHLD && signo != SIGPIPE)
		log_write(LOG_KEEPER, LOG_LEVEL_DEBUG, "signal %d (%s) means nothing to appctld", signo, strsignal(signo));
}

void
signals_read(struct keeper *k)
{
	struct signalfd_siginfo si[16];
	ssize_t n, i;

	do {
		n = read(k->signal_fd, si, sizeof(si));
		for (i = 0; i < n / (ssize_t)sizeof(*si); i++)
			got(k, (int)si[i].ssi_signo);
	} while (n == (ssize_t)sizeof(si));
	children_reap(k);
}
