/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "lib/appctl.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * The command line of appctl.  Each command is one struct cmd in its own cmd-*.c; commands.c lists them.
 * Parsing, --help and the completion of both shells read these tables and nothing else, so they cannot differ.
 */
enum complete {
	COMPLETE_NOTHING, COMPLETE_APPS, COMPLETE_MODES, COMPLETE_NODES, COMPLETE_FILES, COMPLETE_DIRECTORIES, COMPLETE_USERS,
	COMPLETE_GROUPS, COMPLETE_COMMANDS, COMPLETE_SIGNALS, COMPLETE_CATEGORIES, COMPLETE_LEVELS, COMPLETE_MODULES,
	COMPLETE_MONITOR, COMPLETE_TASKS,
};

/* With -n NODE. */
enum there {
	THERE_BY_CALLS,			/* it speaks to the appctld there */
	THERE_AS_A_WHOLE,		/* it needs that machine's files: appctl is run there */
	THERE_BY_ITSELF,		/* it knows what to do */
};

struct opt {
	const char *name;		/* without its dashes; NULL ends a list */
	char letter;			/* 0: none */
	const char *value;		/* "DIR"; NULL: takes none; "[SECONDS]": only as --name=SECONDS */
	enum complete complete;
	const char *help;
};

struct cmdline;

struct cmd {
	const char *name;
	const char *operands;		/* for the usage line, "APP..."; "": none */
	const char *summary;
	const char *about;		/* what --help adds; NULL: nothing */
	const struct opt *opts;
	int min, max;			/* number of operands; max -1: any */
	enum complete first, others;	/* operands */
	bool own_options_end;		/* the first operand ends the options: what follows belongs to another program */
	const char *const *words;	/* one of these may come first, before "--"; NULL ends them.  Only the first has own_options_end */
	int (*run)(struct cmdline *l);	/* returns the exit status */
	enum there there;
};

struct given {
	const struct opt *opt;
	const char *value;		/* NULL: none */
};

struct cmdline {
	const struct cmd *cmd;
	const char *runtime_dir;	/* NULL: to be found */
	const char *node;		/* NULL: this one */
	bool json, help, version;
	const char *completion, *names;	/* hidden: a shell; "apps", "modes" or "nodes" */
	struct given *given;		/* of the command's own options, in order */
	size_t given_count;
	const char *word;		/* of cmd->words; NULL: none was given */
	char **operands;
	int operand_count;
	struct appctl *client;		/* session(); NULL: not connected yet */
	int status;			/* of the last ask() that failed */
};

extern const struct cmd *const commands[];	/* in the order of --help; NULL ends it */
extern const struct opt global_opts[];
extern const char *const signal_names[];	/* for completion; NULL ends them */
extern const char *const level_names[];
extern const char *const module_names[];
extern const char *const category_names[];
extern const char *const monitor_names[];
extern const char *const task_words[];
const struct cmd *command_by_name(const char *name);

/* parse.c: 0, or an exit status after saying what is wrong.  given[] and operands[] have room for argc. */
int parse(struct cmdline *l, int argc, char **argv);
bool has(const struct cmdline *l, const struct opt *opt);
const char *value_of(const struct cmdline *l, const struct opt *opt);	/* the last one given; NULL: none */
/* "90", "1.5", "90s", "2m", "1h".  -1: it is none, said. */
double parse_seconds(const char *text, const char *what);
/* Says "appctl CMD: ..." with a hint at --help.  Returns the exit status. */
int usage_error(const struct cmdline *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a word that is none of names (NULL ends them): with the nearest one, else with what `told` says of them. */
int unknown_name(const struct cmdline *l, const char *what, const char *name, const char *const *names, const char *told);

/* Member "environment" of object from each --env NAME=VALUE.  0; usage error, said. */
int set_environment(const struct cmdline *l, const struct opt *env, json_t *object);

/* The program of that name of $APPCTL_LIBEXECDIR, of a build tree, or the installed one; free() it.  NULL: no memory. */
char *helper_path(const char *name);

/* help.c */
void print_help(const struct cmd *cmd);		/* NULL: of appctl as a whole */

/* complete.c: the exit status. */
int print_completion(const char *shell);
int print_names(struct cmdline *l);

/* session.c */
struct appctl *session(struct cmdline *l);	/* NULL: said, l->status is set */
/* A call; the reply's parameters.  NULL: said, l->status is the exit status. */
json_t *ask(struct cmdline *l, const char *method, json_t *take_params);
/* The same, saying on a terminal what is waited for; app NULL: what the mode waits for. */
json_t *ask_and_wait(struct cmdline *l, const char *method, json_t *take_params, const char *app);
/* Says what went wrong, on stderr and with --json as a document too.  Clears e; returns the exit status. */
int fail(const struct cmdline *l, struct appctl_error *e);
/* The message and what belongs to it (outstanding applications, errors of a configuration) on stderr alone. */
void complain(const struct appctl_error *e);
json_t *error_json(const struct appctl_error *e);
/* A failure of this side. */
int fail_here(const struct cmdline *l, enum appctl_status status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
