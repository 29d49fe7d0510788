"""Models as data: every shipped one explains itself, and a profile can define its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import edgespike
from edgespike.energy import (
    ENERGY_MODELS,
    EnergyModel,
    Estimate,
    ProfileError,
    Quantity,
    energy_report,
    load_profile,
)
from tests.energy.examples import TWO_LAYERS, TWO_SAMPLES, counts_of


@pytest.mark.parametrize("model", ENERGY_MODELS.values(), ids=list(ENERGY_MODELS))
def test_a_shipped_model_explains_itself(model: EnergyModel) -> None:
    assert model.formula.startswith("E = ")
    assert "\n" not in model.formula
    assert model.omits.endswith(".")
    assert model.source
    assert model.link.startswith("https://") or model.name.endswith("-only")
    assert len(model.equations) == len(model.terms)
    for term, equation in zip(model.terms, model.equations, strict=True):
        assert term.quantity.value in equation
        assert term.constant in equation
        assert " x " in equation
        assert "\\" not in equation


def test_equations_are_in_the_json() -> None:
    report = energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, TWO_SAMPLES), ["45nm"])
    rows = {row["model"]: row for row in report.to_json()["energy"]}
    assert rows["fp32-all-layers"]["equations"] == [
        "synaptic operations x fp32_add",
        "multiply-accumulates x fp32_multiply_accumulate",
    ]
    assert rows["int8-with-memory"]["equations"][-1] == (
        "potential writes x sram_32bit(size of the memory of 32-bit accumulators and potentials)"
    )
    assert rows["lemaire"]["equations"][-1] == (
        "sum over layers of event writes x sram_32bit(size of the memory)"
    )
    for row in rows.values():
        assert {"formula", "convention", "omits", "source", "link"} <= row.keys()


CONSTANT = (
    '[constants.{name}]\nvalue = {value}\nlow = 1\nhigh = 900\nunit = "pJ/op"\nsource = "me"\n'
    'year = 2026\ngrade = "measured"\nnote = "with a meter"\n'
)
HEAD = 'format = 1\nname = "board"\ntitle = "My board"\nnote = "A test."\n'
MINE = """
[models.mine]
convention = "every"
omits = "Standby."
inside = ["weight reads", "potential reads", "potential writes"]
terms = [
    {quantity = "synaptic operations", constant = "operation"},
    {quantity = "multiply-accumulates", constant = "operation"},
    {quantity = "neuron updates", constant = "update"},
]
dense = "dense on the same board"
dense_terms = [{quantity = "dense multiply-accumulates", constant = "operation"}]
"""
VALID = HEAD + MINE + CONSTANT.format(name="operation", value=2)
VALID += CONSTANT.format(name="update", value=3)


def write(folder: Path, text: str) -> Path:
    path = folder / "board.toml"
    path.write_text(text)
    return path


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    counts = counts_of(TWO_LAYERS, TWO_SAMPLES)
    (found,) = energy_report(TWO_LAYERS, counts, [write(tmp_path, VALID)]).estimates
    assert found.energy.typical == pytest.approx((12 * 2 + 8 * 3) * 1e-12)
    assert found.baselines[0].energy.typical == pytest.approx(16 * 2e-12)
    assert found.left_out == {Quantity.EVENTS: 6}
    assert found.model.own
    assert found.model.formula == (
        "E = synaptic operations x operation + multiply-accumulates x operation "
        "+ neuron updates x update"
    )
    assert json.loads(json.dumps(found.to_json(2)))["omits"] == "Standby."
    # Silent, it would cost 6 operations and 8 updates, 36 pJ; the baseline costs 32 pJ.
    assert found.break_even is None
    assert found.why_no_break_even.startswith("with silent neurons")


def of_one_quantity(folder: Path, quantity: str) -> Estimate:
    text = f'[models.mine]\nomits = "-"\nterms = [{{quantity = "{quantity}", constant = "one"}}]\n'
    path = write(folder, HEAD + text + CONSTANT.format(name="one", value=1))
    (found,) = energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, TWO_SAMPLES), [path]).estimates
    return found


@pytest.mark.parametrize("quantity", Quantity, ids=lambda quantity: quantity.value)
def test_a_model_may_charge_any_quantity(tmp_path: Path, quantity: Quantity) -> None:
    """Two layers of 2 x 2, without biases, 2 samples: what a dense net reads and writes."""
    dense = {
        Quantity.DENSE_WEIGHT_READS: 16,
        Quantity.DENSE_BIAS_READS: 0,
        Quantity.DENSE_INPUT_READS: 8,
        Quantity.DENSE_OUTPUT_WRITES: 8,
    }
    if quantity is Quantity.INSTRUCTIONS:
        pytest.skip("instructions are those of a board")
    found = of_one_quantity(tmp_path, quantity.value)
    assert found.charged["one"] == dense.get(quantity, found.charged["one"])
    assert found.energy.typical == pytest.approx(found.charged["one"] * 1e-12)


def test_updates_that_are_charged_in_part_are_left_out_in_part(tmp_path: Path) -> None:
    """6 operations of either kind in 8 updates, 3 of which end in a spike."""
    left_out = of_one_quantity(tmp_path, Quantity.ACTIVE_UPDATES.value).left_out
    assert left_out[Quantity.QUIET_UPDATES] == 5
    assert Quantity.NEURON_UPDATES not in left_out
    assert Quantity.ACTIVE_UPDATES not in left_out


def test_own_models_beside_shipped_ones(tmp_path: Path) -> None:
    text = VALID.replace("[models.mine]", 'shipped_models = ["fp32-spiking-only"]\n[models.mine]')
    text += CONSTANT.format(name="fp32_add", value=1)
    text += CONSTANT.format(name="fp32_multiply_accumulate", value=5)
    profile = load_profile(write(tmp_path, text))
    assert [model.name for model in profile.models] == ["fp32-spiking-only", "mine"]


def test_a_memory_whose_size_matters(tmp_path: Path) -> None:
    text = VALID.replace(
        'constant = "update"}', 'constant = "sram", memory = "potentials"}'
    ).replace("[constants.update]", "[constants.sram_8k]")
    text += CONSTANT.format(name="sram_32k", value=30) + CONSTANT.format(name="sram_1m", value=70)
    counts = counts_of(TWO_LAYERS, TWO_SAMPLES)
    (found,) = energy_report(TWO_LAYERS, counts, [write(tmp_path, text)]).estimates
    assert found.energy.typical == pytest.approx((12 * 2 + 8 * 3) * 1e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"neuron updates"',
            '"neuron update"',
            "model mine: terms, number 3: quantity 'neuron update' is unknown; choose from "
            "synaptic operations",
        ),
        ('"weight reads", ', '"weights", ', "inside names 'weights', which is unknown"),
        ('omits = "Standby."', "", "model mine: entry omits is missing"),
        ('omits = "Standby."', 'omits = ""', "omits is ''; give one line of text"),
        ('convention = "every"', 'convention = "all"', "convention is 'all'; choose from every"),
        ('dense = "dense on the same board"', "", "dense and dense_terms go together"),
        ("[models.mine]", "[models.loihi]", "model loihi is a shipped model; give yours another"),
        ("[models.mine]", '[models."a b"]', "model 'a b': a name may contain letters"),
        ("convention =", "conventions =", "entry 'conventions' is unknown"),
        ('{quantity = "neuron updates", ', "{", "terms, number 3: entry quantity is missing"),
        (', constant = "update"', "", "terms, number 3: entry constant is missing"),
        (
            'constant = "update"}',
            'constant = "updates"}',
            "constant updates is missing; model mine",
        ),
        ('constant = "update"}', 'constant = "update", memory = "ram"}', "memory is 'ram'; choose"),
        ('constant = "update"}', 'constant = "update", name = 1}', "entry 'name' is unknown"),
        ("[models.mine]", 'shipped_models = ["magic"]\n[models.mine]', "model 'magic' is unknown"),
        ("[models.mine]", "shipped_models = 3\n[models.mine]", "must be a list of names"),
        ("[constants.update]", "[constants.updat]", "constant updat is not used"),
        ("[models.mine]", "[models.mine]\nlink = 'ftp://x'", "address that begins with https://"),
    ],
)
def test_faults_of_own_models(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in VALID
    with pytest.raises(ProfileError) as caught:
        load_profile(write(tmp_path, VALID.replace(old, new, 1)))
    assert message in str(caught.value)


@pytest.mark.parametrize("terms", ["3", "[]", "[1]", "{}"])
def test_terms_are_a_list_of_tables(tmp_path: Path, terms: str) -> None:
    text = f'{HEAD}[models.mine]\nomits = "x"\nterms = {terms}\n'
    with pytest.raises(ProfileError, match="terms must be a list of tables such as"):
        load_profile(write(tmp_path, text))
    with pytest.raises(ProfileError, match="model mine must be a table with the entries terms"):
        load_profile(write(tmp_path, f"{HEAD}models = {{mine = {terms if terms != '{}' else 1}}}"))


def test_all_faults_of_models_and_constants_are_listed_at_once(tmp_path: Path) -> None:
    text = VALID.replace('"neuron updates"', '"x"').replace("every", "all")
    text = text.replace("value = 2", "value = -2").replace('grade = "measured"', 'grade = "good"')
    text = text.replace("pJ/op", "furlong")
    with pytest.raises(ProfileError) as caught:
        load_profile(write(tmp_path, text))
    assert len(caught.value.violations) == 2 + 1 + 2 + 2


def test_targets_of_own_models_are_checked_before_anything_runs(tmp_path: Path) -> None:
    path = write(tmp_path, VALID.replace('omits = "Standby."', 'omits = "-"\ntarget = "moon"'))
    done: list[int] = []
    with pytest.raises(ProfileError, match="board: model mine speaks of target 'moon', which does"):
        edgespike.estimate_energy(
            TWO_LAYERS, TWO_SAMPLES, profiles=[path], progress=lambda _, many, __: done.append(many)
        )
    assert done == []


def test_an_own_model_of_a_target_asks_it(tmp_path: Path) -> None:
    path = write(tmp_path, VALID.replace('omits = "Standby."', 'omits = "-"\ntarget = "tflite"'))
    report = edgespike.estimate_energy(TWO_LAYERS, TWO_SAMPLES, profiles=[path])
    assert report.estimates[0].to_json(2)["target_runs_graph"] is True
    assert report.cores is None  # tflite has no cores
