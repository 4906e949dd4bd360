"""A population: who takes over from whom, what changes then, and what a trial keeps."""

from types import SimpleNamespace

import pytest

from envs.errors import ConfigError
from experiments.trial import ADOPTED
from tune.pbt import Pbt
from tune.space.space import SearchSpace

BASE = {"algo": {"training": {"lr": 1e-3, "epochs": 4, "gamma": 0.99}}, "seed": 0, "choices": {"model": "cnn"}}
LR = {"algo.training.lr": {"loguniform": [1e-4, 1e-2]}}
EPOCHS = {"algo.training.epochs": {"choice": [2, 4, 8]}}


def pbt(space=LR, **options):
    defaults = {
        "interval_frames": 1000,
        "quantile": 0.25,
        "resample_probability": 0.25,
        "stop_frames": 20_000,
        "mode": "max",
        "seed": 0,
    }
    return Pbt(space=SearchSpace.parse(space, [], BASE), **defaults | options)


class Member:
    """What Ray's scheduler touches of a trial."""

    def __init__(self, number, lr, epochs=4):
        self.trial_id, self.experiment_tag, self.status = f"trial_{number:05}", f"{number:05}", "RUNNING"
        self.config = {
            "algo": {"training": {"lr": lr, "epochs": epochs, "gamma": 0.99}},
            "seed": number,
            "assigned": {"algo.training.lr": lr, "algo.training.epochs": epochs},
        }
        self.last_result, self.temporary_state = {}, SimpleNamespace(saving_to=None)
        manager = SimpleNamespace(checkpoint_config=SimpleNamespace(num_to_keep=None), _latest_checkpoint_result=None)
        self.run_metadata = SimpleNamespace(checkpoint_manager=manager)

    @property
    def lr(self):
        return self.config["algo"]["training"]["lr"]

    def is_finished(self):
        return self.status in ("TERMINATED", "ERROR")

    def set_config(self, config):
        self.config = config

    def set_experiment_tag(self, tag):
        self.experiment_tag = tag


class Population:
    """A scheduler with its members, and as much of Tune as it needs."""

    search_alg = None

    def __init__(self, scheduler, members):
        self.scheduler, self.members = scheduler, members
        for member in members:
            scheduler.on_trial_add(self, member)

    def get_trials(self):
        return self.members

    def pause_trial(self, trial, should_checkpoint=True):
        trial.status = "PAUSED"

    def _schedule_trial_save(self, trial, result=None):
        return f"checkpoint of {trial.trial_id}"

    def report(self, number, frames, objective):
        """Return whether the member took over another's weights at this report."""
        member, before = self.members[number], self.scheduler._num_perturbations
        result = {"train/frames": frames, "objective": objective}
        self.scheduler.on_trial_result(self, member, result)
        member.last_result = result
        member.status = "RUNNING"  # its processes are back
        return self.scheduler._num_perturbations > before


@pytest.fixture
def population():
    rates = (1e-3, 2e-3, 3e-3, 4e-3)
    return Population(pbt(), [Member(number, lr) for number, lr in enumerate(rates)])


def test_the_worst_takes_over_from_the_best(population):
    assert not population.report(1, 1000, 20.0)
    assert not population.report(2, 1000, 30.0)
    assert not population.report(0, 1000, 40.0)  # it is the best so far, and hands its weights over from here on
    assert population.report(3, 1000, 10.0)
    taken = population.members[3].run_metadata.checkpoint_manager._latest_checkpoint_result
    assert taken.checkpoint == "checkpoint of trial_00000"
    config = population.members[3].config
    assert config[ADOPTED].startswith("00000")
    assert config["seed"] == 3  # its own tracks
    assert config["algo"]["training"]["gamma"] == 0.99
    assert config["assigned"] == {"algo.training.lr": population.members[3].lr}
    assert [member.lr for member in population.members[:3]] == [1e-3, 2e-3, 3e-3]  # nobody else changed
    assert all(ADOPTED not in member.config for member in population.members[:3])


def test_less_is_better_where_the_mode_says_so():
    members = Population(pbt(mode="min"), [Member(number, 1e-3) for number in range(4)])
    for number, objective in ((0, 40.0), (2, 30.0), (1, 20.0)):
        members.report(number, 1000, objective)
    assert members.report(3, 1000, 50.0)
    assert members.members[3].config[ADOPTED].startswith("00001")


