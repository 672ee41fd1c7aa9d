#!/bin/sh
# SPDX-License-Identifier: MIT
# Tests of the chat, as of an application of one's own; they run against the appctld that $APPCTL_RUNTIME_DIR names.  Those that
# are tagged `distributed` need other nodes, and are left out where this one is not part of any.
here=$(cd "$(dirname "$0")" && pwd)
APPCTL=${APPCTL:-appctl}
export APPCTL
number=0

alive() { "$APPCTL" nodes >/dev/null 2>&1; }
exclude=
alive || exclude=distributed

is() {
	number=$((number + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '# got: %s\n# expected: %s\n' "$2" "$3"
	fi
}

# tag NAME TEST...: its tests, unless the tag is excluded.
tag() {
	if [ "$1" = "$exclude" ]; then
		number=$((number + 1))
		echo "ok $number # skip $2: tagged $1, and no appctl-node runs here: this node is not alive"
	else
		"$2"
	fi
}

send_message_returns_ok() {
	CHAT_ENV="test" "$here/send_message" moebi "hi" >/dev/null
	is "send_message in the test environment goes to the local task supervisor" "$?" 0
}

send_message_to_a_node_that_is_there() {
	CHAT_ENV=dev "$here/send_message" bob "hi"
	is "send_message in the development environment goes to the recipient's" "$?" 0
}

send_message_to_a_missing_node_fails() {
	why=$(CHAT_ENV=dev "$here/send_message" moebi "hi" 2>&1)
	is "send_message to a node that is not there fails" "$?" 3
	case $why in *moebi*) named=yes ;; *) named=no ;; esac
	is "and says which" "$named" yes
}

send_message_returns_ok
tag distributed send_message_to_a_node_that_is_there
tag distributed send_message_to_a_missing_node_fails
echo "1..$number"
