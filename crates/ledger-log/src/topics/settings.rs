//! What each topic has to be told, and why: one table, by which topics are made and those that are there are judged.
//!
//! | setting | topics | wanted | why |
//! |---|---|---|---|
//! | `cleanup.policy` | commands, outcomes | `delete` | compaction would remove all but the last command of an account |
//! | `cleanup.policy` | generations | `compact` | the last record of a topic counts, and stays for good |
//! | `retention.ms`, `retention.bytes` | commands | `-1`: no bound | what is deleted before it is settled is lost, and the books can no longer be made anew from the log |
//! | `retention.ms` | outcomes | 7 days or more | for so long may a consumer be away; an outcome stays in its account's book for good |
//! | `retention.bytes` | outcomes | `-1`: no bound | the same, however many outcomes there are |
//! | `message.timestamp.type` | commands, generations | `LogAppendTime` | the broker's clock alone decides what expires, and tells two generations apart |
//! | `unclean.leader.election.enable` | all | `false` | a replica that is behind would lead, and what clients were told is recorded would be gone; MSK's own default is true |
//! | `min.insync.replicas` | all | 2 or more of 3 replicas, else 1 | a record is confirmed once two have it, and one broker may be away |
//! | `compression.type` | all | `producer` | any other has the broker compress each batch anew, while an append waits |
//! | `max.message.bytes` | commands, outcomes | 1048588 or more | Kafka's default; clients send up to 1,000,000 bytes at once, and a smaller bound refuses them |
//!
//! The names and defaults are Kafka's ("Topic Configs"); MSK's ("Default Amazon MSK configuration").

use std::collections::BTreeMap;

use ledger::Partition;
use rdkafka::admin::{NewTopic, TopicReplication};
use serde::Serialize;

use crate::{COMMANDS, GENERATIONS, OUTCOMES};

/// A setting of a topic, and what for.
#[derive(Debug)]
pub(super) struct Setting {
    name: &'static str,
    wanted: Wanted,
    why: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Wanted {
    Exactly(&'static str),
    /// A number, or no bound at all, which is `-1`.
    AtLeast(&'static str),
    /// Two where one of three may be away; with fewer replicas, asking for two would stop the ledger when one is away.
    MostInSync,
}

const KEPT_WHOLE: Setting = Setting {
    name: "cleanup.policy",
    wanted: Wanted::Exactly("delete"),
    why: "compaction removes all but the last record of an account",
};
const CLEAN_LEADERS: Setting = Setting {
    name: "unclean.leader.election.enable",
    wanted: Wanted::Exactly("false"),
    why: "a replica that is behind would lead, and records that were confirmed would be gone",
};
const IN_SYNC: Setting = Setting {
    name: "min.insync.replicas",
    wanted: Wanted::MostInSync,
    why: "a record is confirmed once so many replicas have it",
};
const BROKERS_TIME: Setting = Setting {
    name: "message.timestamp.type",
    wanted: Wanted::Exactly("LogAppendTime"),
    why: "the brokers' clock alone decides what expires, and tells two generations apart",
};
const AS_WRITTEN: Setting = Setting {
    name: "compression.type",
    wanted: Wanted::Exactly("producer"),
    why: "any other has the broker compress each batch anew, while an append waits",
};
const ROOM: Setting = Setting {
    name: "max.message.bytes",
    wanted: Wanted::AtLeast("1048588"),
    why: "clients send up to 1,000,000 bytes at once",
};

const FOR_COMMANDS: [Setting; 8] = [
    KEPT_WHOLE,
    Setting {
        name: "retention.ms",
        wanted: Wanted::Exactly("-1"),
        why: "what is deleted before it is settled is lost, and books are made anew from the whole log",
    },
    Setting { name: "retention.bytes", wanted: Wanted::Exactly("-1"), why: "the same" },
    BROKERS_TIME,
    CLEAN_LEADERS,
    IN_SYNC,
    AS_WRITTEN,
    ROOM,
];
const FOR_OUTCOMES: [Setting; 7] = [
    KEPT_WHOLE,
    Setting {
        name: "retention.ms",
        wanted: Wanted::AtLeast("604800000"),
        why: "for so long may a consumer of outcomes be away",
    },
    Setting {
        name: "retention.bytes",
        wanted: Wanted::Exactly("-1"),
        why: "the same, however many outcomes there are",
    },
    CLEAN_LEADERS,
    IN_SYNC,
    AS_WRITTEN,
    ROOM,
];
const FOR_GENERATIONS: [Setting; 5] = [
    Setting {
        name: "cleanup.policy",
        wanted: Wanted::Exactly("compact"),
        why: "the last record of a topic counts, and is to stay for good",
    },
    BROKERS_TIME,
    CLEAN_LEADERS,
    IN_SYNC,
    AS_WRITTEN,
];

/// A setting that is not as the ledger's promises need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deviation {
    pub topic: String,
    pub setting: String,
    pub value: String,
    pub wanted: String,
    pub why: String,
    /// The command that mends it: Kafka's own. Where it cannot be mended, what to do.
    pub mend: String,
}

impl std::fmt::Display for Deviation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, setting, value, wanted, why, mend } = self;
        write!(f, "{topic} has {setting}={value}, and {wanted} is wanted: {why}; {mend}")
    }
}

