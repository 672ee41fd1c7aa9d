/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "lib/node.h"

#include <string.h>

/*
 * Completion for bash and zsh, written from the tables that parse the command line.  Names of applications and modes are
 * asked for at the moment of completion, by the hidden option --names.
 */

static const char *const *
words_of(enum complete c)
{
	switch (c) {
	case COMPLETE_SIGNALS:
		return signal_names;
	case COMPLETE_CATEGORIES:
		return category_names;
	case COMPLETE_LEVELS:
		return level_names;
	case COMPLETE_MODULES:
		return module_names;
	case COMPLETE_MONITOR:
		return monitor_names;
	case COMPLETE_TASKS:
		return task_words;
	default:
		return NULL;
	}
}

static void
print_words(const char *const *w)
{
	for (; *w != NULL; w++)
		printf("%s%s", *w, w[1] ? " " : "");
}

/* --- bash --- */

/* One statement that fills COMPREPLY from $cur. */
static void
bash_complete(enum complete c)
{
	static const char *const actions[] = {
		[COMPLETE_NOTHING] = "",
		[COMPLETE_APPS] = "-W \"$(_appctl_names apps)\"",
		[COMPLETE_MODES] = "-W \"$(_appctl_names modes)\"",
		[COMPLETE_NODES] = "-W \"$(_appctl_names nodes)\"",
		[COMPLETE_FILES] = "-f",
		[COMPLETE_DIRECTORIES] = "-d",
		[COMPLETE_USERS] = "-u",
		[COMPLETE_GROUPS] = "-g",
		[COMPLETE_COMMANDS] = "-c",
	};
	const char *const *words = words_of(c);

	if (c == COMPLETE_NOTHING) {
		fputs("COMPREPLY=()", stdout);
	} else if (words != NULL) {
		fputs("COMPREPLY=($(compgen -W \"", stdout);
		print_words(words);
		fputs("\" -- \"$cur\"))", stdout);
	} else {
		printf("%smapfile -t COMPREPLY < <(compgen %s -- \"$cur\")",
		       c == COMPLETE_FILES || c == COMPLETE_DIRECTORIES ? "compopt -o filenames; " : "", actions[c]);
	}
}

/* "--wait=" for an option whose value may be left out is offered as "--wait". */
static void
bash_option_words(const struct opt *o)
{
	for (; o->name != NULL; o++) {
		printf(" --%s", o->name);
		if (o->letter)
			printf(" -%c", o->letter);
	}
}

/* "-r|--runtime-dir) ...;;" for each option that is followed by a value. */
static void
bash_option_values(const struct opt *o)
{
	for (; o->name != NULL; o++) {
		if (o->value == NULL || o->value[0] == '[')
			continue;
		fputs("\t\t", stdout);
		if (o->letter)
			printf("-%c|", o->letter);
		printf("--%s) ", o->name);
		bash_complete(o->complete);
		puts("; return;;");
	}
}

