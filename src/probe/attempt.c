/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "probe/probe.h"
#include "sys/command.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int
attempt_exec(const struct probe *p, int64_t limit_ms, struct err *err)
{
	switch (command_run(p->command, limit_ms, err)) {
	case COMMAND_SUCCEEDED:
		return 0;
	case COMMAND_INTERRUPTED:
		exit(1);
	case COMMAND_FAILED:
		break;
	}
	return -1;
}

int
attempt_unix(const struct probe *p, int64_t limit_ms, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	autoclose int fd = -1;

	(void)limit_ms;
	if (strlen(p->path) >= sizeof(sa.sun_path))
		return err_set(err, ENAMETOOLONG, "unix socket %s", p->path);
	memcpy(sa.sun_path, p->path, strlen(p->path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, errno, "unix socket %s", p->path);
	/* EPROTOTYPE: somebody has it open, as another type of socket. */
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EPROTOTYPE)
		return err_set(err, errno, "unix socket %s", p->path);
	return 0;
}

/* The status line has come: the body does not matter. */
static size_t
stop_at_body(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)size;
	(void)n;
	(void)arg;
	return 0;
}

/* A handle for url that speaks to nobody but it, and not for long. */
static CURL *
handle_for(const char *url, int64_t limit_ms)
{
	CURL *c = curl_easy_init();

	if (c == NULL)
		return NULL;
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)limit_ms);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "appctl-probe");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, stop_at_body);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(c, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);	/* does not wait for a resolver that hangs */
#endif
	return c;
}

int
attempt_http(const struct probe *p, int64_t limit_ms, struct err *err)
{
	CURL *c = handle_for(p->url, limit_ms);
	long status = 0;
	CURLcode rc;

	if (c == NULL)
		return err_set(err, ENOMEM, "%s", p->url);
	rc = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	if (rc != CURLE_OK && rc != CURLE_WRITE_ERROR)
		return err_set(err, 0, "%s: %s", p->url, curl_easy_strerror(rc));
	if (status < 200 || status > 399)
		return err_set(err, 0, "%s: HTTP status %ld", p->url, status);
	return 0;
}

/* Through libcurl as well, for it bounds name lookup and tries all addresses. */
int
attempt_tcp(const struct probe *p, int64_t limit_ms, struct err *err)
{
	bool bare_ipv6 = strchr(p->host, ':') != NULL && p->host[0] != '[';
	char url[512];
	CURLcode rc;
	CURL *c;

	snprintf(url, sizeof(url), bare_ipv6 ? "http://[%s]:%s" : "http://%s:%s", p->host, p->port);
	c = handle_for(url, limit_ms);
	if (c == NULL)
		return err_set(err, ENOMEM, "tcp %s port %s", p->host, p->port);
	curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
	rc = curl_easy_perform(c);
	curl_easy_cleanup(c);
	if (rc != CURLE_OK)
		return err_set(err, 0, "tcp %s port %s: %s", p->host, p->port, curl_easy_strerror(rc));
	return 0;
}
