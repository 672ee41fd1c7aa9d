/* SPDX-License-Identifier: MIT */
#include "job/job.h"

#include "base/strmap.h"
#include "core/model.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	AGAIN_MS = 1000,		/* before appctld is sought again */
	AT_ONCE = 256,			/* events before others have their turn */
	WAITING_MAX = 32,			/* signals that wait */
};

enum phase {
	PHASE_WAITING,			/* for the events to flow, so that none of its is missed */
	PHASE_ASKED,			/* Run, or the first Status, is not answered yet */
	PHASE_SOON,			/* appctld has it, its process is not there yet */
	PHASE_RUNNING,
};

struct job {
	struct jobs *js;
	uint32_t slot;
	char name[NAME_MAX_LEN + 1];
	enum phase phase;
	json_t *definition;		/* until it is sent; NULL: the job is looked for, not started */
	int fds[3];			/* the same; -1: none */
	bool temporary;			/* it ends once: nobody has to be asked whether it starts again */
	bool exited, over;		/* `end` says how; what app_stopped or app_failed said */
	bool looking, unsure;		/* Status is under way; it has to be asked later */
	bool lost;			/* the answer to Run */
	bool missing;			/* appctld does not know it (any more); events may still be on their way */
	bool told_start;
	unsigned in_callback;
	bool forgotten;			/* in a callback: it goes when that returns */
	pid_t pid;
	struct job_end end;
	json_t *waiting;		/* signals to send, "" for Stop, the first one perhaps on its way */
	bool sending;
	struct job_handler handler;
	void *arg;
};

struct jobs {
	struct loop *loop;
	const char *runtime_dir;
	struct calls *calls;
	struct job **slots;
	uint32_t slot_count;
	struct strmap by_name;
	struct appctl_events *events;	/* NULL: not subscribed */
	struct watch *watch;
	struct timer *timer;		/* for the subscription */
	struct timer *again;		/* for calls that could not be made */
	bool flowing;			/* hello has come */
};

static void look(struct job *j);
static void send_next(struct job *j);

static const char *
text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* -- a job's life -- */

static void
close_fds(struct job *j)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (j->fds[i] >= 0)
			close(j->fds[i]);
		j->fds[i] = -1;
	}
}

static void
job_free(struct job *j)
{
	struct jobs *js = j->js;

	if (js->slots[j->slot] == j) {
		js->slots[j->slot] = NULL;
		strmap_del(&js->by_name, j->name);
	}
	calls_forget(js->calls, j);
	close_fds(j);
	json_decref(j->definition);
	json_decref(j->waiting);
	free(j);
}

static void
enter(struct job *j)
{
	j->in_callback++;
}

/* false: the job is gone. */
static bool
leave(struct job *j)
{
	if (--j->in_callback > 0 || !j->forgotten)
		return true;
	job_free(j);
	return false;
}

static void
fail(struct job *j, const struct appctl_error *e)
{
	enter(j);
	j->forgotten = true;
	j->handler.failed(j->arg, j, e);
	leave(j);
}

static void
fail_with(struct job *j, enum appctl_status status, const char *name, const char *message)
{
	struct appctl_error e = { .status = status };

	snprintf(e.name, sizeof(e.name), "%s", name);
	snprintf(e.message, sizeof(e.message), "%s", message);
	fail(j, &e);
}

/* false: the job is gone. */
static bool
tell_start(struct job *j)
{
	j->phase = PHASE_RUNNING;
	if (j->told_start)
		return true;
	j->told_start = true;
	enter(j);
	j->handler.started(j->arg, j, j->pid);
	return leave(j);
}

static void
finish(struct job *j)
{
	if (!tell_start(j))
		return;
	enter(j);
	j->forgotten = true;
	j->pid = 0;
	j->end.seen = j->exited;
	j->handler.ended(j->arg, j, &j->end);
	leave(j);
}

/* Nothing of it is left now. */
static void
settle(struct job *j)
{
	if (j->temporary && j->exited)
		finish(j);
	else
		look(j);
}

/* -- what appctld knows of it -- */

static void
take_exit(struct job *j, const json_t *code, const char *signal, const char *reason)
{
	j->exited = json_is_integer(code) || *signal != '\0';
	j->end.code = json_is_integer(code) ? (int)json_integer_value(code) : -1;
	snprintf(j->end.signal, sizeof(j->end.signal), "%s", signal);
	snprintf(j->end.reason, sizeof(j->end.reason), "%s", reason);
}

