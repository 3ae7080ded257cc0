// Run once by the MongoDB image, when its data directory is still empty: makes the user that the functions sign in as,
// with the name and the password of their own connection string. It may read and write the books and nothing else.
const uri = require("fs").readFileSync("/run/secrets/mongodb_uri", "utf8");
const [, user, pwd] = uri.match(/^mongodb:\/\/([^:]+):([^@]+)@/);
db.getSiblingDB("passbook").createUser({ user, pwd, roles: ["readWrite"] });
