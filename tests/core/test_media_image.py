from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as pillow  # noqa: N813
from typing_extensions import assert_type

from treering import _notice
from treering.errors import CorruptData, TreeringWarning, UnsupportedValue, UsageError
from treering.media import Image, digests, load, store, wrap
from treering.media._base import INLINE_BYTES
from treering.store.blobs import Blobs
from treering.store.values import Carried, decode, encode, kind_of

SIZES = st.integers(5, 12)
SHAPES = st.one_of(
    st.tuples(SIZES, SIZES),
    st.tuples(SIZES, SIZES, st.sampled_from([1, 3, 4])),
    st.tuples(st.sampled_from([1, 3, 4]), SIZES, SIZES),
)


@pytest.fixture(autouse=True)
def _forget_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_notice, "_warned", set())


def journalled(image: Image) -> Any:
    carried = decode(encode(image))
    assert isinstance(carried, Carried)
    assert kind_of(carried) == "media"
    return carried.payload


def stored(image: Image, folder: Path) -> Image:
    blobs = Blobs(folder / "blobs")
    reference = store("image", journalled(image), blobs)
    again = load("image", decode(encode(reference)), blobs)
    assert isinstance(again, Image)
    return again


def gradient(height: int, width: int, channels: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)


@given(arrays.arrays(np.uint8, SHAPES), st.none() | st.text(max_size=10))
def test_bytes_come_back_equal(pixels: np.ndarray[Any, np.dtype[np.uint8]], caption: str | None) -> None:
    expected = pixels if pixels.ndim == 2 or pixels.shape[-1] in (1, 3, 4) else np.moveaxis(pixels, 0, -1)
    expected = expected[:, :, 0] if expected.ndim == 3 and expected.shape[2] == 1 else expected
    image = Image(pixels, caption=caption)
    assert np.array_equal(image.pixels, expected)
    again = Image.from_payload(journalled(image))
    assert again == image
    assert again.caption == caption


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("side", [6, 90])
def test_stored_as_png(channels: int, side: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, channels), np.uint8)
    image = Image(noise, caption="noise")
    again = stored(image, tmp_path)
    assert again == image
    assert np.array_equal(again.pixels, noise if channels > 1 else noise[:, :, 0])
    assert (again.format, again.caption, again.mode) == ("png", "noise", {1: "L", 3: "RGB", 4: "RGBA"}[channels])
    reference = store("image", journalled(image), Blobs(tmp_path / "blobs"))
    assert ("blob" in reference) == (side == 90)
    assert len(encode(reference)) < INLINE_BYTES + 100
    if side == 90:
        (digest,) = digests(reference)
        assert Blobs(tmp_path / "blobs").get(digest).startswith(b"\x89PNG")


def test_the_array_may_change_afterwards() -> None:
    array = gradient(8, 9, 3)
    before = array.copy()
    images = [Image(array), Image(array[:, ::-1]), Image(array.transpose(2, 0, 1))]
    array[:] = 0
    assert np.array_equal(images[0].pixels, before)
    assert np.array_equal(images[1].pixels, before[:, ::-1])
    assert np.array_equal(images[2].pixels, before)
    with pytest.raises(ValueError, match="read-only"):
        images[0].pixels[0, 0] = 1


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_floats(dtype: str) -> None:
    levels = (np.arange(256).reshape(16, 16) / 255).astype(dtype)
    assert np.array_equal(Image(levels).pixels, np.arange(256).reshape(16, 16))


