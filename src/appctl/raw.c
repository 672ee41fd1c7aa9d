/* SPDX-License-Identifier: MIT */
#include "appctl/raw.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios before, raw;
static bool begun, is_raw;

bool
raw_begin(void)
{
	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return false;
	raw = before;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (!begun)
		atexit(raw_end);
	begun = true;
	raw_again();
	return is_raw;
}

void
raw_again(void)
{
	if (begun && tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0)
		is_raw = true;
}

void
raw_end(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	is_raw = false;
}

void
window_size(int *rows, int *columns)
{
	struct winsize ws;
	int fd;

	*rows = *columns = 0;
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
			continue;
		*rows = ws.ws_row;
		*columns = ws.ws_col;
		return;
	}
}
