"""The stack of compose.yaml, started on this machine without Docker, from what stands there, until a deposit has settled:

    trial.py REPOSITORY BINARIES MONGOD KAFKA-JARS NGINX

Every command line, variable, health check and secret is taken from compose.yaml and the Dockerfile as it stands there; only
the containers' names, ports and paths are put in the terms of this machine. Two containers of `api` and of `settler` each
are started. So a flag, a port, a variable or a file that is renamed on one side alone ends with 1.

What the images do before they start their program is done by stand-ins: Kafka's configuration is made of its variables by
the class that the image calls (it is in Kafka's own jar), MongoDB's users by mongodb_image.py, and NGINX's templates are
filled in with exactly the variables that its container has. The back ends that NGINX would look up are written out, since
that takes a newer NGINX than some machines have.

Not seen: what only a container engine does (users, limits, read-only file systems, volumes, networks), and the services of
profiles. Whatever is started ends with this program.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import containers

# The containers that stay, in an order in which they can be started, with the port each listens at; two of what scales.
CONTAINERS = {
    "kafka": ("kafka", 9092), "mongodb": ("mongodb", 27017),
    "api": ("api", 9000), "another api": ("api", 9000),
    "settler": ("settler", 9000), "another settler": ("settler", 9000),
    "nginx": ("nginx", 8080),
}
KAFKA_CONTROLLER = 9093
# The least that the class of Kafka's image takes for a configuration of its log.
LOGGING = "Configuration:\n  Loggers:\n    Root:\n      level: INFO\n"
HEALTHY_WITHIN_S = 120
ENDED_WITHIN_S = 70


@dataclass
class Machine:
    repository: Path
    binaries: Path
    mongod: Path
    kafka_jars: Path
    nginx: Path
    python: Path = Path(sys.executable)


class Trial:
    def __init__(self, machine, root):
        self.machine, self.root = machine, root
        self.compose = containers.compose(machine.repository)
        self.services = self.compose["services"]
        self.ports = {name: free_port() for name in CONTAINERS}
        self.running = []
        self.here = self.paths()
        for service in ("kafka", "mongodb"):
            port = CONTAINERS[service][1]
            self.here[f"{service}:{port}"] = f"127.0.0.1:{self.ports[service]}"
            self.here[f"/dev/tcp/{service}/{port}"] = f"/dev/tcp/127.0.0.1/{self.ports[service]}"

    def paths(self):
        """Where here is what the image has, and what a container gets."""
        image = containers.dockerfile(self.machine.repository)
        paths = {inside: str(self.machine.repository / source) for source, inside in image.copied.items()}
        paths[image.programs] = str(self.machine.binaries)
        return paths | {
            "/run/secrets/": f"{self.root}/.local/secrets/",
            "/run/mongodb/": f"{self.root}/",
            "/run/nginx": f"{self.root}/nginx",
        }

    def up(self):
        self.make_secrets()
        for name, (service, port) in CONTAINERS.items():
            here = self.here | inside(port, self.ports[name])
            words, variables = getattr(self, service)(here)
            self.start(name, words, variables)
            self.await_health(name, [told(word, here) for word in health_check(self.services[service])])
            # As `depends_on` has it: the functions wait for the topics.
            if name == "mongodb":
                self.run_one_shots()
        self.deposit()

    def make_secrets(self):
        """As the script makes them, in a directory of their own, with the addresses of this machine."""
        script = self.root / "compose/secrets.sh"
        script.parent.mkdir()
        shutil.copy(self.machine.repository / "compose/secrets.sh", script)
        finish("compose/secrets.sh", ["sh", script])
        for name, secret in self.compose["secrets"].items():
            path = self.root / secret["file"]
            if not path.is_file():
                raise SystemExit(f"compose/secrets.sh makes no {secret['file']} for the secret {name}")
            path.write_text(told(path.read_text(), self.here))

    def run_one_shots(self):
        """Each after those it waits for."""
        left = {name: service for name, service in self.services.items() if containers.is_one_shot(service)}
        while left:
            ready = [name for name, service in left.items() if not left.keys() & service["depends_on"].keys()]
            if not ready:
                raise SystemExit(f"{', '.join(left)} wait for each other")
            words, variables = self.program(ready[0], self.here)
            print(finish(f"service {ready[0]}", words, os.environ | variables).strip())
            del left[ready[0]]

    def program(self, service, here):
        """A program of this repository, as the service says it."""
        program, *words = (told(word, here) for word in self.services[service]["command"])
        variables = {name: told(value, here) for name, value in containers.environment(self.services[service]).items()}
        return [self.machine.binaries / program, *words], variables

    def api(self, here):
        return self.program("api", here)

    def settler(self, here):
        return self.program("settler", here)

    def kafka(self, here):
        here = here | inside(KAFKA_CONTROLLER, free_port())
        variables = {name: told(value, here) for name, value in containers.environment(self.services["kafka"]).items()}
        variables["KAFKA_LOG_DIRS"] = f"{self.root}/kafka/data"
        defaults, mounted, final = (self.root / "kafka" / name for name in ("defaults", "mounted", "config"))
        for folder in (defaults, mounted, final):
            folder.mkdir(parents=True)
        for name, text in (("server.properties", ""), ("log4j2.yaml", LOGGING), ("tools-log4j2.yaml", LOGGING)):
            (defaults / name).write_text(text)
        java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{self.machine.kafka_jars}/*"]
        setup = ["kafka.docker.KafkaDockerWrapper", "setup", "--default-configs-dir", defaults]
        setup += ["--mounted-configs-dir", mounted, "--final-configs-dir", final]
        finish("Kafka's image, making its configuration,", [*java, *setup], os.environ | variables)
        return [*java, "kafka.Kafka", final / "server.properties"], {}

    def mongodb(self, here):
        """Its entry point and command as they stand there, with a stand-in for the script of the image."""
        bin = self.root / "bin"
        bin.mkdir()
        (bin / "mongod").symlink_to(self.machine.mongod)
        image = Path(__file__).with_name("mongodb_image.py").resolve()
        stand_in = bin / "docker-entrypoint.sh"
        stand_in.write_text(f'#!/bin/sh\nexec "{self.machine.python}" "{image}" "$@"\n')
        stand_in.chmod(0o755)
        service = self.services["mongodb"]
        own = {"0.0.0.0": "127.0.0.1", str(CONTAINERS["mongodb"][1]): str(self.ports["mongodb"])}
        words = [own.get(word, told(word, here)) for word in service["entrypoint"] + service["command"]]
        users = containers.mounted(service, "/docker-entrypoint-initdb.d/passbook.js")
        variables = {name: told(value, here) for name, value in containers.environment(service).items()}
        return words, variables | {
            "PATH": f"{bin}:{os.environ['PATH']}",
            "PASSBOOK_MONGODB_DATA": f"{self.root}/mongodb",
            "PASSBOOK_MONGODB_USER": str(self.machine.repository / users),
        }

    def nginx(self, here):
        service = self.services["nginx"]
        variables = containers.env_file(self.machine.repository / service["env_file"]) | containers.environment(service)
        variables["API_SERVERS"] = self.looked_up(variables["API_SERVERS"])
        if os.geteuid() == 0:
            variables["WORKER_USER"] = "user root;"
        variables = {name: told(value, here) for name, value in variables.items()}
        output = Path(variables["NGINX_ENVSUBST_OUTPUT_DIR"])
        output.mkdir()
        templates = self.machine.repository / containers.mounted(service, "/etc/nginx/templates")
        for template in templates.glob("*.template"):
            text = template.read_text()
            for name, value in variables.items():
                text = text.replace(f"${{{name}}}", value)
            (output / template.name.removesuffix(".template")).write_text(text)
        program, *words = (told(word, here) for word in service["command"])
        return [self.machine.nginx, *words], {}

    def looked_up(self, servers):
        """One `server` statement for every container of `api`, as NGINX finds them by the name."""
        service, port = CONTAINERS["api"]
        name = f"{service}:{port} resolve"
        if name not in servers:
            raise SystemExit(f"nginx: API_SERVERS is {servers}, and {name} does not stand in it")
        same = [other for other, of in CONTAINERS.items() if of == (service, port)]
        return " ".join(servers.replace(name, f"127.0.0.1:{self.ports[other]}") for other in same)

    def start(self, name, words, variables):
        with open(self.root / f"{name}.log", "w") as log:
            process = subprocess.Popen(
                words, env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.running.append((name, process))

    def await_health(self, name, check):
        """By the service's own health check."""
        process, deadline = self.running[-1][1], time.monotonic() + HEALTHY_WITHIN_S
        while subprocess.run(check, stdin=subprocess.DEVNULL, capture_output=True).returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                said = (self.root / f"{name}.log").read_text().strip().splitlines()[-12:]
                raise SystemExit(f"{name} is not healthy by `{' '.join(check)}`; its last lines:\n  " + "\n  ".join(said))
            time.sleep(0.1)
        print(f"{name} is healthy")

    def deposit(self):
        url = f"http://127.0.0.1:{self.ports['nginx']}"
        body = json.dumps({"type": "deposit", "account": "compose", "amount": 1, "currency": "EUR"}).encode()
        accepted = ask(urllib.request.Request(f"{url}/transaction", body, {"Content-Type": "application/json"}))
        settled = ask(f"{url}/transactions/{accepted['id']}?wait=8")
        if settled["status"] != "posted":
            raise SystemExit(f"a deposit was accepted, but reads {settled}")
        print("a deposit went in through NGINX and came out settled")

    def down(self):
        """The last started first, in order, and what does not end in time by force."""
        for name, process in reversed(self.running):
            end(process, signal.SIGQUIT if name == "nginx" else signal.SIGTERM)


