"""Whether what compose.yaml and the Dockerfile name is there, and whether it fits together: `belongs.py REPOSITORY`. Prints
what is wrong, and ends with 1 where anything is."""

import re
import sys
import tomllib
from pathlib import Path

import containers

PROGRAMS = {"api", "settler", "lambda-local", "passbook"}


def findings(repository, compose, dockerfile):
    for name, service in compose["services"].items():
        for problem in [*of_service(repository, compose, service), *hardening(service)]:
            yield f"service {name}: {problem}"
    yield from unused(compose)
    yield from versions(repository, compose, dockerfile)
    yield from of_image(repository, compose, dockerfile)


def of_service(repository, compose, service):
    for secret in service.get("secrets", []):
        if secret not in compose["secrets"]:
            yield f"there is no secret {secret}"
    for volume in service.get("volumes", []):
        yield from missing_source(repository, compose, volume.split(":")[0])
    if (file := service.get("env_file")) and not (repository / file).is_file():
        yield f"there is no file {file}"
    for other, how in service.get("depends_on", {}).items():
        if not can_become(compose["services"].get(other), how["condition"]):
            yield f"waits for {other} to be {how['condition']}, which it never is"


def missing_source(repository, compose, source):
    """A path of the repository must be there; what is built has its place in target, what is the machine's is not ours."""
    if source.startswith("./"):
        if not source.startswith("./target/") and not (repository / source).exists():
            yield f"there is no {source} to mount"
    elif not source.startswith("/") and source not in compose["volumes"]:
        yield f"there is no volume {source}"


def can_become(service, condition):
    if service is None:
        return False
    return {
        "service_healthy": "healthcheck" in service,
        "service_completed_successfully": containers.is_one_shot(service),
    }.get(condition, False)


def hardening(service):
    """What is promised of every container."""
    if "limits" not in service.get("deploy", {}).get("resources", {}):
        yield "has no limits"
    if service.get("restart") not in ("no", "unless-stopped"):
        yield "does not say when it is started again"
    if not containers.is_default(service):
        return  # LocalStack is what it is; it is asked for by name.
    if str(service.get("user", "root")).split(":")[0] in ("0", "root"):
        yield "runs as root"
    if not service.get("read_only"):
        yield "may write to its root file system"
    if service.get("cap_drop") != ["ALL"]:
        yield "keeps capabilities"
    if "healthcheck" not in service and not containers.is_one_shot(service):
        yield "has no health check"


def unused(compose):
    services = compose["services"].values()
    given = {secret for service in services for secret in service.get("secrets", [])}
    mounted = {volume.split(":")[0] for service in services for volume in service.get("volumes", [])}
    yield from (f"secret {name} is given to no service" for name in compose["secrets"].keys() - given)
    yield from (f"volume {name} is mounted by no service" for name in compose["volumes"].keys() - mounted)


def versions(repository, compose, dockerfile):
    """Kafka is the one that the tests run on, Rust the one of the workspace."""
    pom = (repository / "crates/dev/parts/kafka/pom.xml").read_text()
    kafka = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([^<]+)", pom)[1]
    if (image := compose["services"]["kafka"]["image"]) != f"apache/kafka:{kafka}":
        yield f"service kafka: is {image}, the tests run on {kafka}"
    rust = re.search(r'rust-version = "([^"]+)"', (repository / "Cargo.toml").read_text())[1]
    if not dockerfile.begins_from[0].startswith(f"rust:{rust}-"):
        yield f"Dockerfile: builds on {dockerfile.begins_from[0]}, the workspace wants Rust {rust}"


def members(repository):
    return tomllib.loads((repository / "Cargo.toml").read_text())["workspace"]["members"]


def of_image(repository, compose, dockerfile):
    ignore = (repository / ".dockerignore").read_text().splitlines()
    for source in dockerfile.sources:
        if not (repository / source).exists():
            yield f"Dockerfile: there is no {source} to copy"
        elif f"!{source}" not in ignore:
            yield f"Dockerfile: .dockerignore leaves out {source}"
    # Cargo reads every member of the workspace, whatever is built.
    for member in members(repository):
        if member.split("/")[0] not in dockerfile.sources:
            yield f"Dockerfile: does not copy {member}, a member of the workspace"
    for what, programs in (("builds", dockerfile.built), ("takes along", dockerfile.taken_along)):
        if set(programs) != PROGRAMS:
            yield f"Dockerfile: {what} {', '.join(programs)}; Passbook is {', '.join(sorted(PROGRAMS))}"
    for name, service in compose["services"].items():
        if "build" in service and service.get("user") != dockerfile.user:
            yield f"service {name}: runs as {service.get('user')}, the Dockerfile says {dockerfile.user}"


def main(repository):
    wrong = list(findings(repository, containers.compose(repository), containers.dockerfile(repository)))
    for problem in wrong:
        print(problem, file=sys.stderr)
    if not wrong:
        print("what compose.yaml and the Dockerfile name is there and fits together")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
