"""Project files: read with every fault and its line, and the items that they ask for."""

import pytest
from benchmarks.fuzz_projects import fuzz

from aldente.engine.errors import UserError
from aldente.recipe.project_file import line_of, read_project
from aldente.recipe.project_items import filled, items_of, span_of, subjects_of

PLAIN = """
[project]
name = "x"
[subjects]
prompts = ["an owl", "a cat", "a dog"]
"""


def project(extra="", *, small=False):
    return read_project(PLAIN + extra, small=small)


def seeds_of(extra):
    made = project(f"[seeds]\n{extra}")
    return [(item.subject.label, item.seed) for item in items_of(made, subjects_of(made.subjects))]


@pytest.mark.parametrize(
    ("extra", "seeds"),
    [
        ('policy = "lock"\nfirst = 7', [7, 7, 7]),
        ("first = 7", [7, 8, 9]),
        ("pictures = 2", [1, 2, 3, 4, 5, 6]),
        ('policy = "batch"\npictures = 2', [1, 1, 1, 2, 2, 2]),
        ('policy = "batch"\nbatch = 2\nfirst = 10', [10, 10, 11]),
        ('policy = "list"\nlist = [5, 3]', [5, 5, 5, 3, 3, 3]),
    ],
)
def test_seed_policies(extra, seeds):
    found = seeds_of(extra)
    assert [seed for _, seed in found] == seeds
    assert len(set(found)) == len(found)


def test_a_redraw_never_takes_a_seed_of_another_item():
    made = project("[seeds]\nfirst = 5\npictures = 3")
    items = items_of(made, subjects_of(made.subjects))
    span = span_of(items)
    again = {item.seed + attempt * span for item in items for attempt in (1, 2, 3)}
    assert not again & {item.seed for item in items}


def test_rows_fill_the_prompt_and_set_what_they_are_said_to_set():
    made = read_project(
        '[project]\nname="x"\n[subjects]\nprompt="a ${what} {x}, ${where}"\nsets=["cfg"]\n'
        'rows=[{what="cat", where="home", cfg=3.5}, {what="dog", where="{out}", cfg=4}]'
    )
    found = subjects_of(made.subjects)
    assert [one.prompt for one in found] == ["a cat {x}, home", "a dog {x}, {out}"]
    assert [one.columns["cfg"] for one in found] == ["3.5", "4"]


def test_dynamic_subjects_are_all_or_drawn_by_seed():
    text = '[project]\nname="x"\n[subjects]\nprompt="a {red|blue} ${what}"\ndynamic=true\n%s\nrows=[{what="cat"}, {what="dog"}]'
    every = subjects_of(read_project(text % "combinations=true").subjects)
    assert [one.prompt for one in every] == ["a red cat", "a blue cat", "a red dog", "a blue dog"]
    some = read_project(text % "draws=5").subjects
    assert [one.prompt for one in subjects_of(some)] == [one.prompt for one in subjects_of(some)]
    assert len(subjects_of(some)) == 10


def test_variants_multiply_and_share_seeds():
    made = project('[[variants]]\nname="a"\n[[variants]]\nname="b"\nsettings={cfg=3}')
    items = items_of(made, subjects_of(made.subjects))
    assert [(item.variant.name, item.seed) for item in items] == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)]


def test_small_changes_lie_over_the_project():
    extra = "[settings]\nsteps=40\ncfg=4\n[small]\nsettings={steps=5}\n[small.subjects]\nprompts=['one']"
    assert project(extra).settings == {"steps": 40, "cfg": 4}
    assert project(extra, small=True).settings == {"steps": 5, "cfg": 4}
    assert project(extra, small=True).subjects.prompts == ("one",)
    with pytest.raises(UserError, match=r"no table \[small\]"):
        project(small=True)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("[settings]\nsteps = 0", r"line 7, settings.steps: steps is 0; it must be"),
        ("[settings]\nstep = 3", "line 7, settings.step: parameter 'step' is not known; did you mean 'steps'"),
        ("[settings]\nseed = 3", r"said in \[seeds\]"),
        ('[settings]\nsampler = "eluer"', "did you mean 'euler'"),
        ('[seeds]\npolicy = "lok"', r"line 7, seeds.policy: input should be 'lock'"),
        ('[seeds]\npolicy = "lock"\npictures = 2', "need other seeds"),
        ('[[variants]]\nname="a"\n[[variants]]\nname="A"', "line 9, variants.1.name: 'A' is there twice"),
        ('[[stages]]\nkind="resize"', "must begin with a base or a source"),
        ('[[stages]]\nkind="bse"', "did you mean 'base'"),
        ('[[stages]]\nkind="base"\n[[stages]]\nkind="resize"\nupscale_by="x"', "stages.1.scale: upscale_by is 'x'"),
        ('[[gates]]\nsign="blown"', "needs at_most, at_least or both"),
        ('[outputs]\nformat="gif"', "input should be 'png'"),
        ("[ab]\nchoices=[]", "at least 2"),
        ("[nonsense]", "extra inputs are not permitted"),
        ('[seeds]\npolicy = "list"', "list is for the policy 'list'"),
        ("[seeds]\nbatch = 2", "batch is for the policy 'batch'"),
        ('[project2]\n[small]\n[[stages]]\nkind="base"\nsteps=3', "project2: extra inputs"),
        ('[[stages]]\nkind="base"\nsteps=3', "steps is a parameter of sampling; it has no place here"),
        ('[[gates]]\nsign="blown"\nat_most=1\nthan={cfg=-1}', "line 9, gates.0.than.cfg: cfg is -1"),
        ('[ab]\nchoices=[{name="a"}, {name="A"}]', "'A' is there twice"),
        ("x = " + "[" * 5000, "cannot be read as TOML"),
        ("x = ", "not TOML: invalid value"),
    ],
)
def test_faults_are_named_with_their_line(extra, words):
    with pytest.raises(UserError, match=words):
        project(extra)


