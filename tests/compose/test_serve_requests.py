"""Wrong requests to the commands of the remote layer: exit code 2, one sentence, no traceback."""

import pytest

import envs.serve


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["num_games=0"], "num_games"),
        (["--num-games", "many"], "num_games"),
        (["hosts=[a]"], "There is no key hosts"),
        (["env=nothing"], "carracing"),
        (["connect=trainer"], "HOST:PORT"),
        (["env=dummy", "max_steps=5"], "max_steps"),
        (["env.action_history=2"], "action_history"),
        (["tls_certificate=a.pem"], "tls_key"),
        (["tls_certificate=a.pem", "tls_key=b.pem"], "a.pem"),
        (["render=window"], "human, rgb_array, none"),
    ],
)
def test_serve_refuses_in_words(refuse, words, says):
    assert says in refuse(*envs.serve.words(words), main=envs.serve.main, config_name="serve")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["env=remote"], "env.hosts"),
        (["env=remote", "env.hosts=[127.0.0.1:1]", "env.connect_timeout_s=0.5"], "127.0.0.1:1"),
        (["env=remote", "env.listen=127.0.0.1:6789", "env.mode=fast"], "lockstep, free"),
    ],
)
def test_runs_refuse_in_words(refuse, words, says):
    assert says in refuse(*words)