def test_other_numbers() -> None:
    assert np.array_equal(Image(np.array([[True, False]])).pixels, [[255, 0]])
    assert np.array_equal(Image(np.array([[0, 128, 255]])).pixels, [[0, 128, 255]])
    assert np.array_equal(Image([[0, 128, 255]]).pixels, [[0, 128, 255]])
    assert np.array_equal(Image(((0.0, 1.0),)).pixels, [[0, 255]])
    assert np.array_equal(Image(np.array([[-1.0, 0.0, 1.0]]), value_range=(-1, 1)).pixels, [[0, 128, 255]])
    assert np.array_equal(Image(np.array([[0, 65535]], np.uint16), value_range=(0, 65535)).pixels, [[0, 255]])
    assert np.array_equal(Image(np.array([[0, 15]], np.uint8), value_range=(0, 15)).pixels, [[0, 255]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said on purpose
        beyond = np.array([[-9.0, np.nan, 9.0, np.inf]])
        assert np.array_equal(Image(beyond, value_range=(0, 1)).pixels, [[0, 0, 255, 255]])


@pytest.mark.parametrize(
    ("array", "expected", "in_text"),
    [
        (np.array([[-1.0, 0.5, 2.0]]), [[0, 128, 255]], "from -1 to 2; it takes floats in 0..1"),
        (np.array([[-1, 5, 300]]), [[0, 5, 255]], "from -1 to 300; it takes whole numbers in 0..255"),
        (np.array([[np.nan, 0.5, 1.0]]), [[0, 128, 255]], "NaN"),
        (np.array([[-np.inf, 0.5, np.inf]]), [[0, 128, 255]], "from -inf to inf"),
        (np.full((1, 2), np.nan), [[0, 0]], "NaN"),
    ],
)
def test_values_out_of_range_warn_once_and_never_raise(array: Any, expected: Any, in_text: str) -> None:
    with pytest.warns(TreeringWarning) as caught:
        assert np.array_equal(Image(array).pixels, expected)
    assert in_text in str(caught[0].message)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Image(array)


def test_rounding_beyond_one_is_no_mistake() -> None:
    assert np.array_equal(Image(np.array([[-1e-4, 1.0001]])).pixels, [[0, 255]])


def test_layouts() -> None:
    pixels = gradient(5, 7, 3)
    assert Image(pixels) == Image(pixels.transpose(2, 0, 1)) == Image(pixels[None]) == Image(pixels[None, None])
    both = gradient(3, 5, 4)
    with pytest.raises(UsageError, match=r"shape \(3, 5, 4\), whose channels .* layout='CHW'"):
        Image(both)
    assert Image(both, layout="HWC").mode == "RGBA"
    assert (Image(both, layout="CHW").height, Image(both, layout="CHW").width) == (5, 4)


@pytest.mark.parametrize(
    ("value", "in_text"),
    [
        (np.zeros((5, 5, 2)), "[Image(x[i]) for i in range(len(x))]"),
        (np.zeros((8, 3, 5, 5)), "[Image(x) for x in batch]"),
        (np.zeros(5), "Reshape it"),
        (np.zeros((0, 5)), "shape (0, 5)"),
        (np.zeros((5, 0, 3)), "Reshape it"),
        (np.zeros((5, 5), complex), "abs(x)"),
        (np.array([["a"]]), "astype(float)"),
        ([[1, 2], [3]], "no array"),
        (3, "got a int"),
        (None, "got a NoneType"),
        (object(), "matplotlib figure"),
    ],
)
def test_refused_values(value: object, in_text: str) -> None:
    with pytest.raises(UnsupportedValue) as caught:
        Image(value)
    assert in_text in str(caught.value)
    assert "it takes" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "in_text"),
    [
        ({"mode": "CMYK"}, "'L', 'RGB', 'RGBA'"),
        ({"layout": "NHWC"}, "'HWC', 'CHW'"),
        ({"file_type": "bmp"}, "'png', 'jpg', 'jpeg', 'webp'"),
        ({"value_range": (1, 1)}, "value_range=(1, 1)"),
        ({"value_range": 3}, "value_range=3"),
        ({"value_range": (0, float("inf"))}, "value_range=(0, inf)"),
    ],
)
def test_refused_arguments(arguments: dict[str, Any], in_text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Image(np.zeros((5, 5)), **arguments)
    assert in_text in str(caught.value)
    with pytest.raises(UnsupportedValue, match="caption"):
        Image(np.zeros((5, 5)), caption=3)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedValue, match="1, 3 or 4 channels along the last axis"):
        Image(np.zeros((3, 5, 5)), layout="HWC")


def test_modes() -> None:
    colour = Image(gradient(6, 6, 3), mode="L")
    assert (colour.mode, colour.pixels.shape) == ("L", (6, 6))
    assert Image(gradient(6, 6, 1), mode="RGBA").pixels.shape == (6, 6, 4)
    assert Image(gradient(6, 6, 3), mode="RGB") == Image(gradient(6, 6, 3))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_pillow(mode: str) -> None:
    if mode == "I;16":
        picture = pillow.fromarray(np.arange(0, 65536, 512, dtype=np.uint16).reshape(8, 16))
    elif mode in {"I", "F"}:
        picture = pillow.fromarray((np.arange(128).reshape(8, 16) / 128).astype("f4" if mode == "F" else "i4"))
    else:
        picture = pillow.fromarray(gradient(8, 16, 3)).convert(mode)
    assert picture.mode == mode
    image = Image(picture)
    assert (image.width, image.height) == (16, 8)
    if mode in {"L", "RGB", "RGBA", "CMYK"}:
        assert np.array_equal(image.pixels, np.asarray(picture if mode != "CMYK" else picture.convert("RGB")))
    if mode in {"I;16", "F"}:
        shares = np.arange(16) / 128 if mode == "F" else np.arange(16) * 512 / 65535
        assert np.array_equal(image.pixels[0], np.rint(shares * 255))
    assert wrap(picture) == image


def test_a_palette_with_transparency_keeps_it(tmp_path: Path) -> None:
    picture = pillow.new("P", (4, 4))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((0, 0), 1)
    picture.info["transparency"] = 0
    assert Image(picture).pixels[0, 0].tolist() == [0, 255, 0, 255]
    assert Image(picture).pixels[1, 1].tolist() == [255, 0, 0, 0]


