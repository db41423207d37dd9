"""The detector finds the face, compiled and as plain NumPy, and both agree at every step."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("joblib")
pytest.importorskip("lz4")
pytest.importorskip("skimage")
pytest.importorskip("PIL")
if importlib.util.find_spec("mtcnn") is None:
    pytest.skip("the weights are not installed", allow_module_level=True)

from examples import face_detection
from examples.mtcnn import layers, networks, stages
from examples.mtcnn.data import Networks, load_networks, load_photograph
from examples.mtcnn.pipeline import Detection, Runner, detect

STEPS = {
    "candidates": 268,
    "suppressed by level": 107,
    "proposals": 107,
    "refined": 5,
    "refined and suppressed": 2,
    "faces before suppression": 1,
    "faces": 1,
}


@pytest.fixture(scope="module")
def weights() -> Networks:
    return load_networks()


@pytest.fixture(scope="module")
def photograph() -> Any:
    return load_photograph()


@pytest.fixture(scope="module")
def plain(photograph: Any, weights: Networks) -> Detection:
    return detect(photograph, weights, Runner(plain=True))


@pytest.fixture(scope="module")
def compiled(photograph: Any, weights: Networks) -> Detection:
    return detect(photograph, weights, Runner(plain=False))


def test_plain_numpy_finds_the_face(plain: Detection) -> None:
    assert plain.counts == STEPS
    assert plain.faces.dtype == np.float32
    x1, y1, x2, y2, score = plain.faces[0, :5]
    assert 170 < x1 < 195 and 255 < x2 < 285
    assert 45 < y1 < 80 and 160 < y2 < 190
    assert score > 0.99


def test_landmarks_are_where_they_belong(plain: Detection) -> None:
    left_eye, right_eye, nose, mouth_left, mouth_right = plain.faces[0, 5:].reshape(5, 2)
    assert left_eye[0] < nose[0] < right_eye[0]
    assert mouth_left[0] < nose[0] < mouth_right[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    x1, y1, x2, y2 = plain.faces[0, :4]
    for x, y in (left_eye, right_eye, nose, mouth_left, mouth_right):
        assert x1 < x < x2 and y1 < y < y2


def test_compiled_agrees_with_plain_numpy(plain: Detection, compiled: Detection) -> None:
    assert compiled.counts == plain.counts
    assert compiled.faces.dtype == plain.faces.dtype
    np.testing.assert_allclose(compiled.faces[:, :4], plain.faces[:, :4], atol=0.1)
    np.testing.assert_allclose(compiled.faces[:, 4:], plain.faces[:, 4:], atol=0.1)


def test_a_picture_without_faces(weights: Networks) -> None:
    """Every step after the proposals runs on no boxes at all."""
    grey = np.full((64, 48, 3), 128, dtype=np.uint8)
    for is_plain in (True, False):
        found = detect(grey, weights, Runner(plain=is_plain))
        assert found.faces.shape == (0, 15)
        assert found.faces.dtype == np.float32


@pytest.mark.parametrize(("shape", "size"), [((7, 9), (3, 4)), ((12, 12), (6, 4)), ((10, 3), (10, 1))])
def test_shrink_takes_the_mean_of_areas(shape: tuple[int, int], size: tuple[int, int]) -> None:
    """Compared with the exact integral of a picture whose every pixel is repeated to a common multiple."""
    image = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    fine = image.astype(np.float64).repeat(size[0], axis=0).repeat(size[1], axis=1)
    want = fine.reshape(size[0], shape[0], size[1], shape[1], 3).mean(axis=(1, 3))
    for shrink in (stages.shrink.__wrapped__, stages.shrink):
        got = shrink(image, *size)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_convolution_is_a_sum_over_the_window() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((2, 5, 6, 3), dtype=np.float32)
    weights = rng.random((3, 2, 3, 4), dtype=np.float32)
    bias = rng.random(4, dtype=np.float32)
    want = np.zeros((2, 3, 5, 4)) + bias
    for dy in range(3):
        for dx in range(2):
            want += x[:, dy : dy + 3, dx : dx + 5].astype(np.float64) @ weights[dy, dx]
    got = layers.conv2d(x, weights, bias)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("side", [5, 6, 7])
def test_pooling_ignores_what_is_outside(side: int) -> None:
    x = -np.random.default_rng(0).random((1, side, side, 2), dtype=np.float32)
    out = layers.pool_covering(x, 2)
    assert out.shape == (1, (side + 1) // 2, (side + 1) // 2, 2)
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            want = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2))
            np.testing.assert_array_equal(out[:, i, j], want)


def test_networks_stay_in_single_precision(weights: Networks) -> None:
    crops = np.zeros((1, 24, 24, 3), dtype=np.float32)
    for result in networks.rnet(crops, weights.rnet):
        assert result.dtype == np.float32


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert face_detection.main(["--output", str(tmp_path), "--runs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "face   x" in printed and "whole cascade" in printed
    assert (tmp_path / "face_detection.png").stat().st_size > 10_000
