"""Hair, eyebrows and beard of the invented people of the sample conversation, strand by strand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree
from mathutils.kdtree import KDTree

if TYPE_CHECKING:
    from sample_faces import Body

SKIN = 13380  # the first vertices of the base mesh are skin, the others serve clothes, eyes and teeth


class Hair:
    """Strands (strands, points, 3) whose roots follow the nearest vertices of the skin."""

    def __init__(self, body: Body, strands: np.ndarray, *, radius: float, material: object) -> None:
        self.body, self.strands = body, strands
        data = bpy.data.hair_curves.new("hair")
        data.add_curves([strands.shape[1]] * len(strands))
        taper = np.linspace(1.0, 0.35, strands.shape[1])
        data.points.foreach_set("radius", np.tile(radius * taper, len(strands)).astype(np.float32))
        data.materials.append(material)
        self.data = data
        bpy.context.collection.objects.link(bpy.data.objects.new("hair", data))
        tree = KDTree(SKIN)
        for index, point in enumerate(body.base[:SKIN]):
            tree.insert(point, index)
        tree.balance()
        found = [tree.find_n(root, 4) for root in strands[:, 0]]
        self.near = np.array([[index for _, index, _ in each] for each in found])
        weight = 1.0 / (np.array([[gap for _, _, gap in each] for each in found]) + 0.01)
        self.weight = weight / weight.sum(1, keepdims=True)
        self.shift: np.ndarray | None = None
        self.pose(body.base)

    def pose(self, points: np.ndarray) -> None:
        """Carry each strand by the displacement of the skin at its root."""
        moved = (points - self.body.base)[self.near]  # (strands, 4, 3)
        shift = (moved * self.weight[..., None]).sum(1)
        if self.shift is not None and np.abs(shift - self.shift).max() < 1e-4:
            return
        self.shift = shift
        place = self.strands + shift[:, None]
        self.data.points.foreach_set("position", place.astype(np.float32).ravel())
        self.data.update_tag()


def sample_surface(
    body: Body, chance: object, count: int, *, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points and normals (count, 3) on the skin, drawn by area times `chance(points) -> weight`."""
    quads = np.array([c if len(c) == 4 else [*c, c[2]] for c, _ in body.groups["body"]])
    quads = quads[body.base[quads, 1].min(1) > 5.9]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    a, b, c = (body.base[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    weight = area * chance((a + b + c) / 3)
    pick = random.choice(len(triangles), count, p=weight / weight.sum())
    u, v = random.random((2, count))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    points = a[pick] + u[:, None] * (b - a)[pick] + v[:, None] * (c - a)[pick]
    keep = chance(points) > 0.0
    return points[keep], (normal / (area[:, None] + 1e-9))[pick][keep]


class Landmarks:
    """Where things are on a shaped head, in decimetres: read from the targets that move them."""

    def __init__(self, body: Body) -> None:
        points = body.base
        self.eye = points[body.vertices("helper-l-eye")].mean(0)
        self.radius = np.ptp(points[body.vertices("helper-l-eye")], axis=0).max() / 2
        ear = np.linalg.norm(body.target("mpfb2/targets/ears/l-ear-scale-incr.target.gz"), axis=1) > 0.01
        self.ear = points[ear].mean(0)
        self.ears = points[ear]
        self.top = points[:SKIN, 1].max()
        head = points[:SKIN][points[:SKIN, 1] > self.eye[1]]
        self.front, self.back = head[:, 2].max(), head[:, 2].min()
        self.mouth = points[body.vertices("helper-upper-teeth")].mean(0)

    def hairline(self, points: np.ndarray) -> np.ndarray:
        """How far (decimetres) points lie above the hairline; negative is bare skin."""
        ahead = (points[:, 2] - self.ear[2]) / (self.front - self.ear[2])
        rise = np.clip((ahead - 0.05) / 0.62, 0, 1)
        rise = rise * rise * (3 - 2 * rise)
        fringe = self.eye[1] + 0.66 * (self.top - self.eye[1])
        line = self.ear[1] + 0.12 + rise * (fringe - self.ear[1] - 0.12)
        line = np.where(ahead < 0, self.ear[1] + 0.12 - np.clip(-ahead * 4, 0, 1) * 0.85, line)
        side = np.abs(points[:, 0])
        gap = np.abs(points - [0, *self.ear[1:]])
        on_ear = (side > abs(self.ear[0]) - 0.13) & (gap[:, 1] < 0.36) & (gap[:, 2] < 0.22)
        return np.where(on_ear, -1.0, points[:, 1] - line)


def combed_back(body: Body, marks: Landmarks, random: np.random.Generator) -> np.ndarray:
    """Hair (strands, points, 3) drawn over the head to a bun at its upper back, and the bun."""
    roots, _ = sample_surface(body, lambda p: np.clip(marks.hairline(p) / 0.2, 0, 1), 16000, random=random)
    centre = np.array([0.0, marks.eye[1] + 0.25, (marks.front + marks.back) / 2 - 0.05])
    knot = np.array([0.0, marks.top - 0.12, marks.back + 0.28])
    start, end = roots - centre, knot - centre
    reach = np.linalg.norm(start, axis=1)
    first, last = start / reach[:, None], end / np.linalg.norm(end)
    angle = np.arccos(np.clip(first @ last, -1, 1))[:, None]
    tree = head_tree(body)
    steps = np.linspace(0, 1, 14)
    lift = random.uniform(0.03, 0.13, len(roots))
    wobble = random.normal(0, 0.012, (len(roots), 3))
    strands = np.empty((len(roots), len(steps), 3))
    for k, t in enumerate(steps):
        way = (np.sin((1 - t) * angle) * first + np.sin(t * angle) * last) / np.sin(angle)
        out = np.array([_outer(tree, centre, d) for d in way]) + lift * min(1.0, t * 5) + 0.004
        strands[:, k] = centre + way * out[:, None] + wobble * t * 2
    return np.concatenate([strands, _bun(knot + np.array([0, 0.16, -0.1]), random)])


def head_tree(body: Body) -> BVHTree:
    """The skin of head and neck, to cast rays on."""
    faces = [corners for corners, _ in body.groups["body"] if body.base[corners, 1].min() > 5.9]
    return BVHTree.FromPolygons(body.base.tolist(), faces)


def _outer(tree: BVHTree, centre: np.ndarray, way: np.ndarray) -> float:
    """How far the skin lies from the centre in a direction, seen from outside."""
    hit = tree.ray_cast(Vector(centre + way * 3.0), Vector(-way))
    return 3.0 - hit[3] if hit[0] is not None else 1.0


def _bun(centre: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Strands wound round a flattened ball."""
    count, steps = 3000, np.linspace(0, 1, 14)
    tilt = random.normal(0, 0.55, (count, 1))
    begin, turns = random.uniform(0, 2 * np.pi, (count, 1)), random.uniform(0.25, 0.5, (count, 1))
    size = 0.42 * random.uniform(0.82, 1.0, (count, 1)) * (1 + 0.05 * random.normal(size=(count, 1)))
    round_ = begin + 2 * np.pi * turns * steps
    high = np.sin(tilt) * 0.8 + 0.12 * np.sin(round_ * 1.5 + begin)
    x, y = np.cos(round_) * np.cos(tilt), high
    z = np.sin(round_) * np.cos(tilt)
    return centre + np.stack([x, 0.85 * y, 0.8 * z], -1) * size[..., None]


def short_hair(body: Body, marks: Landmarks, random: np.random.Generator) -> np.ndarray:
    """Hair (strands, points, 3) of one to three centimetres, brushed back and to one side."""
    roots, normals = sample_surface(body, lambda p: np.clip(marks.hairline(p) / 0.1, 0, 1), 22000, random=random)
    above = np.clip(marks.hairline(roots) / 0.7, 0, 1)[:, None]
    length = 0.04 + 0.21 * above**1.5 + 0.03 * random.random((len(roots), 1))
    comb = np.array([0.22, 0.12, -0.5]) * above + np.array([0.0, -0.55, -0.45]) * (1 - above)
    swirl = 0.3 * np.sin(roots @ np.array([[3.1, 5.2, 1.7], [4.3, 2.2, 6.1], [6.7, 1.9, 3.3]]).T)
    lean = normals * (0.32 + 0.2 * above) + comb + swirl * above + random.normal(0, 0.12, roots.shape)
    lean /= np.linalg.norm(lean, axis=1, keepdims=True)
    return _leaning(roots, normals, lean, length, droop=0.35)


def _leaning(
    roots: np.ndarray, normals: np.ndarray, lean: np.ndarray, length: np.ndarray, *, droop: float
) -> np.ndarray:
    steps = np.linspace(0, 1, 7)[None, :, None]
    along = lean[:, None] * steps + (normals[:, None] * 0.35 - np.array([0, 0.2, 0])) * steps * (1 - steps) * droop * 2
    return roots[:, None] + along * length[:, None]


def brows(body: Body, marks: Landmarks, random: np.random.Generator, *, heavy: float) -> np.ndarray:
    """Eyebrows (strands, points, 3): an arc over each eye, cast on the skin from the front."""
    tree = head_tree(body)
    found = []
    while len(found) < int(380 * heavy):
        t, across = random.random(), random.normal(0, 0.4)
        x = marks.eye[0] - 0.19 + 0.44 * t
        arch = marks.eye[1] + 0.205 + 0.06 * math.sin(min(t * 1.25, 1.2) * math.pi * 0.62) - 0.05 * t * t
        y = arch + across * 0.030 * heavy * (1.15 - 0.8 * t)
        hit = tree.ray_cast(Vector((x, y, 4.0)), Vector((0, 0, -1)))
        lean = np.array([0.9, 0.62 - 1.0 * t, -0.25]) + random.normal(0, 0.12, 3)
        found.append((np.array(hit[0]), np.array(hit[1]), lean, 0.075 + 0.03 * random.random()))
    roots, normals, lean = (np.array([each[k] for each in found]) for k in range(3))
    strands = _leaning(roots, normals, lean, np.array([[each[3]] for each in found]), droop=0.6)
    return np.concatenate([strands, strands * [-1, 1, 1]])


def stubble(body: Body, marks: Landmarks, random: np.random.Generator) -> np.ndarray:
    """A short beard (strands, points, 3) on jaw, chin and upper lip."""
    lips = body.target("mpfb2/targets/mouth/mouth-lowerlip-volume-incr.target.gz")
    lips = body.base[np.linalg.norm(lips, axis=1) > 0.01]
    low, high = lips[:, 1].min(), marks.mouth[1] + 0.16

    def chance(points: np.ndarray) -> np.ndarray:
        side = np.abs(points[:, 0])
        upper = np.minimum(high - 0.08 + np.clip((side - 0.45) * 0.8, 0, 1), marks.ear[1] - 0.05)
        soft = np.clip((upper - points[:, 1]) / 0.25, 0, 1) * np.clip((points[:, 2] - marks.ear[2] - 0.05) / 0.3, 0, 1)
        beard = (points[:, 1] < upper) & (points[:, 2] > marks.ear[2] + 0.05) & (points[:, 1] > low - 0.75)
        mouth = (side < 0.36) & (points[:, 1] > low - 0.02) & (points[:, 1] < high - 0.06)
        neck = (points[:, 1] < low - 0.33) & (points[:, 2] < 1.0 - 0.4 * side)
        inside = points[:, 2] < 0.35
        return np.where(beard & ~mouth & ~neck & ~inside, soft, 0.0)

    roots, normals = sample_surface(body, chance, 6500, random=random)
    lean = normals * 0.6 + np.array([0, -0.5, 0.1]) + random.normal(0, 0.2, roots.shape)
    return _leaning(roots, normals, lean, np.full((len(roots), 1), 0.022), droop=0.0)