def test_before_the_interval_has_passed_nothing_changes(population):
    for frames, is_looked_at in ((999, False), (1000, True), (1999, False)):
        for number, objective in ((1, 20.0), (2, 30.0), (0, 40.0)):
            assert not population.report(number, frames, objective)
        assert population.report(3, frames, 10.0) == is_looked_at


def test_a_trial_without_a_return_yet_is_left_alone(population):
    result = {"train/frames": 5000}
    assert population.scheduler.on_trial_result(population, population.members[3], result) == "CONTINUE"


@pytest.mark.parametrize("ahead", [8000, -500])
def test_who_took_over_is_looked_at_again_after_an_interval_of_its_own_frames(ahead):
    """It keeps its frames, so those of the better one say nothing about when its next interval has passed."""
    members = Population(pbt(quantile=0.5), [Member(0, 1e-3), Member(1, 2e-3)])
    members.report(1, 1000, 10.0)
    members.report(0, 2000 + ahead, 40.0)
    assert members.report(1, 2000, 10.0)
    assert not members.report(1, 2999, 10.0)
    assert members.report(1, 3000, 10.0)


@pytest.mark.parametrize("resample_probability", [0.0, 0.25, 1.0])
def test_settings_change_within_their_domains(resample_probability):
    scheduler = pbt(LR | EPOCHS, resample_probability=resample_probability)
    seen = {"lr": set(), "epochs": set()}
    for lr, epochs in ((1e-4, 2), (1e-2, 8), (1e-3, 4)):
        for _ in range(40):
            config, _ = scheduler._get_new_config(Member(1, 5e-3), Member(0, lr, epochs))
            training = config["algo"]["training"]
            assert 1e-4 <= training["lr"] <= 1e-2
            assert training["epochs"] in (2, 4, 8)
            assert config["assigned"] == {f"algo.training.{name}": training[name] for name in ("lr", "epochs")}
            seen["epochs"].add((epochs, training["epochs"]))
            seen["lr"].add(round(training["lr"] / lr, 6))
    if (
        resample_probability == 0
    ):  # × 0.8 or 1.2 (Jaderberg et al. 2017), cut at the ends; the value beside it of a list
        assert seen["lr"] == {0.8, 1.2, 1.0}
        assert seen["epochs"] == {(2, 2), (2, 4), (4, 2), (4, 8), (8, 4), (8, 8)}
    if resample_probability == 1:
        assert len(seen["lr"]) > 100


def test_the_config_of_the_better_one_is_not_touched():
    better, worse = Member(0, 1e-3), Member(1, 5e-3)
    before = {"algo": {"training": dict(better.config["algo"]["training"])}, **{k: better.config[k] for k in ("seed",)}}
    config, _ = pbt(resample_probability=0.0)._get_new_config(worse, better)
    config["algo"]["training"]["gamma"] = 0.5
    assert better.config["algo"] == before["algo"]
    assert worse.config["algo"]["training"]["lr"] == 5e-3


def test_changes_are_those_of_the_seed():
    def changes(seed):
        scheduler = pbt(seed=seed)
        return [scheduler._get_new_config(Member(1, 5e-3), Member(0, 1e-3))[0]["assigned"] for _ in range(10)]

    assert changes(3) == changes(3)
    assert changes(3) != changes(4)


def test_a_resumed_member_is_looked_at_after_the_rest_of_its_interval():
    scheduler = pbt()
    for number, frames in enumerate((5200.0, 5900.0)):
        scheduler.recall(f"trial_{number:05}", [(1000.0, 1.0), (frames, 2.0)])
    scheduler.recall("trial_00002", [])
    members = Population(scheduler, [Member(number, 1e-3) for number in range(3)])
    members.report(2, 1000, 20.0)  # it begins
    members.report(0, 6200, 40.0)
    assert not members.report(1, 6899, 10.0)
    assert members.report(1, 6900, 10.0)


