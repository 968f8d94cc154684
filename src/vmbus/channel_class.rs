use crate::wire::Guid;

/// What a channel is for, by the GUIDs of its class and of its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelClass {
    /// Automatic virtual machine activation, "inherited activation".
    Avma,
    /// Remote desktop control, which some lists call AVMA by mistake ([`Self::remark`]).
    SynthRdpControl,
    /// Remote desktop data.
    SynthRdpData,
    /// Remote desktop virtualization.
    RemoteDesktopVirtualization,
    /// Initial machine configuration.
    InitialMachineConfiguration,
    /// Key-value pair data exchange, in which a guest reports how its activation went.
    Kvp,
    /// Any other.
    Unknown,
}

impl ChannelClass {
    /// What these GUIDs say. An instance tells where the class is nil, because nobody recorded it.
    #[must_use]
    pub fn of(class: Guid, instance: Guid) -> Self {
        let known = if class == Guid::NIL && instance != Guid::NIL {
            KNOWN.iter().find(|known| known.2 == Some(instance))
        } else {
            KNOWN.iter().find(|known| known.1 == class)
        };
        known.map_or(Self::Unknown, |known| known.0)
    }

    /// A short name, as filters and reports have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avma => "avma",
            Self::SynthRdpControl => "synthrdp-control",
            Self::SynthRdpData => "synthrdp-data",
            Self::RemoteDesktopVirtualization => "remote-desktop-virtualization",
            Self::InitialMachineConfiguration => "initial-machine-configuration",
            Self::Kvp => "kvp",
            Self::Unknown => "unknown",
        }
    }

    /// What has to be said of channels of this class.
    #[must_use]
    pub fn remark(self) -> Option<&'static str> {
        (self == Self::SynthRdpControl).then_some(
            "remote desktop control: Linux (as HV_AVMA1_GUID) and KB2925727 list this pair of GUIDs as AVMA by mistake",
        )
    }

    /// The GUID of the class.
    #[must_use]
    pub fn class_id(self) -> Option<Guid> {
        self.known().map(|known| known.1)
    }

    /// The GUID of its only instance, where that is known.
    #[must_use]
    pub fn instance_id(self) -> Option<Guid> {
        self.known().and_then(|known| known.2)
    }

    /// All classes with a GUID.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN.iter().map(|known| known.0)
    }

    fn known(self) -> Option<&'static (Self, Guid, Option<Guid>)> {
        KNOWN.iter().find(|known| known.0 == self)
    }
}

const fn guid(value: u128) -> Guid {
    Guid::from_u128(value)
}

const KNOWN: &[(ChannelClass, Guid, Option<Guid>)] = &[
    (
        ChannelClass::Avma,
        guid(0x3375baf4_9e15_4b30_b765_67acb10d607b),
        Some(guid(0x4487b255_b88c_403f_bb51_d1f69cf17f87)),
    ),
    (
        ChannelClass::SynthRdpControl,
        guid(0xf8e65716_3cb3_4a06_9a60_1889c5cccab5),
        Some(guid(0x99221fa0_24ad_11e2_be98_001aa01bbf6e)),
    ),
    (ChannelClass::SynthRdpData, guid(0xf9e9c0d3_b511_4a48_8046_d38079a8830c), None),
    (ChannelClass::RemoteDesktopVirtualization, guid(0x276aacf4_ac15_426c_98dd_7521ad3f01fe), None),
    (
        ChannelClass::InitialMachineConfiguration,
        guid(0xc376c1c3_d276_48d2_90a9_c04748072c60),
        Some(guid(0xc4e5e7d1_d748_4afc_979d_683167910a55)),
    ),
    (
        ChannelClass::Kvp,
        guid(0xa9a0f4e7_5a45_4d96_b827_8a841e8c03e6),
        Some(guid(0x242ff919_07db_4180_9c2e_b86cb68c8c55)),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_known_by_its_guid_and_by_that_of_its_instance() {
        assert_eq!(ChannelClass::all().count(), 6);
        for class in ChannelClass::all() {
            let (class_id, instance) = (class.class_id().unwrap(), class.instance_id());
            assert_eq!(ChannelClass::of(class_id, Guid::from_u128(1)), class, "{}", class.name());
            assert!(instance.is_none_or(|id| ChannelClass::of(Guid::NIL, id) == class));
        }
        assert_eq!(ChannelClass::of(Guid::NIL, Guid::NIL), ChannelClass::Unknown);
        assert_eq!(ChannelClass::Unknown.class_id(), None);
    }

    #[test]
    fn the_pair_that_lists_call_avma_by_mistake_is_remote_desktop_and_says_so() {
        let pair = ["f8e65716-3cb3-4a06-9a60-1889c5cccab5", "99221fa0-24ad-11e2-be98-001aa01bbf6e"];
        let [class, instance] = pair.map(|text| Guid::parse(text).unwrap());
        assert_eq!(ChannelClass::of(class, instance), ChannelClass::SynthRdpControl);
        assert!(ChannelClass::SynthRdpControl.remark().unwrap().contains("by mistake"));
        assert_eq!(ChannelClass::Avma.remark(), None);
    }
}