static void
bash_command(const struct cmd *c)
{
	printf("\t%s)\n\t\tcase $prev in\n", c->name);
	bash_option_values(c->opts);
	fputs("\t\tesac\n\t\t_appctl_global && return\n\t\tif [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"", stdout);
	bash_option_words(c->opts);
	puts(" $global\" -- \"$cur\")); return; fi");
	fputs("\t\tif ((operands == 0)); then ", stdout);
	bash_complete(c->first);
	fputs("; else ", stdout);
	bash_complete(c->max >= 0 && c->max < 2 ? COMPLETE_NOTHING : c->others);
	puts("; fi;;");
}

/* Letters of options that take a value: their value is no operand. */
static void
bash_value_options(void)
{
	const struct opt *o;
	size_t i;

	fputs("\t\t-r|--runtime-dir) ((i++));;\n\t\t*)\n\t\t\tcase $cmd:${words[i]} in\n\t\t\t:-n|:--node) ((i++));;\n", stdout);
	for (i = 0; commands[i] != NULL; i++) {
		for (o = commands[i]->opts; o->name != NULL; o++) {
			if (o->value == NULL || o->value[0] == '[')
				continue;
			printf("\t\t\t%s:--%s", commands[i]->name, o->name);
			if (o->letter)
				printf("|%s:-%c", commands[i]->name, o->letter);
			puts(") ((i++));;");
		}
	}
	puts("\t\t\t*:=) ((i++));;\n"	/* bash takes "--wait=5" for three words */
	     "\t\t\t*:-*) ;;\n"
	     "\t\t\t:*) cmd=${words[i]};;\n"
	     "\t\t\t*) ((operands++));;\n"
	     "\t\t\tesac;;");
}

static void
print_bash(void)
{
	size_t i;

	puts("# Completion of appctl for bash, made by \"appctl --completion bash\".\n"
	     "_appctl_names() {\n"
	     "\tlocal i command=0 args=()\n"
	     "\tfor ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
	     "\t\tcase $command${words[i]} in\n"
	     "\t\t?-r|?--runtime-dir) args+=(-r \"${words[++i]}\");;\n"
	     "\t\t0-n|0--node) args+=(-n \"${words[++i]}\");;\n"
	     "\t\t?-*) ;;\n"
	     "\t\t*) command=1;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\t\"${words[0]}\" \"${args[@]}\" --names \"$1\" 2>/dev/null\n"
	     "}\n\n"
	     "_appctl_global() {\n"
	     "\tcase $prev in");
	bash_option_values(global_opts);
	puts("\tesac\n"
	     "\treturn 1\n"
	     "}\n\n"
	     "_appctl() {\n"
	     "\tlocal cur prev cmd='' operands=0 i global words=(\"${COMP_WORDS[@]}\")\n"
	     "\tcur=${COMP_WORDS[COMP_CWORD]}\n"
	     "\tprev=${COMP_WORDS[COMP_CWORD-1]}");
	fputs("\tglobal='", stdout);
	bash_option_words(global_opts);
	puts("'\n\tCOMPREPLY=()\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${words[i]} in");
	bash_value_options();
	puts("\t\tesac\n\tdone\n\tcase $cmd in");
	fputs("\t'') _appctl_global || if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$global\" -- \"$cur\")); "
	      "else COMPREPLY=($(compgen -W \"", stdout);
	for (i = 0; commands[i] != NULL; i++)
		printf("%s ", commands[i]->name);
	puts("\" -- \"$cur\")); fi;;");
	for (i = 0; commands[i] != NULL; i++)
		bash_command(commands[i]);
	puts("\tesac\n}\n\ncomplete -F _appctl appctl");
}

/* --- zsh --- */

/* Text inside single quotes and, for _arguments, inside brackets or after colons. */
static void
zsh_text(const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", stdout);
		else if (strchr("[]:\\", *s) != NULL)
			printf("\\%c", *s);
		else
			putchar(*s);
	}
}

static void
zsh_action(enum complete c)
{
	static const char *const actions[] = {
		[COMPLETE_NOTHING] = " ",
		[COMPLETE_APPS] = "{_appctl_names apps}",
		[COMPLETE_MODES] = "{_appctl_names modes}",
		[COMPLETE_NODES] = "{_appctl_names nodes}",
		[COMPLETE_FILES] = "_files",
		[COMPLETE_DIRECTORIES] = "_directories",
		[COMPLETE_USERS] = "_users",
		[COMPLETE_GROUPS] = "_groups",
		[COMPLETE_COMMANDS] = "{_command_names -e}",
	};
	const char *const *words = words_of(c);

	if (words == NULL) {
		fputs(actions[c], stdout);
		return;
	}
	putchar('(');
	print_words(words);
	putchar(')');
}

/* '-x+[help]:VALUE:action' for one spelling. */
static void
zsh_spelling(const struct opt *o, bool by_letter)
{
	bool optional = o->value != NULL && o->value[0] == '[';

	if (by_letter && optional)
		printf("'-%c[", o->letter);
	else if (by_letter)
		printf("'*-%c%s[", o->letter, o->value ? "+" : "");
	else
		printf("'*--%s%s[", o->name, optional ? "=-" : o->value ? "=" : "");
	zsh_text(o->help);
	putchar(']');
	if (o->value != NULL && !(by_letter && optional)) {
		printf("%s", optional ? "::" : ":");
		if (optional)
			printf("%.*s:", (int)strlen(o->value) - 2, o->value + 1);
		else
			printf("%s:", o->value);
		zsh_action(o->complete);
	}
	fputs("' ", stdout);
}

static bool
has_letter(const struct opt *o, char letter)
{
	for (; o != NULL && o->name != NULL; o++)
		if (o->letter == letter)
			return true;
	return false;
}

/* but: the letters of these have another meaning here; may be NULL. */
static void
zsh_options(const struct opt *o, const struct opt *but)
{
	for (; o->name != NULL; o++) {
		fputs("\t\t", stdout);
		if (o->letter && !has_letter(but, o->letter))
			zsh_spelling(o, true);
		zsh_spelling(o, false);
		puts("\\");
	}
}

