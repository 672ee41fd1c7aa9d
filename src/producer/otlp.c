/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/otlp.h"

#include "base/log.h"
#include "net/secret.h"
#include "producer/otlp_text.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 10000, BODY_MAX = 16 * 1024 * 1024 };

struct otlp {
	struct loop *loop;
	const char *node;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct timer *timer;
	struct buf next;		/* the sample that is being made */
	struct buf body;		/* what is under way */
	bool busy, failing;
	char why[CURL_ERROR_SIZE];
};

/* --- libcurl in the loop --- */

static void
say(struct otlp *o, const char *why)
{
	if (why != NULL && !o->failing)
		log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "gauges cannot be pushed: %s", why);
	else if (why == NULL && o->failing)
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "gauges are pushed again");
	o->failing = why != NULL;
}

static void
request_ended(struct otlp *o, CURLcode result)
{
	char text[64];
	long status = 0;

	curl_easy_getinfo(o->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(o->multi, o->easy);
	o->busy = false;
	if (result != CURLE_OK) {
		say(o, o->why[0] ? o->why : curl_easy_strerror(result));
	} else if (status < 200 || status > 299) {
		snprintf(text, sizeof(text), "the collector answers with status %ld", status);
		say(o, text);
	} else {
		say(o, NULL);
	}
}

static void
act(struct otlp *o, curl_socket_t fd, int what)
{
	CURLMsg *msg;
	int running, left;

	curl_multi_socket_action(o->multi, fd, what, &running);
	while ((msg = curl_multi_info_read(o->multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE)
			request_ended(o, msg->data.result);
}

struct curl_watch {
	struct otlp *otlp;
	curl_socket_t fd;
	struct watch *watch;
};

static void
socket_ready(void *arg, int what)
{
	const struct curl_watch *w = arg;

	act(w->otlp, w->fd, (what & LOOP_READ ? CURL_CSELECT_IN : 0) | (what & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct curl_watch *w = socket_arg;
	struct otlp *o = arg;
	int events = (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			watch_free(w->watch);
		free(w);
		return 0;
	}
	if (w != NULL) {
		watch_set(w->watch, events);
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -1;
	w->otlp = o;
	w->fd = fd;
	w->watch = watch_new(o->loop, fd, events, socket_ready, w);
	if (w->watch == NULL || curl_multi_assign(o->multi, fd, w) != CURLM_OK) {
		watch_free(w->watch);
		free(w);
		return -1;
	}
	return 0;
}

static int
set_timer(CURLM *multi, long ms, void *arg)
{
	struct otlp *o = arg;

	(void)multi;
	timer_at(o->timer, ms < 0 ? 0 : clock_mono_ms() + ms + (ms == 0));
	return 0;
}

static void
timer_due(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* --- pushing --- */

static size_t
ignore_answer(char *data, size_t size, size_t count, void *arg)
{
	(void)data;
	(void)arg;
	return size * count;
}

void
otlp_add(struct otlp *o, const struct batch *b)
{
	if (o->next.len == 0)
		otlp_text_begin(&o->next, o->node);
	otlp_text_add(&o->next, b);
}

void
otlp_push(struct otlp *o)
{
	struct buf sent;

	if (o->next.len == 0)
		return;
	otlp_text_end(&o->next);
	if (!o->busy && !o->next.failed && o->next.len <= BODY_MAX) {
		sent = o->body;
		o->body = o->next;
		o->next = sent;
		curl_easy_setopt(o->easy, CURLOPT_POSTFIELDS, o->body.data);
		curl_easy_setopt(o->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body.len);
		o->why[0] = '\0';
		o->busy = curl_multi_add_handle(o->multi, o->easy) == CURLM_OK;
	}
	buf_clear(&o->next);
	if (o->next.failed)
		buf_free(&o->next);
}

/* --- made and given back --- */

static int
read_headers(struct otlp *o, const char *path, struct err *err)
{
	struct curl_slist *longer;
	char *text, *line, *rest = NULL;
	size_t len;

	text = secret_read_file(path, &len, err);
	if (text == NULL)
		return -1;
	for (line = strtok_r(text, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
		longer = curl_slist_append(o->headers, line);
		if (longer != NULL)
			o->headers = longer;
	}
	explicit_bzero(text, len);
	free(text);
	return 0;
}

static int
prepare(struct otlp *o, const char *url)
{
	struct curl_slist *longer = curl_slist_append(o->headers, "Content-Type: application/json");

	o->multi = curl_multi_init();
	o->easy = curl_easy_init();
	o->timer = timer_new(o->loop, timer_due, o);
	if (longer == NULL || o->multi == NULL || o->easy == NULL || o->timer == NULL)
		return -1;
	o->headers = longer;
	curl_multi_setopt(o->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(o->multi, CURLMOPT_SOCKETDATA, o);
	curl_multi_setopt(o->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(o->multi, CURLMOPT_TIMERDATA, o);
	curl_easy_setopt(o->easy, CURLOPT_HTTPHEADER, o->headers);
	curl_easy_setopt(o->easy, CURLOPT_WRITEFUNCTION, ignore_answer);
	curl_easy_setopt(o->easy, CURLOPT_ERRORBUFFER, o->why);
	curl_easy_setopt(o->easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	curl_easy_setopt(o->easy, CURLOPT_NOSIGNAL, 1L);
	return curl_easy_setopt(o->easy, CURLOPT_URL, url) == CURLE_OK ? 0 : -1;
}

struct otlp *
otlp_new(struct loop *l, const char *url, const char *headers_file, const char *node, struct err *err)
{
	struct otlp *o = calloc(1, sizeof(*o));

	err_set(err, ENOMEM, "OTLP");
	if (o == NULL)
		return NULL;
	o->loop = l;
	o->node = node;
	if ((headers_file == NULL || read_headers(o, headers_file, err) == 0) && prepare(o, url) == 0)
		return o;
	otlp_free(o);
	return NULL;
}

void
otlp_free(struct otlp *o)
{
	if (o == NULL)
		return;
	if (o->busy)
		curl_multi_remove_handle(o->multi, o->easy);
	curl_easy_cleanup(o->easy);
	if (o->multi != NULL)
		curl_multi_cleanup(o->multi);
	curl_slist_free_all(o->headers);
	timer_free(o->timer);
	buf_free(&o->next);
	buf_free(&o->body);
	free(o);
}