static bool
state_is_final(const char *state)
{
	return strcmp(state, "completed") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "stopped") == 0;
}

static void
take_state(struct job *j, const json_t *app)
{
	const json_t *exit = json_object_get(app, "last_exit");
	bool final = state_is_final(text_in(app, "state"));

	j->pid = (pid_t)json_integer_value(json_object_get(app, "pid"));
	if (json_is_object(exit))
		take_exit(j, json_object_get(exit, "code"), text_in(exit, "signal"), text_in(exit, "reason"));
	if (final && !j->told_start && !json_is_object(exit))
		fail_with(j, APPCTL_FAILED, "", *text_in(app, "failure") ? text_in(app, "failure") : "it could not be started");
	else if (final)
		finish(j);
	else if (j->pid == 0 && !j->told_start)
		j->phase = PHASE_SOON;
	else if (tell_start(j))
		send_next(j);
}

static void
ask_later(struct job *j)
{
	j->unsure = true;
	timer_at(j->js->again, clock_mono_ms() + AGAIN_MS);
}

/* The engine was started anew, or has forgotten it among others that have ended: its last events come first. */
static void
miss(struct job *j)
{
	j->missing = true;
	ask_later(j);
}

static void
looked(void *arg, const json_t *reply, const struct appctl_error *e)
{
	struct job *j = arg;

	j->looking = false;
	if (reply != NULL)
		take_state(j, json_array_get(json_object_get(reply, "applications"), 0));
	else if (e->status == APPCTL_UNREACHABLE)
		ask_later(j);
	else if (!j->missing && (j->told_start || j->lost))
		miss(j);
	else if (j->told_start || j->exited)
		finish(j);		/* forgotten only after its end */
	else if (j->lost)
		fail_with(j, APPCTL_FAILED, "", "appctld was started anew before it took the order; nothing was started");
	else
		fail(j, e);
}

static void
look(struct job *j)
{
	json_t *params;

	if (j->looking)
		return;
	j->unsure = false;
	params = json_pack("{s:[s]}", "names", j->name);
	if (params != NULL && calls_put(j->js->calls, "Status", params, NULL, looked, j) == 0)
		j->looking = true;
	else
		ask_later(j);
}

/* -- starting it -- */

static void
ran(void *arg, const json_t *reply, const struct appctl_error *e)
{
	struct job *j = arg;

	if (reply == NULL && (j->exited || strcmp(e->name, APPCTL_OUTCOME_UNKNOWN) == 0)) {
		j->lost = true;		/* or it ended so early, among so many, that it is forgotten already */
		settle(j);
	} else if (reply == NULL) {
		fail(j, e);
	} else {
		j->pid = (pid_t)json_integer_value(json_object_get(reply, "pid"));
		if (!tell_start(j))
			return;
		if (j->over || j->pid == 0)
			settle(j);
		else
			send_next(j);
	}
}

static void
go(struct job *j)
{
	json_t *definition = j->definition, *params;
	int r = -1;

	j->phase = PHASE_ASKED;
	if (definition == NULL) {
		look(j);
		return;
	}
	j->definition = NULL;
	params = json_pack("{s:s, s:o}", "name", j->name, "definition", definition);
	if (params != NULL)
		r = calls_put(j->js->calls, "Run", params, j->fds[0] >= 0 ? j->fds : NULL, ran, j);
	else
		close_fds(j);
	j->fds[0] = j->fds[1] = j->fds[2] = -1;
	if (r < 0)
		ask_later(j);		/* that says, from the loop, that there is no such thing */
}

/* -- signals -- */

static void
sent(void *arg, const json_t *reply, const struct appctl_error *e)
{
	struct job *j = arg;
	const char *signal = json_string_value(json_array_get(j->waiting, 0));
	bool lost = reply == NULL && (e->status == APPCTL_UNREACHABLE || strcmp(e->name, APPCTL_OUTCOME_UNKNOWN) == 0);

	j->sending = false;
	/* To be asked twice to stop is no harm; a signal may have arrived. */
	if (lost && *signal == '\0') {
		timer_at(j->js->again, clock_mono_ms() + AGAIN_MS);
		return;
	}
	json_array_remove(j->waiting, 0);
	send_next(j);
}

