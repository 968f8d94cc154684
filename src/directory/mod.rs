//! The directory: activation objects of Active Directory over LDAP (RFC 4511, MS-ADA2) and in LDIF (RFC 2849).
