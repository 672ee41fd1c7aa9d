/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What an operator should hear of at once: a line in the log, and X_APPCTL_ALARM through the notify socket, which
 * appctld makes an event app_alarm of.  Also says how the program is: ready, stopping, a line of status.
 */

/* Opens the socket that NOTIFY_SOCKET names, where it is set.  Before the sandbox. */
void alarm_open(void);
void alarm_close(void);
/* At the end of a program, where what it said last must be heard: waits, for so long at most, until appctld has taken all of it. */
void alarm_settle(int timeout_ms);
void alarm_ready(void);
void alarm_stopping(void);
void alarm_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* This node is linked with that one now, or not any more: events node_up and node_down, for one with announces_nodes. */
void alarm_node_up(const char *node, const char *address);
void alarm_node_down(const char *node, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void alarm_raise(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