def inside(port, here):
    """A service as it speaks of itself."""
    addresses = {f"{address}:{port}": f"127.0.0.1:{here}" for address in ("0.0.0.0", "127.0.0.1", "localhost")}
    return addresses | {f"listen {port}": f"listen 127.0.0.1:{here}"}


def told(text, here):
    for there, replacement in here.items():
        text = text.replace(there, replacement)
    return text


def health_check(service):
    kind, *words = service["healthcheck"]["test"]
    if kind != "CMD":
        raise SystemExit(f"a health check is written as [CMD, program, …], not with {kind}")
    return words


def finish(what, words, variables=None):
    """Runs a program to its end, which must be a good one."""
    ended = subprocess.run(words, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if ended.returncode != 0:
        raise SystemExit(f"{what} failed ({ended.returncode}): {(ended.stdout + ended.stderr).strip()}")
    return ended.stdout


def end(process, how):
    for signal_, patience in ((how, ENDED_WITHIN_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, signal_)
            process.wait(patience)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def ask(request):
    with urllib.request.urlopen(request, timeout=15) as answer:
        return json.load(answer)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def main(*paths):
    # Asked to end, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="passbook-compose-") as root:
        trial = Trial(Machine(*map(Path, paths)), Path(root))
        try:
            trial.up()
        finally:
            trial.down()


if __name__ == "__main__":
    main(*sys.argv[1:])
