"""A model's preset and the sizes on top of it, from the function to the command line."""

from pathlib import Path

import pytest
import yaml

from envs.errors import ConfigError
from experiments.presets import expand_preset

MODELS = Path(__file__).resolve().parent.parent.parent / "conf" / "model"


@pytest.fixture
def section():
    """Two presets of two classes that share one size."""
    return {
        "preset": "small",
        "width": None,
        "heads": None,
        "presets": {
            "small": {"_target_": "models.a.A", "width": 2},
            "large": {"_target_": "models.b.B", "width": 64, "heads": [8, 8]},
        },
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"_target_": "models.a.A", "width": 2}),
        ({"preset": "large"}, {"_target_": "models.b.B", "width": 64, "heads": [8, 8]}),
        ({"width": 3}, {"_target_": "models.a.A", "width": 3}),
        ({"preset": "large", "heads": []}, {"_target_": "models.b.B", "width": 64, "heads": []}),
        ({"preset": "large", "width": 0}, {"_target_": "models.b.B", "width": 0, "heads": [8, 8]}),
        ({"heads": [1]}, {"_target_": "models.a.A", "width": 2, "heads": [1]}),  # the class will refuse it
        ({"wings": 2}, {"_target_": "models.a.A", "width": 2, "wings": 2}),
    ],
)
def test_a_preset_is_its_sizes_with_ones_own_on_top(section, changes, expected):
    given = section | changes
    before = repr(given)
    assert expand_preset(given) == expected
    assert repr(given) == before


def test_a_model_without_presets_comes_back_as_it_is():
    model = {"_target_": "models.a.A", "width": None}
    assert expand_preset(model) == model
    assert expand_preset({}) == {}


@pytest.mark.parametrize("word", ["medium", None, 3, ["small"]])
def test_a_preset_that_is_not_there_lists_those_that_are(section, word):
    with pytest.raises(ConfigError) as refused:
        expand_preset(section | {"preset": word})
    assert str(refused.value) == f"model.preset={word}: expected one of small, large."


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        ((), {"_target_": "models.cnn.CNNEncoder", "strides": [4, 2, 1], "image_features": 256}),
        (("model.preset=tmrl",), {"_target_": "models.cnn_tmrl.TMRLEncoder", "hidden": [256, 256]}),
        (("model.preset=impala", "model.channels=[8]"), {"_target_": "models.impala.ImpalaEncoder", "channels": [8]}),
        (("model.channels=[8,8,8]",), {"_target_": "models.cnn.CNNEncoder", "channels": [8, 8, 8]}),
        (("model.presets.nature.vector_features=7",), {"_target_": "models.cnn.CNNEncoder", "vector_features": 7}),
        (("model=vit",), {"_target_": "models.vit.ViTEncoder", "width": 64}),
        (("model=vit", "model.preset=base", "model.head=[]"), {"depth": 6, "head": []}),
    ],
)
def test_the_command_line_chooses_and_overrides_without_a_plus(compose, words, sizes):
    model = compose(*words)["model"]
    assert model == model | sizes
    assert not {"preset", "presets"} & set(model)
    assert None not in model.values()


def test_every_size_of_every_preset_stands_at_the_top_once_as_null():
    sections = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in MODELS.glob("*.yaml")}
    with_presets = {model: section for model, section in sections.items() if "presets" in section}
    assert {"cnn", "vit"} <= set(with_presets)
    for model, section in with_presets.items():
        sizes = {key for preset in section["presets"].values() for key in preset} - {"_target_"}
        assert {key: section[key] for key in section.keys() - {"preset", "presets"}} == dict.fromkeys(sizes), model
        assert section["preset"] in section["presets"], model
