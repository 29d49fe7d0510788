"""Text in a given width: nothing is wider, and what is left out is said."""

from __future__ import annotations

import pytest

from edgespike.text import (
    FIXED,
    aligned,
    cells_of,
    fact_lines,
    folded,
    listed,
    shortened,
    wrapped,
)


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("layer", 5, "layer"),
        ("layers", 5, "l...s"),
        ("encoder.layers.12.weight", 12, "encod...ight"),
        ("", 5, ""),
    ],
)
def test_a_long_name_loses_its_middle(text: str, most: int, short: str) -> None:
    assert shortened(text, most) == short
    assert len(short) <= most


def test_a_list_says_how_many_there_are_more() -> None:
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert listed([]) == ""


def test_sentences_are_broken_between_words_and_cut_where_that_is_asked() -> None:
    assert wrapped("one two three", 8, 1, hanging=2) == [" one two", "   three"]
    assert wrapped("one two three four", 9, most=1) == ["one ..."]
    assert wrapped("a-very-long-word", 5) == ["a-very-long-word"]
    assert wrapped("", 5) == []


def test_a_fixed_space_keeps_a_number_beside_its_unit() -> None:
    assert wrapped("takes 8.02 nJ", 10) == ["takes 8.02", "nJ"]
    assert wrapped(f"takes 8.02{FIXED}nJ", 10) == ["takes", "8.02 nJ"]
    facts = [("energy", f"takes 8.02{FIXED}nJ")]
    assert fact_lines(facts, 18) == ["energy  takes", "        8.02 nJ"]
    assert fact_lines(facts, None) == ["energy  takes 8.02 nJ"]


def test_facts_begin_in_one_column_and_those_without_a_text_are_left_out() -> None:
    facts = [("a", "one"), ("longer", "two three"), ("much longer", "")]
    assert fact_lines(facts, 13) == ["a       one", "longer  two", "        three"]


def test_a_fact_is_cut_alike_in_every_width() -> None:
    """So that a wide terminal does not say more than a narrow one."""
    facts = [("fact", "word " * 100)]
    kept = {
        len(" ".join(fact_lines(facts, width, most=2)).split()) for width in (20, 80, 300, None)
    }
    assert len(kept) == 1
    assert len(fact_lines(facts, 80, most=2)) == 2
    assert fact_lines(facts, 80, most=2)[1].endswith(" ...")


def test_columns_are_aligned() -> None:
    rows = [("name", "n", "why"), ("a", "10", ""), ("abcde", "5", "so")]
    assert aligned(rows, (1,)) == ["name    n  why", "a      10", "abcde   5  so"]


def test_letters_that_are_two_columns_wide_count_twice() -> None:
    name = "类别名称很长的一个类" * 3
    assert cells_of("a类b") == 4
    assert shortened(name, 60) == name
    assert shortened(name, 23) == "类别名称很...的一个类别"[:8] + "长的一个类"
    assert cells_of(shortened(name, 23)) <= 23
    lines = wrapped(" ".join([name[:9]] * 9), 40)
    assert [cells_of(line) for line in lines] == [37] * 4 + [18]
    assert folded("类" * 25, 20) == ["类" * 10, "类" * 10, "类" * 5]
    assert aligned([["类", "1"], ["abc", "22"]], [1]) == ["类    1", "abc  22"]
