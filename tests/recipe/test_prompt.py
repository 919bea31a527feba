"""The prompt grammar: A1111's, and no text that it does not take."""

import re
from itertools import pairwise
from math import isfinite
from random import Random
from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aldente.recipe.brackets import DEEPEST, WEIGHT_LIMIT
from aldente.recipe.prompt import Lora, parse, text_of, text_of_emphasis


def words(text, step=0, steps=10):
    """The words and rounded weights of a prompt of one part."""
    (part,) = parse(text).parts
    return [(said, round(weight, 4)) for said, weight in part.at(step, steps)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red apple", [("a red apple", 1)]),
        ("", [("", 1)]),
        ("a (red) apple", [("a ", 1), ("red", 1.1), (" apple", 1)]),
        ("((red))", [("red", 1.21)]),
        ("(red:1.5)", [("red", 1.5)]),
        ("(red : 1.5 )", [("red ", 1.5)]),
        ("((red:1.5) apple)", [("red", 1.65), (" apple", 1.1)]),
        ("(a:b:1.5)", [("a:b", 1.5)]),
        ("(x:.5)(y:-1)(z:+2.)", [("x", 0.5), ("y", -1), ("z", 2)]),
        ("[red]", [("red", 0.9091)]),
        ("([red])", [("red", 1)]),
        (r"\(red\) \[x\] \\ \a", [("(red) [x] \\ \\a", 1)]),
        ("(red", [("red", 1.1)]),
        ("[red", [("red", 0.9091)]),
        ("a) b] c", [("a) b] c", 1)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1), (" c", 0.9091)]),
        ("(red:much)", [("red:much", 1.1)]),
        ("red:1.5)", [("red:1.5)", 1)]),
        ("(:1.5)", [("", 1)]),
        ("[a:b:c]", [("a:b:c", 0.9091)]),
        ("[a:b:c:0.5]", [("a:b:c:0.5", 0.9091)]),
        ("[0.5]", [("0.5", 0.9091)]),
        ("[(a::0.5]", [("a::0.5", 1)]),
        ("16:9 | x", [("16:9 | x", 1)]),
        ("16:9", [("16:9", 1)]),
        ("trailing\\", [("trailing\\", 1)]),
        (f"(x:{'9' * 30})", [(f"x:{'9' * 30}", 1.1)]),
        ("(x:99999)", [("x", WEIGHT_LIMIT)]),
    ],
)
def test_emphasis(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("[cat:dog:0.3]", "cat", "dog"),
        ("[cat:dog:3]", "cat", "dog"),
        ("[cat::3]", "cat", ""),
        ("[dog:3]", "", "dog"),
        ("[:dog: 3 ]", "", "dog"),
        ("a [cat:dog:3] b", "a cat b", "a dog b"),
        (r"[a\:b:c:3]", r"a\:b", "c"),
        ("[cat:[dog:bird:3]:3]", "cat", "bird"),
    ],
)
def test_a_schedule_turns_at_its_moment(text, before, after):
    (part,) = parse(text).parts
    assert part.timeline(10) == ((3, ((before, 1.0),)), (10, ((after, 1.0),)))


def test_a_moment_is_exact_in_decimal_and_may_lie_outside_the_run():
    moments = {"0.29": 29, "0.0": 0, "1.0": 100, "2.5": 100, "-5": 0, "250": 100, "100": 100, "1": 1, "0.999": 99}
    for when, step in moments.items():
        (part,) = parse(f"[a:b:{when}]").parts
        assert [part.at(i, 100) for i in range(100)] == [(("a", 1.0),)] * step + [(("b", 1.0),)] * (100 - step)


def test_alternation_takes_turns():
    assert [words("[a|b|] x", step) for step in range(4)] == [[("a x", 1)], [("b x", 1)], [(" x", 1)], [("a x", 1)]]
    assert words("[a:2|b]", 0) == [("a:2", 1)]
    assert words("[(a:2)|b]", 0) == [("a", 2)]
    assert words("[[c:d:1]|b]", 2) == [("d", 1)]


def test_weights_hold_inside_and_around_schedules():
    assert words("([a:(b:2):5]:1.5)", 0) == [("a", 1.5)]
    assert words("([a:(b:2):5]:1.5)", 5) == [("b", 3)]


def test_and_composes_with_weights():
    parts = parse("a cat :1.2 AND a dog AND (sky:2):-0.5").parts
    assert [(p.weight, p.at(0, 1)) for p in parts] == [
        (1.2, (("a cat", 1.0),)),
        (1.0, (("a dog", 1.0),)),
        (-0.5, (("sky", 2.0),)),
    ]
    assert [p.weight for p in parse("x AND :2").parts] == [1.0, 1.0]
    assert len(parse("SAND AND BRAND").parts) == 2
    assert parse("cat AND dog :2", composes=False).parts[0].at(0, 1) == (("cat AND dog :2", 1.0),)


def test_break_cuts_chunks():
    (part,) = parse("a cat BREAK (a dog BREAK sky) BREAK BREAK x").parts
    assert part.chunks_at(0, 1) == (
        (("a cat", 1.0),),
        (("a dog", 1.1),),
        (("sky", 1.1),),
        (("", 1.0),),
        (("x", 1.0),),
    )
    assert parse("BREAK cat BREAK").parts[0].at(0, 1) == ((" cat ", 1.0),)
    assert words("[a BREAK b::5]", 7) == [("", 1)]


