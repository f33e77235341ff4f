"""Each public name says what it takes, returns and raises, and has an example.

Public is what a module lists in ``__all__`` and what the pages and examples import from merc, with the public methods
of its classes. Here the examples are found as doctest finds them; ``tests/docs/test_examples.py`` runs them.
"""

from __future__ import annotations

import ast
import doctest
import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import merc

ROOT = Path(__file__).parents[1]
PACKAGE = Path(merc.__file__).parent

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef

SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Examples?):$", re.MULTILINE)
ENTRY = re.compile(r"^    (\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*):", re.MULTILINE)
REFERENCE = re.compile(r"\bas (?:for|of)\s+`{1,2}([\w.]+)`")
"""How a docstring leaves sections to another one: "arguments and errors as for ``ccc``"."""

COMPACT = {"merc.features.store", "merc.systems.contract"}
"""Files at the limit of lines whose split would change the hash of every measured row. Their methods may say in a
sentence what they return and raise, with each parameter in double backquotes."""

LEFT_OUT = {"merc.benchmarks.run_report:report_run": "it reads a trained run; its call is in examples/is_it_better.py"}
"""Names that have neither all sections nor an example, with the reason."""


# What is public ----------------------------------------------------------------------------------------------------


def listed() -> Iterator[tuple[str, str]]:
    """Pairs of module and name, of the modules that state ``__all__``; others are not imported."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if re.search(r"^__all__\b", path.read_text(encoding="utf-8"), re.MULTILINE):
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            name = ".".join(("merc", *(parts[:-1] if parts[-1] == "__init__" else parts)))
            yield from ((name, one) for one in importlib.import_module(name).__all__)


def shown() -> Iterator[ast.Module]:
    """The Python of the pages and examples."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            yield ast.parse(block)
    for path in sorted((ROOT / "examples").rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))


def imported() -> Iterator[tuple[str, str]]:
    """Pairs of module and name that pages import; of an imported module, the names that they take from it."""
    for code in shown():
        statements = [node for node in ast.walk(code) if isinstance(node, ast.ImportFrom)]
        for module, one in ((node.module or "", one) for node in statements for one in node.names):
            if module.split(".")[0] != "merc":
                continue
            if file_of(f"{module}.{one.name}").exists():
                own = [node for node in ast.walk(code) if isinstance(node, ast.Attribute)]
                known = one.asname or one.name
                yield from ((f"{module}.{one.name}", use.attr) for use in own if ast.unparse(use.value) == known)
            else:
                yield module, one.name


@cache
def public() -> dict[str, Any]:
    """Classes and functions by where they are defined, ``module:qualified.name``; None for constants and aliases."""
    found = {}
    for module, name in (*listed(), *imported()):
        value = getattr(importlib.import_module(module), name)
        inner = inspect.unwrap(value) if callable(value) else value
        if inspect.isclass(inner) or inspect.isfunction(inner):
            found[f"{inner.__module__}:{inner.__qualname__}"] = inner
        elif not isinstance(value, ModuleType) and name != "__version__":
            found[":".join(assigned(module, name))] = None
    return found


def assigned(module: str, name: str) -> tuple[str, str]:
    """The module in which a name is not imported, and its name there."""
    for node in tree(module).body:
        for one in node.names if isinstance(node, ast.ImportFrom) else ():
            if (one.asname or one.name) == name:
                return assigned(node.module or "", one.name)
    return module, name


# What a docstring says ----------------------------------------------------------------------------------------------


