"""Names of classes as people say them."""

import re

# ImageNet's data sets call a class by its WordNet number too: n01518878_ostrich.
_WORDNET = re.compile(r"n\d{8}[_ ]")


def readable_class_name(name: str) -> str:
    """``great white shark`` for ``n01484850_great_white_shark``; other names as they are."""
    said = _WORDNET.sub("", name, count=1) if _WORDNET.match(name) else name
    return said.replace("_", " ") or name