def test_loras_are_taken_out_with_their_strengths():
    prompt = parse("a <lora:ink:0.5> cat <lora: oil : 1 : .25 ><lora:plain><lyco:x:-2> <lora:bad:much> <hypernet:h:1>")
    assert prompt.loras == (
        Lora(name="ink", weight=0.5, text_weight=0.5),
        Lora(name="oil", weight=0.25, text_weight=1.0),
        Lora(name="plain", weight=1.0, text_weight=1.0),
        Lora(name="x", weight=-2.0, text_weight=-2.0),
    )
    assert prompt.parts[0].at(0, 1) == (("a  cat  <lora:bad:much> <hypernet:h:1>", 1.0),)


def test_comments_are_left_out():
    assert words("# a note\na cat # sat\n#\non a mat") == [("a cat \non a mat", 1)]
    assert parse("# <lora:x:1> AND").loras == ()


def test_a_prompt_without_schedules_has_one_span():
    (part,) = parse("a (red:1.2) apple").parts
    assert not part.changes
    assert part.timeline(25) == ((25, part.at(0, 25)),)
    assert parse("[a|b]").parts[0].changes


@given(st.text(), st.integers(1, 30))
@example("[a|b] [c:d:0.5] [[e|f]:g:3]", 12)
def test_a_timeline_says_what_each_step_says(text, steps):
    for part in parse(text).parts:
        spans = part.timeline(steps)
        assert spans[-1][0] == steps
        assert all(a[0] < b[0] and a[1] != b[1] for a, b in pairwise(spans))
        for step in range(steps):
            assert next(said for until, said in spans if step < until) == part.at(step, steps)


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="#<\n"), min_size=1).filter(
    lambda text: not re.search("AND|BREAK", text)
)
WEIGHTS = st.decimals(-100, 100, places=4).map(float)


@settings(max_examples=200)
@given(st.lists(st.tuples(WORDS, WEIGHTS), min_size=1))
def test_words_and_weights_survive_being_written(pieces):
    emphasis = tuple(piece for piece, after in pairwise([*pieces, ("", None)]) if piece[1] != after[1])
    (part,) = parse(text_of_emphasis(emphasis)).parts
    assert part.at(0, 1) == emphasis


@settings(max_examples=1000, deadline=None)
@given(
    st.text(st.sampled_from("()[]:|\\ ab0.5-#<>\n"))
    | st.lists(st.sampled_from(["AND", "BREAK", "<lora:", ">", "(", "]", ":1", " "])).map("".join)
)
def test_every_text_is_a_prompt(text):
    prompt = parse(text)
    for part in prompt.parts:
        said = part.at(1, 4)
        assert said
        assert all(-WEIGHT_LIMIT <= weight <= WEIGHT_LIMIT for _, weight in said)


def test_ten_thousand_texts_are_prompts():
    signs = [*"()[]:|\\ ab#\n", ":1.5)", ":0.5]", ":3]", " AND ", "BREAK", "<lora:", ":1>", "é", "1e9"]
    rng = Random(7)
    for _ in range(10_000):
        text = "".join(rng.choices(signs, k=rng.randrange(30)))
        for part in parse(text).parts:
            assert all(isfinite(weight) for _, weight in part.at(1, 4)), text


def test_brackets_too_deep_for_schedules_only_take_emphasis_away():
    deep = "[" * (DEEPEST + 1) + "a:b:1" + "]" * (DEEPEST + 1)
    assert words(deep)[0][0] == "a:b:1"
    nested = "[" * DEEPEST + "a:b:1" + "]" * DEEPEST
    assert words(nested)[0][0] == "a"


@pytest.mark.parametrize(
    "unit",
    [
        "(",
        "[",
        "[a|",
        "[a:",
        "(a:1.1",
        ")",
        ":1",
        "\\",
        "<lora:",
        "# ",
        "a:  ",
        "[a:b:1]",
        "(a:1.1)",
        " AND ",
        " BREAK ",
        "[[[]",
    ],
)
def test_time_grows_as_the_text_does(unit):
    parse(unit * 10)
    started = process_time()
    (part, *_) = parse(unit * 20_000).parts
    part.at(0, 10)
    assert process_time() - started < 5


def near(these, those):
    """Whether two timelines say the same words at the same steps, with weights that differ by rounding at most."""
    if len(these) != len(those):
        return False
    return all(
        a == b and [w for w, _ in x] == [w for w, _ in y] and [v for _, v in x] == pytest.approx([v for _, v in y], rel=1e-9)
        for (a, x), (b, y) in zip(these, those, strict=True)
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("16:9 a | b (red:1.3)", "16:9 a | b (red:1.3)"),
        ("[cat:dog:0.5] x", "[(cat:1.0)::0.5][(dog:1.0):0.5] x"),
        ("[a|b] cow", "[(a:1.0)|][|(b:1.0)] cow"),
        ("a :1.2 AND b", "a :1.2 AND b :1.0"),
        (" BREAK x", " BREAK x"),
        ("one BREAK two <lora:x:0.5:0.7>", "one BREAK two <lora:x:0.5:0.7>"),
    ],
)
def test_a_prompt_is_written_as_text(text, written):
    assert text_of(parse(text)) == written


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*"()[]:|\\ a", "AND", "BREAK", "0.5", "3", "<lora:x:1>", "<lo", "ra:y>", "#", "\n"]), max_size=25)
)
def test_a_prompt_that_is_written_and_read_is_the_same(signs):
    for composes in (True, False):
        prompt = parse("".join(signs), composes=composes)
        again = parse(text_of(prompt), composes=composes)
        assert prompt.loras == again.loras
        assert [part.weight for part in prompt.parts] == pytest.approx([part.weight for part in again.parts])
        assert all(near(a.timeline(12), b.timeline(12)) for a, b in zip(prompt.parts, again.parts, strict=True))
