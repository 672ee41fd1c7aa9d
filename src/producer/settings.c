/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROW(name, kind, field, min, max, initial, help) \
	{ name, SETTING_##kind, offsetof(struct producer_settings, field), min, max, initial, help }
#define DAY_MS (24 * 3600 * 1000LL)

const struct setting producer_settings_table[] = {
	ROW("ENABLE", BOOL, enable, 0, 0, "false", "nothing is done unless this is true"),
	ROW("NODE", TEXT, node, 0, 0, NULL, "this machine's name in all that is collected; the host's name unless set"),
	ROW("IP", TEXT, ip, 0, 0, NULL, "address or name of the consumer; 127.0.0.1 unless PRODUCER_OTLP_URL is set"),
	ROW("PORT", INT, port, 1, 65535, "8888", "its port"),
	ROW("SECRET_FILE", PATH, secret_file, 0, 0, NULL,
	    "file with the secret that producer and consumer share;\nmode 0400 or 0600, of the user that runs this"),
	ROW("USE_TLS", BOOL, tls.use_tls, 0, 0, "true",
	    "TLS 1.3: with certificates where PRODUCER_CACERTFILE is set,\nelse with a key made of the secret; false: ws://"),
	ROW("CACERTFILE", PATH, tls.ca_file, 0, 0, NULL, "certificates of the authorities that the consumer's is checked with, PEM"),
	ROW("CERTFILE", PATH, tls.cert_file, 0, 0, NULL, "this producer's certificate and its chain, PEM"),
	ROW("KEYFILE", PATH, tls.key_file, 0, 0, NULL, "its key, PEM"),
	ROW("CRLFILE", PATH, tls.crl_file, 0, 0, NULL, "certificates that were revoked, PEM"),
	ROW("INTERVAL", TIME, interval_ms, 100, 3600 * 1000, "2s", "time between two samples"),
	ROW("SPOOL", PATH, spool, 0, 0, NULL,
	    "directory for what is not acknowledged yet; made where it is missing;\nnobody else may write in it"),
	ROW("SPOOL_SIZE", SIZE, spool_size, 1 << 20, INT64_MAX, "64M", "beyond this the oldest is dropped, and counted"),
	ROW("SPOOL_AGE", TIME, spool_age_ms, 0, 3650 * DAY_MS, "7d", "what is older is dropped, and counted; 0: no limit"),
	ROW("UNREACHABLE_AFTER", TIME, unreachable_after_ms, 1000, 30 * DAY_MS, "5m",
	    "an alarm is raised when the consumer is out of reach for so long"),
	ROW("TOP", INT, top, 1, 1000, "10", "processes sent for each of processor, memory, growth and I/O"),
	ROW("CPU_MIN", REAL, cpu_min, 0, 1000, "0.01", "processors; who uses less is not sent for it"),
	ROW("MEMORY_MIN", SIZE, memory_min, 1, INT64_MAX, "16M", "the same for memory,"),
	ROW("GROWTH_MIN", SIZE, growth_min, 1, INT64_MAX, "64K", "for its growth each second,"),
	ROW("IO_MIN", SIZE, io_min, 1, INT64_MAX, "64K", "and for reading and writing each second"),
	ROW("VIPS", TEXT, vips, 0, 0, NULL, "names of programs or applications whose processes are always sent, between commas"),
	ROW("PROCESSES_MAX", INT, processes_max, 16, 4000000, "10000", "processes that are kept in mind"),
	ROW("SAMPLE_SIZE", INT, sample_size, 0, 100000, "50", "processes asked each time what they wait in and have open"),
	ROW("MEMORY_LIMIT", SIZE, memory_limit, 0, INT64_MAX, "0", "a process with more is a suspect and raises an alarm; 0: no limit"),
	ROW("DESCRIPTORS_LIMIT", INT, descriptors_limit, 0, UINT32_MAX, "0", "the same for its descriptors,"),
	ROW("THREADS_LIMIT", INT, threads_limit, 0, UINT32_MAX, "0", "for its threads,"),
	ROW("PROCESSES_LIMIT", INT, processes_limit, 0, UINT32_MAX, "0", "and for the number of processes of the machine"),
	ROW("EVENTS", BOOL, events, 0, 0, "true", "collect appctld's events"),
	ROW("RUNTIME_DIR", PATH, runtime_dir, 0, 0, NULL, "appctld's runtime directory; found as appctl(1) does unless set"),
	ROW("METRIC_", NAMED, metrics, 0, 0, NULL,
	    "a shell command that prints a JSON object, or an array of them: rows of table custom_NAME"),
	ROW("STATUS_COMMAND", TEXT, status_command, 0, 0, NULL, "a shell command that prints the node's status, a text"),
	ROW("COMMAND_INTERVAL", TIME, command_interval_ms, 100, DAY_MS, "10s", "time between two runs of these,"),
	ROW("COMMAND_TIMEOUT", TIME, command_timeout_ms, 100, 3600 * 1000, "5s", "and how long one may take"),
	ROW("OTLP_URL", TEXT, otlp_url, 0, 0, NULL,
	    "also push gauges there, as OTLP/HTTP JSON: http://HOST:4318/v1/metrics;\nwithout PRODUCER_IP nothing else is sent"),
	ROW("OTLP_HEADERS_FILE", PATH, otlp_headers_file, 0, 0, NULL,
	    "file with headers for that, one a line; a secret's file, as above"),
};
const size_t producer_settings_count = sizeof(producer_settings_table) / sizeof(producer_settings_table[0]);

static int
split_vips(struct producer_settings *s, struct buf *problems)
{
	char *word, *rest = NULL;

	if (s->vips == NULL)
		return 0;
	s->vips_text = strdup(s->vips);
	if (s->vips_text == NULL)
		return settings_complain(problems, "no memory");
	for (word = strtok_r(s->vips_text, ", ", &rest); word != NULL; word = strtok_r(NULL, ", ", &rest)) {
		if (s->vip_count == sizeof(s->vip_names) / sizeof(s->vip_names[0]))
			return settings_complain(problems, "PRODUCER_VIPS: more than 64 names");
		s->vip_names[s->vip_count++] = word;
	}
	return 0;
}

static int
check_metrics(const struct producer_settings *s, struct buf *problems)
{
	size_t i;
	int r = 0;

	for (i = 0; i < s->metrics.count; i++)
		if (!custom_name_ok(s->metrics.v[i].name, strlen(s->metrics.v[i].name))) {
			buf_printf(problems, "PRODUCER_METRIC_%s: a metric's name is " CUSTOM_NAME_RULE "\n", s->metrics.v[i].name);
			r = -1;
		}
	return r;
}

int
producer_settings_check(const struct producer_settings *s, struct buf *problems)
{
	int r = check_metrics(s, problems);

	if (settings_check_tls(PRODUCER_PREFIX, &s->tls, problems) < 0)
		r = -1;
	if (s->otlp_url != NULL && strncmp(s->otlp_url, "http://", 7) != 0 && strncmp(s->otlp_url, "https://", 8) != 0)
		r = settings_complain(problems, "PRODUCER_OTLP_URL must begin with http:// or https://");
	if (s->otlp_headers_file != NULL && s->otlp_url == NULL)
		r = settings_complain(problems, "PRODUCER_OTLP_HEADERS_FILE needs PRODUCER_OTLP_URL");
	return r;
}

static int
check_needed(struct producer_settings *s, struct buf *problems)
{
	int r = 0;

	if (s->ip == NULL && s->otlp_url == NULL)
		s->ip = "127.0.0.1";
	if (s->ip != NULL && s->secret_file == NULL)
		r = settings_complain(problems, "PRODUCER_SECRET_FILE must be set: the file with the secret that producer and consumer share");
	if (s->ip != NULL && s->spool == NULL)
		r = settings_complain(problems, "PRODUCER_SPOOL must be set: a directory for what is not acknowledged yet");
	return r;
}

int
producer_settings_read(struct producer_settings *s, char *const *environment, struct buf *problems)
{
	bool good = settings_read(PRODUCER_PREFIX, producer_settings_table, producer_settings_count, environment, s, problems) == 0;

	if (!good || !s->enable)
		return good ? 0 : -1;
	if (gethostname(s->host_name, sizeof(s->host_name) - 1) < 0 || s->host_name[0] == '\0')
		strcpy(s->host_name, "localhost");
	if (s->node == NULL)
		s->node = s->host_name;
	snprintf(s->port_text, sizeof(s->port_text), "%d", (int)s->port);
	good = check_needed(s, problems) == 0;
	good = producer_settings_check(s, problems) == 0 && good;
	return split_vips(s, problems) == 0 && good ? 0 : -1;
}

void
producer_settings_fini(struct producer_settings *s)
{
	free(s->vips_text);
	s->vips_text = NULL;
}

struct sampler_options
producer_sampler_options(const struct producer_settings *s)
{
	return (struct sampler_options){
		.top = (unsigned)s->top, .cpu_min = s->cpu_min, .memory_min = s->memory_min, .growth_min = s->growth_min,
		.io_min = s->io_min, .vips = s->vip_names, .vip_count = s->vip_count,
		.processes_max = (unsigned)s->processes_max, .sample_size = (unsigned)s->sample_size,
		.memory_limit = s->memory_limit, .descriptors_limit = (unsigned)s->descriptors_limit,
		.threads_limit = (unsigned)s->threads_limit, .processes_limit = (unsigned)s->processes_limit,
	};
}
