/* SPDX-License-Identifier: MIT */
#pragma once

#include "engine/daemon.h"
#include "loop/loop.h"
#include "wire/state.h"

/*
 * What the files of the shell say to each other; daemon.h is what control.c and
 * its methods see of it.
 */
struct child_told {			/* CHILD, kept until the engine exists */
	uint64_t inc;
	struct link_child child;
	int ready_fd;			/* -1: none */
	char name[NAME_MAX_LEN + 1];
};

struct spawn_failure {			/* told to the engine when the effects at hand are done */
	uint64_t inc;
	const char *step;
	int error;
};

struct shell {
	const char *start_mode;		/* -m; NULL: the configuration's default */
	struct timer *deadline;
	struct timer *rewrite;		/* the state lags: try again */
	struct timer *leave;		/* the order to end waits for those who come back */
	int exit_code;
	int64_t began_ms;		/* when this process began */
	bool settling;
	unsigned batch;			/* in the middle of several messages: subscribers can wait for the last */
	struct buf told;		/* struct child_told[] */
	struct buf failures;		/* struct spawn_failure[] */
	int64_t interrupted_ms;		/* when SIGINT came first; 0: never */
	bool stable_said;		/* STABLE was sent: a manager above wants READY=1 once */
	bool stopping_said;
	char status[128];		/* the last STATUS */
	struct buf reexecs;		/* uint64_t tokens of the calls that wait for it */
	const char *reexec_text;	/* while they are answered: why not, or the new version */
	struct ready_fds *ready;	/* by ready.c */
	struct trees *trees;		/* by tree.c */
	struct notify_socket *notify;	/* by notify.c */
	uint64_t spawns_ordered, spawns_answered;	/* of the keeper, by link.c */
	struct children *children;	/* by child.c */
	struct loader *loader;		/* by load.c */
};

/* daemon.c */
/* Ends this engine on purpose: the keeper starts the next one, which finds all as it was. */
_Noreturn void daemon_give_up(const char *why) __attribute__((cold));
void daemon_spawn_failed(struct daemon *d, uint64_t inc, const char *step, int error);
void daemon_exited(struct daemon *d, uint64_t inc, pid_t pid, struct exit_facts facts);	/* to be settled by the caller */
void daemon_batch(struct daemon *d, bool begin);
void daemon_leave(void *d);				/* all has stopped: the keeper is told to end */

/* start.c: the engine comes to be: from the state, from the keeper's table, or anew.  Ends the process where it cannot. */
void daemon_start(struct daemon *d);
struct state_view;
struct model *state_model(const struct state_view *v);		/* of the texts in a state; NULL: they are refused */

/* reexec.c: appctld is replaced in its process */
void reexec_failed(struct daemon *d, const char *why);
_Noreturn void reexec_give_way(struct daemon *d, const char *version);
/* Can this engine go on from that state of a daemon with that instance (in hexadecimal)?  The exit status. */
int reexec_trial(const char *instance, int state_fd);

/* link.c */
struct keeper_link *keeper_link_new(struct daemon *d, int fd);
void keeper_link_free(struct keeper_link *k);
/* Between two calls, which nest, what is said is gathered: the keeper wakes up once for all of it. */
void keeper_gather(struct keeper_link *k, bool begin);
/* A message with a fixed body and a text (len 0, NULL: without). */
void keeper_say(struct keeper_link *k, enum link_type type, uint64_t inc, const void *fixed, size_t len, const char *text);
void keeper_say_number(struct keeper_link *k, enum link_type type, uint64_t inc, int64_t number);
/* fds stay the caller's.  -1: it is too long, or no memory. */
int keeper_order_spawn(struct keeper_link *k, uint64_t inc, const struct spawn_order *o, const int *fds, size_t nfds);
/* Hands over a new state file; false: not now, nothing was sent. */
bool keeper_offer_state(struct keeper_link *k, int fd);

