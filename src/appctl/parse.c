/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "base/suggest.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct opt global_opts[] = {
	{ "runtime-dir", 'r', "DIR", COMPLETE_DIRECTORIES, "the runtime directory of the appctld to speak to" },
	{ "node", 'n', "NODE", COMPLETE_NODES, "before the command: do it on that node" },
	{ "json", 0, NULL, COMPLETE_NOTHING, "print one JSON document (events: one a line)" },
	{ "help", 'h', NULL, COMPLETE_NOTHING, "show this help" },
	{ "version", 'V', NULL, COMPLETE_NOTHING, "show the version" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

/* Used by the completion scripts and the build alone. */
static const struct opt hidden_opts[] = {
	{ "completion", 0, "SHELL", COMPLETE_NOTHING, NULL },
	{ "names", 0, "KIND", COMPLETE_NOTHING, NULL },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

int
usage_error(const struct cmdline *l, const char *fmt, ...)
{
	const char *name = l->cmd ? l->cmd->name : "";
	va_list ap;

	fprintf(stderr, "appctl%s%s: ", *name ? " " : "", name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry \"appctl%s%s --help\".\n", *name ? " " : "", name);
	return APPCTL_INVALID;
}

/* "[SECONDS]": the value may be left out. */
static bool
value_is_optional(const struct opt *o)
{
	return o->value != NULL && o->value[0] == '[';
}

static const struct opt *
find_long(const struct opt *opts, const char *name, size_t len)
{
	for (; opts->name != NULL; opts++)
		if (strlen(opts->name) == len && memcmp(opts->name, name, len) == 0)
			return opts;
	return NULL;
}

static const struct opt *
find_letter(const struct opt *opts, char letter)
{
	for (; opts->name != NULL; opts++)
		if (opts->letter == letter)
			return opts;
	return NULL;
}

static const struct opt *
lookup(const struct cmdline *l, const char *name, size_t len)
{
	const struct opt *o = NULL;

	if (l->cmd != NULL)
		o = len == 0 ? find_letter(l->cmd->opts, *name) : find_long(l->cmd->opts, name, len);
	if (o == NULL)
		o = len == 0 ? find_letter(global_opts, *name) : find_long(global_opts, name, len);
	if (o == NULL && len > 0)
		o = find_long(hidden_opts, name, len);
	return o;
}

static const char *
nearest_option(const struct cmdline *l, const char *name)
{
	const char *names[64];
	const struct opt *o;
	size_t n = 0;

	for (o = global_opts; o->name != NULL; o++)
		names[n++] = o->name;
	for (o = l->cmd ? l->cmd->opts : global_opts; o->name != NULL; o++)
		names[n++] = o->name;
	return suggest(name, names, n);
}

static void
take(struct cmdline *l, const struct opt *o, const char *value)
{
	if (o == &global_opts[0])
		l->runtime_dir = value;
	else if (o == &global_opts[1])
		l->node = value;
	else if (o == &global_opts[2])
		l->json = true;
	else if (o == &global_opts[3])
		l->help = true;
	else if (o == &global_opts[4])
		l->version = true;
	else if (o == &hidden_opts[0])
		l->completion = value;
	else if (o == &hidden_opts[1])
		l->names = value;
	else
		l->given[l->given_count++] = (struct given){ o, value };
}

/* "--name", "--name=VALUE" or "--name VALUE"; *i moves on with what was used. */
static int
parse_long(struct cmdline *l, int argc, char **argv, int *i)
{
	char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct opt *o = len > 0 ? lookup(l, name, len) : NULL;
	const char *near;

	if (o == NULL) {
		if (equals)
			*equals = '\0';
		near = nearest_option(l, name);
		return usage_error(l, "there is no option --%s%s%s%s", name, near ? "; did you mean --" : "", near ? near : "",
				   near ? "?" : "");
	}
	if (equals != NULL && o->value == NULL)
		return usage_error(l, "--%s takes no value", o->name);
	if (equals == NULL && o->value != NULL && !value_is_optional(o)) {
		if (*i + 1 >= argc)
			return usage_error(l, "--%s needs a value: %s", o->name, o->value);
		take(l, o, argv[++*i]);
		return 0;
	}
	take(l, o, equals ? equals + 1 : NULL);
	return 0;
}

/* "-f", "-fn5", "-n 5". */
static int
parse_letters(struct cmdline *l, int argc, char **argv, int *i)
{
	const char *s = argv[*i] + 1;
	const struct opt *o;

	for (; *s; s++) {
		o = lookup(l, s, 0);
		if (o == NULL)
			return usage_error(l, "there is no option -%c", *s);
		if (o->value == NULL || value_is_optional(o)) {
			take(l, o, NULL);
			continue;
		}
		if (s[1] == '\0' && *i + 1 >= argc)
			return usage_error(l, "-%c needs a value: %s", *s, o->value);
		take(l, o, s[1] ? s + 1 : argv[++*i]);
		return 0;
	}
	return 0;
}

const struct cmd *
command_by_name(const char *name)
{
	size_t i;

	for (i = 0; commands[i] != NULL; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

int
unknown_name(const struct cmdline *l, const char *what, const char *name, const char *const *names, const char *told)
{
	const char *near;
	size_t n = 0;

	while (names[n] != NULL)
		n++;
	near = suggest(name, names, n);
	if (near != NULL)
		return usage_error(l, "there is no %s \"%s\"; did you mean \"%s\"?", what, name, near);
	return usage_error(l, "there is no %s \"%s\": %s", what, name, told);
}

static int
take_command(struct cmdline *l, const char *name)
{
	const char *names[64], *near;
	size_t n;

	l->cmd = command_by_name(name);
	if (l->cmd != NULL)
		return 0;
	for (n = 0; commands[n] != NULL; n++)
		names[n] = commands[n]->name;
	near = suggest(name, names, n);
	return usage_error(l, "there is no command \"%s\"%s%s%s", name, near ? "; did you mean \"" : "", near ? near : "",
			   near ? "\"?" : "");
}

static int
take_word(struct cmdline *l, const char *name)
{
	const char *const *w;

	for (w = l->cmd->words; *w != NULL && strcmp(*w, name) != 0; w++)
		;
	l->word = *w;
	return l->word ? 0 : unknown_name(l, "command of it", name, l->cmd->words, "a program to run comes after --");
}

static int
check_operands(const struct cmdline *l)
{
	if (l->cmd == NULL || l->help || l->version)
		return 0;
	if (l->operand_count < l->cmd->min)
		return usage_error(l, "it needs %s", l->cmd->operands);
	if (l->cmd->max >= 0 && l->operand_count > l->cmd->max)
		return usage_error(l, "one argument too many: \"%s\"", l->operands[l->cmd->max]);
	return 0;
}

/* What goes into JSON has to be UTF-8; only names of files need not be. */
static bool
is_text(const char *s)
{
	json_t *v = json_string(s);

	json_decref(v);
	return v != NULL;
}

static int
check_text(const struct cmdline *l)
{
	size_t i;
	int n;

	for (n = 0; n < l->operand_count; n++)
		if (l->cmd->first != COMPLETE_FILES && !is_text(l->operands[n]))
			return usage_error(l, "argument %d is not valid UTF-8", n + 1);
	for (i = 0; i < l->given_count; i++)
		if (l->given[i].value != NULL && !is_text(l->given[i].value))
			return usage_error(l, "the value of --%s is not valid UTF-8", l->given[i].opt->name);
	return 0;
}

int
parse(struct cmdline *l, int argc, char **argv)
{
	bool options = true;
	int i, r = 0;

	for (i = 1; i < argc && r == 0; i++) {
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (options && strncmp(argv[i], "--", 2) == 0)
			r = parse_long(l, argc, argv, &i);
		else if (options && argv[i][0] == '-' && argv[i][1] != '\0')
			r = parse_letters(l, argc, argv, &i);
		else if (l->cmd == NULL)
			r = take_command(l, argv[i]);
		else if (options && l->cmd->words != NULL && l->word == NULL)
			r = take_word(l, argv[i]);
		else {
			l->operands[l->operand_count++] = argv[i];
			if (l->cmd->own_options_end && (l->word == NULL || l->word == l->cmd->words[0]))
				options = false;
		}
	}
	if (r == 0)
		r = check_operands(l);
	return r != 0 ? r : check_text(l);
}

bool
has(const struct cmdline *l, const struct opt *opt)
{
	size_t i;

	for (i = 0; i < l->given_count; i++)
		if (l->given[i].opt == opt)
			return true;
	return false;
}

const char *
value_of(const struct cmdline *l, const struct opt *opt)
{
	const char *value = NULL;
	size_t i;

	for (i = 0; i < l->given_count; i++)
		if (l->given[i].opt == opt)
			value = l->given[i].value;
	return value;
}

double
parse_seconds(const char *text, const char *what)
{
	static const struct { const char *unit; double factor; } units[] = {
		{ "", 1 }, { "s", 1 }, { "ms", 0.001 }, { "m", 60 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 },
	};
	char *end;
	double v = strtod(text, &end);
	size_t i;

	for (i = 0; end != text && isfinite(v) && v >= 0 && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0)
			return v * units[i].factor;
	fprintf(stderr, "appctl: %s: \"%s\" is no length of time: write seconds, or 90s, 2m, 1h\n", what, text);
	return -1;
}

int
set_environment(const struct cmdline *l, const struct opt *env, json_t *object)
{
	json_t *environment = need_json(json_object());
	const char *equals;
	char *name;
	size_t i;

	for (i = 0; i < l->given_count; i++) {
		if (l->given[i].opt != env)
			continue;
		equals = strchr(l->given[i].value, '=');
		if (equals == NULL || equals == l->given[i].value) {
			json_decref(environment);
			return usage_error(l, "--env: \"%s\" is not NAME=VALUE", l->given[i].value);
		}
		name = strndup(l->given[i].value, (size_t)(equals - l->given[i].value));
		if (name == NULL)
			no_memory();
		set_json(environment, name, json_string(equals + 1));
		free(name);
	}
	if (json_object_size(environment) > 0)
		set_json(object, "environment", json_incref(environment));
	json_decref(environment);
	return 0;
}
