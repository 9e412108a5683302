"""Demo companies as contestants read them."""

from pathlib import Path
from typing import Any

import yaml


def settings_of(folder: Path, scratch: Path, **sections: Any) -> Path:
    """Write settings that read a demo from where it is and keep their cache in ``scratch``.

    ``sections`` take the place of whole sections of the demo's own.
    """
    settings = yaml.safe_load((folder / "crm.yml").read_text("utf-8"))
    for source in settings["data"]["tables"].values():
        source["path"] = str(folder.resolve() / source["path"])
    scratch.mkdir()
    config = scratch / "crm.yml"
    config.write_text(yaml.safe_dump(settings | sections, allow_unicode=True), "utf-8")
    return config
