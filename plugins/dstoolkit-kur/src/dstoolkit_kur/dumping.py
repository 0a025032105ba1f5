"""Values as YAML that readers of 1.1 and 1.2 take alike: words that could be something else are quoted."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from dstoolkit_kur import scalars


class Representer(SafeRepresenter):
    """Writes each value where it stands, without anchors."""

    def represent_str(self, data: str) -> Any:
        other = len(data) < scalars.MOST_DIGITS and scalars.resolve(data) is not data
        quoted = other or not data.isprintable()  # line breaks beyond ASCII, too, are blanks in plain words
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if quoted else None)

    def ignore_aliases(self, data: Any) -> bool:
        return True


Representer.add_representer(str, Representer.represent_str)


def yaml_text(values: Any) -> str:
    """``reading.read`` of the text gives the values again."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.Representer = Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.width = 120
    stream = io.StringIO()
    yaml.dump(values, stream)
    return stream.getvalue()
