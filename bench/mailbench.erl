% SPDX-License-Identifier: MIT
% Messages of SIZE bytes from one Erlang node to a process of another: how many a second, and the round trip's median in
% microseconds.  It starts its peer itself.
-module(mailbench).
-export([main/1, sink/2, echo/0]).

main([Size, Count, Pings]) ->
	Peer = list_to_atom("bench_b_" ++ os:getpid() ++ "@" ++ lists:nth(2, string:split(atom_to_list(node()), "@"))),
	Command = io_lib:format("erl -noinput -sname ~s -setcookie ~s -pa ~s", [lists:nth(1, string:split(atom_to_list(Peer), "@")),
		erlang:get_cookie(), filename:dirname(code:which(?MODULE))]),
	open_port({spawn, lists:flatten(Command)}, []),
	wait(Peer, 200),
	Text = binary:copy(<<"x">>, list_to_integer(Size)),
	N = list_to_integer(Count),
	Sink = spawn(Peer, ?MODULE, sink, [self(), N]),
	receive ready -> ok end,
	Begun = erlang:monotonic_time(microsecond),
	send(Sink, Text, N),
	receive done -> ok end,
	Took = erlang:monotonic_time(microsecond) - Begun,
	Echo = spawn(Peer, ?MODULE, echo, []),
	Times = lists:sort([ping(Echo, Text) || _ <- lists:seq(1, list_to_integer(Pings))]),
	io:format("~b ~.1f~n", [N * 1000000 div Took, lists:nth(length(Times) div 2 + 1, Times) / 1000]),
	rpc:cast(Peer, init, stop, []),
	timer:sleep(200),
	halt().

wait(Peer, 0) -> io:format("no peer ~p~n", [Peer]), halt(1);
wait(Peer, N) -> case net_adm:ping(Peer) of pong -> ok; pang -> timer:sleep(50), wait(Peer, N - 1) end.

send(_, _, 0) -> ok;
send(Sink, Text, N) -> Sink ! {self(), Text}, send(Sink, Text, N - 1).

sink(From, N) -> From ! ready, count(N), From ! done.
count(0) -> ok;
count(N) -> receive {_, _} -> count(N - 1) end.

echo() -> receive {From, Text} -> From ! {self(), Text}, echo() end.

ping(Echo, Text) ->
	Begun = erlang:monotonic_time(nanosecond),
	Echo ! {self(), Text},
	receive {Echo, _} -> ok end,
	erlang:monotonic_time(nanosecond) - Begun.
