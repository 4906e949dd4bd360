"""Lock-step: one state for each control, simulated time, lost datagrams, equal runs."""

import json

import pytest

SENDER = ("10.0.0.1", 1111)


def test_each_control_gives_one_state_a_25th_of_a_second_later(twin, ego):
    server = twin(is_strict=True)
    client = ego(server)
    states = [client.connect()] + [client.drive(acc=1.0) for _ in range(50)]
    assert [state["steps"] for state in states] == list(range(1, 52))
    assert [round(1000 * state["timestamp_ac"]) for state in states] == [40 * index for index in range(51)]
    assert [state["currentTime"] for state in states] == [40 * index for index in range(51)]
    assert states[-1]["total_errors_out_of_sync"] == 0
    assert client.is_silent(0.1)


def test_an_extra_key_asks_a_lenient_twin_for_lock_step(session, words):
    one = session()
    one.connect()
    one.say(words(1, lockstep=1))
    before = one.game.time_us
    sent = one.say(words(2, lockstep=1))
    assert len(sent) == 1
    assert one.game.time_us - before == 40_000
    one.say(words(3, lockstep=0))
    assert not one.ego.is_lockstep
    strict = session(is_strict=True)
    strict.connect()
    assert strict.say(words(1, lockstep=1)) == []  # a key that the plugin does not know


def test_lock_step_by_key_over_sockets_and_back(twin, ego, eventually):
    server = twin(speed=10.0)
    client = ego(server)
    client.connect()
    client.drive(acc=1.0, lockstep=1)
    eventually(lambda: server.session.is_lockstep)
    while not client.is_silent(0.1):  # states of real time may still be under way
        pass
    last = client.drive(acc=1.0, lockstep=1)
    assert client.is_silent(0.1)
    after = client.drive(acc=1.0, lockstep=1)
    assert after["timestamp_ac"] - last["timestamp_ac"] == pytest.approx(0.04)
    client.send(json.dumps({"lockstep": 0, "server_steps": after["steps"]}))
    assert [client.state()["steps"] - after["steps"] for _ in range(3)] == [1, 2, 3]


def test_silence_of_a_second_brings_the_last_state_again(session, words):
    one = session(is_lockstep=True)
    assert [to for _, to in one.say("connect")] == [SENDER, SENDER]
    ((state, _),) = one.say(words(1, acc=1.0))
    assert one.wait(0.96) == []
    assert one.wait(0.08) == [(state, SENDER)]
    assert one.wait(0.92) == []
    assert one.wait(0.12) == [(state, SENDER)]  # and again
    assert json.loads(one.say(words(2))[0][0])["steps"] == 3


def test_a_lost_state_does_not_hang_both_ends(session, words):
    one = session(is_lockstep=True, game_options={"faults": {"lose_every": 3}})
    one.say("connect")
    steps = 1
    for _ in range(30):
        sent = one.say(words(steps)) or one.wait(1.04)
        assert len(sent) == 1
        steps = json.loads(sent[0][0])["steps"]
    assert steps == 31
    assert one.ego.counts["resent"] == 10


@pytest.mark.parametrize("seed", [0, 5])
def test_equal_seeds_and_controls_give_equal_bytes(session, words, seed):
    runs = []
    for _ in range(2):
        one = session(is_lockstep=True, seed=seed, game_options={"seed": seed, "num_opponents": 2})
        one.say("connect")
        runs.append([one.say(words(step, steer=0.02 * (step % 7), acc=1.0)) for step in range(1, 200)])
    assert runs[0] == runs[1]


def test_time_may_be_cut_anyhow(game):
    one, other = (game(seed=3, num_opponents=2) for _ in range(2))
    for each in (one, other):
        each.press(-0.02, 1.0, -1.0)
    one.advance(3.0)
    for part in (0.004, 0.013, 0.983, 0.0, 1.5, 0.5):
        other.advance(part)
    assert one.state() == other.state()
    assert one.opponents() == other.opponents()


def test_another_seed_is_another_track_and_other_opponents():
    from envs.assetto_corsa.twin.game import TwinGame

    one, other = TwinGame(0, num_opponents=1), TwinGame(1, num_opponents=1)
    assert one.track.full_name != other.track.full_name
    assert one.state()["world_position_x"] != other.state()["world_position_x"]
    for each in (one, other):
        each.advance(5.0)
    assert one.opponents()[0]["speedKMH"] != other.opponents()[0]["speedKMH"]
