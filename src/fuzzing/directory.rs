//! What must hold of any bytes that come as LDAP or LDIF.

/// Both directions of a connection.
pub fn ldap(data: &[u8]) {
    let _ = data;
}

/// A file.
pub fn ldif(data: &[u8]) {
    let _ = data;
}
