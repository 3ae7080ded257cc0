"""Replays localstack/ready.sh: `replay.py TEMPLATE HOOK` runs the hook with an `awslocal` of its own first on PATH, which is
the AWS command line itself, in front of moto's server. So AWS's own description of every call decides which words,
members and values there are, and moto answers what it has. Then what was asked is held against the SAM template.

Prints every difference, and ends with 1 where there is one. Takes an environment with awscli and moto[server]; needs no
network. Not seen here: that LocalStack does what was asked.
"""

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

BROKERS = "kafka:9092,second:9092"
MONGODB = "mongodb://passbook:secret@mongodb:27017/?authSource=passbook&replicaSet=rs0"
REGION, ACCOUNT = "eu-west-1", "123456789012"


def awslocal(words):
    """The AWS command line, with every call's parameters, as they are about to be sent, added to a file."""
    from awscli.clidriver import create_clidriver

    def record(params, model, **_):
        if faults := list(faults_of(model.name, params, model.input_shape)):
            sys.exit("\n".join(faults))
        with open(os.environ["REPLAY_CALLS"], "a") as calls:
            print(json.dumps([model.name, params], default=lambda blob: f"{len(blob)} bytes"), file=calls)

    driver = create_clidriver()
    driver.session.register("before-parameter-build.*.*", record)
    driver.session.register("before-call.lambda.CreateEventSourceMapping", answer_for_moto)
    return driver.main(["--endpoint-url", os.environ["REPLAY_ENDPOINT"], *words])


def answer_for_moto(params, **_):
    """moto has event sources with an ARN alone: the call for another ends here, checked and ready to be sent."""
    if "SelfManagedEventSource" in json.loads(params["body"]):
        return SimpleNamespace(status_code=202), {}
    return None


def faults_of(path, value, shape):
    """What the AWS command line leaves to the service: the values that AWS's description allows. It sees itself that
    every member is known and of the right type, and that none is missing."""
    if shape.type_name == "structure":
        for name in value.keys() & shape.members.keys():
            yield from faults_of(f"{path}.{name}", value[name], shape.members[name])
    elif shape.type_name == "list":
        yield from too_many(path, len(value), "entries", shape)
        for at, entry in enumerate(value):
            yield from faults_of(f"{path}[{at}]", entry, shape.member)
    elif shape.type_name == "map":
        for key, entry in value.items():
            yield from faults_of(f"{path}.{key}", key, shape.key)
            yield from faults_of(f"{path}.{key}", entry, shape.value)
    elif shape.type_name == "string":
        yield from too_many(path, len(value), "characters", shape)
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"{path}: {value!r} is none of {', '.join(shape.enum)}"
        if (pattern := shape.metadata.get("pattern")) and not re.fullmatch(pattern, value):
            yield f"{path}: {value!r} does not match {pattern}"
    elif shape.type_name in ("integer", "long"):
        yield from too_many(path, value, "", shape)


def too_many(path, count, what, shape):
    if (most := shape.metadata.get("max")) is not None and count > most:
        yield f"{path}: {count} {what} where AWS allows {most}".replace("  ", " ")


