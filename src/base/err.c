/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;
	size_t used;

	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	if (code != 0)
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(code));
	return -1;
}

int
err_wrap(struct err *err, const char *fmt, ...)
{
	char context[256], old[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(old, err->msg, sizeof(old));
	snprintf(err->msg, sizeof(err->msg), "%s: %.*s", context,
		 (int)(sizeof(err->msg) - sizeof(context)), old);
	return -1;
}
