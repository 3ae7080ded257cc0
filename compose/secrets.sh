#!/bin/sh
# Makes the secrets that compose.yaml reads, once, in .local/secrets: MongoDB's key file and passwords, and the connection
# strings with those passwords in them. What is there already is kept, since the database knows it.
#
# Compose hands a file to a container with the owner and the mode it has here. The programs there are other users than you
# and must be able to read it, so the files are readable by all, and the directory, which is not mounted, by you alone.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p .local/secrets
cd .local/secrets
umask 022

random() {
    head -c "$1" /dev/urandom | base64 | tr -d '\n'
}

# A password in a connection string: no character of it needs an escape.
password() {
    random 30 | tr '+/' '-_'
}

keep() {
    [ -s "$1" ] || printf '%s' "$2" > "$1"
}

keep mongodb_keyfile "$(random 756)"
keep mongodb_admin_password "$(password)"
keep mongodb_admin_uri "mongodb://admin:$(cat mongodb_admin_password)@mongodb:27017/?authSource=admin&replicaSet=rs0"
keep mongodb_uri "mongodb://passbook:$(password)@mongodb:27017/?authSource=passbook&replicaSet=rs0"
echo "the secrets are in .local/secrets; whoever can read them can read and write the books"
