"""Image networks of timm; run in an environment of its own, where timm and its torchvision can be imported."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from sonoscope.errors import UnknownName, UsageError

torch = pytest.importorskip("torch")
from sonoscope.networks.backbones import build, image  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def timm():
    try:
        return image.import_timm()
    except UsageError:
        pytest.skip("timm is tested in an environment of its own")


def test_without_timm_the_message_says_what_to_install() -> None:
    if find_spec("timm") is not None:
        pytest.skip("timm is installed here")
    with pytest.raises(UsageError, match=r"the backbone 'timm' needs the package timm.*sonoscope\[timm\]"):
        build("timm:resnet18", 64)


@pytest.mark.parametrize(
    "name", ["tf_efficientnetv2_s", "resnext50_32x4d", "convnext_atto", "mobilenetv3_small_050", "resnet18"]
)
def test_families_declare_their_frames(timm, name: str) -> None:
    backbone = build(f"timm:{name}", 64, channels=2).eval()
    assert backbone.wants.channels == 2
    with torch.no_grad():
        for steps in (96, 127, 128, 129, 200):
            out = backbone(torch.randn(1, 2, steps, 64))
            assert out.shape == (1, int(backbone.output_lengths(steps)), backbone.dim)


def test_pictures_are_padded_not_resized(timm) -> None:
    backbone = build({"name": "timm:resnet18", "height": 96}, 64).eval()
    seen = []
    handle = backbone.model.conv1.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    maps = torch.randn(1, 1, 100, 64)
    with torch.no_grad():
        backbone(maps)
    handle.remove()
    (picture,) = seen
    assert picture.shape == (1, 1, 96, 100)
    assert torch.equal(picture[:, :, :64], maps.transpose(2, 3))
    assert not picture[:, :, 64:].any()


def test_parts_without_a_share_in_the_maps_are_taken_out(timm) -> None:
    whole = timm.create_model("mobilenetv3_small_050", in_chans=1, num_classes=0)
    ours = build("timm:mobilenetv3_small_050", 64)
    gone = sum(p.numel() for p in whole.parameters()) - sum(p.numel() for p in ours.parameters())
    assert gone == sum(p.numel() for p in whole.conv_head.parameters())


def test_unknown_architectures_name_the_nearest(timm) -> None:
    with pytest.raises(UnknownName, match=r"unknown timm architecture 'resnet81'\. Did you mean 'resnet"):
        build("timm:resnet81", 64)
    with pytest.raises(UsageError, match=r"name a member after the colon, as in 'timm:NAME'"):
        build("timm:", 64)
    with pytest.raises(ValueError, match="n_bins=128 do not fit into height=96"):
        build({"name": "timm:resnet18", "height": 96}, 128)
