"""compose.yaml and the Dockerfile, as far as they say what runs and with what. Variables of the shell have the values they
have by default."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML


def compose(repository):
    text = (repository / "compose.yaml").read_text()
    if odd := re.search(r"\$(?!\$|\{\w+:-[^}]*\}).*", text.replace("$$", "")):
        raise SystemExit(f"compose.yaml: {odd[0]}: write ${{NAME:-default}}")
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("$$", "$")
    return YAML(typ="safe").load(text)


def is_one_shot(service):
    return service.get("restart") == "no"


def is_default(service):
    """Whether `docker compose up` starts it."""
    return not service.get("profiles")


def environment(service):
    """As a process sees it."""
    text = {None: "", True: "true", False: "false"}
    given = service.get("environment", {}).items()
    return {name: text[value] if value is None or isinstance(value, bool) else str(value) for name, value in given}


def env_file(path):
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def mounted(service, at):
    """What of the repository is mounted there."""
    for volume in service.get("volumes", []):
        source, target, *_ = volume.split(":")
        if target == at and source.startswith("./"):
            return source
    raise SystemExit(f"nothing of the repository is mounted at {at}")


@dataclass
class Dockerfile:
    begins_from: list = field(default_factory=list)
    built: list = field(default_factory=list)
    taken_along: list = field(default_factory=list)
    # From the repository, into a stage that is left behind or into the image.
    sources: list = field(default_factory=list)
    copied: dict = field(default_factory=dict)
    programs: str = ""
    user: str = ""


def dockerfile(repository):
    lines = (repository / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    file = Dockerfile()
    for instruction in text.replace("\\\n", " ").splitlines():
        match instruction.split():
            case ["FROM", image, *_]:
                file.begins_from.append(image)
                file.copied = {}
            case ["COPY", stage, _, to] if stage.startswith("--from="):
                file.programs = to.rstrip("/")
            case ["COPY", *sources, to]:
                file.sources += sources
                file.copied |= {source: to for source in sources}
            case ["USER", user]:
                file.user = user
            case ["RUN", *words]:
                file.built += [name for option, name in zip(words, words[1:]) if option == "--bin"]
                file.taken_along += [Path(word).name for word in words if word.startswith("target/release/")]
    return file
