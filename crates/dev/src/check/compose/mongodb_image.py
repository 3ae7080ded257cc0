"""Stands in for the entry point of MongoDB's image: makes the users on an empty data directory, with a mongod that asks for
no password, and then becomes the mongod that it was told to start."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pymongo

DATA, SCRIPT = Path(os.environ["PASSBOOK_MONGODB_DATA"]), Path(os.environ["PASSBOOK_MONGODB_USER"])
PASSWORD_FILE = Path(os.environ["MONGO_INITDB_ROOT_PASSWORD_FILE"])


def make_users(program):
    # Where nobody looks for it: in the container it listens to itself alone.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    words = ["--dbpath", DATA, "--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket"]
    mongod = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL)
    try:
        client = pymongo.MongoClient("127.0.0.1", port, directConnection=True)
        administrator = os.environ["MONGO_INITDB_ROOT_USERNAME"]
        root = [{"role": "root", "db": "admin"}]
        client.admin.command("createUser", administrator, pwd=PASSWORD_FILE.read_text(), roles=root)
        run_script(client)
    finally:
        mongod.terminate()
        mongod.wait()


def run_script(client):
    """What the script in the image does, with the file, the database and the role that it says; no shell is here to run it."""
    said = SCRIPT.read_text()
    secret = re.search(r'readFileSync\("/run/secrets/(\w+)"', said)[1]
    database, role = re.search(r'getSiblingDB\("(\w+)"\)\.createUser\(\{ user, pwd, roles: \["(\w+)"\] \}\)', said).groups()
    uri = PASSWORD_FILE.with_name(secret).read_text()
    user, password = re.match(r"mongodb://([^:]+):([^@]+)@", uri).groups()
    client[database].command("createUser", user, pwd=password, roles=[role])


program, *words = sys.argv[1:]
if not DATA.exists():
    DATA.mkdir()
    make_users(program)
os.execvp(program, [program, *words, "--dbpath", str(DATA), "--nounixsocket"])