@pytest.mark.parametrize("name", ["png", "jpeg", "gif", "webp"])
def test_files_are_kept_as_they_are(name: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.any"
    pillow.fromarray(gradient(50, 60, 3)).save(path, name)
    image = Image(path, caption="x")
    assert (image.format, image.width, image.height) == (name, 60, 50)
    content = path.read_bytes()
    path.unlink()
    again = stored(image, tmp_path)
    assert again.to_bytes() == content
    assert again == image == Image.from_payload(journalled(image))
    assert image._repr_png_().startswith(b"\x89PNG")


def test_other_files_become_png(tmp_path: Path) -> None:
    pillow.fromarray(gradient(5, 6, 3)).save(tmp_path / "x.bmp")
    image = Image(str(tmp_path / "x.bmp"))
    assert image.format == "png"
    assert np.array_equal(image.pixels, gradient(5, 6, 3))


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No such file.*Check the path"):
        Image(tmp_path / "none.png")
    (tmp_path / "x.png").write_text("<html>")
    with pytest.raises(UsageError, match="no picture that Pillow can read"):
        Image(tmp_path / "x.png")
    whole = io.BytesIO()
    pillow.fromarray(gradient(50, 60, 3)).save(whole, "png")
    (tmp_path / "half.png").write_bytes(whole.getvalue()[:200])
    with pytest.raises(UsageError, match="no picture that Pillow can read"):
        Image(tmp_path / "half.png")


@pytest.mark.parametrize("file_type", ["jpg", "jpeg", "webp"])
def test_file_types(file_type: Any, tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(100), np.arange(90))[:, :, None].repeat(4, 2).astype(np.uint8) // 2 + 60
    again = stored(Image(smooth, file_type=file_type), tmp_path)
    assert again.format == ("webp" if file_type == "webp" else "jpeg")
    assert np.abs(again.pixels[:, :, :3].astype(int) - smooth[:, :, :3]).max() < 20


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.rand(3, 6, 7, requires_grad=True)
    image = Image(tensor)
    assert np.array_equal(image.pixels, np.rint(tensor.detach().permute(1, 2, 0).numpy() * 255))
    assert Image(tensor[None]) == image
    assert Image((tensor.detach() * 255).round().to(torch.uint8)) == image
    assert Image(tensor.bfloat16()).pixels.shape == (6, 7, 3)


def test_matplotlib() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(2, 1), dpi=50)
    (line,) = axes.plot([1, 2, 3])
    image = Image(figure)
    assert (image.width, image.height, image.format) == (100, 50, "png")
    assert image == Image(plt) == Image(axes) == Image(line) == wrap(figure)
    before = image.pixels.copy()
    axes.plot([3, 2, 1])
    assert image != Image(figure)
    assert np.array_equal(image.pixels, before)
    plt.close(figure)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"width": 2, "height": 2},
        {"width": 2, "height": 2, "channels": 3, "pixels": b"short"},
        {"width": 2, "height": 2, "channels": 2, "pixels": b"x" * 8},
        {"width": 2, "height": 2, "format": "exe", "data": b"MZ"},
        {"width": "2", "height": 2, "data": b""},
    ],
)
def test_damaged_payloads(payload: dict[str, Any]) -> None:
    with pytest.raises(CorruptData, match="Image"):
        Image.from_payload(payload)


def test_damaged_picture() -> None:
    image = Image.from_payload({"width": 2, "height": 2, "format": "png", "data": b"\x89PNG no more"})
    with pytest.raises(CorruptData, match="cannot be read"):
        _ = image.pixels


def test_bytes_are_fetched_when_asked_for(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    image = Image(np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8))
    reference = store("image", image.to_payload(), blobs)
    again = load("image", reference, blobs)
    twin = pickle.loads(pickle.dumps(again))
    assert twin == again == image
    lost = load("image", reference, blobs)
    blobs.path(reference["blob"]).unlink()
    assert repr(lost) == "Image(50 x 50, png)"
    with pytest.raises(LookupError):
        lost.to_payload()


def test_looks() -> None:
    image = Image(gradient(5, 6, 3), caption="a <b>")
    assert repr(image) == "Image(6 x 5, png, caption='a <b>')"
    assert pillow.open(io.BytesIO(image._repr_png_())).size == (6, 5)
    assert image.to_pil().size == (6, 5)
    assert_type(image.to_pil(), pillow.Image)
    assert_type(image.caption, str | None)
    assert_type(image.mode, Literal["L", "RGB", "RGBA"])
    assert image != Image(gradient(5, 6, 3))
    assert image != Image(gradient(6, 5, 3), caption="a <b>")
    assert image != 3
    with pytest.raises(TypeError):
        hash(image)
