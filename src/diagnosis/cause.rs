/// A kind of cause, or of something else that is worth knowing about a story.
///
/// Each has a name that stays, what it is in half a sentence, what to do about it, and the title of the article of
/// Microsoft's documentation that treats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// The host has counted fewer machines than this one demands.
    CountTooLow,
    /// The host has no key for the product (SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH).
    ProductKeyMissing,
    /// The host is not activated itself.
    HostNotActivated,
    /// The service is not enabled on the host.
    KmsNotEnabled,
    /// The clocks of the machine and the host differ too much.
    ClockSkew,
    /// The clock of the capture is off, and those of the machines are not.
    CaptureClock,
    /// The name exists, and has no SRV record.
    NoSrvRecord,
    /// DNS knows no such name.
    NameNotFound,
    /// The DNS server failed, refused or did not answer.
    DnsFailed,
    /// The name of the host has no address.
    TargetUnresolved,
    /// The connection was refused.
    ConnectionRefused,
    /// Nobody answered the SYN.
    HostUnreachable,
    /// The connection was reset in place of an answer.
    ConnectionReset,
    /// The request was not answered.
    NoAnswer,
    /// The host closed the connection without an answer.
    ConnectionDropped,
    /// The answer ends before its end.
    AnswerCut,
    /// Packets had to be sent again.
    PacketsLost,
    /// Something other than a KMS host answers on the port.
    WrongService,
    /// The host has no such interface.
    InterfaceRefused,
    /// The host accepts none of the transfer syntaxes.
    SyntaxRefused,
    /// The bind was refused as a whole.
    BindRefused,
    /// The host does not speak the request's version.
    VersionRefused,
    /// The host could not read the request (0x8007000D).
    RequestInvalid,
    /// The host answered with a fault of DCE/RPC.
    HostFault,
    /// The host answered with another error.
    HostRefused,
    /// The answer is none.
    AnswerUnreadable,
    /// A genuine client rejects the answer.
    AnswerRejected,
    /// Office was asked of a KMS host of Azure.
    OfficeAtAzure,
    /// A KMS host of Azure did not answer.
    AzureUnreachable,
    /// A key for automatic virtual machine activation was used in Azure.
    AvmaKeyInAzure,
    /// The host offered activation, and the guest did not open the channel.
    AvmaNotOpened,
    /// The guest opened the channel and got no answer.
    AvmaSilent,
    /// The guest says that automatic activation failed.
    AvmaRefused,
    /// Active Directory has no activation object for the product.
    DirectoryEmpty,
    /// The key has used up its activations.
    MakLimit,
    /// The key is blocked.
    MakBlocked,
    /// The key is invalid.
    MakInvalidKey,
    /// The installation ID, or the confirmation ID, is bad.
    MakBadId,
    /// The key is of another type.
    MakWrongKeyType,
    /// The service refused for another reason.
    MakRefused,
    /// The service was not reached.
    MakUnreachable,
    /// The service, or a proxy, answered with an HTTP error.
    MakHttpError,
    /// Several machines have one CMID.
    DuplicateMachineId,
    /// The host gives intervals far from the defaults.
    IntervalsUnusual,
    /// The host may not write its SRV record.
    HostCannotPublish,
    /// Earlier tries failed.
    TriedBefore,
    /// The machine is activated, and a later try failed.
    FailedSince,
    /// The machine's own event says that it did not take the answer.
    MachineRejects,
    /// An event tells of a request that no capture has.
    EventWithoutTraffic,
    /// A request of which the machine's log has no event.
    TrafficWithoutEvent,
    /// The confirmation ID still has to be installed on the machine.
    ProxyActivation,
}

/// What is said of a kind, whatever the case.
struct Known {
    name: &'static str,
    headline: &'static str,
    remedy: &'static str,
    article: Option<&'static str>,
}

