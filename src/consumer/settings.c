/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "consumer/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROW(name, kind, field, min, max, initial, help) \
	{ name, SETTING_##kind, offsetof(struct consumer_settings, field), min, max, initial, help }
#define DAY_MS (24 * 3600 * 1000LL)

const struct setting consumer_settings_table[] = {
	ROW("ENABLE", BOOL, enable, 0, 0, "false", "nothing is done unless this is true"),
	ROW("NODE", TEXT, node, 0, 0, NULL, "this machine's name, as it is said to producers; the host's name unless set"),
	ROW("LISTEN_IP", TEXT, listen_ip, 0, 0, "127.0.0.1", "address to listen on"),
	ROW("LISTEN_PORT", INT, listen_port, 0, 65535, "8888", "its port; 0: any, the log says which"),
	ROW("SECRET_FILE", PATH, secret_file, 0, 0, NULL,
	    "file with the secret that producers and consumer share;\nmode 0400 or 0600, of the user that runs this"),
	ROW("USE_TLS", BOOL, tls.use_tls, 0, 0, "true",
	    "TLS 1.3: with certificates where CONSUMER_CACERTFILE is set,\nelse with a key made of the secret; false: ws://"),
	ROW("CACERTFILE", PATH, tls.ca_file, 0, 0, NULL, "certificates of the authorities that producers' are checked with, PEM"),
	ROW("CERTFILE", PATH, tls.cert_file, 0, 0, NULL, "this consumer's certificate and its chain, PEM"),
	ROW("KEYFILE", PATH, tls.key_file, 0, 0, NULL, "its key, PEM"),
	ROW("CRLFILE", PATH, tls.crl_file, 0, 0, NULL, "certificates that were revoked, PEM"),
	ROW("VERIFY_NODE", BOOL, verify_node, 0, 0, "true",
	    "with certificates: a producer's has to have its node's name,\nas a subjectAltName or the common name"),
	ROW("DATABASE", TEXT, database, 0, 0, NULL,
	    "a PostgreSQL database, as libpq has it: \"host=/run/postgresql dbname=appctl user=appctl_writer\";\nSQLite unless set"),
	ROW("SQLITE", PATH, sqlite, 0, 0, NULL,
	    "the file for SQLite; unless set " STATEDIR "/monitor.db for root and where that directory can be written,\n"
	    "else $XDG_STATE_HOME/appctl/monitor.db"),
	ROW("RETENTION", TIME, retention_ms, 0, 10000 * DAY_MS, "14d", "what is older is dropped, a day at a time; 0: nothing is"),
	ROW("METRICS_LISTEN", TEXT, metrics_listen, 0, 0, NULL,
	    "ADDRESS:PORT for /metrics in OpenMetrics' form, without authentication: 127.0.0.1:9464; none unless set"),
	ROW("MEMORY", SIZE, memory, 1 << 20, INT64_MAX, "64M", "batches that wait for the database; beyond that producers wait"),
};
const size_t consumer_settings_count = sizeof(consumer_settings_table) / sizeof(consumer_settings_table[0]);

static int
find_sqlite(struct consumer_settings *s, struct buf *problems)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (s->sqlite != NULL)
		n = snprintf(s->sqlite_path, sizeof(s->sqlite_path), "%s", s->sqlite);
	else if (geteuid() == 0 || access(STATEDIR, W_OK) == 0)
		n = snprintf(s->sqlite_path, sizeof(s->sqlite_path), "%s/monitor.db", STATEDIR);
	else if (state != NULL && *state == '/')
		n = snprintf(s->sqlite_path, sizeof(s->sqlite_path), "%s/appctl/monitor.db", state);
	else if (home != NULL && *home == '/')
		n = snprintf(s->sqlite_path, sizeof(s->sqlite_path), "%s/.local/state/appctl/monitor.db", home);
	else
		return settings_complain(problems, "CONSUMER_SQLITE or CONSUMER_DATABASE must be set: there is no place for the data");
	return n < (int)sizeof(s->sqlite_path) ? 0 : settings_complain(problems, "CONSUMER_SQLITE: the path is too long");
}

int
consumer_settings_check(const struct consumer_settings *s, struct buf *problems)
{
	int r = 0;

	if (settings_check_tls(CONSUMER_PREFIX, &s->tls, problems) < 0)
		r = -1;
	if (s->retention_ms != 0 && s->retention_ms < DAY_MS)
		r = settings_complain(problems, "CONSUMER_RETENTION: at least one day, or 0");
	if (s->database != NULL && s->sqlite != NULL)
		r = settings_complain(problems, "CONSUMER_DATABASE and CONSUMER_SQLITE: one of them");
	return r;
}

int
consumer_settings_read(struct consumer_settings *s, char *const *environment, struct buf *problems)
{
	bool good = settings_read(CONSUMER_PREFIX, consumer_settings_table, consumer_settings_count, environment, s, problems) == 0;

	if (!good || !s->enable)
		return good ? 0 : -1;
	if (gethostname(s->host_name, sizeof(s->host_name) - 1) < 0 || s->host_name[0] == '\0')
		strcpy(s->host_name, "localhost");
	if (s->node == NULL)
		s->node = s->host_name;
	snprintf(s->port_text, sizeof(s->port_text), "%d", (int)s->listen_port);
	good = consumer_settings_check(s, problems) == 0;
	if (s->secret_file == NULL)
		good = settings_complain(problems, "CONSUMER_SECRET_FILE must be set: the file with the secret that producers and consumer share") == 0;
	if (s->database == NULL)
		good = find_sqlite(s, problems) == 0 && good;
	return good ? 0 : -1;
}
