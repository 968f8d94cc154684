use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use crate::capture::Comment;
use crate::mak::vamt::Computer;
use crate::redact::StandIns;
use crate::trace::{
    ChannelRecord, ConnectionRecord, ControlRecord, DirectoryExchange, Exchange, FileRecord, GuestExchange,
    Lookup, MakExchange, Notice, ObjectRecord, Observer, PduRecord, Scribe, Search, Summary,
};

/// An observer that is told stand-ins, where there are any.
pub(super) struct StandingIn<'a, O> {
    pub(super) observer: O,
    stand_ins: Option<&'a StandIns>,
}

impl<'a, O> StandingIn<'a, O> {
    pub(super) fn new(observer: O, stand_ins: Option<&'a StandIns>) -> Self {
        Self { observer, stand_ins }
    }

    /// A complaint as it may be told.
    pub(super) fn stand_in<'n>(&self, notice: &'n Notice) -> Cow<'n, Notice> {
        match self.stand_ins {
            Some(stand_ins) => Cow::Owned(stand_ins.notice(notice)),
            None => Cow::Borrowed(notice),
        }
    }
}

macro_rules! told {
    ($($name:ident: $record:ty),+ $(,)?) => {
        $(fn $name(&mut self, record: &$record) {
            match self.stand_ins {
                Some(stand_ins) => self.observer.$name(&stand_ins.$name(record)),
                None => self.observer.$name(record),
            }
        })+
    };
}

impl<O: Observer> Observer for StandingIn<'_, O> {
    told! {
        exchange: Exchange,
        mak: MakExchange,
        computer: Computer,
        directory: DirectoryExchange,
        object: ObjectRecord,
        lookup: Lookup,
        search: Search,
        guest: GuestExchange,
        channel: ChannelRecord,
        control: ControlRecord,
        connection: ConnectionRecord,
        notice: Notice,
        comment: Comment,
    }

    fn file(&mut self, file: &FileRecord<'_>) {
        self.observer.file(file);
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        match self.stand_ins {
            Some(stand_ins) => stand_ins.pdu(pdu, &mut |pdu| self.observer.pdu(pdu)),
            None => self.observer.pdu(pdu),
        }
    }

    fn summary(&mut self, summary: &Summary) {
        self.observer.summary(summary);
    }

    fn wants_more(&self) -> bool {
        self.observer.wants_more()
    }
}

impl<O: Scribe> Scribe for StandingIn<'_, O> {
    fn written(&self) -> usize {
        self.observer.written()
    }

    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8> {
        self.observer.turn(empty)
    }
}

/// The stand-ins for `--redact`: of the secret that was given, or of one that nobody knows, and that is gone at the end.
pub(super) fn stand_ins(secret: &str) -> StandIns {
    if !secret.is_empty() {
        return StandIns::new(secret.as_bytes());
    }
    // Its two keys come from the system's random numbers; what it makes of four numbers is no way back to them.
    let random = RandomState::new();
    let secret: Vec<u8> = (0..4_u64).flat_map(|number| random.hash_one(number).to_le_bytes()).collect();
    StandIns::new(&secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Guid;

    #[test]
    fn a_secret_of_ones_own_gives_the_same_stand_ins_and_no_secret_others_each_time() {
        let of = |secret| stand_ins(secret).guid(Guid::from_u128(1));
        assert_eq!(of("mine"), of("mine"));
        assert_ne!(of("mine"), of("yours"));
        assert_ne!(of(""), of(""));
    }
}