@pytest.mark.parametrize(
    ("subjects", "words"),
    [
        ('prompts=["a"]\ncsv="b.csv"', "give one of them"),
        ('prompt="${what}"', "nothing to draw"),
        ('prompts=["a"]\ndraws=3', "set dynamic = true"),
        ('rows=[{what="a"}]\nprompt="${wat}"', r"did you mean '\$\{what\}'"),
        ('prompts=["a"]\ndynamic=true\ndraws=2\ncombinations=true', "give one of them"),
        ('rows=[{what="a"}]\nprompt="x"\nsets=["cfg", "CFG"]', "CFG is there twice"),
        ('rows=[{what="a"}]\nprompt="x"\nsets=["cfg"]', "column 'cfg' is not known"),
        ('prompt="{a|b}{a|b}' + "{a|b|c|d|e|f|g|h|i|j}" * 6 + '"\ndynamic=true\ncombinations=true', "are 4000000 prompts"),
    ],
)
def test_faults_of_subjects_are_named(subjects, words):
    with pytest.raises(UserError, match=words):
        subjects_of(read_project(f'[project]\nname="x"\n[subjects]\n{subjects}').subjects)


def test_stages_and_controls_are_read_with_the_names_of_parameters():
    made = project('[[stages]]\nkind="source"\nimage="a.png"\n[[stages]]\nkind="redraw"\ndenoise=0.3\n[[controls]]\nimage="@x"')
    assert [dict(stage)["kind"] for stage in made.stages] == ["source", "redraw"]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{number:04}-{subject}", "0007-a-red-owl"),
        ("{subject}/{seed}", "a-red-owl/3"),
        ("../{number}/..", "7"),
        ("{evil}", "etc-passwd"),
        ("{ number }", "7"),
        ("", "picture"),
    ],
)
def test_names_of_pictures(pattern, name):
    assert filled(pattern, {"number": 7, "subject": "A red owl!", "seed": 3, "evil": "../../etc/passwd"}) == name


def test_unknown_places_in_a_name_are_an_error():
    with pytest.raises(UserError, match="did you mean 'number'"):
        filled("{nummer}", {"number": 1})


def test_lines_are_found():
    text = 'a = 1\n[[t]]\nx = 1\n[[t]]\n"y z" = 2\n[u.v]\nw = {x = 1}\n'
    assert [line_of(text, place) for place in (("a",), ("t", 1, "y z"), ("t", 0), ("u", "v", "w", "x"), ("none",))] == [
        1,
        5,
        2,
        7,
        None,
    ]


def test_odd_projects_are_read_or_refused():
    found = fuzz("project", 600, seed=4)
    assert set(found) <= {"read", "refused"}, found
    assert found["read"] > 10


def test_small_must_be_a_table():
    with pytest.raises(UserError, match="must be a table"):
        read_project("small = 3")


def test_axes_are_checked_and_presets_left_to_the_store():
    with pytest.raises(UserError, match=r"project.axes: cfg is 'a'"):
        read_project('[project]\nname="x"\naxes=["cfg=a"]\n[subjects]\nprompts=["a"]')
    assert read_project('[project]\nname="x"\naxes=["preset=mine"]\n[subjects]\nprompts=["a"]').name == "x"


def test_files_of_settings_are_left_to_the_store():
    assert project('[settings]\nimage="a.png"').settings == {"image": "a.png"}


def test_too_many_pictures_and_seeds_that_come_twice_are_refused():
    many = project("[seeds]\npictures = 50000")
    with pytest.raises(UserError, match="asks for 150000 pictures"):
        items_of(many, subjects_of(many.subjects))
    twice = project('[seeds]\npolicy = "batch"\nbatch = 4\npictures = 2')
    with pytest.raises(UserError, match="would come twice with one seed"):
        items_of(twice, subjects_of(twice.subjects))


def test_a_choice_lies_under_every_variant():
    made = project(
        '[[variants]]\nname="v"\nsettings={cfg=3}\n[ab]\nchoices=[{name="a", settings={steps=4, cfg=5}}, {name="b"}]'
    )
    (first, *_) = items_of(made, subjects_of(made.subjects), choice=made.ab.choices[0])
    assert (first.variant.name, first.settings) == ("v", {"steps": 4, "cfg": 3})
    plain = project()
    assert items_of(plain, subjects_of(plain.subjects))[0].settings == {}