static void
zsh_command(const struct cmd *c)
{
	printf("\t(%s)\n\t\t_arguments -s -S \\\n", c->name);
	zsh_options(c->opts, NULL);
	zsh_options(global_opts, c->opts);
	if (c->own_options_end) {
		puts("\t\t'(-):command:{_command_names -e}' '*::arguments:_normal';;");
		return;
	}
	if (c->first != COMPLETE_NOTHING) {
		fputs("\t\t'1:argument:", stdout);
		zsh_action(c->first);
		puts("' \\");
	}
	if (c->others != COMPLETE_NOTHING) {
		fputs("\t\t'*:argument:", stdout);
		zsh_action(c->others);
		puts("' \\");
	}
	puts("\t\t&& return 0;;");
}

static void
print_zsh(void)
{
	size_t i;

	puts("#compdef appctl\n"
	     "# Completion of appctl for zsh, made by \"appctl --completion zsh\".\n"
	     "_appctl_names() {\n"
	     "\tlocal -a args names\n"
	     "\tlocal i command=0\n"
	     "\tfor ((i = 2; i < $#_appctl_line; i++)); do\n"
	     "\t\tcase $command$_appctl_line[i] in\n"
	     "\t\t(?-r|?--runtime-dir) args+=(-r ${(Q)_appctl_line[++i]});;\n"
	     "\t\t(?-r*) args+=(-r ${(Q)_appctl_line[i]#-r});;\n"
	     "\t\t(?--runtime-dir=*) args+=(-r ${(Q)_appctl_line[i]#*=});;\n"
	     "\t\t(0-n|0--node) args+=(-n ${(Q)_appctl_line[++i]});;\n"
	     "\t\t(0-n*) args+=(-n ${(Q)_appctl_line[i]#-n});;\n"
	     "\t\t(0--node=*) args+=(-n ${(Q)_appctl_line[i]#*=});;\n"
	     "\t\t(?-*) ;;\n"
	     "\t\t(*) command=1;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tnames=(${(f)\"$(${(Q)_appctl_line[1]} $args --names $1 2>/dev/null)\"})\n"
	     "\tcompadd -a names\n"
	     "}\n\n"
	     "_appctl_commands() {\n"
	     "\tlocal -a list\n"
	     "\tlist=(");
	for (i = 0; commands[i] != NULL; i++) {
		printf("\t\t'%s:", commands[i]->name);
		zsh_text(commands[i]->summary);
		puts("'");
	}
	puts("\t)\n\t_describe command list\n}\n\n"
	     "_appctl() {\n"
	     "\tlocal curcontext=$curcontext state line\n"
	     "\tlocal -A opt_args\n"
	     "\tlocal -a _appctl_line=($words)\n"
	     "\t_arguments -C -A '-*' \\");
	zsh_options(global_opts, NULL);
	puts("\t\t'1:command:_appctl_commands' '*::argument:->argument' && return 0\n"
	     "\tcase $line[1] in");
	for (i = 0; commands[i] != NULL; i++)
		zsh_command(commands[i]);
	puts("\tesac\n}\n\n_appctl \"$@\"");
}

int
print_completion(const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		print_bash();
	else if (strcmp(shell, "zsh") == 0)
		print_zsh();
	else
		return APPCTL_INVALID;
	return 0;
}

/* Of this node and those that it knows. */
static json_t *
ask_nodes(const struct cmdline *l, struct appctl_error *e)
{
	json_t *reply = node_list(l->runtime_dir, NULL, e), *names = need_json(json_array());
	const json_t *v;
	size_t i;

	if (reply != NULL)
		append_json(names, json_string(text_at(reply, "node")));
	json_array_foreach(json_object_get(reply, "nodes"), i, v)
		append_json(names, json_string(text_at(v, "name")));
	json_decref(reply);
	return names;
}

static json_t *
ask_appctld(const struct cmdline *l, const char *method, const char *member, struct appctl_error *e)
{
	struct appctl *c = appctl_new_on(l->runtime_dir, l->node, e);
	json_t *reply = c ? appctl_call(c, method, NULL, e) : NULL, *names = json_incref(json_object_get(reply, member));

	json_decref(reply);
	appctl_free(c);
	return names;
}

/* One a line.  A shell that completes wants no messages: there are names or none. */
int
print_names(struct cmdline *l)
{
	struct appctl_error e = { 0 };
	json_t *names;
	const json_t *v;
	size_t i;

	if (strcmp(l->names, "nodes") == 0)
		names = ask_nodes(l, &e);
	else if (strcmp(l->names, "modes") == 0)
		names = ask_appctld(l, "ListModes", "modes", &e);
	else
		names = ask_appctld(l, "Graph", "applications", &e);
	json_array_foreach(names, i, v)
		if (json_is_string(v))
			puts(json_string_value(v));
	json_decref(names);
	i = e.status;
	appctl_error_clear(&e);
	return (int)i;
}
