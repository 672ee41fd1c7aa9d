/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "consumer/consumer.h"

#include <inttypes.h>

static void
counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	buf_printf(out, "# TYPE appctl_consumer_%s counter\n# HELP appctl_consumer_%s %s\nappctl_consumer_%s_total %" PRIu64 "\n", name, name, help,
		   name, value);
}

static void
gauge(struct buf *out, const char *name, const char *help, double value)
{
	buf_printf(out, "# TYPE appctl_consumer_%s gauge\n# HELP appctl_consumer_%s %s\nappctl_consumer_%s %.17g\n", name, name, help, name, value);
}

void
consumer_print_metrics(struct consumer *c, struct buf *out)
{
	struct store_counts n;

	store_counts(c->store, &n);
	gauge(out, "connections", "producers that are connected", (double)c->connections);
	gauge(out, "database_up", "1: the database takes batches", c->well);
	gauge(out, "pending_bytes", "batches that wait for the database", (double)store_pending_bytes(c->store));
	gauge(out, "lag_seconds", "age of the latest batch when it was committed", (double)c->lag_us / 1e6);
	counter(out, "opened", "connections that were accepted", c->opened);
	counter(out, "refused", "connections that were turned away", c->refused);
	counter(out, "bad_frames", "frames that were no batch, for which a producer was disconnected", c->bad_frames);
	counter(out, "received", "batches that came", c->received);
	counter(out, "received_bytes", "bytes of these", c->received_bytes);
	counter(out, "repeats", "batches that came again", c->repeats + n.repeated);
	counter(out, "batches", "batches that are committed", n.batches);
	counter(out, "rows", "rows of these", n.rows);
	counter(out, "commits", "transactions", n.commits);
	counter(out, "failures", "attempts of which the database made nothing", n.failures);
	counter(out, "quarantined", "rows that no table takes, in table quarantine", n.quarantined);
	counter(out, "gaps", "rows of table gap that the consumer wrote itself", n.gaps);
	seen_print(c->seen, out, clock_mono_ms());
	buf_adds(out, "# EOF\n");
}
