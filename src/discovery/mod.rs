//! Discovery: how a machine finds its KMS host in DNS (RFC 1035, RFC 2782, RFC 6762).
