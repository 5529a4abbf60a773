"""How Sphinx builds the site: ``make docs``."""

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

from sphinx.application import Sphinx

import tfblindspots

HERE = Path(__file__).parent
REFERENCE = HERE / "reference"

project = "tfblindspots"
version = release = tfblindspots.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "results/**/quality_card.md"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
html_theme = "furo"
html_title = "tfblindspots"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
# Other projects' types are not linked: to look them up takes a network.
nitpick_ignore_regex = [
    (r"py:.*", rf"(?!{project}).*"),
    # Aliases of types within a room; what a room shows has a shorter name.
    (r"py:class", rf"{project}\.\w+\.\w+\.\w+"),
]
# The index leaves room for pages that are being written.
suppress_warnings = ["toc.empty_glob"]


def setup(app: Sphinx) -> None:
    """Writes the reference before Sphinx looks for pages, and mends links that leave docs/."""
    app.connect("builder-inited", lambda app: write_reference(REFERENCE))
    app.connect("source-read", offer_files_outside)


def offer_files_outside(app: Sphinx, name: str, source: list[str]) -> None:
    """Turns links to pages outside of docs/, which the site does not have, into downloads."""
    folder = (HERE / name).parent

    def offered(link: re.Match[str]) -> str:
        inside = (folder / link[1]).resolve().is_relative_to(HERE)
        return link[0] if inside else f"](path:{link[1]})"

    source[0] = re.sub(r"\]\((\.\./[^)#]+\.md)\)", offered, source[0])


def write_reference(directory: Path) -> None:
    """Writes a page for each room of the package and one of all scripts' flags."""
    directory.mkdir(exist_ok=True)
    rooms = [module.name for module in pkgutil.iter_modules(tfblindspots.__path__)]
    pages = {"python": python_page(), "scripts": scripts_page()}
    pages |= {room: room_page(f"tfblindspots.{room}") for room in rooms if has_face(room)}
    for name, text in pages.items():
        (directory / f"{name}.md").write_text(text, encoding="utf-8")


def has_face(room: str) -> bool:
    """Whether a room of the package says what is public in it."""
    return hasattr(importlib.import_module(f"tfblindspots.{room}"), "__all__")


def room_page(module: str) -> str:
    """A room's public names, each with its docstring."""
    return f"# `{module}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```\n"


def python_page() -> str:
    """What ``import tfblindspots`` offers, with links to where it is told of."""
    rows = []
    for name in tfblindspots.__all__:
        value = getattr(tfblindspots, name)
        if name != "__version__":
            room = ".".join(value.__module__.split(".")[:2])
            summary = (value.__doc__ or "").strip().splitlines()[0]
            rows.append(f"| {{py:obj}}`{name} <{room}.{name}>` | {summary} |")
    table = "\n".join(["| name | what it is |", "| --- | --- |", *rows])
    mistakes = "```{eval-rst}\n.. autoexception:: tfblindspots.errors.InputError\n```\n"
    return f"# `import tfblindspots`\n\n{tfblindspots.__doc__}\n{table}\n\n{mistakes}"


def scripts_page() -> str:
    """What each script says of itself when it is asked for ``--help``."""
    parts = ["# Scripts and their flags\n\nWhat `python scripts/NAME.py --help` says.\n"]
    for script in sorted((HERE.parent / "scripts").glob("*.py")):
        text = subprocess.run(
            [sys.executable, script.name, "--help"],
            cwd=script.parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        text = text.replace(f"\n{script.name}:\n", f"\nscripts/{script.name}:\n")
        parts.append(f"## {script.name}\n\n````text\n{text.strip()}\n````\n")
    return "\n".join(parts)