@pytest.mark.parametrize(
    ("space", "options", "expected"),
    [
        ({"model.width": {"randint": [8, 16]}}, {}, "model.width cannot change then"),
        ({"seed": {"choice": [0, 1]}}, {}, "seed cannot change then"),
        ({"model": {"choice": ["cnn", "vit"]}}, {}, "model cannot change then"),
        ({"algo.training.replay_capacity": {"randint": [100, 200]}}, {}, "replay_capacity cannot change"),
        ({"algo.training.rollout_steps": {"choice": [64, 128]}}, {}, "rollout_steps cannot change"),
        ({"algo.training.critic_hidden": {"choice": [[8], [16]]}}, {}, "critic_hidden cannot change"),
        (
            LR | {"algo.training.gamma": {"uniform": [0.9, 1], "when": {"algo.training.epochs": 2}}} | EPOCHS,
            {},
            "`when`",
        ),
        (LR, {"interval_frames": 0}, "interval_frames=0"),
        (LR, {"interval_frames": None, "stop_frames": None}, r"set stop\.frames"),
        (LR, {"quantile": 0}, "quantile=0"),
        (LR, {"quantile": 0.6}, r"quantile=0\.6"),
    ],
)
def test_what_a_population_cannot_do_is_refused(space, options, expected):
    with pytest.raises(ConfigError, match=expected):
        pbt(space, **options)


def test_by_default_it_looks_twenty_times():
    assert "every 1,000 frames the worst 25%" in str(pbt(interval_frames=None, stop_frames=20_000))


def test_a_member_that_lost_its_processes_is_still_known(population):
    """Tune takes it in again then."""
    for number, objective in ((1, 20.0), (2, 30.0), (0, 40.0), (3, 50.0)):
        population.report(number, 1000, objective)
    population.scheduler.on_trial_add(population, population.members[1])
    assert not population.report(1, 1999, 0.0)
    assert population.report(1, 2000, 0.0)


class Turns(Population):
    """A population of which one member trains at a time, as Tune lets it; each reports every so many frames."""

    def __init__(self, num_members, every, history=(), **options):
        scheduler = pbt(**options)
        for number, frames in enumerate(history):
            scheduler.recall(f"trial_{number:05}", [(float(frames), 1.0)])
        scheduler.set_room(False)
        self.every, self.frames, self.looks = every, [0] * num_members, []
        for number, frames in enumerate(history):
            self.frames[number] = frames
        super().__init__(scheduler, [Member(number, 1e-3) for number in range(num_members)])
        for member in self.members:
            member.status, member.checkpoint = "PENDING", f"checkpoint of {member.trial_id}"

    def get_live_trials(self):
        """As Tune does: those that failed are among them."""
        return {member for member in self.members if member.status != "TERMINATED"}

    def turn(self, ends=None):
        """Let the next member train until it pauses, or ends so; return its number, or None where none is chosen."""
        chosen = self.scheduler.choose_trial_to_run(self)
        if chosen is None:
            return None
        number = self.members.index(chosen)
        chosen.status = "RUNNING"
        while chosen.status == "RUNNING":
            self.frames[number] += self.every[number]
            if ends is not None:
                chosen.status = ends
                break
            before = self.scheduler._next_perturbation_sync
            result = {"train/frames": self.frames[number], "objective": float(number)}
            decision = self.scheduler.on_trial_result(self, chosen, result)
            if self.scheduler._next_perturbation_sync != before:
                self.looks.append(list(self.frames))
            if decision != "CONTINUE":
                chosen.status = "PAUSED"
        return number


@pytest.mark.parametrize("every", [(100, 100, 100), (300, 350, 270), (1500, 1500, 1500), (2600, 1700, 2100)])
def test_members_that_take_turns_are_compared_after_like_frames(every):
    """Each waits until all have reported once more, however coarse their reports are beside the interval."""
    members = Turns(3, every)
    for _ in range(30):
        assert members.turn() is not None
    assert len(members.looks) >= 9
    for before, after in zip(members.looks, members.looks[1:], strict=False):
        assert min(after) >= max(before) + 1000  # all have trained for an interval since
        assert max(after) - max(before) < 1000 + max(every)  # and for no more than the report after it


def test_a_resumed_population_waits_as_before():
    members = Turns(2, (100, 100), history=(5200, 5900))
    for _ in range(8):
        members.turn()
    assert members.looks[:2] == [[6900, 6900], [7900, 7900]]


@pytest.mark.parametrize("end", ["TERMINATED", "ERROR"])
def test_who_waits_for_a_member_that_ended_goes_on(end):
    members = Turns(3, (100, 100, 100))
    assert [members.turn(), members.turn(), members.turn(ends=end)] == [0, 1, 2]
    turns = [members.turn() for _ in range(6)]
    assert sorted(turns) == [0, 0, 0, 1, 1, 1]
    assert members.looks
    assert all(looked[0] == looked[1] for looked in members.looks)
