"""Dynamic prompts read into templates: the grammar, its guards, and texts of any kind."""

import logging
from random import Random

import pytest
from benchmarks.fuzz_projects import fuzz, odd_prompt

from aldente.engine.errors import UserError
from aldente.recipe.dynamic import LONGEST, groups_of, template_of
from aldente.recipe.template import count, drawn, nth

LISTS = {
    "colours": [("red", 1.0), ("{light|dark} blue", 1.0)],
    "near": [("__far__", 1.0)],
    "far": [("a __near__", 1.0)],
    "many": [(f"m{i}", 1.0) for i in range(5000)],
    "braces": [("{unclosed", 1.0)],
}


def lists(name):
    if name not in LISTS:
        raise UserError(f"wildcard '{name}' is not known.")
    return LISTS[name]


def every(text, **variables):
    template = template_of(text, lists, variables)
    return [nth(template, number) for number in range(count(template))]


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("a plain prompt, (red:1.2) [a|b]", ["a plain prompt, (red:1.2) [a|b]"]),
        ("a {red|blue} owl", ["a red owl", "a blue owl"]),
        ("{a|{b|c}}", ["a", "b", "c"]),
        ("{a|}{c|d}", ["ac", "ad", "c", "d"]),
        ("{2$$a|b|c}", ["a,b", "a,c", "b,c"]),
        ("{1-2$$ and $$a|b}", ["a", "b", "a and b"]),
        ("{-1$$a|b}", ["a", "b"]),
        ("{9$$a|b}", ["a,b"]),
        ("{0.5::a|2::b}", ["a", "b"]),
        ("__colours__ owl", ["red owl", "light blue owl", "dark blue owl"]),
        ("{2$$__colours__}", ["red,light blue", "red,dark blue"]),
        ("${v={a|b}}${v}${v}", ["aa", "ab", "ba", "bb"]),
        ("${v=!{a|b}}${v}${v}", ["aa", "bb"]),
        ("${v:{a|b}}", ["a", "b"]),
        ("(red:{0.8-1.4 (+0.2)})", ["(red:0.8)", "(red:1)", "(red:1.2)", "(red:1.4)"]),
        ("{0.5-1.5 [3]}", ["0.5", "1", "1.5"]),
        ("{1, 2, .., 5}", ["1", "2", "3", "4", "5"]),
        ("{3-1}", ["3", "2", "1"]),
        (r"\{a\|b\} \__colours\__ {x|y}", ["{a|b} __colours__ x", "{a|b} __colours__ y"]),
        ("100% $5 http://a // b /* c # d {x|y}", ["100% $5 http://a // b /* c # d x", "100% $5 http://a // b /* c # d y"]),
        (" spaces  {a|b}  stay\n", [" spaces  a  stay\n", " spaces  b  stay\n"]),
        ("{a$b|c}", ["a$b", "c"]),
        ("${v=a}", [""]),
        ("${v=a}${v?=b}${w?=c}${v}${w}", ["ac"]),
        ("{5-1 (+1)}", ["5-1 (+1)"]),
        (r"\(round\) {a|b}", [r"\(round\) a", r"\(round\) b"]),
    ],
)
def test_texts_of_a_template(text, texts):
    assert every(text) == texts


def test_variables_are_words_as_they_stand():
    assert every("${pose} {a|b}", pose="{x|y} __z__ $ |") == ["{x|y} __z__ $ | a", "{x|y} __z__ $ | b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{a|b", "does not parse"),
        ("a__b", "does not parse"),
        ("{a$$b|c}", "the signs themselves"),
        ("__color__", "wildcard 'color' is not known"),
        ("${pos} x", r"variable '\$\{pos\}' is not known; did you mean '\$\{pose\}'"),
        ("__near__", "leads back to itself: near -> far -> near"),
        ("__braces__", "does not parse"),
        ("%{a...b$$c}", "not supported"),
        ("__a{b|c}__", "named by plain words"),
        ("{" * 30 + "a" + "}" * 30, "braces 30 deep"),
        ("{0-5000$$__many__}", "too many to choose"),
        ("x" * (LONGEST + 1), f"may have {LONGEST}"),
        ("".join(f"${{v{i + 1}=${{v{i}}}${{v{i}}}}}" for i in range(20)) + "${v20}", "can become more than"),
    ],
)
def test_what_cannot_be_read_is_refused_with_words(text, words):
    lots = {"pose": "standing", "v0": "xx"}
    with pytest.raises(UserError, match=words):
        template_of(text, lists, lots)


def test_a_missing_wildcard_inside_a_choice_is_an_error_and_no_endless_loop():
    with pytest.raises(UserError, match="'gone' is not known"):
        every("{2$$__gone__|a|b}")


def test_a_prompt_with_many_combinations_is_counted_at_once():
    assert count(template_of("__many__ " * 12, lists)) == 5000**12


def test_outermost_braces_are_found():
    assert groups_of(r"a {b|{c|d}} ${v={x}} \{e\} {f} {f} {g") == ("{b|{c|d}}", "{f}")


@pytest.mark.parametrize("text", ["{@red|green|blue}", "__@rgb__", "{@1$$__rgb__}"])
def test_options_that_take_turns_are_drawn_one_after_the_other(text):
    def rgb(name):
        return [(colour, 1.0) for colour in ("red", "green", "blue")]

    template = template_of(text, rgb, {})
    assert [drawn(template, number, seed=5) for number in range(4)] == ["red", "green", "blue", "red"]


def test_the_seed_decides():
    template = template_of("{a|b|c} {d|e|f} __colours__", lists)
    once = [drawn(template, n, seed=7) for n in range(30)]
    assert once == [drawn(template, n, seed=7) for n in range(30)]
    assert once != [drawn(template, n, seed=8) for n in range(30)]
    assert len(set(once)) > 10


@pytest.mark.parametrize("reader", ["prompt", "dynamic prompt"])
def test_odd_texts_are_read_or_refused(reader, caplog):
    caplog.set_level(logging.CRITICAL)
    found = fuzz(reader, 800 if reader == "prompt" else 250, seed=3)
    assert set(found) <= {"read", "refused"}, found
    assert found["read"] > 20


def test_odd_prompts_are_odd():
    rng = Random(1)
    assert len({odd_prompt(rng) for _ in range(100)}) == 100


def test_without_folders_a_wildcard_is_an_error():
    with pytest.raises(UserError, match="no folder of wildcards is given"):
        template_of("__colours__")


def test_lists_inside_lists_too_deep_are_refused():
    def deep(name):
        return [("{" * 16 + f"__{int(name) + 1}__" + "}" * 16, 1.0)]

    with pytest.raises(UserError, match="write it flatter"):
        template_of("__0__", deep)
