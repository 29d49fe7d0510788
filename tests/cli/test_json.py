"""Answers for machines are valid JSON, whatever the figures."""

from __future__ import annotations

import json
import math

import pytest

from edgespike.cli.output import print_json


def test_what_json_cannot_represent_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"bounds": {"layer": math.inf}, "losses": [math.nan, 1.5, (-math.inf, 2)], "n": 3})
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"bounds": {"layer": None}, "losses": [None, 1.5, [None, 2]], "n": 3}
