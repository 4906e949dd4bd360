"""What a cluster's nodes are together, and which of them cannot run what would run here."""

import json
from pathlib import Path

import pytest

from envs.errors import ConfigError
from experiments.cluster import check_outputs_last, cluster_machine, find_machine, job_id
from experiments.cluster_nodes import NodeReport, check_reports, installed_versions, required_distributions
from experiments.machine import NodeRoom, local_machine

SETTINGS = {"address": "10.0.0.1:6379", "num_cpus": None, "num_gpus": 0, "start_timeout_s": 5}
NODES = [
    NodeRoom("10.0.0.1", {"memory": 4e9}),  # a head that takes no trials
    NodeRoom("10.0.0.2", {"CPU": 16, "memory": 64e9}),
    NodeRoom("10.0.0.3", {"CPU": 4, "GPU": 2, "memory": 32e9}),
]


def test_nodes_that_differ_are_named_and_no_others():
    here = {"Python": "3.11.7", "torch": "2.13.0"}
    outputs = Path("/mnt/outputs")
    same = NodeReport("10.0.0.1", here, True)
    check_reports([same], here, outputs)
    other = NodeReport("10.0.0.2", here | {"torch": "2.12.0"}, True)
    bare = NodeReport("10.0.0.3", here | {"torch": None}, False)
    with pytest.raises(ConfigError) as refusal:
        check_reports([same, other, bare], here, outputs, ["10.0.0.4: no answer within 5 s"])
    lines = str(refusal.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:4]] == ["10.0.0.4", "10.0.0.2", "10.0.0.3"]
    assert "torch 2.12.0, here 2.13.0" in lines[2]
    assert "torch is missing, here 2.13.0; /mnt/outputs is not the folder" in lines[3]
    assert "10.0.0.1" not in str(refusal.value)


def test_with_storage_nodes_need_not_see_the_outputs():
    here = {"Python": "3.11.7"}
    check_reports([NodeReport("10.0.0.2", here, False)], here, None)


def test_many_nodes_that_differ_are_counted():
    reports = [NodeReport(f"10.0.0.{number}", {"Python": "3.12.0"}, True) for number in range(100)]
    with pytest.raises(ConfigError, match=r"… and 92 more"):
        check_reports(reports, {"Python": "3.11.7"}, None)


def test_the_requirements_are_those_of_the_project_without_extras():
    names = required_distributions()
    assert {"ray", "torch", "gymnasium", "box2d", "pyyaml"} <= set(names)
    assert not {"pytest", "onnx", "chicane"} & set(names)
    assert None not in installed_versions(names).values()  # all that we need is here, under these names


def test_a_cluster_is_the_sum_of_its_nodes_and_its_learners_node_the_largest():
    found = cluster_machine(SETTINGS, NODES)
    assert (found.num_cpus, found.node_cpus, found.num_gpus, found.memory_bytes) == (20, 16, 2, 100 * 10**9)
    assert found.is_cluster
    assert str(found) == "the cluster of 3 nodes"


def test_a_learner_on_a_gpu_has_the_cores_of_a_node_that_has_one():
    assert cluster_machine(SETTINGS | {"num_gpus": 1}, NODES).node_cpus == 4


def test_several_learners_fit_on_as_many_nodes():
    assert cluster_machine(SETTINGS | {"num_learners": 2}, NODES).node_cpus == 4
    assert cluster_machine(SETTINGS | {"num_learners": 2, "num_gpus": 1}, NODES).node_cpus == 4  # both on one node


def test_num_cpus_caps_what_a_run_uses():
    assert cluster_machine(SETTINGS | {"num_cpus": 6}, NODES).num_cpus == 6
    assert cluster_machine(SETTINGS | {"num_cpus": 600}, NODES).num_cpus == 20
    with pytest.raises(ConfigError, match=r"ray\.num_cpus=0"):
        cluster_machine(SETTINGS | {"num_cpus": 0}, NODES)


def test_a_cluster_without_cores_says_what_it_has():
    with pytest.raises(ConfigError, match=r"1 node but no cores for trials: 10\.0\.0\.1: memory 4\.0 GB"):
        cluster_machine(SETTINGS, NODES[:1])


def test_without_an_address_it_is_this_machine():
    settings = {"address": None, "num_cpus": None, "num_gpus": 0}
    found, expected = find_machine(settings, {"outputs": "outputs"}), local_machine(settings)
    assert (found.num_cpus, found.nodes) == (expected.num_cpus, ())


@pytest.fixture
def job(monkeypatch, tmp_path):
    """Let this process be a Ray Job's driver, whose code Ray brought into `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def be(**runtime_env):
        config = {"runtime_env": runtime_env, "metadata": {"job_submission_id": "sweep1"}}
        monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(config))

    return be


def test_outputs_in_a_jobs_own_folder_are_refused(job, tmp_path):
    job(working_dir="gcs://_ray_pkg_1.zip")
    with pytest.raises(ConfigError, match=r"copy of the code, which Ray deletes.*paths\.outputs=/mnt"):
        check_outputs_last(Path("outputs").absolute())
    check_outputs_last(tmp_path.parent / "outputs")
    assert job_id() == "sweep1"


def test_outputs_beside_code_that_was_there_before_the_job_last(job):
    job(env_vars={})
    check_outputs_last(Path("outputs").absolute())


def test_outside_a_job_any_folder_lasts(monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    check_outputs_last(Path("outputs").absolute())
    assert job_id() is None
