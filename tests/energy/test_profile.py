"""Profiles: a file is refused unless every constant has a range, a source and a grade."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgespike.energy import Grade, ProfileError, load_profile, shipped_profiles
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
    assert shipped_profiles() == ["45nm", "loihi", "loihi2"]


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
        ('unit = "pJ"', 'unit = "mJ"', "unit is 'mJ'; choose from fJ, pJ, nJ"),
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
        with pytest.raises(InputError, match="45nm, loihi, loihi2"):
            load_profile(path)
