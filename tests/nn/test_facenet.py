"""FaceNet: the graph reader on small made-up graphs, the network against another implementation's numbers."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError, WeightError
from merc.nn.facenet import CELLS, EXPRESSION, FaceNet, crop, read_graph, similarity, upright

# Computed by OpenCV 4.5.5's importer from the same weights, for the two pictures of `pattern`.
COLUMNS = [0, 1, 2, 3, 4, 5, 256, 511]
ELSEWHERE = [
    [-0.00808, 0.04668, 0.09128, -0.02486, 0.00969, -0.00408, -0.051918, -0.06615],
    [-0.00824, 0.05214, 0.09497, -0.01237, 0.0078, -0.0229, -0.050339, -0.105448],
]


def pattern() -> np.ndarray:
    y, x, c = np.mgrid[:160, :160, :3]
    return np.stack([(3 * x + 5 * y + 40 * c) % 256, (x * y // 7 + 60 * c) % 256]).astype(np.uint8)


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def constant(name: str, array: np.ndarray, *, kind: int = 1, content: int = 4) -> bytes:
    shape = b"".join(field(2, field(1, size)) for size in array.shape)
    tensor = field(1, kind) + field(2, shape) + field(content, array.tobytes())
    value = field(5, field(1, b"value") + field(2, field(8, tensor)))
    dtype = field(5, field(1, b"dtype") + field(2, field(6, kind)))
    return field(1, field(1, name.encode()) + field(2, b"Const") + dtype + value)


@pytest.fixture(scope="module")
def exact(weight):
    weight("facenet")
    return FaceNet.load(bfloat16=False)


def test_reads_float_constants_by_name_and_skips_the_rest(tmp_path):
    kernel = np.arange(300, dtype=np.float32).reshape(3, 100)
    placeholder = field(1, field(1, b"input") + field(2, b"Placeholder"))
    graph = constant("a/weights", kernel) + placeholder + constant("axis", np.array([3], np.int32), kind=3)
    graph += constant("a/scale", np.array(0.17, np.float32), content=5) + field(4, field(1, 24))
    (tmp_path / "g.pb").write_bytes(graph)
    read = read_graph(tmp_path / "g.pb")
    assert list(read) == ["a/weights", "a/scale"]
    np.testing.assert_array_equal(read["a/weights"], kernel)
    assert read["a/scale"].shape == () and read["a/scale"] == np.float32(0.17)


@pytest.mark.parametrize("content", [b"\x0b\x0b\x0b", constant("w", np.zeros(4, np.float32))[:-9], b"\x0a\x05hello"])
def test_refuses_what_is_no_graph(tmp_path, content):
    (tmp_path / "g.pb").write_bytes(content)
    with pytest.raises(WeightError, match=r"g\.pb is not a frozen TensorFlow graph .*: download the weight again"):
        read_graph(tmp_path / "g.pb")


def test_a_graph_without_the_network_is_refused_by_name():
    with pytest.raises(
        WeightError, match=r"no constant 'InceptionResnetV1/Bottleneck/weights': expected model 20180408"
    ):
        FaceNet({}, bfloat16=False)


def test_numbers_of_another_implementation(exact):
    embeddings = exact.embed(pattern())
    np.testing.assert_allclose(embeddings[:, COLUMNS], ELSEWHERE, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_batch_mates_and_repeats_change_nothing(exact):
    both = exact.embed(pattern())
    alone = np.concatenate([exact.embed(picture[None]) for picture in pattern()])
    np.testing.assert_allclose(alone, both, atol=1e-5)
    assert both.tobytes() == exact.embed(pattern()).tobytes()


def test_expression_features_come_with_the_embedding(exact):
    embeddings, expressions = exact.describe(pattern())
    assert expressions.shape == (2, EXPRESSION) == (2, 5376) and expressions.dtype == np.float32
    assert np.isfinite(expressions).all()
    np.testing.assert_allclose(embeddings, exact.embed(pattern()), atol=1e-6)


def test_cells_are_the_middle_maps_by_place(exact):
    cells = exact.cells(pattern())
    assert cells.shape == (2, CELLS) == (2, 14336) and cells.dtype == np.float32
    quarters = exact.describe(pattern())[1][:, 1792:].reshape(2, 896, 2, 2)
    grid = cells.reshape(2, 2, 2, 2, 2, 896).mean((2, 4))  # (n, 2, 2, 896)
    np.testing.assert_allclose(grid.transpose(0, 3, 1, 2), quarters, atol=1e-4)


def test_bfloat16_points_the_same_way(exact):
    rough = FaceNet.load(bfloat16=True)
    assert rough.bfloat16 and not exact.bfloat16
    assert (rough.embed(pattern()) * exact.embed(pattern())).sum(axis=1).min() >= 0.999


def test_crop_centres_the_box_with_its_margin():
    image = np.zeros((400, 400, 3), np.uint8)
    image[150:250, 150:250] = 200
    cut = crop(image, (150, 150, 250, 250), 0.2)
    assert cut.shape == (160, 160, 3) and cut.dtype == np.uint8
    edge = round(160 * 10 / 120)
    assert cut[edge + 2 : -edge - 2, edge + 2 : -edge - 2].min() == 200
    assert cut[: edge - 2].max() == 0 and cut[:, : edge - 2].max() == 0


def test_crop_is_square_and_repeats_the_edge():
    image = np.full((100, 80, 3), 7, np.uint8)
    image[:, :2] = 90
    cut = crop(image, (-20, 20, 20, 90), 0.0)  # 40 by 70 pixels, half of it outside
    assert cut.shape == (160, 160, 3)
    assert cut[80, 0, 0] == 90 and cut[80, -1, 0] == 7


@pytest.mark.parametrize("box", [(10, 10, 10, 20), (10, 30, 20, 20), (200, 10, 220, 30), (-30, 10, -1, 30)])
def test_crop_refuses_a_box_that_holds_nothing(box):
    with pytest.raises(InputError, match=r"face box .* in an image of 100 by 50 pixels: expected left < right"):
        crop(np.zeros((50, 100, 3), np.uint8), box)


def test_similarity_recovers_turn_scale_and_shift():
    canvas = np.array([[0, 0], [10, 0], [3, 8.0]])
    turn = np.array([[2, -0.5, 7], [0.5, 2, -3]])
    np.testing.assert_allclose(similarity(canvas, canvas @ turn[:, :2].T + turn[:, 2]), turn, atol=1e-9)


@pytest.mark.parametrize(("scale", "angle"), [(0.7, 0), (1.0, 20), (3.0, -35)])
def test_upright_puts_eyes_and_mouth_where_the_training_pictures_have_them(scale, angle):
    import cv2

    turn = cv2.getRotationMatrix2D((0, 0), angle, scale)
    turn[:, 2] += 260, 220
    places = np.array([[41.6, 53.6], [117.6, 53.6], [79, 90], [60, 121.6], [98.4, 121.6]])  # of a 160 by 160 picture
    landmarks = places @ turn[:, :2].T + turn[:, 2]
    image = np.zeros((900, 900, 3), np.uint8)
    for x, y in landmarks[:2]:
        cv2.circle(image, (round(x), round(y)), round(6 * scale), (255, 255, 255), -1)
    face = upright(image, landmarks)
    assert face.shape == (160, 160, 3) and face.dtype == np.uint8
    bright = np.argwhere(face[:, :, 0] > 128)
    left, right = bright[bright[:, 1] < 80], bright[bright[:, 1] >= 80]
    np.testing.assert_allclose(left.mean(axis=0), [53.6, 41.6], atol=1.5)
    np.testing.assert_allclose(right.mean(axis=0), [53.6, 117.6], atol=1.5)
