"""The fit of the model of persons' offsets, on vectors whose parts are planted."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.recipes.person_model import PersonOptions, fit_person

PRIOR = np.full(7, 1 / 7)


def planted(people: int = 12, each: int = 42, labels: int = 7) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Vectors (n, 30): labels move columns 0 to 6, people columns 7 to 9, of other sizes, and all have noise."""
    random = np.random.default_rng(0)
    classes = np.tile(np.arange(each) % labels, people)
    who = np.repeat(np.arange(people), each)
    vectors = random.standard_normal((people * each, 30))
    vectors[np.arange(len(vectors)), classes] += 4
    vectors[:, 7:10] += 5 * random.standard_normal((people, 3))[who]
    return vectors * np.linspace(0.1, 10, 30) + 3, classes, [f"person {number}" for number in who]


def test_offsets_and_labels_are_separated() -> None:
    vectors, classes, people = planted()
    model = fit_person(vectors, classes, people, PRIOR, PersonOptions(components=30, ridge=0.01, unseen=0.0))
    coordinates = model.coordinates(vectors)
    np.testing.assert_allclose(coordinates.mean(0), 0, atol=1e-2)
    assert (np.sort(model.spread)[::-1][:4] > [4, 4, 4, 0]).all()
    assert np.sort(model.spread)[-4] < 1
    distances = ((coordinates[:, None] - model.offsets(coordinates, people)[:, None] - model.means) ** 2).sum(2)
    assert (distances.argmin(1) == classes).mean() > 0.9
    rest = coordinates - model.offsets(coordinates, people) - model.means[classes]
    np.testing.assert_allclose(rest.std(0), 1, atol=0.15)


def test_a_label_without_examples_is_never_taken_for_one() -> None:
    vectors, classes, people = planted(labels=5)
    model = fit_person(vectors, classes, people, PRIOR, PersonOptions(components=20))
    assert model.prior[5:].tolist() == [0, 0]
    assert model.prior.sum() == pytest.approx(1)


def test_unseen_variation_makes_offsets_larger() -> None:
    vectors, classes, people = planted()
    narrow, wide = (fit_person(vectors, classes, people, PRIOR, PersonOptions(components=20, unseen=u)) for u in (0, 1))
    assert np.median(wide.spread) > np.median(narrow.spread) + 0.5


def test_the_same_vectors_give_the_same_model() -> None:
    first, second = (fit_person(*planted(), PRIOR, PersonOptions(components=10)) for _ in range(2))
    np.testing.assert_array_equal(first.directions, second.directions)


def test_wrong_values_are_refused() -> None:
    vectors, classes, people = planted(people=2)
    with pytest.raises(InputError, match="84 vectors, 84 classes, 1 people"):
        fit_person(vectors, classes, ["a"] * 84, PRIOR, PersonOptions())
    with pytest.raises(InputError, match="components"):
        PersonOptions(components=0)
    assert fit_person(vectors, classes, people, PRIOR, PersonOptions(components=500)).directions.shape == (30, 30)
