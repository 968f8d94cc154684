use std::collections::{BTreeMap, BTreeSet};

use super::{FileDiagnosis, Status, Story};

/// What became of many machines, counted: over all inputs together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// All stories.
    pub all: FleetRow,
    /// By how they ended and why: the first cause of those that were not activated.
    pub outcomes: Vec<(String, FleetRow)>,
    /// By product.
    pub products: Vec<(String, FleetRow)>,
    /// By the last host that was asked.
    pub hosts: Vec<(String, FleetRow)>,
    /// By machine.
    pub machines: Vec<(String, FleetRow)>,
    /// By input.
    pub files: Vec<(String, FleetRow)>,
    /// Over time: by the beginning of each stretch of [`Self::stretch`], in nanoseconds since 1970.
    pub times: Vec<(i64, FleetRow)>,
    /// Nanoseconds of a stretch.
    pub stretch: i64,
}

/// Stories, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetRow {
    /// Stories.
    pub stories: u64,
    /// How many of them ended in each way, in the order of [`Status::ALL`].
    pub by_status: [u64; Status::ALL.len()],
    /// Machines: by CMID, name and address.
    pub machines: BTreeSet<String>,
    /// Tries.
    pub attempts: u64,
    /// The first and the last time.
    pub seen: Option<(i64, i64)>,
}

/// Stretches of time that are shown at most.
const MOST_STRETCHES: i64 = 48;
/// What a stretch can be: a second, a minute, ten, an hour, six, a day, a week; in seconds.
const STRETCHES: [i64; 7] = [1, 60, 600, 3_600, 21_600, 86_400, 604_800];

impl Fleet {
    /// Counts the stories of all inputs.
    #[must_use]
    pub fn of(files: &[FileDiagnosis]) -> Self {
        let stories = || files.iter().flat_map(|file| file.stories.iter().map(move |story| (file, story)));
        let times = || stories().filter_map(|(_, story)| began(story));
        let length = times().max().zip(times().min()).map_or(0, |(last, first)| last.saturating_sub(first));
        let fits = |stretch: &i64| length / (stretch * SECOND) < MOST_STRETCHES;
        let stretch = STRETCHES.into_iter().find(fits).unwrap_or(STRETCHES[STRETCHES.len() - 1]) * SECOND;
        let mut fleet = Self { stretch, ..Self::default() };
        let mut tables: [BTreeMap<String, FleetRow>; 5] = Default::default();
        let mut by_time: BTreeMap<i64, FleetRow> = BTreeMap::new();
        for (file, story) in stories() {
            fleet.all.add(story);
            let host = story.hosts.last().map_or_else(|| "-".to_owned(), super::Host::label);
            let keys = [
                outcome(story).to_owned(),
                story.product.label().to_owned(),
                host,
                story.machine.label(),
                file.name.clone(),
            ];
            for (table, key) in tables.iter_mut().zip(keys) {
                table.entry(key).or_default().add(story);
            }
            if let Some(began) = began(story) {
                by_time.entry(began.div_euclid(stretch).saturating_mul(stretch)).or_default().add(story);
            }
        }
        let [outcomes, products, hosts, machines, files] = tables.map(sorted);
        fleet.outcomes = outcomes;
        fleet.products = products;
        fleet.hosts = hosts;
        fleet.machines = machines;
        fleet.files = files;
        fleet.times = by_time.into_iter().collect();
        fleet
    }

    /// The tables by what they are about: their names, and their rows.
    #[must_use]
    pub fn tables(&self) -> [(&'static str, &[(String, FleetRow)]); 5] {
        [
            ("outcome", &self.outcomes),
            ("product", &self.products),
            ("host", &self.hosts),
            ("machine", &self.machines),
            ("file", &self.files),
        ]
    }
}

/// How a story ended, and why: the headline of its first cause.
#[must_use]
pub fn outcome(story: &Story) -> &'static str {
    match story.causes.first() {
        Some(cause) => cause.kind.headline(),
        None => match story.status {
            Status::NotActivated => "not activated",
            Status::Unknown => "not known from the capture",
            Status::Activated => "activated",
            Status::Renewed => "renewed",
        },
    }
}

impl FleetRow {
    fn add(&mut self, story: &Story) {
        self.stories += 1;
        let at = Status::ALL.iter().position(|status| *status == story.status).unwrap_or(0);
        self.by_status[at] += 1;
        self.machines.insert(match story.machine.cmid {
            Some(cmid) => format!("{cmid} {}", story.machine.label()),
            None => story.machine.label(),
        });
        self.attempts += story.attempts;
        let (first, last) = match story.span {
            Some((first, last)) => (first.time, last.time),
            None => (None, None),
        };
        for time in first.into_iter().chain(last) {
            self.seen = Some(self.seen.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
        }
    }

    /// How many ended so.
    #[must_use]
    pub fn with(&self, status: Status) -> u64 {
        Status::ALL.iter().position(|known| *known == status).map_or(0, |at| self.by_status[at])
    }
}

fn began(story: &Story) -> Option<i64> {
    story.span?.0.time
}

/// The rows with the most stories first.
fn sorted(table: BTreeMap<String, FleetRow>) -> Vec<(String, FleetRow)> {
    let mut rows: Vec<(String, FleetRow)> = table.into_iter().collect();
    rows.sort_by(|(a, left), (b, right)| right.stories.cmp(&left.stories).then_with(|| a.cmp(b)));
    rows
}

const SECOND: i64 = 1_000_000_000;
