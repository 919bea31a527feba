"""``aldente learn-schedule``: a short lesson on the embedded model, and what it refuses."""

import pytest

PROMPTS = (
    "red apple, 3d render\ncat face, 3d render\nhouse, flat vector\nowl, 3d render\nbicycle, flat vector\nfish, 3d render\n"
)
SHORT = ("--steps", "4", "--cfg", "1", "--teacher-steps", "20", "--starts", "1", "--size", "48x48")


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text(PROMPTS)
    return path


def test_a_lesson_ends_with_its_levels_and_its_verdict_and_is_kept(commands, prompts):
    line = ("learn-schedule", "--prompts", prompts, *SHORT, "--name", "quick", "--json")
    found = commands.ok(*line).json
    assert commands.model.rows > 0
    assert found["steps"] == len(found["sigmas"]) == 4
    assert {rival["name"] for rival in found["rivals"]} >= {"karras", "exponential"}
    assert found["accepted"] is (found["preset"] is not None)
    assert found["training_loss"] <= min(start["loss"] for start in found["starts"])

    commands.model.rows = 0
    again = commands.ok(*line[:-1])
    # The measured speed is all that is drawn a second time.
    assert commands.model.rows == 3 * commands.model.info.rows
    assert found["sentences"][0] in again.out
    assert "levels:  20," in again.out
    assert "0 model calls now" in again.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--schedule", "karras"), "the schedule is what is learned"),
        (("--sampler", "euler a"), "no picture in common with other samplers"),
        (("--sampler", "dpmpp_2m_adaptive"), "spaces its levels itself"),
        (("--steps", "2"), "there is something to learn from 3 steps on"),
        (("--held-out", "missing.txt"), "missing.txt: cannot be read"),
        (("--budget", "10"), "a budget of 10 calls is too small"),
    ],
)
def test_what_cannot_be_learned_is_said_before_anything_long(commands, prompts, words, said):
    done = commands("learn-schedule", "--prompts", prompts, *SHORT, *words)
    assert done.code == 2
    assert said in done.err


def test_written_levels_and_auto_steps_work_from_the_command_line(commands):
    drawn = commands.ok("generate", "a cat", "--sigmas", "20,5,1,0.2", "--seed", "3", "--json").json
    recipe = (drawn[0] if isinstance(drawn, list) else drawn)["recipe"]["sampling"]
    assert (recipe["schedule"], recipe["steps"], recipe["sigmas"]) == ("custom", 4, "20,5,1,0.2")
    chosen = commands.ok("generate", "a cat", "--steps", "auto", "--rtol", "0.3", "--seed", "3", "--json").json
    assert (chosen[0] if isinstance(chosen, list) else chosen)["recipe"]["sampling"]["sampler"] == "dpmpp_2m_adaptive"
