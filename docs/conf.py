"""Sphinx configuration: Markdown pages by hand, the reference of the API, the commands and the cards by generation."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import merc

project = "merc"
author = "the merc authors"
project_copyright = "the merc authors, Apache-2.0"
version = release = merc.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated_pages"]
exclude_patterns = ["_build", "_ext"]
html_theme = "furo"
html_title = "merc"
html_copy_source = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Names of other packages are printed, not linked: the site is built without a network, so there is no inventory of
# theirs. Private bases and type variables have no entry. Any other reference that does not resolve is an error.
nitpick_ignore_regex = [(r"py:.*", r"(?!merc\.).*"), (r"py:.*", r"merc\..*\.(_\w+|[A-Z])")]
# Annotations are printed with their short names, and two rooms may have a class of one name (such as Turn).
suppress_warnings = ["ref.python"]
