"""The format `onnx`: a graph for ONNX Runtime and its like, in any language, without torch and without this suite."""

import importlib.util
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from experiments.described_policy import Batch
from experiments.exported.exported_policy import ExportedPolicy
from experiments.exported.inputs import ACTIONS, IS_FIRST, NEXT_STATE, STATE, graph_space
from experiments.policy_description import DESCRIPTION, PolicyDescription

if TYPE_CHECKING:
    from experiments.exported.graph import PolicyGraph

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_OPSET = 20  # ONNX Runtime reads it, in the form that torch 2.13 writes, from its version 1.18 on
_SILENT = 4  # onnxruntime's level of messages: what goes wrong is raised anyway


class OnnxPolicy(ExportedPolicy):
    """Drives with ONNX Runtime on one CPU core; inputs and outputs go by the names that `write` gives them."""

    def __init__(self, session: Any, description: PolicyDescription, *, state_dim: int) -> None:
        super().__init__(description, state_dim=state_dim)
        self._session = session

    @classmethod
    def check_installed(cls) -> None:
        """Raise a ConfigError unless the packages of the extra `export` are there."""
        missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigError(
                f"The format onnx needs {', '.join(missing)}: pip install -e .[export]. "
                "Or choose format=pt2 or format=safetensors, which need nothing more."
            )

    @classmethod
    def write(cls, path: Path, graph: "PolicyGraph", space: gym.spaces.Dict, description: PolicyDescription) -> None:
        """Write inputs named as the observation's parts, `state` and `is_first`, outputs `actions` and `next_state`.

        The first axis of each is `batch`, of any length. The description is metadata of the model, `policy.json`.
        """
        import torch  # to write needs it, to drive does not

        from experiments.exported.graph import trace

        memory = ([STATE, IS_FIRST], [NEXT_STATE]) if graph.state_dim else ([], [])
        program = trace(graph, space)
        logger = logging.getLogger("torch.onnx")
        level = logger.level
        logger.setLevel(logging.ERROR)  # it warns of torchvision, which nobody asked for
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's own, of its own deprecations
                onnx_program = torch.onnx.export(
                    program,
                    dynamo=True,
                    input_names=[*space.spaces, *memory[0]],
                    output_names=[ACTIONS, *memory[1]],
                    opset_version=_OPSET,
                    verbose=False,
                )
        finally:
            logger.setLevel(level)
        assert onnx_program is not None
        model: Any = onnx_program.model
        for value in (*model.graph.inputs, *model.graph.outputs):
            value.shape = type(value.shape)(["batch", *list(value.shape)[1:]])
        for part in (model.graph, *model.graph.all_nodes(), *model.graph.initializers.values()):
            part.metadata_props.clear()  # the exporter's notes to itself
        model.metadata_props[DESCRIPTION] = description.to_json()
        onnx_program.save(path, external_data=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        import onnxruntime  # an extra: nothing else needs it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # evaluation has a process a core
        options.log_severity_level = _SILENT
        try:
            session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except OSError:
            raise
        except Exception as error:  # its errors have no class of their own in common
            raise ValueError(f"ONNX Runtime cannot read it ({error})") from error
        metadata = session.get_modelmeta().custom_metadata_map
        if DESCRIPTION not in metadata:
            raise ValueError(f"its metadata has no {DESCRIPTION}, so it is some other model")
        description = PolicyDescription.from_json(metadata[DESCRIPTION])
        inputs = {value.name: value.shape for value in session.get_inputs()}
        state_dim = int(inputs[STATE][1]) if STATE in inputs else 0
        expected = {*graph_space(description).spaces, *((STATE, IS_FIRST) if state_dim else ())}
        if set(inputs) != expected:
            raise ValueError(
                f"its inputs are {', '.join(inputs)}; its description asks for {', '.join(sorted(expected))}"
            )
        return cls(session, description, state_dim=state_dim)

    def decide(
        self, batch: Batch, state: npt.NDArray[np.float32], is_first: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Run the graph."""
        if not self._state_dim:
            return self._session.run([ACTIONS], batch)[0], state
        actions, next_state = self._session.run([ACTIONS, NEXT_STATE], {**batch, STATE: state, IS_FIRST: is_first})
        return actions, next_state