/* state.c */
struct state_file *state_new(int take_fd, uint64_t instance);	/* NULL: no memory */
void state_free(struct state_file *s);
enum state_found { STATE_FRESH, STATE_GOOD, STATE_DAMAGED };
struct state_view {			/* data[0..committed) is mapped until state_unmap() */
	const char *data;
	size_t committed, mapped;
	size_t files;			/* where the configuration texts in force begin */
};
/* Whether what another engine left there can be trusted; STATE_GOOD: here it is. */
enum state_found state_check(struct state_file *s, struct state_view *out);
/* What this engine has committed.  -1: it cannot be had. */
int state_look(struct state_file *s, struct state_view *out);
void state_unmap(struct state_view *v);
/* Begins an empty one in the same file. */
void state_begin(struct state_file *s);
/* Goes on behind what was found. */
void state_go_on(struct state_file *s, const struct state_view *v);
void state_append(struct state_file *s, enum state_type type, const void *a, size_t a_len, const void *b, size_t b_len);
/* The configuration texts in force: lent by v.  *out is the caller's to free; -1: no memory. */
int state_files(const struct state_view *v, struct fragment **out, size_t *n);
void state_put_files(struct state_file *s, const struct fragment *v, size_t n);
/* All that was appended counts from now on. */
void state_commit(struct state_file *s);
/* Something of that could not be written yet: the next commit tries again. */
bool state_lags(const struct state_file *s);
/* Rewrites it without what is out of date, when that is most of it. */
void state_compact(struct daemon *d);

/* publish.c */
void publisher_begin(struct publisher *p);			/* the engine is there now: subscribers may come */
/* An event of an earlier engine. */
void publisher_replay(struct publisher *p, uint64_t seq, unsigned category, const char *line, size_t len);
/* Sends what was added. */
void publisher_flush(struct publisher *p);
typedef void publisher_each(void *arg, uint64_t seq, unsigned category, const char *line, size_t len);
void publisher_walk(struct publisher *p, publisher_each *fn, void *arg);

/* child.c */
struct children *children_new(void);
void children_free(struct children *c);
void child_forget(struct daemon *d, const struct app *a);
/* Closes Run's descriptors of those that have ended; until then one that is restarted is given them again. */
void child_drop_ended(struct daemon *d);

/* names.c */
enum { NAMES_TIMEOUT_MS = 5000 };
struct names *names_new(struct daemon *d);
void names_free(struct names *n);
/*
 * Has all users and groups that m names looked up, then calls done; timed_out: as far as it was possible.
 * false: none has to be, and done is not called.
 */
typedef void names_done(void *arg, bool timed_out);
bool names_ask(struct names *n, const struct model *m, names_done *done, void *arg);
/* The same for names that are told one by one, in whatever order; names_submit() takes r.  false: nothing is to be asked. */
struct names_request;
struct names_request *names_request_new(names_done *done, void *arg);
void names_want(struct names_request *r, const char *name, bool is_group);	/* NULL: none */
bool names_submit(struct names *n, struct names_request *r);
bool names_may_exist(const struct names *n, const char *name, bool is_group);	/* false: it was asked for and is not there */
/* The same for those of one definition. */
bool names_ask_for(struct names *n, const struct circumstances *as, names_done *done, void *arg);
/* Those of m that do not exist. */
void names_check(const struct names *n, const struct model *m, struct problems *ps);

/* load.c */
struct loader *loader_new(struct daemon *d);
void loader_free(struct loader *l);
/*
 * Files -> model, with the names in it looked up.  done is called once, at once or later: with a model that
 * is its own from then on, or NULL and the reasons.  files: what the state has to hold of it.
 */
typedef void load_done(struct daemon *d, struct model *take_m, const struct fragment *files, size_t n,
		       struct problems *ps);
void load_at_start(struct daemon *d, load_done *done);
void load_log_levels(struct daemon *d);				/* those of the model in force */

/* ready.c */
struct ready_fds *ready_new(void);
void ready_free(struct ready_fds *r);
void ready_watch(struct daemon *d, uint64_t inc, int take_fd);
void ready_drop(struct daemon *d, uint64_t inc);

/* notify.c */
struct notify_socket *notify_new(struct daemon *d, int fd);
void notify_free(struct notify_socket *n);
const char *notify_path(const struct notify_socket *n);		/* for NOTIFY_SOCKET; NULL: it has none */
void notify_resume(struct notify_socket *n);			/* the engine is there now, or knows more children */

/* tree.c */
struct trees *trees_new(struct daemon *d);
void trees_free(struct trees *t);
void tree_open_cgroups(struct daemon *d);			/* when the keeper has said where they are */
void tree_prepare(struct daemon *d, const struct app *a);	/* it will be started: makes its cgroup, while the keeper does other things */
void tree_watch(struct daemon *d, struct app *a);
void tree_read_pidfile(struct daemon *d, struct app *a);
void tree_main_ended(struct daemon *d, uint64_t inc, pid_t pid);
void tree_forget(struct daemon *d, uint64_t inc);		/* that incarnation is over */
/* The application that a process belongs to, as well as that can be known; NULL: to none. */
struct app *tree_owner(struct daemon *d, pid_t pid);

/* main.c: the path of a program that lies beside this one; written to path. */
const char *beside_engine(const char *program, char *path, size_t size);
