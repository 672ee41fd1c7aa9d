/* SPDX-License-Identifier: MIT */
#include "core/date.h"

/* Both: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int64_t
days_from_civil(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	unsigned yoe = (unsigned)(y - era * 400);
	unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + (int64_t)(yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}

void
civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (int64_t)yoe + era * 400 + (*month <= 2);
}

/* width digits and then `after`. */
static bool
number(const char *text, unsigned width, char after, unsigned *out)
{
	unsigned i, n = 0;

	for (i = 0; i < width; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (unsigned)(text[i] - '0');
	}
	*out = n;
	return text[width] == after;
}

static unsigned
days_of_month(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* ".123456Z" or "Z", len bytes. */
static bool
fraction(const char *text, size_t len, int64_t *us)
{
	size_t i;

	*us = 0;
	if (len == 1)
		return text[0] == 'Z';
	if (len < 3 || len > 8 || text[0] != '.' || text[len - 1] != 'Z')
		return false;
	for (i = 1; i < 7; i++) {
		if (i < len - 1 && (text[i] < '0' || text[i] > '9'))
			return false;
		*us = *us * 10 + (i < len - 1 ? text[i] - '0' : 0);
	}
	return true;
}

bool
read_time(const char *text, size_t len, int64_t *us)
{
	enum { SECONDS_END = sizeof("2026-11-21T05:00:00") - 1 };
	unsigned year, month, day, h, m, s;
	int64_t fraction_us;

	if (len < SECONDS_END + 1 || !fraction(text + SECONDS_END, len - SECONDS_END, &fraction_us) ||
	    !number(text, 4, '-', &year) || !number(text + 5, 2, '-', &month) || !number(text + 8, 2, 'T', &day) ||
	    !number(text + 11, 2, ':', &h) || !number(text + 14, 2, ':', &m) || !number(text + 17, 2, text[SECONDS_END], &s))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || h > 23 || m > 59 || s > 59)
		return false;
	*us = ((days_from_civil(year, month, day) * 24 + h) * 60 + m) * 60;
	*us = (*us + s) * 1000000 + fraction_us;
	return true;
}
