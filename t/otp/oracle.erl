%% SPDX-License-Identifier: MIT
%% Plays crash histories, a line each ("INTENSITY PERIOD T1 T2 ..."), to OTP's own supervisor, whose one
%% question for the time is answered by now/0 here; prints which crash it gives up at, from 1; 0: none.
-module(oracle).
-export([main/0, init/1, start_child/0, now/0]).

now() -> persistent_term:get(oracle_now).

init({Intensity, Period}) ->
    {ok, {#{strategy => one_for_one, intensity => Intensity, period => Period},
          [#{id => child, start => {?MODULE, start_child, []}, restart => permanent, shutdown => brutal_kill}]}}.

start_child() ->
    {ok, spawn_link(fun() -> receive crash -> exit(crash) end end)}.

main() ->
    process_flag(trap_exit, true),
    logger:set_primary_config(level, none),
    each_line(),
    halt(0).

each_line() ->
    case io:get_line("") of
        eof -> ok;
        Line ->
            [Intensity, Period | Crashes] = [list_to_integer(T) || T <- string:tokens(Line, " \n")],
            persistent_term:put(oracle_now, 0),
            {ok, Sup} = otp_supervisor:start_link(?MODULE, {Intensity, Period}),
            io:format("~b~n", [crash(Sup, Crashes, 1)]),
            each_line()
    end.

crash(Sup, [], _) ->
    unlink(Sup),
    exit(Sup, kill),
    0;
crash(Sup, [At | Later], N) ->
    persistent_term:put(oracle_now, At),
    [{child, Pid, _, _}] = otp_supervisor:which_children(Sup),
    Ref = monitor(process, Pid),
    Pid ! crash,
    receive {'DOWN', Ref, process, Pid, _} -> ok end,
    %% It has heard of the crash before it answers: that signal was sent first.
    try otp_supervisor:count_children(Sup) of
        _ -> crash(Sup, Later, N + 1)
    catch exit:_ ->
        receive {'EXIT', Sup, _} -> N end
    end.