impl CauseKind {
    /// All of them.
    pub const ALL: [Self; 51] = [
        Self::CountTooLow,
        Self::ProductKeyMissing,
        Self::HostNotActivated,
        Self::KmsNotEnabled,
        Self::ClockSkew,
        Self::CaptureClock,
        Self::NoSrvRecord,
        Self::NameNotFound,
        Self::DnsFailed,
        Self::TargetUnresolved,
        Self::ConnectionRefused,
        Self::HostUnreachable,
        Self::ConnectionReset,
        Self::NoAnswer,
        Self::ConnectionDropped,
        Self::AnswerCut,
        Self::PacketsLost,
        Self::WrongService,
        Self::InterfaceRefused,
        Self::SyntaxRefused,
        Self::BindRefused,
        Self::VersionRefused,
        Self::RequestInvalid,
        Self::HostFault,
        Self::HostRefused,
        Self::AnswerUnreadable,
        Self::AnswerRejected,
        Self::OfficeAtAzure,
        Self::AzureUnreachable,
        Self::AvmaKeyInAzure,
        Self::AvmaNotOpened,
        Self::AvmaSilent,
        Self::AvmaRefused,
        Self::DirectoryEmpty,
        Self::MakLimit,
        Self::MakBlocked,
        Self::MakInvalidKey,
        Self::MakBadId,
        Self::MakWrongKeyType,
        Self::MakRefused,
        Self::MakUnreachable,
        Self::MakHttpError,
        Self::DuplicateMachineId,
        Self::IntervalsUnusual,
        Self::HostCannotPublish,
        Self::TriedBefore,
        Self::FailedSince,
        Self::MachineRejects,
        Self::EventWithoutTraffic,
        Self::TrafficWithoutEvent,
        Self::ProxyActivation,
    ];

    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.known().name
    }

    /// What it is, in half a sentence.
    #[must_use]
    pub fn headline(self) -> &'static str {
        self.known().headline
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.known().remedy
    }

    /// The title of the article in Microsoft's documentation.
    #[must_use]
    pub fn article(self) -> Option<&'static str> {
        self.known().article
    }

    const fn known(self) -> Known {
        match self {
            Self::CountTooLow => Known {
                name: "count-too-low",
                headline: "the host has counted too few machines",
                remedy: "Let more machines with CMIDs of their own ask this host (25 for Windows clients, 5 for servers and Office); each counts once, for 30 days.",
                article: Some(KMSACT_ARTICLE),
            },
            Self::ProductKeyMissing => Known {
                name: "product-key-missing",
                headline: "the host has no key for the product",
                remedy: "Install a KMS host key that covers the product on the host, and activate it; or point the machine to a host that has one.",
                article: Some(CODES_ARTICLE),
            },
            Self::HostNotActivated => Known {
                name: "host-not-activated",
                headline: "the host is not activated itself",
                remedy: "Activate the KMS host with its own key (slmgr /ato on the host).",
                article: Some(CODES_ARTICLE),
            },
            Self::KmsNotEnabled => Known {
                name: "kms-not-enabled",
                headline: "the key management service is not enabled on the host",
                remedy: "Install a KMS host key on it (slmgr /ipk), or point the machine to the right host.",
                article: Some(CODES_ARTICLE),
            },
            Self::ClockSkew => Known {
                name: "clock-skew",
                headline: "the clocks differ by more than four hours",
                remedy: "Set the wrong clock of the two (w32tm /resync), and try again.",
                article: Some(CODES_ARTICLE),
            },
            Self::CaptureClock => Known {
                name: "capture-clock",
                headline: "the capture's own clock is off",
                remedy: "Read times of this capture with that difference in mind; nothing has to be done to the machines.",
                article: None,
            },
            Self::NoSrvRecord => Known {
                name: "no-srv-record",
                headline: "DNS has no SRV record for a KMS host",
                remedy: "Publish _vlmcs._tcp in the zone (slmgr /sdns on the host, or by hand), or name the host with slmgr /skms.",
                article: Some(DNS_ARTICLE),
            },
            Self::NameNotFound => Known {
                name: "name-not-found",
                headline: "DNS knows no _vlmcs._tcp in the domains that were asked",
                remedy: "Compare the suffixes that the machine asked with the zone in which the host publishes _vlmcs._tcp; correct one of them, or name the host with slmgr /skms.",
                article: Some(DNS_ARTICLE),
            },
            Self::DnsFailed => Known {
                name: "dns-failed",
                headline: "the DNS server did not give an answer",
                remedy: "Look at the DNS server that the machine asks, and at the zone on it.",
                article: Some(DNS_ARTICLE),
            },
            Self::TargetUnresolved => Known {
                name: "srv-target-unresolved",
                headline: "the name of the KMS host has no address",
                remedy: "Correct the SRV record or the configured name (slmgr /skms): the host's name has no address in DNS.",
                article: Some(DNS_ARTICLE),
            },
            Self::ConnectionRefused => Known {
                name: "host-refuses-connections",
                headline: "the host refuses the connection",
                remedy: "Start the service on the host (sppsvc; slmgr /dlv there shows its port), and look at whether the address and the port are the right ones.",
                article: Some(KMS_ARTICLE),
            },
            Self::HostUnreachable => Known {
                name: "host-unreachable",
                headline: "nobody answers at the host's address",
                remedy: "Open TCP port 1688 on the way and in the host's firewall, and look at whether the host is on and the record not stale.",
                article: Some(KMS_ARTICLE),
            },
            Self::ConnectionReset => Known {
                name: "connection-reset",
                headline: "the connection was reset before an answer",
                remedy: "Look for what resets it: a firewall or proxy that inspects the connection, or a host that crashes.",
                article: Some(KMS_ARTICLE),
            },
            Self::NoAnswer => Known {
                name: "no-answer",
                headline: "the host took the request and did not answer",
                remedy: "Look at the host's event log (12290) for the request, at its load, and at what stands between the two.",
                article: Some(KMS_ARTICLE),
            },
            Self::ConnectionDropped => Known {
                name: "connection-dropped",
                headline: "the host closed the connection without an answer",
                remedy: "Look at what listens there: a KMS host answers with an HRESULT and does not hang up; a proxy or another program does.",
                article: Some(KMS_ARTICLE),
            },
            Self::AnswerCut => Known {
                name: "answer-cut",
                headline: "the answer was cut off",
                remedy: "Look for what cuts the connection: a middlebox, an MTU that is too small, or a host that crashes.",
                article: Some(KMS_ARTICLE),
            },
            Self::PacketsLost => Known {
                name: "packets-lost",
                headline: "packets were lost on the way",
                remedy: "Look at the network between the two if it happens often.",
                article: None,
            },
            Self::WrongService => Known {
                name: "wrong-service",
                headline: "another service answers on the port",
                remedy: "Point the machine to the KMS host (SRV record, or slmgr /skms), or free port 1688 on the host.",
                article: Some(KMS_ARTICLE),
            },
            Self::InterfaceRefused => Known {
                name: "interface-refused",
                headline: "the program on the port is no KMS host: it refused the interface",
                remedy: "Start the key management service on the host, or point the machine to the host that runs it.",
                article: Some(KMS_ARTICLE),
            },
            Self::SyntaxRefused => Known {
                name: "syntax-refused",
                headline: "the host accepts none of the transfer syntaxes that were proposed",
                remedy: "Look at the implementation of the host: NDR32 is what every KMS host accepts.",
                article: None,
            },
            Self::BindRefused => Known {
                name: "bind-refused",
                headline: "the host refused the bind",
                remedy: "Look at the reason: a host that is overloaded takes it later; of another protocol version or authentication it never does.",
                article: Some(KMS_ARTICLE),
            },
            Self::VersionRefused => Known {
                name: "version-refused",
                headline: "the host does not take this version of the protocol",
                remedy: "Update the KMS host: it is older than its client, or no genuine one.",
                article: Some(CODES_ARTICLE),
            },
            Self::RequestInvalid => Known {
                name: "request-invalid",
                headline: "the host holds the request to be invalid",
                remedy: "Look at what changed the request on its way, and at the client's program.",
                article: Some(CODES_ARTICLE),
            },
            Self::HostFault => Known {
                name: "host-fault",
                headline: "the host answered with a fault of DCE/RPC",
                remedy: "Look at the status of the fault, and at which program listens there.",
                article: Some(KMS_ARTICLE),
            },
            Self::HostRefused => Known {
                name: "host-refused",
                headline: "the host refused with an error",
                remedy: "Look the error up (volact explain, slui 0x2a).",
                article: Some(CODES_ARTICLE),
            },
            Self::AnswerUnreadable => Known {
                name: "answer-unreadable",
                headline: "the answer is no answer of a KMS host",
                remedy: "Look at what answers there: the bytes are no response of a KMS host.",
                article: None,
            },
            Self::AnswerRejected => Known {
                name: "answer-rejected",
                headline: "the answer fails the checks of a genuine client",
                remedy: "Look at the implementation of the host, and at what changes packets on the way: each failed check is named.",
                article: None,
            },
            Self::OfficeAtAzure => Known {
                name: "office-at-azure",
                headline: "Azure's KMS hosts activate Windows only, not Office",
                remedy: "Activate Office by Active Directory, or by a KMS host of your own with the Office key, in the virtual network or through a site-to-site tunnel.",
                article: Some(AZURE_ARTICLE),
            },
            Self::AzureUnreachable => Known {
                name: "azure-unreachable",
                headline: "Azure's KMS host did not answer",
                remedy: "Route traffic to Azure's KMS addresses directly, past forced tunnelling and network appliances: Azure answers only what comes from one of its own public addresses.",
                article: Some(TUNNEL_ARTICLE),
            },
            Self::AvmaKeyInAzure => Known {
                name: "avma-key-in-azure",
                headline: "AVMA keys do not work in Azure",
                remedy: "Give the machine a KMS client key (slmgr /ipk), and let it ask Azure's KMS host.",
                article: Some(AZURE_ARTICLE),
            },
            Self::AvmaNotOpened => Known {
                name: "avma-not-opened",
                headline: "the guest never opened the channel that the host offered for activation",
                remedy: "Install an AVMA key in the guest (slmgr /ipk), and enable the integration service for data exchange.",
                article: Some(AVMA_ARTICLE),
            },
            Self::AvmaSilent => Known {
                name: "avma-silent",
                headline: "the host did not answer in the channel for activation",
                remedy: "Activate the virtualization host itself (Windows Server Datacenter), and try again in the guest with slmgr /ato.",
                article: Some(AVMA_ARTICLE),
            },
            Self::AvmaRefused => Known {
                name: "avma-refused",
                headline: "automatic virtual machine activation was refused",
                remedy: "Look the error up, on the guest and in the host's event log.",
                article: Some(AVMA_ARTICLE),
            },
            Self::DirectoryEmpty => Known {
                name: "directory-empty",
                headline: "Active Directory has no activation object for the product",
                remedy: "Create an activation object for the product with the volume activation tools; or leave it to KMS.",
                article: Some(ADBA_ARTICLE),
            },
            Self::MakLimit => Known {
                name: "mak-limit",
                headline: "the key has used up its activations",
                remedy: "Ask Microsoft's activation centre to raise the limit of the key, or use another key or KMS.",
                article: Some(CODES_ARTICLE),
            },
            Self::MakBlocked => Known {
                name: "mak-blocked",
                headline: "the key is blocked",
                remedy: "Use another key; ask the volume licensing service why this one is blocked.",
                article: Some(CODES_ARTICLE),
            },
            Self::MakInvalidKey => Known {
                name: "mak-invalid-key",
                headline: "the service holds the key to be invalid",
                remedy: "Compare the key with the one in the volume licensing service, and enter it again.",
                article: Some(CODES_ARTICLE),
            },
            Self::MakBadId => Known {
                name: "mak-bad-id",
                headline: "the installation ID or confirmation ID is bad",
                remedy: "Read the installation ID again (slmgr /dti) and send or type it again, digit by digit.",
                article: Some(CODES_ARTICLE),
            },
            Self::MakWrongKeyType => Known {
                name: "mak-wrong-key-type",
                headline: "the key is of the wrong type for this service",
                remedy: "Use a multiple activation key of the product; a KMS client key or host key is none.",
                article: Some(CODES_ARTICLE),
            },
            Self::MakRefused => Known {
                name: "mak-refused",
                headline: "the activation service refused",
                remedy: "Look the error up (volact explain, slui 0x2a).",
                article: Some(CODES_ARTICLE),
            },
            Self::MakUnreachable => Known {
                name: "mak-unreachable",
                headline: "the activation service was not reached",
                remedy: "Let the machine reach Microsoft's activation services over HTTPS, also through the proxy; or activate by telephone or by VAMT as a proxy.",
                article: Some(PROXY_ARTICLE),
            },
            Self::MakHttpError => Known {
                name: "mak-http-error",
                headline: "an HTTP error came in place of the service's answer",
                remedy: "Look at who answered: a proxy that wants credentials, or the service itself.",
                article: Some(PROXY_ARTICLE),
            },
            Self::DuplicateMachineId => Known {
                name: "duplicate-machine-id",
                headline: "several machines have the same CMID: the host counts them as one",
                remedy: "Run sysprep /generalize on the image, or slmgr /rearm on each clone: each machine then gets a CMID of its own.",
                article: Some(SYSPREP_ARTICLE),
            },
            Self::IntervalsUnusual => Known {
                name: "intervals-unusual",
                headline: "the host's intervals are far from the defaults",
                remedy: "Set them on the host: slmgr /sai 120 (until activated) and slmgr /sri 10080 (renewal), in minutes.",
                article: Some(KMSACT_ARTICLE),
            },
            Self::HostCannotPublish => Known {
                name: "host-cannot-publish",
                headline: "a KMS host could not write its record into DNS",
                remedy: "Let the host update the zone, or enter _vlmcs._tcp by hand.",
                article: Some(DNS_ARTICLE),
            },
            Self::TriedBefore => Known {
                name: "tried-before",
                headline: "earlier tries failed",
                remedy: "Nothing, unless it comes again.",
                article: None,
            },
            Self::FailedSince => Known {
                name: "failed-since",
                headline: "a later try failed",
                remedy: "The machine stays activated until its binding expires, 180 days after its last success; look at the cause before that.",
                article: None,
            },
            Self::MachineRejects => Known {
                name: "machine-rejects",
                headline: "the machine did not take the host's answer",
                remedy: "Look the error up (volact explain, slui 0x2a), and compare it with what the capture shows of the answer.",
                article: Some(CODES_ARTICLE),
            },
            Self::EventWithoutTraffic => Known {
                name: "event-without-traffic",
                headline: "an event tells of what is in no capture",
                remedy: "Capture where the machine's packets pass, and long enough.",
                article: None,
            },
            Self::TrafficWithoutEvent => Known {
                name: "traffic-without-event",
                headline: "a request is in no log",
                remedy: "Look at whether the log was cleared or is that of another machine: a CMID can be on several.",
                article: None,
            },
            Self::ProxyActivation => Known {
                name: "proxy-activation",
                headline: "the confirmation ID has to reach the machine",
                remedy: "Install the confirmation ID on the machine (VAMT does; slmgr /atp by hand).",
                article: Some(VAMT_ARTICLE),
            },
        }
    }
}

const KMSACT_ARTICLE: &str = "Activate using Key Management Service";
const CODES_ARTICLE: &str = "Troubleshoot Windows activation error codes";
const DNS_ARTICLE: &str = "Common troubleshooting procedures for KMS and DNS issues";
const KMS_ARTICLE: &str = "Guidelines for troubleshooting the Key Management Service (KMS)";
const AZURE_ARTICLE: &str = "Troubleshoot Azure Windows virtual machine activation problems";
const TUNNEL_ARTICLE: &str = "Windows activation fails in forced tunneling scenario";
const AVMA_ARTICLE: &str = "Automatic Virtual Machine Activation in Windows Server";
const ADBA_ARTICLE: &str = "Activate using Active Directory-based activation";
const PROXY_ARTICLE: &str = "Windows Activation or Validation fails with error code 0x8004FE33";
const SYSPREP_ARTICLE: &str = "Sysprep (Generalize) a Windows installation";
const VAMT_ARTICLE: &str = "Perform Proxy Activation";