/// What a topic of the ledger has to be told.
pub(super) fn of(topic: &str) -> &'static [Setting] {
    match topic {
        COMMANDS => &FOR_COMMANDS,
        OUTCOMES => &FOR_OUTCOMES,
        GENERATIONS => &FOR_GENERATIONS,
        _ => &[],
    }
}

/// A topic to be created.
pub(super) fn new_topic(topic: &'static str, partitions: Partition, replication_factor: u16) -> NewTopic<'static> {
    let replication = TopicReplication::Fixed(replication_factor.into());
    let new = NewTopic::new(topic, partitions.into(), replication);
    of(topic).iter().fold(new, |new, setting| new.set(setting.name, setting.value(replication_factor)))
}

/// In what a topic with these settings deviates. What the broker does not tell is no deviation: the embedded one tells little.
pub(super) fn deviations(
    topic: &str,
    in_force: &BTreeMap<String, String>,
    replication_factor: u16,
    brokers: &str,
) -> Vec<Deviation> {
    let deviation = |setting: &Setting| {
        let value = in_force.get(setting.name).filter(|value| !setting.is_met_by(value, replication_factor))?;
        let Setting { name, why, .. } = setting;
        let wanted = setting.value(replication_factor);
        let mend = if hides_a_loss(topic, name, value) {
            NEXT_GENERATION.to_owned()
        } else {
            format!(
                "kafka-configs.sh --bootstrap-server {brokers} --alter --entity-type topics --entity-name {topic} --add-config {name}={wanted}"
            )
        };
        Some(Deviation {
            topic: topic.to_owned(),
            setting: (*name).to_owned(),
            value: value.clone(),
            wanted: wanted.to_owned(),
            why: (*why).to_owned(),
            mend,
        })
    };
    of(topic).iter().filter_map(deviation).collect()
}

/// What to do where commands may have been removed.
const NEXT_GENERATION: &str = "commands may be gone, and to set it back would hide that: stop `api`, let `settler` settle what is there, stop it too, then `passbook topics delete` and `passbook topics create`";

/// Whether records may be gone from the middle of the log. Once the setting is right again, nothing tells them from markers of
/// transactions.
fn hides_a_loss(topic: &str, name: &str, value: &str) -> bool {
    topic == COMMANDS && name == KEPT_WHOLE.name && value.contains("compact")
}

impl Setting {
    /// What is set where a topic is created.
    const fn value(&self, replication_factor: u16) -> &'static str {
        match self.wanted {
            Wanted::Exactly(value) | Wanted::AtLeast(value) => value,
            Wanted::MostInSync if replication_factor >= 3 => "2",
            Wanted::MostInSync => "1",
        }
    }

    fn is_met_by(&self, value: &str, replication_factor: u16) -> bool {
        let wanted = self.value(replication_factor);
        let number = |text: &str| text.parse::<i64>().ok();
        match self.wanted {
            Wanted::Exactly(_) => value == wanted,
            Wanted::AtLeast(_) => value == "-1" || number(value) >= number(wanted),
            Wanted::MostInSync => number(value) >= number(wanted) && number(value) <= Some(replication_factor.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force(topic: &str, replication_factor: u16) -> BTreeMap<String, String> {
        let told = |setting: &Setting| (setting.name.to_owned(), setting.value(replication_factor).to_owned());
        of(topic).iter().map(told).collect()
    }

    fn check(topic: &str, replication_factor: u16, name: &str, value: &str, deviates: bool) {
        let mut settings = in_force(topic, replication_factor);
        assert!(settings.insert(name.to_owned(), value.to_owned()).is_some(), "{topic} is told {name}");
        let deviations = deviations(topic, &settings, replication_factor, "b:9092");
        assert_eq!(deviations.len(), usize::from(deviates), "{topic} {name}={value}: {deviations:?}");
    }

    #[test]
    fn commands_that_were_compacted_are_not_made_to_look_whole() {
        let mut settings = in_force(COMMANDS, 1);
        settings.insert("cleanup.policy".to_owned(), "compact,delete".to_owned());
        let [deviation] = deviations(COMMANDS, &settings, 1, "b:9092").try_into().unwrap();
        assert!(
            deviation.mend.contains("passbook topics delete") && !deviation.mend.contains("--add-config"),
            "{deviation}"
        );
        let [of_outcomes] = deviations(OUTCOMES, &settings, 1, "b:9092").try_into().unwrap();
        assert!(of_outcomes.mend.ends_with("--add-config cleanup.policy=delete"), "{of_outcomes}");
    }

    #[test]
    fn a_topic_is_as_it_was_created() {
        for topic in [COMMANDS, OUTCOMES, GENERATIONS] {
            for replication_factor in [1, 2, 3, 5] {
                let settings = in_force(topic, replication_factor);
                assert_eq!(deviations(topic, &settings, replication_factor, "b:9092"), []);
            }
        }
        assert_eq!(deviations(COMMANDS, &BTreeMap::new(), 3, "b:9092"), [], "a broker that tells nothing");
    }

    #[test]
    fn what_would_break_a_promise_deviates_and_what_promises_more_does_not() {
        for (topic, replication_factor, name, value, deviates) in [
            (COMMANDS, 3, "unclean.leader.election.enable", "true", true),
            (COMMANDS, 3, "cleanup.policy", "compact,delete", true),
            (COMMANDS, 3, "retention.ms", "604800000", true),
            (COMMANDS, 3, "retention.bytes", "1073741824", true),
            (COMMANDS, 3, "message.timestamp.type", "CreateTime", true),
            (COMMANDS, 3, "min.insync.replicas", "1", true),
            (COMMANDS, 3, "min.insync.replicas", "3", false),
            (COMMANDS, 3, "min.insync.replicas", "4", true),
            (COMMANDS, 2, "min.insync.replicas", "2", false),
            (COMMANDS, 1, "min.insync.replicas", "2", true),
            (COMMANDS, 1, "compression.type", "zstd", true),
            (COMMANDS, 1, "max.message.bytes", "1000", true),
            (COMMANDS, 1, "max.message.bytes", "8000000", false),
            (OUTCOMES, 1, "retention.ms", "3600000", true),
            (OUTCOMES, 1, "retention.ms", "-1", false),
            (OUTCOMES, 1, "max.message.bytes", "nonsense", true),
            (GENERATIONS, 1, "cleanup.policy", "delete", true),
        ] {
            check(topic, replication_factor, name, value, deviates);
        }
    }

    #[test]
    fn a_deviation_says_what_is_what_is_wanted_why_and_what_mends_it() {
        let mut settings = in_force(COMMANDS, 3);
        settings.insert("unclean.leader.election.enable".to_owned(), "true".to_owned());
        let deviations = deviations(COMMANDS, &settings, 3, "b:9092");
        assert_eq!(
            deviations[0].to_string(),
            "passbook.commands has unclean.leader.election.enable=true, and false is wanted: a replica that is behind \
             would lead, and records that were confirmed would be gone; kafka-configs.sh --bootstrap-server b:9092 \
             --alter --entity-type topics --entity-name passbook.commands --add-config \
             unclean.leader.election.enable=false"
        );
    }
}
