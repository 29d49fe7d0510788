"""Profiles: a file is refused unless every constant has a range, a source and a grade."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgespike.energy import (
    Grade,
    ProfileError,
    default_profiles,
    load_profile,
    load_profiles,
    shipped_profiles,
)
from edgespike.errors import FileFormatError, InputError

HEAD = (
    'format = 1\nname = "mine"\ntitle = "Mine"\nnote = "A test."\nmodels = ["fp32-spiking-only"]\n'
)
CONSTANT = (
    'value = 2\nlow = 1\nhigh = 3\nunit = "pJ"\nsource = "me"\nyear = 2026\n'
    'grade = "measured"\nnote = "none"\n'
)
NAMES = ("fp32_add", "fp32_multiply_accumulate")
VALID = HEAD + "".join(f"[constants.{name}]\n{CONSTANT}" for name in NAMES)


def load(folder: Path, text: str) -> object:
    path = folder / "profile.toml"
    path.write_text(text)
    return load_profile(path)


def test_shipped_profiles() -> None:
    assert shipped_profiles() == [
        "45nm",
        "cortex-m33",
        "cortex-m4",
        "cortex-m7",
        "loihi",
        "loihi2",
        "neuronflow",
        "odin",
        "reckon",
        "seneca",
        "spinnaker",
        "spinnaker2",
        "syntiant-ndp120",
        "tianjic",
        "truenorth",
        "ubrain",
        "xylo",
    ]
    assert default_profiles() == ["45nm", "loihi", "loihi2"]


@pytest.mark.parametrize("name", shipped_profiles())
def test_shipped_profiles_are_valid(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    for constant in profile.constants.values():
        assert 0 < constant.low <= constant.value <= constant.high


@pytest.mark.parametrize(
    ("profile", "constant", "picojoules"),
    [
        ("45nm", "fp32_add", 0.9),
        ("45nm", "fp32_multiply_accumulate", 4.6),
        ("45nm", "integer_add", 0.1),
        ("45nm", "sram_32bit_8k", 10),
        ("45nm", "sram_32bit_32k", 20),
        ("45nm", "sram_32bit_1m", 100),
        ("loihi", "synaptic_operation", 23.6),
        ("loihi", "neuron_update_active", 81),
        ("loihi", "neuron_update_inactive", 52),
        ("loihi", "spike", 1.7),
        ("45nm", "int32_add", 0.1),
        ("45nm", "int32_multiply_accumulate", 3.2),
        ("45nm", "integer_multiply_bit", 0.2 / 8),
        ("neuronflow", "synaptic_operation", 20),
        ("odin", "synaptic_operation", 12.7),
        ("reckon", "synaptic_operation", 5.3),
        ("seneca", "synaptic_operation", 2.8),
        ("spinnaker", "synaptic_operation", 13_300),
        ("spinnaker2", "synaptic_operation", 450),
        ("syntiant-ndp120", "multiply_accumulate", 8.1),
        ("tianjic", "synaptic_operation", 1.54),
        ("truenorth", "synaptic_operation", 26),
        ("ubrain", "synaptic_operation", 26),
    ],
)
def test_typical_constants_are_the_published_ones(
    profile: str, constant: str, picojoules: float
) -> None:
    energy = load_profile(profile).constants[constant].energy
    assert energy.typical == pytest.approx(picojoules * 1e-12, rel=1e-12)


def test_the_table_for_loihi_is_called_a_simulation() -> None:
    grades = {constant.grade for constant in load_profile("loihi").constants.values()}
    assert grades == {Grade.SIMULATED}


@pytest.mark.parametrize(
    ("profile", "low", "high"),
    [("truenorth", 2.5, 26), ("spinnaker", 45, 13_300), ("spinnaker2", 10, 450)],
)
def test_where_publications_disagree_the_range_covers_both(
    profile: str, low: float, high: float
) -> None:
    (constant,) = load_profile(profile).constants.values()
    assert (constant.low, constant.high) == (low, high)
    assert "disagree" in constant.note
    assert constant.grade is Grade.SECONDARY


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_constant_links_to_its_source(name: str) -> None:
    for constant in load_profile(name).constants.values():
        assert constant.link.startswith("https://")


def test_all_stands_for_all_shipped_profiles() -> None:
    assert [profile.name for profile in load_profiles(["all"])] == shipped_profiles()
    assert [profile.name for profile in load_profiles()] == default_profiles()


def test_a_profile_that_is_named_twice_is_loaded_once() -> None:
    assert [each.name for each in load_profiles(["45nm", "45nm", "all"])] == shipped_profiles()


def test_faults_of_several_profiles_are_listed_at_once(tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(VALID.replace("value = 2", "value = -2"))
    other.write_text("format = 9")
    with pytest.raises(ProfileError) as caught:
        load_profiles([one, "45nm", other, "none"])
    found = caught.value.violations
    assert len(found) == 4
    assert sum("value is -2" in line for line in found) == 2
    assert sum("has format 9" in line for line in found) == 1
    assert sum("name a TOML file or one of those" in line for line in found) == 1


def test_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(VALID)
    (tmp_path / "same.toml").write_text(VALID)
    assert len(load_profiles([tmp_path / "one.toml", tmp_path / "same.toml"])) == 1
    (tmp_path / "other.toml").write_text(VALID.replace("high = 3", "high = 4"))
    with pytest.raises(ProfileError, match="two different profiles are named mine"):
        load_profiles([tmp_path / "one.toml", tmp_path / "other.toml"])


def test_a_constant_is_defined_once(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="is not valid TOML"):
        load(tmp_path, VALID + f"[constants.fp32_add]\n{CONSTANT}")


@pytest.mark.parametrize("unit", ["J", "uJ", "µJ", "pJ/op", "nJ/cycle", "mW*s"])
def test_units_are_converted(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(VALID.replace('unit = "pJ"', f'unit = "{unit}"'), encoding="utf-8")
    joules = {"J": 1, "uJ": 1e-6, "µJ": 1e-6, "pJ/op": 1e-12, "nJ/cycle": 1e-9, "mW*s": 1e-3}
    energy = load_profile(path).constants["fp32_add"].energy
    assert energy.typical == pytest.approx(2 * joules[unit], rel=1e-12)


def test_a_valid_file_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(VALID)
    assert set(load_profile(path).constants) == set(NAMES)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 2", "value = nan", "value is nan"),
        ("value = 2", "value = true", "value is True"),
        ("value = 2", 'value = "2"', "value is '2'"),
        ("high = 3", "high = inf", "high is inf"),
        ("low = 1", "low = -1", "low is -1"),
        ("high = 3", "high = 1.7e308", "high is 1.7e+308; give a number in 0..1e+09"),
        ("high = 3", "high = 1_000_000_001", "high is 1000000001"),
        ("high = 3", "high.a.b = 3", "high is {'a': {'b': 3}}"),
        ("low = 1", "low = 2.5", "must be in ascending order"),
        ("high = 3", "high = 1.5", "must be in ascending order"),
        ("high = 3\n", "", "entry high is missing"),
        ("high = 3", "higher = 3", "entry 'higher' is unknown"),
        ('unit = "pJ"', 'unit = "mW"', "unit is 'mW'; give one of energy, such as fJ, pJ, nJ"),
        ('unit = "pJ"', "unit = []", "unit is []"),
        ('grade = "measured"', 'grade = "guessed"', "grade is 'guessed'"),
        ('grade = "measured"', "grade = {}", "grade is {}"),
        ("year = 2026", "year = 20260", "year is 20260"),
        ("year = 2026", "year = 2026.0", "year is 2026.0"),
        ('source = "me"', 'source = " "', "source is ' '"),
        ('source = "me"', 'source = "\\u001b[2J"', "give one line of text"),
        ('name = "mine"', 'name = "<b>"', "name is '<b>'"),
        ('name = "mine"', "name = 1", "name is 1"),
        ('models = ["fp32-spiking-only"]', 'models = ["magic"]', "model 'magic' is unknown"),
        ('models = ["fp32-spiking-only"]', "models = 7", "models must be a list of names"),
        ('models = ["fp32-spiking-only"]', "models = []", "is not used by any"),
        (
            'models = ["fp32-spiking-only"]',
            f"models = {['fp32-spiking-only'] * 2}",
            "model 'fp32-spiking-only' is listed 2 times",
        ),
        ('models = ["fp32-spiking-only"]', 'models = ["loihi"]', "constant spike is missing"),
        ("[constants.fp32_add]", "[constants.fp32_ad]", "constant fp32_add is missing"),
        ("[constants.fp32_add]", "[other.fp32_add]", "entry 'other' is unknown"),
        ("[constants.fp32_add]", '[constants."a\\u001b[31m"]', "constant 'a\\x1b[31m' is not used"),
        ("[constants.fp32_add]", f"[constants.{'a' * 900}]", f"constant '{'a' * 39}... (902 ch"),
    ],
)
def test_invalid_entries_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in VALID
    with pytest.raises(ProfileError) as caught:
        load(tmp_path, VALID.replace(old, new))
    assert message in str(caught.value)


def test_constants_must_be_tables(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="constants must be a table of tables"):
        load(tmp_path, HEAD + "constants = 3\n")
    with pytest.raises(ProfileError, match="constant fp32_add must be a table"):
        load(tmp_path, HEAD + "constants = {fp32_add = 3}\n")


def test_all_violations_are_listed_at_once(tmp_path: Path) -> None:
    broken = VALID.replace("value = 2", "value = -2").replace('title = "Mine"\n', "")
    with pytest.raises(ProfileError) as caught:
        load(tmp_path, broken)
    assert len(caught.value.violations) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"value = ", "is not valid TOML"),
        (b"", "must begin with 'format = 1'"),
        (b"format = 99\n", "has format 99; only format 1 is supported"),
        (b"#" * 2**21, "has more than 65536 bytes"),
        (b"format = true\n", "has format True; only format 1 is supported"),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "profile.toml"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        load_profile(path)


def test_files_that_cannot_be_read_are_refused_with_the_shipped_names(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path, "nul\0byte"):
        with pytest.raises(InputError, match="45nm, cortex-m33, cortex-m4"):
            load_profile(path)
