"""How Sphinx builds the site: ``make docs``."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import tfblindspots

HERE = Path(__file__).parent
REFERENCE = HERE / "reference"

project = "tfblindspots"
version = release = tfblindspots.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "**/quality_card.md"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
html_theme = "furo"
html_title = "tfblindspots"
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["width.css"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
# A class tells of its fields once, as attributes.
autodoc_typehints_description_target = "documented_params"
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


def setup(app: Sphinx) -> None:
    """Writes the reference before Sphinx looks for pages, and mends links that leave docs/."""
    app.connect("builder-inited", lambda app: write_reference(REFERENCE))
    app.connect("source-read", offer_files_outside)
    # Before napoleon, at 500, reads the section.
    app.connect("autodoc-process-docstring", add_fields, priority=400)
    app.connect("autodoc-skip-member", skip_tuple_fields)


def offer_files_outside(app: Sphinx, name: str, source: list[str]) -> None:
    """Turns links to pages outside of docs/, which the site does not have, into downloads."""
    folder = (HERE / name).parent

    def offered(link: re.Match[str]) -> str:
        inside = (folder / link[1]).resolve().is_relative_to(HERE)
        return link[0] if inside else f"](path:{link[1]})"

    source[0] = re.sub(r"\]\((\.\./[^)#]+\.md)\)", offered, source[0])


def add_fields(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Adds what the comments beside a class's fields say of them to its docstring."""
    if what == "class" and "Attributes:" not in lines and (fields := field_comments(obj)):
        lines += ["", "Attributes:", *(f"  {name}: {text}" for name, text in fields.items()), ""]


def skip_tuple_fields(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Leaves out "Alias for field number 0": ``add_fields`` has told of it."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def field_comments(cls: type) -> dict[str, str]:
    """The fields of a named tuple or data class with the comments beside or above them."""
    fields, above = {}, ""
    for line in inspect.getsource(cls).splitlines():
        code, _, comment = (part.strip() for part in line.partition("#"))
        comment = "" if comment.startswith("type:") else comment.partition("  #")[0]
        field = re.fullmatch(r"    (\w+): [^=]+(= .+)?", line.partition("#")[0].rstrip())
        text = f"{above} {comment}".strip()
        if field is not None and text:
            # An asterisk or a bar would be markup.
            fields[field[1]] = re.sub(r"([*|_])", r"\\\1", text)
        above = f"{above} {comment}".strip() if not code else ""
    return fields


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
