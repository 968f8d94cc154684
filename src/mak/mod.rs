//! MAK activation: installation IDs, confirmation IDs, and the documents of the services that carry them.
