"""Programs in the documentation run."""

import re

from envs.dummy import DummyEnv


def test_the_client_in_docs_remote(root, serve_here):
    server = serve_here(lambda training: DummyEnv(training=training, render_mode="rgb_array"), step_s=0.002)
    program = re.search(r"```python\n(.*?)```", (root / "docs" / "remote.md").read_text(), re.DOTALL)[1]
    names = {}
    exec(program.replace("5555", str(server.address[1])), names)
    assert names["telemetry"]["steps"] >= 1
    assert names["frame"].shape[2] == 3