def file_of(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def source(module: str) -> str:
    path = file_of(module)
    return path.read_text(encoding="utf-8") if path.exists() else ""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(source(module))


def node_of(module: str, qualified: str) -> Any:
    """The statement that defines a name (the last one, where several do), or None."""
    node: Any = tree(module)
    for part in qualified.split("."):
        named = [one for one in getattr(node, "body", ()) if isinstance(one, Documented) and one.name == part]
        node = named[-1] if named else None
    return node


def sections(node: Documented) -> dict[str, str]:
    parts = SECTION.split(ast.get_docstring(node) or "")
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(node: Documented, *names: str) -> set[str]:
    """What sections have a line for; a line may be for several."""
    found = sections(node)
    lines = [line for name in names for line in ENTRY.findall(found.get(name, ""))]
    return {name.lstrip("*").rpartition(".")[2] for line in lines for name in line.split(", ")}


def referred(node: Documented, module: str) -> list[Documented]:
    """What a docstring leaves sections to, in its own module, imported there, or public."""
    found = []
    for name in REFERENCE.findall(ast.get_docstring(node) or ""):
        first, dot, rest = name.removeprefix("merc.").partition(".")
        places = [(module, first), assigned(module, first), *(place(one) for one in public() if place(one)[1] == first)]
        found += [node_of(where, f"{known}{dot}{rest}") for where, known in places]
    return [one for one in found if one is not None]


def place(name: str) -> tuple[str, str]:
    module, _, qualified = name.partition(":")
    return module, qualified


def in_a_sentence(node: Documented | None, module: str, pattern: str) -> set[str]:
    """What a docstring of a compact file says outside sections."""
    return set(re.findall(pattern, ast.get_docstring(node) or "")) if node and module in COMPACT else set()


# What a body does ---------------------------------------------------------------------------------------------------


def parameters(node: Function) -> list[str]:
    given = node.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [one.arg for one in every if one is not None and one.arg not in ("self", "cls") and one.arg[0] != "_"]


def decorators(node: Function) -> set[str]:
    return {ast.unparse(one).partition("(")[0].rpartition(".")[2] for one in node.decorator_list}


def returns(node: Function) -> bool:
    """Whether there is a result to document; a property is read as an attribute, and its first line says what it is."""
    result = ast.unparse(node.returns) if node.returns else "None"
    return result not in ("None", "NoReturn") and not decorators(node) & {"property", "cached_property"}


def own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a body, without those of functions and classes inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Documented | ast.Lambda):
            yield child
            yield from own(child)


def raised(node: Function, module: str, owner: str) -> set[str]:
    """Exception classes that a body raises, or a private helper that it calls and that has no docstring."""
    found = set()
    for one in own(node):
        if isinstance(one, ast.Raise) and one.exc is not None:
            made = one.exc.func if isinstance(one.exc, ast.Call) else one.exc
            found.add(ast.unparse(made).rpartition(".")[2])
        elif isinstance(one, ast.Call) and (name := helper(ast.unparse(one.func), owner)):
            called = node_of(module, name)
            if isinstance(called, Function) and called is not node and not ast.get_docstring(called):
                found |= {
                    ast.unparse(part.exc.func).rpartition(".")[2]
                    for part in own(called)
                    if isinstance(part, ast.Raise) and isinstance(part.exc, ast.Call)
                }
    return {name for name in found if name[:1].isupper()}  # else an exception that was caught is raised again


def helper(called: str, owner: str) -> str | None:
    """The qualified name of a private function or method; None for anything else."""
    head, _, last = called.rpartition(".")
    if not re.fullmatch(r"_[a-z]\w*", last) or head not in ("", "self", "cls"):
        return None
    return f"{owner}.{last}" if head else last


# What is missing ----------------------------------------------------------------------------------------------------


def missing_in_function(node: Function, module: str, owner: str = "", bases: tuple[Function, ...] = ()) -> list[str]:
    """What a docstring leaves out, and does not leave to another one, such as that of the method it overrides."""
    if not ast.get_docstring(node):
        return ["docstring"]
    every = (node, *bases, *referred(node, module))
    args = {name for one in every for name in entries(one, "Args")} | in_a_sentence(node, module, r"``(\w+)``")
    missing = [f"Args: {name}" for name in parameters(node) if name not in args]
    missing += [f"Args: {name}, which is no parameter" for name in sorted(entries(node, "Args") - {*parameters(node)})]
    if returns(node) and module not in COMPACT and not any({"Returns", "Yields"} & {*sections(one)} for one in every):
        missing.append("Returns")
    errors = {name for one in every for name in entries(one, "Raises")}
    for one in (node, node_of(module, owner)):
        errors |= in_a_sentence(one, module, r"\b[Rr]aises? (\w+)")
    return missing + [f"Raises: {name}" for name in sorted(raised(node, module, owner) - errors)]


def missing_in_class(value: type) -> list[str]:
    """The same of a class and its bases of merc: fields, parameters of a constructor, public methods."""
    line = [one for one in value.__mro__ if one.__module__.split(".")[0] == "merc"]
    nodes = [node_of(one.__module__, one.__qualname__) for one in line]
    told = {name for node in nodes for name in entries(node, "Args", "Attributes")}
    known = {name for one, node in zip(line, nodes, strict=True) for name, _ in fields(node, one)}
    errors = {name for node in nodes for name in entries(node, "Raises")}
    missing = []
    for number, (one, node) in enumerate(zip(line, nodes, strict=True)):
        found = [] if ast.get_docstring(node) else ["docstring"]
        found += [name for name, line in fields(node, one) if name not in told and not (line and has_words(line, one))]
        found += [f"Args: {name}, which is no parameter" for name in sorted(entries(node, "Args") - known)]
        for made in (part for part in node.body if isinstance(part, Function)):
            if made.name in ("__init__", "__post_init__"):
                found += [f"Raises: {name}" for name in raised(made, one.__module__, one.__name__) - errors]
            elif not made.name.startswith("_"):
                over = (node_of(base.__module__, f"{base.__qualname__}.{made.name}") for base in line[number + 1 :])
                bases = tuple(base for base in over if base is not None)
                lacks = missing_in_function(made, one.__module__, one.__name__, bases)
                found += [f"{made.name}: {what}" for what in lacks]
        missing += [f"{one.__name__}: {what}" for what in found]
    return missing