def replay(hook, architecture):
    """The calls of the hook, in order: name and parameters."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return run(hook, architecture, "http://%s:%d" % server.get_host_and_port(), Path(folder))
    finally:
        server.stop()


def run(hook, architecture, endpoint, folder):
    for function in ("api", "settler"):
        (folder / function).mkdir()
        with zipfile.ZipFile(folder / function / "bootstrap.zip", "w") as package:
            package.writestr("bootstrap", "not run here")
    stand_in = folder / "awslocal"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" awslocal "$@"\n')
    stand_in.chmod(0o755)
    calls, uri = folder / "calls", folder / "uri"
    calls.touch()
    uri.write_text(MONGODB)
    own = {
        "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PAGER": "",
        "REPLAY_ENDPOINT": endpoint, "REPLAY_CALLS": str(calls), "PASSBOOK_PACKAGES": str(folder),
        "PASSBOOK_ARCHITECTURE": architecture, "KAFKA_BOOTSTRAP_SERVERS": BROKERS, "MONGODB_URI_FILE": str(uri),
    }
    ended = subprocess.run(["bash", hook], env=own, timeout=300, capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{hook} ended with {ended.returncode}:\n{ended.stderr.strip()}")
    return [json.loads(line) for line in calls.read_text().splitlines()]


def described(template):
    """The calls that the template stands for, by name and function, with a Kafka of one's own and no secrets."""
    import yaml
    from moto.cloudformation.parsing import ResourceMap, clean_json
    from moto.cloudformation.utils import yaml_tag_constructor

    yaml.add_multi_constructor("", yaml_tag_constructor, Loader=yaml.SafeLoader)
    document = yaml.safe_load(Path(template).read_text())
    given = {"KafkaBootstrapServers": BROKERS, "MongoUri": MONGODB}
    known = ResourceMap("stack", "passbook", given, {}, REGION, ACCOUNT, document, {})
    known.load_mapping()
    known.load_parameters()
    known.load_conditions()
    there = {
        name: resource for name, resource in document["Resources"].items()
        if "Condition" not in resource or known.lazy_condition_map[resource["Condition"]]
    }
    functions = {
        name: resource["Metadata"]["BuildProperties"]["Binary"]
        for name, resource in there.items() if resource["Type"] == "AWS::Serverless::Function"
    }
    shared = document.get("Globals", {}).get("Function", {})
    calls = {}
    for name, resource in there.items():
        properties = resource["Properties"]
        if name in functions:
            calls["CreateFunction", functions[name]] = clean_json(function(shared, properties), known)
            if url := properties.get("FunctionUrlConfig"):
                calls["CreateFunctionUrlConfig", functions[name]] = clean_json(url, known)
        elif resource["Type"] == "AWS::Lambda::EventSourceMapping":
            owner = functions[properties["FunctionName"]["Ref"]]
            own = {key: value for key, value in properties.items() if key != "FunctionName"}
            calls["CreateEventSourceMapping", owner] = mapping(clean_json(own, known))
    return calls


def function(shared, own):
    """What a function is made of. Its role, network, logs and concurrency are AWS's business, and not LocalStack's."""
    variables = {**shared.get("Environment", {}).get("Variables", {}), **own.get("Environment", {}).get("Variables", {})}
    whole = {**shared, **own, "Environment": {"Variables": variables}}
    kept = ("Description", "Runtime", "Handler", "Architectures", "MemorySize", "Timeout", "Environment")
    return {key: whole[key] for key in kept if key in whole}


def mapping(properties):
    """The template spells the one key otherwise than the call does."""
    if endpoints := properties.get("SelfManagedEventSource", {}).get("Endpoints"):
        properties["SelfManagedEventSource"] = {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": endpoints["KafkaBootstrapServers"]}}
    return properties


# What the template leaves to SAM, or has no place for.
OF_THE_HOOK = {"FunctionName", "Role", "Code"}


def differences(asked, described):
    for call, said in described.items():
        if call not in asked:
            yield f"{' of '.join(call)}: template.yaml describes it, ready.sh does not ask for it"
            continue
        ours = {member: value for member, value in asked[call].items() if member not in OF_THE_HOOK}
        for member, one, other in unequal("", ours, said):
            yield f"{' of '.join(call)}: {member} is {one!r} in ready.sh and {other!r} in template.yaml"
    for call in asked.keys() - described.keys():
        yield f"{' of '.join(call)}: ready.sh asks for it, template.yaml does not describe it"


def unequal(path, one, other):
    """Where two values differ, as deep down as can be told."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from unequal(f"{path}.{key}".lstrip("."), one.get(key), other.get(key))
    elif one != other:
        yield path, one, other


def main(template, hook):
    calls = replay(hook, "arm64")
    asked = {(name, given["FunctionName"]): given for name, given in calls if "FunctionName" in given and name.startswith("Create")}
    found = list(differences(asked, described(template)))
    for difference in found:
        print(difference, file=sys.stderr)
    if not found:
        print(f"{len(calls)} calls are as AWS describes them, and the values those of template.yaml")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(awslocal(sys.argv[2:]) if sys.argv[1] == "awslocal" else main(*sys.argv[1:]))