static void
send_next(struct job *j)
{
	const char *signal = json_string_value(json_array_get(j->waiting, 0));
	json_t *params;

	if (signal == NULL || j->sending || j->phase != PHASE_RUNNING)
		return;
	params = *signal != '\0' ? json_pack("{s:s, s:s}", "name", j->name, "signal", signal) : json_pack("{s:s}", "name", j->name);
	if (params != NULL && calls_put(j->js->calls, *signal != '\0' ? "Kill" : "Stop", params, NULL, sent, j) == 0)
		j->sending = true;
	else
		timer_at(j->js->again, clock_mono_ms() + AGAIN_MS);
}

static void
put_waiting(struct job *j, const char *signal)
{
	json_array_append_new(j->waiting, json_string(signal));
	send_next(j);
}

void
job_kill(struct job *j, const char *signal)
{
	if (json_array_size(j->waiting) < WAITING_MAX)
		put_waiting(j, signal);
}

void
job_stop(struct job *j)
{
	put_waiting(j, "");
}

/* What could not be asked or said is tried again. */
static void
try_again(void *arg)
{
	struct jobs *js = arg;
	struct job *j;
	uint32_t i;

	for (i = 0; i < js->slot_count; i++) {
		j = js->slots[i];
		if (j != NULL && j->unsure)
			look(j);
		if (j != NULL)
			send_next(j);
	}
}

/* -- events -- */

static void
job_event(struct job *j, const char *kind, const json_t *event)
{
	if (strcmp(kind, "app_running") == 0) {
		j->over = false;
		j->pid = (pid_t)json_integer_value(json_object_get(event, "pid"));
		if (j->phase == PHASE_SOON && tell_start(j))
			send_next(j);
	} else if (strcmp(kind, "app_exited") == 0) {
		take_exit(j, json_object_get(event, "status"), text_in(event, "signal"), text_in(event, "reason"));
	} else {
		j->over = true;
		if (j->phase != PHASE_ASKED || j->lost)
			settle(j);
	}
}

/* The events flow from here on: what waited for that begins, and of all others it is asked how they are. */
static void
begin_all(struct jobs *js)
{
	struct job *j;
	uint32_t i;

	for (i = 0; i < js->slot_count; i++) {
		j = js->slots[i];
		if (j != NULL && j->phase == PHASE_WAITING)
			go(j);
		else if (j != NULL && j->phase != PHASE_ASKED)
			look(j);
	}
}

static void
fail_all(struct jobs *js, const struct appctl_error *e)
{
	struct job *j;
	uint32_t i;

	for (i = 0; i < js->slot_count; i++) {
		j = js->slots[i];
		if (j != NULL && j->phase == PHASE_WAITING)
			fail(j, e);
	}
}

static void
take_event(struct jobs *js, const json_t *event)
{
	const char *kind = text_in(event, "event");
	uint32_t slot;

	if (strcmp(kind, "hello") == 0 || strcmp(kind, "lost") == 0) {
		js->flowing = true;
		begin_all(js);
		return;
	}
	slot = strmap_get(&js->by_name, text_in(event, "app"));
	if (slot != STRMAP_NONE && js->slots[slot]->phase != PHASE_WAITING)
		job_event(js->slots[slot], kind, event);
}

static void
unsubscribe(struct jobs *js)
{
	watch_move(js->watch, -1);
	js->flowing = false;
	appctl_events_free(js->events);
	js->events = NULL;
}

static void read_events(void *arg);

static void
readable(void *arg, int what)
{
	(void)what;
	read_events(arg);
}

static void
wait_for_events(struct jobs *js)
{
	int wait_ms = appctl_events_wait_ms(js->events);

	watch_move(js->watch, appctl_events_fd(js->events));
	timer_at(js->timer, wait_ms >= 0 ? clock_mono_ms() + wait_ms + 1 : 0);
}

/* Jobs that wait are told why they wait in vain. */
static void
subscribe(struct jobs *js, struct appctl_error *e)
{
	json_t *filter = json_pack("{s:[s, s, s, s]}", "categories", "app_running", "app_exited", "app_stopped", "app_failed");

	js->events = filter != NULL ? appctl_subscribe(js->runtime_dir, filter, e) : NULL;
	if (js->events == NULL)
		fail_all(js, e);
}

