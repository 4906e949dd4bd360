"""The files in deploy/ are what Ray, KubeRay and bash take them for. (What they start, only their clusters can say.)"""

import copy
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest
import yaml

LAUNCHER = ("aws.yaml", "on_premise.yaml")
# The fields in KubeRay's API reference (docs/reference/api.md there): unknown ones it would drop silently.
KUBERAY = {
    "RayCluster": {
        "suspend",
        "managedBy",
        "authOptions",
        "autoscalerOptions",
        "headServiceAnnotations",
        "enableInTreeAutoscaling",
        "gcsFaultToleranceOptions",
        "headGroupSpec",
        "rayVersion",
        "workerGroupSpecs",
    },
    "RayJob": {
        "activeDeadlineSeconds",
        "backoffLimit",
        "rayClusterSpec",
        "submitterPodTemplate",
        "metadata",
        "clusterSelector",
        "submitterConfig",
        "managedBy",
        "deletionStrategy",
        "entrypoint",
        "runtimeEnvYAML",
        "jobId",
        "submissionMode",
        "entrypointResources",
        "entrypointNumCpus",
        "entrypointNumGpus",
        "ttlSecondsAfterFinished",
        "shutdownAfterJobFinishes",
        "suspend",
        "schedule",
    },
}
GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template", "numOfHosts", "suspend"}


@pytest.fixture(scope="module")
def deploy(root):
    return root / "deploy"


@pytest.fixture(scope="module")
def manifests(deploy):
    documents = yaml.safe_load_all((deploy / "kuberay.yaml").read_text())
    return {document["kind"]: document for document in documents}


@pytest.mark.parametrize("name", LAUNCHER)
def test_ray_takes_the_launchers_files(deploy, name):
    import ray.autoscaler
    from ray.autoscaler._private.util import prepare_config, validate_config

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    config = yaml.safe_load((deploy / name).read_text())
    jsonschema.validate(config, schema)
    validate_config(prepare_config(copy.deepcopy(config)))  # also counts workers and resources


@pytest.mark.parametrize("name", LAUNCHER)
def test_every_start_of_ray_asks_for_tokens(deploy, name):
    config = yaml.safe_load((deploy / name).read_text())
    for role in ("head", "worker"):
        commands = config[f"{role}_start_ray_commands"]
        starts = [command for command in commands if "ray start" in command]
        assert starts
        assert all("RAY_AUTH_MODE=token" in command for command in starts)
    assert any(path.endswith(".ray/auth_token") for path in config["file_mounts"])


def test_kuberay_knows_our_fields(manifests):
    for kind, fields in KUBERAY.items():
        assert manifests[kind]["apiVersion"] == "ray.io/v1"
        assert set(manifests[kind]["spec"]) <= fields
    cluster = manifests["RayCluster"]["spec"]
    assert cluster["authOptions"] == {"mode": "token"}
    for group in cluster["workerGroupSpecs"]:
        assert set(group) <= GROUP
        assert group["minReplicas"] <= max(group["replicas"], group["minReplicas"]) <= group["maxReplicas"]
    groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    assert all(isinstance(value, str) for group in groups for value in group["rayStartParams"].values())


def test_kuberays_job_runs_on_its_cluster_and_every_pod_sees_its_outputs(manifests):
    job, cluster = manifests["RayJob"]["spec"], manifests["RayCluster"]
    assert job["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    outputs = re.search(r"paths\.outputs=(\S+)", job["entrypoint"]).group(1)
    for group in (cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert outputs.startswith(mounts["outputs"])
        claims = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"]}
        assert claims["outputs"] == manifests["PersistentVolumeClaim"]["metadata"]["name"]


def test_bash_can_read_slurms_script(deploy):
    subprocess.run(["bash", "-n", str(deploy / "slurm.sh")], check=True)


# Ray's command: the job is known from the second question on, and ends while it is told to stop.
RAY = """#!/bin/bash
case "$*" in
  status*) printf ' 1 node_a\\n 1 node_b\\n' ;;
  start*) sleep 30 ;;
  "job submit"*) echo "$*" > submitted; while [ ! -e stop ]; do sleep 0.1; done; exit "$SUBMISSION" ;;
  "job stop"*) [ -e asked ] || { touch asked; exit 1; }; touch stop; sleep 1 ;;
esac
"""
SLURM = {
    "ray": RAY,
    "srun": '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n',
    "scontrol": "#!/bin/sh\nprintf 'one\\ntwo\\n'\n",
    "hostname": "#!/bin/sh\necho ::1 10.0.0.1\n",
    "python": "#!/bin/sh\necho secret\n",
}


@pytest.mark.parametrize("code", [0, 1])
def test_slurms_script_ends_as_its_run_did_and_leaves_no_token(deploy, tmp_path, code):
    for name, content in SLURM.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o700)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "one,two",
        "SLURM_CPUS_PER_TASK": "2",
        "SUBMISSION": str(code),
    }
    words = ["tuner.space={seed: {grid: [0, 1]}}", "resume=latest"]
    script = subprocess.Popen(["bash", str(deploy / "slurm.sh"), *words], env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 20
        while not (tmp_path / "submitted").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        said = (tmp_path / "submitted").read_text().strip()
        assert said.endswith(f"-- python run.py ray=cluster paths.outputs={tmp_path}/outputs {' '.join(words)}")
        assert (tmp_path / "outputs" / ".ray_token_7").stat().st_mode & 0o777 == 0o600
        script.send_signal(signal.SIGTERM)
        assert script.wait(20) == code
        assert not (tmp_path / "outputs" / ".ray_token_7").exists()
    finally:
        os.killpg(script.pid, signal.SIGKILL)


def test_a_container_on_a_gpu_machine_sees_its_gpu(deploy):
    """NVIDIA's runtime gives none to an image that does not ask, and ours is not NVIDIA's."""
    options = yaml.safe_load((deploy / "aws.yaml").read_text())["docker"]["run_options"]
    assert "--env NVIDIA_VISIBLE_DEVICES=all" in options
    assert not re.search("^FROM nvidia", (deploy / "Dockerfile").read_text(), re.MULTILINE)


def test_the_image_holds_nothing_that_git_ignores(deploy, root):
    left_out = {line.removeprefix("**/") for line in (deploy / "Dockerfile.dockerignore").read_text().splitlines()}
    assert set((root / ".gitignore").read_text().split()) <= left_out


def test_all_files_are_of_the_ray_that_we_install(deploy, root):
    wanted = re.search(r'"ray\[[\w,]+\]==([\d.]+)\.\*"', (root / "pyproject.toml").read_text()).group(1)
    found = {
        name: re.findall(r"(?:ray\[default\]==|rayVersion: )(\d+\.\d+)", (deploy / name).read_text())
        for name in ("Dockerfile", "on_premise.yaml", "kuberay.yaml")
    }
    assert all(versions and set(versions) == {wanted} for versions in found.values()), found
