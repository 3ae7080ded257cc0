//! What the logs may say where a lambda-local is killed that serves NGINX and runs functions.

use system_tests::logs::Expected;

pub(crate) const EXPECTED: [Expected; 6] = [
    Expected { log: "nginx", says: "(111: Connection refused) while connecting to upstream", why: KILLED },
    Expected { log: "nginx", says: "upstream prematurely closed connection", why: KILLED },
    Expected { log: "nginx", says: "(104: Connection reset by peer)", why: KILLED },
    Expected { log: "", says: "failed to send request to Lambda Runtime API", why: OUTLIVED },
    Expected { log: "", says: "Lambda Runtime API request failed", why: OUTLIVED },
    Expected { log: "", says: "Concurrent worker exited with error", why: OUTLIVED },
];

const KILLED: &str = "lambda-local was killed with requests under way, and is away until it is back";
const OUTLIVED: &str = "a function dies with its lambda-local, but may have the time to say that it is gone";
