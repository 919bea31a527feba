"""Predicted memory and work, beside what torch's own allocator saw."""

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from aldente.models.diffusers.footprint import built_in, footprint  # noqa: E402


def unet():
    return diffusers.UNet2DConditionModel(
        sample_size=32,
        layers_per_block=1,
        block_out_channels=(64, 128),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=64,
    ).eval()


def decoder():
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(32, 64),
        latent_channels=4,
    ).eval()


def denoise(rows, side, dtype=torch.float32):
    def call(network):
        return network(
            torch.zeros(rows, 4, side, side, dtype=dtype),
            torch.ones(rows, dtype=dtype),
            torch.zeros(rows, 77, 64, dtype=dtype),
        )

    return call


def decode(rows, side):
    return lambda network: network.decode(torch.zeros(rows, 4, side, side))


def allocated(build, call):
    """The most bytes that torch's allocator held during the call."""
    network = build()
    with (
        torch.no_grad(),
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile,
    ):
        call(network)
    held = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


@pytest.mark.parametrize(
    ("build", "call"),
    [
        (unet, denoise(4, 32)),
        (unet, denoise(2, 64)),
        (unet, denoise(8, 48)),
        (decoder, decode(4, 32)),
        (decoder, decode(2, 64)),
    ],
)
def test_the_peak_is_what_the_allocator_holds(build, call):
    assert footprint(build, call).activations == pytest.approx(allocated(build, call), rel=0.1)


def test_weights_are_counted_once_and_by_their_type():
    network = unet()
    parameters = sum(tensor.numel() for tensor in network.parameters())
    assert footprint(unet, denoise(1, 32)).weights == 4 * parameters
    with built_in(torch.bfloat16):
        half = footprint(unet, denoise(1, 32, torch.bfloat16))
    assert half.weights == 2 * parameters
    assert torch.get_default_dtype() == torch.float32


def test_work_grows_with_rows():
    assert footprint(unet, denoise(4, 32)).flops == 4 * footprint(unet, denoise(1, 32)).flops


def test_nothing_is_computed_or_allocated_for_a_network_larger_than_the_machine():
    def build():
        return torch.nn.Sequential(*(torch.nn.Linear(1 << 17, 1 << 17, bias=False) for _ in range(32)))

    found = footprint(build, lambda network: network(torch.zeros(1, 1 << 17)))
    assert found.weights == 32 * 4 * (1 << 34)
    assert found.flops == 32 * 2 * (1 << 34)
    assert found.activations == 3 * 4 * (1 << 17)  # what goes in, comes out and is made in between
