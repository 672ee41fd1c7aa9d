/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/terminal.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int
terminal_open(const struct terminal_size *size, int *master, int *slave, struct err *err)
{
	autoclose int m = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	struct termios t;
	int s;

	if (m < 0 || grantpt(m) < 0 || unlockpt(m) < 0)
		return err_set(err, errno, "terminal");
	/* Not by its name: that may belong to another one where /dev/pts is not the one of /dev/ptmx. */
	s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s < 0)
		return err_set(err, errno, "terminal");
	terminal_resize(m, size);
	if (tcgetattr(s, &t) == 0) {
		t.c_iflag |= IUTF8;	/* erases whole characters */
		tcsetattr(s, TCSANOW, &t);
	}
	*slave = s;
	*master = take_fd(&m);
	return 0;
}

void
terminal_resize(int master, const struct terminal_size *size)
{
	struct winsize ws = { .ws_row = (unsigned short)size->rows, .ws_col = (unsigned short)size->columns };

	ioctl(master, TIOCSWINSZ, &ws);
}

int
terminal_end_of_input(int master, char last, char out[2])
{
	struct termios t;

	if (tcgetattr(master, &t) < 0 || (t.c_lflag & ICANON) == 0 || t.c_cc[VEOF] == _POSIX_VDISABLE)
		return 0;
	/* In a line that has begun the first one only hands that over. */
	out[0] = out[1] = (char)t.c_cc[VEOF];
	return last == '\n' || last == '\r' ? 1 : 2;
}
