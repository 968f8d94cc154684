//! TLS 1.2 and 1.3 as a listener sees it: server names, and what a key log opens.