def fields(node: ast.ClassDef, value: type) -> Iterator[tuple[str, ast.stmt | None]]:
    """Parameters of a constructor, else fields and members of an enumeration with their statements.

    A tag of one value, such as ``Literal["rename"]``, says itself.
    """
    made = next((one for one in node.body if isinstance(one, Function) and one.name == "__init__"), None)
    if made is not None:
        yield from ((name, None) for name in parameters(made))
        return
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and not re.match(r"ClassVar|Literal\['\w+'\]$", ast.unparse(one.annotation)):
            name = ast.unparse(one.target)
            yield from [(name, one)] if not name.startswith("_") else []
        elif isinstance(one, ast.Assign) and issubclass(value, enum.Enum):
            yield from ((ast.unparse(target), one) for target in one.targets)


def has_words(statement: ast.stmt, of: type | str) -> bool:
    """Whether a comment is above or behind an assignment, or a string below it, in a class or a module."""
    module = of if isinstance(of, str) else of.__module__
    body = tree(module).body if isinstance(of, str) else node_of(module, of.__qualname__).body
    below = body[body.index(statement) + 1 :][:1]
    if any(isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) for one in below):
        return True
    lines = source(module).splitlines()
    above, inside = lines[statement.lineno - 2], lines[statement.lineno - 1 : statement.end_lineno]
    return above.strip().startswith("#") or any(re.search(r"  # (?!noqa|type:)", line) for line in inside)


def missing_of_constant(module: str, name: str) -> list[str]:
    for one in tree(module).body:
        targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AnnAssign) else []
        names = [ast.unparse(part) for target in targets for part in getattr(target, "elts", [target])]
        if name in names:
            return [] if has_words(one, module) else ["words above, behind or below the assignment"]
    return [f"an assignment in {module}"]


def missing_of(name: str) -> list[str]:
    value, (module, qualified) = public()[name], place(name)
    if value is None:
        return missing_of_constant(module, qualified)
    return (
        missing_in_class(value) if inspect.isclass(value) else missing_in_function(node_of(module, qualified), module)
    )


@cache
def examples_in(module: str) -> dict[str, int]:
    """Number of examples by qualified name, as ``doctest.testmod`` collects them."""
    found = doctest.DocTestFinder().find(importlib.import_module(module))
    return {test.name.removeprefix(f"{module}."): len(test.examples) for test in found}


def has_example(name: str) -> bool:
    """Whether a function or class has one, or a method of the class."""
    module, qualified = place(name)
    return any(count for one, count in examples_in(module).items() if f"{one}.".startswith(f"{qualified}."))


NAMES = sorted(set(public()) - set(LEFT_OUT))


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_takes_returns_and_raises(name: str) -> None:
    assert missing_of(name) == []


@pytest.mark.parametrize("name", [name for name in NAMES if public()[name] is not None])
def test_a_public_function_or_class_has_an_example(name: str) -> None:
    assert has_example(name), f"{name} has no '>>> ' that doctest collects"


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_what_is_left_out_is_public_and_incomplete(name: str) -> None:
    assert missing_of(name) or not has_example(name), f"{name} is complete: take it off the list"


def test_names_are_followed_to_where_they_are_defined() -> None:
    assert {"merc.formats:read", "merc.nn.rows:Rows", "merc.edits:Change", "merc.corpora.tables:features"} <= set(
        public()
    )


def test_what_a_docstring_leaves_out_is_found() -> None:
    """The rules on a function that breaks each of them."""
    text = "Cut.\\n\\nArgs:\\n    size: No parameter.\\n"
    (node,) = ast.parse(f'def cut(text, *, at) -> str:\n    "{text}"\n    raise ValueError(at)\n').body
    assert isinstance(node, Function)
    found = missing_in_function(node, "merc.errors")
    assert found == ["Args: text", "Args: at", "Args: size, which is no parameter", "Returns", "Raises: ValueError"]
