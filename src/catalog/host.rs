//! KMS hosts: the key (CSVLK) and the build that an ePID tells of (`csvlk.tsv`, `host-builds.tsv`).
//!
//! Both tables are incomplete. `csvlk.tsv` has no host keys of Windows before Windows 10 and Windows
//! Server 2016, and `host-builds.tsv` lacks released builds such as 10586, 19045 and 25398: absence
//! proves nothing.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use super::table;

/// Customer-specific volume licence key of one kind of host: its group and key blocks (`csvlk.tsv`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csvlk {
    /// The products the key is for, "Windows Server 2019".
    pub name: &'static str,
    /// The key group, second part of an ePID.
    pub group: u32,
    /// The blocks of the nine-digit key sequence, third and fourth part of an ePID.
    pub blocks: Vec<RangeInclusive<u32>>,
    /// Where the row is from, "pkeyconfig".
    pub source: &'static str,
}

impl Csvlk {
    /// Whether one of the blocks contains this nine-digit key sequence (`csvlk.tsv`).
    pub fn contains(&self, key: u32) -> bool {
        self.blocks.iter().any(|block| block.contains(&key))
    }
}

/// Build of Windows that a host runs (`host-builds.tsv`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBuild {
    /// The build number, as in an ePID.
    pub build: u32,
    /// The platform id, first part of an ePID, where it is written with five digits.
    pub platform_id: u32,
    /// The day of its release, `2018-10-02`.
    pub release_date: &'static str,
    /// Its name, "Windows 10 1809 / Server 2019".
    pub name: &'static str,
}

/// All host keys, in the order of `csvlk.tsv`.
pub fn csvlks() -> impl Iterator<Item = &'static Csvlk> {
    CSVLKS.iter()
}

/// The host keys of this group, several for group 206 (`csvlk.tsv`).
pub fn csvlks_of_group(group: u32) -> impl Iterator<Item = &'static Csvlk> {
    csvlks().filter(move |csvlk| csvlk.group == group)
}

/// The host keys of this group with a block that contains this key sequence (`csvlk.tsv`).
///
/// No two rows of today's table overlap, so this is one at most.
pub fn csvlks_of_key(group: u32, key: u32) -> impl Iterator<Item = &'static Csvlk> {
    csvlks_of_group(group).filter(move |csvlk| csvlk.contains(key))
}

/// The build with this number (`host-builds.tsv`).
pub fn build(build: u32) -> Option<&'static HostBuild> {
    BUILDS.get(&build)
}

/// All builds, ascending (`host-builds.tsv`).
pub fn builds() -> impl Iterator<Item = &'static HostBuild> {
    BUILDS.values()
}

fn parse_csvlks(text: &'static str) -> Vec<Csvlk> {
    table::rows(text)
        .filter_map(|[name, group, blocks, source]| {
            let blocks = blocks.split(',').map(block).collect::<Option<_>>()?;
            Some(Csvlk { name, group: group.parse().ok()?, blocks, source })
        })
        .collect()
}

fn block(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-')?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

fn parse_builds(text: &'static str) -> BTreeMap<u32, HostBuild> {
    table::rows(text)
        .filter_map(|[build, platform_id, release_date, name]| {
            let build = build.parse().ok()?;
            let platform_id = platform_id.parse().ok()?;
            Some((build, HostBuild { build, platform_id, release_date, name }))
        })
        .collect()
}

static CSVLKS: LazyLock<Vec<Csvlk>> = LazyLock::new(|| parse_csvlks(CSVLK_TABLE));

static BUILDS: LazyLock<BTreeMap<u32, HostBuild>> = LazyLock::new(|| parse_builds(BUILD_TABLE));

const CSVLK_TABLE: &str = include_str!("csvlk.tsv");
const BUILD_TABLE: &str = include_str!("host-builds.tsv");

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of_key(group: u32, key: u32) -> Vec<&'static str> {
        csvlks_of_key(group, key).map(|csvlk| csvlk.name).collect()
    }

    #[test]
    fn every_row_of_the_tables_is_read() {
        assert_eq!(csvlks().count(), 21);
        assert_eq!(table::row_count(CSVLK_TABLE), 21);
        assert_eq!(builds().count(), 32);
        assert_eq!(table::row_count(BUILD_TABLE), 32);
    }

    #[test]
    fn blocks_ascend_and_have_nine_digits_at_most() {
        for csvlk in csvlks() {
            for block in &csvlk.blocks {
                assert!(block.start() <= block.end() && *block.end() <= 999_999_999, "{}", csvlk.name);
            }
        }
    }

    #[test]
    fn no_key_belongs_to_two_rows() {
        for csvlk in csvlks() {
            for block in &csvlk.blocks {
                for key in [*block.start(), *block.end()] {
                    assert_eq!(names_of_key(csvlk.group, key), [csvlk.name]);
                }
            }
        }
    }

    #[test]
    fn key_is_looked_up_in_its_group() {
        // 03612-00206-564-865711-03-7169-14393.0000-1092021
        assert_eq!(names_of_key(206, 564_865_711), ["Windows Server 2019"]);
        // 05426-00096-209-716227-03-1043-9200.0000-0382017
        assert_eq!(names_of_key(96, 209_716_227), ["Office 2010"]);
        assert!(names_of_key(96, 564_865_711).is_empty());
    }

    #[test]
    fn key_between_two_blocks_of_a_row_is_outside() {
        assert_eq!(names_of_key(4573, 19_999), ["Windows Server 2022"]);
        assert!(names_of_key(4573, 20_000).is_empty());
        assert!(names_of_key(4573, 29_999).is_empty());
        assert_eq!(names_of_key(4573, 30_000), ["Windows Server 2022"]);
    }

    #[test]
    fn group_206_has_several_rows() {
        assert_eq!(csvlks_of_group(206).count(), 13);
        assert_eq!(csvlks_of_group(1).count(), 0);
    }

    #[test]
    fn build_has_its_platform_id() {
        let build = build(17763).unwrap();
        assert_eq!((build.platform_id, build.name), (3612, "Windows 10 1809 / Server 2019"));
        assert!(super::build(17764).is_none());
    }

    #[test]
    fn platform_id_follows_from_the_build() {
        for build in builds() {
            let expected = match build.build {
                ..=7601 => 55041,
                9200 => 5426,
                9600 => 6401,
                _ => 3612,
            };
            assert_eq!(build.platform_id, expected, "{}", build.name);
        }
    }
}