static void
read_events(void *arg)
{
	struct jobs *js = arg;
	struct appctl_error e = { 0 };
	json_t *event;
	int r = -1, i;

	if (js->events == NULL)
		subscribe(js, &e);
	for (i = 0; js->events != NULL && i < AT_ONCE && (r = appctl_events_next(js->events, 0, &event, &e)) > 0; i++) {
		take_event(js, event);
		json_decref(event);
	}
	if (r < 0) {
		fail_all(js, &e);
		unsubscribe(js);
		timer_at(js->timer, clock_mono_ms() + AGAIN_MS);
	} else {
		wait_for_events(js);
		if (r > 0)
			timer_at(js->timer, clock_mono_ms());
	}
	appctl_error_clear(&e);
}

/* -- the interface -- */

struct jobs *
jobs_new(struct loop *l, const char *runtime_dir)
{
	struct jobs *js = calloc(1, sizeof(*js));

	if (js == NULL)
		return NULL;
	js->loop = l;
	js->runtime_dir = runtime_dir;
	js->calls = calls_new(l, runtime_dir);
	js->timer = timer_new(l, read_events, js);
	js->again = timer_new(l, try_again, js);
	js->watch = watch_new(l, -1, LOOP_READ, readable, js);
	if (js->calls != NULL && js->watch != NULL && js->timer != NULL && js->again != NULL)
		return js;
	jobs_free(js);
	return NULL;
}

void
jobs_free(struct jobs *js)
{
	uint32_t i;

	if (js == NULL)
		return;
	for (i = 0; i < js->slot_count; i++)
		if (js->slots[i] != NULL)
			job_free(js->slots[i]);
	free(js->slots);
	strmap_free(&js->by_name);
	watch_free(js->watch);
	appctl_events_free(js->events);
	timer_free(js->timer);
	timer_free(js->again);
	calls_free(js->calls);
	free(js);
}

struct calls *
jobs_calls(struct jobs *js)
{
	return js->calls;
}

/* -1: no memory, or the name is followed already. */
static int
find_slot(struct job *j)
{
	struct jobs *js = j->js;
	struct job **more;
	uint32_t i, n;

	if (strmap_get(&js->by_name, j->name) != STRMAP_NONE)
		return -1;
	for (i = 0; i < js->slot_count && js->slots[i] != NULL; i++)
		;
	if (i == js->slot_count) {
		n = js->slot_count ? js->slot_count * 2 : 16;
		more = realloc(js->slots, n * sizeof(struct job *));
		if (more == NULL)
			return -1;
		memset(more + i, 0, (n - i) * sizeof(struct job *));
		js->slots = more;
		js->slot_count = n;
	}
	j->slot = i;
	if (strmap_put(&js->by_name, j->name, i) < 0)
		return -1;
	js->slots[i] = j;
	return 0;
}

static struct job *
job_new(struct jobs *js, const char *name, const struct job_handler *h, void *arg)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->js = js;
	j->handler = *h;
	j->arg = arg;
	j->end.code = -1;
	j->fds[0] = j->fds[1] = j->fds[2] = -1;
	j->waiting = json_array();
	snprintf(j->name, sizeof(j->name), "%s", name);
	if (j->waiting == NULL || strcmp(j->name, name) != 0 || find_slot(j) < 0) {
		json_decref(j->waiting);
		free(j);
		return NULL;
	}
	return j;
}

/* From the loop, as all that follows. */
static void
begin(struct job *j)
{
	if (j->js->flowing)
		go(j);
	else if (j->js->events == NULL)
		timer_at(j->js->timer, clock_mono_ms());
}

struct job *
job_run(struct jobs *js, const char *name, json_t *take_definition, const int *take_fds, const struct job_handler *h, void *arg)
{
	struct job *j = take_definition != NULL ? job_new(js, name, h, arg) : NULL;
	int i;

	for (i = 0; take_fds != NULL && i < 3; i++) {
		if (j != NULL)
			j->fds[i] = take_fds[i];
		else
			close(take_fds[i]);
	}
	if (j == NULL) {
		json_decref(take_definition);
		return NULL;
	}
	j->definition = take_definition;
	j->temporary = strcmp(text_in(take_definition, "restart"), "temporary") == 0;
	begin(j);
	return j;
}

struct job *
job_find(struct jobs *js, const char *name, const struct job_handler *h, void *arg)
{
	struct job *j = job_new(js, name, h, arg);

	if (j != NULL)
		begin(j);
	return j;
}

const char *
job_name(const struct job *j)
{
	return j->name;
}

pid_t
job_pid(const struct job *j)
{
	return j->pid;
}

void
job_forget(struct job *j)
{
	if (j == NULL)
		return;
	j->forgotten = true;
	if (j->in_callback == 0)
		job_free(j);
}
