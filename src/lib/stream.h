/* SPDX-License-Identifier: MIT */
#pragma once

#include "lib/lib.h"

/*
 * A Unix stream socket that carries messages ended by one byte (NUL or newline), and the
 * patience with which a broken connection is made anew.
 */
struct stream {
	char *path;		/* of the socket; of another node, its name */
	char *dir;		/* the runtime directory */
	char *node;		/* NULL: this one */
	const char *service;	/* "control" for control.sock */
	char *tried;		/* for messages; may be NULL */
	int fd;			/* -1: not connected */
	char delimiter;
	int connect_ms;
	struct buf in;
	size_t start, scanned;	/* of in: the first byte not given out; bytes from there that hold no delimiter */
	unsigned breaks;	/* since the last message */
	int64_t broke_at, retry_at;	/* retry_at: when to connect again; 0: at once */
};

enum { STREAM_FRAME_MAX = 64 * 1024 * 1024 };

/* service: lent, names the socket in that directory, and what is asked of another node (NULL: of this one). */
int stream_init(struct stream *s, const char *runtime_dir, const char *node, const char *service, char delimiter, struct appctl_error *e);
void stream_fini(struct stream *s);
/* Connects unless it is.  -1: e, errno in *code. */
int stream_connect(struct stream *s, int *code, struct appctl_error *e);
void stream_close(struct stream *s);
/* Sends all of it, the descriptors with its last byte.  -1: not all was sent, errno is set. */
int stream_send(struct stream *s, const char *data, size_t len, const int *fds, size_t fd_count);
/* The next whole message, without its delimiter but NUL-terminated, lent until the next call that takes s.  false: none yet. */
bool stream_frame(struct stream *s, const char **text, size_t *len);
/* Waits for bytes and takes them.  1: some came; 0: none within that time; -1: broken, errno is set, 0 for an end. */
int stream_fill(struct stream *s, int timeout_ms);
/* The connection broke: closes it and plans the next.  -1: that was once too often. */
int stream_broke(struct stream *s, struct appctl_error *e);
/* Connects when it is time to.  1: connected; 0: not by end_ms (on now_ms()'s clock); -1: given up. */
int stream_return(struct stream *s, int64_t end_ms, struct appctl_error *e);
/* For poll(): milliseconds to end_ms, -1: INT64_MAX. */
int until(int64_t end_ms);
