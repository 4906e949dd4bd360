"""MLflow on a real Postgres, with as many writers at once as a large sweep has drivers: nothing is lost.

Debian's package brings Postgres (`apt install postgresql`); where it is not, these tests are skipped.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NUM_WRITERS, NUM_ROWS = 16, 60
# One writer, as a driver writes: a run, rows of metrics one after another, a tag, its end.
WRITER = """
import sys
from experiments.tracking import MlflowTracker
uri, artifacts, number, num_rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
tracker = MlflowTracker(uri=uri, artifact_root=artifacts, experiment="sweep")
run = tracker.start_run(name=f"writer {number}", tags={"writer": str(number)}, params={"seed": number})
for row in range(num_rows):
    tracker.log(run, {"train/return_mean": 1000.0 * number + row, "train/frames": row}, step=row)
tracker.tag(run, {"state": "finished"})
tracker.finish(run, "FINISHED")
assert tracker.flush(240.0), "not everything was written in time"
tracker.close()
"""


def binaries():
    found = shutil.which("initdb") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    if found is None:
        pytest.skip("Postgres is not installed (Debian: apt install postgresql)")
    return Path(found).resolve().parent


def as_owner(folder):
    """Postgres refuses to run as root: its own user does then."""
    if os.geteuid() != 0:
        return []
    try:
        owner = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("Postgres does not run as root, and there is no user postgres")
    shutil.chown(folder, owner.pw_uid, owner.pw_gid)
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]


@pytest.fixture
def postgres(tmp_path_factory):
    """The address of a database of its own, on a free port of loopback."""
    folder = Path(f"/tmp/chicane_postgres_{os.getpid()}")  # its user must reach it, so not below pytest's own
    folder.mkdir(mode=0o700)
    prefix, where = as_owner(folder), binaries()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    run = [*prefix, str(where / "initdb"), "-D", str(data), "-U", "chicane", "--auth=trust", "--no-sync"]
    subprocess.run(run, check=True, capture_output=True, timeout=120, cwd="/")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    control = [*prefix, str(where / "pg_ctl"), "-D", str(data), "-w", "-t", "60"]
    start = [*control, "-o", options, "-l", str(folder / "log"), "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, timeout=90, cwd="/")
    try:
        create = [str(where / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "chicane", "mlflow"]
        subprocess.run(create, check=True, timeout=60)
        yield f"postgresql+psycopg2://chicane@127.0.0.1:{port}/mlflow"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], stdout=subprocess.DEVNULL, timeout=90, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(600)
def test_sixteen_writers_lose_nothing(postgres, tmp_path, root):
    pytest.importorskip("psycopg2")
    import mlflow

    words = [sys.executable, "-c", WRITER, postgres, str(tmp_path / "artifacts")]
    writers = [subprocess.Popen([*words, str(number), str(NUM_ROWS)], cwd=root) for number in range(NUM_WRITERS)]
    deadline = time.monotonic() + 400
    try:
        codes = [writer.wait(deadline - time.monotonic()) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
    assert codes == [0] * NUM_WRITERS

    client = mlflow.MlflowClient(tracking_uri=postgres)
    experiments = [one for one in client.search_experiments() if one.name == "sweep"]
    assert len(experiments) == 1  # sixteen at once made it
    runs = client.search_runs([experiments[0].experiment_id])
    assert sorted(int(run.data.tags["writer"]) for run in runs) == list(range(NUM_WRITERS))
    for run in runs:
        number = int(run.data.tags["writer"])
        history = client.get_metric_history(run.info.run_id, "train/return_mean")
        assert [(m.step, m.value) for m in history] == [(row, 1000.0 * number + row) for row in range(NUM_ROWS)]
        assert run.info.status == "FINISHED"
        assert run.data.tags["state"] == "finished"
        assert run.data.params["seed"] == str(number)
